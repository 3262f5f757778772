/* HKDF (RFC 5869). Any thread. */
#ifndef VCH_CRYPTO_HKDF_H
#define VCH_CRYPTO_HKDF_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* Extract and expand; `out_size` is 1 to 255 digests. `out` belongs in a vch_secret. */
VOUCH_MUST_CHECK vouch_code vch_hkdf(vch_hash_kind hash, vouch_span secret, vouch_span salt,
                                     vouch_span info, uint8_t *out, size_t out_size,
                                     vouch_error *err);

#endif
