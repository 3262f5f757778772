/* Appraisal caches lent for one quote's time: each appraising thread ends up with one of its own,
 * whichever it is. Internally locked. */
#ifndef VCH_SVC_CACHE_POOL_H
#define VCH_SVC_CACHE_POOL_H

#include "base/scope.h"
#include "vouch/verifier.h"

#define VCH_CACHE_POOL_MAX 32       /* kept while idle; as many as threads that appraise */
#define VCH_CACHE_POOL_PLATFORMS 64 /* in each: half a MiB at most */

typedef struct vch_cache_pool vch_cache_pool;

VOUCH_MUST_CHECK vouch_code vch_cache_pool_new(vch_cache_pool **out, vouch_error *err);
void vch_cache_pool_free(vch_cache_pool *pool); /* when nothing is lent any more */

/* NULL if there is no memory for one: the appraisal goes without. Give it back. */
vouch_cache *vch_cache_pool_lend(vch_cache_pool *pool);
void vch_cache_pool_give_back(vch_cache_pool *pool, vouch_cache *cache); /* NULL is allowed */

#endif
