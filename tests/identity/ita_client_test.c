#include "identity/ita_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "identity/ita_request.h"

#include "check.h"

#define NONCE_JSON "{\"val\":\"dmFs\",\"iat\":\"aWF0\",\"signature\":\"c2ln\"}"
#define TOKEN_JSON "{\"token\":\"aa.bb.cc\"}"

/* A service that answers from a script, on a clock that only sleeping moves. */
typedef struct scripted_answer {
    vouch_code code; /* not VOUCH_OK: the connection fails so */
    int status;
    const char *headers;
    const char *body;
} scripted_answer;

typedef struct script {
    const scripted_answer *answers;
    size_t count;
    size_t calls;
    int64_t now_ms;
    int64_t slept_ms;
    char url[256];
    char key[300];
    char request_id[2][64]; /* of this call, and of the one before */
    char body[4096];
} script;

static vouch_code scripted_fetch(void *context, const vch_http_call *call, vch_http_answer *out,
                                 vouch_error *err)
{
    script *s = context;
    assert_true(s->calls < s->count);
    const scripted_answer *a = &s->answers[s->calls++];
    assert_true(call->deadline_ms > 0);
    (void)snprintf(s->url, sizeof s->url, "%s", call->url);
    (void)snprintf(s->body, sizeof s->body, "%.*s", (int)call->body.size,
                   call->body.size > 0 ? (const char *)call->body.data : "");
    s->key[0] = '\0';
    memcpy(s->request_id[1], s->request_id[0], sizeof s->request_id[0]);
    s->request_id[0][0] = '\0';
    for (size_t i = 0; i < call->header_count; i++) {
        if (strcmp(call->headers[i].name, "x-api-key") == 0)
            (void)snprintf(s->key, sizeof s->key, "%s", call->headers[i].value);
        if (strcmp(call->headers[i].name, "request-id") == 0)
            (void)snprintf(s->request_id[0], sizeof s->request_id[0], "%s", call->headers[i].value);
    }
    if (a->code != VOUCH_OK)
        return vouch_fail(err, a->code, "scripted failure");
    out->status = a->status;
    out->headers = vch_buffer_with_cap(1024);
    vch_buffer_append_str(&out->headers, a->headers != NULL ? a->headers : "");
    out->body = vch_buffer_with_cap(call->response_cap);
    vch_buffer_append_str(&out->body, a->body != NULL ? a->body : "");
    return VOUCH_OK;
}

static int64_t scripted_now_ms(void *context)
{
    return ((script *)context)->now_ms;
}

static void scripted_sleep_ms(void *context, int64_t delay_ms)
{
    script *s = context;
    s->now_ms += delay_ms;
    s->slept_ms += delay_ms;
}

static vch_ita_client *client_of(script *s, unsigned version)
{
    vch_secret key = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_ita_key_read("c2VjcmV0", (vouch_span) { 0 }, &key, &err), &err);
    const vch_ita_world world = { s, scripted_fetch, scripted_now_ms, scripted_sleep_ms };
    const vch_ita_options options = {
        .api_url = "https://avs.example:8443/", .api_key = &key, .version = version, .world = &world
    };
    vch_ita_client *client = NULL;
    CHECK_OK(vch_ita_client_new(&options, &client, &err), &err);
    vch_secret_drop(&key);
    return client;
}

static vouch_code nonce_code(const scripted_answer *answers, size_t count, script *out,
                             vouch_error *err)
{
    *out = (script) { .answers = answers, .count = count };
    vch_ita_client *client = client_of(out, 1);
    vch_ita_nonce nonce = { 0 };
    vouch_code rc = vch_ita_nonce_get(client, &nonce, err);
    vch_ita_nonce_drop(&nonce);
    vch_ita_client_free(client);
    return rc;
}

static void a_nonce_is_fetched_with_the_key_and_decoded_once(void **state)
{
    (void)state;
    static const scripted_answer answers[] = { { .status = 200, .body = NONCE_JSON } };
    script s = { .answers = answers, .count = 1 };
    vch_ita_client *client = client_of(&s, 2);
    vch_ita_nonce nonce = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_ita_nonce_get(client, &nonce, &err), &err);
    assert_string_equal(s.url, "https://avs.example:8443/appraisal/v2/nonce");
    assert_string_equal(s.key, "c2VjcmV0");
    CHECK(vch_span_is(vch_buffer_span(&nonce.val), "val"));
    CHECK(vch_span_is(vch_buffer_span(&nonce.iat), "iat"));
    CHECK(vch_span_is(vch_buffer_span(&nonce.signature), "sig"));
    vch_ita_nonce_drop(&nonce);
    vch_ita_client_free(client);
}

