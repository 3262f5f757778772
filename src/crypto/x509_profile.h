/* Pieces that certificates and CRLs share. Private to crypto/. */
#ifndef VCH_CRYPTO_X509_PROFILE_H
#define VCH_CRYPTO_X509_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/der.h"
#include "crypto/x509.h"

/* Object identifiers as they are encoded; compare with vch_span_is (none holds a zero byte). */
#define VCH_OID_AUTHORITY_KEY_ID "\x55\x1d\x23"                      /* 2.5.29.35 */
#define VCH_OID_CRL_DISTRIBUTION "\x55\x1d\x1f"                      /* 2.5.29.31 */
#define VCH_OID_SUBJECT_KEY_ID "\x55\x1d\x0e"                        /* 2.5.29.14 */
#define VCH_OID_KEY_USAGE "\x55\x1d\x0f"                             /* 2.5.29.15 */
#define VCH_OID_BASIC_CONSTRAINTS "\x55\x1d\x13"                     /* 2.5.29.19 */
#define VCH_OID_SGX_EXTENSION "\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01" /* 1.2.840.113741.1.13.1 */
#define VCH_OID_CRL_NUMBER "\x55\x1d\x14"                            /* 2.5.29.20 */
#define VCH_OID_CRL_REASON "\x55\x1d\x15"                            /* 2.5.29.21 */
#define VCH_OID_DELTA_CRL "\x55\x1d\x1b"                             /* 2.5.29.27 */
#define VCH_OID_ISSUING_POINT "\x55\x1d\x1c"                         /* 2.5.29.28 */
#define VCH_OID_CERTIFICATE_ISSUER "\x55\x1d\x1d"                    /* 2.5.29.29 */
#define VCH_OID_COMMON_NAME "\x55\x04\x03"                           /* 2.5.4.3 */
#define VCH_OID_ECDSA_SHA256 "\x2a\x86\x48\xce\x3d\x04\x03\x02"      /* 1.2.840.10045.4.3.2 */
#define VCH_OID_EC_PUBLIC_KEY "\x2a\x86\x48\xce\x3d\x02\x01"         /* 1.2.840.10045.2.1 */
#define VCH_OID_P256 "\x2a\x86\x48\xce\x3d\x03\x01\x07"              /* 1.2.840.10045.3.1.7 */

/* AlgorithmIdentifier ecdsa-with-SHA256; parameters must be absent (RFC 5758 s.3.2). */
void vch_x509_signature_algorithm(vch_der *d);

/* signatureAlgorithm and signatureValue that end a certificate or CRL. */
void vch_x509_signature(vch_der *d, uint8_t out[static VCH_P256_SIGNATURE_SIZE]);

/* A positive serial number of at most 20 bytes. */
void vch_x509_serial(vch_der *d, uint8_t out[static VCH_SERIAL_MAX_SIZE]);

/* A Name: its DER; `common_name` (may be NULL) is that of its only CN. */
vouch_span vch_x509_name(vch_der *d, vouch_span *common_name);

typedef struct vch_x509_extension {
    vouch_span oid;
    bool critical;
    vouch_span value;
} vch_x509_extension;

/* AuthorityKeyIdentifier that holds a key identifier and nothing else, all of `value`. */
void vch_x509_authority_key(vouch_span value, vch_der *outer);

/* The next of a SEQUENCE OF Extension. */
vch_x509_extension vch_x509_next_extension(vch_der *list);

#endif
