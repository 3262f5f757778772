/*
 * The end of a round: metrics, best and last model, the aggregate, and the commit that makes it the
 * next round's model. Killed at any point the next start finds the round still open, with the same
 * results, and makes the same model of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fed/aggregator/checkpoint.h"
#include "fed/aggregator/model_file.h"
#include "fed/aggregator/recipe.h"
#include "fed/aggregator/state.h"

static vouch_code report(vch_aggregator *a, const char *origin, const char *task,
                         const char *metric, double value, vouch_error *err)
{
    if (a->options.metrics == NULL)
        return VOUCH_OK;
    const vch_metric_report line = { .origin = origin,
                                     .task = task,
                                     .metric = metric,
                                     .round = vch_round_number(a->round),
                                     .value = value };
    return vch_metrics_put(a->options.metrics, &line, err);
}

static void note_score(vch_closing *end, const vch_metric_mean *mean)
{
    if (!mean->validates_global)
        return;
    if (!end->has_score || mean->value > end->score)
        end->score = mean->value;
    end->has_score = true;
}

/* The means of every metric that the first member which reports the task has. */
static vouch_code mean_metrics(vch_aggregator *a, size_t task, vch_closing *end, vouch_error *err)
{
    const vch_results_selection over = { .counts = end->counts,
                                         .task = task,
                                         .sum = a->view->release->float32_sum ? VCH_SUM_FLOAT32
                                                                              : VCH_SUM_FLOAT64 };
    const vch_result *first = NULL;
    for (size_t m = 0; first == NULL && m < a->view->member_count; m++)
        first = end->counts[m] ? vch_results_look(a->results, m, task) : NULL;
    for (size_t i = 0; first != NULL && i < first->metric_count; i++) {
        vch_metric_mean mean = { 0 };
        vouch_code rc = vch_results_mean(a->results, &over, first->metric[i].name, &mean, err);
        if (rc == VOUCH_E_LIMIT) { /* nobody has a sample: there is no mean, and no harm */
            vch_log(a->options.log, VCH_LOG_WARN, "metric.no_samples",
                    VCH_STR("task", a->view->task[task].name),
                    VCH_STR("metric", first->metric[i].name));
            continue;
        }
        if (rc == VOUCH_OK)
            rc = report(a, VCH_METRIC_MEAN, a->view->task[task].name, first->metric[i].name,
                        mean.value, err);
        if (rc != VOUCH_OK)
            return rc;
        note_score(end, &mean);
    }
    return VOUCH_OK;
}

