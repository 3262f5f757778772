#include "identity/collateral_fetch.h"

#include <string.h>
#include <time.h>

#include "base/scope.h"
#include "collateral/chain.h"
#include "evidence/quote.h"
#include "host/clock.h"

#define DEFAULT_DEADLINE_MS 60000
#define RETRY_DEFAULT_S 1
#define SLICE_MS 100 /* a wait ends this soon after it was cancelled */

/* What the PCK certificate says decides what is asked for. */
static vouch_code query_from_chain(vouch_span pem, vch_pcs_query *query, vch_pck_ext *ext,
                                   vouch_error *err)
{
    VCH_SCOPED(vch_chain_drop) vch_chain chain = { 0 };
    vouch_code rc = vch_chain_parse(pem, VCH_CHAIN_PCK, &chain, err);
    if (rc == VOUCH_OK)
        rc = vch_pck_ext_parse(chain.leaf.sgx_extension, chain.ca, ext, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "PCK certificate");
    memcpy(query->fmspc, ext->fmspc, sizeof query->fmspc);
    query->processor_ca = chain.ca == VCH_PCK_CA_PROCESSOR;
    return VOUCH_OK;
}

vouch_code vch_collateral_query(const vch_collateral_want *want, vch_pcs_query *out,
                                vouch_error *err)
{
    *out = want->query;
    if (want->quote.size == 0)
        return VOUCH_OK;
    vch_quote quote = { 0 };
    vouch_claims claims = { 0 };
    vch_pck_ext ext = { 0 };
    vouch_code rc = vch_quote_parse(want->quote, &quote, &claims, err);
    if (rc != VOUCH_OK)
        return rc;
    out->tdx = claims.tee == VOUCH_TEE_TDX;
    if (quote.sig.cert_type == VCH_CERT_DATA_PCK_CHAIN)
        return query_from_chain(quote.sig.cert_data, out, &ext, err);
    if (want->pck_chain.size > 0)
        return query_from_chain(want->pck_chain, out, &ext, err);
    return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                      "the quote does not carry the PCK chain that names its platform");
}

/* A chain given with a platform's name must be that platform's. */
static vouch_code check_chain(const vch_collateral_want *want, const vch_pcs_query *query,
                              vouch_error *err)
{
    vch_pcs_query said = *query;
    vch_pck_ext ext = { 0 };
    vouch_code rc = query_from_chain(want->pck_chain, &said, &ext, err);
    if (rc != VOUCH_OK)
        return rc;
    if (memcmp(said.fmspc, query->fmspc, sizeof said.fmspc) != 0)
        return vouch_fail(err, VOUCH_E_CONFIG, "the PCK chain is of another FMSPC");
    if (said.processor_ca != query->processor_ca)
        return vouch_fail(err, VOUCH_E_CONFIG, "the PCK chain is under the other CA: see --ca");
    return VOUCH_OK;
}

static vouch_code keep_chain(const vch_collateral_want *want, vch_pcs_set *set, vouch_error *err)
{
    vch_buffer *room = &set->part[VCH_PCS_PART_COUNT - 1];
    *room = vch_buffer_with_cap(VOUCH_COLLATERAL_PART_MAX_SIZE);
    vch_buffer_append(room, want->pck_chain);
    set->parts.pck_chain = vch_buffer_span(room);
    return vch_buffer_finish(room, "PCK chain", err);
}

