/*
 * Where an appraisal gets its collateral from, as immutable counted sets: read ahead of time from a
 * directory, a bundle file or bytes in hand, or kept fresh from collateral services. Internally
 * locked. Nothing here decides: libvouch judges.
 */
#ifndef VCH_IDENTITY_COLLATERAL_CACHE_H
#define VCH_IDENTITY_COLLATERAL_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "identity/collateral_live.h"
#include "identity/collateral_set.h"
#include "vouch/collateral.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_collateral_cache vch_collateral_cache;

/*
 * `path` is a bundle file, or a directory: one platform family's files, or one sub-directory for
 * each family, named <FMSPC, 12 lower-case hex>-<sgx|tdx>; where both are there, the sub-directory
 * wins.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_from_path(const char *path,
                                                           const vch_root_pins *pins,
                                                           vch_collateral_cache **out,
                                                           vouch_error *err);

/* One family, copied. */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_from_parts(const vouch_collateral_parts *parts,
                                                            const vch_root_pins *pins,
                                                            vch_collateral_cache **out,
                                                            vouch_error *err);

/* Fetched when a platform is met, and refreshed (collateral_live.h). */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_from_services(const vch_live_options *options,
                                                               vch_collateral_cache **out,
                                                               vouch_error *err);
void vch_collateral_cache_free(vch_collateral_cache *c);
VCH_DEFINE_DROP(vch_collateral_cache_drop, vch_collateral_cache, vch_collateral_cache_free)

/*
 * The set for the quote's platform; give it back with vch_collateral_set_unref(). What the quote
 * says is not proven: a wrong word gets collateral that it fails with.
 * Only a live cache may wait, for at most its `wait_ms`, and only where it has nothing in force.
 * Fails ("could not find out") with VOUCH_E_NOT_FOUND, or with what kept the services from
 * answering; and where the platform has to be known and the quote does not name it.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_get(vch_collateral_cache *c, vouch_span quote,
                                                     const vch_collateral_set **out,
                                                     vouch_error *err);

/* The same by name; NULL: not known. */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_find(vch_collateral_cache *c,
                                                      const vch_pcs_query *platform,
                                                      const vch_collateral_set **out,
                                                      vouch_error *err);

/*
 * Read the path again: what is there now takes the place of what was read, whole or not at all.
 * Where nothing was read from a path there is nothing to do. Fails as vch_collateral_cache_from_path,
 * and then everything stays.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_reload(vch_collateral_cache *c, bool *out_changed,
                                                        vouch_error *err);

/* Grows when collateral has come that may speak differently of a platform. */
uint64_t vch_collateral_cache_generation(vch_collateral_cache *c);

/* At a start, where nobody waits: ask for the quote's, as long as a fetch takes. */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_prepare(vch_collateral_cache *c, vouch_span quote,
                                                         vouch_error *err);

#endif
