/*
 * Which policy may follow which: the next attestation.yaml names the digest that it `replaces`, and
 * the key that the one in force pinned as `successor` signed both digests. Without it a new policy
 * is a new identity, and what was sealed or received under the old one is not for it. Pure.
 * Spec: docs/protocol.md section 6, "Policy change".
 */
#ifndef VCH_IDENTITY_SUCCESSION_H
#define VCH_IDENTITY_SUCCESSION_H

#include <stdint.h>

#include "base/buffer.h"
#include "crypto/key.h"
#include "identity/attestation_file.h"
#include "vouch/error.h"

/* What the policy in force says: its digest, and SHA-256 of the pinned key's SPKI (NULL: none). */
typedef struct vch_succession_base {
    const uint8_t *digest;
    const uint8_t *successor;
} vch_succession_base;

/* May `next` follow it? VOUCH_E_REFUSED with the reason if not. */
VOUCH_MUST_CHECK vouch_code vch_succession_check(const vch_succession_base *base,
                                                 const vch_attestation_file *next,
                                                 vouch_error *err);

/* The signature for `succession:` over the digest that `next` replaces and its own, appended. */
VOUCH_MUST_CHECK vouch_code vch_succession_sign(const vch_key *key, const vch_federation *next,
                                                vch_buffer *out, vouch_error *err);

#endif
