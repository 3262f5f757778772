#include "svc/verifyd_paths.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "codec/base64.h"
#include "codec/json_writer.h"
#include "crypto/hash.h"
#include "crypto/rand.h"
#include "host/clock.h"

#define JSON "application/json"
#define CRL_TYPE "application/pkix-crl"
#define REQUEST_ID_MAX_SIZE 128

/* --- answers --- */

static void new_trace_id(vch_verifyd *s)
{
    uint8_t random[12];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(VCH_TRACE_ID_SIZE);
    (void)memcpy(s->trace_id, "unknown", sizeof "unknown"); /* a request goes on without one */
    if (vch_random_bytes(random, sizeof random, NULL) != VOUCH_OK)
        return;
    vch_base64url_encode((vouch_span) { random, sizeof random }, &text);
    const char *made = vch_buffer_text(&text);
    if (made != NULL && text.size < sizeof s->trace_id)
        memcpy(s->trace_id, made, text.size + 1);
}

static void send_trace_id(vch_verifyd *s, vch_http_response *response)
{
    vch_http_response_header(response, "trace-id", s->trace_id);
    s->trace_is_sent = true;
}

static void begin_answer(vch_verifyd *s, vch_http_response *response)
{
    new_trace_id(s);
    send_trace_id(s, response);
}

static bool request_id_is_valid(const char *id)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789_ /.-";
    size_t size = strlen(id);
    return size >= 1 && size <= REQUEST_ID_MAX_SIZE && strspn(id, alphabet) == size;
}

/* Every answer has a trace id, and the request's id if it came with one. Names in lower case: one
 * of Intel's clients looks them up so. */
static void decorate(void *context, const vch_http_request *request, vch_http_response *response)
{
    vch_verifyd *s = context;
    if (!s->trace_is_sent)
        begin_answer(s, response);
    s->trace_is_sent = false;
    const char *id = vch_http_request_header(request, "request-id");
    if (id != NULL && request_id_is_valid(id))
        vch_http_response_header(response, "request-id", id);
}

void vch_verifyd_put_fault(vch_http_response *response, int status, const char *message)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer body = vch_buffer_with_cap(4096);
    vch_json_writer w = vch_json_writer_over(&body, false);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "error", message);
    vch_json_end(&w);
    vch_http_response_status(response, status);
    vch_http_response_body(response, JSON, vch_buffer_span(&body));
}

/* What the server refuses before a handler sees it. */
static void explain(void *context, int status, vch_http_response *response)
{
    static const struct {
        int status;
        const char *message;
    } table[] = {
        { 400, "malformed HTTP request" },
        { 404, "no such path" },
        { 405, "this method is not allowed here" },
        { 413, "the request is too large" },
    };
    const char *message = "the request cannot be answered";
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status)
            message = table[i].message;
    }
    begin_answer(context, response);
    vch_verifyd_put_fault(response, status, message);
}

static void fail_ours(vch_verifyd *s, vch_http_response *response, const vouch_error *err)
{
    char text[512];
    vch_log(s->log, VCH_LOG_ERROR, "verifyd.fault", VCH_STR("trace", s->trace_id),
            VCH_STR("error", vouch_error_text(err, text, sizeof text)));
    vch_verifyd_put_fault(response, 500, "internal error");
}

/* --- who asks --- */

static const vch_verifyd_key_rule *rule_of(const vch_verifyd_tables *t, const char *name)
{
    for (size_t i = 0; i < t->rule_count; i++) {
        if (strcmp(t->rules[i].name, name) == 0)
            return &t->rules[i];
    }
    return NULL;
}

static bool may_ask_now(vch_verifyd *s, const vch_store_api_key *key, vch_http_response *response)
{
    const vch_verifyd_key_rule *rule = rule_of(s->tables, key->name);
    const vch_verifyd_rate *rate = rule != NULL ? &rule->rate : &s->tables->rate;
    int64_t wait_s = vch_limits_take(&s->limits, key->id, rate, vch_clock_monotonic_ms());
    if (wait_s == 0)
        return true;
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)wait_s);
    s->metrics.limited++;
    vch_http_response_header(response, "retry-after", text);
    vch_verifyd_put_fault(response, 429, "too many requests with this API key");
    return false;
}

static bool authenticate(vch_verifyd *s, const vch_http_request *request,
                         vch_http_response *response, vch_store_api_key *out)
{
    const char *key = vch_http_request_header(request, "x-api-key");
    if (key == NULL || key[0] == '\0') {
        s->metrics.unauthorized++;
        vch_verifyd_put_fault(response, 401, "the header x-api-key is missing");
        return false;
    }
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_error err = { 0 };
    vouch_code rc = vch_sha256(vch_span_str(key), digest, &err);
    if (rc == VOUCH_OK)
        rc = vch_verifier_store_key_find(s->store, digest, out, &err);
    if (rc == VOUCH_OK && out->active)
        return may_ask_now(s, out, response);
    if (rc != VOUCH_OK && rc != VOUCH_E_NOT_FOUND) {
        fail_ours(s, response, &err);
        return false;
    }
    s->metrics.unauthorized++;
    vch_log(s->log, VCH_LOG_WARN, "verifyd.unauthorized", VCH_STR("trace", s->trace_id),
            VCH_STR("peer", request->address));
    vch_verifyd_put_fault(response, 401, "the API key is not valid");
    return false;
}

