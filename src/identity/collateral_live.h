/*
 * Collateral kept fresh from services: fetched when a platform family is first met, byte for byte
 * in a store, refreshed ahead of its expiry by threads of its own, each time a little earlier or
 * later. An appraisal waits only if nothing in force is there; one fetch at a time for each family,
 * and none waits for another's. Never older than seen, by the store. Internally locked.
 * Spec: docs/collateral.md.
 */
#ifndef VCH_IDENTITY_COLLATERAL_LIVE_H
#define VCH_IDENTITY_COLLATERAL_LIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "identity/collateral_fetch.h"
#include "identity/collateral_set.h"
#include "vouch/error.h"

typedef struct vch_live vch_live;

typedef struct vch_live_options {
    vch_collateral_services services; /* copied */
    vch_pcs_update update;
    const char *store;         /* SQLite file; made if it is not there. Copied */
    const vch_root_pins *pins; /* copied */
    int64_t
        refresh_s;   /* the age at which a set is fetched anew, or at half of its life; 0: a day */
    int64_t wait_ms; /* for an appraisal; 0: 8 s, less than a peer waits for us */
    int64_t (*now_unix_s)(void *clock);
    void *clock;
    const vch_log *log; /* may be NULL; kept */
    /* NULL: vch_collateral_fetch; for tests */
    vouch_code (*fetch)(void *fetcher, const vch_collateral_want *want,
                        const vouch_collateral_parts *seen, int64_t now_unix_s, vch_pcs_set *out,
                        vouch_error *err);
    void *fetcher;
} vch_live_options;

/*
 * Reads the store; asks no service yet. A damaged store is logged, set aside as <store>.damaged and
 * made anew: what was in it is fetched again. Fails with VOUCH_E_IO, _CONFIG, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_live_new(const vch_live_options *options, vch_live **out,
                                         vouch_error *err);
void vch_live_free(vch_live *live); /* ends fetches under way */

typedef enum vch_live_patience {
    VCH_LIVE_SHORT = 1, /* wait_ms; the fetch goes on after it */
    VCH_LIVE_LONG = 2   /* until the fetch ends */
} vch_live_patience;

/* See vch_collateral_cache_get. platform->update is not looked at. */
VOUCH_MUST_CHECK vouch_code vch_live_get(vch_live *live, const vch_pcs_query *platform,
                                         vch_live_patience patience, const vch_collateral_set **out,
                                         vouch_error *err);

/* Grows with every set that was fetched. */
uint64_t vch_live_generation(vch_live *live);

#endif
