#include "cli/commands.h"

#include <stddef.h>

#include "base/scope.h"
#include "cli/doctor.h"
#include "codec/json_writer.h"
#include "host/clock.h"

#define COMMAND "vouch doctor"
#define OUTPUT_CAP ((size_t)1 << 20)

typedef struct values {
    vch_common_options common;
    const char *attestation_dir;
    const char *collateral_dir;
    const char *url;
    const char *ca;
    const char *tree;
} values;

static const vch_option options[] = {
    { .name = "attestation-dir",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, attestation_dir),
      .argument = "DIR",
      .environment = "VOUCH_ATTESTATION_DIR",
      .help = "look for the device here only" },
    { .name = "collateral-dir",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, collateral_dir),
      .argument = "DIR|FILE",
      .help = "also look at this collateral" },
    { .name = "url",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, url),
      .argument = "URL",
      .environment = "AVS_URL",
      .help = "also see whether this verifier (or PCCS) answers" },
    { .name = "ca",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, ca),
      .argument = "PEM",
      .help = "the authority behind --url; otherwise the system's" },
    { .name = "tree",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, tree),
      .argument = "DIR",
      .fallback = "",
      .help = "look for devices and drivers below DIR (a mounted image)" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "",
    .summary = "Say what this host has and lacks for attestation, with the remedy.",
    .details =
        "Exit status 0: a participant could attest itself here. 1: it could not, and what is "
        "marked 'missing' says why. No quote is asked for and nothing is changed.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static void print(FILE *out, const vch_doctor_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const vch_doctor_finding *f = &r->finding[i];
        (void)fprintf(out, "%-12s %-14s %s\n", vch_doctor_state_name(f->state), f->check,
                      f->message);
        if (f->remedy != NULL)
            (void)fprintf(out, "%-12s %-14s remedy: %s\n", "", "", f->remedy);
    }
    (void)fprintf(out, "\n%s\n",
                  vch_doctor_can_attest(r)
                      ? "A participant can attest itself here."
                      : "A participant cannot attest itself here; it can appraise others.");
}

static void write_finding(vch_json_writer *w, const vch_doctor_finding *f)
{
    vch_json_begin_object(w);
    vch_json_put_string(w, "check", f->check);
    vch_json_put_string(w, "state", vch_doctor_state_name(f->state));
    vch_json_put_string(w, "message", f->message);
    vch_json_put_string(w, "remedy", f->remedy);
    vch_json_end(w);
}

static int print_json(const vch_runtime *rt, const vch_doctor_report *r, int status)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_bool(&w, "can_attest", vch_doctor_can_attest(r));
    vch_json_put_string(&w, "tee", r->tee);
    vch_json_put_string(&w, "device", r->device);
    vch_json_key(&w, "findings");
    vch_json_begin_array(&w);
    for (size_t i = 0; i < r->count; i++)
        write_finding(&w, &r->finding[i]);
    vch_json_end(&w);
    vch_json_end(&w);
    return vch_command_answer(rt, COMMAND, &out, status);
}

int vch_cmd_doctor(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    const vch_doctor_question question = { .root = v.tree,
                                           .attestation_dir = v.attestation_dir,
                                           .collateral_dir = v.collateral_dir,
                                           .url = v.url,
                                           .ca_file = v.ca,
                                           .now_unix_s = vch_clock_unix_s() };
    vch_doctor_report report = { 0 };
    vch_doctor_examine(&question, &report);
    status = vch_doctor_can_attest(&report) ? VCH_EXIT_DONE : VCH_EXIT_NO;
    if (v.common.json)
        return print_json(rt, &report, status);
    print(rt->out, &report);
    return status;
}
