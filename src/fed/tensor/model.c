#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"
#include "fed/tensor/tensor.h"

void vch_model_done(vch_model *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->count; i++)
        vch_tensor_done(&m->tensor[i]);
    free(m->tensor);
    *m = (vch_model) { 0 };
}

static vouch_code model_grow(vch_model *m, vouch_error *err)
{
    if (m->count < m->capacity)
        return VOUCH_OK;
    size_t capacity = m->capacity == 0 ? 16 : m->capacity * 2;
    vch_tensor *grown = realloc(m->tensor, capacity * sizeof *grown);
    if (grown == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a model of %zu tensors", capacity);
    m->tensor = grown;
    m->capacity = capacity;
    return VOUCH_OK;
}

vouch_code vch_model_add(vch_model *m, vch_tensor *t, vouch_error *err)
{
    size_t data_size = 0;
    if (m->count >= VCH_MODEL_TENSOR_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "a model of more than %d tensors",
                          VCH_MODEL_TENSOR_MAX);
    if (!vch_size_add(m->data_size, vch_tensor_bytes(t).size, &data_size)
        || data_size > VCH_MODEL_DATA_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "a model of more than %zu bytes", VCH_MODEL_DATA_MAX);
    if (vch_model_find(m, vch_span_str(t->name)) != NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "tensor '%s' is in the model twice", t->name);
    vouch_code rc = model_grow(m, err);
    if (rc != VOUCH_OK)
        return rc;
    m->tensor[m->count++] = *t;
    m->data_size = data_size;
    *t = (vch_tensor) { 0 };
    return VOUCH_OK;
}

const vch_tensor *vch_model_find(const vch_model *m, vouch_span name)
{
    for (size_t i = 0; i < m->count; i++) {
        if (vch_span_is(name, m->tensor[i].name))
            return &m->tensor[i];
    }
    return NULL;
}

vouch_code vch_model_check_alike(const vch_model *a, const vch_model *b, vouch_error *err)
{
    if (a->count != b->count)
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu tensors, expected %zu", b->count, a->count);
    for (size_t i = 0; i < a->count; i++) {
        const vch_tensor *want = &a->tensor[i];
        const vch_tensor *have = &b->tensor[i];
        char want_text[96];
        char have_text[96];
        if (strcmp(want->name, have->name) != 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "tensor %zu is '%s', expected '%s'", i,
                              have->name, want->name);
        if (!vch_shape_equal(&want->shape, &have->shape))
            return vouch_fail(err, VOUCH_E_FORMAT, "tensor '%s' has the shape %s, expected %s",
                              have->name, vch_shape_text(&have->shape, have_text, sizeof have_text),
                              vch_shape_text(&want->shape, want_text, sizeof want_text));
    }
    return VOUCH_OK;
}
