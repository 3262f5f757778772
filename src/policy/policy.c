#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "config/schema.h"
#include "config/yaml_dump.h"
#include "crypto/hash.h"
#include "policy/builder.h"
#include "policy/rules.h"

#define DUMP_MAX_SIZE (8 * VCH_YAML_MAX_SIZE)

static vouch_code put_part(vch_yaml *doc, vch_yaml_node *to, const char *key,
                           const vch_yaml_node *part, vouch_error *err)
{
    return part == NULL ? VOUCH_OK : vch_yaml_put(doc, to, key, part, err);
}

/* The parts that were given, as one mapping: what is dumped for the digest. */
static vouch_code gather(const vch_policy_parts *parts, vch_yaml *doc, vch_yaml_node **out,
                         vouch_error *err)
{
    vch_yaml_node *to = vch_yaml_make_mapping(doc);
    const struct {
        const char *key;
        const vch_yaml_node *part;
    } given[] = {
        { "collateral", parts->collateral },
        { "debug", parts->debug },
        { "measurements", parts->measurements },
        { "platform", parts->platform },
        { "roots", parts->roots },
        { "tcb", parts->tcb },
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        vouch_code rc = put_part(doc, to, given[i].key, given[i].part, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    *out = to;
    return VOUCH_OK;
}

static vouch_code digest_of(const vch_policy_parts *parts, const vch_policy_parts *stricter,
                            uint8_t out[static 32], vouch_error *err)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    vch_yaml_node *all = NULL;
    vch_yaml_node *further = NULL;
    vouch_code rc = vch_yaml_new("policy", &doc, err);
    if (rc == VOUCH_OK)
        rc = gather(parts, doc, &all, err);
    if (rc == VOUCH_OK && stricter != NULL)
        rc = gather(stricter, doc, &further, err);
    if (rc == VOUCH_OK)
        rc = put_part(doc, all, "stricter", further, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(DUMP_MAX_SIZE);
    rc = vch_yaml_dump(all, &text, err);
    return rc == VOUCH_OK ? vch_sha256(vch_buffer_span(&text), out, err) : rc;
}

static vouch_code read_layer(const vch_policy_parts *parts, vch_rules *out, vch_faults *faults,
                             vouch_error *err)
{
    bool out_of_memory = false;
    if (vch_rules_read(parts, out, faults, &out_of_memory))
        return VOUCH_OK;
    /* no fault was noted: then it was memory that ran out, wherever */
    if (out_of_memory || vch_faults_check(faults, NULL) == VOUCH_OK)
        return vouch_fail(err, VOUCH_E_MEMORY, "policy: out of memory");
    return vch_faults_check(faults, err);
}

vouch_code vch_policy_build(const vch_policy_parts *parts, const vch_policy_parts *stricter,
                            vch_faults *faults, vouch_policy **out, vouch_error *err)
{
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "policy: out of memory");
    vouch_code rc = read_layer(parts, &policy->base, faults, err);
    if (stricter != NULL) { /* also after a fault, to report those of both */
        vouch_code second = read_layer(stricter, &policy->stricter, faults, err);
        rc = rc == VOUCH_OK ? second : rc;
    }
    if (rc == VOUCH_OK)
        rc = digest_of(parts, stricter, policy->digest, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_rules_default(&policy->base);
    *out = VCH_MOVE(policy);
    return VOUCH_OK;
}

typedef struct policy_file {
    int64_t version;
    vch_policy_parts parts;
} policy_file;

static const vch_setting file_table[] = {
    { .key = "version",
      .type = VCH_SETTING_INT,
      .offset = offsetof(policy_file, version),
      .min = 1,
      .max = 1,
      .fallback = "1",
      .help = "of this format" },
    { .key = "measurements",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(policy_file, parts.measurements),
      .help = "what may run, one of: {mrenclave}, {mrsigner, prod_id, min_svn}, {mrtd, rtmr0..3, "
              "mrconfigid}; not given: nobody" },
    { .key = "tcb",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(policy_file, parts.tcb),
      .help = "accept, advisories, min_evaluation_number, min_tcb_date" },
    { .key = "platform",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(policy_file, parts.platform),
      .help = "fmspc, instances, ppid, smt, dynamic_platform, cached_keys" },
    { .key = "roots",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(policy_file, parts.roots),
      .min = 1,
      .help = "intel, or SHA-256 of a root certificate; not given: intel" },
    { .key = "collateral",
      .type = VCH_SETTING_MAPPING,
      .offset = offsetof(policy_file, parts.collateral),
      .help = "expired_grace_h" },
    { .key = "debug",
      .type = VCH_SETTING_ANY,
      .offset = offsetof(policy_file, parts.debug),
      .help = "true accepts debug enclaves; not given: false" },
};

/* What people bring from Intel's service is called by its name. */
static vouch_code check_form(const char *name, vouch_span text, vch_faults *faults,
                             vouch_error *err)
{
    vch_policy_form form = vch_policy_form_of(text);
    if (form == VCH_POLICY_REGO)
        vch_faults_add(faults, false, name, 1, 1, "%s", vch_policy_rego_refusal);
    if (form == VCH_POLICY_BUILDER)
        vch_faults_add(
            faults, false, name, 1, 1,
            "this is the JSON of Intel's Policy Builder, which vouch-verifyd takes under "
            "`policies`; everywhere else a Vouch policy (YAML) is wanted");
    return form == VCH_POLICY_VOUCH ? VOUCH_OK : vch_faults_check(faults, err);
}

vouch_code vch_policy_parse_all(const char *name, vouch_span yaml, vch_faults *faults,
                                vouch_policy **out, vouch_error *err)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    policy_file file = { 0 };
    vouch_code rc = check_form(name, yaml, faults, err);
    if (rc == VOUCH_OK)
        rc = vch_yaml_parse(name, yaml, faults, &doc, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_yaml_node *root = vch_yaml_root(doc);
    bool empty = vch_yaml_kind_of(root) == VCH_YAML_NULL;
    bool good = empty
                || vch_schema_read(root, "the policy", file_table,
                                   sizeof file_table / sizeof *file_table, &file, faults);
    if (file.parts.measurements == NULL)
        vch_faults_warn_at(faults, root, "no measurements: nobody is admitted");
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = NULL;
    rc = vch_policy_build(&file.parts, NULL, faults, &policy, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!good)
        return vch_faults_check(faults, err);
    *out = VCH_MOVE(policy);
    return VOUCH_OK;
}

vouch_code vouch_policy_parse(const char *name, vouch_span yaml, vouch_policy **out,
                              vouch_error *err)
{
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    return vch_policy_parse_all(name, yaml, &faults, out, err);
}

vouch_code vch_policy_platform_only(vouch_policy **out, vouch_error *err)
{
    static const char name[] = "platform only";
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "policy: out of memory");
    vouch_code rc = vch_sha256(vch_span_str(name), policy->digest, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_rules_default(&policy->base);
    policy->base.measurements.given = false;
    policy->base.roots.given = false; /* the verifier was given the root that it trusts ... */
    policy->base.grace.given = false; /* ... and its grace */
    *out = VCH_MOVE(policy);
    return VOUCH_OK;
}

void vouch_policy_free(vouch_policy *policy)
{
    if (policy == NULL)
        return;
    vch_rules_drop(&policy->base);
    vch_rules_drop(&policy->stricter);
    free(policy);
}

void vouch_policy_digest(const vouch_policy *policy, uint8_t out[32])
{
    memcpy(out, policy->digest, sizeof policy->digest);
}

int64_t vouch_policy_expired_grace_s(const vouch_policy *policy)
{
    int64_t grace = policy->base.grace.seconds;
    if (policy->stricter.grace.given && policy->stricter.grace.seconds < grace)
        grace = policy->stricter.grace.seconds;
    return grace;
}

static bool layer_accepts_status(const vch_rules *rules, vouch_tcb_status status)
{
    return !rules->accept.given || rules->accept.status[status];
}

bool vch_policy_accepts_status(const vouch_policy *policy, vouch_tcb_status status)
{
    return status > VOUCH_TCB_NONE && status < VOUCH_TCB_REVOKED
           && layer_accepts_status(&policy->base, status)
           && layer_accepts_status(&policy->stricter, status);
}

static bool layer_accepts_advisory(const vch_rules *rules, const char *id, int64_t now_unix_s)
{
    for (size_t i = 0; i < rules->advisories.count; i++) {
        const vch_advisory_rule *a = &rules->advisories.list[i];
        if (strcmp(a->id, id) == 0 && now_unix_s < a->until_unix_s)
            return true;
    }
    return !rules->advisories.given;
}

bool vch_policy_accepts_advisory(const vouch_policy *policy, const char *id, int64_t now_unix_s)
{
    return layer_accepts_advisory(&policy->base, id, now_unix_s)
           && layer_accepts_advisory(&policy->stricter, id, now_unix_s);
}

size_t vch_policy_accepted_statuses(const vouch_policy *policy,
                                    const char *names[static VCH_TCB_STATUS_COUNT])
{
    size_t count = 0;
    for (int s = VOUCH_TCB_UP_TO_DATE; s < VOUCH_TCB_REVOKED; s++) {
        if (vch_policy_accepts_status(policy, (vouch_tcb_status)s))
            names[count++] = vouch_tcb_status_name((vouch_tcb_status)s);
    }
    return count;
}
