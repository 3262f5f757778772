/*
 * ECDSA on P-256 with SHA-256, in the raw form of quotes: keys X || Y and signatures r || s, each
 * number 32 bytes, big-endian. A key is immutable: share freely.
 */
#ifndef VCH_CRYPTO_ECDSA_H
#define VCH_CRYPTO_ECDSA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_P256_POINT_SIZE 64
#define VCH_P256_SIGNATURE_SIZE 64

typedef struct vch_p256_key vch_p256_key;

/*
 * A public key from its point.
 *
 * like  Any other key, whose curve is copied; NULL is right, too, and four times slower.
 *
 * Fails with VOUCH_E_FORMAT if the point is not on the curve (or a coordinate is not below p, or it
 * is the point at infinity), VOUCH_E_CRYPTO, VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_p256_key_new(const uint8_t point[static VCH_P256_POINT_SIZE],
                                             const vch_p256_key *like, vch_p256_key **out,
                                             vouch_error *err);
void vch_p256_key_free(vch_p256_key *key);
VCH_DEFINE_DROP(vch_p256_key_drop, vch_p256_key, vch_p256_key_free)

/*
 * Is `signature` one of `message` by `key`? r and s must be from 1 to n - 1; s and n - s are both
 * valid, so a signature is no identifier. Fails with VOUCH_E_CRYPTO, VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_p256_verify(const vch_p256_key *key, vouch_span message,
                                            const uint8_t signature[static VCH_P256_SIGNATURE_SIZE],
                                            bool *out_valid, vouch_error *err);

/* The same for a message whose SHA-256 is known. */
VOUCH_MUST_CHECK vouch_code vch_p256_verify_digest(
    const vch_p256_key *key, const uint8_t digest[static 32],
    const uint8_t signature[static VCH_P256_SIGNATURE_SIZE], bool *out_valid, vouch_error *err);

/*
 * The raw form of an Ecdsa-Sig-Value. Fails with VOUCH_E_FORMAT unless the DER is canonical and both
 * numbers are from 1 to n - 1.
 */
VOUCH_MUST_CHECK vouch_code vch_p256_signature_from_der(vouch_span der,
                                                        uint8_t out[static VCH_P256_SIGNATURE_SIZE],
                                                        vouch_error *err);

#endif
