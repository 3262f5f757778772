/*
 * Out of memory at every allocation, one after the other, ours and libcrypto's: there is no verdict
 * then but VOUCH_E_MEMORY, and nothing leaks (the same runs under ASan). The linker puts the wrapped
 * functions below in place of malloc where our own code calls it (tests/verify/meson.build).
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "corpus.h"
#include "policy/builder.h"
#include "policy/import.h"
#include "policy/policy.h"
#include "verify/verifier.h"
#include "vouch/policy.h"
#include "vouch/verifier.h"

void *__real_malloc(size_t size);               /* NOLINT: the linker's names */
void *__real_calloc(size_t count, size_t size); /* NOLINT */
void *__real_realloc(void *old, size_t size);   /* NOLINT */
void *__wrap_malloc(size_t size);               /* NOLINT */
void *__wrap_calloc(size_t count, size_t size); /* NOLINT */
void *__wrap_realloc(void *old, size_t size);   /* NOLINT */

static long until_failure = -1; /* -1: none fails */
static bool crypto_too;         /* libcrypto's allocations count, and fail, as well */
static bool failed;
static bool failed_there; /* in libcrypto, where nothing of a cache is kept */
static long at;           /* which one */
static char where[64];    /* in libcrypto: the file */

static long taken;       /* allocations of ours so far */
static long taken_there; /* of libcrypto */

static bool fails_now(void)
{
    if (until_failure < 0)
        return false;
    failed = failed || until_failure == 0;
    return until_failure-- == 0;
}

void *__wrap_malloc(size_t size) /* NOLINT */
{
    taken++;
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) /* NOLINT */
{
    taken++;
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) /* NOLINT */
{
    taken++;
    return fails_now() ? NULL : __real_realloc(old, size);
}

/* libcrypto looks a name up without its copy, and notes an error without its text: it does not miss
 * these, so there is no error to expect. */
static bool crypto_fails_now(const char *file)
{
    if (!crypto_too || strstr(file, "core_namemap.c") != NULL || strstr(file, "/err/") != NULL)
        return false;
    bool fails = fails_now();
    failed_there = failed_there || fails;
    if (fails)
        (void)snprintf(where, sizeof where, " (%s)", file);
    return fails;
}

static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)line;
    taken_there++;
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

typedef struct set {
    vouch_verifier *verifier;
    vouch_collateral_parts parts;
    vouch_span quote;
    int64_t now_unix_s;
    vouch_tcb_status status;
    vouch_policy *policy; /* refuses, so that reasons need memory, too */
} set;

static bool out_of_memory(vouch_code rc, const vouch_error *err)
{
    char text[512];
    /* libcrypto does not always say that memory was what it lacked */
    bool said = rc == VOUCH_E_MEMORY || (rc == VOUCH_E_CRYPTO && crypto_too);
    if (rc != VOUCH_OK && (!said || !failed || err->depth == 0))
        fail_msg("allocation %ld%s: %s: %s", at, where, vouch_code_name(rc),
                 vouch_error_text(err, text, sizeof text));
    return rc != VOUCH_OK;
}

/* Not without cause: what failed is either said or made no difference. */
static void check_verdict(const set *s, vouch_code rc, const vouch_error *err,
                          const vouch_appraisal *a)
{
    if (out_of_memory(rc, err)) {
        CHECK(a == NULL);
        return;
    }
    if (!vouch_appraisal_is_genuine(a) || vouch_appraisal_admits(a))
        fail_msg("allocation %ld%s: %s", at, where, vouch_appraisal_reason(a, 0).message);
    CHECK(vouch_appraisal_claims(a)->tcb_status == s->status);
    CHECK(vouch_appraisal_reason_count(a) == (s->policy == NULL ? 0U : 1U));
}

static vouch_appraisal *appraise(const set *s, const vouch_collateral *collateral,
                                 vouch_cache *cache, vouch_code *out_rc)
{
    vouch_appraisal *a = NULL;
    vouch_error err = { 0 };
    const vouch_request r = { .quote = s->quote,
                              .collateral = collateral,
                              .policy = s->policy,
                              .now_unix_s = s->now_unix_s,
                              .cache = cache };
    *out_rc = vouch_verifier_appraise(s->verifier, &r, &a, &err);
    check_verdict(s, *out_rc, &err, a);
    return a;
}

