#include "fed/aggregator/aggregator.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "fed/aggregator/checkpoint.h"
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

void vch_aggregator_finish(vch_aggregator *a, vouch_code rc, const vouch_error *why)
{
    if (a->ended)
        return;
    a->ended = true;
    a->options.done(a->options.done_context, rc, why);
}

/* Give everyone the tasks of the round that begins. */
vouch_code vch_aggregator_begin_round(vch_aggregator *a, vouch_error *err)
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

static void on_begun(void *context, vouch_code rc, const vouch_error *why)
{
    vch_aggregator *a = context;
    if (rc == VOUCH_OK)
        a->current = a->next;
    else
        vch_sealed_discard(a->next);
    a->next = NULL;
    vch_aggregator_stored(a, rc, why);
}

size_t vch_aggregator_models(const vch_aggregator *a,
                             const vch_model *out[static 1 + VCH_AGGREGATE_SLOT_MAX])
{
    out[0] = &a->model;
    for (size_t i = 0; i < a->memory.slot_count; i++)
        out[i + 1] = &a->memory.slot[i];
    return 1 + a->memory.slot_count;
}

/* Write down where training starts. */
static vouch_code begin(vch_aggregator *a, vouch_error *err)
{
    const vch_model *models[1 + VCH_AGGREGATE_SLOT_MAX];
    size_t count = vch_aggregator_models(a, models);
    vouch_code rc = vch_checkpoint_write(a->ledger, models, count, &a->next, err);
    const vch_ledger_note note = { .file = a->next, .done = on_begun, .context = a };
    if (rc == VOUCH_OK)
        rc = vch_ledger_begin(a->ledger, &note, a->model.round, err);
    if (rc != VOUCH_OK) {
        vch_sealed_discard(a->next);
        a->next = NULL;
    }
    return rc;
}

/* What there is to do for the round now. */
static vouch_code work_on_round(vch_aggregator *a, int64_t now, vouch_error *err)
{
    if (a->next != NULL) /* on its way to the disk */
        return VOUCH_OK;
    if (a->current == NULL)
        return begin(a, err);
    bool is_closing = a->closing.stage != VCH_CLOSING_NOT;
    bool is_over = vch_round_is_over(a->round, now) && !vch_ledger_is_busy(a->ledger);
    return is_closing || is_over ? vch_aggregator_close_round(a, err) : VOUCH_OK;
}

vouch_code vch_aggregator_conclude(vch_aggregator *a, vouch_error *err)
{
    vouch_code rc = vch_ledger_finish(a->ledger, vch_round_number(a->round), err);
    return rc == VOUCH_OK ? rc
                          : vouch_wrap(err, rc,
                                       "all rounds are done and the models are saved; keeping that "
                                       "it is over");
}

static void step(void *context)
{
    vch_aggregator *a = context;
    vouch_error err = { 0 };
    char text[512];
    int64_t now = a->options.now_ms();
    int64_t again = INT64_MAX;
    if (a->ended)
        return;
    vouch_code rc = work_on_round(a, now, &err);
    if (rc == VOUCH_E_IO || rc == VOUCH_E_MEMORY) { /* a full disk: it may have room later */
        again = now + VCH_AGGREGATOR_RETRY_MS;
        vch_log(a->options.log, VCH_LOG_ERROR, "state.not_written",
                VCH_STR("reason", vouch_error_text(&err, text, sizeof text)),
                VCH_INT("retry_ms", VCH_AGGREGATOR_RETRY_MS));
    } else if (rc != VOUCH_OK) {
        vch_aggregator_finish(a, rc, &err);
        return;
    }
    now = a->options.now_ms();
    int64_t due = vch_parking_tick(a->parking, now, a);
    if (vch_round_may_exit(a->round, now)) {
        if (!vch_ledger_is_busy(a->ledger)) /* else this comes again */
            vch_aggregator_finish(a, VOUCH_OK, NULL);
        return;
    }
    int64_t round_due = vch_round_next_deadline_ms(a->round);
    if (round_due > now && round_due < due) /* one that has passed waits for an event */
        due = round_due;
    if (again < due)
        due = again;
    if (due != INT64_MAX)
        vch_timer_start(a->step, due > now ? due - now : 0);
}

