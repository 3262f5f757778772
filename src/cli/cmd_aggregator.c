/* vouch aggregator start: serve the rounds of a plan. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/endpoint.h"
#include "cli/quarantine.h"
#include "cli/site.h"
#include "cli/site_policy.h"
#include "crypto/secure_heap.h"
#include "fed/aggregator/aggregator.h"
#include "fed/aggregator/model_file.h"
#include "host/clock.h"
#include "host/file.h"
#include "host/process.h"
#include "net/grpc_server.h"
#include "net/loop.h"
#include "net/workers.h"

#define COMMAND "vouch aggregator start"
#define METRICS_FILE "logs/aggregator_metrics.jsonl"
#define ROUNDS_FILE "logs/aggregator_metrics.txt" /* OpenFL's MetricWriter */
#define WORKERS 2
#define WAITING_MAX 2000   /* appraisals that may wait for a worker: as many as may be ungated */
#define CARE_MS 2000       /* renewed certificates, standing of peers */
#define GRACE_MS 600000    /* for calls of a peer that is to be appraised anew */
#define LAST_GRACE_MS 2000 /* for answers on their way when the process ends */

typedef struct values {
    vch_common_options common;
    vch_site_words site;
    const char *cols;
    const char *listen;
    const char *task_group;
    bool secure;
    int64_t ungated_per_address;
} values;

static const vch_option options[] = {
    VCH_COMMON_OPTIONS(values),
    VCH_SITE_OPTIONS(values),
    VCH_SITE_UUID_OPTION(values),
    { .name = "authorized_cols",
      .letter = 'c',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, cols),
      .argument = "FILE",
      .help = "names of the collaborators",
      .fallback = "plan/cols.yaml" },
    { .name = "listen",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, listen),
      .argument = "ADDR:PORT",
      .help = "where to listen; every address and the plan's agg_port" },
    { .name = "secure",
      .letter = 's',
      .kind = VCH_OPTION_FLAG,
      .offset = offsetof(values, secure),
      .help = "do not start unless attestation.yaml has this role attested" },
    { .name = "task_group",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, task_group),
      .argument = "NAME",
      .help = "only this group of the assigner; `evaluation`: one round, nothing is saved" },
    { .name = "ungated-per-address",
      .kind = VCH_OPTION_INTEGER,
      .offset = offsetof(values, ungated_per_address),
      .argument = "N",
      .fallback = "64",
      .min = 1,
      .max = 2000,
      .help = "connections of one address that are not admitted yet; 2000 in all" },
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "",
    .summary = "Serve a federation: admit collaborators, run the plan's rounds, save models.",
    .details =
        "Prints `listening ADDR:PORT` once it is ready, the federation and the release of OpenFL\n"
        "that it keeps to, then a METRIC line for each metric.\n"
        "An attested aggregator makes its key, quote, token and certificate before it listens,\n"
        "and writes its passport and the federation's root.\n\n"
        "Environment: ATTESTATION_REPORT_PATH (directory for the passport), ROOT_CERT_PATH\n"
        "(directory for the root that stock OpenFL collaborators trust), ITA_API_KEY, AVS_URL\n"
        "(the verifier), VOUCH_ATTESTATION_DIR (the device's pseudo-files).",
    .options = options,
    .option_count = sizeof options / sizeof *options
};

/* The running service. */
typedef struct service {
    vch_runtime *rt;
    vch_site_options site_options;
    vch_site site;
    vch_loop *loop;
    vch_workers *workers;
    vch_aggregator *aggregator;
    vch_grpc_server *server;
    vch_timer *care;
    vch_signal *signals[3];
    vch_site_policy *policy;
    vch_quarantine *quarantine;
    bool laggards_named; /* those who did not come back after the last change of policy */
    bool reviewing;      /* a worker judges everybody anew */
    FILE *metrics_file, *rounds_file;
    vch_metrics metrics;
    bool is_done;  /* everybody was told */
    vouch_code rc; /* how the federation ended */
    vouch_error why;
} service;

