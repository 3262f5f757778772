/* Claims against a policy: each rule that refuses adds its reason. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "codec/hex.h"
#include "policy/rules.h"

#define STEP "policy"

/* Bits of TDATTRIBUTES with a meaning; all others are reserved (dcap_quote_verification.md s.1.2). */
#define TD_ATTRIBUTES_KNOWN                                                                        \
    (VOUCH_TD_ATTRIBUTE_TUD_MASK | VOUCH_TD_ATTRIBUTE_SEPT_VE_DISABLE                              \
     | VOUCH_TD_ATTRIBUTE_MIGRATABLE | VOUCH_TD_ATTRIBUTE_PKS | VOUCH_TD_ATTRIBUTE_KL              \
     | VOUCH_TD_ATTRIBUTE_PERFMON)
#define TD_REPORT_1_0 2 /* body_type */

static bool equal(const uint8_t *a, const uint8_t *b, size_t size)
{
    return vch_span_equal((vouch_span) { a, size }, (vouch_span) { b, size });
}

static bool sgx_matches(const vch_measurement_rule *rule, const vouch_sgx_claims *sgx)
{
    if (rule->has_mrenclave && !equal(rule->mrenclave, sgx->mrenclave, sizeof rule->mrenclave))
        return false;
    if (!rule->has_signer)
        return rule->has_mrenclave;
    return equal(rule->mrsigner, sgx->mrsigner, sizeof rule->mrsigner)
           && sgx->isv_prod_id == rule->prod_id && sgx->isv_svn >= rule->min_svn;
}

static bool tdx_matches(const vch_measurement_rule *rule, const vouch_tdx_claims *tdx)
{
    bool good = equal(rule->mrtd, tdx->mrtd, sizeof rule->mrtd);
    for (size_t i = 0; i < 4 && good; i++)
        good = !rule->has_rtmr[i] || equal(rule->rtmr[i], tdx->rtmr[i], sizeof rule->rtmr[i]);
    return good
           && (!rule->has_mrconfigid
               || equal(rule->mrconfigid, tdx->mrconfigid, sizeof rule->mrconfigid));
}

static void judge_measurement(const vch_rules *rules, const vouch_claims *claims,
                              int64_t now_unix_s, vch_reasons *out)
{
    (void)now_unix_s;
    if (!rules->measurements.given)
        return;
    for (size_t i = 0; i < rules->measurements.count; i++) {
        const vch_measurement_rule *rule = &rules->measurements.list[i];
        if (rule->tee != claims->tee)
            continue;
        if (rule->tee == VOUCH_TEE_SGX ? sgx_matches(rule, &claims->sgx)
                                       : tdx_matches(rule, &claims->tdx))
            return;
    }
    char actual[97] = "none";
    if (claims->tee == VOUCH_TEE_SGX)
        (void)vch_hex_encode((vouch_span) { claims->sgx.mrenclave, 32 }, actual);
    else if (claims->tee == VOUCH_TEE_TDX)
        (void)vch_hex_encode((vouch_span) { claims->tdx.mrtd, 48 }, actual);
    if (rules->measurements.count == 0)
        vch_reasons_add_values(out, STEP, "no_measurements", "a measurement in the policy", actual,
                               "the policy lists no measurement, so it admits nobody");
    else
        vch_reasons_add_values(out, STEP, "measurement", "one of the policy's", actual,
                               "the measurement is none of the %zu that the policy lists",
                               rules->measurements.count);
}

static void judge_debug(const vch_rules *rules, const vouch_claims *claims, int64_t now_unix_s,
                        vch_reasons *out)
{
    (void)now_unix_s;
    if (rules->debug.given && !rules->debug.accepted && claims->debug)
        vch_reasons_add_values(out, STEP, "debug", "no debug", "debug",
                               "the enclave runs in debug mode: its host can read its memory");
}

/* "UpToDate or SWHardeningNeeded": what the rule accepts. */
static const char *accepted_statuses(const vch_rules *rules, char out[static VCH_REASON_VALUE_SIZE])
{
    size_t used = 0;
    out[0] = '\0';
    for (int s = VOUCH_TCB_UP_TO_DATE; s < VOUCH_TCB_REVOKED && used < VCH_REASON_VALUE_SIZE; s++) {
        if (!rules->accept.status[s])
            continue;
        int more = snprintf(out + used, VCH_REASON_VALUE_SIZE - used, "%s%s",
                            used > 0 ? " or " : "", vouch_tcb_status_name((vouch_tcb_status)s));
        used += more > 0 ? (size_t)more : 0;
    }
    return out;
}

