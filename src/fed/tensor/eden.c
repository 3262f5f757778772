/*
 * EdenPipeline: slices are rotated, quantised for the normal law and packed. int_to_float holds
 * {0: seed, 1: values, then for each slice its scale and its length}. A tensor of fewer than
 * dim_threshold values travels as float32, and so does one of exactly as many from OpenFL, whose
 * decoder then fails: ours encodes it, and reads both.
 */
#include "fed/tensor/eden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fed/tensor/codec.h"

enum { SEED = 0, TOTAL = 1, FIRST_SLICE = 2 };

static size_t data_max(const vch_pipeline *p, size_t value_count)
{
    (void)p;
    return value_count * sizeof(float) + 64; /* 8 bits for twice as many values are less */
}

static size_t metadata_max(const vch_pipeline *p, size_t value_count)
{
    (void)p;
    (void)value_count;
    return (size_t)(FIRST_SLICE + 2 * VCH_EDEN_SLICES_MAX) * VCH_METADATA_PAIR_MAX
           + VCH_METADATA_SHAPE_MAX;
}

/* Where the encoder works. */
typedef struct bench {
    float *rotated; /* of the longest slice */
    uint8_t *indices;
    size_t slice[VCH_EDEN_SLICES_MAX];
    size_t slices, total;
    float centroids[VCH_EDEN_CENTROID_MAX];
} bench;

static void drop_bench(bench *b)
{
    free(b->rotated);
    free(b->indices);
}

static vouch_code bench_rooms(bench *b, vouch_error *err)
{
    size_t longest = 0;
    b->total = 0;
    for (size_t i = 0; i < b->slices; i++) {
        longest = b->slice[i] > longest ? b->slice[i] : longest;
        b->total += b->slice[i];
    }
    b->rotated = malloc((longest + 1) * sizeof *b->rotated);
    b->indices = malloc(b->total + 1);
    if (b->rotated == NULL || b->indices == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "rotating %zu values", b->total);
    return VOUCH_OK;
}

static void put_pair(vch_metadata *m, size_t at, float value)
{
    m->pairs[at] = (vch_metadata_pair) { (int32_t)at, value };
}

static void encode_slices(bench *b, const vch_pipeline *p, const vch_codec_values *in,
                          uint32_t seed, vch_metadata *m)
{
    const float *from = in->values;
    size_t left = in->shape->count;
    uint8_t *indices = b->indices;
    for (size_t i = 0; i < b->slices; i++) {
        size_t length = b->slice[i];
        size_t taken = left < length ? left : length;
        memcpy(b->rotated, from, taken * sizeof *from);
        memset(b->rotated + taken, 0, (length - taken) * sizeof *from);
        vch_eden_rotate(b->rotated, length, seed);
        float scale = vch_eden_quantise(b->rotated, length, b->centroids, p->how.bits, indices);
        put_pair(m, FIRST_SLICE + 2 * i, scale);
        put_pair(m, FIRST_SLICE + 2 * i + 1, (float)length);
        from += taken;
        left -= taken;
        indices += length;
    }
}

static vouch_code encode(const vch_pipeline *p, const vch_codec_values *in, vch_buffer *work,
                         vch_named_tensor *out, vouch_error *err)
{
    VCH_SCOPED(drop_bench) bench b = { 0 };
    vch_metadata *m = &out->metadata[0];
    size_t count = in->shape->count;
    uint32_t seed = (uint32_t)(in->seed & VCH_EDEN_SEED_MAX);
    out->metadata_count = 1;
    vouch_code rc = vch_metadata_put_shape(m, in->shape, err);
    if (rc != VOUCH_OK)
        return rc;
    if (count == 0 || count < p->how.dim_threshold) {
        out->data = (vouch_span) { (const uint8_t *)in->values, count * sizeof(float) };
        return VOUCH_OK;
    }
    b.slices = vch_eden_slices(count, b.slice);
    vch_eden_centroids(p->how.bits, b.centroids);
    rc = bench_rooms(&b, err);
    if (rc == VOUCH_OK)
        rc = vch_metadata_put_pairs(m, FIRST_SLICE + 2 * b.slices, err);
    if (rc != VOUCH_OK)
        return rc;
    put_pair(m, SEED, (float)seed);
    put_pair(m, TOTAL, (float)count);
    encode_slices(&b, p, in, seed, m);
    size_t packed = b.total / 8 * p->how.bits;
    uint8_t *data = vch_buffer_extend(work, packed);
    if (data == NULL)
        return vch_buffer_finish(work, "a rotated tensor", err);
    vch_eden_pack(b.indices, b.total, p->how.bits, data);
    out->data = (vouch_span) { data, packed };
    return VOUCH_OK;
}

