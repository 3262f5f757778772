/* Steps 7, 8 and 12 of the specification: collateral of this TEE and platform, and a quoting enclave
 * that is Intel's. That the PCK signed its report is the chain step's matter. */
#include <stdio.h>
#include <string.h>

#include "verify/appraisal.h"

#define STEP "qe"

static void check_tee(vch_work *w)
{
    static const char *const enclaves[] = { [VCH_ENCLAVE_QE] = "QE",
                                            [VCH_ENCLAVE_TD_QE] = "TD_QE",
                                            [VCH_ENCLAVE_QVE] = "QVE",
                                            [VCH_ENCLAVE_QAE] = "QAE" };
    const vouch_collateral *c = w->request->collateral;
    vouch_tee tee = w->quote.header.tee;
    if (c->tcb_info.tee != tee)
        vch_reasons_add_values(vch_work_reasons(w), "tcb", "tcb_info_tee_mismatch",
                               vouch_tee_name(tee), vouch_tee_name(c->tcb_info.tee),
                               "the TCB info is for another TEE than the quote");
    /* QVE and QAE are Intel's enclaves, too, and never quote (spec section 6, item 7). */
    vch_enclave_id quoting = tee == VOUCH_TEE_SGX ? VCH_ENCLAVE_QE : VCH_ENCLAVE_TD_QE;
    if (c->qe_identity.id != quoting)
        vch_reasons_add_values(vch_work_reasons(w), STEP, "qe_identity_tee_mismatch",
                               enclaves[quoting], enclaves[c->qe_identity.id],
                               "the enclave identity is not that of this TEE's quoting enclave");
}

static void check_platform(vch_work *w)
{
    const vch_tcb_info *t = &w->request->collateral->tcb_info;
    const vch_pck_ext *pck = &w->platform->pck;
    if (memcmp(t->fmspc, pck->fmspc, sizeof t->fmspc) != 0)
        vch_reasons_add_bytes(vch_work_reasons(w), "tcb", "fmspc_mismatch",
                              (vouch_span) { pck->fmspc, sizeof pck->fmspc },
                              (vouch_span) { t->fmspc, sizeof t->fmspc },
                              "the TCB info is for another kind of platform (FMSPC)");
    if (memcmp(t->pceid, pck->pceid, sizeof t->pceid) != 0)
        vch_reasons_add_bytes(vch_work_reasons(w), "tcb", "pceid_mismatch",
                              (vouch_span) { pck->pceid, sizeof pck->pceid },
                              (vouch_span) { t->pceid, sizeof t->pceid },
                              "the TCB info is for another PCEID");
}

static uint64_t u64le(const uint8_t bytes[static 8])
{
    uint64_t v = 0;
    for (size_t i = 8; i-- > 0;)
        v = v << 8 | bytes[i];
    return v;
}

static void mismatch(vch_work *w, const char *field, uint64_t expected, uint64_t actual)
{
    char e[17];
    char a[17];
    (void)snprintf(e, sizeof e, "%llx", (unsigned long long)expected);
    (void)snprintf(a, sizeof a, "%llx", (unsigned long long)actual);
    vch_reasons_add_values(vch_work_reasons(w), STEP, "qe_identity_mismatch", e, a,
                           "the quoting enclave's %s is not that of Intel's identity", field);
}

/* A field under its mask. */
static void check_masked(vch_work *w, const char *field, uint64_t found, uint64_t mask,
                         uint64_t expected)
{
    if ((found & mask) != expected)
        mismatch(w, field, expected, found & mask);
}

/* The masks cover DEBUG, so a debug quoting enclave fails here. */
static void check_identity(vch_work *w)
{
    const vch_qe_identity *id = &w->request->collateral->qe_identity;
    const vouch_sgx_claims *qe = &w->quote.sig.qe;
    check_masked(w, "MISCSELECT", qe->misc_select, id->misc_select_mask, id->misc_select);
    check_masked(w, "ATTRIBUTES", qe->attribute_flags, u64le(id->attributes_mask),
                 u64le(id->attributes));
    check_masked(w, "ATTRIBUTES (XFRM)", qe->xfrm, u64le(id->attributes_mask + 8),
                 u64le(id->attributes + 8));
    if (memcmp(qe->mrsigner, id->mrsigner, sizeof id->mrsigner) != 0)
        vch_reasons_add_bytes(vch_work_reasons(w), STEP, "qe_identity_mismatch",
                              (vouch_span) { id->mrsigner, sizeof id->mrsigner },
                              (vouch_span) { qe->mrsigner, sizeof qe->mrsigner },
                              "the quoting enclave's MRSIGNER is not that of Intel's identity");
    if (qe->isv_prod_id != id->isv_prod_id)
        mismatch(w, "ISVPRODID", id->isv_prod_id, qe->isv_prod_id);
}

void vch_step_qe(vch_work *w)
{
    check_tee(w);
    check_platform(w);
    check_identity(w);
}
