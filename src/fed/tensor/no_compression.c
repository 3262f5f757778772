/* NoCompressionPipeline: the float32 values as they are, little-endian, in C order. */
#include <string.h>

#include "fed/tensor/codec.h"

static size_t data_max(const vch_pipeline *p, size_t value_count)
{
    (void)p;
    return value_count * sizeof(float);
}

static size_t metadata_max(const vch_pipeline *p, size_t value_count)
{
    (void)p;
    (void)value_count;
    return VCH_METADATA_SHAPE_MAX;
}

static vouch_code encode(const vch_pipeline *p, const vch_codec_values *in, vch_buffer *work,
                         vch_named_tensor *out, vouch_error *err)
{
    (void)p;
    (void)work;
    /* A scalar's metadata is empty, yet there: a receiver counts it. */
    out->metadata_count = 1;
    out->data = (vouch_span) { (const uint8_t *)in->values, in->shape->count * sizeof(float) };
    return vch_metadata_put_shape(&out->metadata[0], in->shape, err);
}

vouch_code vch_plain_decode(vouch_span data, const vch_shape *shape, float *out_values,
                            vouch_error *err)
{
    if (data.size != shape->count * sizeof *out_values)
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu bytes of data for %zu values", data.size,
                          shape->count);
    if (data.size > 0)
        memcpy(out_values, data.data, data.size);
    return VOUCH_OK;
}

static vouch_code decode(const vch_pipeline *p, const vch_named_tensor *in, const vch_shape *shape,
                         float *out_values, vouch_error *err)
{
    (void)p;
    return vch_plain_decode(in->data, shape, out_values, err);
}

const vch_codec vch_codec_plain = {
    .name = "NoCompressionPipeline",
    .lossy = false,
    .streams = true,
    .metadata_count = 1,
    .data_max = data_max,
    .metadata_max = metadata_max,
    .encode = encode,
    .decode = decode,
};
