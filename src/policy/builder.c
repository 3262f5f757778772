#include "policy/builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "policy/builder_claims.h"

#define DEPTH 8
#define VALUES_MAX 256
#define EXPORT_NAME_MAX 100

const char vch_policy_rego_refusal[] = "this is Rego, which is not evaluated here: write a Vouch "
                                       "policy (YAML), or the JSON of Intel's "
                                       "Policy Builder";

struct vch_builder_policy {
    vch_json *tree;
    vouch_tee tee;
    const vch_json *rules; /* of the tree; NULL: it only exports */
    vch_builder_export exports[VCH_BUILDER_EXPORTS_MAX];
    size_t export_count;
};

void vch_builder_free(vch_builder_policy *policy)
{
    if (policy == NULL)
        return;
    vch_json_free(policy->tree);
    free(policy);
}

/* --- what it is written in --- */

/* The first word that is neither blank nor in a comment. */
static vouch_span first_word(vouch_span text)
{
    static const char blanks[] = " \t\r\n";
    size_t at = 0;
    while (at < text.size && (text.data[at] == '#' || strchr(blanks, text.data[at]) != NULL)) {
        bool comment = text.data[at] == '#';
        while (comment && at < text.size && text.data[at] != '\n')
            at++;
        at += comment ? 0 : 1;
    }
    size_t end = at;
    while (end < text.size && strchr(" \t\r\n:=[{(", text.data[end]) == NULL)
        end++;
    return (vouch_span) { text.data == NULL ? NULL : text.data + at, end - at };
}

/* YAML's keys have a colon after them; no key of ours is one of these words. */
static bool is_rego_word(vouch_span word)
{
    static const char *const words[] = { "package",
                                         "import",
                                         "default",
                                         "match",
                                         "export",
                                         "exportonmatch",
                                         "ExportOnMatch",
                                         "allow",
                                         "matches_sgx_policy",
                                         "matches_tdx_policy",
                                         "get_token_fields" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (vch_span_is(word, words[i]))
            return true;
    }
    return word.size > 3 && memcmp(word.data, "eyJ", 3) == 0; /* Intel's signed form: a JWT */
}

static vch_policy_form form_of_json(vouch_span text)
{
    static const vch_json_limits limits = { VCH_BUILDER_MAX_SIZE, DEPTH };
    VCH_SCOPED(vch_json_drop) vch_json *tree = NULL;
    if (vch_json_parse(text, &limits, &tree, NULL) != VOUCH_OK)
        return VCH_POLICY_VOUCH;
    const vch_json *policy = vch_json_member(tree, "policy");
    if (policy == NULL)
        return VCH_POLICY_VOUCH;
    return vch_json_kind_of(policy) == VCH_JSON_STRING ? VCH_POLICY_REGO : VCH_POLICY_BUILDER;
}

vch_policy_form vch_policy_form_of(vouch_span text)
{
    vouch_span word = first_word(text);
    if (is_rego_word(word))
        return VCH_POLICY_REGO;
    bool braces = word.data != NULL && word.size == 0 && word.data < text.data + text.size
                  && word.data[0] == '{';
    return braces ? form_of_json(text) : VCH_POLICY_VOUCH;
}

/* --- parsing --- */

static vouch_code check_list(const char *claim, const vch_json *list, vouch_error *err)
{
    size_t count = vch_json_count(list);
    if (count > VALUES_MAX)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' has %zu values; at most %d", claim, count,
                          VALUES_MAX);
    if (count == 0 && strcmp(claim, "allowed_advisory_ids") != 0)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' lists no value: nothing can match", claim);
    return VOUCH_OK;
}

