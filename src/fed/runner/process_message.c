#include "fed/runner/process_message.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "config/yaml_json.h"
#include "fed/runner/child_channel.h"

static const vch_json_limits limits = { .size = VCH_CHILD_LINE_MAX, .depth = 8 };

static const char *treatment(const vch_plan_view *plan)
{
    switch (plan->opt_treatment) {
    case VCH_OPT_CONTINUE_LOCAL:
        return "CONTINUE_LOCAL";
    case VCH_OPT_CONTINUE_GLOBAL:
        return "CONTINUE_GLOBAL";
    case VCH_OPT_RESET:
        break;
    }
    return "RESET";
}

void vch_process_start_write(const vch_process_start *m, vch_buffer *out)
{
    vch_json_writer w = vch_json_writer_over(out, false);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "type", "start");
    vch_json_put_int(&w, "version", VCH_PROCESS_VERSION);
    vch_json_put_string(&w, "name", m->name);
    vch_json_put_string(&w, "data", m->data);
    if (m->save)
        vch_json_put_bool(&w, "save", true);
    vch_json_put_string(&w, "template", m->plan->task_runner_template);
    vch_json_put_string(&w, "data_template", m->plan->data_loader_template);
    vch_json_key(&w, "settings");
    vch_yaml_to_json(m->settings->own, &w);
    vch_json_key(&w, "data_settings");
    vch_yaml_to_json(m->settings->data, &w);
    vch_json_put_string(&w, "opt_treatment", treatment(m->plan));
    vch_json_key(&w, "tasks");
    vch_json_begin_array(&w);
    for (size_t i = 0; i < m->plan->task_count; i++) {
        vch_json_begin_object(&w);
        vch_json_put_string(&w, "name", m->plan->task[i].name);
        vch_json_put_string(&w, "function", m->plan->task[i].function);
        vch_json_end(&w);
    }
    vch_json_end(&w);
    vch_json_end(&w);
    vch_buffer_u8(out, '\n');
}

void vch_process_task_write(const vch_process_task *m, vch_buffer *out)
{
    vch_json_writer w = vch_json_writer_over(out, false);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "type", "task");
    vch_json_put_int(&w, "id", m->id);
    vch_json_put_string(&w, "name", m->task->name);
    vch_json_put_string(&w, "function", m->task->function);
    vch_json_put_int(&w, "round", m->round);
    vch_json_key(&w, "kwargs");
    vch_yaml_to_json(m->task->kwargs, &w);
    vch_json_put_uint(&w, "bytes", m->bytes);
    vch_json_end(&w);
    vch_buffer_u8(out, '\n');
}

void vch_process_save_write(const vch_process_save *m, vch_buffer *out)
{
    vch_json_writer w = vch_json_writer_over(out, false);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "type", "save");
    vch_json_put_int(&w, "id", m->id);
    vch_json_put_string(&w, "path", m->path);
    vch_json_put_int(&w, "round", m->round);
    vch_json_put_uint(&w, "bytes", m->bytes);
    vch_json_end(&w);
    vch_buffer_u8(out, '\n');
}

static void put_text(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text);
}

/* The child's own words for why it cannot start: its program, its data or its settings are wrong. */
static vouch_code refused(const vch_json *m, vouch_error *err)
{
    const char *text = NULL;
    vouch_code rc = vch_json_get_string(m, "message", &text, err);
    return rc == VOUCH_OK ? vouch_fail(err, VOUCH_E_CONFIG, "the task runner says: %.200s", text)
                          : rc;
}

static vouch_code read_dims(const vch_json *shape, vch_shape *out, vouch_error *err)
{
    int32_t dims[VCH_SHAPE_RANK_MAX] = { 0 };
    size_t rank = vch_json_count(shape);
    if (rank > VCH_SHAPE_RANK_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu dimensions; at most %d", rank,
                          VCH_SHAPE_RANK_MAX);
    for (size_t i = 0; i < rank; i++) {
        int64_t dim = 0;
        if (!vch_json_to_int(vch_json_at(shape, i), &dim) || dim < 0 || dim > INT32_MAX)
            return vouch_fail(err, VOUCH_E_FORMAT, "dimension %zu is no size", i);
        dims[i] = (int32_t)dim;
    }
    return vch_shape_make(dims, rank, out, err);
}

