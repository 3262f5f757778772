/* What an admitted collaborator streams as its result, from the first byte to the commit. The first
 * byte chooses the size of the pieces. Whatever it is: a result is committed whole and finite, or
 * nothing is, with a reason. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "fed/aggregator/intake.h"

static const char plan_text[] =
    "aggregator: {template: a.Aggregator, settings: {init_state_path: save/i, best_state_path: "
    "save/b, last_state_path: save/l, rounds_to_train: 3}}\n"
    "collaborator: {template: a.Collaborator, settings: {opt_treatment: RESET}}\n"
    "data_loader: {template: vouch.CsvDataLoader, settings: {}}\n"
    "task_runner: {template: vouch.MlpTaskRunner, settings: {}}\n"
    "network: {template: a.Network, settings: {agg_addr: localhost, agg_port: 50051}}\n"
    "assigner: {template: a.RandomGroupedAssigner, settings: {task_groups: [{name: g, percentage: "
    "1.0, tasks: [train]}]}}\n"
    "compression_pipeline: {template: a.NoCompressionPipeline, settings: {}}\n"
    "tasks: {train: {function: train, kwargs: {}}}\n";

static vch_plan *plan;
static vch_model model;

static void add_tensor(const char *name, const int32_t *dims, size_t rank)
{
    vch_shape shape;
    vch_tensor t = { 0 };
    if (vch_shape_make(dims, rank, &shape, NULL) != VOUCH_OK
        || vch_tensor_init(&t, vch_span_str(name), &shape, NULL) != VOUCH_OK
        || vch_model_add(&model, &t, NULL) != VOUCH_OK)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    vch_faults faults = { 0 };
    const vch_plan_source source = { .plan_name = "plan.yaml",
                                     .plan = vch_span_str(plan_text),
                                     .cols_name = "cols.yaml",
                                     .cols = vch_span_str("collaborators: [col1]\n"),
                                     .federation_uuid = "f" };
    if (vch_plan_parse(&source, &faults, &plan, NULL) != VOUCH_OK)
        abort();
    vch_faults_done(&faults);
    add_tensor("w", (const int32_t[]) { 2, 3 }, 2);
    add_tensor("b", (const int32_t[]) { 3 }, 1);
    return 0;
}

static vouch_code stream(const vch_intake *intake, vouch_span in, size_t piece,
                         vch_round_ruling *ruling, vouch_error *err)
{
    vch_receipt *receipt = NULL;
    vouch_code rc = vch_receipt_new(intake, "col1", &receipt, err);
    for (size_t at = 0; rc == VOUCH_OK && at < in.size; at += piece) {
        size_t n = in.size - at < piece ? in.size - at : piece;
        rc = vch_receipt_feed(receipt, (vouch_span) { in.data + at, n }, err);
    }
    if (rc == VOUCH_OK)
        rc = vch_receipt_message_end(receipt, err);
    if (rc == VOUCH_OK)
        rc = vch_receipt_finish(receipt, ruling, err);
    if (rc == VOUCH_OK && *ruling == VCH_RESULT_TAKE)
        rc = vch_receipt_keep(receipt, ruling, err);
    vch_receipt_free(receipt);
    return rc;
}

static void check_result(const vch_result *r)
{
    float values[9];
    if (r == NULL || r->update == NULL || r->data_size < 1
        || vch_sealed_read(r->update, 0, values, sizeof values, NULL) != VOUCH_OK)
        __builtin_trap();
    for (size_t i = 0; i < 9; i++) {
        if (!(fabsf(values[i]) <= vch_plan_look(plan)->limits.value_max))
            __builtin_trap();
    }
    for (size_t i = 0; i < r->metric_count; i++) {
        if (!isfinite(r->metric[i].value) || r->metric[i].name[0] == '\0')
            __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    vouch_error err = { 0 };
    vch_round *round = NULL;
    vch_results *results = NULL;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    const vch_round_options options = {
        .member_count = 1, .task_count = 1, .end_round = 3, .policy = VCH_ROUND_WAIT_FOR_ALL
    };
    if (vch_round_new(&options, &round, NULL) != VOUCH_OK
        || vch_results_new(1, 1, &results, NULL) != VOUCH_OK)
        abort();
    vch_round_assign(round, (const uint64_t[]) { 1 });
    unsigned arriving[1] = { 0 };
    const vch_intake intake = { .plan = plan,
                                .round = round,
                                .results = results,
                                .model = &model,
                                .pipeline = vch_pipeline_plain(),
                                .arriving = arriving };
    vouch_code rc =
        stream(&intake, (vouch_span) { data + 1, size - 1 }, 1U + data[0], &ruling, &err);
    bool taken = rc == VOUCH_OK && ruling == VCH_RESULT_TAKE;
    if ((rc != VOUCH_OK) != (err.depth != 0) || taken != vch_round_is_done(round, 0))
        __builtin_trap();
    if (taken)
        check_result(vch_results_look(results, 0, 0));
    else if (vch_results_look(results, 0, 0) != NULL)
        __builtin_trap();
    if (arriving[0] != 0)
        __builtin_trap();
    vch_results_free(results);
    vch_round_free(round);
    return 0;
}
