/*
 * The task runner in a child process. The child is started with the collaborator, and anew when it
 * died: what goes wrong with it fails the task in hand, no more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "fed/runner/child_channel.h"
#include "fed/runner/process_message.h"
#include "fed/runner/process_settings.h"
#include "fed/runner/runners.h"
#include "fed/runner/trusted_files.h"
#include "host/clock.h"

#define MESSAGE_MAX ((size_t)2 << 20) /* bytes of a message to the child */
#define GRACE_MS 3000                 /* for a child to end after its input was closed */

typedef struct process_runner {
    vch_process_settings settings;
    vch_runner_options options;
    char *data;                 /* NULL: no task is to be run */
    bool save;                  /* a model is to be saved */
    vch_child_channel *channel; /* NULL: it does not run */
    vch_process_ready known;    /* of the first start; its model has the initial values */
    bool is_known;
    int64_t id; /* of the newest task */
} process_runner;

static void free_runner(void *self)
{
    process_runner *r = self;
    if (r == NULL)
        return;
    if (r->channel != NULL)
        vch_child_channel_close(r->channel, GRACE_MS);
    vch_child_channel_free(r->channel);
    vch_process_settings_done(&r->settings);
    vch_model_done(&r->known.model);
    free(r->data);
    free(r);
}
VCH_DEFINE_DROP(drop_runner, process_runner, free_runner)

static void drop_ready(vch_process_ready *ready)
{
    vch_model_done(&ready->model);
}

static vouch_code read_values(vch_child_channel *channel, vch_model *model, int64_t until_ms,
                              vouch_error *err)
{
    for (size_t i = 0; i < model->count; i++) {
        vch_tensor *t = &model->tensor[i];
        size_t at = 0;
        vouch_code rc = vch_child_channel_bytes(channel, t->values,
                                                t->shape.count * sizeof *t->values, until_ms, err);
        if (rc != VOUCH_OK)
            return rc;
        if (!vch_values_finite(t->values, t->shape.count, &at))
            return vouch_fail(err, VOUCH_E_FORMAT,
                              "the task runner's tensor '%.120s': element %zu is not finite",
                              t->name, at);
    }
    return VOUCH_OK;
}

/* The first start says what the model is; later ones must say the same. */
static vouch_code take_ready(process_runner *r, vch_process_ready *ready, vouch_error *err)
{
    if (r->is_known) {
        vouch_code rc = vch_model_check_alike(&r->known.model, &ready->model, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "the task runner was started anew, and has another model");
        r->known.training = ready->training;
        r->known.validation = ready->validation;
        return VOUCH_OK;
    }
    r->known = *ready;
    *ready = (vch_process_ready) { 0 };
    r->is_known = true;
    return VOUCH_OK;
}

static vouch_code greet(process_runner *r, vch_child_channel *channel, vouch_error *err)
{
    int64_t until_ms = vch_clock_monotonic_ms() + r->settings.start_timeout_ms;
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(MESSAGE_MAX);
    VCH_SCOPED(drop_ready) vch_process_ready ready = { 0 };
    vouch_span line = { 0 };
    const vch_process_start start = { .settings = &r->settings,
                                      .plan = r->options.plan,
                                      .name = r->data == NULL ? NULL : r->options.name,
                                      .data = r->data,
                                      .save = r->save };
    vch_process_start_write(&start, &message);
    vouch_code rc = vch_buffer_finish(&message, "the task runner's settings", err);
    if (rc == VOUCH_OK)
        rc = vch_child_channel_send(channel, vch_buffer_span(&message), until_ms, err);
    if (rc == VOUCH_OK)
        rc = vch_child_channel_line(channel, until_ms, &line, err);
    if (rc == VOUCH_OK)
        rc = vch_process_ready_read(line, &ready, err);
    if (rc == VOUCH_OK)
        rc = read_values(channel, &ready.model, until_ms, err);
    return rc == VOUCH_OK ? take_ready(r, &ready, err) : rc;
}

