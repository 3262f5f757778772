/*
 * The body of POST attest, flat or composite, as bytes and wishes. Lenient exactly where Intel's
 * clients differ (null, absent and empty alike; two base64 alphabets), strict in all else. Pure.
 * Spec: intel_trust_authority.md section 4.
 */
#ifndef VCH_SVC_ATTEST_REQUEST_H
#define VCH_SVC_ATTEST_REQUEST_H

#include <stdbool.h>

#include "base/buffer.h"
#include "codec/json.h"
#include "crypto/jws.h"
#include "svc/verifyd_nonce.h"
#include "vouch/evidence.h"

#define VCH_ATTEST_BODY_MAX_SIZE ((size_t)2 << 20)
#define VCH_ATTEST_POLICIES_MAX 10
#define VCH_ATTEST_DATA_MAX_SIZE ((size_t)20 << 10) /* it comes back in a token of 64 KiB */
#define VCH_UUID_TEXT_SIZE 36

typedef struct vch_attest_request {
    bool composite; /* answered with a nested (v2) token */
    vouch_tee tee;  /* composite: what the body calls the quote; flat: VOUCH_TEE_NONE */
    vch_buffer quote;
    vch_buffer held_data; /* runtime_data; empty: none */
    bool has_nonce;
    vch_buffer nonce_val, nonce_iat, nonce_signature; /* decoded once */
    const char *policy_ids[VCH_ATTEST_POLICIES_MAX];  /* of the tree; UUIDs in form */
    size_t policy_id_count;
    bool policy_must_match;
    vch_jws_alg alg;
    vch_json *tree;
} vch_attest_request;

/*
 * on_v2  It came on the v2 path, where a body without a top-level quote is composite.
 * out    Zeroed by the caller; drop it in any case.
 * Fails with VOUCH_E_FORMAT, _LIMIT, _UNSUPPORTED: the client's fault; _MEMORY: ours.
 */
VOUCH_MUST_CHECK vouch_code vch_attest_request_parse(vouch_span body, bool on_v2,
                                                     vch_attest_request *out, vouch_error *err);

void vch_attest_request_drop(vch_attest_request *request);

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", hex digits of either case. */
bool vch_uuid_is_valid(const char *text);

#endif
