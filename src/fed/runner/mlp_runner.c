/* The built-in task runner: mlp.h over the rows of a CSV shard. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "fed/runner/mlp_settings.h"
#include "fed/runner/runners.h"
#include "host/file.h"

typedef struct mlp_runner {
    vch_mlp_settings settings;
    vch_dataset data;
    float *parameters; /* scratch: the model in hand */
} mlp_runner;

static vouch_code add_tensor(const vch_mlp_slice *slice, const float *parameters, vch_model *model,
                             vouch_error *err)
{
    const int32_t dims[2] = { (int32_t)slice->dims[0], (int32_t)slice->dims[1] };
    vch_shape shape;
    vch_tensor tensor = { 0 };
    vouch_code rc = vch_shape_make(dims, slice->rank, &shape, err);
    if (rc == VOUCH_OK)
        rc = vch_tensor_init(&tensor, vch_span_str(slice->name), &shape, err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(tensor.values, parameters + slice->offset, slice->count * sizeof(float));
    rc = vch_model_add(model, &tensor, err);
    vch_tensor_done(&tensor);
    return rc;
}

static vouch_code to_model(const vch_mlp_shape *shape, const float *parameters, int32_t round,
                           vch_model *out, vouch_error *err)
{
    VCH_SCOPED(vch_model_done) vch_model model = { .round = round };
    for (size_t i = 0; i < vch_mlp_tensor_count(shape); i++) {
        vch_mlp_slice slice = vch_mlp_tensor(shape, i);
        vouch_code rc = add_tensor(&slice, parameters, &model, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    *out = model;
    model = (vch_model) { 0 };
    return VOUCH_OK;
}

static vouch_code from_model(const vch_mlp_shape *shape, const vch_model *model, float *parameters,
                             vouch_error *err)
{
    for (size_t i = 0; i < vch_mlp_tensor_count(shape); i++) {
        vch_mlp_slice slice = vch_mlp_tensor(shape, i);
        const vch_tensor *t = vch_model_find(model, vch_span_str(slice.name));
        if (t == NULL || t->shape.count != slice.count)
            return vouch_fail(err, VOUCH_E_FORMAT, "the model has no tensor '%s' of %zu values",
                              slice.name, slice.count);
        memcpy(parameters + slice.offset, t->values, slice.count * sizeof(float));
    }
    return VOUCH_OK;
}

static vouch_code initial_model(const vch_mlp_settings *settings, vch_model *out, vouch_error *err)
{
    VCH_SCOPED(vch_free_drop)
    float *parameters = calloc(settings->parameter_count, sizeof *parameters);
    if (parameters == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu parameters",
                          settings->parameter_count);
    vch_mlp_init(&settings->shape, settings->training.seed, parameters);
    return to_model(&settings->shape, parameters, 0, out, err);
}

static vouch_code make_model(void *self, vch_model *out, vouch_error *err)
{
    const mlp_runner *r = self;
    return initial_model(&r->settings, out, err);
}

static int32_t sample_count(void *self, bool training)
{
    const mlp_runner *r = self;
    size_t count = training ? r->data.training.count : r->data.validation.count;
    return count > INT32_MAX ? INT32_MAX : (int32_t)count;
}

static void add_metric(vch_task_outcome *out, const char *name, double value)
{
    vch_task_metric *m = &out->metric[out->metric_count++];
    (void)strncpy(m->name, name, sizeof m->name - 1);
    m->value = (float)value;
}

static vouch_code run_training(mlp_runner *r, int32_t round, vch_task_outcome *out,
                               vouch_error *err)
{
    vch_mlp_training how = r->settings.training;
    how.round = (uint64_t)(uint32_t)round;
    double loss = 0.0;
    vouch_code rc =
        vch_mlp_train(&r->settings.shape, &r->data.training, &how, r->parameters, &loss, err);
    if (rc == VOUCH_OK)
        rc = to_model(&r->settings.shape, r->parameters, round, &out->model, err);
    if (rc != VOUCH_OK)
        return rc;
    out->trained = true;
    add_metric(out, "loss", loss);
    return VOUCH_OK;
}

static vouch_code run_validation(mlp_runner *r, vch_task_outcome *out, vouch_error *err)
{
    vch_mlp_score score = { 0 };
    vouch_code rc =
        vch_mlp_evaluate(&r->settings.shape, &r->data.validation, r->parameters, &score, err);
    if (rc == VOUCH_OK) /* no loss beside it: OpenFL takes any validation metric as "higher is
                           better" when it looks for the best model */
        add_metric(out, "accuracy", score.accuracy);
    return rc;
}

typedef enum function { FUNCTION_UNKNOWN = 0, FUNCTION_TRAIN, FUNCTION_VALIDATE } function;

/* The names that OpenFL's own runners give to them. */
static function find_function(const char *name)
{
    static const struct {
        const char *name;
        function is;
    } known[] = { { "train", FUNCTION_TRAIN },
                  { "train_task", FUNCTION_TRAIN },
                  { "train_batches", FUNCTION_TRAIN },
                  { "validate", FUNCTION_VALIDATE },
                  { "validate_task", FUNCTION_VALIDATE } };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, name) == 0)
            return known[i].is;
    }
    return FUNCTION_UNKNOWN;
}

