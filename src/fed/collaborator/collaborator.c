#include "fed/collaborator/collaborator.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "fed/collaborator/calls.h"
#include "fed/collaborator/global_model.h"
#include "fed/collaborator/outgoing.h"
#include "host/clock.h"

#define END_RETRY_MS 2000

struct vch_collaborator {
    vch_collaborator_options options;
    vch_calls calls;
    vch_global_model global;
    vch_model local; /* as trained in local.round */
    bool has_local;
    vch_keep *keep;     /* the options', or our own */
    vch_keep *own_keep; /* in memory, or NULL */
    unsigned failures;  /* of tasks, one after the other */
    bool task_failed;   /* in this turn */
};

vouch_code vch_collaborator_new(const vch_collaborator_options *options, vch_collaborator **out,
                                vouch_error *err)
{
    VCH_SCOPED(vch_collaborator_drop) vch_collaborator *c = calloc(1, sizeof *c);
    if (c == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the collaborator");
    c->options = *options;
    c->calls = (vch_calls) { .options = &c->options, .view = vch_plan_look(options->plan) };
    vch_pipeline_for(c->calls.view, options->name, &c->global.pipeline);
    vouch_code rc = options->runner.ops->make_model(options->runner.self, &c->global.model, err);
    const vch_keep_options nothing = { .plan = options->plan, .name = options->name };
    if (rc == VOUCH_OK && options->keep == NULL)
        rc = vch_keep_open(&nothing, &c->own_keep, err);
    if (rc != VOUCH_OK)
        return rc;
    c->keep = options->keep != NULL ? options->keep : c->own_keep;
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}

void vch_collaborator_free(vch_collaborator *c)
{
    if (c == NULL)
        return;
    vch_calls_done(&c->calls);
    vch_model_done(&c->global.model);
    vch_model_done(&c->local);
    vch_keep_close(c->own_keep);
    free(c);
}

void vch_collaborator_hang_up(vch_collaborator *c)
{
    c->calls.hung_up = c->calls.client != NULL;
    c->calls.wake = true;
}

void *vch_collaborator_session(const vch_collaborator *c)
{
    return c->calls.client == NULL ? NULL : vch_grpc_client_session(c->calls.client);
}

void vch_collaborator_stop(vch_collaborator *c)
{
    c->calls.stopping = true;
    c->calls.wake = true;
}

static vouch_code run_on(vch_collaborator *c, const vch_plan_task *task, int32_t round,
                         const vch_model *model, vch_task_outcome *out, vouch_error *err)
{
    const vch_runner *runner = &c->options.runner;
    vouch_code rc = runner->ops->run(runner->self, task, round, model, out, err);
    c->task_failed = rc != VOUCH_OK;
    c->failures = rc == VOUCH_OK ? 0 : c->failures + 1;
    return rc;
}

static void keep_local(vch_collaborator *c, vch_task_outcome *outcome)
{
    vch_model_done(&c->local);
    c->local = outcome->model;
    outcome->model = (vch_model) { 0 };
    c->has_local = true;
}

/* A model of the task runner's names and shapes, to be filled. */
static vouch_code make_alike(const vch_model *like, vch_model *out, vouch_error *err)
{
    for (size_t i = 0; i < like->count; i++) {
        vch_tensor t = { 0 };
        vouch_code rc =
            vch_tensor_init(&t, vch_span_str(like->tensor[i].name), &like->tensor[i].shape, err);
        if (rc == VOUCH_OK)
            rc = vch_model_add(out, &t, err);
        vch_tensor_done(&t);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

/* What this collaborator, or the process before it, made for that task already. */
static vouch_code find_kept(vch_collaborator *c, const vch_plan_task *task, int32_t round,
                            vch_task_outcome *outcome, bool *out_found, vouch_error *err)
{
    VCH_SCOPED(vch_model_done) vch_model model = { 0 };
    vouch_error why = { 0 };
    char text[512];
    vouch_code rc = make_alike(&c->global.model, &model, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vch_keep_find(c->keep, round, task, outcome, &model, out_found, &why);
    if (rc != VOUCH_OK) {
        vch_log(c->options.log, VCH_LOG_ERROR, "result.damaged", VCH_STR("task", task->name),
                VCH_INT("round", round),
                VCH_STR("reason", vouch_error_text(&why, text, sizeof text)));
        return VOUCH_OK; /* the task is run again */
    }
    if (*out_found && outcome->trained) {
        outcome->model = model;
        model = (vch_model) { 0 };
        keep_local(c, outcome);
    }
    return VOUCH_OK;
}

/* A collaborator that was started anew in the middle of a round has what it trained on disk; if it
 * keeps nothing it trains again. */
static vouch_code need_local(vch_collaborator *c, int32_t round, vouch_error *err)
{
    if (c->has_local && c->local.round == round)
        return VOUCH_OK;
    for (size_t i = 0; i < c->calls.view->task_count; i++) {
        vch_task_outcome outcome = { 0 };
        bool found = false;
        if (!c->calls.view->task[i].trains)
            continue;
        vouch_code kept = find_kept(c, &c->calls.view->task[i], round, &outcome, &found, err);
        if (kept != VOUCH_OK || (found && outcome.trained))
            return kept;
    }
    vouch_code rc = vch_global_model_need(&c->global, &c->calls, round, err);
    for (size_t i = 0; rc == VOUCH_OK && i < c->calls.view->task_count; i++) {
        const vch_plan_task *task = &c->calls.view->task[i];
        if (!task->trains)
            continue;
        VCH_SCOPED(vch_task_outcome_done) vch_task_outcome outcome = { 0 };
        rc = run_on(c, task, round, &c->global.model, &outcome, err);
        if (rc != VOUCH_OK || !outcome.trained)
            continue;
        keep_local(c, &outcome);
        return VOUCH_OK;
    }
    if (rc != VOUCH_OK)
        return rc;
    return vouch_fail(err, VOUCH_E_CONFIG, "there is no trained model to validate: no task trains");
}

static int32_t data_size(const vch_collaborator *c, const vch_plan_task *task)
{
    const vch_runner *runner = &c->options.runner;
    if (task->trains)
        return runner->ops->sample_count(runner->self, true);
    if (task->validates)
        return runner->ops->sample_count(runner->self, false);
    return -1;
}

static void log_task(const vch_collaborator *c, const vch_plan_task *task, int32_t round,
                     const vch_task_outcome *outcome)
{
    for (size_t i = 0; i < outcome->metric_count; i++) {
        char value[32];
        (void)snprintf(value, sizeof value, "%.6g", (double)outcome->metric[i].value);
        vch_log(c->options.log, VCH_LOG_INFO, "task.done", VCH_STR("task", task->name),
                VCH_INT("round", round), VCH_STR("metric", outcome->metric[i].name),
                VCH_STR("value", value));
        if (c->options.reported != NULL)
            c->options.reported(c->options.reported_context, task, round, &outcome->metric[i]);
    }
}

/* Send until the aggregator has it, or says that it need not be sent. */
static vouch_code send(vch_collaborator *c, const vch_plan_task *task, int32_t round,
                       const vch_task_outcome *outcome, vouch_error *err)
{
    const vch_task_results_head head = { .header = vch_calls_header(&c->calls),
                                         .round = round,
                                         .task_name = vch_span_str(task->name),
                                         .data_size = data_size(c, task) };
    VCH_SCOPED(vch_outgoing_drop) vch_outgoing *outgoing = NULL;
    vch_outgoing_update update = { .model = outcome->trained ? &c->local : NULL,
                                   .base_has_optimizer =
                                       vch_global_model_has_optimizer(c->calls.view, round),
                                   .lossless = vch_global_model_lossless(&c->global),
                                   .pipeline = &c->global.pipeline };
    if (c->calls.view->delta_updates && c->global.has_values && c->global.model.round == round)
        update.base = &c->global.model;
    vouch_code rc = vch_outgoing_new(&head, task, outcome, &update, &outgoing, err);
    while (rc == VOUCH_OK) {
        rc = vch_calls_send(&c->calls, vch_outgoing_writer(outgoing), err);
        if (rc != VOUCH_E_NETWORK)
            return rc;
        char why[512];
        vch_log(c->options.log, VCH_LOG_WARN, "result.not_sent", VCH_STR("task", task->name),
                VCH_STR("reason", vouch_error_text(err, why, sizeof why)));
        if (err != NULL)
            *err = (vouch_error) { 0 };
        rc = vch_calls_wait(&c->calls, vch_calls_delay_ms(&c->calls), err);
    }
    return rc;
}

/* A full disk passes: tried again later, as a task that failed. A spoilt journal does not pass. */
static vouch_code kept(vch_collaborator *c, vouch_code rc)
{
    if (rc != VOUCH_OK && !vch_keep_is_spoilt(c->keep)) {
        c->task_failed = true;
        c->failures++;
    }
    return rc;
}

/* Run it, and have the result on disk before anybody hears of it. */
static vouch_code make_result(vch_collaborator *c, const vch_plan_task *task, int32_t round,
                              vch_task_outcome *outcome, vouch_error *err)
{
    vouch_code rc = task->apply_local ? need_local(c, round, err)
                                      : vch_global_model_need(&c->global, &c->calls, round, err);
    if (rc == VOUCH_OK)
        rc = run_on(c, task, round, task->apply_local ? &c->local : &c->global.model, outcome, err);
    if (rc != VOUCH_OK)
        return rc;
    log_task(c, task, round, outcome);
    if (outcome->trained)
        keep_local(c, outcome);
    return kept(c, vch_keep_result(c->keep, round, task, outcome,
                                   outcome->trained ? &c->local : NULL, err));
}

static vouch_code run_task(vch_collaborator *c, vouch_span name, int32_t round, vouch_error *err)
{
    VCH_SCOPED(vch_task_outcome_done) vch_task_outcome outcome = { 0 };
    bool found = false;
    const vch_plan_task *task = vch_plan_task_find(c->options.plan, name);
    if (task == NULL)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the aggregator asks for a task '%.*s' that is not "
                          "in the plan",
                          (int)(name.size > 80 ? 80 : name.size), (const char *)name.data);
    vouch_code rc = find_kept(c, task, round, &outcome, &found, err);
    if (rc == VOUCH_OK && !found)
        rc = make_result(c, task, round, &outcome, err);
    else if (rc == VOUCH_OK && outcome.trained && c->calls.view->delta_updates)
        rc = vch_global_model_need(&c->global, &c->calls, round, err); /* what it changed */
    if (rc != VOUCH_OK)
        return rc;
    if (found)
        vch_log(c->options.log, VCH_LOG_INFO, "task.kept", VCH_STR("task", task->name),
                VCH_INT("round", round));
    rc = send(c, task, round, &outcome, err);
    return rc == VOUCH_OK ? kept(c, vch_keep_acknowledged(c->keep, round, err)) : rc;
}

/* docs/protocol.md section 9: a host can restore an old disk under an aggregator. */
static vouch_code check_round(const vch_collaborator *c, int32_t round, vouch_error *err)
{
    int32_t finished = vch_keep_finished(c->keep);
    if (round < 0 || round < finished)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the aggregator is in round %d, but round %d is done here: it was set "
                          "back, or a run begins anew (then remove '%s')",
                          round, finished, vch_keep_directory(c->keep));
    return VOUCH_OK;
}

/* One answer to "what shall I do": *out_quit, or the tasks are done. */
static vouch_code take_turn(vch_collaborator *c, bool *out_quit, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = { 0 };
    VCH_SCOPED(vch_free_drop) vch_wire_tasks *tasks = calloc(1, sizeof *tasks);
    if (tasks == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for tasks");
    vouch_code rc = vch_calls_get_tasks(&c->calls, &message, tasks, err);
    if (rc != VOUCH_OK || tasks->quit) {
        *out_quit = rc == VOUCH_OK;
        return rc;
    }
    int64_t began_ms = vch_clock_monotonic_ms();
    rc = check_round(c, tasks->round, err);
    for (size_t i = 0; rc == VOUCH_OK && i < tasks->task_count; i++)
        rc = run_task(c, tasks->task[i].name, tasks->round, err);
    if (rc == VOUCH_OK && tasks->task_count > 0 && c->options.turn_done != NULL)
        c->options.turn_done(c->options.reported_context, tasks->round,
                             vch_clock_monotonic_ms() - began_ms);
    if (rc == VOUCH_OK && tasks->task_count == 0 && tasks->sleep_s > 0) {
        int64_t seconds = tasks->sleep_s > 3600 ? 3600 : tasks->sleep_s;
        rc = vch_calls_wait(&c->calls, seconds * 1000, err);
    }
    return rc;
}

/* A task that fails is tried again, after 1, 2, 4 … 60 s: its reason may pass, and the round goes on
 * without us if the plan says so. */
static vouch_code after_failed_task(vch_collaborator *c, const vouch_error *why)
{
    char text[1024];
    vouch_error ignored = { 0 };
    int64_t delay_ms = c->failures > 6 ? 60000 : INT64_C(500) << c->failures;
    c->task_failed = false;
    vch_log(c->options.log, VCH_LOG_ERROR, "task.failed",
            VCH_STR("reason", vouch_error_text(why, text, sizeof text)),
            VCH_INT("failures", c->failures), VCH_INT("retry_ms", delay_ms));
    return vch_calls_wait(&c->calls, delay_ms, &ignored);
}

/* The next start must not take this run for one that goes on: a full disk is waited out here, too. */
static vouch_code keep_end(vch_collaborator *c, vouch_error *err)
{
    for (;;) {
        char text[512];
        vouch_error why = { 0 };
        vouch_error ignored = { 0 };
        vouch_code rc = vch_keep_over(c->keep, &why);
        if (rc == VOUCH_OK)
            return VOUCH_OK;
        bool passes = rc == VOUCH_E_IO || rc == VOUCH_E_MEMORY;
        if (passes && !vch_keep_is_spoilt(c->keep)) {
            vch_log(c->options.log, VCH_LOG_ERROR, "end.not_kept",
                    VCH_STR("reason", vouch_error_text(&why, text, sizeof text)),
                    VCH_INT("retry_ms", END_RETRY_MS));
            if (vch_calls_wait(&c->calls, END_RETRY_MS, &ignored) == VOUCH_OK)
                continue;
        }
        if (err != NULL)
            *err = why;
        return rc;
    }
}

/* What passes by itself: a connection, an aggregator that starts or stops, a round that ended
 * while we worked on it. */
static bool may_pass(vouch_code rc)
{
    return rc == VOUCH_E_NETWORK || rc == VOUCH_E_TIMEOUT || rc == VOUCH_E_NOT_FOUND;
}

vouch_code vch_collaborator_run(vch_collaborator *c, vouch_error *err)
{
    for (;;) {
        vouch_error why = { 0 };
        bool quit = false;
        vouch_code rc = take_turn(c, &quit, &why);
        if (c->calls.stopping)
            return VOUCH_OK;
        if (quit) {
            vch_log(c->options.log, VCH_LOG_INFO, "federation.finished",
                    VCH_INT("round", vch_keep_finished(c->keep)));
            return keep_end(c, err);
        }
        if (rc == VOUCH_OK || (c->task_failed && after_failed_task(c, &why) == VOUCH_OK))
            continue;
        if (c->calls.stopping)
            return VOUCH_OK;
        if (!may_pass(rc)) {
            if (err != NULL)
                *err = why;
            return rc;
        }
        char text[512];
        int64_t delay_ms = vch_calls_delay_ms(&c->calls);
        vch_log(c->options.log, VCH_LOG_WARN, "aggregator.trouble",
                VCH_STR("reason", vouch_error_text(&why, text, sizeof text)),
                VCH_INT("retry_ms", delay_ms));
        if (vch_calls_wait(&c->calls, delay_ms, &why) != VOUCH_OK && c->calls.stopping)
            return VOUCH_OK;
    }
}
