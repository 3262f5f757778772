/*
 * The identity that outlives a restart, as a file: the attested key and the federation CA sealed,
 * beside the claims that they were sealed for. Reading says what a file claims to hold, opening
 * proves it: it was sealed under this very root, byte for byte. An older file of the same root opens
 * too, and holds the same key or one that was given up. One thread at a time.
 * Spec: docs/protocol.md sections 3.1 and 9.
 */
#ifndef VCH_IDENTITY_SEALED_IDENTITY_H
#define VCH_IDENTITY_SEALED_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "crypto/key.h"
#include "identity/claims.h"
#include "identity/federation_ca.h"
#include "store/seal.h"
#include "vouch/error.h"

#define VCH_SEALED_IDENTITY_MAX_SIZE ((size_t)16 << 10)
#define VCH_PREVIOUS_MAX 8 /* policies before the present one; older ones are forgotten */

/* What is sealed. */
typedef struct vch_identity_parts {
    vch_key *key;          /* the attested key */
    vch_federation_ca *ca; /* an aggregator's; else NULL */
    bool has_successor;    /* what the policy of then pinned: who may sign the next one */
    uint8_t successor[32];
    /* The policies that it was taken over from, newest first: state of then opens. More than one,
     * since one may have been loaded and never come into force, or its state not have come along. */
    size_t previous_count;
    uint8_t previous[VCH_PREVIOUS_MAX][32];
} vch_identity_parts;
void vch_identity_parts_drop(vch_identity_parts *p); /* frees; safe twice */

/* Put `policy` before those in a list of that kind. */
void vch_previous_push(uint8_t list[static VCH_PREVIOUS_MAX][32], size_t *count,
                       const uint8_t policy[static 32]);

typedef struct vch_sealed_identity vch_sealed_identity;

/* Fails with VOUCH_E_NOT_FOUND, _IO, _LIMIT, _TRUNCATED, _FORMAT. Nothing in it is proven yet. */
VOUCH_MUST_CHECK vouch_code vch_sealed_identity_read(const char *path, vch_sealed_identity **out,
                                                     vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_sealed_identity_parse(vouch_span bytes, vch_sealed_identity **out,
                                                      vouch_error *err);
void vch_sealed_identity_free(vch_sealed_identity *s);
VCH_DEFINE_DROP(vch_sealed_identity_drop, vch_sealed_identity, vch_sealed_identity_free)

/* The claims of the start that sealed it. Borrowed. */
const vch_claims *vch_sealed_identity_claims(const vch_sealed_identity *s);

/*
 * Unseal. `address` is the plan's agg_addr, for the CA; NULL for a collaborator.
 * VOUCH_E_CRYPTO if it was sealed under another root, or altered; VOUCH_E_REFUSED if the keys are
 * not those that the claims name.
 */
VOUCH_MUST_CHECK vouch_code vch_sealed_identity_open(const vch_sealed_identity *s,
                                                     const vch_seal_root *root, const char *address,
                                                     vch_identity_parts *out, vouch_error *err);

/* Seal into `path` (0600, at once); `claims` are those that name key and CA. */
VOUCH_MUST_CHECK vouch_code vch_sealed_identity_write(const char *path, const vch_seal_root *root,
                                                      vouch_span claims,
                                                      const vch_identity_parts *parts,
                                                      vouch_error *err);

#endif