static void the_key_set_is_fetched_without_the_key(void **state)
{
    (void)state;
    static const scripted_answer answers[] = { { .status = 200, .body = "{}" } };
    script s = { .answers = answers, .count = 1 };
    vch_ita_client *client = client_of(&s, 1);
    vch_buffer text = vch_buffer_with_cap(100);
    vouch_error err = { 0 };
    CHECK_OK(vch_ita_jwks_fetch(client, &text, &err), &err);
    assert_string_equal(s.url, "https://avs.example:8443/certs");
    assert_string_equal(s.key, "");
    vch_buffer_drop(&text);
    vch_ita_client_free(client);
}

static const struct {
    const char *name;
    scripted_answer first;
    bool retried;
} tries[] = {
    { "429 is retried", { .status = 429 }, true },
    { "500 is retried", { .status = 500 }, true },
    { "502 is retried", { .status = 502 }, true },
    { "503 is retried", { .status = 503 }, true },
    { "504 is retried", { .status = 504 }, true },
    { "a connection that fails is retried", { .code = VOUCH_E_NETWORK }, true },
    { "a connection that hangs is retried", { .code = VOUCH_E_TIMEOUT }, true },
    { "400 is not", { .status = 400 }, false },
    { "401 is not", { .status = 401 }, false },
    { "403 is not", { .status = 403 }, false },
    { "404 is not", { .status = 404 }, false },
    { "413 is not", { .status = 413 }, false },
    { "201 is not, and is no success", { .status = 201, .body = NONCE_JSON }, false },
    { "302 is not followed", { .status = 302 }, false },
    { "a certificate that does not hold is not", { .code = VOUCH_E_CRYPTO }, false },
    { "an answer over the cap is not", { .code = VOUCH_E_LIMIT }, false },
};

static void only_what_may_pass_by_itself_is_retried(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        const scripted_answer answers[] = { tries[i].first, { .status = 200, .body = NONCE_JSON } };
        script s = { 0 };
        vouch_code rc = nonce_code(answers, 2, &s, NULL);
        if ((rc == VOUCH_OK) != tries[i].retried || s.calls != (tries[i].retried ? 2u : 1u))
            fail_msg("%s: %s after %zu calls", tries[i].name, vouch_code_name(rc), s.calls);
    }
}

static void the_error_names_the_step_and_the_services_sentence(void **state)
{
    (void)state;
    static const scripted_answer answers[] = { { .status = 401,
                                                 .body = "{\"error\":\"no such key\\u0007\"}" } };
    script s = { 0 };
    vouch_error err = { 0 };
    CHECK(nonce_code(answers, 1, &s, &err) == VOUCH_E_REFUSED);
    char text[512];
    char want[512];
    CHECK(strncmp(s.request_id[0], "vouch-", 6) == 0 && strlen(s.request_id[0]) == 22);
    (void)snprintf(
        want, sizeof want,
        "request '%s': the verifier refused at the step 'nonce': status 401: no such key?",
        s.request_id[0]);
    assert_string_equal(vouch_error_text(&err, text, sizeof text), want);
}

static void attempts_come_to_an_end(void **state)
{
    (void)state;
    static const scripted_answer answers[] = {
        { .status = 503 }, { .status = 503 }, { .status = 503 }, { .status = 503 }
    };
    script s = { 0 };
    CHECK(nonce_code(answers, 4, &s, NULL) == VOUCH_E_REFUSED);
    CHECK(s.calls == 4);
    CHECK(s.slept_ms >= 250 + 500 + 1000 && s.slept_ms <= 500 + 1000 + 2000);
}

static void retry_after_is_obeyed(void **state)
{
    (void)state;
    static const scripted_answer answers[] = { { .status = 429, .headers = "Retry-After: 7\r\n" },
                                               { .status = 200, .body = NONCE_JSON } };
    script s = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(nonce_code(answers, 2, &s, &err), &err);
    CHECK(s.slept_ms == 7000);
}

static void a_retry_after_that_is_no_number_of_seconds_is_not_one(void **state)
{
    (void)state;
    static const char *const odd[] = { "Retry-After: 9x\r\n", "Retry-After: -9\r\n",
                                       "Retry-After: Fri, 27 Nov 2026 23:00:00 GMT\r\n",
                                       "Retry-After: 9999999\r\n" };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        const scripted_answer answers[] = { { .status = 429, .headers = odd[i] },
                                            { .status = 200, .body = NONCE_JSON } };
        script s = { 0 };
        vouch_error err = { 0 };
        CHECK_OK(nonce_code(answers, 2, &s, &err), &err);
        CHECK(s.slept_ms >= 250 && s.slept_ms <= 500); /* the first backoff: half to whole */
    }
}