static void drop_service(service *s)
{
    vch_grpc_server_free(s->server);
    s->server = NULL; /* a review that ends now finds no connection */
    vch_workers_free(s->workers);
    vch_aggregator_free(s->aggregator);
    vch_timer_free(s->care);
    for (size_t i = 0; i < sizeof s->signals / sizeof *s->signals; i++)
        vch_signal_free(s->signals[i]);
    vch_loop_free(s->loop);
    vch_site_policy_free(s->policy);
    vch_site_drop(&s->site);
    vch_quarantine_free(s->quarantine);
    if (s->metrics_file != NULL)
        (void)fclose(s->metrics_file);
    if (s->rounds_file != NULL)
        (void)fclose(s->rounds_file);
    vch_buffer_drop(&s->metrics.round);
}

static void on_stopped(void *context)
{
    service *s = context;
    vch_loop_stop(s->loop);
}

static void on_done(void *context, vouch_code rc, const vouch_error *why)
{
    service *s = context;
    s->rc = rc;
    s->is_done = rc == VOUCH_OK;
    if (why != NULL)
        s->why = *why;
    vch_grpc_server_stop(s->server, LAST_GRACE_MS, on_stopped, s);
}

static void on_signal(void *context, int number)
{
    service *s = context;
    vch_log(&s->rt->log, VCH_LOG_WARN, "aggregator.stopping", VCH_INT("signal", number));
    vch_grpc_server_stop(s->server, LAST_GRACE_MS, on_stopped, s);
}

/* One that stands with a good connection is not put out by a second process of its site. */
static void on_note(void *context, const char *name, const char *reason)
{
    service *s = context;
    if (reason == NULL)
        vch_aggregator_readmit(s->aggregator, name);
    else if (s->site.roster == NULL || vch_roster_connections(s->site.roster, name) == 0)
        vch_aggregator_quarantine(s->aggregator, name, reason);
}

static void on_laggard(void *context, const char *name)
{
    service *s = context;
    vch_aggregator_quarantine(s->aggregator, name,
                              "not admitted within 10 minutes of the change of policy");
}

static void name_laggards(service *s)
{
    const vch_change change = { .switched_unix_s = vch_site_policy_switched_unix_s(s->policy),
                                .now_unix_s = vch_clock_unix_s() };
    if (s->laggards_named || !vch_change_is_over(&change))
        return;
    const vch_members members = { s->site.view->member, s->site.view->member_count };
    vch_quarantine_laggards(vch_attestation_file_federation(s->site.attestation), s->site.roster,
                            &members, on_laggard, s);
    s->laggards_named = true;
}

static bool is_to_be_appraised_anew(void *context, void *session)
{
    (void)context;
    return vch_admitted_peer_standing(session, vch_clock_unix_s()) == VCH_STANDING_REATTEST;
}

static bool is_over(void *context, void *session)
{
    (void)context;
    vch_standing standing = vch_admitted_peer_standing(session, vch_clock_unix_s());
    return standing != VCH_STANDING_GOOD && standing != VCH_STANDING_REATTEST;
}

/* docs/protocol.md section 6: re-attestation is a new connection; a revoked or replaced peer goes
 * at once. */
static void end_connections(service *s)
{
    vch_quarantine_drain(s->quarantine, on_note, s);
    vch_grpc_server_end(s->server, is_over, NULL, 0);
    vch_grpc_server_end(s->server, is_to_be_appraised_anew, NULL, GRACE_MS);
}

static void review(void *context)
{
    const service *s = context;
    vch_gate_review(s->site.gate);
}

static void on_reviewed(void *context, bool worked)
{
    service *s = context;
    s->reviewing = false;
    if (worked && s->server != NULL)
        end_connections(s);
}

