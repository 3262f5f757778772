#include "svc/cache_pool.h"

#include <pthread.h>
#include <stdlib.h>

struct vch_cache_pool {
    pthread_mutex_t lock; /* over the two below */
    vouch_cache *idle[VCH_CACHE_POOL_MAX];
    size_t idle_count;
};

vouch_code vch_cache_pool_new(vch_cache_pool **out, vouch_error *err)
{
    vch_cache_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for caches");
    (void)pthread_mutex_init(&pool->lock, NULL); /* with default attributes it cannot fail here */
    *out = pool;
    return VOUCH_OK;
}

void vch_cache_pool_free(vch_cache_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->idle_count; i++)
        vouch_cache_free(pool->idle[i]);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

vouch_cache *vch_cache_pool_lend(vch_cache_pool *pool)
{
    vouch_cache *cache = NULL;
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->idle_count > 0)
        cache = pool->idle[--pool->idle_count];
    (void)pthread_mutex_unlock(&pool->lock);
    if (cache == NULL && vouch_cache_new(VCH_CACHE_POOL_PLATFORMS, &cache, NULL) != VOUCH_OK)
        return NULL;
    return cache;
}

void vch_cache_pool_give_back(vch_cache_pool *pool, vouch_cache *cache)
{
    (void)pthread_mutex_lock(&pool->lock);
    bool kept = cache != NULL && pool->idle_count < VCH_CACHE_POOL_MAX;
    if (kept)
        pool->idle[pool->idle_count++] = cache;
    (void)pthread_mutex_unlock(&pool->lock);
    if (!kept)
        vouch_cache_free(cache);
}
