/* vouch attest: become a participant once, and leave the documents behind. */
#include "cli/commands.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "base/scope.h"
#include "cli/attest_pem.h"
#include "cli/site.h"
#include "codec/json_writer.h"
#include "crypto/secure_heap.h"
#include "host/process.h"

#define COMMAND "vouch attest"
#define OUTPUT_CAP ((size_t)64 << 10)

typedef struct values {
    vch_common_options common;
    vch_site_words site;
    const char *role;
    const char *name;
    const char *out;
    const char *verifier_ca;
    bool weaker_pem_token;
} values;

static int show(const vch_runtime *rt, const values *v, vch_site *site)
{
    char until[VCH_MOMENT_TEXT_SIZE];
    const vch_credentials *c = vch_participant_credentials(site->participant);
    const vch_admission *a = &c->appraisal;
    if (!v->common.json) {
        (void)fprintf(rt->out, "%s '%s' attested: %s %s, TCB %s%s, until %s\n", v->role, site->name,
                      a->tee, a->measurement, a->tcb_status, a->simulated ? ", SIMULATED" : "",
                      vch_moment_format(c->exp_unix_s, until));
        (void)fprintf(rt->out, "%s/%s_passport.json\n", v->out, site->name);
        vch_credentials_unref(c);
        return VCH_EXIT_DONE;
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(OUTPUT_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "name", site->name);
    vch_json_put_string(&w, "role", v->role);
    vch_json_put_string(&w, "tee", a->tee);
    vch_json_put_string(&w, "measurement", a->measurement);
    vch_json_put_string(&w, "tcb_status", a->tcb_status);
    vch_json_put_bool(&w, "simulated", a->simulated);
    vch_json_put_bool(&w, "token", c->token.size > 0);
    vch_json_put_moment(&w, "not_after", c->exp_unix_s);
    vch_json_put_string(&w, "directory", v->out);
    vch_json_end(&w);
    vch_credentials_unref(c);
    return vch_command_answer(rt, COMMAND, &out, VCH_EXIT_DONE);
}

static vouch_code attest(vch_site_options *options, vch_site *site, vouch_error *err)
{
    vouch_code rc = vch_process_harden(err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(err);
    if (rc == VOUCH_OK)
        rc = vch_site_read(options, site, err);
    if (rc == VOUCH_OK && !site->attested)
        rc = vouch_fail(err, VOUCH_E_CONFIG, "'%s' is not to be attested: attestation.yaml says so",
                        site->name);
    if (rc == VOUCH_OK && options->name != NULL && strcmp(options->name, site->name) != 0)
        rc = vouch_fail(err, VOUCH_E_CONFIG, "the aggregator is '%s', not '%s'", site->name,
                        options->name);
    return rc == VOUCH_OK ? vch_site_enter(options, site, err) : rc;
}

/* Named for what it is, here and in its answer: people bring scripts that expect this token. */
static int attest_weaker(const vch_runtime *rt, const values *v)
{
    vouch_error err = { 0 };
    const vch_attest_pem_options o = {
        .rt = rt, .name = v->name, .ca = v->verifier_ca, .out = v->out
    };
    vouch_code rc = vch_process_harden(&err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(&err);
    if (rc == VOUCH_OK)
        rc = vch_attest_pem(&o, &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, COMMAND, rc, &err);
    (void)fprintf(rt->err,
                  "%s: WEAKER: this token has no nonce; whoever holds its quote gets new ones for "
                  "ever, and no Vouch federation admits it\n",
                  COMMAND);
    if (v->common.json)
        (void)fprintf(rt->out, "{\"weaker\": true, \"nonce\": false}\n");
    else
        (void)fprintf(rt->out, "%s/%s_avs_report.json\n%s/%s_pubkey.pem\n", v->out, v->name, v->out,
                      v->name);
    return VCH_EXIT_DONE;
}

static const vch_option options[] = {
    { .name = "role",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, role),
      .argument = "ROLE",
      .choices = "aggregator|collaborator",
      .help = "aggregator or collaborator",
      .required = true },
    { .name = "name",
      .letter = 'n',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, name),
      .argument = "NAME",
      .help = "as among the participants of attestation.yaml",
      .required = true },
    VCH_SITE_OPTIONS(values),
    { .name = "out",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, out),
      .argument = "DIR",
      .help = "where passport, report, certificate and root are written",
      .environment = "ATTESTATION_REPORT_PATH",
      .fallback = "." },
    { .name = "weaker-pem-token",
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, weaker_pem_token),
      .help = "OpenFL PR 1561's form, outside any federation: no nonce, no freshness" },
    { .name = "verifier-ca",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, verifier_ca),
      .argument = "PEM",
      .help = "with --weaker-pem-token: TLS roots of the verifier (else the system's)" },
    VCH_COMMON_OPTIONS(values),
};
static const vch_usage usage = {
    .command = COMMAND,
    .operands = "",
    .summary = "Attest this program once: certificate, evidence, token, passport.",
    .details = "The key dies with the process: what is written proves what ran here, and cannot\n"
               "be used by anybody else.\n\n"
               "Environment: ITA_API_KEY, AVS_URL (the verifier), VOUCH_ATTESTATION_DIR (the\n"
               "device's pseudo-files).",
    .options = options,
    .option_count = sizeof options / sizeof *options
};

int vch_cmd_attest(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    vouch_error err = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    if (v.weaker_pem_token)
        return attest_weaker(rt, &v);
    VCH_SCOPED(vch_site_drop) vch_site site = { 0 };
    bool aggregator = strcmp(v.role, "aggregator") == 0;
    vch_site_options how = { .rt = rt,
                             .role = aggregator ? VCH_ROLE_AGGREGATOR : VCH_ROLE_COLLABORATOR,
                             .name = v.name,
                             .plan_path = v.site.plan,
                             .attestation_path = v.site.attestation,
                             .openfl_release = v.site.release,
                             .documents = v.out };
    vouch_code rc = attest(&how, &site, &err);
    return rc == VOUCH_OK ? show(rt, &v, &site) : vch_command_fail(rt, COMMAND, rc, &err);
}
