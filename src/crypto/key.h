/*
 * An asymmetric key, private or public only. Immutable once made: share freely between threads.
 * Private numbers live in OpenSSL's secure heap when vch_secure_heap_start was called first
 * (secure_heap.h). Accepted: EC on P-256 or P-384 (named curve), RSA of 2048 to 8192 bits.
 */
#ifndef VCH_CRYPTO_KEY_H
#define VCH_CRYPTO_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "base/secret.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_KEY_PEM_MAX_SIZE ((size_t)16 << 10) /* a private key file, bytes */
#define VCH_KEY_SPKI_MAX_SIZE ((size_t)2 << 10) /* a SubjectPublicKeyInfo, DER bytes */
#define VCH_SIGNATURE_MAX_SIZE ((size_t)1 << 10)

typedef struct vch_key vch_key;
struct evp_pkey_st;

typedef enum vch_key_kind {
    VCH_KEY_P256 = 1,
    VCH_KEY_P384 = 2,
    VCH_KEY_RSA3072 = 3,
    VCH_KEY_RSA_OTHER = 4 /* 2048 to 8192 bits; can be read, not generated */
} vch_key_kind;

typedef enum vch_sig_alg {
    VCH_SIG_ECDSA_SHA256 = 1,     /* Ecdsa-Sig-Value, strict DER */
    VCH_SIG_ECDSA_SHA384 = 2,     /* the same */
    VCH_SIG_ECDSA_SHA256_RAW = 3, /* r || s, each as wide as the curve's order, big-endian */
    VCH_SIG_ECDSA_SHA384_RAW = 4, /* the same */
    VCH_SIG_RSA_PSS_SHA256 = 5,   /* MGF1 with SHA-256, salt of exactly 32 bytes */
    VCH_SIG_RSA_PSS_SHA384 = 6,   /* MGF1 with SHA-384, salt of exactly 48 bytes */
    VCH_SIG_RSA_PKCS1_SHA256 = 7,
    VCH_SIG_RSA_PKCS1_SHA384 = 8
} vch_sig_alg;

VOUCH_MUST_CHECK vouch_code vch_key_generate(vch_key_kind kind, vch_key **out, vouch_error *err);

/*
 * Read the one private key in a PEM text: 'PRIVATE KEY' (PKCS#8), 'EC PRIVATE KEY' or
 * 'RSA PRIVATE KEY'. Encrypted keys, other blocks and text around the block are refused, except
 * an 'EC PARAMETERS' block before an EC key (openssl writes it). Fails with VOUCH_E_FORMAT,
 * _LIMIT, _UNSUPPORTED (kind of key), _CRYPTO, _MEMORY; no message shows a byte of the key.
 */
VOUCH_MUST_CHECK vouch_code vch_key_from_private_pem(vouch_span pem, vch_key **out,
                                                     vouch_error *err);

/* Write the private key as PEM. Only into a secret: `out` is allocated here, drop it. */
typedef enum vch_key_form {
    VCH_KEY_FORM_PKCS8 = 1,
    VCH_KEY_FORM_TRADITIONAL = 2 /* 'RSA PRIVATE KEY' / 'EC PRIVATE KEY' */
} vch_key_form;
VOUCH_MUST_CHECK vouch_code vch_key_private_pem(const vch_key *key, vch_key_form form,
                                                vch_secret *out, vouch_error *err);

/* Public key from the DER of a SubjectPublicKeyInfo: canonical, whole input, point on its curve. */
VOUCH_MUST_CHECK vouch_code vch_key_from_spki(vouch_span der, vch_key **out, vouch_error *err);

/* Public RSA key from its numbers, unsigned big-endian without leading zeros (a JWK's n and e). */
VOUCH_MUST_CHECK vouch_code vch_key_from_rsa_numbers(vouch_span n, vouch_span e, vch_key **out,
                                                     vouch_error *err);

void vch_key_free(vch_key *key);
VCH_DEFINE_DROP(vch_key_drop, vch_key, vch_key_free)

vch_key_kind vch_key_kind_of(const vch_key *key);
bool vch_key_is_private(const vch_key *key);
bool vch_key_same_public(const vch_key *a, const vch_key *b);

/* Append the SubjectPublicKeyInfo in DER / as a 'PUBLIC KEY' PEM block. */
VOUCH_MUST_CHECK vouch_code vch_key_spki(const vch_key *key, vch_buffer *out, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_key_public_pem(const vch_key *key, vch_buffer *out,
                                               vouch_error *err);

/* Append X || Y of an EC key (64 or 96 bytes, no leading 04). */
VOUCH_MUST_CHECK vouch_code vch_key_ec_point(const vch_key *key, vch_buffer *out, vouch_error *err);

/* Append n and e of an RSA key, unsigned big-endian without leading zeros. */
VOUCH_MUST_CHECK vouch_code vch_key_rsa_numbers(const vch_key *key, vch_buffer *n, vch_buffer *e,
                                                vouch_error *err);

/* Append a signature over `message`. VOUCH_E_CRYPTO if the algorithm does not fit the key. */
VOUCH_MUST_CHECK vouch_code vch_key_sign(const vch_key *key, vch_sig_alg alg, vouch_span message,
                                         vch_buffer *out, vouch_error *err);

/*
 * Does `signature` over `message` come from this key? A malformed signature is the answer no.
 * VOUCH_E_CRYPTO if the algorithm does not fit the key, or the library failed.
 */
VOUCH_MUST_CHECK vouch_code vch_key_verify(const vch_key *key, vch_sig_alg alg, vouch_span message,
                                           vouch_span signature, bool *out_valid, vouch_error *err);

/* The algorithm that a key of this kind signs certificates and enrolments with. */
vch_sig_alg vch_key_default_alg(const vch_key *key);

/* OpenSSL's object, for net/tls. Borrowed: valid as long as the key. */
struct evp_pkey_st *vch_key_native(const vch_key *key);

#endif
