/* Steps 3, 5 and 6 of the specification: collateral that is whole, current, and under the root that
 * the PCK chain ends in. Its signatures were verified when it was parsed. */
#include <string.h>

#include "codec/hex.h"
#include "verify/appraisal.h"

#define STEP "collateral"

static void check_root(vch_work *w)
{
    const vouch_collateral *c = w->request->collateral;
    char hex[2 * sizeof c->root_digest + 1];
    if (vch_verifier_root_by_digest(w->verifier, c->root_digest) == NULL)
        vch_reasons_add_values(
            vch_work_reasons(w), STEP, "root_not_trusted", "a trusted root certificate",
            vch_hex_encode((vouch_span) { c->root_digest, sizeof c->root_digest }, hex),
            "the issuer chains do not end in a trusted root certificate");
    else if (w->platform != NULL && memcmp(c->root_digest, w->platform->root_digest, 32) != 0)
        vch_reasons_add_bytes(vch_work_reasons(w), STEP, "roots_differ",
                              (vouch_span) { w->platform->root_digest, 32 },
                              (vouch_span) { c->root_digest, 32 },
                              "PCK chain and issuer chains end in different root certificates");
}

static void check_dates(vch_work *w, const char *what, int64_t from, int64_t to)
{
    vch_work_dates(w, &(vch_dates) { .from_unix_s = from,
                                     .to_unix_s = to + w->verifier->expired_grace_s,
                                     .step = STEP,
                                     .what = what,
                                     .early_code = "collateral_not_yet_valid",
                                     .late_code = "collateral_expired" });
}

/* No grace for certificates. */
static void check_chain_dates(vch_work *w, const char *what, const vch_chain *chain)
{
    const vch_cert *certs[] = { &chain->root, &chain->leaf };
    for (size_t i = 0; i < 2; i++)
        vch_work_dates(w, &(vch_dates) { .from_unix_s = certs[i]->not_before_unix_s,
                                         .to_unix_s = certs[i]->not_after_unix_s,
                                         .step = STEP,
                                         .what = what,
                                         .early_code = "certificate_not_yet_valid",
                                         .late_code = "certificate_expired" });
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void fill_claims(vch_work *w)
{
    const vouch_collateral *c = w->request->collateral;
    vouch_claims *claims = &w->appraisal->claims;
    claims->tcb_info_evaluation_number = c->tcb_info.evaluation_number;
    claims->qe_identity_evaluation_number = c->qe_identity.evaluation_number;
    claims->evaluation_number = c->tcb_info.evaluation_number < c->qe_identity.evaluation_number
                                    ? c->tcb_info.evaluation_number
                                    : c->qe_identity.evaluation_number;
    int64_t issue = earlier(c->tcb_info.issued_unix_s, c->qe_identity.issued_unix_s);
    issue = earlier(issue, earlier(c->pck_crl.this_update_unix_s, c->root_crl.this_update_unix_s));
    claims->earliest_issue_unix_s = issue;
    int64_t expiry = earlier(c->tcb_info.next_update_unix_s, c->qe_identity.next_update_unix_s);
    expiry =
        earlier(expiry, earlier(c->pck_crl.next_update_unix_s, c->root_crl.next_update_unix_s));
    expiry = earlier(expiry, c->tcb_info_chain.leaf.not_after_unix_s);
    if (c->qe_identity_chain.der != NULL)
        expiry = earlier(expiry, c->qe_identity_chain.leaf.not_after_unix_s);
    if (w->platform != NULL)
        expiry = earlier(expiry, w->platform->not_after_unix_s);
    claims->earliest_expiry_unix_s = expiry;
}

void vch_step_collateral(vch_work *w)
{
    const vouch_collateral *c = w->request->collateral;
    vch_reasons *reasons = vch_work_reasons(w);
    if (c == NULL) {
        vch_reasons_add_values(reasons, STEP, "collateral_missing", "collateral", "none",
                               "no collateral was supplied");
        return;
    }
    if (vch_reasons_any(&c->faults)) {
        vch_reasons_append(reasons, &c->faults);
        return;
    }
    size_t before = reasons->count;
    check_root(w);
    check_chain_dates(w, "TCB info issuer chain", &c->tcb_info_chain);
    if (c->qe_identity_chain.der != NULL)
        check_chain_dates(w, "QE identity issuer chain", &c->qe_identity_chain);
    check_dates(w, "root CA CRL", c->root_crl.this_update_unix_s, c->root_crl.next_update_unix_s);
    check_dates(w, "TCB info", c->tcb_info.issued_unix_s, c->tcb_info.next_update_unix_s);
    check_dates(w, "QE identity", c->qe_identity.issued_unix_s, c->qe_identity.next_update_unix_s);
    if (reasons->count == before && !reasons->lost)
        fill_claims(w);
}
