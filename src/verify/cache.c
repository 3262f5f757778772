#include "verify/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

#define WAYS 4
#define PLATFORMS_MAX 65536
#define LINK_BUCKETS 64 /* roots, CAs and CRLs are few, however many platforms there are */

typedef struct platform_slot {
    bool used;
    vch_cache_key key;
    vch_platform platform;
} platform_slot;

typedef struct verdict_slot {
    vouch_appraisal *appraisal; /* NULL: free */
    vch_cache_key key;
    vch_window window;
} verdict_slot;

typedef struct link_slot {
    bool used;
    uint8_t signer[32];
    uint8_t signed_thing[32];
} link_slot;

typedef struct platform_bucket {
    platform_slot slot[WAYS];
    size_t oldest;
} platform_bucket;

typedef struct verdict_bucket {
    verdict_slot slot[WAYS];
    size_t oldest;
} verdict_bucket;

typedef struct link_bucket {
    link_slot slot[WAYS];
    size_t oldest;
} link_bucket;

struct vouch_cache {
    size_t bucket_count; /* a power of two */
    platform_bucket *platforms;
    verdict_bucket *verdicts;
    link_bucket links[LINK_BUCKETS];
};

VCH_DEFINE_DROP(drop_cache, vouch_cache, vouch_cache_free)

vouch_code vouch_cache_new(size_t platforms, vouch_cache **out, vouch_error *err)
{
    if (platforms < 1 || platforms > PLATFORMS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "a cache of %zu platforms; it must be from 1 to %d",
                          platforms, PLATFORMS_MAX);
    VCH_SCOPED(drop_cache) vouch_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "cache");
    size_t buckets = 1;
    while (buckets * WAYS < platforms)
        buckets *= 2;
    cache->platforms = calloc(buckets, sizeof *cache->platforms);
    cache->verdicts = calloc(buckets, sizeof *cache->verdicts);
    if (cache->platforms == NULL || cache->verdicts == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "cache");
    cache->bucket_count = buckets;
    *out = VCH_MOVE(cache);
    return VOUCH_OK;
}

void vouch_cache_free(vouch_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < cache->bucket_count * WAYS; i++) {
        vch_platform_drop(&cache->platforms[i / WAYS].slot[i % WAYS].platform);
        vouch_appraisal_free(cache->verdicts[i / WAYS].slot[i % WAYS].appraisal);
    }
    free(cache->platforms);
    free(cache->verdicts);
    free(cache);
}

/* A digest's bytes are spread already: its beginning is the index. */
static size_t index_of(const uint8_t digest[static 32], size_t bucket_count)
{
    size_t index = (size_t)digest[0] | (size_t)digest[1] << 8 | (size_t)digest[2] << 16;
    return index & (bucket_count - 1);
}

static bool same_key(const vch_cache_key *a, const vch_cache_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool vch_cache_knows_link(const vouch_cache *cache, const uint8_t signer[static 32],
                          const uint8_t signed_thing[static 32])
{
    if (cache == NULL)
        return false;
    const link_bucket *b = &cache->links[index_of(signed_thing, LINK_BUCKETS)];
    for (size_t i = 0; i < WAYS; i++) {
        if (b->slot[i].used && memcmp(b->slot[i].signer, signer, 32) == 0
            && memcmp(b->slot[i].signed_thing, signed_thing, 32) == 0)
            return true;
    }
    return false;
}

void vch_cache_keep_link(vouch_cache *cache, const uint8_t signer[static 32],
                         const uint8_t signed_thing[static 32])
{
    if (cache == NULL || vch_cache_knows_link(cache, signer, signed_thing))
        return;
    link_bucket *b = &cache->links[index_of(signed_thing, LINK_BUCKETS)];
    link_slot *slot = &b->slot[b->oldest++ % WAYS];
    memcpy(slot->signer, signer, 32);
    memcpy(slot->signed_thing, signed_thing, 32);
    slot->used = true;
}

const vch_platform *vch_cache_find_platform(const vouch_cache *cache, const vch_cache_key *key)
{
    if (cache == NULL)
        return NULL;
    const platform_bucket *b = &cache->platforms[index_of(key->first, cache->bucket_count)];
    for (size_t i = 0; i < WAYS; i++) {
        if (b->slot[i].used && same_key(&b->slot[i].key, key))
            return &b->slot[i].platform;
    }
    return NULL;
}

const vch_platform *vch_cache_keep_platform(vouch_cache *cache, const vch_cache_key *key,
                                            vch_platform *platform)
{
    if (cache == NULL)
        return platform;
    platform_bucket *b = &cache->platforms[index_of(key->first, cache->bucket_count)];
    platform_slot *slot = &b->slot[b->oldest++ % WAYS];
    vch_platform_drop(&slot->platform);
    slot->platform = *platform;
    slot->key = *key;
    slot->used = true;
    *platform = (vch_platform) { 0 };
    return &slot->platform;
}

const vouch_appraisal *vch_cache_find_verdict(const vouch_cache *cache, const vch_cache_key *key,
                                              int64_t now_unix_s)
{
    if (cache == NULL)
        return NULL;
    const verdict_bucket *b = &cache->verdicts[index_of(key->first, cache->bucket_count)];
    for (size_t i = 0; i < WAYS; i++) {
        const verdict_slot *slot = &b->slot[i];
        if (slot->appraisal != NULL && same_key(&slot->key, key)
            && now_unix_s >= slot->window.from_unix_s && now_unix_s <= slot->window.to_unix_s)
            return slot->appraisal;
    }
    return NULL;
}

void vch_cache_keep_verdict(vouch_cache *cache, const vch_cache_key *key,
                            const vouch_appraisal *appraisal, vch_window window)
{
    vouch_appraisal *copy = NULL;
    if (cache == NULL || vch_appraisal_copy(appraisal, &copy, NULL) != VOUCH_OK)
        return;
    verdict_bucket *b = &cache->verdicts[index_of(key->first, cache->bucket_count)];
    verdict_slot *slot = &b->slot[b->oldest++ % WAYS];
    vouch_appraisal_free(slot->appraisal);
    *slot = (verdict_slot) { .appraisal = copy, .key = *key, .window = window };
}