/* "application/json", with parameters or without. */
static bool is_json(const vch_http_request *request)
{
    const char *type = vch_http_request_header(request, "content-type");
    size_t size = strlen(JSON);
    return type != NULL && strncasecmp(type, JSON, size) == 0
           && (type[size] == '\0' || type[size] == ';' || type[size] == ' ');
}

/* --- paths --- */

static void handle_nonce(void *context, const vch_http_request *request,
                         vch_http_response *response)
{
    vch_verifyd *s = context;
    vch_store_api_key key = { 0 };
    begin_answer(s, response);
    if (!authenticate(s, request, response, &key))
        return;
    vch_verifyd_jobs_nonce(s->jobs, s->tables, s->trace_id, s->now_unix_s(), response);
}

void vch_verifyd_put_nonce(vch_http_response *response, const vch_buffer *body)
{
    vch_http_response_status(response, 200);
    vch_http_response_body(response, JSON, vch_buffer_span(body));
}

static void put_token(vch_http_response *response, const vch_buffer *token)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer body = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE + 64);
    vch_json_writer w = vch_json_writer_over(&body, false);
    vch_json_begin_object(&w);
    vch_json_key(&w, "token");
    vch_json_string_span(&w, vch_buffer_span(token));
    vch_json_end(&w);
    vch_http_response_status(response, 200);
    vch_http_response_body(response, JSON, vch_buffer_span(&body));
}

void vch_verifyd_put_answer(vch_http_response *response, const vch_attest_answer *answer)
{
    if (answer->issued)
        put_token(response, &answer->token);
    else
        vch_verifyd_put_fault(response, 400, answer->message);
}

static void attest(vch_verifyd *s, const vch_http_request *request, bool on_v2,
                   vch_http_response *response)
{
    vch_store_api_key key = { 0 };
    begin_answer(s, response);
    if (!authenticate(s, request, response, &key))
        return;
    if (!is_json(request)) {
        vch_verifyd_put_fault(response, 415, "the content type must be application/json");
        return;
    }
    const vch_verifyd_key_rule *rule = rule_of(s->tables, key.name);
    const char *own[VCH_ATTEST_POLICIES_MAX];
    size_t own_count = rule != NULL ? rule->policy_count : 0;
    for (size_t i = 0; i < own_count; i++)
        own[i] = rule->policies[i];
    const vch_attest_call call = { .body = request->body,
                                   .on_v2 = on_v2,
                                   .now_unix_s = s->now_unix_s(),
                                   .api_key = &key,
                                   .trace_id = s->trace_id,
                                   .own_policies = rule != NULL && rule->own_policies ? own : NULL,
                                   .own_policy_count = own_count };
    vch_verifyd_jobs_attest(s->jobs, s->tables, &call, response);
}

static void handle_attest_v1(void *context, const vch_http_request *request,
                             vch_http_response *response)
{
    attest(context, request, false, response);
}

static void handle_attest_v2(void *context, const vch_http_request *request,
                             vch_http_response *response)
{
    attest(context, request, true, response);
}

static void handle_certs(void *context, const vch_http_request *request,
                         vch_http_response *response)
{
    vch_verifyd *s = context;
    (void)request;
    begin_answer(s, response);
    vch_http_response_status(response, 200);
    vch_http_response_body(response, JSON, vch_verifyd_keys_jwks(s->tables->keys));
}

static void put_string_list(vch_json_writer *w, const char *name, const char *first,
                            const char *second)
{
    vch_json_key(w, name);
    vch_json_begin_array(w);
    vch_json_string(w, first);
    if (second != NULL)
        vch_json_string(w, second);
    vch_json_end(w);
}

static void handle_openid(void *context, const vch_http_request *request,
                          vch_http_response *response)
{
    vch_verifyd *s = context;
    (void)request;
    begin_answer(s, response);
    VCH_SCOPED(vch_buffer_drop) vch_buffer jwks_uri = vch_buffer_with_cap(512);
    VCH_SCOPED(vch_buffer_drop) vch_buffer body = vch_buffer_with_cap(4096);
    vch_buffer_append_fmt(&jwks_uri, "%s/certs", s->tables->base_url);
    vch_json_writer w = vch_json_writer_over(&body, false);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "issuer", s->tables->base_url);
    vch_json_put_string(&w, "jwks_uri", vch_buffer_text(&jwks_uri));
    put_string_list(&w, "response_types_supported", "token", NULL);
    put_string_list(&w, "subject_types_supported", "public", NULL);
    put_string_list(&w, "id_token_signing_alg_values_supported", "PS384", "RS256");
    vch_json_end(&w);
    vch_http_response_status(response, 200);
    vch_http_response_body(response, JSON, vch_buffer_span(&body));
}

