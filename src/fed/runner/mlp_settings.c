#include "fed/runner/mlp_settings.h"

#include <string.h>

#include "config/schema.h"
#include "config/yaml.h"

typedef struct loader_values {
    int64_t features, classes, validation_every;
    double feature_scale;
} loader_values;

static const vch_setting loader_table[] = {
    { .key = "features",
      .type = VCH_SETTING_INT,
      .offset = offsetof(loader_values, features),
      .min = 1,
      .max = VCH_CSV_MAX_COLUMNS - 1,
      .fallback = "64",
      .help = "columns of the CSV files before the label" },
    { .key = "classes",
      .type = VCH_SETTING_INT,
      .offset = offsetof(loader_values, classes),
      .min = 2,
      .max = VCH_MLP_MAX_WIDTH,
      .fallback = "10",
      .help = "labels run from 0 to classes - 1" },
    { .key = "feature_scale",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(loader_values, feature_scale),
      .min = 0,
      .max = 1000000,
      .fallback = "0.0625",
      .help = "each feature is multiplied by it; more than 0" },
    { .key = "validation_every",
      .type = VCH_SETTING_INT,
      .offset = offsetof(loader_values, validation_every),
      .min = 2,
      .max = 1000,
      .fallback = "5",
      .help = "every n-th row of a shard is held out for validation" },
};

typedef struct runner_values {
    const vch_yaml_node *hidden;
    double learning_rate;
    int64_t batch_size, epochs, seed;
} runner_values;

static const vch_setting runner_table[] = {
    { .key = "hidden",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(runner_values, hidden),
      .max = VCH_MLP_MAX_LAYERS - 1,
      .help = "sizes of the hidden layers; default [32]" },
    { .key = "learning_rate",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(runner_values, learning_rate),
      .min = 0,
      .max = 1000,
      .fallback = "0.2",
      .help = "of stochastic gradient descent; more than 0" },
    { .key = "batch_size",
      .type = VCH_SETTING_INT,
      .offset = offsetof(runner_values, batch_size),
      .min = 1,
      .max = 1000000,
      .fallback = "16",
      .help = "rows of a mini-batch" },
    { .key = "epochs",
      .type = VCH_SETTING_INT,
      .offset = offsetof(runner_values, epochs),
      .min = 1,
      .max = 10000,
      .fallback = "5",
      .help = "times that each round goes through the training rows" },
    { .key = "seed",
      .type = VCH_SETTING_INT,
      .offset = offsetof(runner_values, seed),
      .min = 0,
      .max = INT64_MAX,
      .fallback = "1",
      .help = "of the initial weights and of the order of the rows" },
};

static const vch_setting width_setting = {
    .key = "hidden", .type = VCH_SETTING_INT, .min = 1, .max = VCH_MLP_MAX_WIDTH
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static bool read_widths(const vch_yaml_node *hidden, vch_mlp_shape *shape, vch_faults *faults)
{
    size_t count = hidden == NULL ? 1 : vch_yaml_count(hidden);
    bool good = true;
    shape->width[1] = 32;
    for (size_t i = 0; hidden != NULL && i < count && i < VCH_MLP_MAX_LAYERS - 1; i++) {
        int64_t width = 0;
        good =
            vch_schema_read_value(vch_yaml_at(hidden, i), &width_setting, &width, faults) && good;
        shape->width[i + 1] = (size_t)width;
    }
    shape->layer_count = count + 1;
    return good;
}

static bool read_loader(const vch_plan_view *plan, vch_mlp_settings *out, vch_faults *faults)
{
    loader_values v = { 0 };
    if (!vch_schema_read(plan->data_loader, "data_loader.settings", loader_table,
                         COUNT(loader_table), &v, faults))
        return false;
    if (!(v.feature_scale > 0.0)) {
        vch_faults_at(faults, plan->data_loader, "feature_scale must be more than 0");
        return false;
    }
    out->data = (vch_dataset_options) { .feature_count = (size_t)v.features,
                                        .class_count = (size_t)v.classes,
                                        .feature_scale = (float)v.feature_scale,
                                        .hold_out_each = (uint32_t)v.validation_every };
    return true;
}

static bool read_runner(const vch_plan_view *plan, vch_mlp_settings *out, vch_faults *faults)
{
    runner_values v = { 0 };
    bool good = vch_schema_read(plan->task_runner, "task_runner.settings", runner_table,
                                COUNT(runner_table), &v, faults)
                && read_widths(v.hidden, &out->shape, faults);
    if (good && !(v.learning_rate > 0.0)) {
        vch_faults_at(faults, plan->task_runner, "learning_rate must be more than 0");
        return false;
    }
    out->training = (vch_mlp_training) { .learning_rate = (float)v.learning_rate,
                                         .batch_size = (size_t)v.batch_size,
                                         .epochs = (size_t)v.epochs,
                                         .seed = (uint64_t)v.seed };
    return good;
}

static vouch_code check_template(const char *section, const char *got, const char *want,
                                 vouch_error *err)
{
    if (got != NULL && strcmp(got, want) == 0)
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_UNSUPPORTED, "%s.template is '%s'; the built-in one is '%s'",
                      section, got == NULL ? "" : got, want);
}

vouch_code vch_mlp_settings_read(const vch_plan_view *plan, vch_faults *faults,
                                 vch_mlp_settings *out, vouch_error *err)
{
    vouch_code rc =
        check_template("task_runner", plan->task_runner_template, VCH_MLP_TEMPLATE, err);
    if (rc == VOUCH_OK)
        rc = check_template("data_loader", plan->data_loader_template, VCH_CSV_TEMPLATE, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_mlp_settings s = { 0 };
    bool good = read_loader(plan, &s, faults);
    good = read_runner(plan, &s, faults) && good;
    if (!good) {
        rc = vch_faults_check(faults, err);
        return rc == VOUCH_OK ? vouch_fail(err, VOUCH_E_CONFIG, "the plan's settings") : rc;
    }
    s.shape.width[0] = s.data.feature_count;
    s.shape.width[s.shape.layer_count] = s.data.class_count;
    rc = vch_mlp_shape_check(&s.shape, &s.parameter_count, err);
    if (rc == VOUCH_OK)
        *out = s;
    return rc;
}
