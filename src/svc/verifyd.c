#include "svc/verifyd.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "codec/base64.h"
#include "codec/json_writer.h"
#include "crypto/cert_chain.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/rand.h"
#include "net/http_server.h"
#include "svc/verifyd_attest.h"

#define JSON "application/json"
#define CRL_TYPE "application/pkix-crl"
#define CHORES_EVERY_MS (60 * 1000) /* forget old nonces, renew CRLs */
#define REQUEST_ID_MAX_SIZE 128
#define TLS_CHAIN_MAX 4

typedef struct tls_files {
    vch_key *key;
    vch_buffer der[TLS_CHAIN_MAX];
    vouch_span chain[TLS_CHAIN_MAX]; /* what is sent after the leaf */
    size_t count;                    /* with the leaf */
} tls_files;

struct vch_verifyd {
    vch_attest_desk desk;
    vch_appraiser *appraiser;
    vch_verifyd_keys *keys;
    vch_verifier_store *store;
    tls_files tls;
    vch_http_server *https, *http;
    vch_timer *chores;
    const vch_log *log;
    int64_t (*now_unix_s)(void);
    char base_url[VCH_VERIFYD_URL_SIZE];
    char instance_id[VCH_UUID_TEXT_SIZE + 1];
    char trace_id[VCH_TRACE_ID_SIZE]; /* of the request that is being answered */
    bool trace_is_sent;
};

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

static void put_fault(vch_http_response *response, int status, const char *message)
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
    put_fault(response, status, message);
}

static void fail_ours(vch_verifyd *s, vch_http_response *response, const vouch_error *err)
{
    char text[512];
    vch_log(s->log, VCH_LOG_ERROR, "verifyd.fault", VCH_STR("trace", s->trace_id),
            VCH_STR("error", vouch_error_text(err, text, sizeof text)));
    put_fault(response, 500, "internal error");
}

/* --- who asks --- */

