#include "cli/commands.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "cli/claims_view.h"
#include "cli/input_files.h"
#include "cli/quote_view.h"
#include "host/clock.h"
#include "host/file.h"
#include "policy/policy.h"

#define OUTPUT_CAP ((size_t)1 << 20)
#define POLICY_FILE_CAP ((size_t)1 << 20)
#define ROOT_FILE_CAP ((size_t)64 << 10)
#define COMMAND_VERIFY "vouch quote verify"
#define COMMAND_SHOW "vouch quote show"

VCH_DEFINE_DROP(drop_verifier, vouch_verifier, vouch_verifier_free)
VCH_DEFINE_DROP(drop_collateral, vouch_collateral, vouch_collateral_free)
VCH_DEFINE_DROP(drop_appraisal, vouch_appraisal, vouch_appraisal_free)

typedef struct verify_values {
    vch_common_options common;
    const char *collateral_dir;
    const char *root;
    const char *policy;
    int64_t at_unix_s;
    bool raw_verdict;
} verify_values;

#define NOW INT64_MIN /* --at was not given */

/* CLI.md: what could not be read is said as a refusal of the step `input`, too. */
static int input_failed(const vch_runtime *rt, const verify_values *v, vouch_code rc,
                        const vouch_error *err)
{
    int status = vch_command_fail(rt, COMMAND_VERIFY, rc, err);
    if (rc == VOUCH_E_LIMIT) /* it could be read, and is no quote or collateral */
        status = VCH_EXIT_NO;
    if (!v->common.json)
        return status;
    char text[1024];
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "result", "reject");
    vch_json_put_string(&w, "tcb_status", NULL);
    vch_json_key(&w, "advisory_ids");
    vch_json_begin_array(&w);
    vch_json_end(&w);
    vch_json_key(&w, "reasons");
    vch_json_begin_array(&w);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "step", "input");
    vch_json_put_string(&w, "code", vouch_code_name(rc));
    vch_json_put_string(&w, "message", vouch_error_text(err, text, sizeof text));
    vch_json_end(&w);
    vch_json_end(&w);
    vch_json_end(&w);
    return vch_command_answer(rt, COMMAND_VERIFY, &out, status);
}

static vouch_code make_policy(const verify_values *v, vouch_policy **out, vouch_error *err)
{
    if (v->raw_verdict)
        return VOUCH_OK;
    if (v->policy == NULL)
        return vch_policy_platform_only(out, err);
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(v->policy, POLICY_FILE_CAP, &text, err);
    return rc != VOUCH_OK ? rc : vouch_policy_parse(v->policy, vch_buffer_span(&text), out, err);
}

static vouch_code make_verifier(const verify_values *v, const vouch_policy *policy,
                                vouch_verifier **out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer root = { 0 };
    vouch_span span = { 0 };
    vouch_verifier_options options = { 0 };
    if (policy != NULL)
        options.expired_grace_s = vouch_policy_expired_grace_s(policy);
    if (v->root != NULL) {
        vouch_code rc = vch_file_read(v->root, ROOT_FILE_CAP, &root, err);
        if (rc != VOUCH_OK)
            return rc;
        span = vch_buffer_span(&root);
        options.roots = &span;
        options.root_count = 1;
    }
    vouch_code rc = vouch_verifier_new(&options, out, err);
    if (rc == VOUCH_OK || rc == VOUCH_E_MEMORY || rc == VOUCH_E_CRYPTO)
        return rc;
    return vouch_wrap(err, VOUCH_E_CONFIG, "--root '%s'", v->root);
}

