#include "svc/verifyd_attest.h"

#include <stdio.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "crypto/rand.h"

void vch_attest_answer_drop(vch_attest_answer *answer)
{
    vch_buffer_drop(&answer->token);
    *answer = (vch_attest_answer) { 0 };
}

vouch_code vch_uuid_draw(char out[static VCH_UUID_TEXT_SIZE + 1], vouch_error *err)
{
    uint8_t r[16];
    char hex[sizeof r * 2 + 1];
    vouch_code rc = vch_random_bytes(r, sizeof r, err);
    if (rc != VOUCH_OK)
        return rc;
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    (void)vch_hex_encode((vouch_span) { r, sizeof r }, hex);
    (void)snprintf(out, VCH_UUID_TEXT_SIZE + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                   hex + 16, hex + 20);
    return VOUCH_OK;
}

static void refuse(vch_attest_answer *answer, const char *step, const char *code,
                   const char *message)
{
    answer->step = step;
    answer->code = code;
    (void)snprintf(answer->message, sizeof answer->message, "%s", message);
}

/* True in *out_good: a body that can be judged. */
static vouch_code read_request(const vch_attest_call *call, vch_attest_request *out,
                               vch_attest_answer *answer, bool *out_good, vouch_error *err)
{
    vouch_error fault = { 0 };
    vouch_code rc = vch_attest_request_parse(call->body, call->on_v2, out, &fault);
    if (rc == VOUCH_E_MEMORY)
        return vouch_fail(err, rc, "no memory to read a request");
    if (rc != VOUCH_OK) {
        char text[VCH_VERIFYD_MESSAGE_SIZE];
        refuse(answer, "request", "malformed", vouch_error_text(&fault, text, sizeof text));
        return VOUCH_OK;
    }
    *out_good = true;
    return vch_sha256(vch_buffer_span(&out->quote), answer->evidence_sha256, err);
}

