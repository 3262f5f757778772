/*
 * What a token's payload says, read strictly from JSON of either version. Reading proves nothing:
 * vouch_token_verify() checks the signature first. A content owns all that its view shows.
 * Spec: intel_trust_authority.md section 5.
 */
#ifndef VCH_RESULT_TOKEN_CONTENT_H
#define VCH_RESULT_TOKEN_CONTENT_H

#include <stdbool.h>

#include "base/buffer.h"
#include "codec/json.h"
#include "vouch/evidence.h"
#include "vouch/token.h"

#define VCH_TOKEN_ADVISORIES_MAX 256
#define VCH_TOKEN_POLICIES_MAX 64

typedef struct vch_token_content {
    vouch_token_claims view;
    vouch_claims claims; /* the same for vch_policy_judge; what no token tells is unknown */
    vch_json *tree;
    bool has_runtime_json; /* the data came back as JSON, so its bytes are not in the token */
    bool has_held_data;
    bool has_nonce;
    vch_buffer held_data, nonce_val, nonce_iat;
    uint8_t measurement[48], signer[48], report_data[64];
    const char *advisories[VCH_TOKEN_ADVISORIES_MAX];
    const char *matched[VCH_TOKEN_POLICIES_MAX];
    const char *unmatched[VCH_TOKEN_POLICIES_MAX];
} vch_token_content;

/*
 * out  Zeroed by the caller, stays at its place (the view points into it); drop it in any case.
 * Fails with VOUCH_E_FORMAT, _LIMIT, _UNSUPPORTED, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_token_content_parse(vouch_span payload, vch_token_content *out,
                                                    vouch_error *err);

void vch_token_content_drop(vch_token_content *content);

/*
 * REPORTDATA of a quote bound to a nonce and data: SGX SHA-256(val, iat, data) and zeros, TDX
 * SHA-512(val, iat, data). Spec: section 4.4.
 */
VOUCH_MUST_CHECK vouch_code vch_token_binding(bool tdx, vouch_span nonce_val, vouch_span nonce_iat,
                                              vouch_span data, uint8_t out[static 64],
                                              vouch_error *err);

#endif
