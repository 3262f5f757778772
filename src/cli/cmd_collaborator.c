/* vouch collaborator start: train with an aggregator until it says quit. */
#include <signal.h>
#include <stdio.h>

#include "base/buffer.h"
#include "cli/commands.h"
#include "cli/endpoint.h"
#include "cli/own_metrics.h"
#include "cli/runner_file.h"
#include "cli/site.h"
#include "cli/site_policy.h"
#include "crypto/rand.h"
#include "crypto/secure_heap.h"
#include "fed/collaborator/collaborator.h"
#include "host/clock.h"
#include "host/file.h"
#include "host/process.h"
#include "net/grpc_client.h"
#include "net/loop.h"

#define COMMAND "vouch collaborator start"
#define CARE_MS 2000 /* a next policy, its moment */

typedef struct values {
    vch_common_options common;
    vch_site_words site;
    const char *name;
    const char *data;
    const char *connect;
    const char *task_runner;
    const char *state;
    bool secure;
} values;

static const vch_option options[] = {
    VCH_COMMON_OPTIONS(values),
    VCH_SITE_OPTIONS(values),
    VCH_SITE_UUID_OPTION(values),
    { .name = "collaborator_name",
      .letter = 'n',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, name),
      .argument = "NAME",
      .help = "certified name of the collaborator",
      .environment = "VOUCH_NAME", /* where the arguments are measured, as in deploy/gramine */
      .required = true },
    { .name = "data_config",
      .letter = 'd',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, data),
      .argument = "FILE",
      .help = "data path of each collaborator, a line NAME,PATH for each",
      .fallback = "plan/data.yaml" },
    VCH_RUNNER_FILE_OPTION(values),
    { .name = "state",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, state),
      .argument = "DIR",
      .help = "directory of what must survive a crash; one process of a participant at a time",
      .fallback = VCH_SITE_STATE },
    { .name = "connect",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, connect),
      .argument = "ADDR:PORT",
      .help = "the aggregator; the plan's agg_addr and agg_port" },
    { .name = "secure",
      .letter = 's',
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, secure),
      .help = "do not start unless attestation.yaml has this role attested" },
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "",
    .summary = "Take part in a federation: train on this site's data until it is over.",
    .details =
        "Exit status 1: the aggregator refused us, or we refused it.\n\n"
        "Environment: ATTESTATION_REPORT_PATH (directory for the passport), ITA_API_KEY, AVS_URL\n"
        "(the verifier), VOUCH_ATTESTATION_DIR (the device's pseudo-files).",
    .options = options,
    .option_count = sizeof options / sizeof *options
};

typedef struct client {
    vch_runtime *rt;
    vch_site_options site_options;
    vch_site site;
    vch_yaml *runner_file; /* NULL: the plan says it all */
    vch_runner runner;
    vch_loop *loop;
    vch_keep *keep;
    vch_collaborator *collaborator;
    vch_signal *signals[3];
    vch_timer *care;
    vch_site_policy *policy;
    vch_endpoint aggregator;
    vch_own_metrics metrics;
    bool stopping;
    vouch_code rc; /* why we stop, if it is a failure */
    vouch_error why;
} client;

static void drop_client(client *c)
{
    vch_collaborator_free(c->collaborator);
    vch_keep_close(c->keep);
    vch_own_metrics_drop(&c->metrics);
    vch_timer_free(c->care);
    for (size_t i = 0; i < sizeof c->signals / sizeof *c->signals; i++)
        vch_signal_free(c->signals[i]);
    vch_runner_drop(&c->runner);
    vch_yaml_free(c->runner_file);
    vch_loop_free(c->loop);
    vch_site_policy_free(c->policy);
    vch_site_drop(&c->site);
}

/* While a task runner works: connections are served, a signal ends the wait. */
static vouch_code take_turn(void *context, vouch_error *err)
{
    client *c = context;
    vch_loop_turn(c->loop);
    return c->stopping ? vouch_fail(err, VOUCH_E_TIMEOUT, "stopped") : VOUCH_OK;
}

static vouch_code open_runner(client *c, vouch_span data_path, vch_faults *faults, vouch_error *err)
{
    const vch_runner_options how = { .plan = c->site.view,
                                     .name = c->site_options.name,
                                     .data_path = data_path,
                                     .attested = c->site.attested,
                                     .turn = { c, take_turn },
                                     .log = &c->rt->log,
                                     .local = vch_runner_file_root(c->runner_file) };
    return vch_runner_open(&how, faults, &c->runner, err);
}

