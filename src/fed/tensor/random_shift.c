/*
 * RandomShiftPipeline: to each value a random number from [-20, 20) is added, which travels beside
 * it, by its flat index. It hides nothing, takes nine times the room, and costs the low bits.
 */
#include <stdlib.h>

#include "base/scope.h"
#include "fed/plan/random.h"
#include "fed/tensor/codec.h"

#define SHIFT_MAX 20.0F

static size_t data_max(const vch_pipeline *p, size_t value_count)
{
    (void)p;
    return value_count * sizeof(float);
}

static size_t metadata_max(const vch_pipeline *p, size_t value_count)
{
    (void)p;
    return value_count * VCH_METADATA_PAIR_MAX + VCH_METADATA_SHAPE_MAX;
}

static vouch_code encode(const vch_pipeline *p, const vch_codec_values *in, vch_buffer *work,
                         vch_named_tensor *out, vouch_error *err)
{
    (void)p;
    vch_stream random = { .state = in->seed };
    size_t count = in->shape->count;
    float *shifted = (float *)(void *)vch_buffer_extend(work, count * sizeof *shifted);
    if (count > 0 && shifted == NULL)
        return vch_buffer_finish(work, "a shifted tensor", err);
    out->metadata_count = 2;
    vouch_code rc = vch_metadata_put_shape(&out->metadata[0], in->shape, err);
    if (rc == VOUCH_OK)
        rc = vch_metadata_put_shape(&out->metadata[1], in->shape, err);
    if (rc == VOUCH_OK)
        rc = vch_metadata_put_pairs(&out->metadata[0], count, err);
    for (size_t i = 0; rc == VOUCH_OK && i < count; i++) {
        float shift = vch_stream_uniform(&random, SHIFT_MAX);
        out->metadata[0].pairs[i] = (vch_metadata_pair) { (int32_t)i, shift };
        shifted[i] = in->values[i] + shift;
    }
    out->data = (vouch_span) { (const uint8_t *)shifted, count * sizeof *shifted };
    return rc;
}

/* Every index once, in any order. */
static vouch_code order_shifts(const vch_metadata *m, size_t count, float *out, vouch_error *err)
{
    if (m->pair_count != count)
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu shifts for %zu values", m->pair_count, count);
    VCH_SCOPED(vch_free_drop) uint8_t *seen = calloc(count + 1, 1);
    if (seen == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "the shifts of %zu values", count);
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)(uint32_t)m->pairs[i].key;
        if (m->pairs[i].key < 0 || at >= count || seen[at] != 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "a shift for value %d, which %s",
                              m->pairs[i].key, at < count ? "has one" : "there is not");
        seen[at] = 1;
        out[at] = m->pairs[i].value;
    }
    return VOUCH_OK;
}

static vouch_code decode(const vch_pipeline *p, const vch_named_tensor *in, const vch_shape *shape,
                         float *out_values, vouch_error *err)
{
    (void)p;
    vch_shape inner = { 0 };
    const vch_metadata *second = &in->metadata[1];
    vouch_code rc = vch_shape_make(second->ints, second->int_count, &inner, err);
    if (rc == VOUCH_OK && !vch_shape_equal(&inner, shape))
        rc = vouch_fail(err, VOUCH_E_FORMAT, "the two shapes of the tensor differ");
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_free_drop) float *shifts = calloc(shape->count + 1, sizeof *shifts);
    if (shifts == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "the shifts of %zu values", shape->count);
    rc = order_shifts(&in->metadata[0], shape->count, shifts, err);
    if (rc == VOUCH_OK)
        rc = vch_plain_decode(in->data, shape, out_values, err);
    for (size_t i = 0; rc == VOUCH_OK && i < shape->count; i++)
        out_values[i] -= shifts[i];
    return rc;
}

const vch_codec vch_codec_random_shift = {
    .name = "RandomShiftPipeline",
    .lossy = false,
    .streams = false,
    .metadata_count = 2,
    .data_max = data_max,
    .metadata_max = metadata_max,
    .encode = encode,
    .decode = decode,
};
