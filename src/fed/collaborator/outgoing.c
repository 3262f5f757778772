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

/* A metric is a scalar: no dimension, four bytes. */
static vouch_code add_metric(vch_outgoing *o, const vch_task_results_head *head,
                             const vch_plan_task *task, const vch_task_metric *metric,
                             vouch_error *err)
{
    vch_shape scalar;
    vouch_code rc = vch_shape_make(NULL, 0, &scalar, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_named_tensor *t = &o->tensor[o->count];
    o->work[o->count] = vch_buffer_with_cap(64);
    *t = (vch_named_tensor) { .name = vch_span_str(metric->name),
                              .round = head->round,
                              .lossless = true,
                              .report = true,
                              .tags = metric_tags(task) };
    rc = vch_pipeline_encode_values(vch_pipeline_plain(), &scalar, &metric->value,
                                    &o->work[o->count], t, err);
    o->count++;
    return rc;
}

static vouch_code add_update(vch_outgoing *o, const vch_task_results_head *head,
                             const vch_tensor *tensor, const vch_pipeline *pipeline,
                             vouch_error *err)
{
    static const char *const tags[] = { VCH_TAG_COMPRESSED, VCH_TAG_TRAINED, NULL };
    vch_named_tensor *t = &o->tensor[o->count];
    o->work[o->count] = vch_buffer_with_cap(VCH_TENSOR_DATA_MAX);
    *t = (vch_named_tensor) { .round = head->round, .lossless = true, .tags = vch_tags_of(tags) };
    vouch_code rc = vch_pipeline_encode(pipeline, tensor, &o->work[o->count], t, err);
    o->count++;
    return rc;
}

vouch_code vch_outgoing_new(const vch_task_results_head *head, const vch_plan_task *task,
                            const vch_task_outcome *outcome, const vch_model *update,
                            const vch_pipeline *pipeline, vch_outgoing **out, vouch_error *err)
{
    VCH_SCOPED(vch_outgoing_drop) vch_outgoing *o = calloc(1, sizeof *o);
    size_t most = outcome->metric_count + (update == NULL ? 0 : update->count);
    if (o == NULL || (o->tensor = calloc(most + 1, sizeof *o->tensor)) == NULL
        || (o->work = calloc(most + 1, sizeof *o->work)) == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a result of %zu tensors", most);
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; rc == VOUCH_OK && i < outcome->metric_count; i++)
        rc = add_metric(o, head, task, &outcome->metric[i], err);
    for (size_t i = 0; rc == VOUCH_OK && update != NULL && i < update->count; i++)
        rc = add_update(o, head, &update->tensor[i], pipeline, err);
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
