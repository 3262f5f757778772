#include "identity/ita_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/hex.h"
#include "crypto/rand.h"
#include "host/clock.h"
#include "identity/ita_request.h"

#define URL_SIZE 512
#define CALL_URL_SIZE (URL_SIZE + 32) /* with the longest path */
#define DEFAULT_ATTEMPTS 4
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 10000
#define JWKS_MAX_SIZE ((size_t)256 << 10)
#define CRL_MAX_SIZE ((size_t)1 << 20)
#define REQUEST_ID_RANDOM_SIZE 8
#define REQUEST_ID_SIZE (sizeof "vouch-" + 2 * (size_t)REQUEST_ID_RANDOM_SIZE)

struct vch_ita_client {
    char api_url[URL_SIZE]; /* without a final slash */
    char base_url[URL_SIZE];
    vch_buffer ca_pem;
    vch_secret key; /* NUL-terminated: it is a header's value */
    unsigned version;
    bool rs256, policy_must_match;
    const char *const *policy_ids;
    size_t policy_id_count;
    char request_id[REQUEST_ID_SIZE]; /* of nonce and attestation together */
    uint32_t deadline_ms;
    unsigned attempts;
    vch_ita_world world;
    const vch_log *log;
};

VCH_DEFINE_DROP(drop_client, vch_ita_client, vch_ita_client_free)

static vouch_code real_fetch(void *context, const vch_http_call *call, vch_http_answer *out,
                             vouch_error *err)
{
    (void)context;
    return vch_http_fetch(call, out, err);
}

static int64_t real_now_ms(void *context)
{
    (void)context;
    return vch_clock_monotonic_ms();
}

static void real_sleep_ms(void *context, int64_t delay_ms)
{
    (void)context;
    const struct timespec delay = { delay_ms / 1000, (delay_ms % 1000) * 1000000 };
    (void)nanosleep(&delay, NULL); /* cut short by a signal: we only try again earlier */
}

static vouch_code copy_url(const char *what, const char *url, char out[static URL_SIZE],
                           vouch_error *err)
{
    if (url == NULL || strncmp(url, "https://", 8) != 0 || url[8] == '\0')
        return vouch_fail(err, VOUCH_E_CONFIG, "the verifier's %s must be an https:// URL", what);
    size_t size = strlen(url);
    if (url[size - 1] == '/')
        size--;
    if (size >= URL_SIZE)
        return vouch_fail(err, VOUCH_E_CONFIG, "the verifier's %s is longer than %d characters",
                          what, URL_SIZE - 1);
    memcpy(out, url, size);
    out[size] = '\0';
    return VOUCH_OK;
}

static vouch_code copy_key(const vch_secret *key, vch_secret *out, vouch_error *err)
{
    if (key == NULL || key->size == 0)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "no API key for the verifier: set ITA_API_KEY or name a credential file");
    vouch_code rc = vch_secret_alloc(out, key->size + 1, err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(out->data, key->data, key->size);
    return VOUCH_OK;
}

static void set_world(const vch_ita_world *given, vch_ita_world *out)
{
    if (given != NULL)
        *out = *given;
    if (out->fetch == NULL)
        out->fetch = real_fetch;
    if (out->now_ms == NULL)
        out->now_ms = real_now_ms;
    if (out->sleep_ms == NULL)
        out->sleep_ms = real_sleep_ms;
}

vouch_code vch_ita_client_new(const vch_ita_options *options, vch_ita_client **out,
                              vouch_error *err)
{
    VCH_SCOPED(drop_client) vch_ita_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a verifier's client");
    const char *base_url = options->base_url != NULL ? options->base_url : options->api_url;
    vouch_code rc = copy_url("address", options->api_url, c->api_url, err);
    if (rc == VOUCH_OK)
        rc = copy_url("base address", base_url, c->base_url, err);
    if (rc == VOUCH_OK)
        rc = copy_key(options->api_key, &c->key, err);
    if (rc != VOUCH_OK)
        return rc;
    if (options->version > 2)
        return vouch_fail(err, VOUCH_E_CONFIG, "tokens of version %u; 1 and 2 exist",
                          options->version);
    c->ca_pem = vch_buffer_with_cap(1 << 20);
    vch_buffer_append(&c->ca_pem, options->ca_pem);
    rc = vch_buffer_finish(&c->ca_pem, "the verifier's TLS roots", err);
    if (rc != VOUCH_OK)
        return rc;
    c->version = options->version == 2 ? 2 : 1;
    c->rs256 = options->rs256;
    c->policy_ids = options->policy_ids;
    c->policy_id_count = options->policy_id_count;
    c->policy_must_match = options->policy_must_match;
    c->deadline_ms = options->deadline_ms != 0 ? options->deadline_ms : VCH_ITA_DEADLINE_MS;
    c->attempts = options->attempts != 0 ? options->attempts : DEFAULT_ATTEMPTS;
    c->log = options->log;
    set_world(options->world, &c->world);
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}