static void handle_root_crl(void *context, const vch_http_request *request,
                            vch_http_response *response)
{
    vch_verifyd *s = context;
    (void)request;
    begin_answer(s, response);
    vch_http_response_status(response, 200);
    vch_http_response_body(response, CRL_TYPE, vch_verifyd_keys_root_crl(s->tables->keys));
}

static void handle_signing_crl(void *context, const vch_http_request *request,
                               vch_http_response *response)
{
    vch_verifyd *s = context;
    (void)request;
    begin_answer(s, response);
    vch_http_response_status(response, 200);
    vch_http_response_body(response, CRL_TYPE, vch_verifyd_keys_signing_crl(s->tables->keys));
}

static void put_health(vch_http_response *response, bool good)
{
    static const char yes[] = "{\"status\":\"ok\"}";
    static const char no[] = "{\"status\":\"unavailable\"}";
    vch_http_response_status(response, good ? 200 : 503);
    vch_http_response_body(response, JSON, vch_span_str(good ? yes : no));
}

static void handle_health(void *context, const vch_http_request *request,
                          vch_http_response *response)
{
    (void)request;
    begin_answer(context, response);
    put_health(response, true);
}

static void handle_ready(void *context, const vch_http_request *request,
                         vch_http_response *response)
{
    vch_verifyd *s = context;
    int64_t issued = 0;
    (void)request;
    begin_answer(s, response);
    put_health(response,
               !s->draining && vch_verifyd_keys_crls_hold(s->tables->keys, s->now_unix_s())
                   && vch_verifier_store_decision_count(s->store, true, &issued, NULL) == VOUCH_OK);
}

static void handle_metrics(void *context, const vch_http_request *request,
                           vch_http_response *response)
{
    vch_verifyd *s = context;
    VCH_SCOPED(vch_buffer_drop) vch_buffer body = vch_buffer_with_cap((size_t)64 << 10);
    (void)request;
    begin_answer(s, response);
    s->metrics.connections = vch_http_server_connection_count(s->https);
    s->metrics.crls_end_unix_s = vch_verifyd_keys_crls_end(s->tables->keys);
    vch_verifyd_metrics_write(&s->metrics, &body);
    vch_http_response_status(response, 200);
    vch_http_response_body(response, "text/plain; version=0.0.4", vch_buffer_span(&body));
}

#define CRL_ROUTES                                                                                 \
    { "GET", "/crl/root-ca-crl.der", handle_root_crl },                                            \
    {                                                                                              \
        "GET", "/crl/ats-ca-crl.der", handle_signing_crl                                           \
    }

static const vch_http_route https_routes[] = {
    { "GET", "/appraisal/v1/nonce", handle_nonce },
    { "GET", "/appraisal/v2/nonce", handle_nonce },
    { "POST", "/appraisal/v1/attest", handle_attest_v1 },
    { "POST", "/appraisal/v2/attest", handle_attest_v2 },
    { "GET", "/certs", handle_certs },
    { "GET", "/certs/", handle_certs },
    { "GET", "/.well-known/openid-configuration", handle_openid },
    { "GET", "/healthz", handle_health },
    { "GET", "/readyz", handle_ready },
    CRL_ROUTES,
};

static const vch_http_route crl_routes[] = { CRL_ROUTES };

static const vch_http_route operations_routes[] = {
    { "GET", "/healthz", handle_health },
    { "GET", "/readyz", handle_ready },
    { "GET", "/metrics", handle_metrics },
};

static void set_common(vch_verifyd *service, vch_http_server_options *out)
{
    out->context = service;
    out->log = service->log;
    out->body_cap = VCH_ATTEST_BODY_MAX_SIZE;
    out->decorate = decorate;
    out->explain = explain;
}

void vch_verifyd_paths_https(vch_verifyd *service, vch_http_server_options *out)
{
    set_common(service, out);
    out->routes = https_routes;
    out->route_count = sizeof https_routes / sizeof https_routes[0];
}

void vch_verifyd_paths_crl(vch_verifyd *service, vch_http_server_options *out)
{
    set_common(service, out);
    out->routes = crl_routes;
    out->route_count = sizeof crl_routes / sizeof crl_routes[0];
}

void vch_verifyd_paths_operations(vch_verifyd *service, vch_http_server_options *out)
{
    set_common(service, out);
    out->routes = operations_routes;
    out->route_count = sizeof operations_routes / sizeof operations_routes[0];
}
