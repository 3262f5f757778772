/*
 * The decoders of all pipelines: the first byte chooses one, the rest is a NamedTensor. What decodes
 * has exactly the shape's values, and is encoded and decoded again without complaint.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "fed/tensor/pipeline.h"
#include "fed/wire/named_tensor_wire.h"

enum { VALUES_MAX = 1 << 16 };

static void there_and_back(const vch_pipeline *p, const vch_tensor *t)
{
    vch_buffer work = vch_buffer_with_cap((size_t)1 << 24);
    vch_named_tensor wire = { .round = 3 };
    vch_tensor again = { 0 };
    for (size_t i = 0; i < t->shape.count; i++) {
        if (!(fabsf(t->values[i]) < 1e30F))
            return; /* encoders are given finite values only */
    }
    if (vch_pipeline_encode(p, t, &work, &wire, NULL) != VOUCH_OK
        || vch_pipeline_decode(p, &wire, &again, NULL) != VOUCH_OK
        || !vch_shape_equal(&again.shape, &t->shape))
        __builtin_trap();
    vch_tensor_done(&again);
    vch_named_tensor_done(&wire);
    vch_buffer_drop(&work);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const vch_plan_pipeline how = { .kind = (vch_compression)(data[0] % 6 + 1),
                                    .clusters = 6,
                                    .sparsity = 0.1,
                                    .bits = data[0] / 6U % 8 + 1,
                                    .dim_threshold = 10 };
    vch_pipeline p = vch_pipeline_make(&how, 1);
    vouch_error err = { 0 };
    vch_named_tensor wire = { 0 };
    vch_tensor t = { 0 };
    vch_shape shape = { 0 };
    if (vch_named_tensor_parse((vouch_span) { data + 1, size - 1 }, &wire, &err) == VOUCH_OK
        && vch_pipeline_shape(&p, &wire, &shape, &err) == VOUCH_OK && shape.count <= VALUES_MAX) {
        vouch_code rc = vch_pipeline_decode(&p, &wire, &t, &err);
        if (rc == VOUCH_OK)
            there_and_back(&p, &t);
        else if (t.name != NULL || err.depth == 0)
            __builtin_trap(); /* failed, yet wrote its output or gave no reason */
    }
    vch_tensor_done(&t);
    vch_named_tensor_done(&wire);
    return 0;
}
