#include "cli/commands.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "cli/input_files.h"
#include "cli/policy_input.h"
#include "codec/json_writer.h"
#include "host/clock.h"
#include "host/file.h"
#include "identity/passport.h"
#include "policy/policy.h"

#define COMMAND "vouch policy explain"
#define OUTPUT_CAP ((size_t)4 << 20)
#define ROOT_FILE_CAP ((size_t)64 << 10)
#define NOW INT64_MIN /* --at was not given */

VCH_DEFINE_DROP(drop_verifier, vouch_verifier, vouch_verifier_free)
VCH_DEFINE_DROP(drop_collateral, vouch_collateral, vouch_collateral_free)
VCH_DEFINE_DROP(drop_appraisal, vouch_appraisal, vouch_appraisal_free)

typedef struct values {
    vch_common_options common;
    const char *collateral_dir;
    const char *root;
    const char *role;
    int64_t at_unix_s;
} values;

/* The quote and what proves it, out of a quote file or a passport. */
typedef struct subject {
    vch_buffer file;
    vch_passport *passport; /* NULL: `file` is a quote */
    vch_collateral_bytes collateral;
    bool has_collateral;
    vouch_span quote;
    int64_t at_unix_s;
    vch_role role; /* 0: not said */
} subject;

static void subject_drop(subject *s)
{
    vch_passport_free(s->passport);
    vch_collateral_bytes_drop(&s->collateral);
    vch_buffer_drop(&s->file);
}

