/*
 * What an appraisal costs beside the signatures in it, measured in the same run: cold (collateral
 * parsed and verified from bytes), platform (collateral known, new platform), warm (known platform,
 * new quote), hit (the same bytes again), and two threads beside one. One JSON object a line.
 * Quotes and collateral are genuine, from tests/vectors/quotes.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "vouch/vouch.h"

#define QUOTE_COUNT 6
#define PADDED_COUNT                                                                               \
    8             /* above the four ways of the cache's only bucket: no verdict is ever known */
#define ROUNDS 40 /* the fastest of these counts: other work on the machine only adds */

typedef struct quote_set {
    uint8_t *quote[QUOTE_COUNT];
    size_t size[QUOTE_COUNT];
    vouch_collateral_parts parts;
    int64_t now_unix_s;
    vouch_verifier *verifier;
    vouch_collateral *collateral;
    uint8_t *padded; /* the first quote and PADDED_COUNT zeros */
} quote_set;

static const char *const quote_files[QUOTE_COUNT] = {
    "quote/b202abe0df7f4707.bin", "quote/cc47703fb39da84b.bin", "quote/268c06813379d1af.bin",
    "quote/3bfe5ad81bcd00bf.bin", "quote/b7ab1cb4b14930bc.bin", "quote/ba71c6bc0adf7feb.bin",
};

