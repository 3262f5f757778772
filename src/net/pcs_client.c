#include "net/pcs_client.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "host/clock.h"
#include "net/http_client.h"
#include "net/pcs_text.h"

#define DEFAULT_DEADLINE_MS 30000
#define URL_CAP ((size_t)4 << 10)
#define PART_CAP VOUCH_COLLATERAL_PART_MAX_SIZE

enum { TCB_INFO, TCB_CHAIN, QE_IDENTITY, QE_CHAIN, PCK_CRL, ROOT_CRL, PCK_CHAIN };

/* One conversation: where, until when, and what the service asked for. */
typedef struct talk {
    const vch_pcs_service *service;
    int64_t end_ms; /* monotonic */
    int64_t *retry_after_s;
} talk;

void vch_pcs_set_drop(vch_pcs_set *set)
{
    for (size_t i = 0; i < VCH_PCS_PART_COUNT; i++)
        vch_buffer_drop(&set->part[i]);
    vch_buffer_drop(&set->pck_issuer_chain);
    set->parts = (vouch_collateral_parts) { 0 };
}

static talk begin(const vch_pcs_service *service, int64_t *retry_after_s)
{
    int64_t deadline_ms = service->deadline_ms > 0 ? service->deadline_ms : DEFAULT_DEADLINE_MS;
    *retry_after_s = -1;
    return (talk) { service, vch_clock_monotonic_ms() + deadline_ms, retry_after_s };
}

static bool is_intel(const vch_pcs_service *service)
{
    return strcmp(service->url, VCH_PCS_INTEL_URL) == 0;
}

static vouch_code code_of_status(int status)
{
    if (status == 404 || status == 410)
        return VOUCH_E_NOT_FOUND;
    return VOUCH_E_NETWORK;
}

static vouch_code get_url(const talk *t, const char *url, vch_http_answer *out, vouch_error *err)
{
    int64_t left_ms = t->end_ms - vch_clock_monotonic_ms();
    if (left_ms <= 0)
        return vouch_fail(err, VOUCH_E_TIMEOUT, "the deadline passed before '%.120s'", url);
    const vch_http_call call = { .url = url,
                                 .ca_file = t->service->ca_file,
                                 .response_cap = PART_CAP,
                                 .deadline_ms = left_ms,
                                 .cancel = t->service->cancel };
    vch_http_answer answer = { 0 };
    vouch_code rc = vch_http_fetch(&call, &answer, err);
    if (rc != VOUCH_OK)
        return rc;
    if (answer.status != 200) {
        if (answer.status == 429 || answer.status == 503)
            *t->retry_after_s =
                vch_pcs_retry_after_s(vch_http_answer_header(&answer, "Retry-After"));
        rc = vouch_fail(err, code_of_status(answer.status), "'%.*s' answered %d",
                        (int)strcspn(url, "?"), url, answer.status);
        vch_http_answer_drop(&answer);
        return rc;
    }
    *out = answer;
    return VOUCH_OK;
}

VOUCH_PRINTF(4, 5)
static vouch_code get(const talk *t, vch_http_answer *out, vouch_error *err, const char *fmt, ...);

static vouch_code get(const talk *t, vch_http_answer *out, vouch_error *err, const char *fmt, ...)
{
    char path[URL_CAP];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(path, sizeof path, fmt, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof path)
        return vouch_fail(err, VOUCH_E_LIMIT, "the request is too long");
    VCH_SCOPED(vch_buffer_drop) vch_buffer url = vch_buffer_with_cap(2 * URL_CAP);
    size_t base = strlen(t->service->url);
    while (base > 0 && t->service->url[base - 1] == '/')
        base--;
    vch_buffer_append(&url, (vouch_span) { (const uint8_t *)t->service->url, base });
    vch_buffer_append_str(&url, path);
    const char *text = vch_buffer_text(&url);
    return text == NULL ? vch_buffer_finish(&url, "URL", err) : get_url(t, text, out, err);
}

/* Keep a signed document's exact bytes, and the chain beside it. */
static vouch_code take_document(vch_http_answer *answer, const char *chain_header,
                                vch_buffer *document, vch_buffer *chain, vouch_error *err)
{
    vouch_code rc = vch_pcs_chain_decode(vch_http_answer_header(answer, chain_header), chain, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "%s", chain_header);
    *document = answer->body;
    answer->body = (vch_buffer) { 0 };
    return VOUCH_OK;
}

static const char *tee(const vch_pcs_query *q)
{
    return q->tdx ? "tdx" : "sgx";
}

static const char *update(const vch_pcs_query *q)
{
    return q->update == VCH_PCS_EARLY ? "early" : "standard";
}

