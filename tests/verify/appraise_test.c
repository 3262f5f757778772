#include "vouch/verifier.h"

#include <string.h>

#include "base/bytes.h"
#include "corpus.h"
#include "verify/appraisal.h"
#include "vouch/policy.h"

typedef struct fixture {
    vouch_verifier *verifier;
    vouch_collateral_parts parts;
    vouch_collateral *collateral;
    vouch_span quote;
    vouch_cache *cache;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    vouch_error err = { 0 };
    f.parts = corpus_sgx_parts();
    f.quote = corpus_read(CORPUS_SGX_QUOTE);
    CHECK_OK(vouch_verifier_new(NULL, &f.verifier, &err), &err);
    CHECK_OK(vouch_collateral_parse(&f.parts, &f.collateral, &err), &err);
    CHECK_OK(vouch_cache_new(8, &f.cache, &err), &err);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vouch_cache_free(f->cache);
    vouch_collateral_free(f->collateral);
    vouch_verifier_free(f->verifier);
    corpus_parts_free(&f->parts);
    corpus_free(f->quote);
    return 0;
}

static vouch_appraisal *appraise(const fixture *f, vouch_span quote, int64_t now_unix_s,
                                 vouch_cache *cache)
{
    vouch_appraisal *a = NULL;
    vouch_error err = { 0 };
    vouch_request r = {
        .quote = quote, .collateral = f->collateral, .now_unix_s = now_unix_s, .cache = cache
    };
    CHECK_OK(vouch_verifier_appraise(f->verifier, &r, &a, &err), &err);
    CHECK(vouch_appraisal_is_genuine(a) == (vouch_appraisal_reason_count(a) == 0));
    for (size_t i = 0; i < vouch_appraisal_reason_count(a); i++) {
        vouch_reason why = vouch_appraisal_reason(a, i);
        CHECK(why.step[0] != 0 && why.code[0] != 0 && why.message[0] != 0);
        CHECK(why.expected[0] != 0 && why.actual[0] != 0);
    }
    CHECK(!vouch_appraisal_admits(a)); /* no policy was given */
    return a;
}

static bool has_reason(const vouch_appraisal *a, const char *code)
{
    for (size_t i = 0; i < vouch_appraisal_reason_count(a); i++) {
        if (strcmp(vouch_appraisal_reason(a, i).code, code) == 0)
            return true;
    }
    return false;
}

/* The verdict is a refusal with this reason. */
static void expect_refusal(const fixture *f, vouch_span quote, int64_t now_unix_s,
                           vouch_cache *cache, const char *code)
{
    vouch_appraisal *a = appraise(f, quote, now_unix_s, cache);
    if (vouch_appraisal_is_genuine(a) || !has_reason(a, code))
        fail_msg("expected %s, found %s", code, vouch_appraisal_reason(a, 0).code);
    CHECK(vouch_appraisal_claims(a)->tcb_status == VOUCH_TCB_NONE);
    vouch_appraisal_free(a);
}

static void a_genuine_quote_has_its_status_and_claims(void **state)
{
    const fixture *f = *state;
    vouch_appraisal *a = appraise(f, f->quote, CORPUS_SGX_TIME, NULL);
    CHECK(vouch_appraisal_is_genuine(a));
    const vouch_claims *c = vouch_appraisal_claims(a);
    CHECK(c->tcb_status == VOUCH_TCB_SW_HARDENING_NEEDED && c->current_tcb_status == c->tcb_status);
    CHECK(c->advisory_count == 1 && strcmp(c->advisory_ids[0], "INTEL-SA-00615") == 0);
    CHECK(c->current_advisory_count == 1 && c->tcb_date_unix_s > 0);
    CHECK(!c->simulated && !c->debug && c->has_platform && c->has_piid);
    CHECK(c->fmspc[0] == 0x00 && c->fmspc[1] == 0x60 && c->fmspc[2] == 0x6a);
    CHECK(c->evaluation_number == 17 && c->tcb_info_evaluation_number == 17);
    CHECK(c->earliest_issue_unix_s < CORPUS_SGX_TIME
          && c->earliest_expiry_unix_s > CORPUS_SGX_TIME);
    vouch_appraisal_free(a);
}