static void a_client_without_a_key_or_of_an_unknown_version_is_not_made(void **state)
{
    (void)state;
    vch_secret key = { 0 };
    const vch_secret empty = { 0 };
    vouch_error err = { 0 };
    vch_ita_client *client = NULL;
    CHECK_OK(vch_ita_key_read("c2VjcmV0", (vouch_span) { 0 }, &key, &err), &err);
    vch_ita_options options = { .api_url = "https://avs.example", .api_key = NULL };
    CHECK(vch_ita_client_new(&options, &client, NULL) == VOUCH_E_CONFIG);
    options.api_key = &empty;
    CHECK(vch_ita_client_new(&options, &client, NULL) == VOUCH_E_CONFIG);
    options.api_key = &key;
    options.version = 3;
    CHECK(vch_ita_client_new(&options, &client, NULL) == VOUCH_E_CONFIG);
    CHECK(client == NULL);
    vch_secret_drop(&key);
}

static void a_wait_beyond_the_deadline_is_not_begun(void **state)
{
    (void)state;
    static const scripted_answer answers[] = { { .status = 429,
                                                 .headers = "Retry-After: 60\r\n" } };
    script s = { 0 };
    CHECK(nonce_code(answers, 1, &s, NULL) == VOUCH_E_REFUSED);
    CHECK(s.calls == 1 && s.slept_ms == 0);
}

/* An SGX quote header begins with version 3 and a TEE type of 0. */
static const uint8_t sgx_quote[8] = { 3, 0, 2, 0, 0, 0, 0, 0 };
static const uint8_t tdx_quote[8] = { 4, 0, 2, 0, 0x81, 0, 0, 0 };

static vouch_code quote_it(void *context, const vch_ita_nonce *nonce, vouch_span held_data,
                           vch_buffer *out_quote, vouch_error *err)
{
    if (context != NULL)
        return vouch_fail(err, VOUCH_E_REFUSED, "this nonce could be misused");
    CHECK(vch_span_is(vch_buffer_span(&nonce->val), "val"));
    CHECK(vch_span_is(held_data, "claims"));
    vch_buffer_append(out_quote, (vouch_span) { sgx_quote, sizeof sgx_quote });
    return VOUCH_OK;
}

static void nonce_quote_and_token_follow_each_other(void **state)
{
    (void)state;
    static const scripted_answer answers[] = { { .status = 200, .body = NONCE_JSON },
                                               { .status = 200, .body = TOKEN_JSON } };
    script s = { .answers = answers, .count = 2 };
    vch_ita_client *client = client_of(&s, 1);
    vch_ita_nonce nonce = { 0 };
    vch_buffer quote = { 0 };
    vch_buffer token = vch_buffer_with_cap(100);
    vouch_error err = { 0 };
    const vch_ita_quoter quoter = { NULL, quote_it };
    CHECK_OK(
        vch_ita_token_get(client, &quoter, vch_span_str("claims"), &nonce, &quote, &token, &err),
        &err);
    assert_string_equal(s.url, "https://avs.example:8443/appraisal/v1/attest");
    assert_string_equal(
        s.body, "{\"token_signing_alg\":\"PS384\",\"quote\":\"AwACAAAAAAA=\",\"verifier_nonce\":"
                "{\"val\":\"dmFs\",\"iat\":\"aWF0\",\"signature\":\"c2ln\"},"
                "\"runtime_data\":\"Y2xhaW1z\"}");
    CHECK(vch_span_is(vch_buffer_span(&token), "aa.bb.cc"));
    CHECK(quote.size == sizeof sgx_quote);
    assert_string_equal(s.request_id[0], s.request_id[1]); /* nonce and attestation: one request */
    vch_ita_nonce_drop(&nonce);
    vch_buffer_drop(&quote);
    vch_buffer_drop(&token);
    vch_ita_client_free(client);
}

