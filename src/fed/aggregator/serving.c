#include "fed/aggregator/serving.h"

#include "base/bytes.h"
#include "fed/aggregator/model_file.h"
#include "fed/aggregator/state.h"

static const char *const model_tags[] = { VCH_TAG_COMPRESSED, VCH_TAG_MODEL, NULL };
static const char *const delta_tags[] = { VCH_TAG_AGGREGATED, VCH_TAG_COMPRESSED, VCH_TAG_DELTA,
                                          NULL };
static const char *const lossy_delta_tags[] = { VCH_TAG_AGGREGATED, VCH_TAG_DELTA, VCH_TAG_LOSSY,
                                                NULL };

void vch_served_drop(vch_served *s)
{
    vch_named_tensor_done(&s->named);
    vch_tensor_done(&s->own);
    vch_buffer_drop(&s->work);
    *s = (vch_served) { 0 };
}

static vouch_code missing(vouch_error *err)
{
    return vouch_fail(err, VOUCH_E_NOT_FOUND,
                      "Aggregator does not have an aggregated tensor of that name, round and tags");
}

/* The model that the last round started from lies in the file that OpenFL calls last. */
static vouch_code need_previous(vch_aggregator *a, int32_t round, vouch_error *err)
{
    if (a->previous.count != 0 && a->previous.round == round)
        return VOUCH_OK;
    vch_model_done(&a->previous);
    if (!a->options.keep_models || round + 1 != a->model.round || round < a->first_round)
        return missing(err);
    vouch_code rc = vch_model_file_read(a->options.directory, a->view->last_state_path,
                                        &a->pipeline, &a->previous, err);
    if (rc == VOUCH_OK && a->previous.round != round) {
        vch_model_done(&a->previous);
        return missing(err);
    }
    return rc;
}

static vouch_code find_model(vch_aggregator *a, const vch_wire_tensor_spec *spec,
                             const vch_tensor **out, vouch_error *err)
{
    const vch_model *model = &a->model;
    if (spec->round != a->model.round) {
        vouch_code rc = need_previous(a, spec->round, err);
        if (rc != VOUCH_OK)
            return rc;
        model = &a->previous;
    }
    *out = vch_model_find(model, spec->name);
    return *out == NULL ? missing(err) : VOUCH_OK;
}

/* As it was encoded when the round ended: the same bytes for everybody. Who wants a lossy one
 * without loss gets what it decodes to. */
static vouch_code serve_delta(const vch_aggregator *a, const vch_wire_tensor_spec *spec,
                              vch_served *out, vouch_error *err)
{
    const vch_named_tensor *kept = NULL;
    bool lossy = vch_pipeline_is_lossy(&a->pipeline);
    if (a->has_delta && spec->round == a->model.round)
        kept = vch_deltas_find(a->deltas, spec->name);
    if (kept == NULL)
        return missing(err);
    if (lossy && spec->require_lossless) {
        vouch_code rc = vch_pipeline_decode(&a->pipeline, kept, &out->own, err);
        out->named.tags = vch_tags_of(delta_tags);
        return rc == VOUCH_OK ? vch_pipeline_encode(vch_pipeline_plain(), &out->own, &out->work,
                                                    &out->named, err)
                              : rc;
    }
    out->named.name = kept->name;
    out->named.tags = vch_tags_of(lossy ? lossy_delta_tags : delta_tags);
    out->named.data = kept->data;
    return vch_metadata_copy(&out->named, kept, err);
}

/* Its own update of this round, out of the spool. Nobody is served another's. */
static vouch_code find_own(const vch_aggregator *a, size_t member, const vch_wire_tensor_spec *spec,
                           const vch_tags *tags, vch_tensor *out, vouch_error *err)
{
    vch_tags wanted = { 0 };
    size_t offset = 0;
    ptrdiff_t task = vch_results_update_task(a->results);
    vouch_code rc = vch_tags_add(&wanted, vch_span_str(VCH_TAG_TRAINED), err);
    if (rc == VOUCH_OK)
        rc = vch_tags_add(&wanted, vch_span_str(a->view->member[member]), err);
    if (rc != VOUCH_OK)
        return rc;
    if (task < 0 || spec->round != a->model.round || !vch_tags_equal(&wanted, tags))
        return missing(err);
    const vch_result *result = vch_results_look(a->results, member, (size_t)task);
    for (size_t i = 0; result != NULL && result->update != NULL && i < a->model.count; i++) {
        const vch_tensor *t = &a->model.tensor[i];
        size_t size = t->shape.count * sizeof(float);
        if (!vch_span_is(spec->name, t->name)) {
            offset += size;
            continue;
        }
        rc = vch_tensor_init(out, spec->name, &t->shape, err);
        return rc == VOUCH_OK ? vch_spool_read(result->update, offset, out->values, size, err) : rc;
    }
    return missing(err);
}

vouch_code vch_serve(vch_aggregator *a, size_t member, const vch_wire_tensor_spec *spec,
                     vch_served *out, vouch_error *err)
{
    const vch_tensor *tensor = NULL;
    vouch_code rc = VOUCH_OK;
    vch_tags tags = spec->tags;
    vch_tags_remove(&tags, VCH_TAG_COMPRESSED);
    vch_tags_remove(&tags, VCH_TAG_LOSSY);
    out->named = (vch_named_tensor) { .round = spec->round, .lossless = spec->require_lossless };
    out->work = vch_buffer_with_cap(VCH_WIRE_RESPONSE_MAX);
    if (spec->report)
        return missing(err);
    switch (vch_tags_wanted(&tags, spec->round)) {
    case VCH_WANT_MODEL:
        rc = find_model(a, spec, &tensor, err);
        out->named.tags = vch_tags_of(model_tags);
        break;
    case VCH_WANT_DELTA:
        return serve_delta(a, spec, out, err);
    case VCH_WANT_OTHER:
        rc = find_own(a, member, spec, &tags, &out->own, err);
        tensor = &out->own;
        out->named.tags = tags;
        if (rc == VOUCH_OK)
            rc = vch_tags_add(&out->named.tags, vch_span_str(VCH_TAG_COMPRESSED), err);
        break;
    }
    if (rc != VOUCH_OK)
        return rc;
    const vch_pipeline *pipeline =
        vch_pipeline_is_lossy(&a->pipeline) ? vch_pipeline_plain() : &a->pipeline;
    return vch_pipeline_encode(pipeline, tensor, &out->work, &out->named, err);
}
