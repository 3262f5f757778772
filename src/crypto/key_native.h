/* Inside crypto/ only: keys to and from OpenSSL's own type. */
#ifndef VCH_CRYPTO_KEY_NATIVE_H
#define VCH_CRYPTO_KEY_NATIVE_H

#include <stdbool.h>

#include <openssl/evp.h>

#include "base/scope.h"
#include "crypto/key.h"
#include "vouch/error.h"

VCH_DEFINE_DROP(vch_pkey_drop, EVP_PKEY, EVP_PKEY_free)

/* A key over `native` (its reference count goes up); refuses kinds and sizes that key.h does not name. */
VOUCH_MUST_CHECK vouch_code vch_key_from_native(EVP_PKEY *native, bool is_private, vch_key **out,
                                                vouch_error *err);

/* The digest of `alg`; NULL if there is no such algorithm. */
const EVP_MD *vch_sig_alg_digest(vch_sig_alg alg);

/* Set up the padding of `alg`; nothing to do for ECDSA. */
VOUCH_MUST_CHECK vouch_code vch_sig_context_set(EVP_PKEY_CTX *context, vch_sig_alg alg,
                                                vouch_error *err);

/* VOUCH_E_CRYPTO unless a key of this kind can sign with `alg`. */
VOUCH_MUST_CHECK vouch_code vch_sig_alg_check(vch_sig_alg alg, vch_key_kind kind, vouch_error *err);

/*
 * Is this the one DER encoding of an EC key on P-256 or P-384? Then `out` is the key, or NULL if its
 * point is not on the curve. Free with EVP_PKEY_free().
 */
bool vch_key_ec_from_spki(vouch_span der, EVP_PKEY **out);

#endif
