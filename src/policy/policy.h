/*
 * Policies inside: building one from parts of another file, and judging claims by it. Immutable
 * after build, share freely. vouch/policy.h is the public face.
 */
#ifndef VCH_POLICY_POLICY_H
#define VCH_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"
#include "config/faults.h"
#include "config/yaml.h"
#include "evidence/reasons.h"
#include "vouch/evidence.h"
#include "vouch/policy.h"

VCH_DEFINE_DROP(vch_policy_drop, vouch_policy, vouch_policy_free)

/*
 * The parts of a policy, wherever they stand. NULL: not given, and then the default holds, which
 * is nobody for `measurements` and Intel for `roots`.
 */
typedef struct vch_policy_parts {
    const vch_yaml_node
        *measurements; /* sequence: {mrenclave}, {mrsigner, prod_id, min_svn}, {mrtd, rtmr0..3} */
    const vch_yaml_node *tcb; /* mapping: accept, advisories, min_evaluation_number, min_tcb_date */
    const vch_yaml_node
        *platform; /* mapping: fmspc, instances, ppid, smt, dynamic_platform, cached_keys */
    const vch_yaml_node *roots;      /* sequence: intel, or SHA-256 of a root certificate */
    const vch_yaml_node *collateral; /* mapping: expired_grace_h */
    const vch_yaml_node *debug;      /* true or false */
} vch_policy_parts;

/*
 * Build a policy. Every fault goes to `faults`, with its place.
 *
 * stricter  May be NULL. Parts that must hold as well: what it does not give it does not limit.
 *
 * Fails with VOUCH_E_CONFIG (there were faults), _MEMORY, _CRYPTO.
 */
VOUCH_MUST_CHECK vouch_code vch_policy_build(const vch_policy_parts *parts,
                                             const vch_policy_parts *stricter, vch_faults *faults,
                                             vouch_policy **out, vouch_error *err);

/* vouch_policy_parse with all faults, and warnings for what is allowed but weak. */
VOUCH_MUST_CHECK vouch_code vch_policy_parse_all(const char *name, vouch_span yaml,
                                                 vch_faults *faults, vouch_policy **out,
                                                 vouch_error *err);

/*
 * For looking at a quote without a policy (`vouch quote verify`), never for admitting a peer: the
 * defaults for everything that concerns the platform, no rule for the measurement, and any root
 * that the verifier was given.
 */
VOUCH_MUST_CHECK vouch_code vch_policy_platform_only(vouch_policy **out, vouch_error *err);

/*
 * Judge what an appraisal established. True admits; false added at least one reason of step
 * "policy", one for each rule that refuses. NULL admits nobody.
 */
bool vch_policy_judge(const vouch_policy *policy, const vouch_claims *claims, int64_t now_unix_s,
                      vch_reasons *reasons);

/*
 * The same rule by rule, to explain a policy: `rule` is below VCH_POLICY_RULE_COUNT. One that does
 * not need an appraisal speaks about the quote's own words, proven or not.
 */
#define VCH_POLICY_RULE_COUNT 8
const char *vch_policy_rule_name(size_t rule);
bool vch_policy_rule_needs_appraisal(size_t rule);
bool vch_policy_judge_rule(const vouch_policy *policy, size_t rule, const vouch_claims *claims,
                           int64_t now_unix_s, vch_reasons *reasons);

/* For judging tokens, which carry names in place of claims. */
bool vch_policy_accepts_status(const vouch_policy *policy, vouch_tcb_status status);
bool vch_policy_accepts_advisory(const vouch_policy *policy, const char *id, int64_t now_unix_s);

#define VCH_TCB_STATUS_COUNT 9
/* The names of the accepted statuses; returns how many. Constants. */
size_t vch_policy_accepted_statuses(const vouch_policy *policy,
                                    const char *names[static VCH_TCB_STATUS_COUNT]);

#endif
