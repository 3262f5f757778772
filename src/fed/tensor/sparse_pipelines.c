/*
 * SKCPipeline and STCPipeline: the largest values only, then k-means or their signs, then indices.
 * Three metadata: the shape, the values, an empty one of gzip's.
 */
#include <math.h>
#include <stdlib.h>

#include "base/scope.h"
#include "fed/tensor/clusters.h"
#include "fed/tensor/gzip.h"
#include "fed/tensor/numpy_sum.h"

enum { SHAPE_AT = 0, VALUES_AT = 1, METADATA_COUNT = 3, TERNARY = 3 };

static size_t data_max(const vch_pipeline *p, size_t value_count)
{
    (void)p;
    return vch_gzip_bound(value_count * sizeof(float));
}

static size_t metadata_max(const vch_pipeline *p, size_t value_count)
{
    (void)p;
    (void)value_count;
    return VCH_CLUSTER_MAX * (size_t)VCH_METADATA_PAIR_MAX + VCH_METADATA_SHAPE_MAX;
}

static double magnitude_at(const void *context, size_t index)
{
    return fabs((double)((const float *)context)[index]);
}

/* One magnitude for all: the mean over every value, the zeros too. */
static void make_ternary(const float *values, size_t count, vch_clusters *out, uint8_t *indices)
{
    float mean = count == 0
                     ? 0.0F
                     : (float)(vch_numpy_sum(magnitude_at, values, count, false) / (double)count);
    *out = (vch_clusters) { .count = TERNARY, .value = { -mean, 0.0F, mean } };
    bool used[TERNARY] = { false };
    uint8_t becomes[TERNARY] = { 0 };
    for (size_t i = 0; i < count; i++) {
        indices[i] = (uint8_t)(1 + (values[i] > 0.0F) - (values[i] < 0.0F));
        used[indices[i]] = true;
    }
    out->count = 0;
    for (size_t c = 0; c < TERNARY; c++) {
        becomes[c] = (uint8_t)out->count;
        if (used[c])
            out->value[out->count++] = out->value[c];
    }
    for (size_t i = 0; i < count; i++)
        indices[i] = becomes[indices[i]];
}

static vouch_code encode(const vch_pipeline *p, const vch_codec_values *in, vch_buffer *work,
                         vch_named_tensor *out, vouch_error *err)
{
    size_t count = in->shape->count;
    VCH_SCOPED(vch_free_drop) float *kept = malloc((count + 1) * sizeof *kept);
    VCH_SCOPED(vch_free_drop) uint8_t *indices = malloc(count + 1);
    vch_clusters clusters;
    if (kept == NULL || indices == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "the largest of %zu values", count);
    vouch_code rc = vch_sparse(in->values, count, p->how.sparsity, kept, err);
    if (rc == VOUCH_OK && p->how.kind == VCH_COMPRESSION_STC) {
        make_ternary(kept, count, &clusters, indices);
    } else if (rc == VOUCH_OK) {
        rc = vch_clusters_find(kept, count, p->how.clusters, &clusters, err);
        if (rc == VOUCH_OK) {
            vch_clusters_assign(&clusters, kept, count, indices);
            vch_clusters_step_aside(&clusters);
        }
    }
    if (rc != VOUCH_OK)
        return rc;
    out->metadata_count = METADATA_COUNT;
    rc = vch_metadata_put_shape(&out->metadata[SHAPE_AT], in->shape, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_indices_encode(&clusters, indices, count, work, VALUES_AT, out, err);
}

static vouch_code decode(const vch_pipeline *p, const vch_named_tensor *in, const vch_shape *shape,
                         float *out_values, vouch_error *err)
{
    size_t most = p->how.kind == VCH_COMPRESSION_STC ? TERNARY : p->how.clusters;
    return vch_indices_decode(in, VALUES_AT, most, shape->count, out_values, err);
}

const vch_codec vch_codec_skc = {
    .name = "SKCPipeline",
    .lossy = true,
    .streams = false,
    .metadata_count = METADATA_COUNT,
    .data_max = data_max,
    .metadata_max = metadata_max,
    .encode = encode,
    .decode = decode,
};

const vch_codec vch_codec_stc = {
    .name = "STCPipeline",
    .lossy = true,
    .streams = false,
    .metadata_count = METADATA_COUNT,
    .data_max = data_max,
    .metadata_max = metadata_max,
    .encode = encode,
    .decode = decode,
};
