/*
 * Behind vouch_cache: three bounded tables of what was verified, keyed by digests of complete
 * bytes. Nothing in it depends on the time, except that a verdict carries the window within which
 * it holds. All functions take NULL for "no cache". One thread at a time.
 *
 * Each table is an array of buckets of four; a new entry replaces the oldest of its bucket.
 */
#ifndef VCH_VERIFY_CACHE_H
#define VCH_VERIFY_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "verify/appraisal.h"
#include "verify/platform.h"
#include "vouch/verifier.h"

typedef struct vch_cache_key {
    uint8_t first[32];
    uint8_t second[32];
    uint8_t third[32];
} vch_cache_key;

/* "`signer` is known to have signed `signed_thing`", both by the SHA-256 of their bytes. */
bool vch_cache_knows_link(const vouch_cache *cache, const uint8_t signer[static 32],
                          const uint8_t signed_thing[static 32]);
void vch_cache_keep_link(vouch_cache *cache, const uint8_t signer[static 32],
                         const uint8_t signed_thing[static 32]);

/* Borrowed until the next platform is kept; NULL if there is none. */
const vch_platform *vch_cache_find_platform(const vouch_cache *cache, const vch_cache_key *key);

/*
 * Keep a platform: its content is moved into the cache, which gives back where it stands now.
 * Without a cache that is `platform`.
 */
const vch_platform *vch_cache_keep_platform(vouch_cache *cache, const vch_cache_key *key,
                                            vch_platform *platform);

/* A genuine verdict, before any policy, if it holds at `now_unix_s`; NULL otherwise. */
const vouch_appraisal *vch_cache_find_verdict(const vouch_cache *cache, const vch_cache_key *key,
                                              int64_t now_unix_s);

/* Keep a copy. If memory runs out nothing is kept. */
void vch_cache_keep_verdict(vouch_cache *cache, const vch_cache_key *key,
                            const vouch_appraisal *appraisal, vch_window window);

#endif