void vch_aggregator_stored(vch_aggregator *a, vouch_code rc, const vouch_error *why)
{
    if (rc != VOUCH_OK && vch_ledger_is_spoilt(a->ledger)) {
        vch_aggregator_finish(a, rc, why);
        return;
    }
    if (a->closing.stage != VCH_CLOSING_NOT && rc != VOUCH_OK) {
        char text[512];
        vch_log(a->options.log, VCH_LOG_ERROR, "state.not_written",
                VCH_STR("reason", why == NULL ? "" : vouch_error_text(why, text, sizeof text)),
                VCH_INT("retry_ms", VCH_AGGREGATOR_RETRY_MS));
        vch_timer_start(a->step, VCH_AGGREGATOR_RETRY_MS);
        return;
    }
    vch_aggregator_poke(a);
}

void vch_aggregator_poke(vch_aggregator *a)
{
    if (!a->ended)
        vch_timer_start(a->step, 0);
}

void vch_aggregator_start(vch_aggregator *a)
{
    vouch_error err = { 0 };
    if (a->current == NULL && begin(a, &err) == VOUCH_OK)
        vch_ledger_flush(a->ledger); /* before any result comes; if it fails, it is tried again */
    if (!vch_round_finished(a->round))
        vch_aggregator_save_ahead(a);
    vch_aggregator_poke(a);
}

/* docs/openfl.md: no update is taken with tensors that the agreed initial model does not declare. */
static void warn_of_optimizer(const vch_aggregator *a)
{
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    bool declared = a->view->opt_treatment != VCH_OPT_CONTINUE_GLOBAL;
    for (size_t i = 0; i < a->model.count; i++)
        declared |= vch_tensor_is_optimizer(vch_span_str(a->model.tensor[i].name));
    if (declared)
        return;
    vch_plan_warn_no_optimizer(a->options.plan, &faults);
    for (size_t i = 0; i < faults.count; i++)
        vch_log(a->options.log, VCH_LOG_WARN, "optimizer.not_declared",
                VCH_STR("reason", faults.item[i].text));
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
    if (rc == VOUCH_OK)
        rc = vch_timer_new(a->options.loop, vch_aggregator_reseal, a, &a->rules.retry, err);
    if (rc != VOUCH_OK)
        return rc;
    a->arriving = calloc(a->view->member_count, sizeof *a->arriving);
    a->storing = calloc(a->view->member_count, sizeof *a->storing);
    if (a->arriving == NULL || a->storing == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu members", a->view->member_count);
    return vch_round_finished(a->round) ? VOUCH_OK : vch_aggregator_begin_round(a, err);
}

static vouch_code open_ledger(vch_aggregator *a, vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE] = { 0 };
    vouch_code rc = vch_checkpoint_digest(&a->model, digest, err);
    const vch_ledger_options how = { .parent = a->options.state_directory,
                                     .root = a->options.root,
                                     .fleeting = a->options.fleeting,
                                     .plan = a->options.plan,
                                     .model_digest = digest,
                                     .policy_digest = a->options.policy_digest,
                                     .before = a->options.before,
                                     .before_count = a->options.before_count,
                                     .loop = a->options.loop,
                                     .workers = a->options.workers,
                                     .log = a->options.log };
    return rc == VOUCH_OK ? vch_ledger_open(&how, &a->ledger, err) : rc;
}

/* The model that the process before this one had, and what its aggregation remembered. */
static vouch_code restore_model(vch_aggregator *a, const vch_ledger_past *past, vouch_error *err)
{
    vch_model *models[1 + VCH_AGGREGATE_SLOT_MAX] = { &a->model };
    for (size_t i = 0; i < a->memory.slot_count; i++)
        models[i + 1] = &a->memory.slot[i];
    vouch_code rc = vch_ledger_open_model(a->ledger, false, &a->current, err);
    if (rc == VOUCH_OK)
        rc = vch_ledger_open_model(a->ledger, true, &a->past, err);
    if (rc == VOUCH_OK)
        rc = vch_checkpoint_read(a->current, models, 1 + a->memory.slot_count, err);
    if (rc != VOUCH_OK)
        return rc;
    a->model.round = past->round;
    a->memory.steps = past->steps;
    a->best = past->best;
    a->has_best = past->has_best;
    return VOUCH_OK;
}

