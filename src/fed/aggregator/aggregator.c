#include "fed/aggregator/aggregator.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "fed/aggregator/model_file.h"
#include "fed/aggregator/recipe.h"
#include "fed/aggregator/state.h"

static vch_round_options round_options(const vch_plan_view *view, int32_t first_round)
{
    vch_round_options o = { .member_count = view->member_count,
                            .task_count = view->task_count,
                            .first_round = first_round,
                            .end_round = (int32_t)view->rounds,
                            .cutoff_ms = -1,
                            .minimum_reporting = view->straggler.minimum_reporting,
                            .percentage = view->straggler.percent_needed,
                            .farewell_ms = VCH_AGGREGATOR_FAREWELL_MS };
    switch (view->straggler.policy) {
    case VCH_STRAGGLER_WAIT_FOR_ALL:
        o.policy = VCH_ROUND_WAIT_FOR_ALL;
        break;
    case VCH_STRAGGLER_CUTOFF_TIME:
        o.policy = VCH_ROUND_CUTOFF;
        if (view->straggler.cutoff_s < 1e9) /* beyond it, and infinity: never */
            o.cutoff_ms = (int64_t)(view->straggler.cutoff_s * 1000.0);
        break;
    case VCH_STRAGGLER_PERCENTAGE:
        o.policy = VCH_ROUND_PERCENTAGE;
        break;
    }
    return o;
}

static void finish(vch_aggregator *a, vouch_code rc, const vouch_error *why)
{
    if (a->ended)
        return;
    a->ended = true;
    a->options.done(a->options.done_context, rc, why);
}

