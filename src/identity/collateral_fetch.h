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
    const char *ca_file; /* roots of their TLS certificates (but Intel's); NULL: the system's */
    int64_t deadline_ms; /* for all of it, waits included; 0: 60 s */
    const atomic_bool *cancel; /* may be NULL; once true, give up soon */
} vch_collateral_services;

/* What is asked for. */
typedef struct vch_collateral_want {
    vch_pcs_query query;
    vouch_span quote;     /* empty: query says all; otherwise only query.update is read */
    vouch_span pck_chain; /* PEM, for a quote that does not carry it; kept with what is fetched */
} vch_collateral_want;

/* Whose collateral is wanted: out->fmspc, tdx and processor_ca, from the quote if there is one. */
VOUCH_MUST_CHECK vouch_code vch_collateral_query(const vch_collateral_want *want,
                                                 vch_pcs_query *out, vouch_error *err);

/*
 * seen  What was accepted before: nothing older is taken in its place. NULL: nothing was.
 * out   Set on VOUCH_OK; drop it with vch_pcs_set_drop(). parts.pck_chain is the one given.
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
