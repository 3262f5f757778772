#include "vouch/token.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "base/secret.h"
#include "crypto/jws.h"
#include "policy/policy.h"
#include "result/jwks.h"
#include "result/token_build.h"
#include "result/token_content.h"

#define REASONS_MAX 24
#define LEEWAY_MAX_S 300
#define TEE_TYPE_TDX 0x81u

typedef struct reason {
    vouch_token_reason code;
    char sentence[VOUCH_TOKEN_REASON_TEXT];
} reason;

struct vouch_token_verdict {
    bool admits;
    bool revocation_checked;
    bool has_claims;
    size_t reason_count;
    reason reasons[REASONS_MAX];
    char key_id[VCH_JWS_KID_MAX_SIZE + 1];
    vch_token_content content;
};

VCH_DEFINE_DROP(drop_verdict, vouch_token_verdict, vouch_token_verdict_free)

void vouch_token_verdict_free(vouch_token_verdict *verdict)
{
    if (verdict == NULL)
        return;
    vch_token_content_drop(&verdict->content);
    free(verdict);
}

/* Past the cap the sentence is lost, the refusal is not: the count stays above zero. */
VOUCH_PRINTF(3, 4)
static void refuse(vouch_token_verdict *v, vouch_token_reason code, const char *fmt, ...)
{
    if (v->reason_count == REASONS_MAX)
        return;
    reason *r = &v->reasons[v->reason_count++];
    r->code = code;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(r->sentence, sizeof r->sentence, fmt, args);
    va_end(args);
}

/* Ours to answer for, not the token's fault. */
static bool is_our_failure(vouch_code rc)
{
    return rc == VOUCH_E_MEMORY || rc == VOUCH_E_CRYPTO || rc == VOUCH_E_INTERNAL;
}

/* A malformed token is a refusal; `err` is emptied then. */
static vouch_code refuse_malformed(vouch_token_verdict *v, vouch_code rc, vouch_error *fault,
                                   vouch_error *err)
{
    char text[VOUCH_TOKEN_REASON_TEXT];
    if (is_our_failure(rc)) {
        if (err != NULL)
            *err = *fault;
        return rc;
    }
    refuse(v, VOUCH_TOKEN_MALFORMED, "%s", vouch_error_text(fault, text, sizeof text));
    return VOUCH_OK;
}

static vouch_code check_chain(vouch_token_verdict *v, const vch_jwks_key *key,
                              const vouch_token_expectation *e, vouch_error *err)
{
    const vch_cert_chain_rules rules = { e->root_sha256, e->root_count, e->crls, e->crl_count,
                                         e->now_unix_s };
    vch_cert_chain_verdict chain = { 0 };
    vouch_error fault = { 0 };
    if (e->revocation_required && e->crl_count == 0)
        refuse(v, VOUCH_TOKEN_REVOKED, "no CRLs of the token key's CAs are at hand");
    vouch_code rc = vch_cert_chain_judge(key->chain, &rules, &chain, &fault);
    if (rc != VOUCH_OK && is_our_failure(rc)) {
        if (err != NULL)
            *err = fault;
        return rc;
    }
    if (rc != VOUCH_OK) { /* a CRL that cannot be read */
        char text[VOUCH_TOKEN_REASON_TEXT];
        refuse(v, VOUCH_TOKEN_REVOKED, "%s", vouch_error_text(&fault, text, sizeof text));
        return VOUCH_OK;
    }
    v->revocation_checked = chain.revocation_checked;
    switch (chain.answer) {
    case VCH_CERT_CHAIN_TRUSTED:
        return VOUCH_OK;
    case VCH_CERT_CHAIN_ROOT_UNKNOWN:
        refuse(v, VOUCH_TOKEN_ROOT, "%s", chain.why);
        return VOUCH_OK;
    case VCH_CERT_CHAIN_REVOKED:
        refuse(v, VOUCH_TOKEN_REVOKED, "%s", chain.why);
        return VOUCH_OK;
    case VCH_CERT_CHAIN_REFUSED:
        break;
    }
    refuse(v, VOUCH_TOKEN_CHAIN, "%s", chain.why);
    return VOUCH_OK;
}

