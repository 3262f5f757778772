#include "fed/collaborator/outgoing.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/bytes.h"

struct vch_outgoing {
    size_t count;             /* tensors, metrics first */
    vch_named_tensor *tensor; /* data borrowed from the model, or in `work` */
    vch_buffer *work;         /* one for each tensor: what a pipeline made of it */
    vch_task_results_writer *writer;
};

void vch_outgoing_free(vch_outgoing *o)
{
    if (o == NULL)
        return;
    vch_task_results_writer_free(o->writer);
    for (size_t i = 0; i < o->count; i++) {
        vch_named_tensor_done(&o->tensor[i]);
        vch_buffer_drop(&o->work[i]);
    }
    free(o->tensor);
    free(o->work);
    free(o);
}

static vch_tags metric_tags(const vch_plan_task *task)
{
    static const char *const trained[] = { VCH_TAG_COMPRESSED, VCH_TAG_METRIC, NULL };
    static const char *const global[] = { VCH_TAG_COMPRESSED, VCH_TAG_METRIC, VCH_TAG_VALIDATE_AGG,
                                          NULL };
    static const char *const local[] = { VCH_TAG_COMPRESSED, VCH_TAG_METRIC, VCH_TAG_VALIDATE_LOCAL,
                                         NULL };
    if (task->trains)
        return vch_tags_of(trained);
    return vch_tags_of(task->apply_local ? local : global);
}

/* A metric is a scalar: no dimension, four bytes, through the pipeline that loses nothing. */
static vouch_code add_metric(vch_outgoing *o, const vch_task_results_head *head,
                             const vch_plan_task *task, const vch_task_metric *metric,
                             const vch_pipeline *lossless, vouch_error *err)
{
    vch_shape scalar;
    vouch_code rc = vch_shape_make(NULL, 0, &scalar, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_named_tensor *t = &o->tensor[o->count];
    o->work[o->count] = vch_buffer_with_cap(256);
    *t = (vch_named_tensor) { .name = vch_span_str(metric->name),
                              .round = head->round,
                              .lossless = true,
                              .report = true,
                              .tags = metric_tags(task) };
    rc = vch_pipeline_encode_values(lossless, &scalar, &metric->value, &o->work[o->count], t, err);
    o->count++;
    return rc;
}

static vouch_code add_whole(vch_outgoing *o, const vch_tensor *tensor,
                            const vch_outgoing_update *update, vch_named_tensor *t,
                            vouch_error *err)
{
    static const char *const tags[] = { VCH_TAG_COMPRESSED, VCH_TAG_TRAINED, NULL };
    t->lossless = true;
    t->tags = vch_tags_of(tags);
    return vch_pipeline_encode(update->lossless, tensor, &o->work[o->count], t, err);
}

/* The change since the round's model; OpenFL never marks it lossless. */
static vouch_code add_change(vch_outgoing *o, const vch_tensor *tensor, const vch_tensor *base,
                             const vch_outgoing_update *update, vch_named_tensor *t,
                             vouch_error *err)
{
    static const char *const plain[] = { VCH_TAG_COMPRESSED, VCH_TAG_DELTA, VCH_TAG_TRAINED, NULL };
    static const char *const lossy[] = { VCH_TAG_DELTA, VCH_TAG_LOSSY, VCH_TAG_TRAINED, NULL };
    size_t count = tensor->shape.count;
    vch_buffer *work = &o->work[o->count];
    t->name = vch_span_str(tensor->name);
    t->tags = vch_tags_of(vch_pipeline_is_lossy(update->pipeline) ? lossy : plain);
    VCH_SCOPED(vch_free_drop) float *change = malloc((count + 1) * sizeof *change);
    if (change == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a tensor's change");
    for (size_t i = 0; i < count; i++)
        change[i] = tensor->values[i] - base->values[i];
    vouch_code rc =
        vch_pipeline_encode_values(update->pipeline, &tensor->shape, change, work, t, err);
    if (rc == VOUCH_OK && count > 0 && work->size == 0) { /* the values themselves, which go */
        vch_buffer_append(work, t->data);
        t->data = vch_buffer_span(work);
        rc = vch_buffer_finish(work, "a tensor's change", err);
    }
    return rc;
}

static vouch_code add_update(vch_outgoing *o, const vch_task_results_head *head,
                             const vch_outgoing_update *update, size_t at, vouch_error *err)
{
    const vch_tensor *tensor = &update->model->tensor[at];
    const vch_tensor *base = NULL;
    vch_named_tensor *t = &o->tensor[o->count];
    o->work[o->count] = vch_buffer_with_cap(VCH_TENSOR_DATA_MAX);
    *t = (vch_named_tensor) { .round = head->round };
    bool in_base =
        update->base_has_optimizer || !vch_tensor_is_optimizer(vch_span_str(tensor->name));
    if (update->base != NULL && in_base)
        base = vch_model_find(update->base, vch_span_str(tensor->name));
    vouch_code rc = base != NULL && vch_shape_equal(&base->shape, &tensor->shape)
                        ? add_change(o, tensor, base, update, t, err)
                        : add_whole(o, tensor, update, t, err);
    o->count++;
    return rc;
}

vouch_code vch_outgoing_new(const vch_task_results_head *head, const vch_plan_task *task,
                            const vch_task_outcome *outcome, const vch_outgoing_update *update,
                            vch_outgoing **out, vouch_error *err)
{
    VCH_SCOPED(vch_outgoing_drop) vch_outgoing *o = calloc(1, sizeof *o);
    size_t tensors = update->model == NULL ? 0 : update->model->count;
    size_t most = outcome->metric_count + tensors;
    if (o == NULL || (o->tensor = calloc(most + 1, sizeof *o->tensor)) == NULL
        || (o->work = calloc(most + 1, sizeof *o->work)) == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a result of %zu tensors", most);
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; rc == VOUCH_OK && i < outcome->metric_count; i++)
        rc = add_metric(o, head, task, &outcome->metric[i], update->lossless, err);
    for (size_t i = 0; rc == VOUCH_OK && i < tensors; i++)
        rc = add_update(o, head, update, i, err);
    if (rc == VOUCH_OK)
        rc = vch_task_results_writer_new(head, o->tensor, o->count, &o->writer, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(o);
    return rc;
}

vch_task_results_writer *vch_outgoing_writer(const vch_outgoing *o)
{
    return o->writer;
}
