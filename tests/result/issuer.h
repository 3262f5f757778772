/* A token issuer for tests: root, signing CA, token key, CRLs; each can be spoiled. */
#ifndef VCH_TESTS_RESULT_ISSUER_H
#define VCH_TESTS_RESULT_ISSUER_H

#include "base/buffer.h"
#include "crypto/key.h"
#include "vouch/token.h"

#define ISSUER_NOW INT64_C(1800000000) /* certificates hold a day before and 30 days after */
#define ISSUER_KID "79d80711b754cceb307d4278dc59957f"

typedef struct issuer_spoil {
    bool ca_is_leaf;        /* the signing CA has CA:FALSE */
    bool ca_no_constraints; /* the signing CA has no basic constraints at all */
    bool ca_no_sign;        /* the signing CA's key usage lacks certificate signing */
    bool leaf_is_ca;
    bool leaf_no_sign; /* the leaf's key usage lacks digital signature */
    bool leaf_expired;
    bool leaf_future;
    bool ca_expired;
    bool leaf_by_root_key; /* the leaf names the signing CA but another key signed it */
    bool leaf_revoked;
    bool ca_revoked;
    bool crl_stale;
} issuer_spoil;

typedef struct issuer {
    vch_key *root_key, *ca_key, *key;
    vch_buffer root, ca, leaf;   /* DER */
    vch_buffer root_crl, ca_crl; /* DER */
    uint8_t root_sha256[32];
    vouch_span crls[2];
    vouch_jwks *keys;
} issuer;

/* Three RSA keys are slow to make: they come from `from`, if given, which must outlive it. */
void issuer_make(issuer *out, const issuer_spoil *spoil, const issuer *from);
void issuer_drop(issuer *i);

/* The token of a payload, signed PS384 with the token key. */
void issuer_sign(const issuer *i, const char *kid, vouch_span payload, vch_buffer *out);

#endif
