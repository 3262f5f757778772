/*
 * Collateral of one platform family, parsed, with the verifier that goes with it. Immutable and
 * counted: whoever holds a reference may use it while a newer set takes its place. Any thread.
 */
#ifndef VCH_IDENTITY_COLLATERAL_SET_H
#define VCH_IDENTITY_COLLATERAL_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "vouch/collateral.h"
#include "vouch/error.h"
#include "vouch/verifier.h"

/* Which vendor roots are trusted: the `roots` of attestation.yaml. Borrowed for the call. */
typedef struct vch_root_pins {
    bool intel;
    bool any; /* whatever root is there: only with a policy that judges its digest */
    const uint8_t (*sha256)[32]; /* of the root certificate's DER */
    size_t count;
} vch_root_pins;

typedef struct vch_collateral_set {
    const vouch_collateral *collateral;
    /* Trusts the pinned roots, whose certificates stand in this collateral's issuer chains; NULL:
     * no pinned root is there, so no quote of the family can be trusted. */
    const vouch_verifier *verifier;
    vouch_collateral_parts parts; /* as they were read */
    int64_t expires_unix_s;       /* when the first of its documents does; 0: it has faults */
} vch_collateral_set;

/* The parts are copied. out: given with one reference. */
VOUCH_MUST_CHECK vouch_code vch_collateral_set_make(const vouch_collateral_parts *parts,
                                                    const vch_root_pins *pins,
                                                    const vch_collateral_set **out,
                                                    vouch_error *err);
const vch_collateral_set *vch_collateral_set_ref(const vch_collateral_set *set);
void vch_collateral_set_unref(const vch_collateral_set *set); /* NULL is fine */
VCH_DEFINE_DROP(vch_collateral_set_drop, const vch_collateral_set, vch_collateral_set_unref)

#endif
