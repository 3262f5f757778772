#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "crypto/hash.h"
#include "identity/claims.h"
#include "identity/collateral_cache.h"
#include "identity/issuer_keys.h"
#include "identity/passport.h"
#include "identity/ratls_cert.h"

static void note(vch_passport_verdict *v, const char *name, bool passed, const char *text)
{
    if (v->check_count == VCH_PASSPORT_CHECKS_MAX)
        return;
    vch_passport_check *c = &v->checks[v->check_count++];
    c->name = name;
    c->passed = passed;
    (void)snprintf(c->text, sizeof c->text, "%s", text);
}

void vch_passport_explain(void *context, const char *step, bool passed, const char *text)
{
    note(context, step, passed, text);
}

/* A refusal of our own, after the steps of admission. The first one names the verdict. */
static void refuse(vch_passport_verdict *v, const char *name, vch_admission_code code,
                   const char *text)
{
    note(v, name, false, text);
    if (v->admission.code != VCH_ADMITTED)
        return;
    v->admission.code = code;
    (void)snprintf(v->admission.message, sizeof v->admission.message, "%s", text);
}

/* The members beside the certificate must be what the certificate holds. */
static bool evidence_is_the_certificates(const vch_passport_contents *c)
{
    vch_ratls_cert cert = { 0 };
    vch_dice_evidence e = { 0 };
    return vch_ratls_cert_parse(c->certificate, &cert, NULL) == VOUCH_OK
           && vch_dice_evidence_parse(cert.evidence[VCH_RATLS_DICE], &e, NULL) == VOUCH_OK
           && vch_span_equal(e.quote, c->quote) && vch_span_equal(e.claims, c->claims);
}

static bool names_are_the_claims(const vch_passport_contents *c, const vch_claims *claims)
{
    return strcmp(claims->name, c->name) == 0 && claims->role == c->role
           && memcmp(claims->federation, c->federation, sizeof c->federation) == 0
           && memcmp(claims->policy, c->policy_digest, sizeof c->policy_digest) == 0;
}

/* What --export-root hands to stock peers must be the very CA that the quote vouches for. */
static bool ca_is_the_claims(const vch_passport_contents *c, const vch_claims *claims)
{
    uint8_t digest[VCH_SHA256_SIZE];
    if (!claims->has_ca)
        return c->ca.size == 0;
    return c->ca.size > 0 && vch_sha256(c->ca, digest, NULL) == VOUCH_OK
           && memcmp(digest, claims->ca, sizeof digest) == 0;
}

static void check_members(const vch_passport_contents *c, vch_passport_verdict *v)
{
    vch_claims claims = { 0 };
    if (!evidence_is_the_certificates(c))
        refuse(v, "members", VCH_REFUSED_EVIDENCE_FORM,
               "the evidence beside the certificate is not the certificate's");
    else if (vch_claims_parse(c->claims, &claims, NULL) != VOUCH_OK)
        refuse(v, "members", VCH_REFUSED_EVIDENCE_FORM, "the claims are malformed");
    else if (!names_are_the_claims(c, &claims))
        refuse(v, "members", VCH_REFUSED_NAME,
               "name, role, federation or policy_digest are not the claims'");
    else if (!ca_is_the_claims(c, &claims))
        refuse(v, "members", VCH_REFUSED_CA, "ca is not the one that the claims name");
    else
        note(v, "members", true, "");
}

static void check_created(const vch_passport_contents *c, const vch_passport_expectation *e,
                          vch_passport_verdict *v)
{
    int64_t skew =
        e->file == NULL ? 120 : (int64_t)vch_attestation_file_local(e->file)->clock_skew_s;
    int64_t until = v->admission.token_until_unix_s;
    if (c->created_unix_s > e->now_unix_s + skew)
        refuse(v, "created", VCH_REFUSED_VALIDITY, "it was made in the future");
    else if (until != 0 && c->created_unix_s > until)
        refuse(v, "created", VCH_REFUSED_TOKEN, "it was made after its token ended");
    else
        note(v, "created", true, "");
}

/* A passport stays true for ever; who takes a root from it wants an aggregator of today. */
static void check_current(const vch_passport_expectation *e, vch_passport_verdict *v)
{
    int64_t skew = e->file == NULL ? 0 : (int64_t)vch_attestation_file_local(e->file)->clock_skew_s;
    if (!e->current)
        return;
    if (e->now_unix_s > v->admission.exp_unix_s + skew)
        refuse(v, "current", VCH_REFUSED_VALIDITY,
               "its certificate ended: ask for the present passport");
    else
        note(v, "current", true, "");
}

