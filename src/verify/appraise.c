#include <stdlib.h>
#include <string.h>

#include "base/moment.h"
#include "base/scope.h"
#include "crypto/hash.h"
#include "verify/appraisal.h"
#include "verify/cache.h"

VCH_DEFINE_DROP(drop_appraisal, vouch_appraisal, vouch_appraisal_free)

void vch_work_dates(vch_work *w, const vch_dates *d)
{
    char from[VCH_MOMENT_TEXT_SIZE];
    char to[VCH_MOMENT_TEXT_SIZE];
    char now[VCH_MOMENT_TEXT_SIZE];
    int64_t now_unix_s = w->request->now_unix_s;
    if (now_unix_s < d->from_unix_s)
        vch_reasons_add_values(
            vch_work_reasons(w), d->step, d->early_code, vch_moment_format(d->from_unix_s, from),
            vch_moment_format(now_unix_s, now), "the %s is not valid yet", d->what);
    if (now_unix_s > d->to_unix_s)
        vch_reasons_add_values(vch_work_reasons(w), d->step, d->late_code,
                               vch_moment_format(d->to_unix_s, to),
                               vch_moment_format(now_unix_s, now), "the %s has expired", d->what);
    if (d->from_unix_s > w->window.from_unix_s)
        w->window.from_unix_s = d->from_unix_s;
    if (d->to_unix_s < w->window.to_unix_s)
        w->window.to_unix_s = d->to_unix_s;
}

static bool refused(const vch_work *w)
{
    return vch_reasons_any(&w->appraisal->reasons);
}

/* Structure, chain and collateral each say all that speaks against them; what follows relies on
 * all three. */
static vouch_code run_steps(vch_work *w, vouch_error *err)
{
    vch_step_structure(w);
    bool readable = !refused(w);
    vouch_code rc = readable ? vch_step_chain(w, err) : VOUCH_OK;
    if (rc != VOUCH_OK)
        return rc;
    vch_step_collateral(w);
    if (refused(w) || w->platform == NULL)
        return VOUCH_OK;
    vch_step_qe(w);
    if (refused(w))
        return VOUCH_OK;
    rc = vch_step_signature(w, err);
    if (rc != VOUCH_OK || refused(w))
        return rc;
    return vch_step_tcb(w, err);
}

/* A verdict without a reason, a platform and a status would be a fault of ours: it refuses. */
static void conclude(vch_work *w)
{
    vouch_appraisal *a = w->appraisal;
    a->genuine = !refused(w) && w->platform != NULL && a->claims.tcb_status != VOUCH_TCB_NONE;
    if (!a->genuine && !refused(w))
        vch_reasons_add(&a->reasons, "tcb", "internal", "no verdict was reached");
}

static vouch_code appraise(const vouch_verifier *v, const vouch_request *request,
                           const vch_cache_key *key, vouch_appraisal **out, vouch_error *err)
{
    VCH_SCOPED(drop_appraisal) vouch_appraisal *a = calloc(1, sizeof *a);
    if (a == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "appraisal");
    vch_work w = {
        .verifier = v, .request = request, .appraisal = a, .window = { INT64_MIN, INT64_MAX }
    };
    vouch_code rc = run_steps(&w, err);
    if (rc == VOUCH_OK)
        conclude(&w);
    vch_platform_drop(&w.own_platform);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "appraising a quote");
    if (a->genuine)
        vch_cache_keep_verdict(request->cache, key, a, w.window);
    *out = VCH_MOVE(a);
    return VOUCH_OK;
}

/* All bytes that a verdict depends on: quote, collateral, trusted roots and grace. */
static vouch_code verdict_key(const vouch_verifier *v, const vouch_request *request,
                              vch_cache_key *out, vouch_error *err)
{
    memcpy(out->second, request->collateral->digest, sizeof out->second);
    memcpy(out->third, v->digest, sizeof out->third);
    return vch_sha256(request->quote, out->first, err);
}

vouch_code vouch_verifier_appraise(const vouch_verifier *v, const vouch_request *request,
                                   vouch_appraisal **out, vouch_error *err)
{
    vch_cache_key key = { 0 };
    vouch_appraisal *a = NULL;
    const vouch_appraisal *known = NULL;
    vouch_code rc = VOUCH_OK;
    if (request->cache != NULL && request->collateral != NULL
        && request->quote.size <= VOUCH_QUOTE_MAX_SIZE) {
        rc = verdict_key(v, request, &key, err);
        if (rc == VOUCH_OK)
            known = vch_cache_find_verdict(request->cache, &key, request->now_unix_s);
    }
    if (rc == VOUCH_OK)
        rc = known != NULL ? vch_appraisal_copy(known, &a, err)
                           : appraise(v, request, &key, &a, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_step_policy(a, request->policy, request->now_unix_s);
    *out = a;
    return VOUCH_OK;
}