/* int_to_float in the order of its keys, which come in any and each once. */
static vouch_code order_pairs(const vch_metadata *m, float *out, vouch_error *err)
{
    bool seen[FIRST_SLICE + 2 * VCH_EDEN_SLICES_MAX] = { false };
    if (m->pair_count < FIRST_SLICE + 2 || m->pair_count % 2 != 0
        || m->pair_count > sizeof seen / sizeof *seen)
        return vouch_fail(err, VOUCH_E_FORMAT, "%zu numbers beside the data", m->pair_count);
    for (size_t i = 0; i < m->pair_count; i++) {
        int32_t key = m->pairs[i].key;
        if (key < 0 || (size_t)key >= m->pair_count || seen[key])
            return vouch_fail(err, VOUCH_E_FORMAT, "the keys beside the data are not 0 to %zu",
                              m->pair_count - 1);
        seen[key] = true;
        out[key] = m->pairs[i].value;
    }
    return VOUCH_OK;
}

static bool is_slice(float length, size_t most)
{
    if (!(length >= VCH_EDEN_SLICE_MIN && length <= (float)most))
        return false;
    size_t whole = (size_t)length;
    return (float)whole == length && (whole & (whole - 1)) == 0;
}

/* The lengths must be those of the data, and of the shape with at most as much again. */
static vouch_code check_slices(const vch_named_tensor *in, const float *numbers, size_t count,
                               uint32_t bits, bench *out, vouch_error *err)
{
    size_t most = 2 * count + 64;
    size_t total = 0;
    out->slices = (in->metadata[0].pair_count - FIRST_SLICE) / 2;
    for (size_t i = 0; i < out->slices; i++) {
        float length = numbers[FIRST_SLICE + 2 * i + 1];
        if (!is_slice(length, most - total))
            return vouch_fail(err, VOUCH_E_FORMAT, "slice %zu has the length %g", i,
                              (double)length);
        out->slice[i] = (size_t)length;
        total += out->slice[i];
    }
    if (!(numbers[SEED] >= 0 && numbers[SEED] <= (float)VCH_EDEN_SEED_MAX)
        || truncf(numbers[SEED]) != numbers[SEED])
        return vouch_fail(err, VOUCH_E_FORMAT, "the seed is %g", (double)numbers[SEED]);
    if (numbers[TOTAL] != (float)count || total < count || total / 8 * bits != in->data.size)
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "%zu bytes of data and slices of %zu values in all for %zu values",
                          in->data.size, total, count);
    return VOUCH_OK;
}

static vouch_code decode(const vch_pipeline *p, const vch_named_tensor *in, const vch_shape *shape,
                         float *out_values, vouch_error *err)
{
    VCH_SCOPED(drop_bench) bench b = { 0 };
    float numbers[FIRST_SLICE + 2 * VCH_EDEN_SLICES_MAX];
    if (in->metadata[0].pair_count == 0 && shape->count <= p->how.dim_threshold)
        return vch_plain_decode(in->data, shape, out_values, err);
    vouch_code rc = order_pairs(&in->metadata[0], numbers, err);
    if (rc == VOUCH_OK)
        rc = check_slices(in, numbers, shape->count, p->how.bits, &b, err);
    if (rc == VOUCH_OK)
        rc = bench_rooms(&b, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_eden_centroids(p->how.bits, b.centroids);
    vch_eden_unpack(in->data.data, b.total, p->how.bits, b.indices);
    const uint8_t *indices = b.indices;
    size_t left = shape->count;
    for (size_t i = 0; i < b.slices; i++) {
        float scale = numbers[FIRST_SLICE + 2 * i];
        size_t taken = left < b.slice[i] ? left : b.slice[i];
        for (size_t k = 0; k < b.slice[i]; k++)
            b.rotated[k] = b.centroids[indices[k]];
        vch_eden_rotate_back(b.rotated, b.slice[i], (uint32_t)numbers[SEED]);
        for (size_t k = 0; k < taken; k++)
            out_values[k] = scale * b.rotated[k];
        indices += b.slice[i];
        out_values += taken;
        left -= taken;
    }
    return VOUCH_OK;
}

const vch_codec vch_codec_eden = {
    .name = "EdenPipeline",
    .lossy = true,
    .streams = false,
    .metadata_count = 1,
    .data_max = data_max,
    .metadata_max = metadata_max,
    .encode = encode,
    .decode = decode,
};
