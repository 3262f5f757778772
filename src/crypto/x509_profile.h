/* Pieces that certificates and CRLs share. Private to crypto/. */
#ifndef VCH_CRYPTO_X509_PROFILE_H
#define VCH_CRYPTO_X509_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/der.h"
#include "crypto/x509.h"

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