static void nothing_at_all_is_a_refusal(void **state)
{
    (void)state;
    const vouch_appraisal zero = { 0 };
    CHECK(!vouch_appraisal_admits(NULL) && !vouch_appraisal_is_genuine(NULL));
    CHECK(!vouch_appraisal_admits(&zero) && !vouch_appraisal_is_genuine(&zero));
    CHECK(vouch_appraisal_reason_count(NULL) == 0);
    assert_string_equal(vouch_appraisal_reason(NULL, 0).message, "");
    CHECK(vouch_appraisal_claims(NULL)->tcb_status == VOUCH_TCB_NONE);
    vouch_appraisal_free(NULL);
}

/* An appraisal that something speaks against does not admit, whatever its flags say. */
static void a_reason_refuses_whatever_else_is_set(void **state)
{
    (void)state;
    vouch_appraisal a = { .genuine = true, .admitted = true };
    CHECK(vouch_appraisal_admits(&a));
    a.reasons.lost = true;
    CHECK(!vouch_appraisal_admits(&a));
    a.reasons.lost = false;
    a.genuine = false;
    CHECK(!vouch_appraisal_admits(&a));
}

static void a_chain_that_cannot_be_read_is_the_reason(void **state)
{
    fixture f = *(fixture *)*state;
    vouch_span copy = corpus_copy(f.quote, f.quote.size);
    corpus_bytes(copy)[copy.size - 40] ^= 0x80; /* no base64 */
    expect_refusal(&f, copy, CORPUS_SGX_TIME, NULL, "pck_chain_malformed");
    corpus_free(copy);
}

static void missing_collateral_is_a_reason_and_the_platform_is_still_shown(void **state)
{
    fixture f = *(fixture *)*state;
    f.collateral = NULL;
    vouch_appraisal *a = appraise(&f, f.quote, CORPUS_SGX_TIME, f.cache);
    CHECK(has_reason(a, "collateral_missing") && vouch_appraisal_claims(a)->has_platform);
    vouch_appraisal_free(a);
}

static void each_missing_part_is_a_reason(void **state)
{
    const fixture *whole = *state;
    for (size_t i = 0; i < 6; i++) {
        fixture f = *whole;
        vouch_error err = { 0 };
        vouch_span *parts[] = { &f.parts.tcb_info,    &f.parts.tcb_info_issuer_chain,
                                &f.parts.qe_identity, &f.parts.qe_identity_issuer_chain,
                                &f.parts.pck_crl,     &f.parts.root_ca_crl };
        *parts[i] = (vouch_span) { 0 };
        CHECK_OK(vouch_collateral_parse(&f.parts, &f.collateral, &err), &err);
        expect_refusal(&f, f.quote, CORPUS_SGX_TIME, NULL, "collateral_missing");
        vouch_collateral_free(f.collateral);
    }
}

static void dates_are_judged_at_each_use_also_of_what_is_cached(void **state)
{
    const fixture *f = *state;
    vouch_appraisal *a = appraise(f, f->quote, CORPUS_SGX_TIME, f->cache);
    int64_t expiry = vouch_appraisal_claims(a)->earliest_expiry_unix_s;
    vouch_appraisal_free(a);
    a = appraise(f, f->quote, expiry, f->cache); /* inclusive */
    CHECK(vouch_appraisal_is_genuine(a));
    vouch_appraisal_free(a);
    expect_refusal(f, f->quote, expiry + 1, f->cache, "collateral_expired");
    expect_refusal(f, f->quote, expiry + 1, NULL, "collateral_expired");
    expect_refusal(f, f->quote, CORPUS_SGX_TIME - 86400 * 30, f->cache, "collateral_not_yet_valid");
    expect_refusal(f, f->quote, INT64_C(1500000000), f->cache, "certificate_not_yet_valid");
    expect_refusal(f, f->quote, INT64_C(2600000000), f->cache, "certificate_expired");
    expect_refusal(f, f->quote, INT64_MAX, f->cache, "certificate_expired");
    expect_refusal(f, f->quote, INT64_MIN, f->cache, "certificate_not_yet_valid");
}