static int print_verdict(const vch_runtime *rt, const verify_values *v, const vouch_appraisal *a,
                         int64_t now_unix_s)
{
    bool good = v->raw_verdict ? vouch_appraisal_is_genuine(a) : vouch_appraisal_admits(a);
    int status = good ? VCH_EXIT_DONE : VCH_EXIT_NO;
    if (!v->common.json) {
        vch_verdict_print(rt->out, a, good, now_unix_s);
        return status;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_verdict_json(&w, a, good, now_unix_s);
    vch_json_end(&w);
    return vch_command_answer(rt, COMMAND_VERIFY, &out, status);
}

static int verify(const vch_runtime *rt, const verify_values *v, const char *path)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_policy_drop) vouch_policy *policy = NULL;
    VCH_SCOPED(drop_verifier) vouch_verifier *verifier = NULL;
    VCH_SCOPED(drop_collateral) vouch_collateral *collateral = NULL;
    VCH_SCOPED(drop_appraisal) vouch_appraisal *appraisal = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = { 0 };
    VCH_SCOPED(vch_collateral_bytes_drop) vch_collateral_bytes files = { 0 };
    int64_t now_unix_s = v->at_unix_s == NOW ? vch_clock_unix_s() : v->at_unix_s;
    vouch_code rc = make_policy(v, &policy, &err);
    if (rc == VOUCH_OK)
        rc = make_verifier(v, policy, &verifier, &err);
    if (rc == VOUCH_OK)
        rc = vch_quote_file_read(path, &quote, &err);
    bool good_quote = rc == VOUCH_OK;
    if (rc == VOUCH_OK)
        rc = vch_collateral_files_read(v->collateral_dir, vch_buffer_span(&quote), &files, &err);
    if (good_quote && (rc == VOUCH_E_FORMAT || rc == VOUCH_E_UNSUPPORTED)) {
        (void)input_failed(rt, v, rc, &err);
        return VCH_EXIT_NO; /* it could be read, and is no bundle */
    }
    if (rc == VOUCH_OK)
        rc = vouch_collateral_parse(&files.parts, &collateral, &err);
    if (rc == VOUCH_OK)
        rc = vouch_verifier_appraise(verifier,
                                     &(vouch_request) { .quote = vch_buffer_span(&quote),
                                                        .collateral = collateral,
                                                        .policy = policy,
                                                        .now_unix_s = now_unix_s },
                                     &appraisal, &err);
    if (rc != VOUCH_OK)
        return input_failed(rt, v, rc, &err);
    return print_verdict(rt, v, appraisal, now_unix_s);
}

int vch_cmd_quote_verify(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_option options[] = {
        { .name = "collateral-dir",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(verify_values, collateral_dir),
          .argument = "DIR|FILE",
          .help = "a directory (tcb_info.json, qe_identity.json, CRLs, issuer chains) or a bundle",
          .required = true },
        { .name = "root",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(verify_values, root),
          .argument = "PEM",
          .help = "trust this root certificate in place of Intel's" },
        { .name = "at",
          .kind = VCH_OPTION_MOMENT,
          .offset = offsetof(verify_values, at_unix_s),
          .argument = "TIME",
          .help = "the moment to verify at; otherwise now" },
        { .name = "policy",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(verify_values, policy),
          .argument = "FILE",
          .help = "judge by this policy; otherwise debug, Revoked, OutOfDate ... are refused" },
        { .name = "raw-verdict",
          .kind = VCH_OPTION_FLAG,
          .offset = offsetof(verify_values, raw_verdict),
          .help = "apply no policy: is it genuine, and what is its TCB status?" },
        VCH_COMMON_OPTIONS(verify_values),
    };
    static const vch_usage usage = { .command = COMMAND_VERIFY,
                                     .operands = "FILE",
                                     .summary = "Verify an SGX or TDX quote (raw or base64).",
                                     .options = options,
                                     .option_count = sizeof options / sizeof *options,
                                     .operands_min = 1,
                                     .operands_max = 1 };
    verify_values v = { .at_unix_s = NOW };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    if (v.policy != NULL && v.raw_verdict) {
        vouch_error err = { 0 };
        vouch_code rc = vouch_fail(&err, VOUCH_E_CONFIG,
                                   "--raw-verdict applies no policy: give "
                                   "either it or --policy");
        return vch_command_fail(rt, COMMAND_VERIFY, rc, &err);
    }
    return verify(rt, &v, operands.item[0]);
}

typedef struct show_values {
    vch_common_options common;
} show_values;

int vch_cmd_quote_show(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_option options[] = { VCH_COMMON_OPTIONS(show_values) };
    static const vch_usage usage = { .command = COMMAND_SHOW,
                                     .operands = "FILE",
                                     .summary = "Show what a quote says, proving none of it.",
                                     .options = options,
                                     .option_count = sizeof options / sizeof *options,
                                     .operands_min = 1,
                                     .operands_max = 1 };
    show_values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = { 0 };
    vouch_code rc = vch_quote_file_read(operands.item[0], &quote, &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, COMMAND_SHOW, rc, &err);
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    rc = vch_quote_view(vch_buffer_span(&quote), v.common.json, rt->out, &out, &err);
    if (rc != VOUCH_OK) {
        (void)vch_command_fail(rt, COMMAND_SHOW, rc, &err);
        return VCH_EXIT_NO; /* read, and not a quote */
    }
    return v.common.json ? vch_command_answer(rt, COMMAND_SHOW, &out, VCH_EXIT_DONE)
                         : VCH_EXIT_DONE;
}
