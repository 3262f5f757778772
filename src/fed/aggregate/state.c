/* What the functions that take steps remember. */
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "fed/aggregate/aggregate.h"

size_t vch_aggregate_slot_count(vch_aggregate_function function)
{
    switch (function) {
    case VCH_AGGREGATE_ADAGRAD:
        return 2;
    case VCH_AGGREGATE_ADAM:
    case VCH_AGGREGATE_YOGI:
        return 3;
    case VCH_AGGREGATE_WEIGHTED_AVERAGE:
    case VCH_AGGREGATE_MEDIAN:
    case VCH_AGGREGATE_GEOMETRIC_MEDIAN:
    case VCH_AGGREGATE_FEDCURV:
        break;
    }
    return 0;
}

const char *vch_aggregate_slot_name(vch_aggregate_function function, size_t slot)
{
    static const char *const moments[] = { "parameter", "first_moment", "second_moment" };
    if (function == VCH_AGGREGATE_ADAGRAD && slot == 1)
        return "squares";
    return moments[slot < VCH_AGGREGATE_SLOT_MAX ? slot : 0];
}

/* A model of the same tensors: with the same values, or all of them `value`. */
static vouch_code make_alike(const vch_model *model, bool same, float value, vch_model *out,
                             vouch_error *err)
{
    VCH_SCOPED(vch_model_done) vch_model m = { .round = model->round };
    for (size_t i = 0; i < model->count; i++) {
        VCH_SCOPED(vch_tensor_done) vch_tensor t = { 0 };
        const vch_tensor *like = &model->tensor[i];
        vouch_code rc = vch_tensor_init(&t, vch_span_str(like->name), &like->shape, err);
        if (rc != VOUCH_OK)
            return rc;
        for (size_t k = 0; k < like->shape.count; k++)
            t.values[k] = same ? like->values[k] : value;
        rc = vch_model_add(&m, &t, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    *out = m;
    m = (vch_model) { 0 };
    return VOUCH_OK;
}

vouch_code vch_aggregate_state_make(vch_aggregate_function function, const vch_aggregate_step *step,
                                    const vch_model *initial, vch_aggregate_state *out,
                                    vouch_error *err)
{
    vch_aggregate_state s = { 0 };
    size_t slots = vch_aggregate_slot_count(function);
    while (s.slot_count < slots) {
        vouch_code rc = make_alike(initial, s.slot_count == 0, (float)step->initial_accumulator,
                                   &s.slot[s.slot_count], err);
        if (rc != VOUCH_OK) {
            vch_aggregate_state_done(&s);
            return rc;
        }
        s.slot_count++;
    }
    *out = s;
    return VOUCH_OK;
}

void vch_aggregate_state_done(vch_aggregate_state *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < VCH_AGGREGATE_SLOT_MAX; i++)
        vch_model_done(&s->slot[i]);
    *s = (vch_aggregate_state) { 0 };
}

static vouch_code read_slot(void *context, size_t from, size_t count, float *out, vouch_error *err)
{
    (void)err;
    const vch_tensor *t = context;
    memcpy(out, t->values + from, count * sizeof *out);
    return VOUCH_OK;
}

static vouch_code write_slot(void *context, size_t from, size_t count, const float *values,
                             vouch_error *err)
{
    (void)err;
    vch_tensor *t = context;
    memcpy(t->values + from, values, count * sizeof *values);
    return VOUCH_OK;
}

vch_aggregate_memory vch_aggregate_state_of(vch_aggregate_state *s, size_t tensor)
{
    vch_aggregate_memory m = { .steps = s->steps };
    for (size_t i = 0; i < s->slot_count; i++) {
        m.from[i] = (vch_aggregate_member) { &s->slot[i].tensor[tensor], read_slot, 0 };
        m.to[i] = (vch_aggregate_output) { &s->slot[i].tensor[tensor], write_slot };
    }
    return m;
}
