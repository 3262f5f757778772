/*
 * Where an appraisal gets its collateral from: read ahead of time, handed out as immutable sets.
 * Today from a directory (CLI.md lists its files) or from bytes in hand; another source is one more
 * constructor. Immutable after build, share freely. Nothing here decides: libvouch judges.
 */
#ifndef VCH_IDENTITY_COLLATERAL_CACHE_H
#define VCH_IDENTITY_COLLATERAL_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "vouch/collateral.h"
#include "vouch/error.h"
#include "vouch/span.h"
#include "vouch/verifier.h"

/* Which vendor roots are trusted: the `roots` of attestation.yaml. Borrowed for the call. */
typedef struct vch_root_pins {
    bool intel;
    bool any; /* whatever root is there: only with a policy that judges its digest */
    const uint8_t (*sha256)[32]; /* of the root certificate's DER */
    size_t count;
} vch_root_pins;

/* Collateral of one platform family, with the verifier that goes with it. */
typedef struct vch_collateral_set {
    const vouch_collateral *collateral;
    /* Trusts the pinned roots, whose certificates stand in this collateral's issuer chains; NULL:
     * no pinned root is there, so no quote of the family can be trusted. */
    const vouch_verifier *verifier;
    vouch_collateral_parts parts; /* as they were read */
} vch_collateral_set;

typedef struct vch_collateral_cache vch_collateral_cache;

/*
 * `dir` holds one platform family's files, or one sub-directory for each, named
 * <FMSPC, 12 lower-case hex>-<sgx|tdx>; where both are there, the sub-directory wins.
 */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_from_dir(const char *dir,
                                                          const vch_root_pins *pins,
                                                          vch_collateral_cache **out,
                                                          vouch_error *err);

/* One family, copied. */
VOUCH_MUST_CHECK vouch_code vch_collateral_cache_from_parts(const vouch_collateral_parts *parts,
                                                            const vch_root_pins *pins,
                                                            vch_collateral_cache **out,
                                                            vouch_error *err);
void vch_collateral_cache_free(vch_collateral_cache *c);
VCH_DEFINE_DROP(vch_collateral_cache_drop, vch_collateral_cache, vch_collateral_cache_free)

/* The set for the platform that these claims name; kept by the cache, valid as long as it. NULL:
 * there is none ("could not find out"). */
const vch_collateral_set *vch_collateral_cache_get(const vch_collateral_cache *c,
                                                   const vouch_claims *quote);

#endif
