#include "cli/commands.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "cli/policy_input.h"
#include "codec/json_writer.h"
#include "host/file.h"
#include "policy/import.h"

#define COMMAND_CHECK "vouch policy check"
#define COMMAND_IMPORT "vouch policy import"
#define OUTPUT_CAP ((size_t)4 << 20)

typedef struct values {
    vch_common_options common;
} values;

static const vch_option options[] = { VCH_COMMON_OPTIONS(values) };

static void faults_json(vch_json_writer *w, const vch_faults *faults)
{
    vch_json_key(w, "faults");
    vch_json_begin_array(w);
    for (size_t i = 0; i < faults->count; i++) {
        vch_json_begin_object(w);
        vch_json_put_bool(w, "warning", faults->item[i].warning);
        vch_json_put_string(w, "message", faults->item[i].text);
        vch_json_end(w);
    }
    vch_json_end(w);
    vch_json_put_uint(w, "more", faults->more);
}

static void faults_print(FILE *out, const vch_faults *faults)
{
    for (size_t i = 0; i < faults->count; i++)
        (void)fprintf(out, "%s%s\n", faults->item[i].warning ? "warning: " : "",
                      faults->item[i].text);
    if (faults->more > 0)
        (void)fprintf(out, "and %zu more\n", faults->more);
}

/* vouch_protocol.md section 6: then nothing but the certificate's dates says that it is fresh. */
static void warn_of_freshness(const char *path, const vch_policy_input *input, vch_faults *faults)
{
    if (input->file == NULL)
        return;
    const vch_federation *f = vch_attestation_file_federation(input->file);
    bool attested = f->aggregator_attested || f->collaborator_attested;
    if (attested && !f->token_required && f->channel == VCH_CHANNEL_KEY)
        vch_faults_add(faults, true, path, 0, 0,
                       "neither a token nor channel: quote is asked for: only the certificate's "
                       "dates, which its host's clock wrote, say that evidence is fresh");
}

static int print_check(const vch_runtime *rt, bool json, const char *path, const vch_faults *faults,
                       const vch_policy_input *input)
{
    bool good = faults->errors == 0;
    int status = good ? VCH_EXIT_DONE : VCH_EXIT_USAGE;
    if (!json) {
        faults_print(rt->out, faults);
        if (good)
            (void)fprintf(rt->out, "%s: ok%s\n", path, faults->count > 0 ? ", but weak" : "");
        return status;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "result", good ? "ok" : "reject");
    if (input->policy != NULL) {
        uint8_t digest[32];
        vouch_policy_digest(input->policy, digest);
        vch_json_put_hex(&w, "digest", (vouch_span) { digest, sizeof digest });
    }
    faults_json(&w, faults);
    vch_json_end(&w);
    return vch_command_answer(rt, COMMAND_CHECK, &out, status);
}

static int check(const vch_runtime *rt, bool json, const char *path)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_policy_input_drop) vch_policy_input input = { 0 };
    vouch_code rc = vch_file_read(path, VCH_ATTESTATION_FILE_MAX_SIZE, &text, &err);
    if (rc == VOUCH_OK)
        rc = vch_policy_input_parse(path, vch_buffer_span(&text), &faults, &input, &err);
    if (rc == VOUCH_OK)
        warn_of_freshness(path, &input, &faults);
    if (rc != VOUCH_OK && faults.errors == 0) /* not the file's fault, or not in its text */
        return vch_command_fail(rt, COMMAND_CHECK, rc, &err);
    return print_check(rt, json, path, &faults, &input);
}

int vch_cmd_policy_check(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_usage usage = {
        .command = COMMAND_CHECK,
        .operands = "FILE",
        .summary = "Check a policy or attestation.yaml: what is wrong, and what is weak.",
        .details = "Every fault and every weak rule is listed with its place. A policy that would\n"
                   "admit any enclave is refused.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operands_min = 1,
        .operands_max = 1
    };
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    return check(rt, v.common.json, operands.item[0]);
}

static const char *from_environment(void *context, const char *variable)
{
    const vch_runtime *rt = context;
    return rt->environment(NULL, variable);
}

static bool is_manifest(vouch_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (memchr(" \t\r\n", text.data[i], 4) == NULL)
            return text.data[i] == '{';
    }
    return false;
}

static vouch_code import_from(vch_runtime *rt, const char *source, vch_faults *faults,
                              vch_buffer *out, vouch_error *err)
{
    if (strcmp(source, "ENV") == 0)
        return vch_policy_import_ra_tls("environment", from_environment, rt, faults, out, err);
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(source, VCH_IMPORT_MAX_SIZE, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    if (is_manifest(vch_buffer_span(&text)))
        return vch_policy_import_marblerun(source, vch_buffer_span(&text), faults, out, err);
    return vch_policy_import_env_file(source, vch_buffer_span(&text), faults, out, err);
}

static int import(vch_runtime *rt, bool json, const char *source)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer policy = vch_buffer_with_cap(VCH_IMPORT_MAX_SIZE);
    vouch_code rc = import_from(rt, source, &faults, &policy, &err);
    if (rc != VOUCH_OK && faults.errors == 0) {
        int status = vch_command_fail(rt, COMMAND_IMPORT, rc, &err);
        return rc == VOUCH_E_FORMAT || rc == VOUCH_E_TRUNCATED ? VCH_EXIT_USAGE : status;
    }
    int status = rc == VOUCH_OK ? VCH_EXIT_DONE : VCH_EXIT_USAGE;
    if (!json) {
        faults_print(rt->err, &faults);
        if (rc == VOUCH_OK)
            (void)fwrite(policy.data, 1, policy.size, rt->out);
        return status;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "result", rc == VOUCH_OK ? "ok" : "reject");
    vch_json_put_string(&w, "policy", rc == VOUCH_OK ? vch_buffer_text(&policy) : NULL);
    faults_json(&w, &faults);
    vch_json_end(&w);
    return vch_command_answer(rt, COMMAND_IMPORT, &out, status);
}

int vch_cmd_policy_import(vch_runtime *rt, int argc, char *argv[])
{
    static const vch_usage usage = {
        .command = COMMAND_IMPORT,
        .operands = "FILE|ENV",
        .summary = "Make a policy out of RA_TLS_* variables or a MarbleRun manifest.",
        .details = "ENV reads this process's environment. A FILE is a manifest (JSON) or lines\n"
                   "NAME=value. The policy goes to stdout; what was not taken over, to stderr.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operands_min = 1,
        .operands_max = 1
    };
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    return import(rt, v.common.json, operands.item[0]);
}
