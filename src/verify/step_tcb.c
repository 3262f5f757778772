/* Steps 9 and 14 to 18 of the specification: which TCB level the platform, its quoting enclave and
 * its TDX module have, and what follows for the whole. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/hex.h"
#include "verify/appraisal.h"
#include "verify/convergence.h"

#define STEP "tcb"
#define SVN_COUNT 16

/* One evaluation: at launch with TEE_TCB_SVN, and for TD 1.5 once more with TEE_TCB_SVN_2. */
typedef struct evaluation {
    const vch_tcb_level *platform;
    const vch_svn_level *qe;
    const vch_svn_level *module; /* NULL for SGX and for TDX module version 0 */
    vouch_tcb_status status;
} evaluation;

static bool all_at_least(const uint8_t *have, const uint8_t *need, size_t from)
{
    for (size_t i = from; i < SVN_COUNT; i++) {
        if (have[i] < need[i])
            return false;
    }
    return true;
}

/* Step 14. `tee_svn` is NULL for SGX. With a module version above 0, bytes 0 and 1 are judged by the
 * module's own levels. */
static const vch_tcb_level *platform_level(const vch_work *w, const uint8_t *tee_svn)
{
    const vch_tcb_info *t = &w->request->collateral->tcb_info;
    const vch_pck_ext *pck = &w->platform->pck;
    for (size_t i = 0; i < t->level_count; i++) {
        const vch_tcb_level *level = &t->levels[i];
        if (all_at_least(pck->svn, level->sgx, 0) && pck->pce_svn >= level->pce_svn
            && (tee_svn == NULL || all_at_least(tee_svn, level->tdx, tee_svn[1] > 0 ? 2 : 0)))
            return level;
    }
    return NULL;
}

static bool module_of(vch_work *w, const uint8_t *tee_svn, const vch_tdx_module **out)
{
    const vch_tcb_info *t = &w->request->collateral->tcb_info;
    *out = tee_svn[1] == 0 ? &t->module_0 : vch_tcb_info_module(t, tee_svn[1]);
    if (*out == NULL)
        vch_reasons_add_values(vch_work_reasons(w), STEP, "tdx_module_identity_missing",
                               "an identity of the module", "none",
                               "the TCB info knows no TDX module of version %u", tee_svn[1]);
    return *out != NULL;
}

/* Step 9, with the launch value only. All attributes must be zero, whatever the mask (QVL). */
static bool check_module(vch_work *w)
{
    const vouch_tdx_claims *td = &w->appraisal->claims.tdx;
    const vch_tdx_module *m = NULL;
    if (!module_of(w, td->tee_tcb_svn, &m))
        return false;
    bool signer = memcmp(td->mrsigner_seam, m->mrsigner, sizeof m->mrsigner) == 0;
    bool attributes = memcmp(td->seam_attributes, m->attributes, sizeof m->attributes) == 0
                      && vch_span_is_zero((vouch_span) { td->seam_attributes, 8 });
    if (!signer)
        vch_reasons_add_bytes(vch_work_reasons(w), STEP, "tdx_module_mismatch",
                              (vouch_span) { m->mrsigner, sizeof m->mrsigner },
                              (vouch_span) { td->mrsigner_seam, sizeof td->mrsigner_seam },
                              "the TDX module is not signed as its identity says");
    if (!attributes)
        vch_reasons_add_bytes(
            vch_work_reasons(w), STEP, "tdx_module_mismatch",
            (vouch_span) { m->attributes, sizeof m->attributes },
            (vouch_span) { td->seam_attributes, sizeof td->seam_attributes },
            "the TDX module's attributes are not those of its identity, or not 0");
    return signer && attributes;
}

/* Step 15; *out stays NULL for module version 0. */
static bool module_level(vch_work *w, const uint8_t *tee_svn, const vch_svn_level **out)
{
    const vch_tdx_module *m = NULL;
    if (tee_svn == NULL || tee_svn[1] == 0)
        return true;
    if (!module_of(w, tee_svn, &m))
        return false;
    *out =
        vch_svn_levels_match(w->request->collateral->tcb_info.module_levels.list + m->first_level,
                             m->level_count, tee_svn[0]);
    if (*out == NULL)
        vch_reasons_add_values(vch_work_reasons(w), STEP, "tdx_module_tcb_not_supported",
                               "a level at or below", "none",
                               "TDX module version %u has no TCB level at or below SVN %u",
                               tee_svn[1], tee_svn[0]);
    return *out != NULL;
}

