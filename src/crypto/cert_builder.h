/*
 * Make X.509 v3 certificates. Everything is a parameter (serial number and validity too, so a
 * result can be repeated); what an option leaves zero is left out. Pure: any thread.
 */
#ifndef VCH_CRYPTO_CERT_BUILDER_H
#define VCH_CRYPTO_CERT_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "crypto/key.h"
#include "crypto/name.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CERT_MAX_SIZE ((size_t)32 << 10) /* DER bytes */
#define VCH_CERT_SERIAL_MAX_SIZE ((size_t)20)

/* Bits of the key usage extension (always critical). */
typedef enum vch_key_usage {
    VCH_USE_DIGITAL_SIGNATURE = 1 << 0,
    VCH_USE_NON_REPUDIATION = 1 << 1,
    VCH_USE_KEY_ENCIPHERMENT = 1 << 2,
    VCH_USE_KEY_AGREEMENT = 1 << 4,
    VCH_USE_CERT_SIGN = 1 << 5,
    VCH_USE_CRL_SIGN = 1 << 6
} vch_key_usage;

typedef enum vch_ext_key_usage {
    VCH_EKU_SERVER_AUTH = 1 << 0,
    VCH_EKU_CLIENT_AUTH = 1 << 1
} vch_ext_key_usage;

typedef enum vch_cert_kind {
    VCH_CERT_NO_BASIC_CONSTRAINTS = 0,
    VCH_CERT_LEAF = 1, /* CA:FALSE */
    VCH_CERT_CA = 2    /* CA:TRUE */
} vch_cert_kind;

#define VCH_PATHLEN_NONE (-1)

/* An extension given as its OID ("2.25.1234…", dotted) and the DER of its value. */
typedef struct vch_cert_extension {
    const char *oid;
    bool critical;
    vouch_span value;
} vch_cert_extension;

typedef struct vch_cert_options {
    const vch_name_part *subject; /* or subject_der */
    size_t subject_count;
    vouch_span subject_der; /* a Name as it stands (from a request); used if subject_count is 0 */
    const vch_key *public_key; /* of the subject; NULL: the signer's (self-signed) */
    const vch_key *signer;     /* private key that signs; required */
    vch_sig_alg alg;           /* 0: vch_key_default_alg(signer) */
    vouch_span issuer_cert;    /* DER; its subject and key id are used. Empty: self-signed */
    vouch_span serial;         /* big-endian, 1 to 20 bytes, not zero, top bit clear */
    int64_t not_before_unix_s; /* both required */
    int64_t not_after_unix_s;
    vch_cert_kind kind;
    int pathlen;        /* VCH_PATHLEN_NONE or 0…; only for VCH_CERT_CA */
    bool kind_critical; /* is the basic constraints extension critical? */
    unsigned key_usage; /* vch_key_usage bits; 0: no extension */
    unsigned ext_key_usage;
    vch_alt_names alt;
    vch_alt_names
        permitted; /* critical name constraints, permitted subtrees (an IP means /32 or /128) */
    const char *crl_url;   /* CRL distribution point */
    bool subject_key_id;   /* SHA-1 of the public key, as RFC 5280 suggests */
    bool authority_key_id; /* the issuer's subject key id */
    const vch_cert_extension *extensions;
    size_t extension_count;
} vch_cert_options;

/*
 * Build and sign; the DER is appended to `out`. Fails with VOUCH_E_FORMAT (a name or number that
 * cannot stand in a certificate), _LIMIT, _CRYPTO, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_cert_build(const vch_cert_options *options, vch_buffer *out,
                                           vouch_error *err);

/* The serial number of a certificate of our own making, big-endian; `*out_size` bytes of `out`. */
VOUCH_MUST_CHECK vouch_code vch_cert_serial(vouch_span der,
                                            uint8_t out[static VCH_CERT_SERIAL_MAX_SIZE],
                                            size_t *out_size, vouch_error *err);

#endif