static vouch_code fetch_tcb_info(const talk *t, const vch_pcs_query *q, vch_pcs_set *set,
                                 vouch_error *err)
{
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    char fmspc[13];
    vouch_code rc =
        get(t, &answer, err, "/%s/certification/v4/tcb?fmspc=%s&update=%s", tee(q),
            vch_hex_encode((vouch_span) { q->fmspc, sizeof q->fmspc }, fmspc), update(q));
    if (rc == VOUCH_OK)
        rc = take_document(&answer, "TCB-Info-Issuer-Chain", &set->part[TCB_INFO],
                           &set->part[TCB_CHAIN], err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "TCB info");
}

static vouch_code fetch_qe_identity(const talk *t, const vch_pcs_query *q, vch_pcs_set *set,
                                    vouch_error *err)
{
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    vouch_code rc =
        get(t, &answer, err, "/%s/certification/v4/qe/identity?update=%s", tee(q), update(q));
    if (rc == VOUCH_OK)
        rc = take_document(&answer, "SGX-Enclave-Identity-Issuer-Chain", &set->part[QE_IDENTITY],
                           &set->part[QE_CHAIN], err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "QE identity");
}

static vouch_code fetch_pck_crl(const talk *t, const vch_pcs_query *q, vch_pcs_set *set,
                                vouch_error *err)
{
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    vouch_code rc = get(t, &answer, err, "/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
                        q->processor_ca ? "processor" : "platform");
    if (rc == VOUCH_OK)
        rc = vch_pcs_crl_decode(vch_buffer_span(&answer.body), &set->part[PCK_CRL], err);
    if (rc == VOUCH_OK)
        rc = vch_pcs_chain_decode(vch_http_answer_header(&answer, "SGX-PCK-CRL-Issuer-Chain"),
                                  &set->pck_issuer_chain, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "PCK CRL");
}

static vouch_code get_root_crl(const talk *t, vch_http_answer *answer, vouch_error *err)
{
    /* Intel publishes it at the distribution point of its root certificate. */
    if (is_intel(t->service))
        return get_url(t, VCH_PCS_INTEL_ROOT_CRL_URL, answer, err);
    vouch_code rc = get(t, answer, err, "/sgx/certification/v4/rootcacrl");
    if (rc != VOUCH_E_NOT_FOUND)
        return rc;
    if (err != NULL)
        *err = (vouch_error) { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer uri = vch_buffer_with_cap(URL_CAP);
    vch_http_url_encode(vch_span_str(VCH_PCS_INTEL_ROOT_CRL_URL), &uri);
    const char *text = vch_buffer_text(&uri);
    if (text == NULL)
        return vch_buffer_finish(&uri, "URL", err);
    return get(t, answer, err, "/sgx/certification/v4/crl?uri=%s", text);
}

static vouch_code fetch_root_crl(const talk *t, vch_pcs_set *set, vouch_error *err)
{
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    vouch_code rc = get_root_crl(t, &answer, err);
    if (rc == VOUCH_OK)
        rc = vch_pcs_crl_decode(vch_buffer_span(&answer.body), &set->part[ROOT_CRL], err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "root CRL");
}

static void point_parts(vch_pcs_set *set)
{
    set->parts = (vouch_collateral_parts) {
        .tcb_info = vch_buffer_span(&set->part[TCB_INFO]),
        .tcb_info_issuer_chain = vch_buffer_span(&set->part[TCB_CHAIN]),
        .qe_identity = vch_buffer_span(&set->part[QE_IDENTITY]),
        .qe_identity_issuer_chain = vch_buffer_span(&set->part[QE_CHAIN]),
        .pck_crl = vch_buffer_span(&set->part[PCK_CRL]),
        .root_ca_crl = vch_buffer_span(&set->part[ROOT_CRL]),
        .pck_chain = vch_buffer_span(&set->part[PCK_CHAIN]),
    };
}

vouch_code vch_pcs_fetch(const vch_pcs_service *service, const vch_pcs_query *query,
                         vch_pcs_set *out, int64_t *retry_after_s, vouch_error *err)
{
    VCH_SCOPED(vch_pcs_set_drop) vch_pcs_set set = { 0 };
    const talk t = begin(service, retry_after_s);
    vouch_code rc = fetch_tcb_info(&t, query, &set, err);
    if (rc == VOUCH_OK)
        rc = fetch_qe_identity(&t, query, &set, err);
    if (rc == VOUCH_OK)
        rc = fetch_pck_crl(&t, query, &set, err);
    if (rc == VOUCH_OK)
        rc = fetch_root_crl(&t, &set, err);
    if (rc != VOUCH_OK)
        return rc;
    point_parts(&set);
    *out = set;
    set = (vch_pcs_set) { 0 };
    return VOUCH_OK;
}