void vch_ita_client_free(vch_ita_client *client)
{
    if (client == NULL)
        return;
    vch_buffer_drop(&client->ca_pem);
    vch_secret_drop(&client->key);
    free(client);
}

static bool status_is_retried(int status)
{
    return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

static bool failure_is_retried(vouch_code rc)
{
    return rc == VOUCH_E_NETWORK || rc == VOUCH_E_TIMEOUT;
}

/* Seconds of a Retry-After; the form with a date is not worth a parser: backoff does. */
static bool retry_after_ms(const vch_http_answer *answer, int64_t *out)
{
    vouch_span text = vch_http_answer_header(answer, "retry-after");
    if (text.size == 0 || text.size > 6)
        return false;
    int64_t seconds = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        seconds = seconds * 10 + (text.data[i] - '0');
    }
    *out = seconds * 1000;
    return true;
}

/* Exponential, of which a random half to whole is waited: clients that failed together come apart. */
static vouch_code backoff_ms(unsigned attempt, int64_t *out, vouch_error *err)
{
    int64_t whole = BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < attempt && whole < BACKOFF_MAX_MS; i++)
        whole *= 2;
    whole = whole < BACKOFF_MAX_MS ? whole : BACKOFF_MAX_MS;
    uint16_t draw = 0;
    vouch_code rc = vch_random_bytes(&draw, sizeof draw, err);
    if (rc == VOUCH_OK)
        *out = whole / 2 + whole / 2 * draw / UINT16_MAX;
    return rc;
}

static vouch_code refused(const char *step, const vch_http_answer *answer, vouch_error *err)
{
    char text[VCH_ITA_FAULT_TEXT_SIZE];
    vch_ita_fault_text(vch_buffer_span(&answer->body), text);
    return vouch_fail(err, VOUCH_E_REFUSED, "the verifier refused at the step '%s': status %d%s%s",
                      step, answer->status, text[0] != '\0' ? ": " : "", text);
}

/* One try's end: *out_again if it is worth another. The failure stands in `err`. */
static vouch_code try_once(vch_ita_client *c, const char *step, const vch_http_call *call,
                           vch_http_answer *out, bool *out_again, vouch_error *err)
{
    vouch_code rc = c->world.fetch(c->world.context, call, out, err);
    if (rc != VOUCH_OK) {
        *out_again = failure_is_retried(rc);
        if (rc == VOUCH_E_CRYPTO) /* its certificate, not our fault: the verifier is out of reach */
            rc = VOUCH_E_NETWORK;
        return vouch_wrap(err, rc, "the verifier, step '%s'", step);
    }
    *out_again = status_is_retried(out->status);
    return out->status == 200 ? VOUCH_OK : refused(step, out, err);
}

