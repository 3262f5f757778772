/* NoCompressionPipeline: the float32 values as they are, little-endian, in C order. */
#include <stdlib.h>
#include <string.h>

#include "fed/tensor/pipelines.h"

static vouch_code encode(const vch_shape *shape, const float *values, vch_buffer *work,
                         vch_named_tensor *out, vouch_error *err)
{
    (void)work;
    vch_metadata m = { 0 };
    if (shape->rank > 0) {
        m.ints = malloc(shape->rank * sizeof *m.ints);
        if (m.ints == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "the metadata of a tensor");
        memcpy(m.ints, shape->dim, shape->rank * sizeof *m.ints);
        m.int_count = shape->rank;
    }
    /* A scalar's metadata is empty, yet there: a receiver counts it. */
    out->metadata[0] = m;
    out->metadata_count = 1;
    out->data = (vouch_span) { (const uint8_t *)values, shape->count * sizeof *values };
    return VOUCH_OK;
}

static vouch_code decode(const vch_named_tensor *in, const vch_shape *shape, float *out_values,
                         vouch_error *err)
{
    if (in->data.size != shape->count * sizeof *out_values)
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu bytes of data for %zu values", in->data.size,
                          shape->count);
    if (in->data.size > 0)
        memcpy(out_values, in->data.data, in->data.size);
    return VOUCH_OK;
}

const vch_pipeline vch_pipeline_no_compression = {
    .name = "NoCompressionPipeline",
    .lossy = false,
    .streams = true,
    .metadata_count = 1,
    .encode = encode,
    .decode = decode,
};
