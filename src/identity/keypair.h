/*
 * The attested key: ECDSA P-384, made in this process, in OpenSSL's secure heap; it leaves only
 * sealed (sealed_identity.h).
 * Spec: docs/protocol.md section 3.1.
 */
#ifndef VCH_IDENTITY_KEYPAIR_H
#define VCH_IDENTITY_KEYPAIR_H

#include <stdint.h>

#include "crypto/key.h"
#include "vouch/error.h"

/* Turn core dumps and ptrace of this process off, for good, and prepare the memory for keys. */
VOUCH_MUST_CHECK vouch_code vch_keypair_guard(vouch_error *err);

/* Guard, and make the key. */
VOUCH_MUST_CHECK vouch_code vch_keypair_new(vch_key **out, vouch_error *err);

/* SHA-384 of the public key's SPKI DER: the claim pubkey-hash. */
VOUCH_MUST_CHECK vouch_code vch_keypair_digest(const vch_key *key, uint8_t out[static 48],
                                               vouch_error *err);

#endif
