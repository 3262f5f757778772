/* SHA-2 in one call, or in parts. A vch_hash: one thread at a time; the one-call forms: any. */
#ifndef VCH_CRYPTO_HASH_H
#define VCH_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_SHA256_SIZE ((size_t)32)
#define VCH_SHA384_SIZE ((size_t)48)
#define VCH_SHA512_SIZE ((size_t)64)

typedef enum vch_hash_kind {
    VCH_HASH_SHA256 = 1,
    VCH_HASH_SHA384 = 2,
    VCH_HASH_SHA512 = 3
} vch_hash_kind;

/* Fail with VOUCH_E_CRYPTO only. `out` is untouched on failure. */
VOUCH_MUST_CHECK vouch_code vch_sha256(vouch_span in, uint8_t out[static VCH_SHA256_SIZE],
                                       vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_sha384(vouch_span in, uint8_t out[static VCH_SHA384_SIZE],
                                       vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_sha512(vouch_span in, uint8_t out[static VCH_SHA512_SIZE],
                                       vouch_error *err);

typedef struct vch_hash vch_hash; /* a digest being built */

VOUCH_MUST_CHECK vouch_code vch_hash_new(vch_hash_kind kind, vch_hash **out, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_hash_update(vch_hash *h, vouch_span bytes, vouch_error *err);

/* Writes the digest; `size` must be the digest's size. The hash can only be freed afterwards. */
VOUCH_MUST_CHECK vouch_code vch_hash_finish(vch_hash *h, uint8_t *out, size_t size,
                                            vouch_error *err);
void vch_hash_free(vch_hash *h);
VCH_DEFINE_DROP(vch_hash_drop, vch_hash, vch_hash_free)

size_t vch_hash_size(vch_hash_kind kind); /* bytes of its digest */

#endif