static vouch_code report_metrics(vch_aggregator *a, vch_closing *end, vouch_error *err)
{
    for (size_t task = 0; task < a->view->task_count; task++) {
        for (size_t m = 0; m < a->view->member_count; m++) {
            const vch_result *one = vch_results_look(a->results, m, task);
            for (size_t i = 0; one != NULL && i < one->metric_count; i++) {
                vouch_code rc = report(a, a->view->member[m], a->view->task[task].name,
                                       one->metric[i].name, (double)one->metric[i].value, err);
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

/* As OpenFL: best is the model that the round started from, and last is it since 1.7. */
static vouch_code save_start_of_round(vch_aggregator *a, vch_closing *end, vouch_error *err)
{
    if (end->has_score && (!a->has_best || end->score > a->best)) {
        end->best = end->score;
        end->has_best = true;
        vouch_code rc = vch_aggregator_save(a, a->view->best_state_path, &a->model, err);
        if (rc == VOUCH_OK && a->options.metrics != NULL && a->options.keep_models)
            rc = vch_metrics_best(a->options.metrics, a->model.round, end->score, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return a->view->release->last_is_result ? VOUCH_OK : vch_aggregator_save_last(a, err);
}

/* Until 1.6 last is what the round made, in the round that begins with it. */
static vouch_code save_result_of_round(vch_aggregator *a, vouch_error *err)
{
    vch_model result = a->model; /* borrows its tensors */
    result.round++;
    if (!a->view->release->last_is_result)
        return VOUCH_OK;
    return vch_aggregator_save(a, a->view->last_state_path, &result, err);
}

static vouch_code make_next_model(vch_aggregator *a, const vch_closing *end, vouch_error *err)
{
    ptrdiff_t task = vch_results_update_task(a->results);
    if (task < 0) /* a round that only validates leaves the model as it is */
        return VOUCH_OK;
    const vch_results_selection over = { .counts = end->counts, .task = (size_t)task };
    vch_results_recipe recipe = vch_aggregator_recipe(a->view, (size_t)task, &a->memory);
    recipe.pipeline = &a->pipeline;
    recipe.deltas = a->deltas;
    vouch_code rc = vch_results_aggregate(a->results, &over, &recipe, &a->model, err);
    /* The model is half another: only a new start can go on, from what is on disk. */
    return rc == VOUCH_OK ? rc : vouch_wrap(err, VOUCH_E_INTERNAL, "aggregating");
}

static void log_round(const vch_aggregator *a, const vch_closing *end)
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

vouch_code vch_aggregator_save_final(vch_aggregator *a, vouch_error *err)
{
    char final[VCH_PATH_SIZE];
    vouch_code rc = vch_model_file_final_path(a->options.plan, final, err);
    if (rc == VOUCH_OK)
        rc = vch_aggregator_save(a, final, &a->model, err);
    if (rc == VOUCH_OK)
        vch_log(a->options.log, VCH_LOG_INFO, "federation.finished",
                VCH_INT("rounds", a->view->rounds),
                VCH_STR("model", a->options.keep_models ? final : ""));
    return rc;
}

/* A file for people: the round stands all the same if it cannot be written. */
static void end_metrics(const vch_aggregator *a)
{
    vouch_error err = { 0 };
    char text[512];
    if (a->options.metrics == NULL)
        return;
    double seconds = (double)(a->options.now_ms() - a->round_began_ms) / 1000.0;
    if (vch_metrics_end_round(a->options.metrics, vch_round_number(a->round), seconds, &err)
        != VOUCH_OK)
        vch_log(a->options.log, VCH_LOG_WARN, "metrics.not_written",
                VCH_STR("reason", vouch_error_text(&err, text, sizeof text)));
}

/* The next model is on disk, and the journal says so: from here on there is no way back. */
static vouch_code next_round(vch_aggregator *a, vouch_error *err)
{
    vch_closing *end = &a->closing;
    vch_sealed_discard(a->past);
    a->past = a->current;
    a->current = a->next;
    a->next = NULL;
    a->best = end->best;
    a->has_best = end->has_best;
    log_round(a, end);
    end_metrics(a);
    free(end->counts);
    *end = (vch_closing) { 0 };
    a->saving = (vch_saving) { 0 };
    a->model.round++;
    vch_results_clear(a->results);
    vch_round_advance(a->round, a->options.now_ms());
    if (vch_round_finished(a->round))
        return vch_aggregator_save_final(a, err);
    vch_aggregator_save_ahead(a);
    return vch_aggregator_begin_round(a, err);
}

static void on_round_stored(void *context, vouch_code rc, const vouch_error *why)
{
    vch_aggregator *a = context;
    vouch_error err = why == NULL ? (vouch_error) { 0 } : *why;
    if (rc != VOUCH_OK) {
        vch_sealed_discard(a->next);
        a->next = NULL;
        a->closing.stage = VCH_CLOSING_STORE;
    }
    if (rc == VOUCH_OK) {
        rc = next_round(a, &err);
        if (rc != VOUCH_OK) {
            vch_aggregator_finish(a, rc, &err);
            return;
        }
        vch_parking_wake(a->parking, a);
    }
    vch_aggregator_stored(a, rc, &err);
}

static vouch_code store(vch_aggregator *a, vouch_error *err)
{
    const vch_closing *end = &a->closing;
    const vch_model *models[1 + VCH_AGGREGATE_SLOT_MAX];
    size_t count = vch_aggregator_models(a, models);
    const vch_ledger_end record = { .round = vch_round_number(a->round),
                                    .counts = end->counts,
                                    .steps = a->memory.steps,
                                    .has_best = end->has_best,
                                    .best = end->best };
    vouch_code rc = vch_checkpoint_write(a->ledger, models, count, &a->next, err);
    const vch_ledger_note note = { .file = a->next, .done = on_round_stored, .context = a };
    if (rc == VOUCH_OK)
        rc = vch_ledger_end_round(a->ledger, &note, &record, err);
    return rc;
}

static vouch_code begin_closing(vch_aggregator *a, vouch_error *err)
{
    vch_closing *end = &a->closing;
    *end = (vch_closing) { .done = vch_round_done_count(a->round),
                           .best = a->best,
                           .has_best = a->has_best };
    end->counts = calloc(a->view->member_count, sizeof *end->counts);
    if (end->counts == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to end a round");
    for (size_t m = 0; m < a->view->member_count; m++)
        end->counts[m] = vch_round_is_done(a->round, m);
    end->stage = VCH_CLOSING_SAVE;
    return report_metrics(a, end, err);
}

/* Each stage may be tried again when the disk has room: what it did is not done twice. */
vouch_code vch_aggregator_close_round(vch_aggregator *a, vouch_error *err)
{
    vouch_code rc = VOUCH_OK;
    if (a->closing.stage == VCH_CLOSING_NOT)
        rc = begin_closing(a, err);
    if (rc == VOUCH_OK && a->closing.stage == VCH_CLOSING_SAVE) {
        if (a->saving.stage == VCH_SAVING_RUNS) /* its end comes here again */
            return VOUCH_OK;
        rc = save_start_of_round(a, &a->closing, err);
        if (rc == VOUCH_OK)
            rc = make_next_model(a, &a->closing, err);
        if (rc == VOUCH_OK)
            a->closing.stage = VCH_CLOSING_STORE;
    }
    if (rc == VOUCH_OK && a->closing.stage == VCH_CLOSING_STORE) {
        rc = save_result_of_round(a, err);
        if (rc == VOUCH_OK)
            rc = store(a, err);
        if (rc == VOUCH_OK)
            a->closing.stage = VCH_CLOSING_STORING;
    }
    if (rc == VOUCH_OK)
        return rc;
    if (a->closing.stage == VCH_CLOSING_STORE) {
        vch_sealed_discard(a->next);
        a->next = NULL;
    }
    return vouch_wrap(err, rc, "ending round %d", vch_round_number(a->round));
}
