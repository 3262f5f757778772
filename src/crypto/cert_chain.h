/*
 * A chain of RSA certificates that ends in a pinned root: the x5c of a token key. Judged by
 * OpenSSL's path validation (RFC 5280) at a given moment, with the root known by its digest and
 * never taken from the peer. (PCK chains, with Intel's profile, are crypto/x509's.)
 * Immutable after parsing; share freely.
 */
#ifndef VCH_CRYPTO_CERT_CHAIN_H
#define VCH_CRYPTO_CERT_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CERT_CHAIN_MAX_COUNT 10           /* as Intel's clients */
#define VCH_CERT_CHAIN_MAX_DER_SIZE 8192      /* bytes of one certificate */
#define VCH_CERT_CHAIN_MAX_CRL_SIZE (1 << 20) /* bytes of one CRL */
#define VCH_CERT_CHAIN_WHY_SIZE 200
#define VCH_CERT_CHAIN_URL_SIZE 256

typedef struct vch_cert_chain vch_cert_chain;

/* Leaf first, root last; 2 to VCH_CERT_CHAIN_MAX_COUNT certificates, each exactly one DER value. */
VOUCH_MUST_CHECK vouch_code vch_cert_chain_parse(const vouch_span *ders, size_t count,
                                                 vch_cert_chain **out, vouch_error *err);

void vch_cert_chain_free(vch_cert_chain *chain);

size_t vch_cert_chain_count(const vch_cert_chain *chain);

/* The leaf's public key. Free with vch_key_free(). */
VOUCH_MUST_CHECK vouch_code vch_cert_chain_leaf_key(const vch_cert_chain *chain, vch_key **out,
                                                    vouch_error *err);

/* First http(s) URL of the CRL distribution points of certificate `index`; VOUCH_E_NOT_FOUND. */
VOUCH_MUST_CHECK vouch_code vch_cert_chain_crl_url(const vch_cert_chain *chain, size_t index,
                                                   char out[static VCH_CERT_CHAIN_URL_SIZE],
                                                   vouch_error *err);

/* Does the CRL (DER) hold at that moment, for the judge below? False also where it cannot be read
 * or has no end. Whose it is and whether it is signed are not asked. */
bool vch_cert_chain_crl_holds(vouch_span der, int64_t at_unix_s);

typedef struct vch_cert_chain_rules {
    const uint8_t *root_sha256; /* pinned roots: root_count times 32 bytes, SHA-256 of DER */
    size_t root_count;          /* 0: nothing is trusted */
    const vouch_span *crls;     /* DER */
    size_t crl_count;           /* 0: revocation is not judged, and the verdict says so */
    int64_t at_unix_s;
} vch_cert_chain_rules;

typedef enum vch_cert_chain_answer {
    VCH_CERT_CHAIN_REFUSED = 0,
    VCH_CERT_CHAIN_ROOT_UNKNOWN = 1, /* the chain ends in no pinned root */
    VCH_CERT_CHAIN_REVOKED = 2,      /* a CRL lists a certificate, or is missing, or out of date */
    VCH_CERT_CHAIN_TRUSTED = 3
} vch_cert_chain_answer;

typedef struct vch_cert_chain_verdict { /* zeroed: refused */
    vch_cert_chain_answer answer;
    bool revocation_checked;
    char why[VCH_CERT_CHAIN_WHY_SIZE]; /* unless trusted */
} vch_cert_chain_verdict;

/*
 * Signatures, dates, basic constraints, key usage and path length of the whole chain; every CA
 * below the root and the leaf covered by a current CRL of its issuer if CRLs are given.
 */
VOUCH_MUST_CHECK vouch_code vch_cert_chain_judge(const vch_cert_chain *chain,
                                                 const vch_cert_chain_rules *rules,
                                                 vch_cert_chain_verdict *out, vouch_error *err);

#endif