/* What decides must be in the plan, whose digest every peer demands: a local file is anybody's. */
static vouch_code check_trust(const process_runner *r, vouch_error *err)
{
    if (r->options.attested && r->options.local != NULL)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "an attested participant takes its task runner from the plan, not from a "
                          "file of its own");
    if (r->settings.trusted_files != NULL)
        return vch_trusted_files_check(r->settings.trusted_files, r->settings.trusted_files_digest,
                                       r->settings.argv, err);
    if (r->options.attested)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "an attested participant starts a task runner only from files that the "
                          "plan trusts: give task_runner.settings.trusted_files");
    return VOUCH_OK;
}

static vouch_code need_child(process_runner *r, vouch_error *err)
{
    if (r->channel != NULL)
        return VOUCH_OK;
    VCH_SCOPED(vch_child_channel_drop) vch_child_channel *channel = NULL;
    const vch_child_channel_options how = { .argv = r->settings.argv,
                                            .environment =
                                                (const char *const *)r->settings.environment,
                                            .memory_limit = r->settings.memory_limit,
                                            .turn = r->options.turn,
                                            .log = r->options.log };
    vouch_code rc = check_trust(r, err);
    if (rc == VOUCH_OK)
        rc = vch_child_channel_new(&how, &channel, err);
    if (rc == VOUCH_OK)
        rc = greet(r, channel, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "starting the task runner '%s'", r->settings.argv[0]);
    r->channel = VCH_MOVE(channel);
    vch_log(r->options.log, VCH_LOG_INFO, "runner.ready", VCH_STR("program", r->settings.argv[0]),
            VCH_INT("training", r->known.training), VCH_INT("validation", r->known.validation),
            VCH_INT("values", r->known.model.data_size / sizeof(float)));
    return VOUCH_OK;
}

/* A message and the model behind it, in the child's order of tensors, which is mostly the model's. */
static vouch_code tell(process_runner *r, const vch_buffer *message, const vch_model *model,
                       int64_t until_ms, vouch_error *err)
{
    const vch_model *known = &r->known.model;
    vouch_code rc = vch_buffer_finish(message, "a message to the task runner", err);
    if (rc == VOUCH_OK)
        rc = vch_child_channel_send(r->channel, vch_buffer_span(message), until_ms, err);
    for (size_t i = 0; rc == VOUCH_OK && i < known->count; i++) {
        const vch_tensor *t = &model->tensor[i];
        if (strcmp(t->name, known->tensor[i].name) != 0)
            t = vch_model_find(model, vch_span_str(known->tensor[i].name));
        rc = vch_child_channel_send(r->channel, vch_tensor_bytes(t), until_ms, err);
    }
    return rc;
}

typedef struct question {
    int64_t id;
    const char *name;
    int32_t round;
    int wanted; /* the type of its answer, if it is not an error */
} question;

/* The answer, progress told on the way. */
static vouch_code hear(process_runner *r, const question *q, int64_t until_ms,
                       vch_process_answer *out, vouch_error *err)
{
    for (;;) {
        vouch_span line = { 0 };
        vouch_code rc = vch_child_channel_line(r->channel, until_ms, &line, err);
        if (rc == VOUCH_OK)
            rc = vch_process_answer_read(line, q->id, out, err);
        if (rc != VOUCH_OK || (int)out->type == q->wanted || out->type == VCH_ANSWER_ERROR)
            return rc;
        if (out->type != VCH_ANSWER_PROGRESS)
            return vouch_fail(err, VOUCH_E_FORMAT,
                              "what the task runner said: it answers to something else");
        vch_log(r->options.log, VCH_LOG_INFO, "runner.progress", VCH_STR("task", q->name),
                VCH_INT("round", q->round), VCH_STR("text", out->text));
    }
}

