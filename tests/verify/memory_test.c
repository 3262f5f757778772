/*
 * Out of memory at every allocation of ours, one after the other. The test replaces malloc for the
 * whole program and gives libcrypto the real one: its own behaviour is not what is tried here.
 */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "corpus.h"
#include "vouch/verifier.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

/* The sanitizers replace malloc themselves. */
static void out_of_memory_is_tried_without_sanitizers(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(out_of_memory_is_tried_without_sanitizers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

void *__libc_malloc(size_t size);               /* NOLINT: glibc's name */
void *__libc_calloc(size_t count, size_t size); /* NOLINT */
void *__libc_realloc(void *old, size_t size);   /* NOLINT */
void __libc_free(void *block);                  /* NOLINT */

static long until_failure = -1; /* -1: none fails */
static bool failed;

static bool fails_now(void)
{
    if (until_failure < 0)
        return false;
    failed = failed || until_failure == 0;
    return until_failure-- == 0;
}

void *malloc(size_t size)
{
    return fails_now() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails_now() ? NULL : __libc_realloc(old, size);
}

static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __libc_malloc(size);
}

static void *crypto_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __libc_realloc(old, size);
}

static void crypto_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    __libc_free(block);
}

/* Parse, appraise twice (the second time from the cache). Whatever fails, the verdict is right or
 * there is none. */
static void run(const vouch_verifier *v, const vouch_collateral_parts *parts, vouch_span quote)
{
    vouch_collateral *collateral = NULL;
    vouch_cache *cache = NULL;
    vouch_error err = { 0 };
    vouch_code rc = vouch_collateral_parse(parts, &collateral, &err);
    CHECK(rc == VOUCH_OK || (rc == VOUCH_E_MEMORY && failed));
    rc = vouch_cache_new(4, &cache, &err);
    CHECK(rc == VOUCH_OK || (rc == VOUCH_E_MEMORY && failed));
    for (int i = 0; i < 2; i++) {
        vouch_appraisal *a = NULL;
        vouch_request r = {
            .quote = quote, .collateral = collateral, .now_unix_s = CORPUS_SGX_TIME, .cache = cache
        };
        rc = vouch_verifier_appraise(v, &r, &a, &err);
        CHECK(rc == VOUCH_OK || (rc != VOUCH_OK && failed && a == NULL));
        const vouch_claims *c = vouch_appraisal_claims(a);
        if (vouch_appraisal_is_genuine(a))
            CHECK(c->tcb_status == VOUCH_TCB_SW_HARDENING_NEEDED && c->advisory_count == 1);
        else
            CHECK(failed && c->tcb_status == VOUCH_TCB_NONE);
        CHECK(!vouch_appraisal_admits(a));
        vouch_appraisal_free(a);
    }
    vouch_cache_free(cache);
    vouch_collateral_free(collateral);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    vouch_verifier *v = NULL;
    vouch_error err = { 0 };
    vouch_collateral_parts parts = corpus_sgx_parts();
    vouch_span quote = corpus_read(CORPUS_SGX_QUOTE);
    CHECK_OK(vouch_verifier_new(NULL, &v, &err), &err);
    long n = 0;
    do {
        failed = false;
        until_failure = n++;
        run(v, &parts, quote);
        until_failure = -1;
    } while (failed && n < 10000);
    CHECK(n > 20 && n < 10000); /* the last run had nothing fail */
    vouch_verifier_free(v);
    corpus_parts_free(&parts);
    corpus_free(quote);
}

static void a_verifier_is_built_whole_or_not_at_all(void **state)
{
    (void)state;
    for (long n = 0; n < 1000; n++) {
        vouch_verifier *v = NULL;
        failed = false;
        until_failure = n;
        vouch_code rc = vouch_verifier_new(NULL, &v, NULL);
        until_failure = -1;
        CHECK((rc == VOUCH_OK) == (v != NULL));
        vouch_verifier_free(v);
        if (!failed)
            return;
        CHECK(rc != VOUCH_OK);
    }
    fail_msg("never enough memory");
}

int main(void)
{
    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(each_allocation_may_fail),
        TEST(a_verifier_is_built_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