/* Any answer but 200 in the end is a failure that names the step. */
static vouch_code exchange(vch_ita_client *c, const char *step, vch_http_call *call,
                           vch_http_answer *out, vouch_error *err)
{
    int64_t ends_ms = c->world.now_ms(c->world.context) + c->deadline_ms;
    for (unsigned attempt = 0;; attempt++) {
        bool again = false;
        int64_t delay_ms = 0;
        vouch_error fault = { 0 };
        int64_t left_ms = ends_ms - c->world.now_ms(c->world.context);
        call->deadline_ms = left_ms > 0 ? left_ms : 1; /* 0 would mean the default */
        vch_http_answer_drop(out);
        *out = (vch_http_answer) { 0 };
        vouch_code rc = try_once(c, step, call, out, &again, &fault);
        if (rc == VOUCH_OK)
            return VOUCH_OK;
        bool told = retry_after_ms(out, &delay_ms);
        if (again && !told) {
            vouch_code drawn = backoff_ms(attempt, &delay_ms, err);
            if (drawn != VOUCH_OK)
                return drawn;
        }
        bool in_time = c->world.now_ms(c->world.context) + delay_ms < ends_ms;
        if (!again || attempt + 1 >= c->attempts || !in_time) {
            if (err != NULL)
                *err = fault;
            return rc;
        }
        vch_log(c->log, VCH_LOG_WARN, "verifier.retry", VCH_STR("step", step),
                VCH_INT("status", out->status), VCH_INT("delay_ms", delay_ms));
        c->world.sleep_ms(c->world.context, delay_ms);
    }
}

typedef struct api_headers {
    vch_http_header list[4];
    size_t count;
} api_headers;

static api_headers make_headers(const vch_ita_client *c, bool with_body, const char *request_id)
{
    api_headers h = { .list = { { "x-api-key", (const char *)c->key.data },
                                { "Accept", "application/json" } },
                      .count = 2 };
    if (with_body)
        h.list[h.count++] = (vch_http_header) { "Content-Type", "application/json" };
    if (request_id != NULL)
        h.list[h.count++] = (vch_http_header) { "request-id", request_id };
    return h;
}

/* The service's operator finds the same id in his log. */
static vouch_code draw_request_id(vch_ita_client *c, vouch_error *err)
{
    uint8_t random[REQUEST_ID_RANDOM_SIZE];
    char hex[2 * sizeof random + 1];
    vouch_code rc = vch_random_bytes(random, sizeof random, err);
    if (rc == VOUCH_OK)
        (void)snprintf(c->request_id, sizeof c->request_id, "vouch-%s",
                       vch_hex_encode((vouch_span) { random, sizeof random }, hex));
    return rc;
}

vouch_code vch_ita_nonce_get(vch_ita_client *client, vch_ita_nonce *out, vouch_error *err)
{
    char url[CALL_URL_SIZE];
    vouch_code rc = draw_request_id(client, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)snprintf(url, sizeof url, "%s/appraisal/v%u/nonce", client->api_url, client->version);
    api_headers headers = make_headers(client, false, client->request_id);
    vch_http_call call = { .url = url,
                           .headers = headers.list,
                           .header_count = headers.count,
                           .ca_pem = vch_buffer_span(&client->ca_pem),
                           .response_cap = VCH_ITA_NONCE_MAX_SIZE };
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    rc = exchange(client, "nonce", &call, &answer, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "request '%s'", client->request_id);
    rc = vch_ita_nonce_parse(vch_buffer_span(&answer.body), out, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "the verifier's answer");
}

/* Intel's rule for request ids; anything else could end a header early. */
static bool request_id_is_valid(const char *id)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789_ /.-";
    size_t size = strlen(id);
    return size >= 1 && size <= 128 && strspn(id, alphabet) == size;
}

vouch_code vch_ita_attest(vch_ita_client *client, const vch_ita_request *request,
                          vch_buffer *out_token, vouch_error *err)
{
    if (request->request_id != NULL && !request_id_is_valid(request->request_id))
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "a request id has 1 to 128 characters of [a-zA-Z0-9_ /.-]");
    VCH_SCOPED(vch_buffer_drop) vch_buffer body = vch_buffer_with_cap(VCH_ITA_REQUEST_MAX_SIZE);
    vouch_code rc = client->request_id[0] == '\0' ? draw_request_id(client, err) : VOUCH_OK;
    if (rc != VOUCH_OK)
        return rc;
    const char *id = request->request_id != NULL ? request->request_id : client->request_id;
    rc = vch_ita_request_build(request, client->version, &body, err);
    if (rc != VOUCH_OK)
        return rc;
    char url[CALL_URL_SIZE];
    (void)snprintf(url, sizeof url, "%s/appraisal/v%u/attest", client->api_url, client->version);
    api_headers headers = make_headers(client, true, id);
    vch_http_call call = { .url = url,
                           .headers = headers.list,
                           .header_count = headers.count,
                           .body = vch_buffer_span(&body),
                           .ca_pem = vch_buffer_span(&client->ca_pem),
                           .response_cap = VCH_ITA_TOKEN_MAX_SIZE + 1024 };
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    rc = exchange(client, "attest", &call, &answer, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "request '%s'", id);
    rc = vch_ita_token_parse(vch_buffer_span(&answer.body), out_token, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "the verifier's answer");
}

