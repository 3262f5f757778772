#include "fed/tensor/tensor.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are kept as they travel: little-endian"
#endif
_Static_assert(sizeof(float) == 4, "float32 travels");

vouch_code vch_tensor_init(vch_tensor *out, vouch_span name, const vch_shape *shape,
                           vouch_error *err)
{
    if (name.size == 0 || name.size > VCH_TENSOR_NAME_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "a tensor's name of %zu bytes; 1 to %d are allowed",
                          name.size, VCH_TENSOR_NAME_MAX);
    if (memchr(name.data, 0, name.size) != NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "a tensor's name holds a NUL");
    vch_tensor t = { .shape = *shape };
    t.name = malloc(name.size + 1);
    if (shape->count > 0)
        t.values = calloc(shape->count, sizeof *t.values);
    if (t.name == NULL || (shape->count > 0 && t.values == NULL)) {
        vch_tensor_done(&t);
        return vouch_fail(err, VOUCH_E_MEMORY, "a tensor of %zu values", shape->count);
    }
    memcpy(t.name, name.data, name.size);
    t.name[name.size] = '\0';
    *out = t;
    return VOUCH_OK;
}

void vch_tensor_done(vch_tensor *t)
{
    if (t == NULL)
        return;
    free(t->name);
    free(t->values);
    *t = (vch_tensor) { 0 };
}

bool vch_tensor_is_optimizer(vouch_span name)
{
    static const char mark[] = "__opt_";
    size_t size = sizeof mark - 1;
    return name.size > size && memcmp(name.data, mark, size) == 0;
}

vouch_span vch_tensor_bytes(const vch_tensor *t)
{
    return (vouch_span) { (const uint8_t *)t->values, t->shape.count * sizeof *t->values };
}

bool vch_values_finite(const float *values, size_t count, size_t *out_index)
{
    unsigned bad = 0;
    for (size_t i = 0; i < count;
         i++) /* without a way out, so that several are looked at at once */
        bad |= !(fabsf(values[i]) <= FLT_MAX);
    for (size_t i = 0; bad != 0 && i < count; i++) {
        if (!isfinite(values[i])) {
            *out_index = i;
            return false;
        }
    }
    return true;
}

double vch_values_norm(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}