/* Collateral or policy has changed: who is connected is judged anew, while calls go on. */
static void begin_review(service *s)
{
    const vch_job job = { .context = s, .work = review, .done = on_reviewed };
    if (s->reviewing || !vch_gate_review_is_due(s->site.gate))
        return;
    s->reviewing = vch_workers_submit(s->workers, job, NULL) == VOUCH_OK; /* else it comes again */
}

/* The site has switched: before the next call is served, nothing is stored for the old policy. */
static void on_switched(service *s)
{
    vouch_error err = { 0 };
    const vch_seal_root *root = NULL;
    bool fleeting = false;
    s->laggards_named = false;
    vouch_code rc = vch_site_seal(&s->site, &root, &fleeting, &err);
    if (rc == VOUCH_OK)
        vch_aggregator_follow(s->aggregator, root, vch_site_policy_digest(&s->site));
    else
        on_done(s, rc, &err);
}

static void take_care(void *context)
{
    service *s = context;
    vouch_error err = { 0 };
    if (vch_site_policy_turn(s->policy))
        on_switched(s);
    begin_review(s);
    name_laggards(s);
    if (vch_gate_renew(s->site.gate, s->site.tls, &err) != VOUCH_OK)
        vch_log(&s->rt->log, VCH_LOG_ERROR, "certificate.not_renewed",
                VCH_STR("reason", vouch_error_text(&err, (char[1024]) { 0 }, 1024)));
    end_connections(s);
    vch_timer_start(s->care, CARE_MS);
}

static void on_hangup(void *context, int number)
{
    service *s = context;
    (void)number;
    vch_site_policy_hurry(s->policy);
    take_care(s);
}

/* docs/protocol.md section 2: all participants agreed on where training starts. */
static vouch_code read_initial_model(service *s, vch_model *out, vouch_error *err)
{
    vch_pipeline pipeline;
    const uint8_t *agreed = NULL;
    if (s->site.attestation != NULL)
        agreed = vch_attestation_file_federation(s->site.attestation)->initial_model;
    vch_pipeline_for(s->site.view, s->site.view->aggregator_uuid, &pipeline);
    vouch_code rc = vch_model_file_read_agreed(NULL, s->site.view->init_state_path, agreed,
                                               &pipeline, out, err);
    if (rc == VOUCH_E_NOT_FOUND)
        rc = vouch_wrap(err, VOUCH_E_CONFIG, "no initial model (`vouch plan initialize` makes it)");
    return rc;
}

/* The initial model is read while keys and certificates are: a third of a start each. */
typedef struct reading {
    service *s;
    vch_model model;
    vouch_code rc;
    vouch_error err;
    bool runs; /* a thread has it */
    pthread_t thread;
} reading;

static void *read_apart(void *context)
{
    reading *r = context;
    r->rc = read_initial_model(r->s, &r->model, &r->err);
    return NULL;
}

/* Where a digest is agreed on it is the first thing to be judged, before a device is asked. */
static void begin_reading(reading *r)
{
    r->runs =
        r->s->site.attestation == NULL && pthread_create(&r->thread, NULL, read_apart, r) == 0;
    if (!r->runs)
        (void)read_apart(r);
}

static void end_reading(reading *r)
{
    if (r->runs)
        (void)pthread_join(r->thread, NULL);
    r->runs = false;
}

/* The model, and what the aggregator shows its peers. */
static vouch_code enter(service *s, vch_model *out, vouch_error *err)
{
    reading r = { .s = s };
    begin_reading(&r);
    vouch_code rc = VOUCH_OK;
    if (r.runs || r.rc == VOUCH_OK)
        rc = vch_site_enter(&s->site_options, &s->site, err);
    end_reading(&r);
    if (r.rc != VOUCH_OK) {
        *err = r.err;
        return r.rc;
    }
    *out = r.model;
    return rc;
}