/* Whose word is it? True in *out_signed only if key, chain and signature all hold. */
static vouch_code check_signer(vouch_token_verdict *v, const vch_jws *jws,
                               const vouch_token_expectation *e, bool *out_signed, vouch_error *err)
{
    const vch_jwks_key *key = e->keys != NULL ? vch_jwks_find(e->keys, jws->kid) : NULL;
    if (key == NULL) {
        refuse(v, VOUCH_TOKEN_KEY_UNKNOWN, "the key set has no key of the token's kid");
        return VOUCH_OK;
    }
    vouch_code rc = check_chain(v, key, e, err);
    if (rc != VOUCH_OK)
        return rc;
    bool valid = false;
    rc = vch_jws_verify(jws, key->key, &valid, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!valid)
        refuse(v, VOUCH_TOKEN_SIGNATURE, "the %s signature is not the key's",
               vch_jws_alg_name(jws->alg));
    *out_signed = v->reason_count == 0;
    return VOUCH_OK;
}

/* v1 tokens carry a fixed issuer, v2 tokens the base URL (with or without a final slash). */
static void check_issuer(vouch_token_verdict *v, const vouch_token_expectation *e)
{
    const vouch_token_claims *c = &v->content.view;
    if (c->version == 1 && strcmp(c->issuer, VCH_TOKEN_V1_ISSUER) == 0)
        return;
    if (e->base_url == NULL) {
        if (c->version != 2 || strncmp(c->issuer, "https://", 8) != 0)
            refuse(v, VOUCH_TOKEN_ISSUER, "iss is no issuer of version %u tokens", c->version);
        return;
    }
    size_t size = strlen(e->base_url);
    if (size > 0 && e->base_url[size - 1] == '/')
        size--;
    if (strlen(c->issuer) != size || memcmp(c->issuer, e->base_url, size) != 0)
        refuse(v, VOUCH_TOKEN_ISSUER, "iss is not '%.*s'", (int)(size < 100 ? size : 100),
               e->base_url);
}

static void check_times(vouch_token_verdict *v, const vouch_token_expectation *e)
{
    const vouch_token_claims *c = &v->content.view;
    int64_t leeway = e->leeway_s < LEEWAY_MAX_S ? e->leeway_s : LEEWAY_MAX_S;
    if (c->expires_at_unix_s <= c->not_before_unix_s)
        refuse(v, VOUCH_TOKEN_TIME, "the token ends before it begins");
    if (e->now_unix_s >= c->expires_at_unix_s + leeway)
        refuse(v, VOUCH_TOKEN_TIME, "the token expired %lld s ago",
               (long long)(e->now_unix_s - c->expires_at_unix_s));
    if (e->now_unix_s < c->not_before_unix_s - leeway)
        refuse(v, VOUCH_TOKEN_TIME, "the token holds only in %lld s",
               (long long)(c->not_before_unix_s - e->now_unix_s));
    if (e->now_unix_s < c->issued_at_unix_s - leeway)
        refuse(v, VOUCH_TOKEN_TIME, "the token was issued %lld s in the future",
               (long long)(c->issued_at_unix_s - e->now_unix_s));
    if (e->max_age_s > 0 && e->now_unix_s - c->issued_at_unix_s > (int64_t)e->max_age_s + leeway)
        refuse(v, VOUCH_TOKEN_TIME, "the token is %lld s old; at most %u s are accepted",
               (long long)(e->now_unix_s - c->issued_at_unix_s), e->max_age_s);
}

static void check_nonce(vouch_token_verdict *v, const vouch_token_expectation *e)
{
    const vouch_token_claims *c = &v->content.view;
    if (e->nonce_any)
        return;
    bool expected = e->nonce_val.size > 0 || e->nonce_iat.size > 0;
    if (expected && !v->content.has_nonce)
        refuse(v, VOUCH_TOKEN_NONCE, "the token echoes no nonce");
    else if (!expected && v->content.has_nonce)
        refuse(v, VOUCH_TOKEN_NONCE, "the token echoes a nonce, but none was sent");
    else if (!vch_span_equal(c->nonce_val, e->nonce_val)
             || !vch_span_equal(c->nonce_iat, e->nonce_iat))
        refuse(v, VOUCH_TOKEN_NONCE, "the token echoes another nonce");
}

static void check_held_data(vouch_token_verdict *v, const vouch_token_expectation *e)
{
    const vouch_token_claims *c = &v->content.view;
    if (e->held_data_any || v->content.has_runtime_json) /* JSON is compared by its digest below */
        return;
    if (e->held_data.size > 0 && !v->content.has_held_data)
        refuse(v, VOUCH_TOKEN_HELD_DATA, "the token holds no data");
    else if (!vch_span_equal(c->held_data, e->held_data))
        refuse(v, VOUCH_TOKEN_HELD_DATA, "the token holds other data");
}