static bool authenticate(vch_verifyd *s, const vch_http_request *request,
                         vch_http_response *response, vch_store_api_key *out)
{
    const char *key = vch_http_request_header(request, "x-api-key");
    if (key == NULL || key[0] == '\0') {
        put_fault(response, 401, "the header x-api-key is missing");
        return false;
    }
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_error err = { 0 };
    vouch_code rc = vch_sha256(vch_span_str(key), digest, &err);
    if (rc == VOUCH_OK)
        rc = vch_verifier_store_key_find(s->store, digest, out, &err);
    if (rc == VOUCH_OK && out->active)
        return true;
    if (rc != VOUCH_OK && rc != VOUCH_E_NOT_FOUND) {
        fail_ours(s, response, &err);
        return false;
    }
    vch_log(s->log, VCH_LOG_WARN, "verifyd.unauthorized", VCH_STR("trace", s->trace_id),
            VCH_STR("peer", request->address));
    put_fault(response, 401, "the API key is not valid");
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
    uint8_t random[VCH_NONCE_RANDOM_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer body = vch_buffer_with_cap(4096);
    vouch_error err = { 0 };
    vouch_code rc = vch_random_bytes(random, sizeof random, &err);
    if (rc == VOUCH_OK)
        rc = vch_verifyd_nonce_make(vch_verifyd_keys_signer(s->keys), s->now_unix_s(), random,
                                    &body, &err);
    if (rc != VOUCH_OK) {
        fail_ours(s, response, &err);
        return;
    }
    vch_http_response_status(response, 200);
    vch_http_response_body(response, JSON, vch_buffer_span(&body));
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

static void attest(vch_verifyd *s, const vch_http_request *request, bool on_v2,
                   vch_http_response *response)
{
    vch_store_api_key key = { 0 };
    begin_answer(s, response);
    if (!authenticate(s, request, response, &key))
        return;
    if (!is_json(request)) {
        put_fault(response, 415, "the content type must be application/json");
        return;
    }
    const vch_attest_call call = { .body = request->body,
                                   .on_v2 = on_v2,
                                   .now_unix_s = s->now_unix_s(),
                                   .api_key = &key,
                                   .trace_id = s->trace_id };
    VCH_SCOPED(vch_attest_answer_drop) vch_attest_answer answer = { 0 };
    vouch_error err = { 0 };
    if (vch_attest_desk_decide(&s->desk, &call, &answer, &err) != VOUCH_OK)
        fail_ours(s, response, &err);
    else if (answer.issued)
        put_token(response, &answer.token);
    else
        put_fault(response, 400, answer.message);
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
    vch_http_response_body(response, JSON, vch_verifyd_keys_jwks(s->keys));
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
    vch_buffer_append_fmt(&jwks_uri, "%s/certs", s->base_url);
    vch_json_writer w = vch_json_writer_over(&body, false);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "issuer", s->base_url);
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
    vch_http_response_body(response, CRL_TYPE, vch_verifyd_keys_root_crl(s->keys));
}

static void handle_signing_crl(void *context, const vch_http_request *request,
                               vch_http_response *response)
{
    vch_verifyd *s = context;
    (void)request;
    begin_answer(s, response);
    vch_http_response_status(response, 200);
    vch_http_response_body(response, CRL_TYPE, vch_verifyd_keys_signing_crl(s->keys));
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
               vch_verifyd_keys_crls_hold(s->keys, s->now_unix_s())
                   && vch_verifier_store_decision_count(s->store, true, &issued, NULL) == VOUCH_OK);
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

static const vch_http_route http_routes[] = { CRL_ROUTES };

/* --- life --- */

static void do_chores(void *context)
{
    vch_verifyd *s = context;
    vouch_error err = { 0 };
    vouch_code rc = vch_verifier_store_nonces_expire(s->store, s->now_unix_s(), &err);
    if (rc == VOUCH_OK)
        rc = vch_verifyd_keys_renew_crls(s->keys, s->now_unix_s(), &err);
    if (rc != VOUCH_OK) {
        char text[512];
        vch_log(s->log, VCH_LOG_ERROR, "verifyd.chores",
                VCH_STR("error", vouch_error_text(&err, text, sizeof text)));
    }
    vch_timer_start(s->chores, CHORES_EVERY_MS);
}

static void drop_tls(tls_files *tls)
{
    vch_key_free(tls->key);
    for (size_t i = 0; i < TLS_CHAIN_MAX; i++)
        vch_buffer_drop(&tls->der[i]);
}

static vouch_code load_tls(const vch_verifyd_config *config, tls_files *out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    vouch_code rc = vch_file_read_secret(config->tls_key, VCH_KEY_PEM_MAX_SIZE, &key, err);
    if (rc == VOUCH_OK)
        rc = vch_key_from_private_pem((vouch_span) { key.data, key.size }, &out->key, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(config->tls_certificate, VCH_PEM_MAX_SIZE, &pem, err);
    vch_pem_reader reader = { vch_buffer_span(&pem), VCH_PEM_TEXT_BEFORE };
    while (rc == VOUCH_OK && out->count < TLS_CHAIN_MAX) {
        vch_buffer *der = &out->der[out->count];
        *der = vch_buffer_with_cap(VCH_CERT_CHAIN_MAX_DER_SIZE);
        rc = vch_pem_next_der(&reader, VCH_PEM_CERTIFICATE, der, err);
        if (rc == VOUCH_OK)
            out->chain[out->count++] = vch_buffer_span(der);
    }
    if (rc == VOUCH_E_NOT_FOUND && out->count > 0) {
        if (err != NULL)
            *err = (vouch_error) { 0 };
        return VOUCH_OK;
    }
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "TLS identity of the service");
}

static vouch_code listen_on(vch_verifyd *s, const vch_verifyd_config *config, vch_loop *loop,
                            vouch_error *err)
{
    const vch_tls_identity identity = { .certificate = s->tls.chain[0],
                                        .chain = s->tls.chain + 1,
                                        .chain_count = s->tls.count - 1,
                                        .key = s->tls.key };
    vch_http_server_options options = {
        .loop = loop,
        .address = config->listen.address,
        .port = config->listen.port,
        .tls = &identity,
        .routes = https_routes,
        .route_count = sizeof https_routes / sizeof https_routes[0],
        .context = s,
        .body_cap = VCH_ATTEST_BODY_MAX_SIZE,
        .log = s->log,
        .decorate = decorate,
        .explain = explain,
    };
    vouch_code rc = vch_http_server_new(&options, &s->https, err);
    if (rc != VOUCH_OK || config->crl_listen.address[0] == '\0')
        return rc;
    options.address = config->crl_listen.address;
    options.port = config->crl_listen.port;
    options.tls = NULL;
    options.routes = http_routes;
    options.route_count = sizeof http_routes / sizeof http_routes[0];
    return vch_http_server_new(&options, &s->http, err);
}

static void set_desk(vch_verifyd *s, const vch_verifyd_config *config)
{
    memcpy(s->base_url, config->base_url, sizeof s->base_url);
    memcpy(s->instance_id, config->instance_id, sizeof s->instance_id);
    s->desk = (vch_attest_desk) { .appraiser = s->appraiser,
                                  .keys = s->keys,
                                  .store = s->store,
                                  .base_url = s->base_url,
                                  .instance_id = s->instance_id,
                                  .token_lifetime_s = config->token_lifetime_s,
                                  .nonce_lifetime_s = config->nonce_lifetime_s,
                                  .log = s->log };
}

vouch_code vch_verifyd_new(const vch_verifyd_options *options, vch_verifyd **out, vouch_error *err)
{
    const vch_verifyd_config *config = options->config;
    VCH_SCOPED(vch_verifyd_drop) vch_verifyd *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the service");
    s->log = options->log;
    s->now_unix_s = options->now_unix_s;
    vouch_code rc = vch_verifyd_keys_load(config, s->now_unix_s(), &s->keys, err);
    if (rc == VOUCH_OK)
        rc = vch_appraiser_new(config, &s->appraiser, err);
    if (rc == VOUCH_OK)
        rc = load_tls(config, &s->tls, err);
    if (rc == VOUCH_OK)
        rc = vch_verifier_store_open(config->state, &s->store, err);
    if (rc != VOUCH_OK)
        return rc;
    set_desk(s, config);
    if (options->loop != NULL) {
        rc = vch_timer_new(options->loop, do_chores, s, &s->chores, err);
        if (rc == VOUCH_OK)
            rc = listen_on(s, config, options->loop, err);
        if (rc != VOUCH_OK)
            return rc;
        vch_timer_start(s->chores, CHORES_EVERY_MS);
    }
    *out = VCH_MOVE(s);
    return VOUCH_OK;
}

void vch_verifyd_free(vch_verifyd *service)
{
    if (service == NULL)
        return;
    vch_http_server_free(service->https);
    vch_http_server_free(service->http);
    vch_timer_free(service->chores);
    vch_verifier_store_close(service->store);
    vch_appraiser_free(service->appraiser);
    vch_verifyd_keys_free(service->keys);
    drop_tls(&service->tls);
    free(service);
}