static void grace_covers_expired_collateral_and_no_certificate(void **state)
{
    fixture f = *(fixture *)*state;
    vouch_error err = { 0 };
    vouch_verifier_options o = { .expired_grace_s = 86400 };
    vouch_appraisal *a = appraise(&f, f.quote, CORPUS_SGX_TIME, NULL);
    int64_t expiry = vouch_appraisal_claims(a)->earliest_expiry_unix_s;
    vouch_appraisal_free(a);
    CHECK_OK(vouch_verifier_new(&o, &f.verifier, &err), &err);
    a = appraise(&f, f.quote, expiry + 86400, NULL);
    CHECK(vouch_appraisal_is_genuine(a));
    vouch_appraisal_free(a);
    expect_refusal(&f, f.quote, expiry + 86401, NULL, "collateral_expired");
    vouch_verifier_free(f.verifier);
}

static void a_verdict_cached_under_one_verifier_does_not_serve_another(void **state)
{
    fixture f = *(fixture *)*state;
    vouch_error err = { 0 };
    vouch_span root = corpus_copy(vouch_intel_root(), vouch_intel_root().size);
    corpus_bytes(root)[root.size - 1] ^= 1;
    vouch_verifier_options o = { .roots = &root, .root_count = 1 };
    vouch_appraisal_free(appraise(&f, f.quote, CORPUS_SGX_TIME, f.cache));
    CHECK_OK(vouch_verifier_new(&o, &f.verifier, &err), &err);
    expect_refusal(&f, f.quote, CORPUS_SGX_TIME, f.cache, "root_not_trusted");
    vouch_verifier_free(f.verifier);
    corpus_free(root);
}

static void other_collateral_is_not_served_from_the_cache(void **state)
{
    fixture f = *(fixture *)*state;
    vouch_error err = { 0 };
    vouch_collateral_parts tdx = corpus_tdx_parts();
    vouch_appraisal_free(appraise(&f, f.quote, CORPUS_SGX_TIME, f.cache));
    f.parts.pck_crl =
        tdx.pck_crl; /* a later list of the same CA: verified anew, and not valid yet */
    CHECK_OK(vouch_collateral_parse(&f.parts, &f.collateral, &err), &err);
    expect_refusal(&f, f.quote, CORPUS_SGX_TIME, f.cache, "collateral_not_yet_valid");
    vouch_collateral_free(f.collateral);
    vouch_span forged = corpus_copy(f.parts.pck_crl, f.parts.pck_crl.size);
    corpus_bytes(forged)[forged.size - 1] ^= 1;
    f.parts.pck_crl = forged;
    CHECK_OK(vouch_collateral_parse(&f.parts, &f.collateral, &err), &err);
    expect_refusal(&f, f.quote, CORPUS_SGX_TIME, f.cache, "pck_crl_signature_invalid");
    vouch_collateral_free(f.collateral);
    corpus_free(forged);
    corpus_parts_free(&tdx);
}