/* Give everyone the tasks of the round that begins. */
static vouch_code begin_round(vch_aggregator *a, vouch_error *err)
{
    uint32_t round = (uint32_t)vch_round_number(a->round);
    VCH_SCOPED(vch_free_drop) uint64_t *owed = calloc(a->view->member_count, sizeof *owed);
    VCH_SCOPED(vch_free_drop) size_t *tasks = calloc(VCH_PLAN_TASK_MAX, sizeof *tasks);
    if (owed == NULL || tasks == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to assign tasks");
    for (size_t m = 0; m < a->view->member_count; m++) {
        size_t count = 0;
        vouch_code rc = vch_plan_assign(a->options.plan, m, round, tasks, &count, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "round %u: assigning tasks", round);
        for (size_t i = 0; i < count; i++)
            owed[m] |= UINT64_C(1) << tasks[i];
    }
    vch_round_assign(a->round, owed);
    a->round_began_ms = a->options.now_ms();
    return VOUCH_OK;
}

static vouch_code report(vch_aggregator *a, const char *origin, const char *task,
                         const vch_metric *metric, vouch_error *err)
{
    if (a->options.metrics == NULL)
        return VOUCH_OK;
    const vch_metric_report line = { .origin = origin,
                                     .task = task,
                                     .metric = metric->name,
                                     .round = vch_round_number(a->round),
                                     .value = (double)metric->value };
    return vch_metrics_put(a->options.metrics, &line, err);
}

typedef struct round_end {
    bool *counts; /* members that are done */
    size_t done;
    double score; /* the best validate_agg metric of this round */
    bool has_score;
} round_end;

static void note_score(round_end *end, const vch_metric *mean)
{
    double value = (double)mean->value;
    if (!mean->validates_global)
        return;
    if (!end->has_score || value > end->score)
        end->score = value;
    end->has_score = true;
}

/* The means of every metric that the first member which reports the task has. */
static vouch_code mean_metrics(vch_aggregator *a, size_t task, round_end *end, vouch_error *err)
{
    const vch_results_selection over = { .counts = end->counts, .task = task };
    const vch_result *first = NULL;
    for (size_t m = 0; first == NULL && m < a->view->member_count; m++)
        first = end->counts[m] ? vch_results_look(a->results, m, task) : NULL;
    for (size_t i = 0; first != NULL && i < first->metric_count; i++) {
        vch_metric mean = { 0 };
        vouch_code rc = vch_results_mean(a->results, &over, first->metric[i].name, &mean, err);
        if (rc == VOUCH_E_LIMIT) { /* nobody has a sample: there is no mean, and no harm */
            vch_log(a->options.log, VCH_LOG_WARN, "metric.no_samples",
                    VCH_STR("task", a->view->task[task].name),
                    VCH_STR("metric", first->metric[i].name));
            continue;
        }
        if (rc == VOUCH_OK)
            rc = report(a, "aggregator", a->view->task[task].name, &mean, err);
        if (rc != VOUCH_OK)
            return rc;
        note_score(end, &mean);
    }
    return VOUCH_OK;
}

static vouch_code report_metrics(vch_aggregator *a, round_end *end, vouch_error *err)
{
    for (size_t task = 0; task < a->view->task_count; task++) {
        for (size_t m = 0; m < a->view->member_count; m++) {
            const vch_result *one = vch_results_look(a->results, m, task);
            for (size_t i = 0; one != NULL && i < one->metric_count; i++) {
                vouch_code rc =
                    report(a, a->view->member[m], a->view->task[task].name, &one->metric[i], err);
                if (rc != VOUCH_OK)
                    return rc;
            }
        }
        vouch_code rc = mean_metrics(a, task, end, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

static vouch_code save(vch_aggregator *a, const char *path, vouch_error *err)
{
    if (!a->options.keep_models)
        return VOUCH_OK;
    return vch_model_file_write(a->options.directory, path, &a->pipeline, &a->model, err);
}

/* As OpenFL: best and last are the model that the round started from. */
static vouch_code save_start_of_round(vch_aggregator *a, const round_end *end, vouch_error *err)
{
    if (end->has_score && (!a->has_best || end->score > a->best)) {
        a->best = end->score;
        a->has_best = true;
        vouch_code rc = save(a, a->view->best_state_path, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return save(a, a->view->last_state_path, err);
}

static vouch_code make_next_model(vch_aggregator *a, const round_end *end, vouch_error *err)
{
    ptrdiff_t task = vch_results_update_task(a->results);
    if (task >= 0) { /* a round that only validates leaves the model as it is */
        const vch_results_selection over = { .counts = end->counts, .task = (size_t)task };
        vch_results_recipe recipe = vch_aggregator_recipe(a->view, (size_t)task, &a->memory);
        recipe.pipeline = &a->pipeline;
        recipe.deltas = a->deltas;
        vouch_code rc = vch_results_aggregate(a->results, &over, &recipe, &a->model, err);
        if (rc != VOUCH_OK)
            return rc;
        a->has_delta = a->view->delta_updates;
    }
    vch_model_done(&a->previous);
    a->model.round++;
    return VOUCH_OK;
}

static void log_round(const vch_aggregator *a, const round_end *end)
{
    char score[32] = "";
    if (end->has_score)
        (void)snprintf(score, sizeof score, "%.4f", end->score);
    vch_log(a->options.log, VCH_LOG_INFO, "round.finished",
            VCH_INT("round", vch_round_number(a->round)), VCH_INT("of", a->view->rounds),
            VCH_INT("reported", end->done), VCH_INT("members", a->view->member_count),
            VCH_STR("accuracy", score),
            VCH_INT("milliseconds", a->options.now_ms() - a->round_began_ms));
}

static vouch_code next_round(vch_aggregator *a, vouch_error *err)
{
    char final[VCH_PATH_SIZE];
    vch_results_clear(a->results);
    vch_round_advance(a->round, a->options.now_ms());
    if (!vch_round_finished(a->round))
        return begin_round(a, err);
    vouch_code rc = vch_model_file_final_path(a->options.plan, final, err);
    if (rc == VOUCH_OK)
        rc = save(a, final, err);
    if (rc == VOUCH_OK)
        vch_log(a->options.log, VCH_LOG_INFO, "federation.finished",
                VCH_INT("rounds", a->view->rounds),
                VCH_STR("model", a->options.keep_models ? final : ""));
    return rc;
}

static vouch_code end_round(vch_aggregator *a, vouch_error *err)
{
    round_end end = { .done = vch_round_done_count(a->round) };
    VCH_SCOPED(vch_free_drop) bool *counts = calloc(a->view->member_count, sizeof *counts);
    if (counts == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to end a round");
    for (size_t m = 0; m < a->view->member_count; m++)
        counts[m] = vch_round_is_done(a->round, m);
    end.counts = counts;
    vouch_code rc = report_metrics(a, &end, err);
    if (rc == VOUCH_OK)
        rc = save_start_of_round(a, &end, err);
    if (rc == VOUCH_OK)
        rc = make_next_model(a, &end, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "ending round %d", vch_round_number(a->round));
    log_round(a, &end);
    return next_round(a, err);
}

static void step(void *context)
{
    vch_aggregator *a = context;
    vouch_error err = { 0 };
    int64_t now = a->options.now_ms();
    if (a->ended)
        return;
    if (vch_round_is_over(a->round, now)) {
        vouch_code rc = end_round(a, &err);
        if (rc != VOUCH_OK) {
            finish(a, rc, &err);
            return;
        }
        vch_parking_wake(a->parking, a);
    }
    now = a->options.now_ms();
    int64_t due = vch_parking_tick(a->parking, now, a);
    if (vch_round_may_exit(a->round, now)) {
        finish(a, VOUCH_OK, &err);
        return;
    }
    int64_t round_due = vch_round_next_deadline_ms(a->round);
    if (round_due > now && round_due < due) /* one that has passed waits for an event */
        due = round_due;
    if (due != INT64_MAX)
        vch_timer_start(a->step, due > now ? due - now : 0);
}

void vch_aggregator_poke(vch_aggregator *a)
{
    if (!a->ended)
        vch_timer_start(a->step, 0);
}

void vch_aggregator_start(vch_aggregator *a)
{
    vch_aggregator_poke(a);
}

static vouch_code check_plan(const vch_plan_view *view, vouch_error *err)
{
    if (view->opt_treatment == VCH_OPT_CONTINUE_GLOBAL)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "opt_treatment: CONTINUE_GLOBAL is not served: optimiser state would "
                          "travel as tensors that the model does not have");
    if (view->single_col_cert_common_name[0] != '\0')
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "single_col_cert_common_name is not served: each collaborator needs a "
                          "certificate of its own name");
    return VOUCH_OK;
}

static vouch_code make_parts(vch_aggregator *a, int32_t first_round, vouch_error *err)
{
    vch_round_options options = round_options(a->view, first_round);
    vouch_code rc = vch_round_new(&options, &a->round, err);
    if (rc == VOUCH_OK)
        rc = vch_results_new(a->view->member_count, a->view->task_count, &a->results, err);
    if (rc == VOUCH_OK)
        rc = vch_parking_new(&a->parking, err);
    if (rc == VOUCH_OK)
        rc = vch_timer_new(a->options.loop, step, a, &a->step, err);
    if (rc != VOUCH_OK)
        return rc;
    a->first_round = first_round;
    a->receipts = calloc(a->view->member_count, sizeof *a->receipts);
    if (a->receipts == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu members", a->view->member_count);
    return vch_round_finished(a->round) ? VOUCH_OK : begin_round(a, err);
}

vouch_code vch_aggregator_new(const vch_aggregator_options *options, vch_model *model,
                              vch_aggregator **out, vouch_error *err)
{
    VCH_SCOPED(vch_aggregator_drop) vch_aggregator *a = calloc(1, sizeof *a);
    if (a == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the aggregator");
    a->options = *options;
    a->view = vch_plan_look(options->plan);
    vouch_code rc = check_plan(a->view, err);
    vch_pipeline_for(a->view, a->view->aggregator_uuid, &a->pipeline);
    if (rc == VOUCH_OK)
        rc = make_parts(a, model->round, err);
    if (rc == VOUCH_OK && a->view->delta_updates)
        rc = vch_deltas_new(model->count, &a->deltas, err);
    if (rc == VOUCH_OK)
        rc = vch_aggregator_remember(a->view, model, &a->memory, err);
    if (rc != VOUCH_OK)
        return rc;
    a->model = *model;
    *model = (vch_model) { 0 };
    a->intake = (vch_intake) { .plan = options->plan,
                               .round = a->round,
                               .results = a->results,
                               .model = &a->model,
                               .pipeline = &a->pipeline,
                               .spool_directory = options->spool_directory };
    *out = VCH_MOVE(a);
    return VOUCH_OK;
}

void vch_aggregator_free(vch_aggregator *a)
{
    if (a == NULL)
        return;
    vch_timer_free(a->step);
    vch_parking_free(a->parking);
    vch_results_free(a->results);
    vch_round_free(a->round);
    vch_model_done(&a->model);
    vch_model_done(&a->previous);
    vch_deltas_free(a->deltas);
    vch_aggregate_state_done(&a->memory);
    free(a->receipts);
    free(a);
}