/* The verifier says that it compared them; its own words must agree with each other, too. */
static vouch_code check_binding(vouch_token_verdict *v, const vouch_token_expectation *e,
                                vouch_error *err)
{
    const vouch_token_claims *c = &v->content.view;
    bool from_json = v->content.has_runtime_json;
    if (from_json && e->held_data_any)
        return VOUCH_OK; /* the bytes are not known here */
    if (!from_json && !v->content.has_nonce && !v->content.has_held_data)
        return VOUCH_OK; /* the quote was bound to nothing */
    uint8_t want[64];
    vouch_code rc = vch_token_binding(c->tee_type == TEE_TYPE_TDX, c->nonce_val, c->nonce_iat,
                                      from_json ? e->held_data : c->held_data, want, err);
    if (rc != VOUCH_OK)
        return rc;
    if (memcmp(want, v->content.report_data, sizeof want) != 0)
        refuse(v, VOUCH_TOKEN_HELD_DATA, "the quote's report data is not bound to nonce and data");
    return VOUCH_OK;
}

static bool is_among(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, list[i]) == 0)
            return true;
    }
    return false;
}

/* The policy's words for it, as ours. */
static vouch_token_reason reason_of_policy(const char *code)
{
    static const struct {
        const char *code;
        vouch_token_reason reason;
    } table[] = {
        { "measurement", VOUCH_TOKEN_MEASUREMENT },
        { "no_measurements", VOUCH_TOKEN_MEASUREMENT },
        { "debug", VOUCH_TOKEN_DEBUG },
        { "tcb_status", VOUCH_TOKEN_TCB },
        { "tcb_revoked", VOUCH_TOKEN_TCB },
        { "tcb_date", VOUCH_TOKEN_TCB },
        { "advisory", VOUCH_TOKEN_TCB },
        { "root", VOUCH_TOKEN_SIMULATED },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(code, table[i].code) == 0)
            return table[i].reason;
    }
    return VOUCH_TOKEN_POLICY;
}

static void check_policy(vouch_token_verdict *v, const vouch_token_expectation *e)
{
    VCH_SCOPED(vch_reasons_drop) vch_reasons reasons = { 0 };
    if (vch_policy_judge(e->policy, &v->content.claims, e->now_unix_s, &reasons))
        return;
    for (size_t i = 0; i < reasons.count; i++)
        refuse(v, reason_of_policy(reasons.list[i].code), "%s", reasons.list[i].message);
    if (v->reason_count == 0)
        refuse(v, VOUCH_TOKEN_POLICY, "the policy refuses");
}

static void check_tcb(vouch_token_verdict *v, const vouch_token_expectation *e)
{
    static const char *const default_accept[] = { "UpToDate" };
    const vouch_token_claims *c = &v->content.view;
    const char *const *accept = e->tcb_accept_count > 0 ? e->tcb_accept : default_accept;
    size_t count = e->tcb_accept_count > 0 ? e->tcb_accept_count : 1;
    if (!is_among(c->tcb_status, accept, count))
        refuse(v, VOUCH_TOKEN_TCB, "TCB status '%.60s' is not accepted", c->tcb_status);
    for (size_t i = 0; i < c->advisory_count && !e->advisories_any; i++) {
        if (!is_among(c->advisory_ids[i], e->advisories_accept, e->advisories_accept_count))
            refuse(v, VOUCH_TOKEN_TCB, "advisory '%.60s' is not accepted", c->advisory_ids[i]);
    }
}

static void check_platform(vouch_token_verdict *v, const vouch_token_expectation *e)
{
    const vouch_token_claims *c = &v->content.view;
    if (c->debug && !e->accept_debug)
        refuse(v, VOUCH_TOKEN_DEBUG, "the enclave or TD is under debug");
    if (c->simulated && !e->accept_simulated)
        refuse(v, VOUCH_TOKEN_SIMULATED, "the evidence is of a simulated platform");
}

static void check_policies(vouch_token_verdict *v, const vouch_token_expectation *e)
{
    const vouch_token_claims *c = &v->content.view;
    for (size_t i = 0; i < e->policy_id_count; i++) {
        if (!is_among(e->policy_ids[i], c->policies_matched, c->policies_matched_count))
            refuse(v, VOUCH_TOKEN_POLICY, "policy %.40s did not match", e->policy_ids[i]);
    }
}

