#include "cli/commands.h"

#include <stddef.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "cli/input_failed.h"
#include "cli/passport_input.h"
#include "cli/passport_view.h"
#include "vouch/evidence.h"

#define COMMAND_SHOW "vouch passport show"
#define COMMAND_VERIFY "vouch passport verify"
#define NOW INT64_MIN /* --at was not given */

typedef struct show_values {
    vch_common_options common;
} show_values;

static int show(const vch_runtime *rt, bool json, const char *path)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_passport_drop) vch_passport *p = NULL;
    vouch_claims quote = { 0 };
    vouch_code rc = vch_passport_file_read(path, &p, &err);
    if (rc == VOUCH_OK)
        rc = vouch_quote_read(vch_passport_contents_of(p)->quote, &quote, &err);
    if (rc != VOUCH_OK)
        return vch_input_failed(rt, COMMAND_SHOW, json, rc, &err);
    return vch_passport_show(rt, COMMAND_SHOW, json, vch_passport_contents_of(p), &quote);
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
    const char *plan;
    const char *release;
    const char *export_root;
    int64_t at_unix_s;
} verify_values;

static int verify(const vch_runtime *rt, const verify_values *v, const char *path)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_passport_input_drop) vch_passport_input input = { 0 };
    vch_passport_verdict verdict = { 0 };
    const vch_passport_question question = { .passport = path,
                                             .policy = v->policy,
                                             .plan = v->plan,
                                             .release = v->release,
                                             .at_given = v->at_unix_s != NOW,
                                             .at_unix_s = v->at_unix_s };
    vouch_code rc = vch_passport_input_read(rt, &question, &input, &err);
    if (rc == VOUCH_OK && v->export_root != NULL && input.policy.file == NULL)
        rc = vouch_fail(&err, VOUCH_E_CONFIG,
                        "--export-root needs the federation's attestation.yaml as --policy: a bare "
                        "policy does not say whose passport it must be");
    if (rc == VOUCH_OK)
        rc = vch_passport_input_judge(&input, &question, &verdict, &err);
    if (rc != VOUCH_OK)
        return vch_input_failed(rt, COMMAND_VERIFY, v->common.json, rc, &err);
    int status = vch_passport_verdict_show(rt, COMMAND_VERIFY, v->common.json, &verdict);
    if (status != VCH_EXIT_DONE || v->export_root == NULL)
        return status;
    rc = vch_passport_root_write(input.passport, v->export_root, &err);
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
        { .name = "plan",
          .letter = 'p',
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(verify_values, plan),
          .argument = "FILE",
          .help = "the plan that it must be for; otherwise this is not compared, and said so" },
        { .name = "openfl-release",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(verify_values, release),
          .argument = "RELEASE",
          .fallback = VCH_RELEASE_DEFAULT,
          .help = "whose defaults the plan has" },
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
