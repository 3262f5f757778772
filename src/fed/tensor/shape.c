#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "fed/tensor/tensor.h"

vouch_code vch_shape_make(const int32_t *dims, size_t rank, vch_shape *out, vouch_error *err)
{
    vch_shape s = { .rank = 0, .count = 1 };
    if (rank > VCH_SHAPE_RANK_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "a shape of %zu dimensions; at most %d", rank,
                          VCH_SHAPE_RANK_MAX);
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return vouch_fail(err, VOUCH_E_LIMIT, "dimension %zu of a shape is %d", i, dims[i]);
        /* A zero must not hide an absurd product: the bound holds at every step. */
        if (!vch_size_mul(s.count, (size_t)dims[i], &s.count)
            || s.count > VCH_TENSOR_DATA_MAX / sizeof(float))
            return vouch_fail(err, VOUCH_E_LIMIT, "a shape of more than %zu values",
                              VCH_TENSOR_DATA_MAX / sizeof(float));
        s.dim[i] = dims[i];
    }
    s.rank = (uint32_t)rank;
    *out = s;
    return VOUCH_OK;
}

bool vch_shape_equal(const vch_shape *a, const vch_shape *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

const char *vch_shape_text(const vch_shape *shape, char *out, size_t size)
{
    size_t used = 0;
    for (uint32_t i = 0; i < shape->rank && used < size; i++) {
        int n = snprintf(out + used, size - used, "%s%d", i == 0 ? "[" : ", ", shape->dim[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    if (used < size)
        (void)snprintf(out + used, size - used, "%s]", shape->rank == 0 ? "[" : "");
    return out;
}
