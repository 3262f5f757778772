#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "crypto/hash.h"
#include "identity/claims.h"
#include "identity/enrolment.h"
#include "identity/keypair.h"
#include "identity/participant_parts.h"
#include "identity/ratls_cert.h"
#include "identity/token_quote.h"
#include "vouch/evidence.h"

#define ENROLMENT_MAX_SIZE ((size_t)4 << 10)

static void held_drop(vch_held_credentials **c)
{
    if (*c != NULL)
        vch_credentials_unref(&(*c)->face);
    *c = NULL;
}

static vouch_code held_new(const vch_participant *p, vch_held_credentials **out, vouch_error *err)
{
    vch_held_credentials *c = calloc(1, sizeof *c);
    if (c == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "credentials: out of memory");
    atomic_init(&c->count, 1U);
    c->certificate = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    c->stock = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    c->claims = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    c->quote = vch_buffer_with_cap(VCH_ATTESTER_QUOTE_MAX_SIZE);
    c->token_quote = vch_buffer_with_cap(VCH_ATTESTER_QUOTE_MAX_SIZE);
    c->token = vch_buffer_with_cap(VCH_ITA_TOKEN_MAX_SIZE);
    c->face.attested = p->attester != NULL;
    *out = c;
    return VOUCH_OK;
}

static vouch_code put_claims(const vch_participant *p, vch_held_credentials *c, vouch_error *err)
{
    vch_claims claims = {
        .role = p->role,
        .nbf_unix_s = c->face.nbf_unix_s,
        .exp_unix_s = c->face.exp_unix_s,
    };
    memcpy(claims.federation, p->federation->id, sizeof claims.federation);
    memcpy(claims.name, p->name, sizeof claims.name);
    memcpy(claims.plan, p->plan_digest, sizeof claims.plan);
    memcpy(claims.policy, p->federation->digest, sizeof claims.policy);
    vouch_code rc = vch_identity_name_keys(p, &claims, err);
    return rc == VOUCH_OK ? vch_claims_build(&claims, &c->claims, err) : rc;
}

static vouch_code put_quote(const vch_participant *p, vch_held_credentials *c, vouch_error *err)
{
    uint8_t report_data[VCH_REPORT_DATA_SIZE];
    vouch_code rc = vch_claims_report_data(vch_buffer_span(&c->claims), report_data, err);
    return rc == VOUCH_OK ? vch_attester_quote(p->attester, report_data, &c->quote, err) : rc;
}

static vouch_code put_certificates(const vch_participant *p, vch_held_credentials *c,
                                   vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer enrolment = vch_buffer_with_cap(ENROLMENT_MAX_SIZE);
    vouch_span claims = vch_buffer_span(&c->claims);
    vouch_code rc = vch_enrolment_build(p->site_key, claims, &enrolment, err);
    const vch_ratls_options options = {
        .name = p->name,
        .address = p->role == VCH_ROLE_AGGREGATOR ? p->address : NULL,
        .key = p->key,
        .nbf_unix_s = c->face.nbf_unix_s,
        .exp_unix_s = c->face.exp_unix_s,
        .quote = vch_buffer_span(&c->quote),
        .claims = claims,
        .enrolment = vch_buffer_span(&enrolment),
    };
    if (rc == VOUCH_OK)
        rc = vch_ratls_cert_build(&options, &c->certificate, err);
    if (rc == VOUCH_OK && p->ca != NULL)
        rc = vch_federation_ca_issue(p->ca, p->key, c->face.nbf_unix_s, c->face.exp_unix_s,
                                     &c->stock, err);
    return rc;
}

/*
 * Would a peer say no to who or what we are? A collaborator may knock all the same: its admission is
 * the peers' to decide, and this line tells its operator more than they will. An aggregator that
 * nobody would believe does not serve.
 */
