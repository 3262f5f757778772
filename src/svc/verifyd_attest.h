/*
 * One POST attest from body to answer, in two halves. Judging needs no state: parse, nonce's
 * signature, appraisal, token; desk and call are only read, so workers share them. Settling is the
 * store's: single use of the nonce, and the record. What is refused is the client's to read and the
 * operator's to find again by its trace id.
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
    const char *base_url;
    const char *instance_id;
    int64_t token_lifetime_s;
    int64_t nonce_lifetime_s;
    int64_t refuse_issued_until_unix_s; /* nonces up to then may have been used and forgotten */
} vch_attest_desk;

typedef struct vch_attest_call {
    vouch_span body;
    bool on_v2;
    int64_t now_unix_s;
    const vch_store_api_key *api_key;
    const char *trace_id;
    const char *const *own_policies; /* the API key's, for requests that ask for none; NULL: all */
    size_t own_policy_count;
} vch_attest_call;

typedef struct vch_attest_answer {
    bool issued;
    vch_buffer token; /* issued: compact JWS */
    char token_id[VCH_UUID_TEXT_SIZE + 1];
    const char *step, *code; /* refused; constants */
    char message[VCH_VERIFYD_MESSAGE_SIZE];
    uint8_t evidence_sha256[32];
    bool uses_nonce; /* a good one came: it counts as used, whatever became of the request */
    uint8_t nonce_sha256[32];
    int64_t nonce_expires_unix_s;
} vch_attest_answer;

/* VOUCH_OK: decided, but for the nonce's single use. A failure is ours: the client gets 500.
 * out  Zeroed by the caller; drop it in any case. */
VOUCH_MUST_CHECK vouch_code vch_attest_desk_judge(const vch_attest_desk *desk,
                                                  const vch_attest_call *call,
                                                  vch_attest_answer *out, vouch_error *err);

/* Use the nonce and record the decision, in the store's present turn; the answer may leave after
 * its commit. A nonce that was used before turns the answer into a refusal. */
VOUCH_MUST_CHECK vouch_code vch_attest_settle(vch_verifier_store *store,
                                              const vch_attest_call *call,
                                              vch_attest_answer *answer, vouch_error *err);
void vch_attest_log(const vch_log *log, const vch_attest_call *call,
                    const vch_attest_answer *answer);
void vch_attest_answer_drop(vch_attest_answer *answer);

/* A random UUID (RFC 9562 version 4). */
VOUCH_MUST_CHECK vouch_code vch_uuid_draw(char out[static VCH_UUID_TEXT_SIZE + 1],
                                          vouch_error *err);

#endif
