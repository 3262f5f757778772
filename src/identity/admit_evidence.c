#include "identity/admit_steps.h"

#include <stdio.h>
#include <string.h>

#include "codec/hex.h"
#include "identity/proven.h"
#include "identity/roster.h"

vch_admission_code vch_admit_step_report_data(vch_examination *x)
{
    vouch_error err = { 0 };
    uint8_t expected[64];
    if (vch_claims_report_data(x->evidence.claims, expected, &err) != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_FAULT, &err);
    if (memcmp(expected, x->quote.report_data, sizeof expected) != 0)
        return vch_refuse(x, VCH_REFUSED_REPORT_DATA, "the quote is not over these claims");
    return VCH_ADMITTED;
}

/* For the operator's table; proven only with an admission. */
static void record(vch_examination *x, const vouch_claims *c)
{
    vch_admission *v = &x->verdict;
    vouch_span measurement = c->tee == VOUCH_TEE_TDX
                                 ? (vouch_span) { c->tdx.mrtd, sizeof c->tdx.mrtd }
                                 : (vouch_span) { c->sgx.mrenclave, sizeof c->sgx.mrenclave };
    (void)vch_hex_encode(measurement, v->measurement);
    (void)snprintf(v->tee, sizeof v->tee, "%s", vouch_tee_name(c->tee));
    (void)snprintf(v->tcb_status, sizeof v->tcb_status, "%s", vouch_tcb_status_name(c->tcb_status));
    v->simulated = c->simulated;
    v->debug = c->debug;
}

static vch_admission_code refuse_reason(vch_examination *x, vch_admission_code code)
{
    vouch_reason r = vouch_appraisal_reason(x->appraisal, 0);
    return vch_refuse(x, code, "%s: %s", r.code, r.message);
}

const vouch_policy *vch_examination_policy(const vch_examination *x)
{
    if (x->rules->file == NULL)
        return x->rules->policy;
    vch_role role = x->member == NULL ? x->request->role : x->member->role;
    return vch_attestation_file_policy(x->rules->file, role);
}

/* Signature, chain, revocation, QE: is it a genuine quote of a platform under a trusted root? */
vch_admission_code vch_admit_step_quote(vch_examination *x)
{
    vouch_error err = { 0 };
    record(x, &x->quote);
    if (x->rules->collateral == NULL)
        return vch_refuse(x, VCH_REFUSED_NO_COLLATERAL,
                          "could not find out: nobody has collateral");
    if (vch_collateral_cache_get(x->rules->collateral, x->evidence.quote, &x->collateral, &err)
        != VOUCH_OK)
        return vch_refuse(x, VCH_REFUSED_NO_COLLATERAL, "could not find out: %s",
                          vouch_error_text(&err, (char[200]) { 0 }, 200));
    if (x->collateral->verifier == NULL)
        return vch_refuse(x, VCH_REFUSED_QUOTE,
                          "the platform's collateral is under no root that the policy names");
    const vouch_request request = {
        .quote = x->evidence.quote,
        .collateral = x->collateral->collateral,
        .policy = vch_examination_policy(x),
        .now_unix_s = x->request->now_unix_s,
    };
    if (vch_proven_appraise(x->rules->proven, x->collateral->verifier, &request, &x->appraisal,
                            &err)
        != VOUCH_OK)
        return vch_refuse_error(x, VCH_REFUSED_FAULT, &err);
    record(x, vouch_appraisal_claims(x->appraisal));
    if (!vouch_appraisal_is_genuine(x->appraisal))
        return refuse_reason(x, VCH_REFUSED_QUOTE);
    return VCH_ADMITTED;
}

/* What says nothing of the peer but only that our own collateral is out of date or damaged. */
static bool is_about_our_collateral(const vouch_reason *r)
{
    if (strcmp(r->code, "collateral_expired") == 0
        || strcmp(r->code, "collateral_not_yet_valid") == 0)
        return true;
    return strcmp(r->step, "collateral") == 0 && strcmp(r->code, "root_not_trusted") != 0
           && strcmp(r->code, "roots_differ") != 0;
}

vch_admission_code vch_admit_step_quote_anew(vch_examination *x)
{
    vch_admission_code code = vch_admit_step_quote(x);
    if (code != VCH_REFUSED_QUOTE || x->appraisal == NULL)
        return code;
    for (size_t i = 0; i < vouch_appraisal_reason_count(x->appraisal); i++) {
        vouch_reason r = vouch_appraisal_reason(x->appraisal, i);
        if (!is_about_our_collateral(&r))
            return code;
    }
    return VCH_REFUSED_NO_COLLATERAL;
}

static bool is_about_the_tcb(const vouch_reason *r)
{
    return strcmp(r->step, "tcb") == 0 || strncmp(r->code, "tcb_", 4) == 0
           || strncmp(r->code, "advisor", 7) == 0 || strncmp(r->code, "evaluation", 10) == 0;
}

vch_admission_code vch_admit_step_policy(vch_examination *x)
{
    if (vouch_appraisal_admits(x->appraisal))
        return VCH_ADMITTED;
    vouch_reason r = vouch_appraisal_reason(x->appraisal, 0);
    return refuse_reason(x, is_about_the_tcb(&r) ? VCH_REFUSED_TCB : VCH_REFUSED_MEASUREMENT);
}

vch_admission_code vch_admit_step_platform(vch_examination *x)
{
    const vouch_claims *c = vouch_appraisal_claims(x->appraisal);
    if (x->member->platform_count == 0)
        return vch_pass(x, "none is pinned");
    for (size_t i = 0; i < x->member->platform_count; i++) {
        if (c->has_platform && memcmp(x->member->platforms[i], c->ppid, VCH_PPID_SIZE) == 0)
            return VCH_ADMITTED;
    }
    return vch_refuse(x, VCH_REFUSED_PLATFORM,
                      "it runs on a platform that is not pinned for '%.60s'", x->member->name);
}

vch_admission_code vch_admit_step_newest(vch_examination *x)
{
    if (x->request->roster == NULL)
        return vch_pass(x, "not judged without connections");
    switch (vch_roster_probe(x->request->roster, x->member->name, x->verdict.certificate,
                             x->claims.nbf_unix_s)) {
    case VCH_ROSTER_SEATED:
        return VCH_ADMITTED;
    case VCH_ROSTER_UNKNOWN:
        return vch_refuse(x, VCH_REFUSED_NAME, "'%.60s' is not on the roster", x->member->name);
    case VCH_ROSTER_REPLAY:
        return vch_refuse(x, VCH_REFUSED_REPLAY,
                          "a certificate of '%.60s' that began over 10 minutes later was admitted",
                          x->member->name);
    case VCH_ROSTER_OLDER:
        return vch_refuse(x, VCH_REFUSED_CONNECTIONS,
                          "'%.60s' is connected with a newer certificate", x->member->name);
    case VCH_ROSTER_FULL:
        return vch_refuse(x, VCH_REFUSED_CONNECTIONS, "'%.60s' has %d connections already",
                          x->member->name, VCH_ROSTER_CONNECTIONS_MAX);
    }
    return vch_refuse(x, VCH_REFUSED_FAULT, "the roster gave no answer");
}