static bool evaluate(vch_work *w, const uint8_t *tee_svn, evaluation *out)
{
    evaluation e = { .platform = platform_level(w, tee_svn) };
    if (e.platform == NULL) {
        char svn[2 * SVN_COUNT + 1];
        vch_reasons_add_values(
            vch_work_reasons(w), STEP, "tcb_not_supported", "a level at or below the platform's",
            vch_hex_encode((vouch_span) { w->platform->pck.svn, SVN_COUNT }, svn),
            "the platform is below every TCB level (PCESVN %u)", w->platform->pck.pce_svn);
        return false;
    }
    const vch_svn_levels *qe_levels = &w->request->collateral->qe_identity.levels;
    e.qe = vch_svn_levels_match(qe_levels->list, qe_levels->count, w->quote.sig.qe.isv_svn);
    if (e.qe == NULL) {
        vch_reasons_add_values(
            vch_work_reasons(w), "qe", "qe_tcb_not_supported", "a level at or below", "none",
            "the quoting enclave's ISVSVN %u is below every level", w->quote.sig.qe.isv_svn);
        return false;
    }
    if (!module_level(w, tee_svn, &e.module))
        return false;
    e.status = vch_converge(e.platform->facts.status, e.qe->facts.status,
                            e.module == NULL ? VOUCH_TCB_UP_TO_DATE : e.module->facts.status);
    *out = e;
    return true;
}

static void collect(vouch_span *ids, size_t *count, const vch_advisories *from,
                    const vch_level_facts *facts)
{
    for (size_t i = 0; i < facts->advisory_count; i++)
        ids[(*count)++] = from->ids[facts->first_advisory + i];
}

static size_t advisories_of(const vch_work *w, const evaluation *e, vouch_span *ids)
{
    const vouch_collateral *c = w->request->collateral;
    size_t count = 0;
    collect(ids, &count, &c->tcb_info.advisories, &e->platform->facts);
    collect(ids, &count, &c->qe_identity.advisories, &e->qe->facts);
    if (e->module != NULL)
        collect(ids, &count, &c->tcb_info.advisories, &e->module->facts);
    return count;
}

static size_t advisory_bound(const evaluation *e)
{
    return e->platform->facts.advisory_count + e->qe->facts.advisory_count
           + (e->module == NULL ? 0 : e->module->facts.advisory_count);
}

/* Step 18: ids of both evaluations, each sorted set by itself. */
static vouch_code set_advisories(vch_work *w, const evaluation *launch, const evaluation *current,
                                 vouch_error *err)
{
    size_t bound = advisory_bound(launch) + advisory_bound(current);
    vouch_span few[64]; /* all that Intel ever lists: the warm path allocates nothing for it */
    vouch_span *many = NULL;
    vouch_span *ids = few;
    if (bound > sizeof few / sizeof few[0]) {
        many = calloc(bound, sizeof *many);
        if (many == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "advisory ids");
        ids = many;
    }
    size_t count = advisories_of(w, launch, ids);
    size_t current_count = advisories_of(w, current, ids + count);
    vouch_code rc =
        vch_appraisal_set_advisories(w->appraisal, ids, count, ids + count, current_count, err);
    free(many);
    return rc;
}

static int64_t oldest_date(const evaluation *e)
{
    int64_t date = e->platform->facts.date_unix_s;
    if (e->qe->facts.date_unix_s < date)
        date = e->qe->facts.date_unix_s;
    if (e->module != NULL && e->module->facts.date_unix_s < date)
        date = e->module->facts.date_unix_s;
    return date;
}

vouch_code vch_step_tcb(vch_work *w, vouch_error *err)
{
    vouch_claims *claims = &w->appraisal->claims;
    bool td = w->quote.header.tee == VOUCH_TEE_TDX;
    bool twice =
        w->quote.body_type == VCH_BODY_TD_15 || w->quote.body_type == VCH_BODY_TD_15_EXTENDED;
    evaluation launch = { 0 };
    if (td && !check_module(w))
        return VOUCH_OK;
    if (!evaluate(w, td ? claims->tdx.tee_tcb_svn : NULL, &launch))
        return VOUCH_OK;
    evaluation current = launch;
    if (twice && !evaluate(w, claims->tdx.tee_tcb_svn_2, &current))
        return VOUCH_OK;
    vouch_code rc = set_advisories(w, &launch, &current, err);
    if (rc != VOUCH_OK)
        return rc;
    int64_t date = oldest_date(&launch);
    int64_t current_date = oldest_date(&current);
    claims->tcb_date_unix_s = date < current_date ? date : current_date;
    claims->current_tcb_status = current.status;
    claims->tcb_status = twice ? vch_relaunch(launch.status, current.status) : launch.status;
    return VOUCH_OK;
}