static vouch_code restore_result(void *context, size_t member, size_t task, vch_result *result,
                                 vouch_error *err)
{
    vch_aggregator *a = context;
    if (vch_round_judge(a->round, member, vch_round_number(a->round), task) != VCH_RESULT_TAKE)
        return VOUCH_OK;
    vouch_code rc = vch_results_put(a->results, member, task, result, err);
    if (rc == VOUCH_OK)
        vch_round_report(a->round, member, task);
    return rc;
}

/* The results of the round that was open, and whom there is still to tell. */
static vouch_code restore_round(vch_aggregator *a, vouch_error *err)
{
    for (size_t m = 0; m < a->view->member_count; m++) {
        if (vch_ledger_was_quarantined(a->ledger, m))
            vch_round_exclude(a->round, m); /* until it is admitted again */
    }
    vouch_code rc = vch_ledger_each_result(a->ledger, restore_result, a, err);
    if (rc == VOUCH_OK)
        vch_round_resume(a->round, a->options.now_ms());
    if (rc == VOUCH_OK && vch_round_finished(a->round))
        rc = vch_aggregator_save_final(a, err);
    if (rc == VOUCH_OK)
        vch_log(a->options.log, VCH_LOG_INFO, "federation.resumed",
                VCH_INT("round", vch_round_number(a->round)), VCH_INT("of", a->view->rounds),
                VCH_INT("reported", vch_round_done_count(a->round)));
    return rc;
}

static vouch_code make(vch_aggregator *a, vouch_error *err)
{
    vouch_code rc = vch_aggregator_remember(a->view, &a->model, &a->memory, err);
    if (rc == VOUCH_OK)
        rc = open_ledger(a, err);
    if (rc != VOUCH_OK)
        return rc;
    warn_of_optimizer(a);
    const vch_ledger_past *past = vch_ledger_look(a->ledger);
    if (past->begun)
        rc = restore_model(a, past, err);
    if (rc == VOUCH_OK)
        rc = make_parts(a, a->model.round, err);
    if (rc == VOUCH_OK && past->begun)
        rc = restore_round(a, err);
    if (rc == VOUCH_OK && a->view->delta_updates && !vch_pipeline_streams(&a->pipeline))
        rc = vch_deltas_new(a->model.count, &a->deltas, err);
    return rc;
}

vouch_code vch_aggregator_new(const vch_aggregator_options *options, vch_model *model,
                              vch_aggregator **out, vouch_error *err)
{
    VCH_SCOPED(vch_aggregator_drop) vch_aggregator *a = calloc(1, sizeof *a);
    if (a == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the aggregator");
    a->options = *options;
    a->view = vch_plan_look(options->plan);
    vch_pipeline_for(a->view, a->view->aggregator_uuid, &a->pipeline);
    a->model = *model; /* given back if the start fails */
    vouch_code rc = make(a, err);
    if (rc != VOUCH_OK) {
        a->model = (vch_model) { 0 };
        return rc;
    }
    *model = (vch_model) { 0 };
    a->intake = (vch_intake) { .plan = options->plan,
                               .round = a->round,
                               .results = a->results,
                               .model = &a->model,
                               .pipeline = &a->pipeline,
                               .ledger = a->ledger,
                               .arriving = a->arriving };
    *out = VCH_MOVE(a);
    return VOUCH_OK;
}

void vch_aggregator_free(vch_aggregator *a)
{
    if (a == NULL)
        return;
    vch_ledger_close(a->ledger); /* tells what is under way that it failed */
    vch_timer_free(a->step);
    vch_timer_free(a->rules.retry);
    vch_parking_free(a->parking);
    vch_results_free(a->results);
    vch_round_free(a->round);
    vch_model_done(&a->model);
    vch_sealed_free(a->current);
    vch_sealed_free(a->past);
    vch_sealed_free(a->next);
    free(a->closing.counts);
    free(a->storing);
    vch_deltas_free(a->deltas);
    vch_aggregate_state_done(&a->memory);
    free(a->arriving);
    free(a);
}
