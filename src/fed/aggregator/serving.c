#include "fed/aggregator/serving.h"

#include "base/bytes.h"
#include "base/scope.h"
#include "fed/aggregator/checkpoint.h"
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
    vch_sealed_free(s->file);
    *s = (vch_served) { 0 };
}

static const vch_pipeline *lossless(const vch_aggregator *a)
{
    return vch_pipeline_is_lossy(&a->pipeline) ? vch_pipeline_plain() : &a->pipeline;
}

static vouch_code missing(vouch_error *err)
{
    return vouch_fail(err, VOUCH_E_NOT_FOUND,
                      "Aggregator does not have an aggregated tensor of that name, round and tags");
}

/* The round's model is in memory; while the round is being closed, and for the round before, on
 * disk: read into `own`. */
static vouch_code find_model(vch_aggregator *a, const vch_wire_tensor_spec *spec, vch_tensor *own,
                             const vch_tensor **out, vouch_error *err)
{
    const vch_tensor *found = vch_model_find(&a->model, spec->name);
    vch_sealed *file = NULL;
    if (found == NULL)
        return missing(err);
    if (spec->round == a->model.round && a->closing.stage < VCH_CLOSING_STORE) {
        *out = found;
        return VOUCH_OK;
    }
    if (spec->round == a->model.round)
        file = a->current;
    else if (spec->round + 1 == a->model.round)
        file = a->past;
    if (file == NULL)
        return missing(err);
    *out = own;
    return vch_checkpoint_tensor(file, &a->model, (size_t)(found - a->model.tensor), own, err);
}

/* The same where the caller reads the file itself: `*out` is of the tensor's shape only. */
static vouch_code find_file(const vch_aggregator *a, const vch_wire_tensor_spec *spec,
                            vch_served *served, const vch_tensor **out, vouch_error *err)
{
    const vch_tensor *found = vch_model_find(&a->model, spec->name);
    vch_sealed *file = NULL;
    if (spec->round == a->model.round)
        file = a->current;
    else if (spec->round + 1 == a->model.round)
        file = a->past;
    if (found == NULL || file == NULL)
        return missing(err);
    served->file = vch_sealed_ref(file);
    served->offset = vch_checkpoint_offset(&a->model, (size_t)(found - a->model.tensor));
    *out = found;
    return VOUCH_OK;
}

/* What moves the model of the round before to this one's. Of a pipeline that keeps the values, or
 * where none was encoded since the start: OpenFL's clients read it as it says itself to be. */
static vouch_code serve_difference(vch_aggregator *a, const vch_wire_tensor_spec *spec,
                                   vch_served *out, vouch_error *err)
{
    VCH_SCOPED(vch_tensor_done) vch_tensor room = { 0 };
    const vch_tensor *now = NULL;
    const vch_tensor *before = NULL;
    vch_wire_tensor_spec earlier = *spec;
    earlier.round--;
    vouch_code rc = find_model(a, spec, &room, &now, err);
    if (rc == VOUCH_OK)
        rc = find_model(a, &earlier, &out->own, &before, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_change_between(before->values, now->values, now->shape.count, out->own.values);
    out->named.tags = vch_tags_of(delta_tags);
    return vch_pipeline_encode(lossless(a), &out->own, &out->work, &out->named, err);
}

/* As it was encoded when the round ended: the same bytes for everybody. Who wants a lossy one
 * without loss gets what it decodes to. */
static vouch_code serve_delta(vch_aggregator *a, const vch_wire_tensor_spec *spec, vch_served *out,
                              vouch_error *err)
{
    bool lossy = vch_pipeline_is_lossy(&a->pipeline);
    if (!a->view->delta_updates || spec->round != a->model.round)
        return missing(err);
    const vch_named_tensor *kept =
        a->deltas == NULL ? NULL : vch_deltas_find(a->deltas, spec->name, spec->round);
    if (kept == NULL || (lossy && spec->require_lossless))
        return serve_difference(a, spec, out, err);
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
    ptrdiff_t task = vch_results_update_task(a->results);
    vouch_code rc = vch_tags_add(&wanted, vch_span_str(VCH_TAG_TRAINED), err);
    if (rc == VOUCH_OK)
        rc = vch_tags_add(&wanted, vch_span_str(a->view->member[member]), err);
    if (rc != VOUCH_OK)
        return rc;
    if (task < 0 || spec->round != a->model.round || !vch_tags_equal(&wanted, tags))
        return missing(err);
    const vch_result *result = vch_results_look(a->results, member, (size_t)task);
    const vch_tensor *t = vch_model_find(&a->model, spec->name);
    if (result == NULL || result->update == NULL || t == NULL)
        return missing(err);
    uint64_t offset = vch_result_offset(result, &a->model, (size_t)(t - a->model.tensor));
    rc = vch_tensor_init(out, spec->name, &t->shape, err);
    if (rc == VOUCH_OK)
        rc = vch_sealed_read(result->update, offset, out->values, t->shape.count * sizeof(float),
                             err);
    return rc;
}

vouch_code vch_serve(vch_aggregator *a, size_t member, const vch_wire_tensor_spec *spec, bool pull,
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
        rc = pull && vch_pipeline_streams(lossless(a))
                 ? find_file(a, spec, out, &tensor, err)
                 : find_model(a, spec, &out->own, &tensor, err);
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
    return vch_pipeline_encode(lossless(a), tensor, &out->work, &out->named, err);
}