vouch_code vch_ita_token_get(vch_ita_client *client, const vch_ita_quoter *quoter,
                             vouch_span held_data, vch_ita_nonce *out_nonce, vch_buffer *out_quote,
                             vch_buffer *out_token, vouch_error *err)
{
    VCH_SCOPED(vch_ita_nonce_drop) vch_ita_nonce nonce = { 0 };
    vouch_code rc = vch_ita_nonce_get(client, &nonce, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer quote = vch_buffer_with_cap(VCH_ITA_REQUEST_MAX_SIZE / 4);
    rc = quoter->quote(quoter->context, &nonce, held_data, &quote, err);
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(&quote, "quote", err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "a quote for the verifier");
    const vch_ita_request request = { .quote = vch_buffer_span(&quote),
                                      .nonce = &nonce,
                                      .held_data = held_data,
                                      .policy_ids = client->policy_ids,
                                      .policy_id_count = client->policy_id_count,
                                      .policy_must_match = client->policy_must_match,
                                      .rs256 = client->rs256 };
    rc = vch_ita_attest(client, &request, out_token, err);
    if (rc != VOUCH_OK)
        return rc;
    *out_nonce = nonce;
    nonce = (vch_ita_nonce) { 0 };
    *out_quote = quote;
    quote = (vch_buffer) { 0 };
    return VOUCH_OK;
}

static vouch_code fetch_into(vch_ita_client *c, const char *step, vch_http_call *call,
                             vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    vouch_code rc = exchange(c, step, call, &answer, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_append(out, vch_buffer_span(&answer.body));
    return vch_buffer_finish(out, step, err);
}

vouch_code vch_ita_jwks_fetch(vch_ita_client *client, vch_buffer *out, vouch_error *err)
{
    char url[CALL_URL_SIZE];
    (void)snprintf(url, sizeof url, "%s/certs", client->base_url);
    static const vch_http_header accept = { "Accept", "application/json" };
    vch_http_call call = { .url = url,
                           .headers = &accept,
                           .header_count = 1,
                           .ca_pem = vch_buffer_span(&client->ca_pem),
                           .response_cap = JWKS_MAX_SIZE };
    return fetch_into(client, "certs", &call, out, err);
}

vouch_code vch_ita_crl_fetch(vch_ita_client *client, const char *url, vch_buffer *out,
                             vouch_error *err)
{
    vch_http_call call = { .url = url,
                           .ca_pem = vch_buffer_span(&client->ca_pem),
                           .response_cap = CRL_MAX_SIZE,
                           .plain_http = true };
    return fetch_into(client, "crl", &call, out, err);
}

/* The first line, without its end. */
static vouch_span first_line(vouch_span text)
{
    size_t size = 0;
    while (size < text.size && text.data[size] != '\n' && text.data[size] != '\r')
        size++;
    return (vouch_span) { text.data, size };
}

static bool is_key_character(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
           || (c != '\0' && strchr("+/=-_.", c) != NULL);
}

vouch_code vch_ita_key_read(const char *environment_value, vouch_span file_text, vch_secret *out,
                            vouch_error *err)
{
    vouch_span text =
        environment_value != NULL ? vch_span_str(environment_value) : first_line(file_text);
    if (text.size == 0)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "no API key for the verifier: set ITA_API_KEY or name a credential file");
    if (text.size > VCH_ITA_KEY_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "the API key has %zu characters; at most %d are possible", text.size,
                          VCH_ITA_KEY_MAX_SIZE);
    for (size_t i = 0; i < text.size; i++) {
        if (!is_key_character(text.data[i]))
            return vouch_fail(err, VOUCH_E_CONFIG, "character %zu of the API key is not base64's",
                              i + 1);
    }
    vouch_code rc = vch_secret_alloc(out, text.size, err);
    if (rc == VOUCH_OK)
        memcpy(out->data, text.data, text.size);
    return rc;
}
