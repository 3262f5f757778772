/*
 * A whole appraisal: a genuine set with one of its files replaced by the input (the first byte says
 * which). No verdict is genuine unless it is the set's own, and every refusal says why.
 */
#include <stdlib.h>
#include <string.h>

#include "corpus.h"
#include "vouch/verifier.h"

#define PARTS 7 /* of collateral; one more is the quote */

static void require(int good)
{
    if (!good)
        __builtin_trap();
}

static vouch_verifier *verifier;
static vouch_cache *cache;
static vouch_collateral_parts parts;
static vouch_span quote;

static void begin(void)
{
    parts = corpus_sgx_parts();
    quote = corpus_read(CORPUS_SGX_QUOTE);
    require(vouch_verifier_new(NULL, &verifier, NULL) == VOUCH_OK);
    require(vouch_cache_new(4, &cache, NULL) == VOUCH_OK);
}

static void check(const vouch_appraisal *a)
{
    const vouch_claims *c = vouch_appraisal_claims(a);
    require(!vouch_appraisal_admits(a));
    if (vouch_appraisal_is_genuine(a)) {
        require(vouch_appraisal_reason_count(a) == 0);
        require(c->tcb_status == VOUCH_TCB_SW_HARDENING_NEEDED && c->advisory_count == 1);
        return;
    }
    require(c->tcb_status == VOUCH_TCB_NONE && vouch_appraisal_reason_count(a) > 0);
    for (size_t i = 0; i < vouch_appraisal_reason_count(a); i++) {
        vouch_reason r = vouch_appraisal_reason(a, i);
        require(r.step[0] != 0 && r.code[0] != 0 && r.expected[0] != 0 && r.actual[0] != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (verifier == NULL)
        begin();
    if (size == 0)
        return 0;
    vouch_collateral_parts own = parts;
    vouch_span *list[] = { &own.tcb_info,    &own.tcb_info_issuer_chain,
                           &own.qe_identity, &own.qe_identity_issuer_chain,
                           &own.pck_crl,     &own.root_ca_crl,
                           &own.pck_chain };
    vouch_span input = { data + 1, size - 1 };
    vouch_request r = { .quote = quote, .now_unix_s = CORPUS_SGX_TIME, .cache = cache };
    if (data[0] % (PARTS + 1) < PARTS)
        *list[data[0] % (PARTS + 1)] = input;
    else
        r.quote = input;
    vouch_collateral *collateral = NULL;
    vouch_appraisal *a = NULL;
    require(vouch_collateral_parse(&own, &collateral, NULL) == VOUCH_OK);
    r.collateral = collateral;
    require(vouch_verifier_appraise(verifier, &r, &a, NULL) == VOUCH_OK);
    check(a);
    vouch_appraisal_free(a);
    vouch_collateral_free(collateral);
    return 0;
}
