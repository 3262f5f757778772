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

/* Chain and collateral each say all that speaks against them; what follows relies on both, and on a
 * quote that could be read. */
static vouch_code run_steps(vch_work *w, bool readable, vouch_error *err)
{
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
        vch_reasons_add_values(&a->reasons, "tcb", "internal", "a verdict", "none",
                               "no verdict was reached");
}

/* From the start of the quote to the end of its signature: header, descriptor, body, length, r || s. */
#define PREFIX_MAX_SIZE (VCH_QUOTE_HEADER_SIZE + 6 + VCH_TD_REPORT_15_EXTENDED_SIZE + 4 + 64)

/*
 * All bytes that a verdict depends on: quote, collateral, trusted roots and grace. Of the quote that
 * is the prefix, the digest of the rest of the section, and the number of zeros after it.
 */
static vouch_code verdict_key(vch_work *w, vch_cache_key *out, vouch_error *err)
{
    const vch_quote_sig *sig = &w->quote.sig;
    uint8_t bytes[PREFIX_MAX_SIZE + sizeof w->platform_digest + sizeof w->quote.padding_size];
    size_t prefix = (size_t)(sig->platform.data - w->request->quote.data);
    if (prefix > PREFIX_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_INTERNAL, "a quote with a longer prefix than any body has");
    vouch_code rc = vch_sha256(sig->platform, w->platform_digest, err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(bytes, w->request->quote.data, prefix);
    memcpy(bytes + prefix, w->platform_digest, sizeof w->platform_digest);
    size_t size = prefix + sizeof w->platform_digest;
    memcpy(bytes + size, &w->quote.padding_size, sizeof w->quote.padding_size);
    size += sizeof w->quote.padding_size;
    if (w->request->collateral != NULL)
        memcpy(out->second, w->request->collateral->digest, sizeof out->second);
    memcpy(out->third, w->verifier->digest, sizeof out->third);
    return vch_sha256((vouch_span) { bytes, size }, out->first, err);
}

/* The verdict on a quote that was read, from the cache or from scratch. */
static vouch_code find_verdict(vch_work *w, vouch_error *err)
{
    vch_cache_key key = { 0 };
    vouch_cache *cache = w->request->cache;
    const vouch_appraisal *kept = NULL;
    bool readable = !refused(w);
    vouch_code rc = readable && cache != NULL ? verdict_key(w, &key, err) : VOUCH_OK;
    if (rc != VOUCH_OK)
        return rc;
    if (readable && w->request->collateral != NULL)
        kept = vch_cache_find_verdict(cache, &key, w->request->now_unix_s);
    if (kept != NULL)
        return vch_appraisal_set(w->appraisal, kept, err);
    rc = run_steps(w, readable, err);
    if (rc != VOUCH_OK)
        return rc;
    conclude(w);
    if (w->appraisal->genuine)
        vch_cache_keep_verdict(cache, &key, w->appraisal, w->window);
    return VOUCH_OK;
}

vouch_code vouch_verifier_appraise(const vouch_verifier *v, const vouch_request *request,
                                   vouch_appraisal **out, vouch_error *err)
{
    VCH_SCOPED(drop_appraisal) vouch_appraisal *a = calloc(1, sizeof *a);
    if (a == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "appraisal");
    vch_work w = {
        .verifier = v, .request = request, .appraisal = a, .window = { INT64_MIN, INT64_MAX }
    };
    vch_step_structure(&w);
    vouch_code rc = find_verdict(&w, err);
    vch_platform_drop(&w.own_platform);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "appraising a quote");
    vch_step_policy(a, request->policy, request->now_unix_s);
    if (a->reasons.out_of_memory)
        return vouch_fail(err, VOUCH_E_MEMORY, "appraising a quote: its reasons");
    *out = VCH_MOVE(a);
    return VOUCH_OK;
}