static void refuse_status(const vch_rules *rules, vouch_tcb_status status, const char *code,
                          const char *message, vch_reasons *out)
{
    char expected[VCH_REASON_VALUE_SIZE];
    bool revoked = status == VOUCH_TCB_REVOKED;
    vch_reasons_add_values(
        out, STEP, revoked ? "tcb_revoked" : code, accepted_statuses(rules, expected),
        status == VOUCH_TCB_NONE ? "none" : vouch_tcb_status_name(status), "%s", message);
}

static bool status_accepted(const vch_rules *rules, vouch_tcb_status status)
{
    return status > VOUCH_TCB_NONE && status < VOUCH_TCB_REVOKED && rules->accept.status[status];
}

/*
 * A TD of report 1.5 has two statuses, of its launch and of now (spec section 4, step 17): both are
 * judged. Nothing is better than UpToDate, so that needs no place in the list for the second.
 */
static void judge_status(const vch_rules *rules, const vouch_claims *claims, int64_t now_unix_s,
                         vch_reasons *out)
{
    (void)now_unix_s;
    if (!rules->accept.given)
        return;
    vouch_tcb_status status = claims->tcb_status;
    vouch_tcb_status current = claims->current_tcb_status;
    if (!status_accepted(rules, status))
        refuse_status(rules, status, "tcb_status",
                      status == VOUCH_TCB_NONE      ? "no TCB status was established"
                      : status == VOUCH_TCB_REVOKED ? "the platform's TCB is revoked"
                                                    : "the TCB status is not accepted",
                      out);
    if (current != status && current != VOUCH_TCB_UP_TO_DATE && !status_accepted(rules, current))
        refuse_status(rules, current, "current_tcb_status",
                      current == VOUCH_TCB_REVOKED
                          ? "the platform's TCB is revoked since the TD was launched"
                          : "the TCB status of now, not that of the TD's launch, is not accepted",
                      out);
}

static bool advisory_accepted(const vch_rules *rules, const char *id, int64_t now_unix_s)
{
    for (size_t i = 0; i < rules->advisories.count; i++) {
        const vch_advisory_rule *a = &rules->advisories.list[i];
        if (strcmp(a->id, id) == 0 && now_unix_s < a->until_unix_s)
            return true;
    }
    return false;
}

static bool is_listed(const char *const *ids, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ids[i], id) == 0)
            return true;
    }
    return false;
}

static void refuse_advisory(const char *id, const char *when, vch_reasons *out)
{
    vch_reasons_add_values(out, STEP, "advisory", "an advisory that the policy accepts until later",
                           id, "advisory %s stands open %sand is not accepted at this time", id,
                           when);
}

/* Those of the TD's launch and those of now: each list may hold what the other does not. */
static void judge_advisories(const vch_rules *rules, const vouch_claims *claims, int64_t now_unix_s,
                             vch_reasons *out)
{
    if (!rules->advisories.given)
        return;
    for (size_t i = 0; i < claims->advisory_count; i++) {
        const char *id = claims->advisory_ids[i];
        if (!advisory_accepted(rules, id, now_unix_s))
            refuse_advisory(id, "", out);
    }
    for (size_t i = 0; i < claims->current_advisory_count; i++) {
        const char *id = claims->current_advisory_ids[i];
        if (!is_listed(claims->advisory_ids, claims->advisory_count, id)
            && !advisory_accepted(rules, id, now_unix_s))
            refuse_advisory(id, "since the TD was launched ", out);
    }
}

static void judge_age(const vch_rules *rules, const vouch_claims *claims, int64_t now_unix_s,
                      vch_reasons *out)
{
    char expected[VCH_MOMENT_TEXT_SIZE];
    char actual[VCH_MOMENT_TEXT_SIZE];
    if (claims->evaluation_number < rules->min_evaluation_number) {
        (void)snprintf(expected, sizeof expected, "at least %u",
                       (unsigned)rules->min_evaluation_number);
        (void)snprintf(actual, sizeof actual, "%u", (unsigned)claims->evaluation_number);
        vch_reasons_add_values(out, STEP, "evaluation_number", expected, actual,
                               "the evaluation number of TCB info or QE identity is too low");
    }
    if (claims->tcb_date_unix_s < rules->min_tcb_date_unix_s)
        vch_reasons_add_values(out, STEP, "tcb_date",
                               vch_moment_format(rules->min_tcb_date_unix_s, expected),
                               vch_moment_format(claims->tcb_date_unix_s, actual),
                               "the platform's TCB level is older than the policy asks for");
    if (rules->grace.given && claims->earliest_expiry_unix_s != 0
        && now_unix_s > claims->earliest_expiry_unix_s + rules->grace.seconds)
        vch_reasons_add_values(out, STEP, "collateral_expired",
                               vch_moment_format(claims->earliest_expiry_unix_s, expected),
                               vch_moment_format(now_unix_s, actual),
                               "collateral has expired, beyond the grace of the policy");
}

