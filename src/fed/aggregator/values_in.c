#include "fed/aggregator/values_in.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/scope.h"

#define LANES 8 /* sums that do not wait for one another */

struct vch_values_in {
    vch_values_options how;
    const vch_named_tensor *tensor; /* for pipelines that do not stream */
    vch_buffer encoded;             /* the same: all of its data */
    size_t done;                    /* values that are in the spool */
    size_t held;                    /* bytes in the spool's room, as they came, until it is full */
};

/* One float32, little-endian; where numbers lie so in memory the compiler makes nothing of it. */
static float float_from_wire(const uint8_t bytes[static 4])
{
    uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16
                    | (uint32_t)bytes[3] << 24;
    float value = 0.0F;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static vouch_code refuse(vouch_error *err)
{
    return vouch_wrap(err, VOUCH_E_REFUSED, "the tensor cannot be decoded");
}

static vouch_code check_shape(const vch_values_options *how, const vch_named_tensor *tensor,
                              size_t data_size, vouch_error *err)
{
    vch_shape shape;
    if (vch_pipeline_shape(how->pipeline, tensor, &shape, err) != VOUCH_OK)
        return refuse(err);
    if (!vch_shape_equal(&shape, how->expected)) {
        char got[128];
        char want[128];
        return vouch_fail(err, VOUCH_E_REFUSED, "shape %s, the model's is %s",
                          vch_shape_text(&shape, got, sizeof got),
                          vch_shape_text(how->expected, want, sizeof want));
    }
    if (vch_pipeline_check_size(how->pipeline, &shape, data_size, err) != VOUCH_OK)
        return refuse(err);
    return VOUCH_OK;
}

vouch_code vch_values_in_new(const vch_values_options *options, const vch_named_tensor *tensor,
                             size_t data_size, vch_values_in **out, vouch_error *err)
{
    vouch_code rc = check_shape(options, tensor, data_size, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_values_in *v = calloc(1, sizeof *v);
    if (v == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to receive a tensor");
    v->how = *options;
    v->tensor = tensor;
    v->encoded = vch_buffer_with_cap(data_size);
    *out = v;
    return VOUCH_OK;
}

void vch_values_in_free(vch_values_in *v)
{
    if (v == NULL)
        return;
    vch_buffer_drop(&v->encoded);
    free(v);
}

static double square_sum(const float *values, size_t count)
{
    double lane[LANES] = { 0 };
    double sum = 0;
    for (size_t i = 0; i + LANES <= count; i += LANES) {
        for (size_t k = 0; k < LANES; k++)
            lane[k] += (double)values[i + k] * (double)values[i + k];
    }
    for (size_t i = count - count % LANES; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    for (size_t k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

/* NaN and infinity are none. Without a branch in the loop. */
static bool all_within(const float *values, size_t count, float most)
{
    unsigned outside = 0;
    for (size_t i = 0; i < count; i++)
        outside |= !(fabsf(values[i]) <= most);
    return outside == 0;
}

static vouch_code refuse_value(const vch_values_in *v, const float *values, size_t count,
                               vouch_error *err)
{
    size_t at = 0;
    while (at + 1 < count && all_within(&values[at], 1, v->how.value_max))
        at++;
    return vouch_fail(err, VOUCH_E_REFUSED,
                      "element %zu is %g; finite values up to %g are accepted", v->done + at,
                      (double)values[at], (double)v->how.value_max);
}

/* Values as they came become what the spool gets, in place. */
static vouch_code check_values(vch_values_in *v, float *values, size_t count, vouch_error *err)
{
    if (count > v->how.expected->count - v->done)
        return vouch_fail(err, VOUCH_E_REFUSED, "more values than its shape has");
    if (v->how.square_sum != NULL)
        *v->how.square_sum += square_sum(values, count);
    for (size_t i = 0; v->how.base != NULL && i < count; i++)
        values[i] += v->how.base[v->done + i];
    if (!all_within(values, count, v->how.value_max))
        return refuse_value(v, values, count, err);
    v->done += count;
    return VOUCH_OK;
}

/* What was fed lies in the spool's room already. */
static vouch_code flush(vch_values_in *v, vouch_error *err)
{
    size_t room = 0;
    float *values = (float *)(void *)vch_sealed_room(v->how.target, &room);
    size_t count = v->held / sizeof *values;
    for (size_t i = 0; i < count; i++)
        values[i] = float_from_wire((const uint8_t *)&values[i]);
    v->held = 0; /* a rest of 1 to 3 bytes only at the end, where finish refuses it */
    vouch_code rc = check_values(v, values, count, err);
    return rc == VOUCH_OK ? vch_sealed_commit(v->how.target, count * sizeof *values, err) : rc;
}

vouch_code vch_values_in_feed(vch_values_in *v, vouch_span bytes, vouch_error *err)
{
    if (!vch_pipeline_streams(v->how.pipeline)) {
        vch_buffer_append(&v->encoded, bytes);
        if (vch_buffer_finish(&v->encoded, "tensor data", err) == VOUCH_E_MEMORY)
            return VOUCH_E_MEMORY;
        return v->encoded.failed == VOUCH_OK ? VOUCH_OK : refuse(err);
    }
    while (bytes.size > 0) {
        size_t room = 0;
        uint8_t *to = vch_sealed_room(v->how.target, &room);
        size_t n = bytes.size < room - v->held ? bytes.size : room - v->held;
        if (n == 0)
            return vouch_fail(err, VOUCH_E_REFUSED, "more values than its shape has");
        memcpy(to + v->held, bytes.data, n);
        v->held += n;
        bytes = (vouch_span) { bytes.data + n, bytes.size - n };
        if (v->held == room) {
            vouch_code rc = flush(v, err);
            if (rc != VOUCH_OK)
                return rc;
        }
    }
    return VOUCH_OK;
}

static vouch_code decode_whole(vch_values_in *v, vouch_error *err)
{
    vch_named_tensor whole = *v->tensor;
    whole.data = vch_buffer_span(&v->encoded);
    size_t count = v->how.expected->count;
    VCH_SCOPED(vch_free_drop) float *values = calloc(count == 0 ? 1 : count, sizeof *values);
    if (values == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to decode a tensor");
    if (vch_pipeline_decode_values(v->how.pipeline, &whole, v->how.expected, values, err)
        != VOUCH_OK)
        return refuse(err);
    vouch_code rc = check_values(v, values, count, err);
    return rc == VOUCH_OK ? vch_sealed_append(
               v->how.target, (vouch_span) { (const uint8_t *)values, count * sizeof *values }, err)
                          : rc;
}

vouch_code vch_values_in_finish(vch_values_in *v, vouch_error *err)
{
    bool odd = v->held % 4 != 0;
    vouch_code rc = vch_pipeline_streams(v->how.pipeline) ? flush(v, err) : decode_whole(v, err);
    if (rc != VOUCH_OK)
        return rc;
    if (odd || v->done != v->how.expected->count)
        return vouch_fail(err, VOUCH_E_REFUSED, "fewer values than its shape has");
    return VOUCH_OK;
}