static void judge_time(vch_passport_verdict *v)
{
    char at[VCH_MOMENT_TEXT_SIZE];
    vch_moment_format(v->judged_at_unix_s, at);
    bool within = v->judged_at_unix_s >= v->admission.token_from_unix_s
                  && v->judged_at_unix_s <= v->admission.token_until_unix_s;
    v->time_proven = v->admission.token_verified && within;
    if (v->time_proven)
        (void)snprintf(v->time_note, sizeof v->time_note,
                       "judged as of %s, which a verifier's token proves", at);
    else
        (void)snprintf(
            v->time_note, sizeof v->time_note, "time not proven: judged as of %s, %s", at,
            v->admission.token_verified ? "outside its token's life" : "and no token was verified");
}

static void judge(const vch_passport_contents *c, const vch_passport_expectation *e,
                  vch_collateral_cache *collateral, vch_issuer_keys *issuers,
                  vch_passport_verdict *out)
{
    const vch_admission_rules rules = {
        .file = e->file,
        .policy = e->policy,
        .plan_digest = e->plan_digest,
        .collateral = collateral,
        .issuers = issuers,
    };
    const vch_admission_request request = {
        .certificate = c->certificate,
        .role = c->role,
        .name = c->name,
        .token = c->token,
        .token_at_unix_s = c->created_unix_s,
        .channel_waived = true,
        .now_unix_s = out->judged_at_unix_s,
        .explain = vch_passport_explain,
        .explain_context = out,
    };
    vch_admission_judge(&rules, &request, &out->admission);
}

static vouch_code make_issuers(const vch_passport_contents *c, const vch_passport_expectation *e,
                               vch_issuer_keys **out, vouch_error *err)
{
    if (e->file == NULL || c->token.size == 0)
        return VOUCH_OK;
    const vch_federation *f = vch_attestation_file_federation(e->file);
    vouch_code rc =
        vch_issuer_keys_new(f->issuers, f->issuer_count, (vouch_span) { 0 }, NULL, out, err);
    if (rc != VOUCH_OK)
        return rc;
    /* A key set that cannot be read is the passport's fault: the token step then finds no keys. */
    rc = vch_issuer_keys_put(*out, c->jwks, c->crls, c->crl_count, NULL);
    return rc == VOUCH_E_MEMORY ? vouch_fail(err, rc, "passport: out of memory") : VOUCH_OK;
}

static vch_root_pins pins_of(const vch_passport_expectation *e)
{
    if (e->file == NULL) /* a bare policy judges the root's digest itself */
        return (vch_root_pins) { .intel = true, .any = true };
    const vch_federation *f = vch_attestation_file_federation(e->file);
    return (vch_root_pins) { .intel = f->intel_root, .sha256 = f->roots, .count = f->root_count };
}

vouch_code vch_passport_verify(const vch_passport *p, const vch_passport_expectation *expected,
                               vch_passport_verdict *out, vouch_error *err)
{
    const vch_passport_contents *c = vch_passport_contents_of(p);
    VCH_SCOPED(vch_collateral_cache_drop) vch_collateral_cache *collateral = NULL;
    VCH_SCOPED(vch_issuer_keys_drop) vch_issuer_keys *issuers = NULL;
    if ((expected->file == NULL) == (expected->policy == NULL))
        return vouch_fail(err, VOUCH_E_CONFIG, "a passport is held to a federation or to a policy");
    *out = (vch_passport_verdict) { 0 };
    out->judged_at_unix_s = expected->at_given ? expected->at_unix_s : c->created_unix_s;
    const vch_root_pins pins = pins_of(expected);
    vouch_code rc = vch_collateral_cache_from_parts(&c->collateral, &pins, &collateral, err);
    if (rc == VOUCH_OK)
        rc = make_issuers(c, expected, &issuers, err);
    if (rc != VOUCH_OK)
        return rc;
    judge(c, expected, collateral, issuers, out);
    check_members(c, out);
    check_created(c, expected, out);
    check_current(expected, out);
    judge_time(out);
    return VOUCH_OK;
}
