/*
 * Where an appraisal gets its collateral from: read ahead of time, handed out as immutable bundles.
 * Today from a directory (CLI.md lists its files); one more source is one more constructor.
 * Internally locked. Nothing here decides: libvouch judges dates and signatures.
 */
#ifndef VCH_IDENTITY_COLLATERAL_CACHE_H
#define VCH_IDENTITY_COLLATERAL_CACHE_H

#include "vouch/collateral.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_collateral_cache vch_collateral_cache;

/*
 * `dir` holds one platform family's files, or one sub-directory for each, named
 * <FMSPC, 12 hex>-<sgx|tdx>; both may be there, the sub-directory wins.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_from_dir(const char *dir,
                                                          vch_collateral_cache **out,
                                                          vouch_error *err);
void vch_collateral_cache_free(vch_collateral_cache *c);

/*
 * The bundle for the platform of this quote; kept by the cache, valid as long as it.
 * VOUCH_E_NOT_FOUND: there is none ("could not find out").
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_get(vch_collateral_cache *c, vouch_span quote,
                                                     const vouch_collateral **out,
                                                     vouch_error *err);

#endif