/* Parse and appraise. Every allocation counts: if one fails there is no verdict. */
static void run_alone(const set *s)
{
    vouch_collateral *collateral = NULL;
    vouch_error err = { 0 };
    vouch_code rc = vouch_collateral_parse(&s->parts, &collateral, &err);
    if (!out_of_memory(rc, &err))
        vouch_appraisal_free(appraise(s, collateral, NULL, &rc));
    vouch_collateral_free(collateral);
    if (failed != (rc != VOUCH_OK))
        fail_msg("allocation %ld%s failed and was not missed", at, where);
}

/* The same through a cache, filled and used. Keeping a verdict may fail: then none is kept. */
static void run_cached(const set *s)
{
    vouch_collateral *collateral = NULL;
    vouch_cache *cache = NULL;
    vouch_error err = { 0 };
    vouch_code rc = vouch_collateral_parse(&s->parts, &collateral, &err);
    bool said = out_of_memory(rc, &err) || out_of_memory(vouch_cache_new(4, &cache, &err), &err);
    for (int i = 0; i < 2 && cache != NULL; i++) {
        vouch_appraisal_free(appraise(s, collateral, cache, &rc));
        said = said || rc != VOUCH_OK;
    }
    if (failed_there && !said)
        fail_msg("allocation %ld%s failed and was not missed", at, where);
    vouch_cache_free(cache);
    vouch_collateral_free(collateral);
}

/* Let the n-th allocation fail, for each n, until a run needs fewer. */
static void each_may_fail(const set *s, void (*run)(const set *), long at_least)
{
    long n = 0;
    failed = false;
    run(s); /* what libcrypto makes once and keeps is made now */
    do {
        failed = failed_there = false;
        until_failure = at = n++;
        run(s);
        until_failure = -1;
    } while (failed && n < 20000);
    CHECK(n > at_least && n < 20000);
}

static vouch_policy *nobody(void)
{
    vouch_policy *p = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vouch_policy_parse("p",
                                vch_span_str("tcb: {accept: [SWHardeningNeeded, OutOfDate], "
                                             "advisories: [{id: INTEL-SA-00615, until: "
                                             "2040-01-01}]}"),
                                &p, &err),
             &err);
    return p;
}

static set sgx_set(void)
{
    set s = { .parts = corpus_sgx_parts(),
              .quote = corpus_read(CORPUS_SGX_QUOTE),
              .now_unix_s = CORPUS_SGX_TIME,
              .status = VOUCH_TCB_SW_HARDENING_NEEDED };
    vouch_error err = { 0 };
    CHECK_OK(vouch_verifier_new(NULL, &s.verifier, &err), &err);
    return s;
}

static set tdx_set(void)
{
    set s = { .parts = corpus_tdx_parts(),
              .quote = corpus_read(CORPUS_TDX_QUOTE),
              .now_unix_s = CORPUS_TDX_TIME,
              .status = CORPUS_TDX_STATUS };
    vouch_error err = { 0 };
    CHECK_OK(vouch_verifier_new(NULL, &s.verifier, &err), &err);
    return s;
}

static void set_free(set *s)
{
    vouch_verifier_free(s->verifier);
    vouch_policy_free(s->policy);
    corpus_parts_free(&s->parts);
    corpus_free(s->quote);
}

static void each_allocation_of_ours_may_fail(void **state)
{
    (void)state;
    set s = sgx_set();
    each_may_fail(&s, run_alone, 20);
    each_may_fail(&s, run_cached, 20);
    s.policy = nobody();
    each_may_fail(&s, run_alone, 20);
    each_may_fail(&s, run_cached, 20);
    set_free(&s);
    s = tdx_set();
    each_may_fail(&s, run_alone, 20);
    each_may_fail(&s, run_cached, 20);
    set_free(&s);
}

static void each_allocation_of_libcrypto_may_fail(void **state)
{
    (void)state;
    crypto_too = true;
    set s = sgx_set();
    each_may_fail(&s, run_alone, 200);
    each_may_fail(&s, run_cached, 200);
    set_free(&s);
    s = tdx_set();
    each_may_fail(&s, run_alone, 200);
    each_may_fail(&s, run_cached, 200);
    set_free(&s);
    crypto_too = false;
}

