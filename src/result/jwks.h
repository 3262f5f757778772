/*
 * A verifier's public keys as a JSON Web Key Set (RFC 7517), each with its certificate chain.
 * Reading refuses what we could not judge; building writes what Intel's clients accept.
 * A parsed set is immutable; share freely.
 */
#ifndef VCH_RESULT_JWKS_H
#define VCH_RESULT_JWKS_H

#include "base/buffer.h"
#include "crypto/cert_chain.h"
#include "crypto/key.h"
#include "vouch/token.h"

#define VCH_JWKS_MAX_KEYS 32

typedef struct vch_jwks_key {
    char *kid;
    vch_cert_chain *chain; /* leaf first */
    vch_key *key;          /* of the leaf, equal to the JWK's n and e */
} vch_jwks_key;

/* The key with that id; NULL if there is none. (Two keys of one id are refused in parsing.) */
const vch_jwks_key *vch_jwks_find(const vouch_jwks *keys, const char *kid);

size_t vch_jwks_count(const vouch_jwks *keys);
const vch_jwks_key *vch_jwks_at(const vouch_jwks *keys, size_t index);

typedef struct vch_jwks_entry {
    const char *kid;
    const vouch_span *chain_ders; /* leaf, signing CA, root */
    size_t chain_count;
} vch_jwks_entry;

/* Append {"keys":[…]}; n and e come from each leaf certificate. */
VOUCH_MUST_CHECK vouch_code vch_jwks_build(const vch_jwks_entry *entries, size_t count,
                                           vch_buffer *out, vouch_error *err);

#endif