static vouch_code judge_content(vouch_token_verdict *v, const vouch_token_expectation *e,
                                vouch_error *err)
{
    check_issuer(v, e);
    check_times(v, e);
    check_nonce(v, e);
    check_held_data(v, e);
    vouch_code rc = check_binding(v, e, err);
    if (e->measurement.size > 0 && !vch_span_equal(e->measurement, v->content.view.measurement))
        refuse(v, VOUCH_TOKEN_MEASUREMENT, "the token speaks of another measurement");
    if (e->policy != NULL) {
        check_policy(v, e);
    } else {
        check_platform(v, e);
        check_tcb(v, e);
    }
    check_policies(v, e);
    return rc;
}

static vouch_code judge(vouch_token_verdict *v, vouch_span token, const vouch_token_expectation *e,
                        vouch_error *err)
{
    vouch_error fault = { 0 };
    VCH_SCOPED(vch_jws_drop) vch_jws jws = { 0 };
    vouch_code rc = vch_jws_parse(token, &jws, &fault);
    if (rc != VOUCH_OK)
        return refuse_malformed(v, rc, &fault, err);
    memcpy(v->key_id, jws.kid, sizeof v->key_id);
    bool is_signed = false;
    rc = check_signer(v, &jws, e, &is_signed, err);
    if (rc != VOUCH_OK || !is_signed)
        return rc;
    rc = vch_token_content_parse(vch_buffer_span(&jws.payload), &v->content, &fault);
    if (rc != VOUCH_OK)
        return refuse_malformed(v, rc, &fault, err);
    v->has_claims = true;
    v->content.view.key_id = v->key_id;
    rc = judge_content(v, e, err);
    if (rc == VOUCH_OK)
        v->admits = v->reason_count == 0;
    return rc;
}

vouch_code vouch_token_verify(vouch_span token, const vouch_token_expectation *expected,
                              vouch_token_verdict **out, vouch_error *err)
{
    VCH_SCOPED(drop_verdict) vouch_token_verdict *v = calloc(1, sizeof *v);
    if (v == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to judge a token");
    vouch_code rc = judge(v, token, expected, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "judging a token");
    *out = VCH_MOVE(v);
    return VOUCH_OK;
}

bool vouch_token_verdict_admits(const vouch_token_verdict *verdict)
{
    return verdict != NULL && verdict->admits && verdict->reason_count == 0;
}

bool vouch_token_verdict_revocation_checked(const vouch_token_verdict *verdict)
{
    return verdict->revocation_checked;
}

size_t vouch_token_verdict_reason_count(const vouch_token_verdict *verdict)
{
    return verdict->reason_count;
}

vouch_token_reason vouch_token_verdict_reason(const vouch_token_verdict *verdict, size_t index,
                                              const char **sentence)
{
    if (index >= verdict->reason_count) {
        *sentence = "";
        return VOUCH_TOKEN_MALFORMED;
    }
    *sentence = verdict->reasons[index].sentence;
    return verdict->reasons[index].code;
}

const vouch_token_claims *vouch_token_verdict_claims(const vouch_token_verdict *verdict)
{
    return verdict->has_claims ? &verdict->content.view : NULL;
}

const char *vouch_token_reason_name(vouch_token_reason code)
{
    switch (code) {
    case VOUCH_TOKEN_MALFORMED:
        return "malformed";
    case VOUCH_TOKEN_KEY_UNKNOWN:
        return "key_unknown";
    case VOUCH_TOKEN_ROOT:
        return "root";
    case VOUCH_TOKEN_CHAIN:
        return "chain";
    case VOUCH_TOKEN_REVOKED:
        return "revoked";
    case VOUCH_TOKEN_SIGNATURE:
        return "signature";
    case VOUCH_TOKEN_ISSUER:
        return "issuer";
    case VOUCH_TOKEN_TIME:
        return "time";
    case VOUCH_TOKEN_NONCE:
        return "nonce";
    case VOUCH_TOKEN_HELD_DATA:
        return "held_data";
    case VOUCH_TOKEN_MEASUREMENT:
        return "measurement";
    case VOUCH_TOKEN_DEBUG:
        return "debug";
    case VOUCH_TOKEN_TCB:
        return "tcb";
    case VOUCH_TOKEN_SIMULATED:
        return "simulated";
    case VOUCH_TOKEN_POLICY:
        return "policy";
    }
    return "unknown";
}
