/*
 * A Vouch collaborator that trains nothing: it fetches the model and sends it back, so that a round costs
 * what transport and aggregation cost. usage: noop_collaborator NAME CONNECT [ATTESTATION], in its site.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/endpoint.h"
#include "cli/site.h"
#include "crypto/rand.h"
#include "crypto/secure_heap.h"
#include "fed/aggregator/model_file.h"
#include "fed/collaborator/collaborator.h"
#include "fed/tensor/pipeline.h"
#include "host/process.h"

typedef struct noop {
    vch_model initial;
} noop;

static vouch_code copy_model(const vch_model *from, vch_model *out, vouch_error *err)
{
    vch_model copy = { .round = from->round };
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; rc == VOUCH_OK && i < from->count; i++) {
        const vch_tensor *t = &from->tensor[i];
        vch_tensor same = { 0 };
        rc = vch_tensor_init(&same, (vouch_span) { (const uint8_t *)t->name, strlen(t->name) },
                             &t->shape, err);
        if (rc == VOUCH_OK)
            memcpy(same.values, t->values, t->shape.count * sizeof(float));
        if (rc == VOUCH_OK)
            rc = vch_model_add(&copy, &same, err);
        vch_tensor_done(&same);
    }
    if (rc == VOUCH_OK)
        *out = copy;
    else
        vch_model_done(&copy);
    return rc;
}

static vouch_code make_model(void *self, vch_model *out, vouch_error *err)
{
    return copy_model(&((noop *)self)->initial, out, err);
}

static int32_t sample_count(void *self, bool training)
{
    (void)self;
    (void)training;
    return 100;
}

static vouch_code run(void *self, const vch_plan_task *task, int32_t round, const vch_model *model,
                      vch_task_outcome *out, vouch_error *err)
{
    (void)self;
    (void)round;
    out->metric_count = 1;
    out->metric[0] = (vch_task_metric) { "loss", 0.5F };
    if (!task->trains)
        return VOUCH_OK;
    out->trained = true;
    return copy_model(model, &out->model, err);
}

static void free_noop(void *self)
{
    vch_model_done(&((noop *)self)->initial);
}

static const vch_runner_ops ops = { make_model, sample_count, run, free_noop };

typedef struct client {
    vch_site site;
    vch_loop *loop;
    vch_endpoint aggregator;
} client;

static vouch_code connect_anew(void *context, vch_grpc_client **out, vouch_error *err)
{
    const client *c = context;
    const vch_grpc_client_options how = {
        .loop = c->loop, .tls = c->site.tls, .host = c->aggregator.host, .port = c->aggregator.port
    };
    return vch_grpc_client_connect(&how, out, err);
}

static uint32_t draw(void *context)
{
    (void)context;
    uint32_t value = 0;
    return vch_random_bytes(&value, sizeof value, NULL) == VOUCH_OK ? value : 0;
}

static const char *environment(void *context, const char *name)
{
    (void)context;
    return getenv(name);
}

static vouch_code take_part(const vch_site_options *options, const char *address, vouch_error *err)
{
    client c = { 0 };
    noop self = { 0 };
    vch_collaborator *collaborator = NULL;
    vch_pipeline pipeline = *vch_pipeline_plain();
    vouch_code rc = vch_site_read(options, &c.site, err);
    if (rc == VOUCH_OK)
        rc = vch_endpoint_parse(address, &c.aggregator, err);
    if (rc == VOUCH_OK)
        vch_pipeline_for(c.site.view, options->name, &pipeline);
    if (rc == VOUCH_OK)
        rc = vch_model_file_read(NULL, c.site.view->init_state_path, &pipeline, &self.initial, err);
    if (rc == VOUCH_OK)
        rc = vch_site_enter(options, &c.site, err);
    if (rc == VOUCH_OK)
        rc = vch_loop_new(&c.loop, err);
    const vch_collaborator_options how = { .plan = c.site.plan,
                                           .name = options->name,
                                           .runner = { &ops, &self },
                                           .loop = c.loop,
                                           .connect = connect_anew,
                                           .connect_context = &c,
                                           .random = draw };
    if (rc == VOUCH_OK)
        rc = vch_collaborator_new(&how, &collaborator, err);
    if (rc == VOUCH_OK)
        rc = vch_collaborator_run(collaborator, err);
    vch_collaborator_free(collaborator);
    vch_loop_free(c.loop);
    vch_site_drop(&c.site);
    free_noop(&self);
    return rc;
}

int main(int argc, char *argv[])
{
    vouch_error err = { 0 };
    char text[VOUCH_ERROR_DEPTH * VOUCH_ERROR_TEXT];
    if (argc < 3 || argc > 4) {
        (void)fprintf(stderr, "usage: noop_collaborator NAME ADDR:PORT [ATTESTATION]\n");
        return 2;
    }
    const vch_runtime rt = {
        .program = "noop", .out = stdout, .err = stderr, .environment = environment
    };
    const vch_site_options options = { .rt = &rt,
                                       .role = VCH_ROLE_COLLABORATOR,
                                       .name = argv[1],
                                       .plan_path = "plan/plan.yaml",
                                       .attestation_path = argc == 4 ? argv[3] : NULL };
    vch_process_ignore_broken_pipes();
    vouch_code rc = vch_secure_heap_start(&err);
    if (rc == VOUCH_OK)
        rc = take_part(&options, argv[2], &err);
    if (rc != VOUCH_OK)
        (void)fprintf(stderr, "%s: %s\n", argv[1], vouch_error_text(&err, text, sizeof text));
    return rc == VOUCH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