static vouch_code check_rule(void *context, const char *name, const vch_json *value,
                             vouch_error *err)
{
    const vch_builder_policy *p = context;
    const vch_builder_claim *claim = vch_builder_claim_find(name);
    if (claim == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%.64s' is no claim that a policy can name", name);
    if (claim->tee != VOUCH_TEE_NONE && claim->tee != p->tee)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is a claim of another TEE", name);
    if (vch_json_kind_of(value) == VCH_JSON_ARRAY) {
        vouch_code rc = check_list(name, value, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return vch_builder_claim_check(claim, value, err);
}

static vouch_code read_rules(vch_builder_policy *p, const vch_json *rules, vouch_error *err)
{
    if (vch_json_count(rules) == 0)
        return vouch_fail(err, VOUCH_E_CONFIG, "it names no claim: every %s would match",
                          p->tee == VOUCH_TEE_TDX ? "TD" : "enclave");
    if (vch_json_member(rules, "sgx_isvsvn") != NULL
        && vch_json_member(rules, "sgx_isvsvn_min") != NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "sgx_isvsvn and sgx_isvsvn_min exclude each other");
    p->rules = rules;
    return vch_json_each(rules, check_rule, p, err);
}

/* What the service itself says under these names must not be written over. */
static bool is_free_name(const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < size; i++) {
        if (name[i] < 0x20 || name[i] > 0x7e)
            return false;
    }
    return size > 0 && size <= EXPORT_NAME_MAX && strcmp(name, "simulated") != 0
           && strcmp(name, "root_sha256") != 0;
}

static vouch_code read_export(void *context, const char *claim, const vch_json *value,
                              vouch_error *err)
{
    vch_builder_policy *p = context;
    const char *name = vch_json_text(value);
    if (!vch_builder_claim_exports(claim, p->tee))
        return vouch_fail(err, VOUCH_E_CONFIG, "'%.64s' is no claim that can be exported", claim);
    if (name == NULL || !is_free_name(name))
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "'%s' needs a name of 1 to %d printable characters that is not the "
                          "service's own (simulated, root_sha256)",
                          claim, EXPORT_NAME_MAX);
    for (size_t i = 0; i < p->export_count; i++) {
        if (strcmp(p->exports[i].name, name) == 0)
            return vouch_fail(err, VOUCH_E_CONFIG, "two claims are exported as '%s'", name);
    }
    if (p->export_count == VCH_BUILDER_EXPORTS_MAX)
        return vouch_fail(err, VOUCH_E_CONFIG, "at most %d claims can be exported",
                          VCH_BUILDER_EXPORTS_MAX);
    p->exports[p->export_count++] = (vch_builder_export) { name, claim };
    return VOUCH_OK;
}

typedef struct form {
    const char *name;
    vouch_tee tee;
    bool exports;
} form;

/* Every part of one policy speaks about the same TEE: a quote is of one. */
static vouch_code read_part(vch_builder_policy *p, const form *f, const vch_json *value,
                            vouch_error *err)
{
    if (vch_json_kind_of(value) != VCH_JSON_OBJECT)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is not an object", f->name);
    if (p->tee != VOUCH_TEE_NONE && p->tee != f->tee)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "'%s': a quote is of one TEE, so a policy about two never matches",
                          f->name);
    p->tee = f->tee;
    vouch_code rc =
        f->exports ? vch_json_each(value, read_export, p, err) : read_rules(p, value, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s'", f->name);
}

static vouch_code read_known(vch_builder_policy *p, const form *forms, size_t count,
                             const char *name, const vch_json *value, vouch_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(forms[i].name, name) == 0)
            return read_part(p, &forms[i], value, err);
    }
    bool foreign =
        strcmp(name, "nvgpu") == 0 || strcmp(name, "tpm") == 0 || strcmp(name, "sevsnp") == 0;
    if (foreign)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "'%s' evidence is not appraised here", name);
    return vouch_fail(err, VOUCH_E_CONFIG, "'%.64s' is no part of a policy", name);
}

static vouch_code read_composite_export(void *context, const char *name, const vch_json *value,
                                        vouch_error *err)
{
    static const form forms[] = { { "sgx", VOUCH_TEE_SGX, true }, { "tdx", VOUCH_TEE_TDX, true } };
    return read_known(context, forms, 2, name, value, err);
}