static bool is_doubt(const vch_participant *p, const vch_admission *verdict)
{
    static const vch_admission_code doubts[] = { VCH_REFUSED_ROLE, VCH_REFUSED_ENROLMENT,
                                                 VCH_REFUSED_MEASUREMENT, VCH_REFUSED_TCB,
                                                 VCH_REFUSED_PLATFORM };
    for (size_t i = 0; i < sizeof doubts / sizeof *doubts; i++) {
        if (verdict->code != doubts[i] || p->role != VCH_ROLE_COLLABORATOR)
            continue;
        vch_log(p->log, VCH_LOG_WARN, "participant.doubtful", VCH_STR("name", p->name),
                VCH_STR("code", vch_admission_code_name(verdict->code)),
                VCH_STR("reason", verdict->message));
        return true;
    }
    return false;
}

static vouch_code refuse_ourselves(const vch_admission *verdict, vouch_error *err)
{
    return vouch_fail(err, VOUCH_E_REFUSED, "our own evidence would be refused (%s): %s",
                      vch_admission_code_name(verdict->code), verdict->message);
}

/* Genuine and ours, or nothing; then the judgement that every peer will pass on us, the token only
 * where there is one. */
static vouch_code judge_ourselves(const vch_participant *p, vch_held_credentials *c, bool token,
                                  vouch_error *err)
{
    vch_admission_rules rules = vch_participant_rules(p);
    const vch_admission_request request = {
        .certificate = vch_buffer_span(&c->certificate),
        .role = p->role,
        .name = p->name,
        .token = vch_buffer_span(&c->token),
        .token_waived = !token,
        .channel_waived = true,
        .now_unix_s = vch_participant_now(p),
    };
    vch_admission proof = { 0 };
    vch_admission_prove(&rules, &request, &proof);
    if (!vch_admission_admits(&proof))
        return refuse_ourselves(&proof, err);
    vch_admission_judge(&rules, &request, &c->face.appraisal);
    if (vch_admission_admits(&c->face.appraisal) || is_doubt(p, &c->face.appraisal))
        return VOUCH_OK;
    return refuse_ourselves(&c->face.appraisal, err);
}

#define VCH_DOUBTFUL_TOKEN_S 60

typedef struct quoting {
    vch_attester *attester;
    bool tdx;
} quoting;

static vouch_code quote_for_verifier(void *context, const vch_ita_nonce *nonce,
                                     vouch_span held_data, vch_buffer *out, vouch_error *err)
{
    const quoting *q = context;
    uint8_t report_data[VCH_REPORT_DATA_SIZE];
    vouch_code rc =
        vch_token_quote_report_data(q->tdx, vch_buffer_span(&nonce->val),
                                    vch_buffer_span(&nonce->iat), held_data, report_data, err);
    return rc == VOUCH_OK ? vch_attester_quote(q->attester, report_data, out, err) : rc;
}

static vouch_code put_token(vch_participant *p, vch_held_credentials *c, vouch_error *err)
{
    vch_ita_nonce nonce = { 0 };
    vouch_claims device = { 0 };
    vouch_code rc = vouch_quote_read(vch_buffer_span(&c->quote), &device, err);
    quoting q = { p->attester, device.tee == VOUCH_TEE_TDX };
    const vch_ita_quoter quoter = { &q, quote_for_verifier };
    int64_t now = vch_participant_now(p);
    if (rc == VOUCH_OK)
        rc = vch_ita_token_get(p->verifier, &quoter, vch_buffer_span(&c->claims), &nonce,
                               &c->token_quote, &c->token, err);
    if (rc == VOUCH_OK)
        rc = judge_ourselves(p, c, true, err);
    if (rc == VOUCH_OK && c->face.appraisal.token_verified)
        rc = vch_issuer_keys_check_echo(p->issuers, vch_buffer_span(&c->token),
                                        vch_buffer_span(&nonce.val), vch_buffer_span(&nonce.iat),
                                        now, err);
    vch_ita_nonce_drop(&nonce);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "getting a token from '%s'", p->local->verifier_url);
    c->face.token_from_unix_s = now;
    c->face.token_until_unix_s = c->face.appraisal.token_until_unix_s;
    if (c->face.token_until_unix_s == 0) /* a doubtful one was not judged as far as the token */
        c->face.token_until_unix_s = now + VCH_DOUBTFUL_TOKEN_S;
    return VOUCH_OK;
}