static bool is_pinned(const vch_pins *pins, const uint8_t *value)
{
    for (size_t i = 0; i < pins->count; i++) {
        if (equal(pins->list[i].bytes, value, pins->size))
            return true;
    }
    return false;
}

static void judge_pin(const vch_pins *pins, bool known, const uint8_t *value, const char *code,
                      const char *what, vch_reasons *out)
{
    if (!pins->given || (known && is_pinned(pins, value)))
        return;
    char actual[2 * sizeof pins->list->bytes + 1] = "unknown";
    if (known)
        (void)vch_hex_encode((vouch_span) { value, pins->size }, actual);
    vch_reasons_add_values(out, STEP, code, "one of those that the policy pins", actual,
                           known ? "the platform's %s is none of those that the policy pins"
                                 : "the platform's %s is not known, and the policy pins it",
                           what);
}

static void judge_flag(bool refuse, vouch_flag flag, const char *code, const char *what,
                       vch_reasons *out)
{
    if (refuse && flag != VOUCH_FLAG_NO)
        vch_reasons_add_values(out, STEP, code, "no", flag == VOUCH_FLAG_YES ? "yes" : "unknown",
                               "the policy refuses platforms with %s", what);
}

static void judge_platform(const vch_rules *rules, const vouch_claims *claims, int64_t now_unix_s,
                           vch_reasons *out)
{
    (void)now_unix_s;
    judge_pin(&rules->fmspc, claims->has_platform, claims->fmspc, "fmspc", "FMSPC", out);
    judge_pin(&rules->instances, claims->has_platform && claims->has_piid, claims->piid,
              "platform_instance", "instance id", out);
    judge_pin(&rules->ppid, claims->has_platform, claims->ppid, "ppid", "PPID", out);
    judge_flag(rules->refuse_smt, claims->smt_enabled, "smt", "hyper-threading", out);
    judge_flag(rules->refuse_dynamic_platform, claims->dynamic_platform, "dynamic_platform",
               "packages that may change", out);
    judge_flag(rules->refuse_cached_keys, claims->cached_keys, "cached_keys",
               "root keys that Intel keeps", out);
}

/* `simulated` says exactly that the chain does not end in Intel's root (protocol section 10). */
static void judge_root(const vch_rules *rules, const vouch_claims *claims, int64_t now_unix_s,
                       vch_reasons *out)
{
    (void)now_unix_s;
    vouch_span root = { claims->root_sha256, sizeof claims->root_sha256 };
    if (!rules->roots.given)
        return;
    bool known = !vch_span_is_zero(root); /* zero until a chain was verified */
    if (known && !claims->simulated && rules->accept_intel)
        return;
    if (known && is_pinned(&rules->roots, claims->root_sha256))
        return;
    char actual[2 * sizeof claims->root_sha256 + 1] = "none";
    if (known)
        (void)vch_hex_encode(root, actual);
    vch_reasons_add_values(out, STEP, "root", "a root that the policy names", actual,
                           claims->simulated
                               ? "the evidence is simulated: its root is not Intel's, "
                                 "and the policy does not name it"
                               : "the policy does not name this root");
}

/* An attribute that must be set or clear, whatever the policy says. */
static void refuse_attribute(vch_reasons *out, const char *code, const char *expected,
                             uint64_t attributes, const char *message)
{
    char actual[19];
    (void)snprintf(actual, sizeof actual, "%016llx", (unsigned long long)attributes);
    vch_reasons_add_values(out, STEP, code, expected, actual, "%s", message);
}