static vouch_code copy_model(const vch_model *from, vch_model *out, vouch_error *err)
{
    VCH_SCOPED(vch_model_done) vch_model model = { .round = from->round };
    for (size_t i = 0; i < from->count; i++) {
        const vch_tensor *t = &from->tensor[i];
        vch_tensor copy = { 0 };
        vouch_code rc = vch_tensor_init(&copy, vch_span_str(t->name), &t->shape, err);
        if (rc == VOUCH_OK && t->shape.count > 0)
            memcpy(copy.values, t->values, t->shape.count * sizeof *t->values);
        if (rc == VOUCH_OK)
            rc = vch_model_add(&model, &copy, err);
        vch_tensor_done(&copy);
        if (rc != VOUCH_OK)
            return rc;
    }
    *out = model;
    model = (vch_model) { 0 };
    return VOUCH_OK;
}

static vouch_code take_model(process_runner *r, const vch_process_task *m, int64_t until_ms,
                             vch_model *out, vouch_error *err)
{
    VCH_SCOPED(vch_model_done) vch_model model = { 0 };
    vouch_code rc = copy_model(&r->known.model, &model, err);
    if (rc == VOUCH_OK)
        rc = read_values(r->channel, &model, until_ms, err);
    if (rc != VOUCH_OK)
        return rc;
    model.round = m->round;
    *out = model;
    model = (vch_model) { 0 };
    return VOUCH_OK;
}

static vouch_code take_result(process_runner *r, const vch_process_task *m,
                              const vch_process_answer *answer, int64_t until_ms,
                              vch_task_outcome *out, vouch_error *err)
{
    size_t want = answer->trained ? m->bytes : 0;
    if (answer->bytes != want)
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "the task runner's result has %zu bytes; the model has %zu",
                          answer->bytes, want);
    vch_model model = { 0 };
    vouch_code rc = answer->trained ? take_model(r, m, until_ms, &model, err) : VOUCH_OK;
    if (rc != VOUCH_OK)
        return rc;
    *out = (vch_task_outcome) { .metric_count = answer->metric_count,
                                .trained = answer->trained,
                                .model = model };
    memcpy(out->metric, answer->metric, sizeof out->metric);
    return VOUCH_OK;
}

static vouch_code exchange(process_runner *r, const vch_process_task *m, const vch_model *model,
                           vch_process_answer *answer, vch_task_outcome *out, vouch_error *err)
{
    int64_t until_ms = vch_clock_monotonic_ms() + r->settings.task_timeout_ms;
    const question q = { m->id, m->task->name, m->round, VCH_ANSWER_RESULT };
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(MESSAGE_MAX);
    vch_process_task_write(m, &message);
    vouch_code rc = tell(r, &message, model, until_ms, err);
    if (rc == VOUCH_OK)
        rc = hear(r, &q, until_ms, answer, err);
    if (rc == VOUCH_OK && answer->type == VCH_ANSWER_RESULT)
        rc = take_result(r, m, answer, until_ms, out, err);
    return rc;
}