static void a_clients_wishes_go_with_every_token_request(void **state)
{
    (void)state;
    static const scripted_answer answers[] = { { .status = 200, .body = NONCE_JSON },
                                               { .status = 200, .body = TOKEN_JSON } };
    static const char *const ids[] = { "11111111-2222-4333-8444-555555555555" };
    script s = { .answers = answers, .count = 2 };
    vch_secret key = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_ita_key_read("c2VjcmV0", (vouch_span) { 0 }, &key, &err), &err);
    const vch_ita_world world = { &s, scripted_fetch, scripted_now_ms, scripted_sleep_ms };
    const vch_ita_options options = { .api_url = "https://avs.example",
                                      .api_key = &key,
                                      .version = 2,
                                      .rs256 = true,
                                      .policy_ids = ids,
                                      .policy_id_count = 1,
                                      .policy_must_match = true,
                                      .world = &world };
    vch_ita_client *client = NULL;
    CHECK_OK(vch_ita_client_new(&options, &client, &err), &err);
    vch_secret_drop(&key);
    vch_ita_nonce nonce = { 0 };
    vch_buffer quote = { 0 };
    vch_buffer token = vch_buffer_with_cap(100);
    const vch_ita_quoter quoter = { NULL, quote_it };
    CHECK_OK(
        vch_ita_token_get(client, &quoter, vch_span_str("claims"), &nonce, &quote, &token, &err),
        &err);
    assert_string_equal(s.url, "https://avs.example/appraisal/v2/attest");
    CHECK(strstr(s.body, "{\"policy_ids\":[\"11111111-2222-4333-8444-555555555555\"],"
                         "\"policy_must_match\":true,\"token_signing_alg\":\"RS256\",\"sgx\":{")
          == s.body);
    vch_ita_nonce_drop(&nonce);
    vch_buffer_drop(&quote);
    vch_buffer_drop(&token);
    vch_ita_client_free(client);
}

static void a_nonce_that_the_quoter_refuses_ends_it(void **state)
{
    (void)state;
    static const scripted_answer answers[] = { { .status = 200, .body = NONCE_JSON } };
    script s = { .answers = answers, .count = 1 };
    vch_ita_client *client = client_of(&s, 1);
    vch_ita_nonce nonce = { 0 };
    vch_buffer quote = { 0 };
    vch_buffer token = vch_buffer_with_cap(100);
    const vch_ita_quoter quoter = { &s, quote_it };
    CHECK(vch_ita_token_get(client, &quoter, vch_span_str("claims"), &nonce, &quote, &token, NULL)
          == VOUCH_E_REFUSED);
    CHECK(token.size == 0 && quote.size == 0 && nonce.val.size == 0);
    vch_buffer_drop(&token);
    vch_ita_client_free(client);
}

static void a_version_2_request_names_the_tee_and_its_wishes(void **state)
{
    (void)state;
    static const char *const ids[] = { "a-b" };
    const vch_ita_request request = { .quote = { tdx_quote, sizeof tdx_quote },
                                      .policy_ids = ids,
                                      .policy_id_count = 1,
                                      .policy_must_match = true,
                                      .rs256 = true };
    vch_buffer body = vch_buffer_with_cap(4096);
    vouch_error err = { 0 };
    CHECK_OK(vch_ita_request_build(&request, 2, &body, &err), &err);
    CHECK(vch_span_is(vch_buffer_span(&body),
                      "{\"policy_ids\":[\"a-b\"],\"policy_must_match\":true,\"token_signing_alg\":"
                      "\"RS256\",\"tdx\":{\"quote\":\"BAACAIEAAAA=\"}}"));
    vch_buffer_drop(&body);
}

static const struct {
    const char *name;
    const char *body;
} bad_nonces[] = {
    { "no object", "[]" },
    { "no val", "{\"iat\":\"aWF0\",\"signature\":\"c2ln\"}" },
    { "no iat", "{\"val\":\"dmFs\",\"signature\":\"c2ln\"}" },
    { "no signature", "{\"val\":\"dmFs\",\"iat\":\"aWF0\"}" },
    { "null", "{\"val\":null,\"iat\":\"aWF0\",\"signature\":\"c2ln\"}" },
    { "no base64", "{\"val\":\"dm Fs\",\"iat\":\"aWF0\",\"signature\":\"c2ln\"}" },
};

static void a_quote_without_a_header_is_not_sent(void **state)
{
    (void)state;
    script s = { 0 };
    vch_ita_client *client = client_of(&s, 2);
    vch_buffer token = vch_buffer_with_cap(100);
    for (size_t size = 0; size < sizeof sgx_quote; size++) {
        const vch_ita_request request = { .quote = { sgx_quote, size } };
        CHECK(vch_ita_attest(client, &request, &token, NULL) == VOUCH_E_TRUNCATED);
    }
    CHECK(s.calls == 0);
    vch_buffer_drop(&token);
    vch_ita_client_free(client);
}

static void a_malformed_nonce_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_nonces / sizeof bad_nonces[0]; i++) {
        vch_ita_nonce nonce = { 0 };
        if (vch_ita_nonce_parse(vch_span_str(bad_nonces[i].body), &nonce, NULL) != VOUCH_E_FORMAT)
            fail_msg("%s", bad_nonces[i].name);
        CHECK(nonce.val.data == NULL);
    }
}

