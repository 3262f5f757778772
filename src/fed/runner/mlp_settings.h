/*
 * Settings of the built-in runner, out of the plan:
 *
 *     data_loader:
 *       template: vouch.CsvDataLoader
 *       settings: {features: 64, classes: 10, feature_scale: 0.0625, validation_every: 5}
 *     task_runner:
 *       template: vouch.MlpTaskRunner
 *       settings: {hidden: [32], learning_rate: 0.2, batch_size: 16, epochs: 5, seed: 1}
 *
 * All have these defaults, which fit the digits of examples/data. They are in the plan, so they are
 * the same at every site and covered by the plan's hash.
 */
#ifndef VCH_FED_RUNNER_MLP_SETTINGS_H
#define VCH_FED_RUNNER_MLP_SETTINGS_H

#include "fed/plan/plan.h"
#include "fed/runner/dataset.h"
#include "fed/runner/mlp.h"

#define VCH_MLP_TEMPLATE "vouch.MlpTaskRunner"
#define VCH_CSV_TEMPLATE "vouch.CsvDataLoader"

typedef struct vch_mlp_settings {
    vch_mlp_shape shape;
    size_t parameter_count;
    vch_mlp_training training; /* its round is 0 */
    vch_dataset_options data;
} vch_mlp_settings;

/*
 * Faults go to `faults` (then VOUCH_E_CONFIG); another template is VOUCH_E_UNSUPPORTED. `out` is
 * untouched on failure.
 */
VOUCH_MUST_CHECK vouch_code vch_mlp_settings_read(const vch_plan_view *plan, vch_faults *faults,
                                                  vch_mlp_settings *out, vouch_error *err);

#endif
