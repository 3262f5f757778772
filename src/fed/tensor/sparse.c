/* The largest values of a tensor, and indices on the wire. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fed/tensor/clusters.h"
#include "fed/tensor/gzip.h"

#define LEAST_KEPT 1e-7F
#define NEXT_TO_ZERO 1e-30F

static void swap(float *a, float *b)
{
    float kept = *a;
    *a = *b;
    *b = kept;
}

/* The value that stands at `rank` when `v` is sorted; `v` is rearranged. Hoare's selection with the
 * middle one of three as pivot. */
static float select_rank(float *v, size_t count, size_t rank)
{
    size_t low = 0;
    size_t high = count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v[middle] < v[low])
            swap(&v[middle], &v[low]);
        if (v[high] < v[low])
            swap(&v[high], &v[low]);
        if (v[high] < v[middle])
            swap(&v[high], &v[middle]);
        float pivot = v[middle];
        size_t i = low;
        size_t j = high;
        for (;;) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            swap(&v[i++], &v[j--]);
        }
        if (rank <= j)
            high = j;
        else
            low = j + 1;
    }
    return v[low];
}

static size_t kept_count(size_t count, double share)
{
    double kept = ceil((double)count * share);
    return kept >= (double)count ? count : (size_t)kept;
}

vouch_code vch_sparse(const float *values, size_t count, double share, float *out, vouch_error *err)
{
    size_t kept = kept_count(count, share);
    memset(out, 0, count * sizeof *out);
    if (kept == 0)
        return VOUCH_OK;
    VCH_SCOPED(vch_free_drop) float *magnitude = malloc(count * sizeof *magnitude);
    if (magnitude == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "the largest of %zu values", count);
    for (size_t i = 0; i < count; i++)
        magnitude[i] = fabsf(values[i]);
    float limit = select_rank(magnitude, count, count - kept);
    float least = INFINITY;
    size_t left = kept;
    for (size_t i = 0; i < count; i++)
        left -= fabsf(values[i]) > limit;
    /* Of those at the limit itself the last ones are kept, as after a stable sort. */
    for (size_t i = count; i-- > 0;) {
        bool at_limit = fabsf(values[i]) == limit && left > 0;
        if (!at_limit && !(fabsf(values[i]) > limit))
            continue;
        left -= at_limit;
        out[i] = values[i];
        magnitude[i] = NAN; /* marks what is kept: a kept value may be 0 */
        least = values[i] < least ? values[i] : least;
    }
    for (size_t i = 0; least < LEAST_KEPT && i < count; i++) {
        if (isnan(magnitude[i]))
            out[i] += LEAST_KEPT;
    }
    return VOUCH_OK;
}

void vch_clusters_step_aside(vch_clusters *clusters)
{
    for (size_t c = 0; c < clusters->count; c++) {
        float v = clusters->value[c];
        for (size_t key = 0; key < clusters->count; key++) {
            if (key != c && v == (float)key)
                clusters->value[c] = key == 0 ? NEXT_TO_ZERO : nextafterf(v, 0.0F);
        }
    }
}

vouch_code vch_indices_encode(const vch_clusters *clusters, const uint8_t *indices, size_t count,
                              vch_buffer *work, size_t at, vch_named_tensor *out, vouch_error *err)
{
    vouch_code rc = vch_metadata_put_pairs(&out->metadata[at], clusters->count, err);
    if (rc != VOUCH_OK)
        return rc;
    for (size_t c = 0; c < clusters->count; c++)
        out->metadata[at].pairs[c] = (vch_metadata_pair) { (int32_t)c, clusters->value[c] };
    size_t from = work->size;
    rc = vch_gzip_indices(indices, count, work, err);
    if (rc == VOUCH_OK)
        out->data = (vouch_span) { work->data + from, work->size - from };
    return rc;
}

static vouch_code read_clusters(const vch_metadata *m, size_t most, float *out, vouch_error *err)
{
    bool seen[VCH_CLUSTER_MAX] = { false };
    if (m->pair_count > most || most > VCH_CLUSTER_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu values to choose from; at most %zu",
                          m->pair_count, most);
    for (size_t i = 0; i < m->pair_count; i++) {
        int32_t key = m->pairs[i].key;
        if (key < 0 || (size_t)key >= m->pair_count || seen[key])
            return vouch_fail(err, VOUCH_E_FORMAT, "the values' numbers are not 0 to %zu",
                              m->pair_count - 1);
        seen[key] = true;
        out[key] = m->pairs[i].value;
    }
    return VOUCH_OK;
}

vouch_code vch_indices_decode(const vch_named_tensor *in, size_t at, size_t most, size_t count,
                              float *out_values, vouch_error *err)
{
    float value[VCH_CLUSTER_MAX] = { 0 };
    const vch_metadata *m = &in->metadata[at];
    vouch_code rc = read_clusters(m, most, value, err);
    if (rc == VOUCH_OK)
        rc = vch_gunzip(in->data, out_values, count * sizeof *out_values, err);
    for (size_t i = 0; rc == VOUCH_OK && i < count; i++) {
        float index = out_values[i];
        if (!(index >= 0.0F && index < (float)m->pair_count) || truncf(index) != index)
            return vouch_fail(err, VOUCH_E_FORMAT, "element %zu is index %g of %zu values", i,
                              (double)index, m->pair_count);
        out_values[i] = value[(size_t)index];
    }
    return rc;
}
