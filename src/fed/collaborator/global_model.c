#include "fed/collaborator/global_model.h"

#include <stdlib.h>

#include "base/bytes.h"

const vch_pipeline *vch_global_model_lossless(const vch_global_model *g)
{
    return vch_pipeline_is_lossy(&g->pipeline) ? vch_pipeline_plain() : &g->pipeline;
}

static vouch_code check_shape(const vch_pipeline *pipeline, const vch_named_tensor *named,
                              const vch_tensor *into, vouch_error *err)
{
    vch_shape shape;
    char got[128];
    char want[128];
    vouch_code rc = vch_pipeline_shape(pipeline, named, &shape, err);
    if (rc == VOUCH_OK && !vch_shape_equal(&shape, &into->shape))
        rc = vouch_fail(err, VOUCH_E_FORMAT, "its shape is %s, the task runner's is %s",
                        vch_shape_text(&shape, got, sizeof got),
                        vch_shape_text(&into->shape, want, sizeof want));
    return rc;
}

/* Which pipeline it came through; only a change may have come through a lossy one. */
static vouch_code choose_pipeline(const vch_global_model *g, const vch_named_tensor *named,
                                  bool is_delta, const vch_pipeline **out, vouch_error *err)
{
    bool lossy = false;
    vch_tags tags = named->tags;
    vouch_code rc = vch_tags_strip_transport(&tags, &lossy, err);
    if (rc != VOUCH_OK)
        return rc;
    if (lossy && !is_delta)
        return vouch_fail(err, VOUCH_E_FORMAT, "the model came through a lossy pipeline");
    if (lossy && !vch_pipeline_is_lossy(&g->pipeline))
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "it is lossy_compressed, and the plan's pipeline "
                          "loses nothing");
    *out = lossy ? &g->pipeline : vch_global_model_lossless(g);
    return VOUCH_OK;
}

/* Is it the tensor we know, whole and finite? Then its values replace ours, or move them. */
static vouch_code take_tensor(const vch_global_model *g, const vch_named_tensor *named,
                              bool is_delta, vch_tensor *into, vouch_error *err)
{
    const vch_pipeline *pipeline = NULL;
    size_t count = into->shape.count;
    size_t at = 0;
    VCH_SCOPED(vch_free_drop) float *room = NULL;
    float *values = into->values;
    vouch_code rc = choose_pipeline(g, named, is_delta, &pipeline, err);
    if (rc == VOUCH_OK)
        rc = check_shape(pipeline, named, into, err);
    if (rc == VOUCH_OK && is_delta) {
        values = room = malloc((count + 1) * sizeof *room);
        if (room == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a tensor's change");
    }
    if (rc == VOUCH_OK)
        rc = vch_pipeline_decode_values(pipeline, named, &into->shape, values, err);
    for (size_t i = 0; rc == VOUCH_OK && is_delta && i < count; i++)
        into->values[i] += room[i];
    if (rc == VOUCH_OK && !vch_values_finite(into->values, count, &at))
        rc = vouch_fail(err, VOUCH_E_FORMAT, "element %zu is not finite", at);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, VOUCH_E_REFUSED, "tensor '%s'", into->name);
}

static vouch_code fetch(const vch_global_model *g, vch_calls *calls, int32_t round, bool is_delta,
                        vch_tensor *into, vouch_error *err)
{
    static const char *const model[] = { VCH_TAG_MODEL, NULL };
    static const char *const delta[] = { VCH_TAG_AGGREGATED, VCH_TAG_COMPRESSED, VCH_TAG_DELTA,
                                         NULL };
    static const char *const lossy[] = { VCH_TAG_AGGREGATED, VCH_TAG_DELTA, VCH_TAG_LOSSY, NULL };
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = { 0 };
    VCH_SCOPED(vch_named_tensor_done) vch_named_tensor named = { 0 };
    const vch_wire_tensor_spec spec = {
        .name = vch_span_str(into->name),
        .round = round,
        .tags = vch_tags_of(!is_delta                             ? model
                            : vch_pipeline_is_lossy(&g->pipeline) ? lossy
                                                                  : delta),
        .require_lossless = !is_delta,
    };
    vouch_code rc = vch_calls_get_tensor(calls, &spec, &message, &named, err);
    return rc == VOUCH_OK ? take_tensor(g, &named, is_delta, into, err) : rc;
}

/* By its change if there is one to add it to. An aggregator that was started anew has none. */
static vouch_code fetch_tensor(const vch_global_model *g, vch_calls *calls, int32_t round,
                               bool by_delta, vch_tensor *into, vouch_error *err)
{
    if (!by_delta)
        return fetch(g, calls, round, false, into, err);
    vouch_code rc = fetch(g, calls, round, true, into, err);
    if (rc != VOUCH_E_NOT_FOUND)
        return rc;
    if (err != NULL)
        *err = (vouch_error) { 0 };
    return fetch(g, calls, round, false, into, err);
}

vouch_code vch_global_model_need(vch_global_model *g, vch_calls *calls, int32_t round,
                                 vouch_error *err)
{
    if (g->has_values && g->model.round == round)
        return VOUCH_OK;
    bool by_delta = calls->view->delta_updates && g->has_values && g->model.round + 1 == round;
    g->has_values = false; /* of no one round while tensors come in */
    for (size_t i = 0; i < g->model.count; i++) {
        vouch_code rc = fetch_tensor(g, calls, round, by_delta, &g->model.tensor[i], err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "the model of round %d", round);
    }
    g->model.round = round;
    g->has_values = true;
    return VOUCH_OK;
}