/* Refusals take memory, too: one that cannot be said is no verdict. */
static void a_refusal_without_memory_for_its_reason_is_no_verdict(void **state)
{
    (void)state;
    set s = sgx_set();
    vouch_collateral *collateral = NULL;
    vouch_error err = { 0 };
    corpus_bytes(s.parts.tcb_info)[40] ^= 1;
    long n = 0;
    do {
        failed = false;
        until_failure = at = n++;
        vouch_code rc = vouch_collateral_parse(&s.parts, &collateral, &err);
        until_failure = -1;
        if (out_of_memory(rc, &err))
            CHECK(collateral == NULL);
        else if (failed)
            fail_msg("allocation %ld%s failed and was not missed", at, where);
    } while (failed);
    n = 0;
    do {
        vouch_appraisal *a = NULL;
        vouch_request r = { .quote = s.quote,
                            .collateral = collateral,
                            .now_unix_s = s.now_unix_s };
        failed = false;
        until_failure = at = n++;
        vouch_code rc = vouch_verifier_appraise(s.verifier, &r, &a, &err);
        until_failure = -1;
        if (out_of_memory(rc, &err))
            CHECK(a == NULL);
        else if (failed || vouch_appraisal_reason_count(a) == 0)
            fail_msg("allocation %ld%s failed and was not missed", at, where);
        vouch_appraisal_free(a);
    } while (failed);
    vouch_collateral_free(collateral);
    set_free(&s);
}

static void a_verifier_is_built_whole_or_not_at_all(void **state)
{
    (void)state;
    vouch_verifier *first = NULL;
    CHECK(vouch_verifier_new(NULL, &first, NULL) == VOUCH_OK);
    crypto_too = true;
    long n = 0;
    do {
        vouch_verifier *v = NULL;
        vouch_error err = { 0 };
        failed = false;
        until_failure = at = n++;
        vouch_code rc = vouch_verifier_new(NULL, &v, &err);
        until_failure = -1;
        CHECK((rc == VOUCH_OK) == (v != NULL));
        if (!out_of_memory(rc, &err))
            CHECK(memcmp(v->digest, first->digest, sizeof v->digest) == 0);
        vouch_verifier_free(v);
    } while (failed && n < 1000);
    CHECK(n > 5 && n < 1000);
    vouch_verifier_free(first);
    crypto_too = false;
}

/*
 * After warm-up: a verdict that is known takes the memory of the answer (the appraisal and its list of
 * advisories) and the contexts of two digests; one for a known platform the
 * copy that the cache keeps as well, and what libcrypto takes and gives back for one signature. Nothing
 * grows with use.
 */
static void the_warm_path_takes_the_answer_and_no_more(void **state)
{
    (void)state;
    set s = sgx_set();
    vouch_collateral *collateral = NULL;
    vouch_cache *cache = NULL;
    vouch_error err = { 0 };
    vouch_code rc = VOUCH_OK;
    failed = false;
    CHECK_OK(vouch_collateral_parse(&s.parts, &collateral, &err), &err);
    CHECK_OK(vouch_cache_new(4, &cache, &err), &err);
    vouch_span padded = corpus_copy(s.quote, s.quote.size + 64);
    vouch_span whole = s.quote;
    for (size_t i = 0; i < 64; i++) {
        s.quote =
            i < 32 ? (vouch_span) { padded.data, whole.size + i } : whole; /* new, then known */
        taken = taken_there = 0;
        vouch_appraisal_free(appraise(&s, collateral, cache, &rc));
        if (i >= 8 && i < 32 && (taken != 4 || taken_there > 60))
            fail_msg("a known platform: %ld allocations, %ld in libcrypto", taken, taken_there);
        if (i >= 40 && (taken != 2 || taken_there > 8))
            fail_msg("a known verdict: %ld allocations, %ld in libcrypto", taken, taken_there);
    }
    s.quote = whole;
    corpus_free(padded);
    vouch_cache_free(cache);
    vouch_collateral_free(collateral);
    set_free(&s);
}

static const char policy_text[] =
    "measurements:\n"
    "  - mrenclave: 6b2822ac2585040d4b9397675d54977a71ef292ab5b3c0a6acceca26074ae585\n"
    "tcb: {accept: [UpToDate], advisories: [{id: INTEL-SA-00615, until: 2027-01-01}]}\n"
    "platform: {fmspc: [00906ED50000], instances: [05050000000000000000000000000000]}\n"
    "roots: [intel]\n";