static vouch_code read_passport(subject *s, vouch_error *err)
{
    vouch_code rc = vch_passport_parse(vch_buffer_span(&s->file), &s->passport, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_passport_contents *c = vch_passport_contents_of(s->passport);
    s->quote = c->quote;
    s->role = c->role;
    s->collateral.parts = c->collateral;
    s->has_collateral = true;
    s->at_unix_s = c->created_unix_s;
    return VOUCH_OK;
}

static vouch_code read_quote(const values *v, const char *path, subject *s, vouch_error *err)
{
    vch_buffer quote = { 0 };
    vouch_code rc = vch_quote_file_read(path, &quote, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_drop(&s->file);
    s->file = quote;
    s->quote = vch_buffer_span(&s->file);
    s->at_unix_s = vch_clock_unix_s();
    s->has_collateral = v->collateral_dir != NULL;
    return s->has_collateral
               ? vch_collateral_files_read(v->collateral_dir, s->quote, &s->collateral, err)
               : VOUCH_OK;
}

static vouch_code read_subject(const values *v, const char *path, subject *s, vouch_error *err)
{
    vouch_code rc = vch_file_read(path, VCH_PASSPORT_MAX_SIZE, &s->file, err);
    if (rc != VOUCH_OK)
        return rc;
    bool passport = s->file.size > 0 && s->file.data[0] == '{';
    rc = passport ? read_passport(s, err) : read_quote(v, path, s, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%s'", path);
    if (v->at_unix_s != NOW)
        s->at_unix_s = v->at_unix_s;
    if (v->role != NULL)
        rc = vch_role_parse(v->role, &s->role, err);
    return rc;
}

static vouch_code choose_policy(const vch_policy_input *input, vch_role role,
                                const vouch_policy **out, vouch_error *err)
{
    *out = input->policy;
    if (input->file != NULL && role == 0)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "an attestation.yaml holds a policy for each role; "
                          "say which with --role");
    if (input->file != NULL)
        *out = vch_attestation_file_policy(input->file, role);
    if (*out == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "the file does not ask this role for evidence");
    return VOUCH_OK;
}

/* Appraised without a policy, so that every rule can then be asked alone. */
static vouch_code appraise(const values *v, const subject *s, vouch_appraisal **out,
                           vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer root = { 0 };
    VCH_SCOPED(drop_verifier) vouch_verifier *verifier = NULL;
    VCH_SCOPED(drop_collateral) vouch_collateral *collateral = NULL;
    vouch_verifier_options verifier_options = { 0 };
    vouch_span span = { NULL, 0 };
    vouch_code rc = VOUCH_OK;
    if (v->root != NULL) {
        rc = vch_file_read(v->root, ROOT_FILE_CAP, &root, err);
        span = vch_buffer_span(&root);
        verifier_options.roots = &span;
        verifier_options.root_count = 1;
    }
    if (rc == VOUCH_OK)
        rc = vouch_verifier_new(&verifier_options, &verifier, err);
    if (rc == VOUCH_OK)
        rc = vouch_collateral_parse(&s->collateral.parts, &collateral, err);
    if (rc != VOUCH_OK)
        return rc;
    const vouch_request request = { .quote = s->quote,
                                    .collateral = collateral,
                                    .now_unix_s = s->at_unix_s };
    return vouch_verifier_appraise(verifier, &request, out, err);
}

typedef struct explanation {
    const vouch_policy *policy;
    const vouch_appraisal *appraisal; /* NULL: there was no collateral */
    vouch_claims claims;
    bool proven;
    int64_t at_unix_s;
    bool refuses;
} explanation;

static void show_rule_text(FILE *out, const char *verdict, const char *name,
                           const vch_reasons *reasons)
{
    (void)fprintf(out, "  %-10s %s\n", verdict, name);
    for (size_t i = 0; i < reasons->count; i++) {
        const vch_reason *r = &reasons->list[i];
        (void)fprintf(out, "             %s: %s%s%s%s%s\n", r->code, r->message,
                      r->expected[0] != 0 ? "; wanted " : "", r->expected,
                      r->actual[0] != 0 ? "; found " : "", r->actual);
    }
}

static void show_rule_json(vch_json_writer *w, const char *verdict, const char *name,
                           const vch_reasons *reasons)
{
    vch_json_begin_object(w);
    vch_json_put_string(w, "rule", name);
    vch_json_put_string(w, "verdict", verdict);
    vch_json_key(w, "reasons");
    vch_json_begin_array(w);
    for (size_t i = 0; i < reasons->count; i++) {
        const vch_reason *r = &reasons->list[i];
        vch_json_begin_object(w);
        vch_json_put_string(w, "step", r->step);
        vch_json_put_string(w, "code", r->code);
        vch_json_put_string(w, "message", r->message);
        vch_json_put_string(w, "expected", r->expected);
        vch_json_put_string(w, "actual", r->actual);
        vch_json_end(w);
    }
    vch_json_end(w);
    vch_json_end(w);
}

/* Every rule in turn; `w` or `out` is NULL. */
static void show_rules(explanation *e, vch_json_writer *w, FILE *out)
{
    for (size_t rule = 0; rule < VCH_POLICY_RULE_COUNT; rule++) {
        VCH_SCOPED(vch_reasons_drop) vch_reasons reasons = { 0 };
        const char *verdict = "not judged";
        if (e->proven || !vch_policy_rule_needs_appraisal(rule)) {
            bool good = vch_policy_judge_rule(e->policy, rule, &e->claims, e->at_unix_s, &reasons);
            verdict = good ? "holds" : "refuses";
            e->refuses = e->refuses || !good;
        }
        if (w != NULL)
            show_rule_json(w, verdict, vch_policy_rule_name(rule), &reasons);
        else
            show_rule_text(out, verdict, vch_policy_rule_name(rule), &reasons);
    }
}

static const char *result_of(const explanation *e)
{
    bool disproven = e->appraisal != NULL && !e->proven;
    if (e->refuses || disproven)
        return "reject";
    return e->proven ? "ok" : "unproven";
}

static void print_text(FILE *out, explanation *e)
{
    for (size_t i = 0; e->appraisal != NULL && i < vouch_appraisal_reason_count(e->appraisal);
         i++) {
        vouch_reason r = vouch_appraisal_reason(e->appraisal, i);
        (void)fprintf(out, "refused by %s (%s): %s\n", r.step, r.code, r.message);
    }
    if (!e->proven)
        (void)fprintf(out, "What the quote says is not proven%s. As far as it goes:\n",
                      e->appraisal == NULL ? " (give --collateral-dir)" : "");
    show_rules(e, NULL, out);
    (void)fprintf(out, "%s\n", result_of(e));
}

static void print_object(vch_json_writer *w, explanation *e)
{
    uint8_t digest[32];
    vouch_policy_digest(e->policy, digest);
    vch_json_begin_object(w);
    vch_json_put_hex(w, "policy_digest", (vouch_span) { digest, sizeof digest });
    vch_json_put_bool(w, "proven", e->proven);
    vch_json_put_moment(w, "judged_at", e->at_unix_s);
    vch_json_key(w, "rules");
    vch_json_begin_array(w);
    show_rules(e, w, NULL);
    vch_json_end(w);
    vch_json_key(w, "reasons");
    vch_json_begin_array(w);
    for (size_t i = 0; e->appraisal != NULL && i < vouch_appraisal_reason_count(e->appraisal);
         i++) {
        vouch_reason r = vouch_appraisal_reason(e->appraisal, i);
        vch_json_begin_object(w);
        vch_json_put_string(w, "step", r.step);
        vch_json_put_string(w, "code", r.code);
        vch_json_put_string(w, "message", r.message);
        vch_json_end(w);
    }
    vch_json_end(w);
    vch_json_put_string(w, "result", result_of(e));
    vch_json_end(w);
}

/* Once it is explained: the rules are counted on the way. */
static int status_of(const explanation *e)
{
    return strcmp(result_of(e), "reject") == 0 ? VCH_EXIT_NO : VCH_EXIT_DONE;
}

static int print(const vch_runtime *rt, bool json, explanation *e)
{
    if (json) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
        vch_json_writer w = vch_json_writer_over(&out, true);
        print_object(&w, e);
        return vch_command_answer(rt, COMMAND, &out, status_of(e));
    }
    print_text(rt->out, e);
    return status_of(e);
}

static int explain(const vch_runtime *rt, const values *v, const vch_operands *operands)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_policy_input_drop) vch_policy_input input = { 0 };
    VCH_SCOPED(subject_drop) subject s = { 0 };
    VCH_SCOPED(drop_appraisal) vouch_appraisal *appraisal = NULL;
    explanation e = { 0 };
    vouch_code rc = vch_policy_input_read(rt, operands->item[0], &input, &err);
    if (rc == VOUCH_OK)
        rc = read_subject(v, operands->item[1], &s, &err);
    if (rc == VOUCH_OK)
        rc = choose_policy(&input, s.role, &e.policy, &err);
    if (rc == VOUCH_OK)
        rc = vouch_quote_read(s.quote, &e.claims, &err);
    if (rc == VOUCH_OK && s.has_collateral)
        rc = appraise(v, &s, &appraisal, &err);
    if (rc != VOUCH_OK) {
        int status = vch_command_fail(rt, COMMAND, rc, &err);
        bool malformed = rc == VOUCH_E_FORMAT || rc == VOUCH_E_TRUNCATED
                         || rc == VOUCH_E_UNSUPPORTED || rc == VOUCH_E_LIMIT;
        return malformed ? VCH_EXIT_NO : status;
    }
    e.appraisal = appraisal;
    e.at_unix_s = s.at_unix_s;
    e.proven = vouch_appraisal_is_genuine(appraisal);
    if (e.proven)
        e.claims = *vouch_appraisal_claims(appraisal);
    return print(rt, v->common.json, &e);
}

int vch_cmd_policy_explain(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_option options[] = {
        { .name = "collateral-dir",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(values, collateral_dir),
          .argument = "DIR|FILE",
          .help = "collateral for a QUOTE; without it only the quote's own words are judged" },
        { .name = "root",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(values, root),
          .argument = "PEM",
          .help = "trust this root certificate in place of Intel's" },
        { .name = "role",
          .kind = VCH_OPTION_CHOICE,
          .offset = offsetof(values, role),
          .argument = "ROLE",
          .choices = "aggregator|collaborator",
          .help = "whose policy, if FILE is an attestation.yaml; a PASSPORT says it itself" },
        { .name = "at",
          .kind = VCH_OPTION_MOMENT,
          .offset = offsetof(values, at_unix_s),
          .argument = "TIME",
          .help = "the moment to judge at; otherwise now, or when the PASSPORT was made" },
        VCH_COMMON_OPTIONS(values),
    };
    static const vch_usage usage = {
        .command = COMMAND,
        .operands = "FILE QUOTE|PASSPORT",
        .summary = "Say what each rule of a policy makes of a quote or a passport.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operands_min = 2,
        .operands_max = 2
    };
    values v = { .at_unix_s = NOW };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    return explain(rt, &v, &operands);
}
