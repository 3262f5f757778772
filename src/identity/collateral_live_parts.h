/* Inside identity: what a live source of collateral is made of; collateral_live.c decides when,
 * collateral_keep.c fetches and keeps. */
#ifndef VCH_IDENTITY_COLLATERAL_LIVE_PARTS_H
#define VCH_IDENTITY_COLLATERAL_LIVE_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "identity/collateral_live.h"
#include "identity/collateral_parts.h"

#define VCH_LIVE_FAMILIES 256
#define VCH_LIVE_THREADS 8  /* fetches at a time */
#define VCH_LIVE_WAITERS 48 /* appraisals that may wait; a further one is refused at once */
#define VCH_LIVE_KEY_SIZE 40

typedef struct vch_live_family {
    char key[VCH_LIVE_KEY_SIZE]; /* "00906ed50000-sgx-platform" */
    vch_pcs_query query;
    const vch_collateral_set *set; /* the newest; NULL: none yet */
    int64_t refresh_unix_s;
    unsigned failures; /* in a row */
    int64_t retry_unix_s;
    vouch_code why_code; /* of the last failure */
    char why[400];
    bool wanted; /* an appraisal needs a fetch */
    bool flying; /* it is under way */
    unsigned waiters;
} vch_live_family;

struct vch_live {
    /* constant after the start */
    vch_collateral_services services;
    char **urls;
    char *ca_file;
    char *store;
    vch_root_pins pins;
    uint8_t (*roots)[32];
    vch_pcs_update update;
    int64_t refresh_s, wait_ms;
    int64_t (*now_unix_s)(void *clock);
    void *clock;
    const vch_log *log;
    vouch_code (*fetch)(void *fetcher, const vch_collateral_want *want,
                        const vouch_collateral_parts *seen, int64_t now_unix_s, vch_pcs_set *out,
                        vouch_error *err);
    void *fetcher;

    atomic_bool stopping;
    pthread_mutex_t lock;   /* over all that follows */
    pthread_cond_t work;    /* for the threads */
    pthread_cond_t settled; /* for who waits */
    pthread_t threads[VCH_LIVE_THREADS];
    size_t thread_count, idle, waiter_count;
    vch_live_family *families[VCH_LIVE_FAMILIES];
    size_t family_count;
    uint64_t generation; /* grows with every set that was fetched */
};

/* When a set that was fetched then is to be fetched anew. */
int64_t vch_live_refresh_at(const vch_live *l, const vch_collateral_set *set, int64_t fetched);

/* NULL: no room or no memory. With the lock, or before the threads run. */
vch_live_family *vch_live_family_add(vch_live *l, const char *key, const vch_pcs_query *query);
bool vch_live_key_parse(const char *key, vch_pcs_query *out);

/* collateral_keep.c: ask the services, keep what came, make a set of it. Without the lock. */
VOUCH_MUST_CHECK vouch_code vch_live_fetch(vch_live *l, const char *key, const vch_pcs_query *query,
                                           const vch_collateral_set *seen,
                                           const vch_collateral_set **out, vouch_error *err);
/* Read the store; before the threads run. */
VOUCH_MUST_CHECK vouch_code vch_live_load(vch_live *l, vouch_error *err);

#endif
