/* Is a set of collateral good enough to take the place of what was there? */
#include "identity/collateral_fetch.h"

#include <string.h>

#include "base/scope.h"
#include "collateral/bundle.h"
#include "identity/collateral_marks.h"

VCH_DEFINE_DROP(drop_collateral, vouch_collateral, vouch_collateral_free)

static vouch_code check_platform(const vouch_collateral *c, const vch_pcs_query *query,
                                 vouch_error *err)
{
    vouch_tee tee = query->tdx ? VOUCH_TEE_TDX : VOUCH_TEE_SGX;
    if (memcmp(c->tcb_info.fmspc, query->fmspc, sizeof query->fmspc) != 0)
        return vouch_fail(err, VOUCH_E_REFUSED, "TCB info of another FMSPC");
    if (c->tcb_info.tee != tee)
        return vouch_fail(err, VOUCH_E_REFUSED, "TCB info of another kind of TEE");
    if (c->qe_identity.id != (query->tdx ? VCH_ENCLAVE_TD_QE : VCH_ENCLAVE_QE))
        return vouch_fail(err, VOUCH_E_REFUSED, "identity of another enclave");
    return VOUCH_OK;
}

static vouch_code check_dates(const vouch_collateral *c, int64_t now_unix_s, vouch_error *err)
{
    const struct {
        const char *what;
        int64_t from, until;
    } table[] = {
        { "TCB info", c->tcb_info.issued_unix_s, c->tcb_info.next_update_unix_s },
        { "QE identity", c->qe_identity.issued_unix_s, c->qe_identity.next_update_unix_s },
        { "PCK CRL", c->pck_crl.this_update_unix_s, c->pck_crl.next_update_unix_s },
        { "root CRL", c->root_crl.this_update_unix_s, c->root_crl.next_update_unix_s },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (now_unix_s > table[i].until)
            return vouch_fail(err, VOUCH_E_REFUSED, "stale: the %s has expired", table[i].what);
        if (now_unix_s < table[i].from)
            return vouch_fail(err, VOUCH_E_REFUSED, "the %s is issued in the future",
                              table[i].what);
    }
    return VOUCH_OK;
}

/* Numbers and dates of documents of one kind, under one root, never go back. */
static vouch_code check_order(const vouch_collateral *c, const vouch_collateral *seen,
                              vouch_error *err)
{
    vch_stored_mark now[VCH_COLLATERAL_MARKS];
    vch_stored_mark before[VCH_COLLATERAL_MARKS];
    vouch_code rc = vch_collateral_marks(c, now, err);
    if (rc == VOUCH_OK)
        rc = vch_collateral_marks(seen, before, err);
    for (size_t i = 0; i < VCH_COLLATERAL_MARKS && rc == VOUCH_OK; i++) {
        if (strcmp(now[i].document, before[i].document) != 0)
            continue;
        const char *what = now[i].number < before[i].number                 ? "number"
                           : now[i].issued_unix_s < before[i].issued_unix_s ? "issue date"
                                                                            : NULL;
        if (what != NULL)
            rc = vouch_fail(err, VOUCH_E_REFUSED,
                            "older than seen before: the %s of the %.140s "
                            "went back",
                            what, now[i].document);
    }
    return rc;
}

static vouch_code check_seen(const vouch_collateral *c, const vouch_collateral_parts *parts,
                             vouch_error *err)
{
    VCH_SCOPED(drop_collateral) vouch_collateral *seen = NULL;
    vouch_code rc = vouch_collateral_parse(parts, &seen, err);
    if (rc != VOUCH_OK)
        return rc;
    /* Broken collateral, or another vendor's, sets no floor */
    if (vch_reasons_any(&seen->faults)
        || memcmp(seen->root_digest, c->root_digest, sizeof c->root_digest) != 0)
        return VOUCH_OK;
    return check_order(c, seen, err);
}

vouch_code vch_collateral_fresh(const vouch_collateral_parts *parts, const vch_pcs_query *query,
                                const vouch_collateral_parts *seen, int64_t now_unix_s,
                                vouch_error *err)
{
    VCH_SCOPED(drop_collateral) vouch_collateral *c = NULL;
    vouch_code rc = vouch_collateral_parse(parts, &c, err);
    if (rc != VOUCH_OK)
        return rc;
    if (vch_reasons_any(&c->faults))
        return vouch_fail(err, VOUCH_E_REFUSED, "%s",
                          c->faults.count > 0 ? c->faults.list[0].message : "it has faults");
    rc = check_platform(c, query, err);
    if (rc == VOUCH_OK)
        rc = check_dates(c, now_unix_s, err);
    if (rc == VOUCH_OK && seen != NULL)
        rc = check_seen(c, seen, err);
    return rc;
}