/* What no policy accepts, because it would undo what the measurement promises. */
static void judge_sgx_attributes(const vouch_sgx_claims *sgx, vch_reasons *out)
{
    uint64_t flags = sgx->attribute_flags;
    if ((flags & VOUCH_SGX_ATTRIBUTE_INIT) == 0)
        refuse_attribute(out, "attributes", "bit 0 (INIT) set", flags,
                         "the enclave is not initialised");
    if ((flags & VOUCH_SGX_ATTRIBUTE_PROVISION_KEY) != 0)
        refuse_attribute(out, "provision_key", "bit 4 (PROVISIONKEY) clear", flags,
                         "the enclave may use the provisioning key");
    if ((flags & VOUCH_SGX_ATTRIBUTE_EINIT_TOKEN_KEY) != 0)
        refuse_attribute(out, "launch_key", "bit 5 (EINITTOKENKEY) clear", flags,
                         "the enclave may use the launch key");
}

static void judge_tdx_attributes(const vouch_tdx_claims *tdx, vch_reasons *out)
{
    static const uint8_t no_service_td[sizeof tdx->mrservicetd] = { 0 };
    uint64_t known = TD_ATTRIBUTES_KNOWN;
    if (tdx->body_type == TD_REPORT_1_0)
        known &= ~VOUCH_TD_ATTRIBUTE_MIGRATABLE; /* reserved there */
    if ((tdx->td_attributes & ~known) != 0)
        refuse_attribute(out, "attributes", "reserved bits clear", tdx->td_attributes,
                         "reserved TD attribute bits are set");
    if ((tdx->td_attributes & VOUCH_TD_ATTRIBUTE_SEPT_VE_DISABLE) == 0)
        refuse_attribute(out, "sept_ve", "bit 28 (SEPT_VE_DISABLE) set", tdx->td_attributes,
                         "SEPT_VE_DISABLE is clear: the host can inject faults into the TD");
    vouch_span service_td = { tdx->mrservicetd, sizeof tdx->mrservicetd };
    if (!vch_span_is_zero(service_td))
        vch_reasons_add_bytes(out, STEP, "service_td",
                              (vouch_span) { no_service_td, sizeof no_service_td }, service_td,
                              "a service TD is bound to the TD and could migrate it");
}

static void judge_attributes(const vouch_claims *claims, vch_reasons *out)
{
    if (claims->tee == VOUCH_TEE_SGX)
        judge_sgx_attributes(&claims->sgx, out);
    else if (claims->tee == VOUCH_TEE_TDX)
        judge_tdx_attributes(&claims->tdx, out);
    else
        vch_reasons_add_values(out, STEP, "tee", "sgx or tdx", "none", "no quote was read");
}

/* judge NULL: what every policy refuses, whatever its rules. */
static const struct {
    const char *name;
    bool needs_appraisal;
    void (*judge)(const vch_rules *rules, const vouch_claims *claims, int64_t now_unix_s,
                  vch_reasons *out);
} table[VCH_POLICY_RULE_COUNT] = {
    { "attributes", false, NULL },
    { "measurement", false, judge_measurement },
    { "debug", false, judge_debug },
    { "TCB status", true, judge_status },
    { "advisories", true, judge_advisories },
    { "age of collateral", true, judge_age },
    { "platform", true, judge_platform },
    { "root", true, judge_root },
};

const char *vch_policy_rule_name(size_t rule)
{
    return table[rule].name;
}

bool vch_policy_rule_needs_appraisal(size_t rule)
{
    return table[rule].needs_appraisal;
}

bool vch_policy_judge_rule(const vouch_policy *policy, size_t rule, const vouch_claims *claims,
                           int64_t now_unix_s, vch_reasons *reasons)
{
    size_t before = reasons->count;
    if (table[rule].judge == NULL) {
        judge_attributes(claims, reasons);
    } else {
        table[rule].judge(&policy->base, claims, now_unix_s, reasons);
        table[rule].judge(&policy->stricter, claims, now_unix_s, reasons);
    }
    return reasons->count == before && !reasons->lost; /* lost: perhaps one of these */
}

bool vch_policy_judge(const vouch_policy *policy, const vouch_claims *claims, int64_t now_unix_s,
                      vch_reasons *reasons)
{
    if (policy == NULL) {
        vch_reasons_add_values(reasons, STEP, "no_policy", "a policy", "none",
                               "no policy was given, so nobody is admitted");
        return false;
    }
    bool good = true;
    for (size_t rule = 0; rule < VCH_POLICY_RULE_COUNT; rule++)
        good = vch_policy_judge_rule(policy, rule, claims, now_unix_s, reasons) && good;
    return good;
}