static vouch_code read_composite(void *context, const char *name, const vch_json *value,
                                 vouch_error *err)
{
    static const form forms[] = { { "sgx", VOUCH_TEE_SGX, false },
                                  { "tdx", VOUCH_TEE_TDX, false } };
    if (strcmp(name, "export") != 0)
        return read_known(context, forms, 2, name, value, err);
    if (vch_json_kind_of(value) != VCH_JSON_OBJECT)
        return vouch_fail(err, VOUCH_E_CONFIG, "'export' is not an object");
    vouch_code rc = vch_json_each(value, read_composite_export, context, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'export'");
}

static vouch_code read_top(void *context, const char *name, const vch_json *value, vouch_error *err)
{
    static const form forms[] = { { "sgx_appraisal", VOUCH_TEE_SGX, false },
                                  { "tdx_appraisal", VOUCH_TEE_TDX, false },
                                  { "sgx_customization", VOUCH_TEE_SGX, true },
                                  { "tdx_customization", VOUCH_TEE_TDX, true } };
    if (strcmp(name, "composite_appraisal") != 0)
        return read_known(context, forms, sizeof forms / sizeof *forms, name, value, err);
    if (vch_json_kind_of(value) != VCH_JSON_OBJECT)
        return vouch_fail(err, VOUCH_E_CONFIG, "'composite_appraisal' is not an object");
    vouch_code rc = vch_json_each(value, read_composite, context, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'composite_appraisal'");
}

static vouch_code read_policy(vch_builder_policy *p, vouch_error *err)
{
    static const char *const names[] = { "policy", NULL };
    const vch_json *policy = NULL;
    vouch_code rc = vch_json_only(p->tree, names, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_object(p->tree, "policy", &policy, err);
    if (rc != VOUCH_OK)
        return rc;
    if (vch_json_member(policy, "composite_appraisal") != NULL && vch_json_count(policy) > 1)
        return vouch_fail(err, VOUCH_E_CONFIG, "'composite_appraisal' stands alone");
    rc = vch_json_each(policy, read_top, p, err);
    if (rc == VOUCH_OK && p->tee == VOUCH_TEE_NONE)
        rc = vouch_fail(err, VOUCH_E_CONFIG, "the policy is empty");
    return rc;
}

vouch_code vch_builder_parse(const char *name, vouch_span json, vch_builder_policy **out,
                             vouch_error *err)
{
    static const vch_json_limits limits = { VCH_BUILDER_MAX_SIZE, DEPTH };
    VCH_SCOPED(vch_builder_drop) vch_builder_policy *p = calloc(1, sizeof *p);
    if (p == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "policy: out of memory");
    vouch_code rc = vch_policy_form_of(json) == VCH_POLICY_REGO
                        ? vouch_fail(err, VOUCH_E_UNSUPPORTED, "%s", vch_policy_rego_refusal)
                        : vch_json_parse(json, &limits, &p->tree, err);
    if (rc == VOUCH_OK)
        rc = read_policy(p, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "policy '%s'", name);
    *out = VCH_MOVE(p);
    return VOUCH_OK;
}

/* --- judging --- */

typedef struct judgement {
    const vouch_claims *claims;
    int64_t now_unix_s;
    vch_reasons *reasons;
    bool match;
} judgement;

static vouch_code judge_rule(void *context, const char *name, const vch_json *value,
                             vouch_error *err)
{
    judgement *j = context;
    (void)err;
    const vch_builder_claim *claim = vch_builder_claim_find(name);
    if (claim != NULL && vch_builder_claim_holds(claim, value, j->claims, j->now_unix_s))
        return VOUCH_OK;
    VCH_SCOPED(vch_buffer_drop) vch_buffer want = vch_buffer_with_cap(VCH_BUILDER_MAX_SIZE);
    vch_json_writer w = vch_json_writer_over(&want, false);
    vch_json_value(&w, value);
    const char *text = vch_buffer_text(&want);
    j->match = false;
    vch_reasons_add_values(j->reasons, "policy", claim != NULL ? claim->name : "claim",
                           text != NULL ? text : "the policy's", "another",
                           "the policy does not allow this %s", name);
    return VOUCH_OK;
}

bool vch_builder_judge(const vch_builder_policy *policy, const vouch_claims *claims,
                       int64_t now_unix_s, vch_reasons *reasons)
{
    judgement j = { claims, now_unix_s, reasons, true };
    if (claims->tee != policy->tee) {
        vch_reasons_add_values(reasons, "policy", "tee", vouch_tee_name(policy->tee),
                               claims->tee == VOUCH_TEE_NONE ? "none" : vouch_tee_name(claims->tee),
                               "the policy is for another TEE");
        return false;
    }
    if (policy->rules != NULL && vch_json_each(policy->rules, judge_rule, &j, NULL) != VOUCH_OK)
        return false;
    return j.match;
}

size_t vch_builder_exports(const vch_builder_policy *policy, vouch_tee tee,
                           const vch_builder_export **out)
{
    *out = policy->exports;
    return tee == policy->tee ? policy->export_count : 0;
}