static vouch_code open_metrics(service *s, vouch_error *err)
{
    vouch_code rc = vch_dir_make("logs", 0755, err);
    if (rc != VOUCH_OK)
        return rc;
    s->metrics_file = fopen(METRICS_FILE, "ae");
    if (s->metrics_file == NULL)
        return vouch_fail(err, VOUCH_E_IO, "cannot write '%s'", METRICS_FILE);
    if (s->site.view->write_logs && s->site.view->release->round_metrics) {
        s->rounds_file = fopen(ROUNDS_FILE, "ae");
        if (s->rounds_file == NULL)
            return vouch_fail(err, VOUCH_E_IO, "cannot write '%s'", ROUNDS_FILE);
    }
    s->metrics = (vch_metrics) { .lines = s->rt->out,
                                 .sentences = s->site.view->release->metric_sentences,
                                 .best = s->site.view->release->metric_lines,
                                 .json = s->metrics_file,
                                 .rounds = s->rounds_file,
                                 .is_numbered = s->site.view->release->round_metrics_numbered };
    return VOUCH_OK;
}

/* Attested: nothing that is not sealed may touch the host's disk (docs/protocol.md section 9). */
static vouch_code make_aggregator(service *s, vch_model *model, vouch_error *err)
{
    const vch_seal_root *root = NULL;
    vch_state_rules before[VCH_STATE_BEFORE_MAX];
    bool exports = true;
    bool fleeting = false;
    vouch_code rc = open_metrics(s, err);
    if (rc == VOUCH_OK)
        rc = vch_site_seal(&s->site, &root, &fleeting, err);
    if (rc != VOUCH_OK)
        return rc;
    if (s->site.attestation != NULL)
        exports = vch_attestation_file_federation(s->site.attestation)->model_export;
    bool evaluates = s->site.view->evaluates;
    if (evaluates) /* as OpenFL: whatever round the model is of */
        model->round = 0;
    const vch_aggregator_options how = { .plan = s->site.plan,
                                         .loop = s->loop,
                                         .log = &s->rt->log,
                                         .state_directory = evaluates ? NULL : VCH_SITE_STATE,
                                         .root = root,
                                         .fleeting = fleeting,
                                         .policy_digest = vch_site_policy_digest(&s->site),
                                         .before = before,
                                         .before_count = vch_site_rules_before(&s->site, before),
                                         .workers = s->workers,
                                         .keep_models = exports && !evaluates,
                                         .now_ms = vch_clock_monotonic_ms,
                                         .metrics = &s->metrics,
                                         .done = on_done,
                                         .done_context = s };
    return vch_aggregator_new(&how, model, &s->aggregator, err);
}

static vouch_code make_server(service *s, const vch_endpoint *at, const values *v, vouch_error *err)
{
    size_t count = 0;
    const vch_grpc_method *methods = vch_aggregator_methods(&count);
    const vch_grpc_server_options how = { .loop = s->loop,
                                          .tls = s->site.tls,
                                          .workers = s->workers,
                                          .address = at->host,
                                          .port = at->port,
                                          .methods = methods,
                                          .method_count = count,
                                          .context = s->aggregator,
                                          .ungated_per_address = (size_t)v->ungated_per_address,
                                          .log = &s->rt->log };
    return vch_grpc_server_new(&how, &s->server, err);
}

static vouch_code find_endpoint(const service *s, const char *listen, vch_endpoint *out,
                                vouch_error *err)
{
    if (listen != NULL)
        return vch_endpoint_parse(listen, out, err);
    *out = (vch_endpoint) { .host = "::", .port = vch_plan_look(s->site.plan)->agg_port };
    return VOUCH_OK;
}

static void announce(service *s, vch_endpoint at)
{
    char text[VCH_ENDPOINT_TEXT_SIZE];
    at.port = vch_grpc_server_port(s->server);
    (void)fprintf(s->rt->out, "listening %s\n", vch_endpoint_text(&at, text));
    (void)fprintf(s->rt->out, "federation %s, defaults and arithmetic of OpenFL %s\n",
                  s->site.view->federation_uuid, s->site.view->release->name);
    (void)fflush(s->rt->out);
    vch_log(&s->rt->log, VCH_LOG_INFO, "aggregator.listening", VCH_STR("address", text),
            VCH_STR("federation", s->site.view->federation_uuid),
            VCH_STR("openfl_release", s->site.view->release->name),
            VCH_INT("rounds", s->site.view->rounds),
            VCH_INT("collaborators", s->site.view->member_count));
}