static vouch_code run(void *self, const vch_plan_task *task, int32_t round, const vch_model *model,
                      vch_task_outcome *out, vouch_error *err)
{
    mlp_runner *r = self;
    vouch_code rc = from_model(&r->settings.shape, model, r->parameters, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "task '%s'", task->name);
    switch (find_function(task->function)) {
    case FUNCTION_TRAIN:
        rc = run_training(r, round, out, err);
        break;
    case FUNCTION_VALIDATE:
        rc = run_validation(r, out, err);
        break;
    case FUNCTION_UNKNOWN:
        rc = vouch_fail(err, VOUCH_E_UNSUPPORTED, "the built-in runner has no function '%s'",
                        task->function);
        break;
    }
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "task '%s'", task->name);
}

static void free_runner(void *self)
{
    mlp_runner *r = self;
    if (r == NULL)
        return;
    vch_dataset_drop(&r->data);
    free(r->parameters);
    free(r);
}

static void drop_runner(mlp_runner **r)
{
    free_runner(*r);
}

static vouch_code load_data(mlp_runner *r, vouch_span data_path, vouch_error *err)
{
    vch_data_path path;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    VCH_SCOPED(vch_csv_drop) vch_csv csv = { 0 };
    vouch_code rc = vch_data_path_parse(data_path, &path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path.file, VCH_CSV_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_csv_parse(path.file, vch_buffer_span(&text), &csv, err);
    if (rc == VOUCH_OK)
        rc = vch_dataset_build(&csv, &path, &r->settings.data, &r->data, err);
    return rc;
}

vouch_code vch_mlp_runner_open(const vch_runner_options *options, vch_faults *faults,
                               vch_runner *out, vouch_error *err)
{
    const vch_plan_view *plan = options->plan;
    static const vch_runner_ops ops = { make_model, sample_count, run, free_runner };
    VCH_SCOPED(drop_runner) mlp_runner *r = calloc(1, sizeof *r);
    if (r == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the task runner");
    vouch_code rc = vch_mlp_settings_read(plan, faults, &r->settings, err);
    if (rc != VOUCH_OK)
        return rc;
    for (size_t i = 0; i < plan->task_count; i++) {
        if (find_function(plan->task[i].function) == FUNCTION_UNKNOWN)
            return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                              "task '%s': the built-in runner has no function '%s'; it has train "
                              "and validate",
                              plan->task[i].name, plan->task[i].function);
    }
    r->parameters = calloc(r->settings.parameter_count, sizeof *r->parameters);
    if (r->parameters == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu parameters",
                          r->settings.parameter_count);
    rc = load_data(r, options->data_path, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "loading the data");
    *out = (vch_runner) { .ops = &ops, .self = VCH_MOVE(r) };
    return VOUCH_OK;
}

vouch_code vch_mlp_initial_model(const vch_plan_view *plan, vch_faults *faults, vch_model *out,
                                 vouch_error *err)
{
    vch_mlp_settings settings;
    vouch_code rc = vch_mlp_settings_read(plan, faults, &settings, err);
    return rc == VOUCH_OK ? initial_model(&settings, out, err) : rc;
}