static void a_policy_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    long n = 0;
    do {
        vouch_policy *p = NULL;
        vouch_error err = { 0 };
        failed = false;
        until_failure = at = n++;
        vouch_code rc = vouch_policy_parse("p", vch_span_str(policy_text), &p, &err);
        until_failure = -1;
        if ((rc == VOUCH_OK) != (p != NULL))
            fail_msg("allocation %ld: %s, %s", at, vouch_code_name(rc), err.frame[0]);
        if (rc != (failed ? VOUCH_E_MEMORY : VOUCH_OK) || (err.depth > 0) != failed)
            fail_msg("allocation %ld: %s, %s", at, vouch_code_name(rc), err.frame[0]);
        vouch_policy_free(p);
    } while (failed && n < 10000);
    CHECK(n > 20 && n < 10000);
}

/* Ours and libcrypto's, after a first run that makes what libcrypto keeps. */
static void the_built_in_policy_is_made_whole_or_not_at_all(void **state)
{
    (void)state;
    vouch_policy *p = NULL;
    CHECK(vch_policy_platform_only(&p, NULL) == VOUCH_OK);
    vouch_policy_free(p);
    crypto_too = true;
    long n = 0;
    do {
        vouch_error err = { 0 };
        p = NULL;
        failed = false;
        until_failure = at = n++;
        vouch_code rc = vch_policy_platform_only(&p, &err);
        until_failure = -1;
        CHECK(failed == out_of_memory(rc, &err) && failed == (p == NULL));
        vouch_policy_free(p);
    } while (failed && n < 1000);
    crypto_too = false;
    CHECK(n > 1 && n < 1000);
}

/* The JSON library's own memory is not counted. */
static void a_builders_policy_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char json[] = "{\"policy\":{\"sgx_appraisal\":{\"sgx_isvsvn\":3}}}";
    long n = 0;
    do {
        vch_builder_policy *p = NULL;
        vouch_error err = { 0 };
        failed = false;
        until_failure = at = n++;
        vouch_code rc = vch_builder_parse("p", vch_span_str(json), &p, &err);
        until_failure = -1;
        CHECK(failed == out_of_memory(rc, &err) && failed == (p == NULL));
        vch_builder_free(p);
    } while (failed && n < 1000);
    CHECK(n > 1 && n < 1000);
}

/* Importers of other products' policies; the JSON library's own memory is not counted. The name stands
 * in the document, and with its length the place moves at which a further block of memory is taken. */
static void an_import_is_whole_or_an_error(void **state)
{
    static char name[4200];
    (void)state;
    memset(name, 'n', sizeof name - 1);
    static const char env[] =
        "RA_TLS_MRENCLAVE=any\nRA_TLS_ISV_PROD_ID=1\nRA_TLS_ISV_SVN=3\n"
        "RA_TLS_MRSIGNER=11111111111111111111111111111111111111111111111111111"
        "11111111111\nRA_TLS_ALLOW_SW_HARDENING_NEEDED=1\n";
    static const char manifest[] =
        "{\"Packages\":{\"a\":{\"SignerID\":\"1111111111111111111111111111111111111111111111111111"
        "111111111111\",\"ProductID\":43,\"SecurityVersion\":3}},\"Marbles\":{}}";
    for (size_t size = 1; size < sizeof name; size += 48) {
        for (int marblerun = 0; marblerun < 2; marblerun++) {
            long n = 0;
            name[size] = 0;
            do {
                VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
                VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(10000);
                vouch_error err = { 0 };
                failed = false;
                until_failure = at = n++;
                vouch_code rc =
                    marblerun == 1
                        ? vch_policy_import_marblerun(name, vch_span_str(manifest), &faults, &out,
                                                      &err)
                        : vch_policy_import_env_file(name, vch_span_str(env), &faults, &out, &err);
                until_failure = -1;
                bool lost = failed && faults.more > 0; /* a warning may get lost */
                if (rc != (failed && !lost ? VOUCH_E_MEMORY : VOUCH_OK))
                    fail_msg("%zu, allocation %ld: %s", size, at, vouch_code_name(rc));
            } while (failed && n < 10000);
            name[size] = 'n';
            CHECK(n > 20 && n < 10000);
        }
    }
}

int main(void)
{
    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(each_allocation_of_ours_may_fail),
        TEST(each_allocation_of_libcrypto_may_fail),
        TEST(a_refusal_without_memory_for_its_reason_is_no_verdict),
        TEST(the_warm_path_takes_the_answer_and_no_more),
        TEST(a_verifier_is_built_whole_or_not_at_all),
        TEST(a_policy_is_read_whole_or_not_at_all),
        TEST(the_built_in_policy_is_made_whole_or_not_at_all),
        TEST(a_builders_policy_is_read_whole_or_not_at_all),
        TEST(an_import_is_whole_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
