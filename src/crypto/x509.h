/*
 * One certificate of Intel's SGX profile (spec section 2), read strictly: X.509 v3, ecdsa-with-SHA256
 * in both places, P-256 uncompressed, the five extensions that the profile demands, nothing critical
 * that is not understood. What it means in a chain is judged by whoever reads it. Values; spans are
 * borrowed from the DER. Share freely.
 */
#ifndef VCH_CRYPTO_X509_H
#define VCH_CRYPTO_X509_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/ecdsa.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_PCK_CERT_MAX_SIZE ((size_t)8 << 10) /* bytes of DER */
#define VCH_SERIAL_MAX_SIZE 20                  /* RFC 5280 s.4.1.2.2 */

/* Key usage, RFC 5280 s.4.2.1.3: bit n of the BIT STRING is bit n here. */
#define VCH_KEY_USAGE_CERT_SIGN (1U << 5)
#define VCH_KEY_USAGE_CRL_SIGN (1U << 6)

typedef struct vch_cert {
    vouch_span der;                      /* all of it */
    vouch_span tbs;                      /* the bytes that the signature covers */
    vouch_span issuer;                   /* Name, DER */
    vouch_span subject;                  /* Name, DER */
    vouch_span common_name;              /* of the subject */
    uint8_t serial[VCH_SERIAL_MAX_SIZE]; /* positive; filled with zeros on the left */
    int64_t not_before_unix_s;
    int64_t not_after_unix_s; /* inclusive */
    uint8_t point[VCH_P256_POINT_SIZE];
    uint8_t signature[VCH_P256_SIGNATURE_SIZE];
    bool is_ca;
    bool has_path_length;
    uint64_t path_length;
    unsigned key_usage;
    vouch_span sgx_extension; /* content of 1.2.840.113741.1.13.1; empty if absent */
} vch_cert;

/*
 * Read one certificate; `der` must be all of it. `out` is untouched on failure.
 * Fails with VOUCH_E_TRUNCATED, _FORMAT, _LIMIT, _UNSUPPORTED.
 */
VOUCH_MUST_CHECK vouch_code vch_cert_parse(vouch_span der, vch_cert *out, vouch_error *err);

/* Is `child` signed by `issuer`'s key? Names are compared elsewhere. */
VOUCH_MUST_CHECK vouch_code vch_cert_signed_by(const vch_cert *child, const vch_p256_key *issuer,
                                               bool *out_valid, vouch_error *err);

#endif