/* A published key made it: the present one, or one before a rotation. */
static vouch_code judge_nonce(const vch_attest_desk *desk, const vch_verifyd_nonce *nonce,
                              int64_t now_unix_s, vch_nonce_state *out, int64_t *out_expires,
                              vouch_error *err)
{
    *out = VCH_NONCE_FORGED;
    const vch_key *key = NULL;
    bool holds = false;
    for (size_t i = 0; *out == VCH_NONCE_FORGED
                       && (key = vch_verifyd_keys_at(desk->keys, i, now_unix_s, &holds)) != NULL;
         i++) {
        if (!holds)
            continue;
        vouch_code rc = vch_verifyd_nonce_judge(key, nonce, now_unix_s, desk->nonce_lifetime_s, out,
                                                out_expires, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

/* A second try needs a new one. */
static vouch_code note_nonce(const vch_verifyd_nonce *nonce, int64_t expires_unix_s,
                             vch_attest_answer *answer, bool *out_good, vouch_error *err)
{
    vouch_code rc = vch_sha256(nonce->val, answer->nonce_sha256, err);
    answer->nonce_expires_unix_s = expires_unix_s;
    answer->uses_nonce = rc == VOUCH_OK;
    *out_good = rc == VOUCH_OK;
    return rc;
}

static vouch_code check_nonce(const vch_attest_desk *desk, const vch_attest_call *call,
                              const vch_attest_request *request, vch_attest_answer *answer,
                              bool *out_good, vouch_error *err)
{
    *out_good = true;
    if (!request->has_nonce)
        return VOUCH_OK;
    *out_good = false;
    const vch_verifyd_nonce nonce = { vch_buffer_span(&request->nonce_val),
                                      vch_buffer_span(&request->nonce_iat),
                                      vch_buffer_span(&request->nonce_signature) };
    vch_nonce_state state = VCH_NONCE_FORGED;
    int64_t expires = 0;
    vouch_code rc = judge_nonce(desk, &nonce, call->now_unix_s, &state, &expires, err);
    if (rc != VOUCH_OK)
        return rc;
    switch (state) {
    case VCH_NONCE_GOOD:
        if (expires - desk->nonce_lifetime_s > desk->refuse_issued_until_unix_s)
            return note_nonce(&nonce, expires, answer, out_good, err);
        refuse(answer, "nonce", "forgotten",
               "the nonce is from before a failure of the service's host");
        return VOUCH_OK;
    case VCH_NONCE_EXPIRED:
        refuse(answer, "nonce", "expired", "the nonce has expired");
        return VOUCH_OK;
    case VCH_NONCE_FUTURE:
        refuse(answer, "nonce", "future", "the nonce is from the future");
        return VOUCH_OK;
    case VCH_NONCE_FORGED:
        break;
    }
    refuse(answer, "nonce", "forged", "the nonce was not made by this service");
    return VOUCH_OK;
}

/* Official clients grant no leeway: the token begins a little before now, and lives its full life
 * from then. */
static int64_t issue_moment(const vch_attest_desk *desk, int64_t now_unix_s)
{
    int64_t back = desk->token_lifetime_s / 10;
    return now_unix_s - (back < 5 ? back : 5);
}

/* Base64 of the echo is ours: one spelling, whichever came. */
typedef struct nonce_echo {
    vch_buffer val, iat, signature;
} nonce_echo;

static void drop_echo(nonce_echo *echo)
{
    vch_buffer_drop(&echo->val);
    vch_buffer_drop(&echo->iat);
    vch_buffer_drop(&echo->signature);
}

static vch_token_nonce make_echo(const vch_attest_request *request, nonce_echo *echo)
{
    if (!request->has_nonce)
        return (vch_token_nonce) { 0 };
    echo->val = echo->iat = echo->signature = vch_buffer_with_cap(4096);
    vch_base64_encode(vch_buffer_span(&request->nonce_val), &echo->val);
    vch_base64_encode(vch_buffer_span(&request->nonce_iat), &echo->iat);
    vch_base64_encode(vch_buffer_span(&request->nonce_signature), &echo->signature);
    return (vch_token_nonce) { vch_buffer_text(&echo->val), vch_buffer_text(&echo->iat),
                               vch_buffer_text(&echo->signature) };
}

static vouch_code make_token(const vch_attest_desk *desk, const vch_attest_call *call,
                             const vch_attest_request *request, const vch_attest_result *result,
                             vch_attest_answer *answer, vouch_error *err)
{
    VCH_SCOPED(drop_echo) nonce_echo echo = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer payload = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer jku = vch_buffer_with_cap(512);
    vouch_code rc = vch_uuid_draw(answer->token_id, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_token_nonce nonce = make_echo(request, &echo);
    if (request->has_nonce && (nonce.val == NULL || nonce.iat == NULL || nonce.signature == NULL))
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a nonce");
    const vch_token_statement statement = {
        .version = request->composite ? 2 : 1,
        .base_url = desk->base_url,
        .id = answer->token_id,
        .instance_id = desk->instance_id,
        .issued_at_unix_s = issue_moment(desk, call->now_unix_s),
        .lifetime_s = (uint32_t)desk->token_lifetime_s,
        .claims = vouch_appraisal_claims(result->appraisal),
        .quote = vch_buffer_span(&request->quote),
        .held_data = vch_buffer_span(&request->held_data),
        .nonce = nonce,
        .collateral = result->collateral,
        .policies = result->policies,
        .policy_count = result->policy_count,
        .exports = result->exports,
        .export_count = result->export_count,
    };
    vch_buffer_append_fmt(&jku, "%s/certs", desk->base_url);
    const char *jku_text = vch_buffer_text(&jku);
    if (jku_text == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a token");
    rc = vch_token_payload_build(&statement, &payload, err);
    if (rc != VOUCH_OK)
        return rc;
    answer->token = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    const vch_verifyd_signer signer = vch_verifyd_keys_signer(desk->keys, call->now_unix_s);
    return vch_jws_sign(request->alg, signer.key, signer.kid, jku_text, vch_buffer_span(&payload),
                        &answer->token, err);
}

vouch_code vch_attest_desk_judge(const vch_attest_desk *desk, const vch_attest_call *call,
                                 vch_attest_answer *answer, vouch_error *err)
{
    VCH_SCOPED(vch_attest_request_drop) vch_attest_request request = { 0 };
    VCH_SCOPED(vch_attest_result_drop) vch_attest_result result = { 0 };
    bool good = false;
    vouch_code rc = read_request(call, &request, answer, &good, err);
    if (rc != VOUCH_OK || !good)
        return rc;
    rc = check_nonce(desk, call, &request, answer, &good, err);
    if (rc != VOUCH_OK || !good)
        return rc;
    const vch_own_policies own = { call->own_policies, call->own_policy_count };
    rc = vch_appraiser_judge(desk->appraiser, &request, &own, call->now_unix_s, &result, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!result.accepted) {
        refuse(answer, result.step, result.code, result.message);
        return VOUCH_OK;
    }
    rc = make_token(desk, call, &request, &result, answer, err);
    answer->issued = rc == VOUCH_OK;
    return rc;
}

static vouch_code record(vch_verifier_store *store, const vch_attest_call *call,
                         const vch_attest_answer *answer, vouch_error *err)
{
    vch_store_decision decision = { .at_unix_s = call->now_unix_s,
                                    .api_key_id = call->api_key->id,
                                    .token_issued = answer->issued,
                                    .step = answer->step,
                                    .code = answer->code,
                                    .message = answer->issued ? NULL : answer->message,
                                    .trace_id = call->trace_id,
                                    .token_id = answer->issued ? answer->token_id : NULL };
    memcpy(decision.evidence_sha256, answer->evidence_sha256, sizeof decision.evidence_sha256);
    return vch_verifier_store_decision_add(store, &decision, err);
}

void vch_attest_log(const vch_log *log, const vch_attest_call *call,
                    const vch_attest_answer *answer)
{
    const vouch_span evidence = { answer->evidence_sha256, sizeof answer->evidence_sha256 };
    if (answer->issued)
        vch_log(log, VCH_LOG_INFO, "attest.issued", VCH_STR("trace", call->trace_id),
                VCH_STR("api_key", call->api_key->name), VCH_SPAN_HEX("evidence", evidence),
                VCH_STR("token", answer->token_id));
    else
        vch_log(log, VCH_LOG_WARN, "attest.refused", VCH_STR("trace", call->trace_id),
                VCH_STR("api_key", call->api_key->name), VCH_SPAN_HEX("evidence", evidence),
                VCH_STR("step", answer->step), VCH_STR("code", answer->code),
                VCH_STR("message", answer->message));
}

vouch_code vch_attest_settle(vch_verifier_store *store, const vch_attest_call *call,
                             vch_attest_answer *answer, vouch_error *err)
{
    bool fresh = true;
    vouch_code rc = vch_verifier_store_begin(store, err);
    if (rc == VOUCH_OK && answer->uses_nonce)
        rc = vch_verifier_store_nonce_use(store, answer->nonce_sha256, answer->nonce_expires_unix_s,
                                          &fresh, err);
    if (rc == VOUCH_OK && !fresh) {
        answer->issued = false;
        vch_buffer_drop(&answer->token);
        refuse(answer, "nonce", "reused", "the nonce was used before");
    }
    return rc == VOUCH_OK ? record(store, call, answer, err) : rc;
}
