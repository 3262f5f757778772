#include "identity/admit_steps.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "identity/issuer_keys.h"
#include "policy/policy.h"

VCH_DEFINE_DROP(token_verdict_drop, vouch_token_verdict, vouch_token_verdict_free)
VCH_DEFINE_DROP(appraisal_drop, vouch_appraisal, vouch_appraisal_free)

static vouch_span measurement_of(const vouch_claims *c)
{
    return c->tee == VOUCH_TEE_TDX ? (vouch_span) { c->tdx.mrtd, sizeof c->tdx.mrtd }
                                   : (vouch_span) { c->sgx.mrenclave, sizeof c->sgx.mrenclave };
}

/* The token must speak of the very platform state that the certificate quote shows. */
static vch_admission_code compare_token(vch_examination *x, const vouch_token_claims *t)
{
    const vouch_claims *c = vouch_appraisal_claims(x->appraisal);
    if (t->nonce_val.size == 0)
        return vch_refuse(x, VCH_REFUSED_TOKEN, "the token echoes no nonce");
    if ((t->tee_type == 0x81) != (c->tee == VOUCH_TEE_TDX))
        return vch_refuse(x, VCH_REFUSED_TOKEN, "the token is of another kind of TEE");
    if (t->debug != c->debug || t->simulated != c->simulated)
        return vch_refuse(x, VCH_REFUSED_TOKEN,
                          "token and quote differ in debug mode or in being simulated");
    x->verdict.token_verified = true;
    x->verdict.token_from_unix_s = t->not_before_unix_s;
    x->verdict.token_until_unix_s = t->expires_at_unix_s;
    return VCH_ADMITTED;
}

static int64_t token_moment(const vch_examination *x)
{
    return x->request->token_at_unix_s != 0 ? x->request->token_at_unix_s : x->request->now_unix_s;
}

static vch_admission_code compare_advisories(vch_examination *x, const vouch_policy *policy,
                                             const vouch_token_claims *t)
{
    for (size_t i = 0; i < t->advisory_count; i++) {
        if (!vch_policy_accepts_advisory(policy, t->advisory_ids[i], token_moment(x)))
            return vch_refuse(x, VCH_REFUSED_TOKEN, "the token names advisory %.40s",
                              t->advisory_ids[i]);
    }
    return VCH_ADMITTED;
}

static vch_admission_code judge_token(vch_examination *x)
{
    vouch_error err = { 0 };
    VCH_SCOPED(token_verdict_drop) vouch_token_verdict *verdict = NULL;
    const vouch_claims *c = vouch_appraisal_claims(x->appraisal);
    const vouch_policy *policy = vch_examination_policy(x);
    const char *statuses[VCH_TCB_STATUS_COUNT];
    size_t status_count = vch_policy_accepted_statuses(policy, statuses);
    const vouch_token_expectation expected = {
        .now_unix_s = token_moment(x),
        .leeway_s = vch_attestation_file_local(x->rules->file)->clock_skew_s,
        .nonce_any = true, /* the peer's verifier drew it; that there is one is checked below */
        .held_data = x->evidence.claims,
        .measurement = measurement_of(c),
        .tcb_accept = statuses,
        .tcb_accept_count = status_count,
        .advisories_any = true, /* by the policy, below */
        .accept_debug = c->debug,
        .accept_simulated = c->simulated,
    };
    if (vch_issuer_keys_judge(x->rules->issuers, x->request->token, &expected, &verdict, &err)
        != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_FAULT, &err);
    if (verdict == NULL)
        return vch_refuse(x, VCH_REFUSED_NO_ISSUER_KEYS,
                          "could not find out: no keys of a token issuer are at hand");
    if (!vouch_token_verdict_admits(verdict)) {
        const char *sentence = "";
        vouch_token_reason reason = vouch_token_verdict_reason(verdict, 0, &sentence);
        return vch_refuse(x, VCH_REFUSED_TOKEN, "%s: %s", vouch_token_reason_name(reason),
                          sentence);
    }
    const vouch_token_claims *t = vouch_token_verdict_claims(verdict);
    vch_admission_code code = compare_advisories(x, policy, t);
    return code == VCH_ADMITTED ? compare_token(x, t) : code;
}

vch_admission_code vch_admit_step_token(vch_examination *x)
{
    const vch_federation *f = vch_attestation_file_federation(x->rules->file);
    if (x->request->token_waived)
        return vch_pass(x, "not judged");
    if (x->request->token.size == 0)
        return f->token_required ? vch_refuse(x, VCH_REFUSED_TOKEN_ABSENT,
                                              "a token is required and none was sent")
                                 : vch_pass(x, "none is required");
    if (x->rules->issuers == NULL)
        return f->token_required ? vch_refuse(x, VCH_REFUSED_NO_ISSUER_KEYS,
                                              "could not find out: no token issuer is set up")
                                 : VCH_ADMITTED; /* token: off: what is sent adds nothing */
    return judge_token(x);
}

static bool same_platform(const vouch_claims *a, const vouch_claims *b)
{
    return a->tee == b->tee && a->debug == b->debug && a->has_platform == b->has_platform
           && memcmp(a->ppid, b->ppid, sizeof a->ppid) == 0
           && vch_span_equal(measurement_of(a), measurement_of(b));
}

vch_admission_code vch_admit_step_channel(vch_examination *x)
{
    const vch_federation *f = vch_attestation_file_federation(x->rules->file);
    vouch_error err = { 0 };
    VCH_SCOPED(appraisal_drop) vouch_appraisal *fresh = NULL;
    if (x->request->channel_waived)
        return vch_pass(x, "not judged: there is no connection");
    if (f->channel != VCH_CHANNEL_QUOTE)
        return VCH_ADMITTED;
    if (x->request->fresh_quote.size == 0 || x->request->fresh_report_data == NULL)
        return vch_refuse(x, VCH_REFUSED_CHANNEL_QUOTE,
                          "a quote over this channel is required and none was sent");
    const vouch_request request = {
        .quote = x->request->fresh_quote,
        .collateral = x->collateral->collateral,
        .policy = vch_examination_policy(x),
        .now_unix_s = x->request->now_unix_s,
    };
    if (vouch_verifier_appraise(x->collateral->verifier, &request, &fresh, &err) != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_FAULT, &err);
    if (!vouch_appraisal_admits(fresh))
        return vch_refuse(x, VCH_REFUSED_CHANNEL_QUOTE, "the channel's quote: %s",
                          vouch_appraisal_reason(fresh, 0).message);
    const vouch_claims *c = vouch_appraisal_claims(fresh);
    if (memcmp(c->report_data, x->request->fresh_report_data, sizeof c->report_data) != 0)
        return vch_refuse(x, VCH_REFUSED_CHANNEL_QUOTE,
                          "the channel's quote is over another channel");
    if (!same_platform(c, vouch_appraisal_claims(x->appraisal)))
        return vch_refuse(x, VCH_REFUSED_CHANNEL_QUOTE,
                          "the channel's quote is of other code or another platform");
    return VCH_ADMITTED;
}