static vouch_code load_runner(client *c, const values *v, vouch_error *err)
{
    vouch_span path = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    vouch_code rc = vch_file_read(v->data, VCH_PLAN_FILE_MAX, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_data_path_find(v->data, vch_buffer_span(&text), c->site_options.name, &path, err);
    if (rc == VOUCH_OK)
        rc = vch_runner_file_read(v->task_runner, &c->runner_file, err);
    if (rc == VOUCH_OK)
        rc = open_runner(c, path, &faults, err);
    vch_command_faults(c->rt, &faults);
    if (rc == VOUCH_E_NOT_FOUND || rc == VOUCH_E_IO) /* a missing data file is configuration */
        return vouch_wrap(err, VOUCH_E_CONFIG, "the data of '%s'", c->site_options.name);
    return rc;
}

/* docs/protocol.md section 6: refusals for `policy` within ten minutes of a change may pass. */
static bool is_change_of_policy(const client *c, const vouch_error *err)
{
    vch_admission_code code = vch_gate_last_code(c->site.gate);
    bool ours = code != VCH_ADMISSION_NONE && vch_admission_code_class(code) == VCH_CLASS_POLICY;
    bool theirs = vch_tls_refused_for(err, vch_admission_class_name(VCH_CLASS_POLICY));
    return (ours || theirs) && vch_site_policy_is_changing(c->policy);
}

/* docs/protocol.md section 6: either side ends a connection when the peer is due to be appraised anew;
 * started calls finish then. */
static bool stands(void *context, void *session)
{
    (void)context;
    return session == NULL
           || vch_admitted_peer_standing(session, vch_clock_unix_s()) == VCH_STANDING_GOOD;
}

/* A revocation ends it at once. */
static void look_at_aggregator(client *c)
{
    if (vch_gate_review_is_due(c->site.gate))
        vch_gate_review(c->site.gate); /* of the one connection that there is */
    void *session = c->collaborator == NULL ? NULL : vch_collaborator_session(c->collaborator);
    if (session == NULL)
        return;
    vch_standing standing = vch_admitted_peer_standing(session, vch_clock_unix_s());
    if (standing != VCH_STANDING_GOOD && standing != VCH_STANDING_REATTEST)
        vch_collaborator_hang_up(c->collaborator);
}

static void stop(client *c)
{
    c->stopping = true;
    if (c->collaborator != NULL)
        vch_collaborator_stop(c->collaborator);
}

/* What is kept goes along with a change of policy. A full disk is waited out: nothing is kept until
 * then. */
static void look_at_policy(client *c)
{
    vouch_error err = { 0 };
    const vch_seal_root *root = NULL;
    bool fleeting = false;
    if (!vch_site_policy_turn(c->policy))
        return;
    vouch_code rc = vch_site_seal(&c->site, &root, &fleeting, &err);
    if (rc == VOUCH_OK)
        rc = vch_keep_follow(c->keep, root, vch_site_policy_digest(&c->site), &err);
    if (rc == VOUCH_OK)
        return;
    vch_log(&c->rt->log, VCH_LOG_ERROR, "state.not_resealed",
            VCH_STR("reason", vouch_error_text(&err, (char[512]) { 0 }, 512)));
    if ((rc == VOUCH_E_IO || rc == VOUCH_E_MEMORY) && !vch_keep_is_spoilt(c->keep))
        return;
    c->rc = rc;
    c->why = err;
    stop(c);
}

static void take_care(void *context)
{
    client *c = context;
    look_at_policy(c);
    look_at_aggregator(c);
    vch_timer_start(c->care, CARE_MS);
}

static void on_hangup(void *context, int number)
{
    client *c = context;
    (void)number;
    vch_site_policy_hurry(c->policy);
    look_at_aggregator(c);
}

static vouch_code connect_anew(void *context, vch_grpc_client **out, vouch_error *err)
{
    client *c = context;
    look_at_policy(c);
    vouch_code rc = vch_gate_renew(c->site.gate, c->site.tls, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)vch_gate_last_code(c->site.gate);
    const vch_grpc_client_options how = {
        .loop = c->loop, .tls = c->site.tls, .host = c->aggregator.host, .port = c->aggregator.port
    };
    rc = vch_grpc_client_connect(&how, out, err);
    if (rc == VOUCH_E_REFUSED && is_change_of_policy(c, err))
        return vouch_wrap(err, VOUCH_E_NETWORK, "the policy is changing");
    return rc;
}

/* For jitter only: a failed draw waits the shortest time. */
static uint32_t draw(void *context)
{
    (void)context;
    uint32_t value = 0;
    if (vch_random_bytes(&value, sizeof value, NULL) != VOUCH_OK)
        return 0;
    return value;
}

static void on_signal(void *context, int number)
{
    client *c = context;
    vch_log(&c->rt->log, VCH_LOG_WARN, "collaborator.stopping", VCH_INT("signal", number));
    stop(c);
}

static vouch_code open_keep(client *c, const char *state, vouch_error *err)
{
    vch_state_rules before[VCH_STATE_BEFORE_MAX];
    vch_keep_options how = { .parent = state,
                             .plan = c->site.plan,
                             .name = c->site_options.name,
                             .policy_digest = vch_site_policy_digest(&c->site),
                             .before = before,
                             .before_count = vch_site_rules_before(&c->site, before),
                             .log = &c->rt->log };
    vouch_code rc = vch_site_seal(&c->site, &how.root, &how.fleeting, err);
    return rc == VOUCH_OK ? vch_keep_open(&how, &c->keep, err) : rc;
}

static vouch_code take_part(client *c, const values *v, vouch_error *err)
{
    vouch_code rc = vch_site_read(&c->site_options, &c->site, err);
    if (rc == VOUCH_OK)
        rc = vch_endpoint_choose(v->connect, c->site.view->agg_addr, c->site.view->agg_port,
                                 &c->aggregator, err);
    if (rc == VOUCH_OK)
        rc = vch_site_policy_new(&c->site_options, &c->site, &c->policy, err);
    if (rc == VOUCH_OK)
        rc = vch_loop_new(&c->loop, err); /* the runner takes turns with it */
    if (rc == VOUCH_OK)
        rc = load_runner(c, v, err); /* its child is started before there is any key */
    if (rc == VOUCH_OK)
        rc = vch_site_enter(&c->site_options, &c->site, err);
    if (rc == VOUCH_OK)
        rc = open_keep(c, v->state, err);
    if (rc == VOUCH_OK)
        rc = vch_own_metrics_open(c->rt, c->site.view, c->site_options.name, &c->metrics, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_collaborator_options how = { .plan = c->site.plan,
                                           .name = c->site_options.name,
                                           .runner = c->runner,
                                           .loop = c->loop,
                                           .log = &c->rt->log,
                                           .keep = c->keep,
                                           .connect = connect_anew,
                                           .connect_context = c,
                                           .stands = stands,
                                           .reported = vch_own_metrics_put,
                                           .turn_done = vch_own_metrics_end_turn,
                                           .reported_context = &c->metrics,
                                           .random = draw };
    rc = vch_collaborator_new(&how, &c->collaborator, err);
    if (rc == VOUCH_OK)
        rc = vch_signal_new(c->loop, SIGTERM, on_signal, c, &c->signals[0], err);
    if (rc == VOUCH_OK)
        rc = vch_signal_new(c->loop, SIGINT, on_signal, c, &c->signals[1], err);
    if (rc == VOUCH_OK)
        rc = vch_signal_new(c->loop, SIGHUP, on_hangup, c, &c->signals[2], err);
    if (rc == VOUCH_OK)
        rc = vch_timer_new(c->loop, take_care, c, &c->care, err);
    if (rc == VOUCH_OK)
        vch_timer_start(c->care, CARE_MS);
    if (rc == VOUCH_OK)
        rc = vch_collaborator_run(c->collaborator, err);
    if (rc == VOUCH_OK && c->rc != VOUCH_OK) {
        *err = c->why;
        rc = c->rc;
    }
    return rc;
}

int vch_cmd_collaborator_start(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    vouch_error err = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    VCH_SCOPED(drop_client)
    client c = { .rt = rt,
                 .site_options = { .rt = rt,
                                   .role = VCH_ROLE_COLLABORATOR,
                                   .name = v.name,
                                   .plan_path = v.site.plan,
                                   .attestation_path = v.site.attestation,
                                   .federation_uuid = v.site.federation_uuid,
                                   .openfl_release = v.site.release,
                                   .secure = v.secure } };
    vch_process_ignore_broken_pipes();
    vouch_code rc = vch_process_harden(&err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(&err);
    if (rc == VOUCH_OK)
        rc = take_part(&c, &v, &err);
    return rc == VOUCH_OK ? VCH_EXIT_DONE : vch_command_fail(rt, COMMAND, rc, &err);
}