/* What an attested aggregator does is in the plan, whose digest it shows. */
static vouch_code check_task_group(const service *s, vouch_error *err)
{
    if (s->site_options.task_group == NULL || !s->site.attested)
        return VOUCH_OK;
    return vouch_fail(
        err, VOUCH_E_CONFIG,
        "--task_group with an attested aggregator: its members must see what they take "
        "part in, so write assigner.settings.selected_task_group into the plan");
}

static vouch_code serve(service *s, const values *v, vouch_error *err)
{
    vch_endpoint at;
    VCH_SCOPED(vch_model_done) vch_model model = { 0 };
    vouch_code rc = vch_quarantine_new(&s->quarantine, err);
    s->site_options.on_verdict = vch_quarantine_note;
    s->site_options.observer = s->quarantine;
    if (rc == VOUCH_OK)
        rc = vch_site_read(&s->site_options, &s->site, err);
    if (rc == VOUCH_OK)
        rc = check_task_group(s, err);
    if (rc == VOUCH_OK)
        rc = find_endpoint(s, v->listen, &at, err);
    if (rc == VOUCH_OK)
        rc = vch_loop_new(&s->loop, err);
    if (rc == VOUCH_OK)
        rc = vch_workers_new(s->loop, WORKERS, WAITING_MAX, &s->workers, err);
    if (rc == VOUCH_OK)
        rc = enter(s, &model, err);
    if (rc == VOUCH_OK)
        rc = make_aggregator(s, &model, err);
    if (rc == VOUCH_OK)
        rc = vch_site_policy_new(&s->site_options, &s->site, &s->policy, err);
    if (rc == VOUCH_OK)
        rc = make_server(s, &at, v, err);
    if (rc == VOUCH_OK)
        rc = vch_signal_new(s->loop, SIGTERM, on_signal, s, &s->signals[0], err);
    if (rc == VOUCH_OK)
        rc = vch_signal_new(s->loop, SIGINT, on_signal, s, &s->signals[1], err);
    if (rc == VOUCH_OK)
        rc = vch_signal_new(s->loop, SIGHUP, on_hangup, s, &s->signals[2], err);
    if (rc == VOUCH_OK)
        rc = vch_timer_new(s->loop, take_care, s, &s->care, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_timer_start(s->care, CARE_MS);
    announce(s, at);
    vch_aggregator_start(s->aggregator);
    rc = vch_loop_run(s->loop, err);
    if (rc == VOUCH_OK && s->rc != VOUCH_OK) {
        *err = s->why;
        rc = s->rc;
    }
    if (rc == VOUCH_OK && s->is_done)
        rc = vch_aggregator_conclude(s->aggregator, err);
    return rc;
}

int vch_cmd_aggregator_start(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    vouch_error err = { 0 };
    int status = 0;
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    VCH_SCOPED(drop_service)
    service s = { .rt = rt,
                  .site_options = { .rt = rt,
                                    .role = VCH_ROLE_AGGREGATOR,
                                    .plan_path = v.site.plan,
                                    .cols_path = v.cols,
                                    .attestation_path = v.site.attestation,
                                    .federation_uuid = v.site.federation_uuid,
                                    .openfl_release = v.site.release,
                                    .task_group = v.task_group,
                                    .secure = v.secure } };
    vch_process_ignore_broken_pipes();
    vch_process_raise_file_limit();
    vouch_code rc = vch_process_harden(&err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(&err);
    if (rc == VOUCH_OK)
        rc = serve(&s, &v, &err);
    return rc == VOUCH_OK ? VCH_EXIT_DONE : vch_command_fail(rt, COMMAND, rc, &err);
}