/* Two roots are trusted, and the chains end in one each: that is no chain of one vendor's. */
static void all_chains_must_end_in_the_same_trusted_root(void **state)
{
    fixture f = *(fixture *)*state;
    vouch_error err = { 0 };
    vouch_span other = corpus_read("collateral/8067e3da3fcd742b.root.pem");
    const vouch_span roots[] = { vouch_intel_root(), other };
    const vouch_verifier_options both = { .roots = roots, .root_count = 2 };
    const vouch_verifier_options one = { .roots = &other, .root_count = 1 };
    vouch_collateral_parts parts = {
        .tcb_info = corpus_read("collateral/1e929e391ef17b58.tcb.json"),
        .tcb_info_issuer_chain = corpus_read("collateral/dc226ddb43ddc0c9.chain.pem"),
        .qe_identity = corpus_read("collateral/424b4f06d4a3217f.qe.json"),
        .qe_identity_issuer_chain = corpus_read("collateral/dc226ddb43ddc0c9.chain.pem"),
        .pck_crl = corpus_read("collateral/991c816443e85327.crl.der"),
        .root_ca_crl = corpus_read("collateral/8280aa2912f9b42a.crl.der"),
    };
    CHECK_OK(vouch_collateral_parse(&parts, &f.collateral, &err), &err);
    CHECK_OK(vouch_verifier_new(&both, &f.verifier, &err), &err);
    expect_refusal(&f, f.quote, CORPUS_SGX_TIME, NULL, "roots_differ");
    vouch_verifier_free(f.verifier);
    f.verifier = ((fixture *)*state)->verifier; /* Intel's root alone */
    expect_refusal(&f, f.quote, CORPUS_SGX_TIME, NULL, "root_not_trusted");
    CHECK_OK(vouch_verifier_new(&one, &f.verifier, &err), &err);
    expect_refusal(&f, f.quote, CORPUS_SGX_TIME, NULL, "root_not_trusted");
    vouch_verifier_free(f.verifier);
    vouch_collateral_free(f.collateral);
    corpus_parts_free(&parts);
    corpus_free(other);
}

static void another_cas_list_is_no_pck_crl(void **state)
{
    fixture f = *(fixture *)*state;
    vouch_error err = { 0 };
    f.parts.pck_crl = f.parts.root_ca_crl;
    CHECK_OK(vouch_collateral_parse(&f.parts, &f.collateral, &err), &err);
    expect_refusal(&f, f.quote, CORPUS_SGX_TIME, f.cache, "pck_crl_issuer_mismatch");
    vouch_collateral_free(f.collateral);
}

static void the_cache_gives_the_same_verdict_as_none(void **state)
{
    const fixture *f = *state;
    vouch_appraisal *fresh = appraise(f, f->quote, CORPUS_SGX_TIME, NULL);
    for (size_t padding = 0; padding < 20; padding++) { /* warm, then hits, then evictions */
        vouch_span padded = corpus_copy(f->quote, f->quote.size + padding % 10);
        vouch_appraisal *a = appraise(f, padded, CORPUS_SGX_TIME, f->cache);
        vouch_claims x = *vouch_appraisal_claims(a);
        vouch_claims y = *vouch_appraisal_claims(fresh);
        CHECK(vouch_appraisal_is_genuine(a) && x.padding_size == padding % 10);
        CHECK(x.advisory_count == y.advisory_count
              && strcmp(x.advisory_ids[0], y.advisory_ids[0]) == 0);
        x.advisory_ids = y.advisory_ids;
        x.current_advisory_ids = y.current_advisory_ids;
        x.padding_size = y.padding_size;
        CHECK(memcmp(&x, &y, sizeof x) == 0);
        vouch_appraisal_free(a);
        corpus_free(padded);
    }
    vouch_appraisal_free(fresh);
}

static vouch_policy *policy_of(const char *yaml)
{
    vouch_policy *p = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vouch_policy_parse("policy", vch_span_str(yaml), &p, &err), &err);
    return p;
}

