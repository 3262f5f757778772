/*
 * One POST attest from body to answer: parse, nonce, appraisal, single use, token, record. What is
 * refused is the client's to read and the operator's to find again by its trace id.
 * One thread at a time.
 */
#ifndef VCH_SVC_VERIFYD_ATTEST_H
#define VCH_SVC_VERIFYD_ATTEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/log.h"
#include "store/verifier_store.h"
#include "svc/verifyd_appraise.h"
#include "svc/verifyd_keys.h"

#define VCH_TRACE_ID_SIZE 17

typedef struct vch_attest_desk {
    const vch_appraiser *appraiser;
    const vch_verifyd_keys *keys;
    vch_verifier_store *store;
    const char *base_url;
    const char *instance_id;
    int64_t token_lifetime_s;
    int64_t nonce_lifetime_s;
    const vch_log *log;
} vch_attest_desk;

typedef struct vch_attest_call {
    vouch_span body;
    bool on_v2;
    int64_t now_unix_s;
    const vch_store_api_key *api_key;
    const char *trace_id;
} vch_attest_call;

typedef struct vch_attest_answer {
    bool issued;
    vch_buffer token; /* issued: compact JWS */
    char token_id[VCH_UUID_TEXT_SIZE + 1];
    const char *step, *code; /* refused; constants */
    char message[VCH_VERIFYD_MESSAGE_SIZE];
    uint8_t evidence_sha256[32];
} vch_attest_answer;

/* VOUCH_OK: decided, recorded and committed; drop `out`. A failure is ours: the client gets 500. */
VOUCH_MUST_CHECK vouch_code vch_attest_desk_decide(const vch_attest_desk *desk,
                                                   const vch_attest_call *call,
                                                   vch_attest_answer *out, vouch_error *err);
void vch_attest_answer_drop(vch_attest_answer *answer);

/* A random UUID (RFC 9562 version 4). */
VOUCH_MUST_CHECK vouch_code vch_uuid_draw(char out[static VCH_UUID_TEXT_SIZE + 1],
                                          vouch_error *err);

#endif
