/* A small plan, its model and results for it: what tests of the aggregator start from. */
#ifndef VCH_TESTS_FED_AGGREGATOR_SAMPLE_PLAN_H
#define VCH_TESTS_FED_AGGREGATOR_SAMPLE_PLAN_H

#include "base/bytes.h"
#include "fed/plan/plan.h"
#include "fed/tensor/tensor.h"

#include "check.h"

#define SAMPLE_PLAN_HEAD                                                                           \
    "aggregator:\n"                                                                                \
    "  template: openfl.component.Aggregator\n"                                                    \
    "  settings: {init_state_path: save/init.pbuf, best_state_path: save/best.pbuf,\n"             \
    "             last_state_path: save/last.pbuf, rounds_to_train: 3}\n"                          \
    "collaborator:\n"                                                                              \
    "  template: openfl.component.Collaborator\n"                                                  \
    "  settings: {delta_updates: false, opt_treatment: RESET}\n"                                   \
    "data_loader: {template: vouch.CsvDataLoader, settings: {}}\n"                                 \
    "task_runner: {template: vouch.MlpTaskRunner, settings: {}}\n"                                 \
    "network:\n"                                                                                   \
    "  template: openfl.federation.Network\n"                                                      \
    "  settings: {agg_addr: localhost, agg_port: 50051, cert_folder: cert}\n"                      \
    "assigner:\n"                                                                                  \
    "  template: openfl.component.RandomGroupedAssigner\n"                                         \
    "  settings:\n"                                                                                \
    "    task_groups:\n"                                                                           \
    "    - name: all\n"                                                                            \
    "      percentage: 1.0\n"                                                                      \
    "      tasks: [aggregated_model_validation, train, locally_tuned_model_validation]\n"          \
    "compression_pipeline: {template: openfl.pipelines.NoCompressionPipeline, settings: {}}\n"     \
    "tasks:\n"                                                                                     \
    "  aggregated_model_validation: {function: validate, kwargs: {apply: global}}\n"               \
    "  locally_tuned_model_validation: {function: validate, kwargs: {apply: local}}\n"             \
    "  train: {function: train_batches, kwargs: {}}\n"

/* As OpenFL's `release` has it; NULL: the default. */
static inline vch_plan *sample_plan_of(const char *release, const char *plan_text,
                                       const char *cols_text)
{
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *plan = NULL;
    const vch_release *of = NULL;
    CHECK(release == NULL || vch_release_find(release, &of, NULL) == VOUCH_OK);
    const vch_plan_source source = { .release = of,
                                     .plan_name = "plan.yaml",
                                     .plan = vch_span_str(plan_text),
                                     .cols_name = "cols.yaml",
                                     .cols = vch_span_str(cols_text) };
    vouch_code rc = vch_plan_parse(&source, &faults, &plan, &err);
    if (rc != VOUCH_OK)
        fail_msg("%s", faults.count > 0 ? faults.item[0].text : err.frame[0]);
    vch_faults_done(&faults);
    return plan;
}

static inline vch_plan *sample_plan(const char *plan_text, const char *cols_text)
{
    return sample_plan_of(NULL, plan_text, cols_text);
}

static inline void sample_tensor(vch_model *m, const char *name, int32_t rows, int32_t columns)
{
    vouch_error err = { 0 };
    const int32_t dims[2] = { rows, columns };
    vch_shape shape;
    vch_tensor t = { 0 };
    CHECK_OK(vch_shape_make(dims, columns == 0 ? 1 : 2, &shape, &err), &err);
    CHECK_OK(vch_tensor_init(&t, vch_span_str(name), &shape, &err), &err);
    for (size_t i = 0; i < shape.count; i++)
        t.values[i] = (float)i;
    CHECK_OK(vch_model_add(m, &t, &err), &err);
}

/* "w" [2, 3] and "b" [3]. */
static inline vch_model sample_model(void)
{
    vch_model m = { 0 };
    sample_tensor(&m, "w", 2, 3);
    sample_tensor(&m, "b", 3, 0);
    return m;
}

#endif
