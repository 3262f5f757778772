/*
 * Compact JSON Web Signatures (RFC 7515) with RSA keys: PS384 and RS256, nothing else. Parsing and
 * judging are apart: a parsed JWS is not a verified one. Pure; values, one thread at a time.
 */
#ifndef VCH_CRYPTO_JWS_H
#define VCH_CRYPTO_JWS_H

#include <stdbool.h>

#include "base/buffer.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_JWS_MAX_SIZE ((size_t)64 << 10) /* bytes of text; ITA's answers hold at most as much */
#define VCH_JWS_HEADER_MAX_SIZE 2048        /* bytes of decoded header */
#define VCH_JWS_KID_MAX_SIZE 128            /* characters of a kid */
#define VCH_JWS_SIGNATURE_MAX_SIZE 1024     /* bytes: RSA up to 8192 bits */
#define VCH_JWS_RSA_MIN_BITS 2048
#define VCH_JWS_RSA_MAX_BITS 8192

typedef enum vch_jws_alg {
    VCH_JWS_ALG_NONE = 0, /* not set; never verifies */
    VCH_JWS_PS384 = 1,    /* RSASSA-PSS, SHA-384, salt of 48 bytes */
    VCH_JWS_RS256 = 2     /* RSASSA-PKCS1-v1_5, SHA-256 */
} vch_jws_alg;

typedef struct vch_jws {
    vch_jws_alg alg;
    char kid[VCH_JWS_KID_MAX_SIZE + 1]; /* "" if the header has none */
    vch_buffer payload;                 /* decoded */
    vch_buffer signature;               /* decoded */
    vouch_span signed_text;             /* borrowed from the parsed text */
} vch_jws;

/* "PS384", "RS256"; NULL for anything else. */
const char *vch_jws_alg_name(vch_jws_alg alg);

/* The algorithm of that name; VCH_JWS_ALG_NONE if it is not on the list. */
vch_jws_alg vch_jws_alg_from_name(vouch_span name);

/*
 * Split and decode. Refused: any alg but the two, `crit`, `b64`, an embedded key (`jwk`), a `typ` other than JWT,
 * padding, whitespace, trailing bits. `jku`, `x5u` and `x5c` of a header are never looked at.
 *
 * text  Borrowed; must outlive `out` (signed_text points into it).
 * out   Drop with vch_jws_drop().
 */
VOUCH_MUST_CHECK vouch_code vch_jws_parse(vouch_span text, vch_jws *out, vouch_error *err);

void vch_jws_drop(vch_jws *jws); /* safe twice and on a zeroed value */

/*
 * Does `key` (public, RSA of 2048 to 8192 bits) verify the signature? VOUCH_OK means that the
 * question was answered; the answer is in *out_valid.
 */
VOUCH_MUST_CHECK vouch_code vch_jws_verify(const vch_jws *jws, const vch_key *key, bool *out_valid,
                                           vouch_error *err);

/*
 * Sign: header {"alg", "jku" (unless NULL), "kid", "typ":"JWT"}, in that order, over `payload`.
 *
 * out  The compact text is appended.
 */
VOUCH_MUST_CHECK vouch_code vch_jws_sign(vch_jws_alg alg, const vch_key *key, const char *kid,
                                         const char *jku, vouch_span payload, vch_buffer *out,
                                         vouch_error *err);

#endif