static vouch_code read_tensor(const vch_json *m, vch_model *model, vouch_error *err)
{
    static const char *const names[] = { "name", "dtype", "shape", NULL };
    const char *name = NULL;
    const char *dtype = NULL;
    const vch_json *dims = NULL;
    vch_shape shape;
    vch_tensor tensor = { 0 };
    vouch_code rc = vch_json_only(m, names, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(m, "name", &name, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(m, "dtype", &dtype, err);
    if (rc == VOUCH_OK && strcmp(dtype, "float32") != 0)
        rc = vouch_fail(err, VOUCH_E_UNSUPPORTED, "dtype '%.40s'; the channel carries float32",
                        dtype);
    if (rc == VOUCH_OK)
        rc = vch_json_get_array(m, "shape", &dims, err);
    if (rc == VOUCH_OK)
        rc = read_dims(dims, &shape, err);
    if (rc == VOUCH_OK)
        rc = vch_tensor_init(&tensor, vch_span_str(name), &shape, err);
    if (rc == VOUCH_OK)
        rc = vch_model_add(model, &tensor, err);
    vch_tensor_done(&tensor);
    return rc;
}

static vouch_code read_samples(const vch_json *m, vch_process_ready *out, vouch_error *err)
{
    static const char *const names[] = { "train", "validate", NULL };
    const vch_json *samples = NULL;
    uint64_t training = 0;
    uint64_t validation = 0;
    vouch_code rc = vch_json_get_object(m, "samples", &samples, err);
    if (rc == VOUCH_OK)
        rc = vch_json_only(samples, names, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(samples, "train", INT32_MAX, &training, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(samples, "validate", INT32_MAX, &validation, err);
    out->training = (int32_t)training;
    out->validation = (int32_t)validation;
    return rc;
}

static vouch_code read_ready(const vch_json *m, vch_process_ready *out, vouch_error *err)
{
    static const char *const names[] = { "type",    "version", "samples", "saves",
                                         "tensors", "bytes",   NULL };
    const vch_json *tensors = NULL;
    uint64_t version = 0;
    uint64_t bytes = 0;
    vouch_code rc = vch_json_get_uint(m, "version", UINT32_MAX, &version, err);
    if (rc == VOUCH_OK && version != VCH_PROCESS_VERSION)
        rc = vouch_fail(err, VOUCH_E_UNSUPPORTED, "version %llu of the channel; ours is %d",
                        (unsigned long long)version, VCH_PROCESS_VERSION);
    if (rc == VOUCH_OK)
        rc = vch_json_only(m, names, err);
    if (rc == VOUCH_OK)
        rc = read_samples(m, out, err);
    if (rc == VOUCH_OK && vch_json_member(m, "saves") != NULL)
        rc = vch_json_get_bool(m, "saves", &out->saves, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_array(m, "tensors", &tensors, err);
    for (size_t i = 0; rc == VOUCH_OK && i < vch_json_count(tensors); i++) {
        rc = read_tensor(vch_json_at(tensors, i), &out->model, err);
        if (rc != VOUCH_OK)
            rc = vouch_wrap(err, rc, "tensor %zu", i);
    }
    if (rc == VOUCH_OK && out->model.count == 0)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "a model without tensors");
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(m, "bytes", VCH_MODEL_DATA_MAX, &bytes, err);
    if (rc == VOUCH_OK && bytes != out->model.data_size)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "bytes is %llu; its tensors have %zu",
                        (unsigned long long)bytes, out->model.data_size);
    return rc;
}

vouch_code vch_process_ready_read(vouch_span line, vch_process_ready *out, vouch_error *err)
{
    VCH_SCOPED(vch_json_drop) vch_json *m = NULL;
    const char *type = NULL;
    vch_process_ready ready = { 0 };
    vouch_code rc = vch_json_parse(line, &limits, &m, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(m, "type", &type, err);
    if (rc == VOUCH_OK && strcmp(type, "error") == 0)
        return refused(m, err);
    if (rc == VOUCH_OK && strcmp(type, "ready") != 0)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "a message '%.40s' instead of 'ready'", type);
    if (rc == VOUCH_OK)
        rc = read_ready(m, &ready, err);
    if (rc == VOUCH_OK)
        *out = ready;
    else
        vch_model_done(&ready.model);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "what the task runner said");
}

static vouch_code add_metric(void *context, const char *name, const vch_json *value,
                             vouch_error *err)
{
    vch_process_answer *out = context;
    double number = 0;
    if (out->metric_count == VCH_TASK_METRIC_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d metrics", VCH_TASK_METRIC_MAX);
    if (name[0] == '\0' || strlen(name) >= VCH_TASK_METRIC_NAME_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "a metric's name has 1 to %d bytes",
                          VCH_TASK_METRIC_NAME_SIZE - 1);
    if (!vch_json_to_real(value, &number) || !isfinite((float)number))
        return vouch_fail(err, VOUCH_E_FORMAT, "metric '%s' is no finite number", name);
    vch_task_metric *m = &out->metric[out->metric_count++];
    put_text(m->name, sizeof m->name, name);
    m->value = (float)number;
    return VOUCH_OK;
}

static vouch_code read_result(const vch_json *m, vch_process_answer *out, vouch_error *err)
{
    static const char *const names[] = { "type", "id", "metrics", "trained", "bytes", NULL };
    const vch_json *metrics = NULL;
    uint64_t bytes = 0;
    vouch_code rc = vch_json_only(m, names, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_bool(m, "trained", &out->trained, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(m, "bytes", VCH_MODEL_DATA_MAX, &bytes, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_object(m, "metrics", &metrics, err);
    if (rc == VOUCH_OK)
        rc = vch_json_each(metrics, add_metric, out, err);
    out->type = VCH_ANSWER_RESULT;
    out->bytes = (size_t)bytes;
    return rc;
}

static vouch_code read_text(const vch_json *m, vch_process_answer *out, vouch_error *err)
{
    static const char *const names[] = { "type", "id", "message", NULL };
    const char *text = NULL;
    vouch_code rc = vch_json_only(m, names, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(m, "message", &text, err);
    if (rc == VOUCH_OK)
        put_text(out->text, sizeof out->text, text);
    return rc;
}

static vouch_code read_saved(const vch_json *m, vch_process_answer *out, vouch_error *err)
{
    static const char *const names[] = { "type", "id", NULL };
    out->type = VCH_ANSWER_SAVED;
    return vch_json_only(m, names, err);
}

static vouch_code read_answer(const vch_json *m, int64_t id, vch_process_answer *out,
                              vouch_error *err)
{
    const char *type = NULL;
    uint64_t got = 0;
    vouch_code rc = vch_json_get_string(m, "type", &type, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(m, "id", INT64_MAX, &got, err);
    if (rc == VOUCH_OK && got != (uint64_t)id)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "an answer to task %llu; asked was %lld",
                        (unsigned long long)got, (long long)id);
    if (rc != VOUCH_OK)
        return rc;
    if (strcmp(type, "result") == 0)
        return read_result(m, out, err);
    if (strcmp(type, "saved") == 0)
        return read_saved(m, out, err);
    if (strcmp(type, "error") != 0 && strcmp(type, "progress") != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "a message of the unknown type '%.40s'", type);
    out->type = type[0] == 'e' ? VCH_ANSWER_ERROR : VCH_ANSWER_PROGRESS;
    return read_text(m, out, err);
}

vouch_code vch_process_answer_read(vouch_span line, int64_t id, vch_process_answer *out,
                                   vouch_error *err)
{
    VCH_SCOPED(vch_json_drop) vch_json *m = NULL;
    vch_process_answer answer = { 0 };
    vouch_code rc = vch_json_parse(line, &limits, &m, err);
    if (rc == VOUCH_OK)
        rc = read_answer(m, id, &answer, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "what the task runner said");
    *out = answer;
    return VOUCH_OK;
}
