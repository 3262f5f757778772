/* Inside crypto/ only: the parts of certificates, CRLs and requests, as OpenSSL's types. */
#ifndef VCH_CRYPTO_X509_PARTS_H
#define VCH_CRYPTO_X509_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/scope.h"
#include "crypto/key.h"
#include "crypto/name.h"
#include "vouch/error.h"
#include "vouch/span.h"

VCH_DEFINE_DROP(vch_x509_drop, X509, X509_free)
VCH_DEFINE_DROP(vch_x509_name_drop, X509_NAME, X509_NAME_free)
VCH_DEFINE_DROP(vch_general_names_drop, GENERAL_NAMES, GENERAL_NAMES_free)
VCH_DEFINE_DROP(vch_asn1_time_drop, ASN1_TIME, ASN1_TIME_free)
VCH_DEFINE_DROP(vch_asn1_integer_drop, ASN1_INTEGER, ASN1_INTEGER_free)
VCH_DEFINE_DROP(vch_md_context_drop, EVP_MD_CTX, EVP_MD_CTX_free)

VOUCH_MUST_CHECK vouch_code vch_x509_name_make(const vch_name_part *parts, size_t count,
                                               X509_NAME **out, vouch_error *err);

/* `for_constraints`: an address is followed by a mask of all ones. */
VOUCH_MUST_CHECK vouch_code vch_x509_alt_names_make(const vch_alt_names *names,
                                                    bool for_constraints, GENERAL_NAMES **out,
                                                    vouch_error *err);

VOUCH_MUST_CHECK vouch_code vch_x509_time_make(int64_t unix_s, ASN1_TIME **out, vouch_error *err);

/* RFC 5280 4.1.2.2: a positive INTEGER of at most 20 bytes. */
VOUCH_MUST_CHECK vouch_code vch_x509_serial_make(vouch_span serial, ASN1_INTEGER **out,
                                                 vouch_error *err);

/* A certificate of our own making, to take its name and key id from. */
VOUCH_MUST_CHECK vouch_code vch_x509_read(vouch_span der, X509 **out, vouch_error *err);

/* Authority key id that names the issuer's subject key id. */
VOUCH_MUST_CHECK vouch_code vch_x509_authority_key_id(const ASN1_OCTET_STRING *key_id,
                                                      AUTHORITY_KEYID **out, vouch_error *err);

/* A signing context for X509_sign_ctx and its relatives; `alg` 0 is the key's default. */
VOUCH_MUST_CHECK vouch_code vch_x509_signer_make(const vch_key *signer, vch_sig_alg alg,
                                                 EVP_MD_CTX **out, vouch_error *err);

#endif
