/*
 * Out of memory at every allocation of ours and of libcrypto's check of a chain, one after the
 * other: no token is made, no key set is read and no token is admitted then, and of ours
 * VOUCH_E_MEMORY says so. The linker puts the functions below in place of malloc where our own code
 * calls it (tests/result/meson.build).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "issuer.h"
#include "result/jwks.h"
#include "result/token_build.h"
#include "result/token_content.h"

#include "check.h"

void *__real_malloc(size_t size);               /* NOLINT: the linker's names */
void *__real_calloc(size_t count, size_t size); /* NOLINT */
void *__real_realloc(void *old, size_t size);   /* NOLINT */
char *__real_strdup(const char *text);          /* NOLINT */
void *__wrap_malloc(size_t size);               /* NOLINT */
void *__wrap_calloc(size_t count, size_t size); /* NOLINT */
void *__wrap_realloc(void *old, size_t size);   /* NOLINT */
char *__wrap_strdup(const char *text);          /* NOLINT */

static long until_failure = -1; /* -1: none fails */
static bool failed;

static bool fails_now(void)
{
    if (until_failure < 0)
        return false;
    failed = failed || until_failure == 0;
    return until_failure-- == 0;
}

void *__wrap_malloc(size_t size) /* NOLINT */
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) /* NOLINT */
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) /* NOLINT */
{
    return fails_now() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text) /* NOLINT */
{
    return fails_now() ? NULL : __real_strdup(text);
}

static bool crypto_too; /* libcrypto's allocations count, and fail, as well */
static char where[64];  /* in libcrypto: the file */

/* Of the check of a chain: elsewhere libcrypto takes another way, which is as good. */
static bool crypto_fails_now(const char *file)
{
    if (!crypto_too || strstr(file, "/x509/x509_") == NULL)
        return false;
    bool fails = fails_now();
    if (fails)
        (void)snprintf(where, sizeof where, " (%s)", file);
    return fails;
}

static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)line;
    return crypto_fails_now(file) ? NULL : __real_malloc(size);
}

static void *crypto_realloc(void *old, size_t size, const char *file, int line)
{
    (void)line;
    return crypto_fails_now(file) ? NULL : __real_realloc(old, size);
}

static void crypto_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

static issuer good;
static vouch_tee tee;
static unsigned version;
static bool with_json; /* held data that is JSON */

#define HELD "\xa1 held data"
#define JSON_HELD "{\"a\":1}"
#define VAL "ZG1Gc2RXVT0="
#define IAT "MjAyNy0wMS0xNSAwODowMDowMCArMDAwMCBVVEM="