/* One service, from the quote to a set that is judged. */
static vouch_code try_service(const vch_pcs_service *service, const vch_collateral_want *want,
                              const vouch_collateral_parts *seen, int64_t now_unix_s,
                              vch_pcs_set *out, int64_t *retry_after_s, vouch_error *err)
{
    VCH_SCOPED(vch_pcs_set_drop) vch_pcs_set set = { 0 };
    vch_pcs_query query = { 0 };
    vouch_code rc = vch_collateral_query(want, &query, err);
    *retry_after_s = -1;
    if (rc == VOUCH_OK && want->pck_chain.size > 0)
        rc = check_chain(want, &query, err);
    if (rc == VOUCH_OK)
        rc = vch_pcs_fetch(service, &query, &set, retry_after_s, err);
    if (rc == VOUCH_OK && want->pck_chain.size > 0)
        rc = keep_chain(want, &set, err);
    if (rc == VOUCH_OK)
        rc = vch_collateral_fresh(&set.parts, &query, seen, now_unix_s, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%.120s'", service->url);
    *out = set;
    set = (vch_pcs_set) { 0 };
    return VOUCH_OK;
}

static bool is_cancelled(const vch_collateral_services *s)
{
    return s->cancel != NULL && atomic_load(s->cancel);
}

static void wait_until(const vch_collateral_services *s, int64_t end_ms)
{
    for (int64_t left = end_ms - vch_clock_monotonic_ms(); left > 0 && !is_cancelled(s);
         left = end_ms - vch_clock_monotonic_ms()) {
        int64_t ms = left < SLICE_MS ? left : SLICE_MS;
        const struct timespec slice = { .tv_sec = 0, .tv_nsec = ms * 1000000 };
        (void)nanosleep(&slice, NULL); /* woken early: the clock is asked again */
    }
}

/* Every service once, each with its share of what time is left. *retry_s: the shortest wait that
 * any asked for; -1: none did. */
static vouch_code try_all(const vch_collateral_services *s, const vch_collateral_want *want,
                          const vouch_collateral_parts *seen, int64_t now_unix_s, int64_t end_ms,
                          vch_pcs_set *out, int64_t *retry_s, vouch_error *err)
{
    vouch_code rc = vouch_fail(err, VOUCH_E_TIMEOUT, "the deadline passed");
    *retry_s = -1;
    for (size_t i = 0; i < s->url_count; i++) {
        int64_t left_ms = end_ms - vch_clock_monotonic_ms();
        int64_t asked_s = -1;
        if (is_cancelled(s))
            return vouch_fail(err, VOUCH_E_TIMEOUT, "cancelled");
        if (left_ms <= 0)
            break;
        bool is_intel = strcmp(s->urls[i], VCH_PCS_INTEL_URL) == 0;
        const vch_pcs_service service = { s->urls[i], is_intel ? NULL : s->ca_file,
                                          left_ms / (int64_t)(s->url_count - i) + 1, s->cancel };
        vouch_error mine = { 0 };
        rc = try_service(&service, want, seen, now_unix_s, out, &asked_s, &mine);
        if (err != NULL)
            *err = mine;
        if (rc == VOUCH_OK)
            return rc;
        if (asked_s >= 0 && (*retry_s < 0 || asked_s < *retry_s))
            *retry_s = asked_s;
    }
    return rc;
}

vouch_code vch_collateral_fetch(const vch_collateral_services *services,
                                const vch_collateral_want *want, const vouch_collateral_parts *seen,
                                int64_t now_unix_s, vch_pcs_set *out, vouch_error *err)
{
    int64_t deadline_ms = services->deadline_ms > 0 ? services->deadline_ms : DEFAULT_DEADLINE_MS;
    int64_t end_ms = vch_clock_monotonic_ms() + deadline_ms;
    if (services->url_count == 0)
        return vouch_fail(err, VOUCH_E_CONFIG, "no collateral service is named");
    for (;;) {
        int64_t retry_s = -1;
        vouch_code rc = try_all(services, want, seen, now_unix_s, end_ms, out, &retry_s, err);
        if (rc == VOUCH_OK || retry_s < 0 || is_cancelled(services))
            return rc;
        int64_t pause_ms = (retry_s > 0 ? retry_s : RETRY_DEFAULT_S) * 1000;
        if (vch_clock_monotonic_ms() + pause_ms >= end_ms)
            return vouch_wrap(err, rc, "asked to come back in %lld s, after the deadline",
                              (long long)retry_s);
        wait_until(services, vch_clock_monotonic_ms() + pause_ms);
    }
}
