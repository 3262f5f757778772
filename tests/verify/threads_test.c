/* One verifier, one collateral object, many threads, each with its own cache (or none). */
#include <pthread.h>

#include "corpus.h"
#include "vouch/verifier.h"

#define THREADS 4
#define ROUNDS 50

typedef struct shared {
    const vouch_verifier *verifier;
    const vouch_collateral *collateral;
    const vouch_span *quotes;
    size_t quote_count;
    bool cached;
    size_t wrong; /* of this thread */
} shared;

static const char *const files[] = {
    CORPUS_SGX_QUOTE,
    "quote/b202abe0df7f4707.bin",
    "quote/cc47703fb39da84b.bin",
    "quote/3bfe5ad81bcd00bf.bin",
};
#define QUOTE_COUNT (sizeof files / sizeof *files)

static bool is_right(const shared *s, vouch_span quote, bool genuine, vouch_cache *cache)
{
    vouch_appraisal *a = NULL;
    const vouch_request r = {
        .quote = quote, .collateral = s->collateral, .now_unix_s = CORPUS_SGX_TIME, .cache = cache
    };
    bool good = vouch_verifier_appraise(s->verifier, &r, &a, NULL) == VOUCH_OK
                && vouch_appraisal_is_genuine(a) == genuine;
    vouch_appraisal_free(a);
    return good;
}

static void *run(void *argument)
{
    shared *s = argument;
    vouch_cache *cache = NULL;
    if (s->cached && vouch_cache_new(2, &cache, NULL) != VOUCH_OK)
        s->wrong++;
    vouch_span forged = corpus_copy(s->quotes[0], s->quotes[0].size);
    corpus_bytes(forged)[60] ^= 1;
    for (size_t i = 0; i < ROUNDS; i++) {
        s->wrong += !is_right(s, s->quotes[i % s->quote_count], true, cache);
        s->wrong += !is_right(s, forged, false, cache);
    }
    corpus_free(forged);
    vouch_cache_free(cache);
    return NULL;
}

static void threads_share_a_verifier_and_its_collateral(void **state)
{
    (void)state;
    vouch_collateral_parts parts = corpus_sgx_parts();
    vouch_verifier *verifier = NULL;
    vouch_collateral *collateral = NULL;
    vouch_error err = { 0 };
    vouch_span quotes[QUOTE_COUNT];
    pthread_t thread[THREADS];
    shared own[THREADS];
    CHECK_OK(vouch_verifier_new(NULL, &verifier, &err), &err);
    CHECK_OK(vouch_collateral_parse(&parts, &collateral, &err), &err);
    for (size_t i = 0; i < QUOTE_COUNT; i++)
        quotes[i] = corpus_read(files[i]);
    for (size_t i = 0; i < THREADS; i++) {
        own[i] = (shared) { verifier, collateral, quotes, QUOTE_COUNT, i % 2 == 0, 0 };
        CHECK(pthread_create(&thread[i], NULL, run, &own[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(thread[i], NULL) == 0);
        CHECK(own[i].wrong == 0);
    }
    for (size_t i = 0; i < QUOTE_COUNT; i++)
        corpus_free(quotes[i]);
    vouch_collateral_free(collateral);
    vouch_verifier_free(verifier);
    corpus_parts_free(&parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(threads_share_a_verifier_and_its_collateral) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