static int set_up(void **state)
{
    (void)state;
    issuer_make(&good, NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    issuer_drop(&good);
    return 0;
}

static vouch_code build(vch_buffer *out, vouch_error *err)
{
    static const uint8_t quote[] = { 3, 0 };
    static const char *const advisories[] = { "INTEL-SA-00001" };
    vouch_claims claims = { .tee = tee,
                            .simulated = true,
                            .tcb_status = VOUCH_TCB_UP_TO_DATE,
                            .tcb_date_unix_s = ISSUER_NOW - 86400,
                            .advisory_ids = advisories,
                            .advisory_count = 1 };
    const vch_token_policy policies[] = { { .id = "11111111-2222-4333-8444-555555555555",
                                            .matched = true },
                                          { .id = "66666666-2222-4333-8444-555555555555" } };
    const vch_token_statement statement = {
        .version = version,
        .base_url = "https://avs.example",
        .id = "59aeaed5-d127-420b-939d-b378ad4ac300",
        .instance_id = "d970fa2b-34bc-476d-ad8f-7a1b78f2885e",
        .issued_at_unix_s = ISSUER_NOW - 10,
        .lifetime_s = 300,
        .claims = &claims,
        .quote = { quote, sizeof quote },
        .held_data = vch_span_str(with_json ? JSON_HELD : HELD),
        .nonce = { VAL, IAT, "c2ln" },
        .policies = policies,
        .policy_count = 2,
    };
    vouch_code rc = vch_token_binding(tee == VOUCH_TEE_TDX, vch_span_str("dmFsdWU="),
                                      vch_span_str("2027-01-15 08:00:00 +0000 UTC"),
                                      statement.held_data, claims.report_data, err);
    return rc == VOUCH_OK ? vch_token_payload_build(&statement, out, err) : rc;
}

static vouch_code build_keys(vch_buffer *out, vouch_error *err)
{
    const vouch_span chain[] = { vch_buffer_span(&good.leaf), vch_buffer_span(&good.ca),
                                 vch_buffer_span(&good.root) };
    const vch_jwks_entry entry = { ISSUER_KID, chain, 3 };
    return vch_jwks_build(&entry, 1, out, err);
}

static vouch_code judge(vouch_span token, vouch_error *err)
{
    static const char *const advisories[] = { "INTEL-SA-00001" };
    vouch_token_verdict *verdict = NULL;
    const vouch_token_expectation e = { .keys = good.keys,
                                        .root_sha256 = good.root_sha256,
                                        .root_count = 1,
                                        .crls = good.crls,
                                        .crl_count = 2,
                                        .base_url = "https://avs.example",
                                        .now_unix_s = ISSUER_NOW,
                                        .nonce_val = vch_span_str("dmFsdWU="),
                                        .nonce_iat = vch_span_str("2027-01-15 08:00:00 +0000 UTC"),
                                        .held_data = vch_span_str(with_json ? JSON_HELD : HELD),
                                        .advisories_accept = advisories,
                                        .advisories_accept_count = 1,
                                        .accept_simulated = true };
    vouch_code rc = vouch_token_verify(token, &e, &verdict, err);
    CHECK((rc == VOUCH_OK) == (verdict != NULL));
    if (crypto_too && rc == VOUCH_OK && !vouch_token_verdict_admits(verdict))
        rc = VOUCH_E_MEMORY; /* libcrypto does not always say why it finds fault: refused it is */
    if (rc == VOUCH_OK && !vouch_token_verdict_admits(verdict)) {
        const char *sentence = NULL;
        (void)vouch_token_verdict_reason(verdict, 0, &sentence);
        fail_msg("%s", sentence);
    }
    vouch_token_verdict_free(verdict);
    return rc;
}

/* What failed is said, and nothing else is. */
static void check(vouch_code rc, const vouch_error *err, long at)
{
    bool said = crypto_too || (rc == VOUCH_E_MEMORY && err->depth > 0);
    if (failed != (rc != VOUCH_OK) || (failed && !said))
        fail_msg("allocation %ld%s: failed %d, %s", at, where, failed, vouch_code_name(rc));
}

static void each_step_may_lack_memory(unsigned first_step)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer payload = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer keys = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = { 0 };
    CHECK(build(&payload, NULL) == VOUCH_OK && build_keys(&keys, NULL) == VOUCH_OK);
    issuer_sign(&good, ISSUER_KID, vch_buffer_span(&payload), &token);
    CHECK(judge(vch_buffer_span(&token), NULL) == VOUCH_OK);
    for (unsigned step = first_step; step < 4; step++) {
        long n = 0;
        do {
            VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
            vouch_jwks *set = NULL;
            vouch_error err = { 0 };
            vouch_code rc = VOUCH_OK;
            failed = false;
            until_failure = n++;
            if (step == 0)
                rc = build(&out, &err);
            else if (step == 1)
                rc = build_keys(&out, &err);
            else if (step == 2)
                rc = vouch_jwks_parse(vch_buffer_span(&keys), &set, &err);
            else
                rc = judge(vch_buffer_span(&token), &err);
            until_failure = -1;
            CHECK(step != 2 || (rc == VOUCH_OK) == (set != NULL));
            check(rc, &err, n - 1);
            vouch_jwks_free(set);
        } while (failed && n < 5000);
        CHECK(n > 5 && n < 5000);
    }
}

static void each_allocation_of_ours_may_fail(void **state)
{
    (void)state;
    for (version = 1; version <= 2; version++) {
        for (int i = 0; i < 4; i++) {
            tee = i % 2 == 0 ? VOUCH_TEE_SGX : VOUCH_TEE_TDX;
            with_json = i > 1;
            each_step_may_lack_memory(0);
        }
    }
}

static void a_chain_that_could_not_be_checked_admits_nothing(void **state)
{
    (void)state;
    version = 2;
    tee = VOUCH_TEE_SGX;
    with_json = false;
    crypto_too = true;
    each_step_may_lack_memory(3);
    crypto_too = false;
}

int main(void)
{
    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = { TEST(each_allocation_of_ours_may_fail),
                                        TEST(a_chain_that_could_not_be_checked_admits_nothing) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