static vouch_code make_evidence(vch_participant *p, vch_held_credentials *c, vouch_error *err)
{
    int64_t now = vch_participant_now(p);
    c->face.nbf_unix_s = now - VCH_BACKDATE_S;
    c->face.exp_unix_s = now + (int64_t)p->federation->certificate_life_s;
    vouch_code rc = put_claims(p, c, err);
    if (rc == VOUCH_OK)
        rc = put_quote(p, c, err);
    if (rc == VOUCH_OK && p->key == NULL)
        rc = vch_identity_unseal(p, vch_buffer_span(&c->quote), err);
    if (rc == VOUCH_OK)
        rc = put_certificates(p, c, err);
    if (rc == VOUCH_OK)
        rc = vch_collateral_cache_prepare(p->collateral, vch_buffer_span(&c->quote), err);
    return rc == VOUCH_OK ? judge_ourselves(p, c, false, err) : rc;
}

static vouch_code copy_certificate(const vch_held_credentials *old, vch_held_credentials *c,
                                   vouch_error *err)
{
    c->face.nbf_unix_s = old->face.nbf_unix_s;
    c->face.exp_unix_s = old->face.exp_unix_s;
    vch_buffer_append(&c->certificate, vch_buffer_span(&old->certificate));
    vch_buffer_append(&c->stock, vch_buffer_span(&old->stock));
    vch_buffer_append(&c->claims, vch_buffer_span(&old->claims));
    vch_buffer_append(&c->quote, vch_buffer_span(&old->quote));
    vouch_code rc = vch_buffer_finish(&c->certificate, "credentials", err);
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(&c->stock, "credentials", err);
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(&c->claims, "credentials", err);
    return rc == VOUCH_OK ? vch_buffer_finish(&c->quote, "credentials", err) : rc;
}

static vouch_code take_pki(const vch_participant *p, vch_held_credentials *c, vouch_error *err)
{
    vch_ratls_cert parsed = { 0 };
    vouch_span der = vch_buffer_span(&p->pki_certificate);
    vouch_code rc = vch_ratls_cert_parse(der, &parsed, err);
    c->face.nbf_unix_s = parsed.nbf_unix_s;
    c->face.exp_unix_s = parsed.exp_unix_s;
    vch_buffer_append(&c->certificate, der);
    vch_buffer_append(&c->stock, der);
    return rc == VOUCH_OK ? vch_buffer_finish(&c->stock, "credentials", err) : rc;
}

static void show(const vch_participant *p, vch_held_credentials *c, uint64_t generation)
{
    c->face.certificate = vch_buffer_span(&c->certificate);
    c->face.stock = vch_buffer_span(&c->stock);
    c->face.claims = vch_buffer_span(&c->claims);
    c->face.quote = vch_buffer_span(&c->quote);
    c->face.token_quote = vch_buffer_span(&c->token_quote);
    c->face.token = vch_buffer_span(&c->token);
    c->face.generation = generation;
    c->face.key = p->key;
    if (p->ca != NULL)
        c->face.ca = vch_federation_ca_certificate(p->ca);
}

static uint64_t next_generation(const vch_participant *p, const vch_held_credentials *old)
{
    if (old != NULL)
        return old->face.generation;
    return p->current == NULL ? 1 : p->current->face.generation + 1;
}

vouch_code vch_credentials_make(vch_participant *p, const vch_held_credentials *old,
                                vch_held_credentials **out, vouch_error *err)
{
    VCH_SCOPED(held_drop) vch_held_credentials *c = NULL;
    vouch_code rc = held_new(p, &c, err);
    if (c == NULL)
        return rc;
    if (p->attester == NULL)
        rc = take_pki(p, c, err);
    else
        rc = old != NULL ? copy_certificate(old, c, err) : make_evidence(p, c, err);
    if (rc == VOUCH_OK && p->verifier != NULL)
        rc = put_token(p, c, err);
    if (rc != VOUCH_OK)
        return rc;
    show(p, c, next_generation(p, old));
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}
