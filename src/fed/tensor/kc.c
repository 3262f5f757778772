/* KCPipeline: k-means, then indices. One metadata with shape and values, an empty one of gzip's. */
#include <stdlib.h>

#include "base/scope.h"
#include "fed/tensor/clusters.h"
#include "fed/tensor/gzip.h"

static size_t data_max(const vch_pipeline *p, size_t value_count)
{
    (void)p;
    return vch_gzip_bound(value_count * sizeof(float));
}

static size_t metadata_max(const vch_pipeline *p, size_t value_count)
{
    (void)value_count;
    return p->how.clusters * (size_t)VCH_METADATA_PAIR_MAX + VCH_METADATA_SHAPE_MAX;
}

static vouch_code encode(const vch_pipeline *p, const vch_codec_values *in, vch_buffer *work,
                         vch_named_tensor *out, vouch_error *err)
{
    size_t count = in->shape->count;
    VCH_SCOPED(vch_free_drop) uint8_t *indices = malloc(count + 1);
    vch_clusters clusters;
    if (indices == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "indices of %zu values", count);
    vouch_code rc = vch_clusters_find(in->values, count, p->how.clusters, &clusters, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_clusters_assign(&clusters, in->values, count, indices);
    vch_clusters_step_aside(&clusters);
    out->metadata_count = 2;
    rc = vch_metadata_put_shape(&out->metadata[0], in->shape, err);
    return rc == VOUCH_OK ? vch_indices_encode(&clusters, indices, count, work, 0, out, err) : rc;
}

static vouch_code decode(const vch_pipeline *p, const vch_named_tensor *in, const vch_shape *shape,
                         float *out_values, vouch_error *err)
{
    return vch_indices_decode(in, 0, p->how.clusters, shape->count, out_values, err);
}

const vch_codec vch_codec_kc = {
    .name = "KCPipeline",
    .lossy = true,
    .streams = false,
    .metadata_count = 2,
    .data_max = data_max,
    .metadata_max = metadata_max,
    .encode = encode,
    .decode = decode,
};