static void a_policy_is_judged_at_each_use_also_of_what_is_cached(void **state)
{
    const fixture *f = *state;
    char yaml[512];
    char hex[65];
    vouch_claims c;
    vouch_error err = { 0 };
    CHECK_OK(vouch_quote_read(f->quote, &c, &err), &err);
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", c.sgx.mrenclave[i]);
    for (int accepts = 1; accepts >= 0; accepts--) {
        (void)snprintf(
            yaml, sizeof yaml,
            "version: 1\nmeasurements: [{mrenclave: \"%s\"}]\ntcb: {accept: [UpToDate%s], "
            "advisories: [{id: INTEL-SA-00615, until: 2030-01-01}]}\n",
            hex, accepts ? ", SWHardeningNeeded" : "");
        vouch_policy *p = policy_of(yaml);
        for (int i = 0; i < 2; i++) {
            vouch_appraisal *a = NULL;
            vouch_request r = { .quote = f->quote,
                                .collateral = f->collateral,
                                .policy = p,
                                .now_unix_s = CORPUS_SGX_TIME,
                                .cache = f->cache };
            CHECK_OK(vouch_verifier_appraise(f->verifier, &r, &a, &err), &err);
            CHECK(vouch_appraisal_is_genuine(a));
            CHECK(vouch_appraisal_admits(a) == (accepts == 1));
            CHECK((vouch_appraisal_reason_count(a) == 0) == (accepts == 1));
            vouch_appraisal_free(a);
        }
        vouch_policy_free(p);
    }
}

/* A genuine verdict by hand that the policy below admits. */
static vouch_appraisal by_hand(void)
{
    vouch_appraisal a = { .genuine = true };
    a.claims.tee = VOUCH_TEE_SGX;
    a.claims.sgx.attribute_flags = VOUCH_SGX_ATTRIBUTE_INIT;
    memset(a.claims.sgx.mrenclave, 0xaa, sizeof a.claims.sgx.mrenclave);
    memset(a.claims.root_sha256, 0xbb, sizeof a.claims.root_sha256);
    a.claims.has_platform = true;
    a.claims.tcb_status = VOUCH_TCB_UP_TO_DATE;
    a.claims.current_tcb_status = VOUCH_TCB_UP_TO_DATE;
    a.claims.tcb_date_unix_s = 1;
    return a;
}

static void revoked_is_refused_whatever_the_policy_says(void **state)
{
    (void)state;
    vouch_policy *p =
        policy_of("version: 1\nmeasurements: [{mrenclave: "
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}]\n");
    vouch_appraisal a = by_hand();
    vch_step_policy(&a, p, CORPUS_SGX_TIME);
    CHECK(vouch_appraisal_admits(&a));
    a = by_hand();
    a.claims.tcb_status = VOUCH_TCB_REVOKED;
    vch_step_policy(&a, p, CORPUS_SGX_TIME);
    CHECK(!vouch_appraisal_admits(&a));
    vch_reasons_drop(&a.reasons);
    a = by_hand();
    a.claims.current_tcb_status = VOUCH_TCB_REVOKED; /* the launch was fine; the present is not */
    vch_step_policy(&a, p, CORPUS_SGX_TIME);
    CHECK(!vouch_appraisal_admits(&a) && has_reason(&a, "tcb_revoked"));
    vch_reasons_drop(&a.reasons);
    a = by_hand();
    a.genuine = false;
    vch_step_policy(&a, p, CORPUS_SGX_TIME);
    CHECK(!vouch_appraisal_admits(&a));
    vch_reasons_drop(&a.reasons);
    vouch_policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_genuine_quote_has_its_status_and_claims),
        TEST(nothing_at_all_is_a_refusal),
        TEST(a_reason_refuses_whatever_else_is_set),
        TEST(a_chain_that_cannot_be_read_is_the_reason),
        TEST(missing_collateral_is_a_reason_and_the_platform_is_still_shown),
        TEST(each_missing_part_is_a_reason),
        TEST(dates_are_judged_at_each_use_also_of_what_is_cached),
        TEST(grace_covers_expired_collateral_and_no_certificate),
        TEST(a_verdict_cached_under_one_verifier_does_not_serve_another),
        TEST(other_collateral_is_not_served_from_the_cache),
        TEST(all_chains_must_end_in_the_same_trusted_root),
        TEST(another_cas_list_is_no_pck_crl),
        TEST(the_cache_gives_the_same_verdict_as_none),
        TEST(a_policy_is_judged_at_each_use_also_of_what_is_cached),
        TEST(revoked_is_refused_whatever_the_policy_says),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
