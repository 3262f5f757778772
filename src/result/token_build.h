/*
 * Write a token's payload: an appraisal as the claims of Intel Trust Authority, flat (v1) or
 * nested (v2). Pure: moment, ids and digests are given. Signing is crypto/jws's.
 * Spec: intel_trust_authority.md section 5.
 */
#ifndef VCH_RESULT_TOKEN_BUILD_H
#define VCH_RESULT_TOKEN_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "vouch/evidence.h"
#include "vouch/token.h"

#define VCH_TOKEN_V1_ISSUER "Intel Trust Authority" /* what readers of flat tokens compare with */
#define VCH_TOKEN_DATA_JSON_DEPTH 24                /* deeper runtime data is held as bytes */

typedef struct vch_token_policy {
    const char *id;     /* UUID */
    uint8_t sha384[48]; /* of the policy's text */
    bool matched;
} vch_token_policy;

/* A claim that a policy gives another name, in policy_defined_claims. Of equal names the first counts. */
typedef struct vch_token_export {
    const char *name;
    const char *claim; /* "sgx_isvsvn"; one that the token does not have is left out */
} vch_token_export;

/* The nonce as it came, three base64 texts; val NULL: none came. */
typedef struct vch_token_nonce {
    const char *val, *iat, *signature;
} vch_token_nonce;

/* SHA-256 of the collateral as Intel's service delivers it. */
typedef struct vch_token_collateral {
    uint8_t qe_identity[32];
    uint8_t qe_identity_chain[32];
    uint8_t tcb_info[32];
    uint8_t tcb_info_chain[32];
    uint8_t root_ca_crl[32]; /* covers both signing chains */
} vch_token_collateral;

typedef struct vch_token_statement {
    unsigned version;     /* 1 or 2 */
    const char *base_url; /* without a final slash; `iss` of v2 */
    const char *id;       /* jti: UUID */
    const char *instance_id;
    int64_t issued_at_unix_s; /* iat and nbf */
    uint32_t lifetime_s;
    const vouch_claims *claims; /* appraised */
    vouch_span quote;
    vouch_span held_data; /* empty: none */
    vch_token_nonce nonce;
    vch_token_collateral collateral;
    const vch_token_policy *policies;
    size_t policy_count;
    const vch_token_export *exports;
    size_t export_count;
} vch_token_statement;

/* The payload's JSON, appended. Fails with VOUCH_E_LIMIT, _CRYPTO, _MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_token_payload_build(const vch_token_statement *statement,
                                                    vch_buffer *out, vouch_error *err);

#endif
