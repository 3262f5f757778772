/* AES-256-GCM. The caller owns the rule that a (key, nonce) pair never repeats. Any thread. */
#ifndef VCH_CRYPTO_AEAD_H
#define VCH_CRYPTO_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_AEAD_KEY_SIZE ((size_t)32)
#define VCH_AEAD_NONCE_SIZE ((size_t)12)
#define VCH_AEAD_TAG_SIZE ((size_t)16)

/* Append ciphertext || tag (plain.size + VCH_AEAD_TAG_SIZE bytes) to `out`. */
VOUCH_MUST_CHECK vouch_code vch_aead_seal(const uint8_t key[static VCH_AEAD_KEY_SIZE],
                                          const uint8_t nonce[static VCH_AEAD_NONCE_SIZE],
                                          vouch_span associated, vouch_span plain, vch_buffer *out,
                                          vouch_error *err);

/*
 * Decrypt into `out`, which has room for exactly sealed.size - VCH_AEAD_TAG_SIZE bytes; it is
 * wiped on failure. VOUCH_E_TRUNCATED if shorter than a tag, VOUCH_E_CRYPTO if anything was altered.
 */
VOUCH_MUST_CHECK vouch_code vch_aead_open(const uint8_t key[static VCH_AEAD_KEY_SIZE],
                                          const uint8_t nonce[static VCH_AEAD_NONCE_SIZE],
                                          vouch_span associated, vouch_span sealed, uint8_t *out,
                                          size_t out_size, vouch_error *err);

#endif
