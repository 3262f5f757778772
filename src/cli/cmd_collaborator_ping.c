/* vouch collaborator ping: can this site reach its aggregator, and do they admit each other? */
#include <stddef.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/endpoint.h"
#include "cli/site.h"
#include "crypto/secure_heap.h"
#include "fed/collaborator/calls.h"
#include "host/clock.h"
#include "host/process.h"
#include "net/grpc_client.h"
#include "net/loop.h"

#define COMMAND "vouch collaborator ping"

typedef struct values {
    vch_common_options common;
    vch_site_words site;
    const char *name, *data, *connect;
} values;

static const vch_option options[] = {
    { .name = "collaborator_name",
      .letter = 'n',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, name),
      .argument = "NAME",
      .help = "certified name of the collaborator",
      .environment = "VOUCH_NAME",
      .required = true },
    VCH_SITE_OPTIONS(values),
    VCH_SITE_UUID_OPTION(values),
    { .name = "data_config",
      .letter = 'd',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, data),
      .argument = "FILE",
      .help = "as fx has it; without effect: no data is looked at" },
    { .name = "connect",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, connect),
      .argument = "ADDR:PORT",
      .help = "the aggregator; the plan's agg_addr and agg_port" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = COMMAND,
    .operands = "",
    .summary = "Reach the aggregator as this collaborator, and start nothing.",
    .details = "Address, TLS, certificates, attestation, the name in cols.yaml and the plan's hash "
               "are all\n"
               "checked, by both sides. Exit status 1: one of them refuses; 3: nobody answers.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

typedef struct caller {
    vch_site site;
    vch_loop *loop;
    vch_endpoint aggregator;
    vch_calls calls;
} caller;

static void drop_caller(caller *c)
{
    vch_calls_done(&c->calls);
    vch_loop_free(c->loop);
    vch_site_drop(&c->site);
}

static vouch_code connect_once(void *context, vch_grpc_client **out, vouch_error *err)
{
    caller *c = context;
    const vch_grpc_client_options how = {
        .loop = c->loop, .tls = c->site.tls, .host = c->aggregator.host, .port = c->aggregator.port
    };
    return vch_grpc_client_connect(&how, out, err);
}

static vouch_code ping(vch_runtime *rt, caller *c, const values *v, vouch_error *err)
{
    const vch_site_options site = { .rt = rt,
                                    .role = VCH_ROLE_COLLABORATOR,
                                    .name = v->name,
                                    .plan_path = v->site.plan,
                                    .attestation_path = v->site.attestation,
                                    .federation_uuid = v->site.federation_uuid,
                                    .openfl_release = v->site.release };
    bool served = false;
    char at[VCH_ENDPOINT_TEXT_SIZE];
    vouch_code rc = vch_site_read(&site, &c->site, err);
    if (rc == VOUCH_OK)
        rc = vch_endpoint_choose(v->connect, c->site.view->agg_addr, c->site.view->agg_port,
                                 &c->aggregator, err);
    if (rc == VOUCH_OK)
        rc = vch_loop_new(&c->loop, err);
    if (rc == VOUCH_OK)
        rc = vch_site_enter(&site, &c->site, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_collaborator_options how = { .plan = c->site.plan,
                                           .name = v->name,
                                           .loop = c->loop,
                                           .log = &rt->log,
                                           .connect = connect_once,
                                           .connect_context = c };
    c->calls = (vch_calls) { .options = &how, .view = c->site.view };
    int64_t began = vch_clock_monotonic_ms();
    rc = vch_calls_ping(&c->calls, &served, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)fprintf(rt->out, "%s: reached in %d ms, TLS%s\n%s\n",
                  vch_endpoint_text(&c->aggregator, at), (int)(vch_clock_monotonic_ms() - began),
                  c->site.attestation != NULL ? ", attested as plan/attestation.yaml says" : "",
                  served ? c->site.view->aggregator_uuid
                         : "an OpenFL until 1.8, which does not say which federation it serves");
    return VOUCH_OK;
}

int vch_cmd_collaborator_ping(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    vouch_error err = { 0 };
    int status = 0;
    VCH_SCOPED(drop_caller) caller c = { 0 };
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    vch_process_ignore_broken_pipes();
    vouch_code rc = vch_process_harden(&err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(&err);
    if (rc == VOUCH_OK)
        rc = ping(rt, &c, &v, &err);
    return rc == VOUCH_OK ? VCH_EXIT_DONE : vch_command_fail(rt, COMMAND, rc, &err);
}
