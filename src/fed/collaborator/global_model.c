#include "fed/collaborator/global_model.h"

#include <stdlib.h>

#include "base/bytes.h"

bool vch_global_model_has_optimizer(const vch_plan_view *view, int32_t round)
{
    return view->opt_treatment == VCH_OPT_CONTINUE_GLOBAL && round > 0;
}

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

/* The tensors that are still missing in a round's model. */
typedef struct missing {
    vch_global_model *global;
    const vch_plan_view *view;
    int32_t round;
    bool is_delta; /* by their changes, if there is a model of the aggregator's to add them to */
    size_t count;
    size_t *tensor; /* which, `count` of them */
    bool *has;      /* for each tensor of the model: has it come? */
} missing;

static bool is_in(const missing *m, const vch_tensor *tensor, int32_t round)
{
    return !vch_tensor_is_optimizer(vch_span_str(tensor->name))
           || vch_global_model_has_optimizer(m->view, round);
}

static bool by_change(const missing *m, const vch_tensor *tensor)
{
    return m->is_delta && is_in(m, tensor, m->round - 1);
}

static vch_wire_tensor_spec ask(void *context, size_t at, size_t *out_size)
{
    static const char *const model[] = { VCH_TAG_MODEL, NULL };
    static const char *const delta[] = { VCH_TAG_AGGREGATED, VCH_TAG_COMPRESSED, VCH_TAG_DELTA,
                                         NULL };
    static const char *const lossy[] = { VCH_TAG_AGGREGATED, VCH_TAG_DELTA, VCH_TAG_LOSSY, NULL };
    const missing *m = context;
    const vch_tensor *tensor = &m->global->model.tensor[m->tensor[at]];
    const char *const *change = vch_pipeline_is_lossy(&m->global->pipeline) ? lossy : delta;
    bool is_delta = by_change(m, tensor);
    *out_size = vch_tensor_bytes(tensor).size;
    return (vch_wire_tensor_spec) { .name = vch_span_str(tensor->name),
                                    .round = m->round,
                                    .tags = vch_tags_of(is_delta ? change : model),
                                    .require_lossless = !is_delta };
}

static vouch_code take(void *context, size_t at, const vch_named_tensor *named, vouch_error *err)
{
    const missing *m = context;
    size_t tensor = m->tensor[at];
    vch_tensor *into = &m->global->model.tensor[tensor];
    vouch_code rc = take_tensor(m->global, named, by_change(m, into), into, err);
    m->has[tensor] = rc == VOUCH_OK;
    return rc;
}

static vouch_code fetch(missing *m, vch_calls *calls, vouch_error *err)
{
    m->count = 0;
    for (size_t i = 0; i < m->global->model.count; i++) {
        if (!m->has[i] && is_in(m, &m->global->model.tensor[i], m->round))
            m->tensor[m->count++] = i;
    }
    const vch_calls_batch batch = { .context = m, .count = m->count, .ask = ask, .take = take };
    return vch_calls_get_tensors(calls, &batch, err);
}

/* By its changes if there is a model to add them to. An aggregator may have none: then whole. */
static vouch_code fetch_all(missing *m, vch_calls *calls, vouch_error *err)
{
    vouch_code rc = fetch(m, calls, err);
    if (rc != VOUCH_E_NOT_FOUND || !m->is_delta)
        return rc;
    if (err != NULL)
        *err = (vouch_error) { 0 };
    m->is_delta = false;
    return fetch(m, calls, err);
}

vouch_code vch_global_model_need(vch_global_model *g, vch_calls *calls, int32_t round,
                                 vouch_error *err)
{
    if (g->has_values && g->model.round == round)
        return VOUCH_OK;
    VCH_SCOPED(vch_free_drop) bool *has = calloc(g->model.count + 1, sizeof *has);
    VCH_SCOPED(vch_free_drop) size_t *tensor = calloc(g->model.count + 1, sizeof *tensor);
    if (has == NULL || tensor == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu tensors", g->model.count);
    missing all = {
        .global = g, .view = calls->view, .round = round, .tensor = tensor, .has = has
    };
    all.is_delta = calls->view->delta_updates && g->has_values && g->model.round + 1 == round;
    g->has_values = false; /* of no one round while tensors come in */
    vouch_code rc = fetch_all(&all, calls, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the model of round %d", round);
    g->model.round = round;
    g->has_values = true;
    return VOUCH_OK;
}
