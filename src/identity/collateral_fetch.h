/*
 * Collateral from services, tried in turn until one gives a set that is whole: every part signed as
 * it should be, for the platform asked for, in force, and not older than what was seen before.
 * Whether its root is trusted is judged at each appraisal, never here. Blocking; any thread.
 */
#ifndef VCH_IDENTITY_COLLATERAL_FETCH_H
#define VCH_IDENTITY_COLLATERAL_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "net/pcs_client.h"
#include "vouch/collateral.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_collateral_services {
    const char *const *urls; /* at least one, in the order of preference */
    size_t url_count;
    const char *ca_file; /* roots of their TLS certificates; NULL: the system's */
    int64_t deadline_ms; /* for all of it, waits included; 0: 60 s */
} vch_collateral_services;

/* What is asked for. A quote must carry its PCK chain (certification data type 5). */
typedef struct vch_collateral_want {
    vch_pcs_query query;
    vouch_span quote; /* empty: query says all; otherwise only query.update is read */
} vch_collateral_want;

/*
 * seen  What was accepted before: nothing older is taken in its place. NULL: nothing was.
 * out   Set on VOUCH_OK; drop it with vch_pcs_set_drop(). parts.pck_chain is empty.
 * Fails as vch_pcs_fetch does, and with VOUCH_E_REFUSED if a set came and is not good enough; the
 * error is the last service's. A quote that cannot be read fails with VOUCH_E_FORMAT and the like.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_fetch(const vch_collateral_services *services,
                                                 const vch_collateral_want *want,
                                                 const vouch_collateral_parts *seen,
                                                 int64_t now_unix_s, vch_pcs_set *out,
                                                 vouch_error *err);

/*
 * Is `parts` whole, for this platform, in force at `now_unix_s`, and not older than `seen` (may be
 * NULL)? VOUCH_E_REFUSED names the fault.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_fresh(const vouch_collateral_parts *parts,
                                                 const vch_pcs_query *query,
                                                 const vouch_collateral_parts *seen,
                                                 int64_t now_unix_s, vouch_error *err);

#endif