static vouch_code run(void *self, const vch_plan_task *task, int32_t round, const vch_model *model,
                      vch_task_outcome *out, vouch_error *err)
{
    process_runner *r = self;
    vch_process_answer answer = { 0 };
    vouch_code rc = need_child(r, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_process_task m = {
        .id = ++r->id, .task = task, .round = round, .bytes = model->data_size
    };
    rc = exchange(r, &m, model, &answer, out, err);
    if (rc != VOUCH_OK) { /* nobody knows what it would say next */
        vch_child_channel_free(r->channel);
        r->channel = NULL;
        return vouch_wrap(err, rc, "task '%s'", task->name);
    }
    if (answer.type == VCH_ANSWER_ERROR)
        return vouch_fail(err, VOUCH_E_REFUSED, "task '%s': the task runner says: %s", task->name,
                          answer.text);
    return VOUCH_OK;
}

static vouch_code make_model(void *self, vch_model *out, vouch_error *err)
{
    process_runner *r = self;
    return copy_model(&r->known.model, out, err);
}

static int32_t sample_count(void *self, bool training)
{
    const process_runner *r = self;
    return training ? r->known.training : r->known.validation;
}

static vouch_code start(const vch_runner_options *options, bool save, vch_faults *faults,
                        process_runner **out, vouch_error *err)
{
    VCH_SCOPED(drop_runner) process_runner *r = calloc(1, sizeof *r);
    if (r == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the task runner");
    r->options = *options;
    r->save = save;
    vouch_code rc =
        vch_process_settings_read(options->plan, options->local, faults, &r->settings, err);
    if (rc != VOUCH_OK)
        return rc;
    if (options->data_path.data != NULL) {
        r->data = strndup((const char *)options->data_path.data, options->data_path.size);
        if (r->data == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the data's path");
    }
    rc = need_child(r, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(r);
    return rc;
}

vouch_code vch_process_runner_open(const vch_runner_options *options, vch_faults *faults,
                                   vch_runner *out, vouch_error *err)
{
    static const vch_runner_ops ops = { make_model, sample_count, run, free_runner };
    process_runner *r = NULL;
    vouch_code rc = start(options, false, faults, &r, err);
    if (rc == VOUCH_OK)
        *out = (vch_runner) { .ops = &ops, .self = r };
    return rc;
}

/* No task will be run. */
static vch_runner_options without_data(const vch_runner_options *options)
{
    return (vch_runner_options) {
        .plan = options->plan, .turn = options->turn, .log = options->log, .local = options->local
    };
}

vouch_code vch_process_initial_model(const vch_runner_options *options, vch_faults *faults,
                                     vch_model *out, vouch_error *err)
{
    const vch_runner_options how = without_data(options);
    VCH_SCOPED(drop_runner) process_runner *r = NULL;
    vouch_code rc = start(&how, false, faults, &r, err);
    return rc == VOUCH_OK ? copy_model(&r->known.model, out, err) : rc;
}

/* The same tensors, in whatever order: a file of OpenFL's has its own. */
static vouch_code check_fits(const vch_model *known, const vch_model *model, vouch_error *err)
{
    if (known->count != model->count)
        return vouch_fail(err, VOUCH_E_FORMAT, "the model has %zu tensors; the task runner's %zu",
                          model->count, known->count);
    for (size_t i = 0; i < known->count; i++) {
        const vch_tensor *want = &known->tensor[i];
        const vch_tensor *have = vch_model_find(model, vch_span_str(want->name));
        if (have == NULL || !vch_shape_equal(&have->shape, &want->shape))
            return vouch_fail(err, VOUCH_E_FORMAT,
                              "the model has no tensor '%.120s' of the task runner's shape",
                              want->name);
    }
    return VOUCH_OK;
}

static vouch_code save_model(process_runner *r, const vch_model *model, const char *path,
                             vouch_error *err)
{
    int64_t until_ms = vch_clock_monotonic_ms() + r->settings.task_timeout_ms;
    const vch_process_save m = {
        .id = ++r->id, .path = path, .round = model->round, .bytes = model->data_size
    };
    const question q = { m.id, "save", m.round, VCH_ANSWER_SAVED };
    vch_process_answer answer = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(MESSAGE_MAX);
    vch_process_save_write(&m, &message);
    vouch_code rc = tell(r, &message, model, until_ms, err);
    if (rc == VOUCH_OK)
        rc = hear(r, &q, until_ms, &answer, err);
    if (rc == VOUCH_OK && answer.type == VCH_ANSWER_ERROR)
        rc = vouch_fail(err, VOUCH_E_REFUSED, "the task runner says: %s", answer.text);
    return rc;
}

vouch_code vch_process_save_model(const vch_runner_options *options, const vch_model *model,
                                  const char *path, vch_faults *faults, bool *out_saved,
                                  vouch_error *err)
{
    const vch_runner_options how = without_data(options);
    VCH_SCOPED(drop_runner) process_runner *r = NULL;
    vouch_code rc = start(&how, true, faults, &r, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!r->known.saves) {
        *out_saved = false;
        return VOUCH_OK;
    }
    rc = check_fits(&r->known.model, model, err);
    if (rc == VOUCH_OK)
        rc = save_model(r, model, path, err);
    if (rc == VOUCH_OK)
        *out_saved = true;
    return rc;
}