static double clock_us(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The processor's time of this thread: an appraisal waits for nothing, and other work on the machine
 * does not count. */
static double cpu_us(void)
{
    return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

static void need(int good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "quote_verify: %s failed\n", what);
    exit(1);
}

static vouch_span read_file(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/quotes/%s", VCH_TEST_VECTORS, name);
    FILE *f = fopen(path, "rb");
    need(f != NULL, path);
    uint8_t *data = malloc(65536);
    need(data != NULL, "memory");
    size_t size = fread(data, 1, 65536, f);
    (void)fclose(f);
    return (vouch_span) { data, size };
}

static void load(quote_set *s)
{
    for (size_t i = 0; i < QUOTE_COUNT; i++) {
        vouch_span q = read_file(quote_files[i]);
        s->quote[i] = malloc(q.size);
        need(s->quote[i] != NULL, "memory");
        memcpy(s->quote[i], q.data, q.size);
        s->size[i] = q.size;
    }
    s->padded = calloc(1, s->size[0] + PADDED_COUNT);
    need(s->padded != NULL, "memory");
    memcpy(s->padded, s->quote[0], s->size[0]);
    s->now_unix_s = 1756530546;
    s->parts = (vouch_collateral_parts) {
        .tcb_info = read_file("collateral/1316cacf45d39079.tcb.json"),
        .tcb_info_issuer_chain = read_file("collateral/6d58c08156552520.chain.pem"),
        .qe_identity = read_file("collateral/314bda27a571e42e.qe.json"),
        .qe_identity_issuer_chain = read_file("collateral/6d58c08156552520.chain.pem"),
        .pck_crl = read_file("collateral/8b661233b516d13e.crl.der"),
        .root_ca_crl = read_file("collateral/ad6f3f4e0673bb14.crl.der"),
    };
    need(vouch_verifier_new(NULL, &s->verifier, NULL) == VOUCH_OK, "verifier");
    need(vouch_collateral_parse(&s->parts, &s->collateral, NULL) == VOUCH_OK, "collateral");
}

static void appraise(const quote_set *s, const uint8_t *quote, size_t size,
                     const vouch_collateral *collateral, vouch_cache *cache)
{
    vouch_request request = { .quote = { quote, size },
                              .collateral = collateral,
                              .now_unix_s = s->now_unix_s,
                              .cache = cache };
    vouch_appraisal *a = NULL;
    need(vouch_verifier_appraise(s->verifier, &request, &a, NULL) == VOUCH_OK, "appraisal");
    need(vouch_appraisal_is_genuine(a), "genuine quote");
    vouch_appraisal_free(a);
}

static void cold(const quote_set *s, vouch_cache *cache, size_t i)
{
    (void)cache;
    vouch_collateral *c = NULL;
    need(vouch_collateral_parse(&s->parts, &c, NULL) == VOUCH_OK, "collateral");
    appraise(s, s->quote[i % QUOTE_COUNT], s->size[i % QUOTE_COUNT], c, NULL);
    vouch_collateral_free(c);
}

/* Six platforms take turns in a bucket of four, so each is new; CA and CRL stay known. */
static void platform(const quote_set *s, vouch_cache *cache, size_t i)
{
    appraise(s, s->quote[i % QUOTE_COUNT], s->size[i % QUOTE_COUNT], s->collateral, cache);
}

/* Zero padding makes other bytes of the same genuine quote: a known platform, an unknown verdict. */
static void warm(const quote_set *s, vouch_cache *cache, size_t i)
{
    appraise(s, s->padded, s->size[0] + i % PADDED_COUNT, s->collateral, cache);
}

static void hit(const quote_set *s, vouch_cache *cache, size_t i)
{
    (void)i;
    appraise(s, s->quote[0], s->size[0], s->collateral, cache);
}

/* Microseconds a call, in the fastest round. */
static double measure(const quote_set *s, void (*call)(const quote_set *, vouch_cache *, size_t),
                      size_t calls)
{
    vouch_cache *cache = NULL;
    double best = 1e12;
    need(vouch_cache_new(1, &cache, NULL) == VOUCH_OK, "cache");
    for (size_t i = 0; i < PADDED_COUNT; i++)
        call(s, cache, i);
    for (size_t round = 0; round < ROUNDS; round++) {
        double begin = cpu_us();
        for (size_t i = 0; i < calls; i++)
            call(s, cache, i);
        double us = (cpu_us() - begin) / (double)calls;
        best = us < best ? us : best;
    }
    vouch_cache_free(cache);
    return best;
}

/* One P-256 verification by libcrypto, key and context ready: the limit that all rows stand beside. */
static double signature_us(void)
{
    unsigned char digest[32] = { 7 };
    unsigned char signature[80];
    size_t size = sizeof signature;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    need(key != NULL && ctx != NULL && EVP_PKEY_sign_init(ctx) == 1
             && EVP_PKEY_sign(ctx, signature, &size, digest, sizeof digest) == 1
             && EVP_PKEY_verify_init(ctx) == 1,
         "libcrypto");
    double best = 1e12;
    for (size_t round = 0; round < ROUNDS; round++) {
        double begin = cpu_us();
        for (size_t i = 0; i < 50; i++)
            need(EVP_PKEY_verify(ctx, signature, size, digest, sizeof digest) == 1, "signature");
        double us = (cpu_us() - begin) / 50;
        best = us < best ? us : best;
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return best;
}

static void *thread_main(void *argument)
{
    const quote_set *s = argument;
    vouch_cache *cache = NULL;
    need(vouch_cache_new(1, &cache, NULL) == VOUCH_OK, "cache");
    for (size_t i = 0; i < 2000; i++)
        warm(s, cache, i);
    vouch_cache_free(cache);
    return NULL;
}

/* Microseconds for `count` threads to do 2000 warm appraisals each, the fastest of five. */
static double threads_us(quote_set *s, size_t count)
{
    double best = 1e12;
    for (size_t round = 0; round < 5; round++) {
        pthread_t thread[2];
        double begin = clock_us(CLOCK_MONOTONIC);
        for (size_t i = 0; i < count; i++)
            need(pthread_create(&thread[i], NULL, thread_main, s) == 0, "thread");
        for (size_t i = 0; i < count; i++)
            (void)pthread_join(thread[i], NULL);
        double us = clock_us(CLOCK_MONOTONIC) - begin;
        best = us < best ? us : best;
    }
    return best;
}

/* Bytes of heap that a cached platform and its verdict take. */
static double platform_bytes(const quote_set *s)
{
    enum { SLOTS = 64 };
    vouch_cache *cache = NULL;
    size_t before = mallinfo2().uordblks;
    need(vouch_cache_new(SLOTS, &cache, NULL) == VOUCH_OK, "cache");
    size_t empty = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (size_t i = 0; i < QUOTE_COUNT; i++)
        platform(s, cache, i);
    size_t full = mallinfo2().uordblks + mallinfo2().hblkhd;
    vouch_cache_free(cache);
    return (double)(empty - before) / SLOTS + (double)(full - empty) / QUOTE_COUNT;
}

/* Resident memory of this process, in MiB. */
static double resident_mib(void)
{
    unsigned long pages = 0;
    unsigned long resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    need(f != NULL && fscanf(f, "%lu %lu", &pages, &resident) == 2, "/proc/self/statm");
    (void)fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* What verifier, collateral and a cache of 64 platforms take more than the program alone, after a
 * thousand appraisals of every kind; libcrypto's own pages that only they touch are in it. */
static double steady_mib(const quote_set *s, double before)
{
    vouch_cache *cache = NULL;
    need(vouch_cache_new(64, &cache, NULL) == VOUCH_OK, "cache");
    for (size_t i = 0; i < 1000; i++) {
        platform(s, cache, i);
        warm(s, cache, i);
        cold(s, NULL, i);
    }
    double now = resident_mib() - before;
    vouch_cache_free(cache);
    return now;
}

static void row(const char *name, double value, const char *unit, double limit, const char *target)
{
    (void)printf("{\"name\":\"%s\",\"value\":%.2f,\"unit\":\"%s\",\"limit\":%.2f,\"ratio\":%.3f,"
                 "\"target\":\"%s\"}\n",
                 name, value, unit, limit, value / limit, target);
}

int main(void)
{
    static quote_set s;
    double before = resident_mib();
    load(&s);
    double steady = steady_mib(&s, before);
    double one = signature_us();
    row("quote_verify_cold", measure(&s, cold, 20), "us", 9 * one, "at most 1.35 x 9 signatures");
    row("quote_verify_platform", measure(&s, platform, 60), "us", 3 * one,
        "at most 1.3 x 3 signatures");
    row("quote_verify_warm", measure(&s, warm, 80), "us", one, "at most 1.2 x 1 signature");
    row("quote_verify_hit", measure(&s, hit, 500), "us", 5, "at most 5 us");
    double alone = threads_us(&s, 1);
    double both = threads_us(&s, 2);
    row("quote_verify_threads2", 2 * alone / both, "x", 2, "at least 1.9 x one thread");
    row("quote_verify_memory", steady, "MiB", 8, "under 8 MiB steady");
    row("quote_verify_platform_memory", platform_bytes(&s), "B", 8192, "under 8 KiB a platform");
    return 0;
}