static void a_token_answer_without_a_jws_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = { "{}", "{\"token\":\"\"}", "{\"token\":\"a b\"}",
                                          "{\"token\":1}", "\"aa.bb.cc\"" };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        vch_buffer token = vch_buffer_with_cap(100);
        CHECK(vch_ita_token_parse(vch_span_str(bodies[i]), &token, NULL) == VOUCH_E_FORMAT);
        CHECK(token.size == 0);
        vch_buffer_drop(&token);
    }
}

static void only_https_is_spoken(void **state)
{
    (void)state;
    vch_secret key = { 0 };
    CHECK(vch_ita_key_read("a2V5", (vouch_span) { 0 }, &key, NULL) == VOUCH_OK);
    static const char *const urls[] = { "http://avs.example", "https://", "avs.example", "", NULL };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        const vch_ita_options options = { .api_url = urls[i], .api_key = &key };
        vch_ita_client *client = NULL;
        CHECK(vch_ita_client_new(&options, &client, NULL) == VOUCH_E_CONFIG);
        CHECK(client == NULL);
    }
    vch_secret_drop(&key);
}

static void a_missing_or_odd_api_key_is_a_configuration_fault(void **state)
{
    (void)state;
    vch_secret key = { 0 };
    vouch_error err = { 0 };
    CHECK(vch_ita_key_read(NULL, (vouch_span) { 0 }, &key, NULL) == VOUCH_E_CONFIG);
    CHECK(vch_ita_key_read("", (vouch_span) { 0 }, &key, NULL) == VOUCH_E_CONFIG);
    CHECK(vch_ita_key_read("a\r\nx: y", (vouch_span) { 0 }, &key, &err) == VOUCH_E_CONFIG);
    assert_string_equal(err.frame[0], "character 2 of the API key is not base64's");
    char longest[VCH_ITA_KEY_MAX_SIZE + 2];
    memset(longest, 'A', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK(vch_ita_key_read(longest, (vouch_span) { 0 }, &key, NULL) == VOUCH_E_CONFIG);
    longest[VCH_ITA_KEY_MAX_SIZE] = '\0';
    CHECK_OK(vch_ita_key_read(longest, (vouch_span) { 0 }, &key, &err), &err);
    CHECK(key.size == VCH_ITA_KEY_MAX_SIZE);
    vch_secret_drop(&key);
}

static void the_key_file_gives_its_first_line(void **state)
{
    (void)state;
    vch_secret key = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_ita_key_read(NULL, vch_span_str("a2V5\nrest"), &key, &err), &err);
    CHECK(key.size == 4 && memcmp(key.data, "a2V5", 4) == 0);
    vch_secret_drop(&key);
}

static void a_request_id_that_could_end_a_header_is_refused(void **state)
{
    (void)state;
    script s = { 0 };
    vch_ita_client *client = client_of(&s, 1);
    const vch_ita_request request = { .quote = { sgx_quote, sizeof sgx_quote },
                                      .request_id = "a\r\nb" };
    vch_buffer token = vch_buffer_with_cap(100);
    CHECK(vch_ita_attest(client, &request, &token, NULL) == VOUCH_E_CONFIG);
    CHECK(s.calls == 0);
    vch_ita_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_nonce_is_fetched_with_the_key_and_decoded_once),
        TEST(the_key_set_is_fetched_without_the_key),
        TEST(only_what_may_pass_by_itself_is_retried),
        TEST(the_error_names_the_step_and_the_services_sentence),
        TEST(attempts_come_to_an_end),
        TEST(retry_after_is_obeyed),
        TEST(a_retry_after_that_is_no_number_of_seconds_is_not_one),
        TEST(a_client_without_a_key_or_of_an_unknown_version_is_not_made),
        TEST(a_wait_beyond_the_deadline_is_not_begun),
        TEST(nonce_quote_and_token_follow_each_other),
        TEST(a_clients_wishes_go_with_every_token_request),
        TEST(a_nonce_that_the_quoter_refuses_ends_it),
        TEST(a_version_2_request_names_the_tee_and_its_wishes),
        TEST(a_quote_without_a_header_is_not_sent),
        TEST(a_malformed_nonce_is_refused),
        TEST(a_token_answer_without_a_jws_is_refused),
        TEST(only_https_is_spoken),
        TEST(a_missing_or_odd_api_key_is_a_configuration_fault),
        TEST(the_key_file_gives_its_first_line),
        TEST(a_request_id_that_could_end_a_header_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
