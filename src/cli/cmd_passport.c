#include "cli/commands.h"

#include <stddef.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "cli/input_failed.h"
#include "cli/passport_view.h"
#include "cli/policy_input.h"
#include "crypto/pem.h"
#include "host/clock.h"
#include "host/file.h"
#include "identity/passport.h"
#include "vouch/evidence.h"

#define COMMAND_SHOW "vouch passport show"
#define COMMAND_VERIFY "vouch passport verify"
#define OUTPUT_CAP ((size_t)1 << 20)
#define NOW INT64_MIN /* --at was not given */

static int print_json(const vch_runtime *rt, const char *command, vch_buffer *out, int status)
{
    vouch_error err = { 0 };
    vch_buffer_u8(out, '\n');
    vouch_code rc = vch_buffer_finish(out, "output", &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, command, rc, &err);
    (void)fwrite(out->data, 1, out->size, rt->out);
    return status;
}

static vouch_code read_passport(const char *path, vch_passport **out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(path, VCH_PASSPORT_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_passport_parse(vch_buffer_span(&text), out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s'", path);
}

typedef struct show_values {
    vch_common_options common;
} show_values;

static int show(const vch_runtime *rt, bool json, const char *path)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_passport_drop) vch_passport *p = NULL;
    vouch_claims quote = { 0 };
    vouch_code rc = read_passport(path, &p, &err);
    if (rc == VOUCH_OK)
        rc = vouch_quote_read(vch_passport_contents_of(p)->quote, &quote, &err);
    if (rc != VOUCH_OK)
        return vch_input_failed(rt, COMMAND_SHOW, json, rc, &err);
    if (!json) {
        vch_passport_show_print(rt->out, vch_passport_contents_of(p), &quote);
        return VCH_EXIT_DONE;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_passport_show_json(&w, vch_passport_contents_of(p), &quote);
    return print_json(rt, COMMAND_SHOW, &out, VCH_EXIT_DONE);
}

int vch_cmd_passport_show(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_option options[] = { VCH_COMMON_OPTIONS(show_values) };
    static const vch_usage usage = { .command = COMMAND_SHOW,
                                     .operands = "FILE",
                                     .summary = "Show what a passport says, unverified.",
                                     .options = options,
                                     .option_count = sizeof options / sizeof *options,
                                     .operands_min = 1,
                                     .operands_max = 1 };
    show_values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    return show(rt, v.common.json, operands.item[0]);
}

typedef struct verify_values {
    vch_common_options common;
    const char *policy;
    const char *export_root;
    int64_t at_unix_s;
} verify_values;

/* Only what the verdict vouches for leaves: the CA of an aggregator that the federation admits. */
static vouch_code export_root(const vch_passport_contents *c, const char *path, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    if (c->ca.size == 0)
        return vouch_fail(err, VOUCH_E_REFUSED, "the passport of '%s' holds no federation root",
                          c->name);
    vch_pem_encode(VCH_PEM_CERTIFICATE, c->ca, &pem);
    vouch_code rc = vch_buffer_finish(&pem, "root", err);
    return rc == VOUCH_OK ? vch_file_write(path, vch_buffer_span(&pem), 0644, err) : rc;
}

static int print_verdict(const vch_runtime *rt, bool json, const vch_passport_verdict *verdict)
{
    int status = vch_admission_admits(&verdict->admission) ? VCH_EXIT_DONE : VCH_EXIT_NO;
    if (!json) {
        vch_passport_verdict_print(rt->out, verdict);
        return status;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_passport_verdict_json(&w, verdict);
    return print_json(rt, COMMAND_VERIFY, &out, status);
}

static int verify(const vch_runtime *rt, const verify_values *v, const char *path)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_policy_input_drop) vch_policy_input policy = { 0 };
    VCH_SCOPED(vch_passport_drop) vch_passport *p = NULL;
    vch_passport_verdict verdict = { 0 };
    vouch_code rc = vch_policy_input_read(rt, v->policy, &policy, &err);
    if (rc == VOUCH_OK && v->export_root != NULL && policy.file == NULL)
        rc = vouch_fail(&err, VOUCH_E_CONFIG,
                        "--export-root needs the federation's attestation.yaml as --policy: a bare "
                        "policy does not say whose passport it must be");
    if (rc == VOUCH_OK)
        rc = read_passport(path, &p, &err);
    if (rc == VOUCH_OK) {
        const vch_passport_expectation expected = { .file = policy.file,
                                                    .policy = policy.policy,
                                                    .at_given = v->at_unix_s != NOW,
                                                    .at_unix_s = v->at_unix_s,
                                                    .now_unix_s = vch_clock_unix_s() };
        rc = vch_passport_verify(p, &expected, &verdict, &err);
    }
    if (rc != VOUCH_OK)
        return vch_input_failed(rt, COMMAND_VERIFY, v->common.json, rc, &err);
    int status = print_verdict(rt, v->common.json, &verdict);
    if (status != VCH_EXIT_DONE || v->export_root == NULL)
        return status;
    rc = export_root(vch_passport_contents_of(p), v->export_root, &err);
    return rc == VOUCH_OK ? status : vch_command_fail(rt, COMMAND_VERIFY, rc, &err);
}

int vch_cmd_passport_verify(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_option options[] = {
        { .name = "policy",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(verify_values, policy),
          .argument = "FILE",
          .help = "the federation's attestation.yaml, or a vouch policy file",
          .required = true },
        { .name = "at",
          .kind = VCH_OPTION_MOMENT,
          .offset = offsetof(verify_values, at_unix_s),
          .argument = "TIME",
          .help = "the moment to judge at; otherwise when the passport was made" },
        { .name = "export-root",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(verify_values, export_root),
          .argument = "OUT.pem",
          .help = "write the federation's root that the verified aggregator vouches for" },
        VCH_COMMON_OPTIONS(verify_values),
    };
    static const vch_usage usage = {
        .command = COMMAND_VERIFY,
        .operands = "FILE",
        .summary = "Verify a passport offline and explain each check.",
        .details =
            "--policy is told apart by its top-level key `federation`. With attestation.yaml the\n"
            "passport is held to everything that a connection would be: participants, enrolment,\n"
            "policy, measurement, TCB, token. With a bare policy file only the evidence is "
            "judged,\n"
            "not whose it is; no root is exported then.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operands_min = 1,
        .operands_max = 1
    };
    verify_values v = { .at_unix_s = NOW };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    return verify(rt, &v, operands.item[0]);
}
