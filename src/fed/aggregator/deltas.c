#include "fed/aggregator/deltas.h"

#include <stdlib.h>

#include "base/bytes.h"

typedef struct kept {
    vch_named_tensor named; /* data in `work`; name borrowed from the model */
    vch_buffer work;
} kept;

struct vch_deltas {
    size_t count;
    kept item[];
};

static void drop_kept(kept *k)
{
    vch_named_tensor_done(&k->named);
    vch_buffer_drop(&k->work);
}

vouch_code vch_deltas_new(size_t tensor_count, vch_deltas **out, vouch_error *err)
{
    vch_deltas *d = calloc(1, sizeof *d + tensor_count * sizeof(kept));
    if (d == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the changes of %zu tensors",
                          tensor_count);
    d->count = tensor_count;
    *out = d;
    return VOUCH_OK;
}

void vch_deltas_free(vch_deltas *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->count; i++)
        drop_kept(&d->item[i]);
    free(d);
}

static vouch_code encode(const vch_pipeline *pipeline, const vch_tensor *like, int32_t round,
                         const float *values, kept *out, vouch_error *err)
{
    kept k = { .work = vch_buffer_with_cap(VCH_TENSOR_DATA_MAX) };
    k.named.name = vch_span_str(like->name);
    k.named.round = round;
    vouch_code rc =
        vch_pipeline_encode_values(pipeline, &like->shape, values, &k.work, &k.named, err);
    if (rc == VOUCH_OK && k.named.data.size > 0 && k.work.size == 0) { /* the values themselves */
        vch_buffer_append(&k.work, k.named.data);
        k.named.data = vch_buffer_span(&k.work);
        rc = vch_buffer_finish(&k.work, "the change of a tensor", err);
    }
    if (rc == VOUCH_OK)
        *out = k;
    else
        drop_kept(&k);
    return rc;
}

vouch_code vch_deltas_put(vch_deltas *d, size_t at, const vch_tensor *like, int32_t round,
                          const vch_pipeline *pipeline, float *values, vouch_error *err)
{
    drop_kept(&d->item[at]);
    vouch_code rc = encode(pipeline, like, round, values, &d->item[at], err);
    if (rc != VOUCH_OK || vch_pipeline_streams(pipeline))
        return rc;
    return vch_pipeline_decode_values(pipeline, &d->item[at].named, &like->shape, values, err);
}

const vch_named_tensor *vch_deltas_find(const vch_deltas *d, vouch_span name, int32_t round)
{
    for (size_t i = 0; i < d->count; i++) {
        const vch_named_tensor *named = &d->item[i].named;
        if (named->metadata_count > 0 && named->round == round && vch_span_equal(named->name, name))
            return named;
    }
    return NULL;
}

void vch_change_between(const float *before, const float *now, size_t count, float *out)
{
    /* What was made by one rounded sum is made again by the rounded difference: exact where the
     * change is the smaller, and else off by less than the sum's own rounding takes back. */
    for (size_t i = 0; i < count; i++)
        out[i] = now[i] - before[i];
}

vouch_code vch_there_and_back(const vch_pipeline *pipeline, const vch_tensor *like, int32_t round,
                              float *values, vouch_error *err)
{
    VCH_SCOPED(drop_kept) kept k = { 0 };
    if (vch_pipeline_streams(pipeline))
        return VOUCH_OK;
    vouch_code rc = encode(pipeline, like, round, values, &k, err);
    if (rc == VOUCH_OK)
        rc = vch_pipeline_decode_values(pipeline, &k.named, &like->shape, values, err);
    return rc;
}
