/* The largest values of a tensor, and indices on the wire. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fed/tensor/clusters.h"
#include "fed/tensor/gzip.h"

#define LEAST_KEPT 1e-7F
#define NEXT_TO_ZERO 1e-30F

enum { HALF_BITS = 16, HALVES = 1 << HALF_BITS };

/* Magnitudes are in the order of their bits. */
static uint32_t magnitude_bits(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits & INT32_MAX;
}

/* Which bucket holds the one of `*rank`, which then counts within the bucket. */
static uint32_t bucket_of(const size_t *counts, size_t *rank)
{
    uint32_t at = 0;
    while (at + 1 < HALVES && *rank >= counts[at])
        *rank -= counts[at++];
    return at;
}

/* The bits of the magnitude that stands at `rank` in rising order: by their upper half, then by the
 * lower. */
static vouch_code select_rank(const float *values, size_t count, size_t rank, uint32_t *out,
                              vouch_error *err)
{
    VCH_SCOPED(vch_free_drop) size_t *counts = calloc(HALVES, sizeof *counts);
    if (counts == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "the largest of %zu values", count);
    for (size_t i = 0; i < count; i++)
        counts[magnitude_bits(values[i]) >> HALF_BITS]++;
    uint32_t upper = bucket_of(counts, &rank);
    memset(counts, 0, HALVES * sizeof *counts);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = magnitude_bits(values[i]);
        if (bits >> HALF_BITS == upper)
            counts[bits & (HALVES - 1)]++;
    }
    *out = upper << HALF_BITS | bucket_of(counts, &rank);
    return VOUCH_OK;
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
    VCH_SCOPED(vch_free_drop) bool *is_kept = calloc(count, sizeof *is_kept);
    uint32_t limit = 0;
    vouch_code rc = select_rank(values, count, count - kept, &limit, err);
    if (rc == VOUCH_OK && is_kept == NULL)
        rc = vouch_fail(err, VOUCH_E_MEMORY, "the largest of %zu values", count);
    if (rc != VOUCH_OK)
        return rc;
    float least = INFINITY;
    size_t left = kept;
    for (size_t i = 0; i < count; i++)
        left -= magnitude_bits(values[i]) > limit;
    /* Of those at the limit itself the last ones are kept, as after a stable sort. */
    for (size_t i = count; i-- > 0;) {
        bool at_limit = magnitude_bits(values[i]) == limit && left > 0;
        if (!at_limit && magnitude_bits(values[i]) <= limit)
            continue;
        left -= at_limit;
        out[i] = values[i];
        is_kept[i] = true;
        least = values[i] < least ? values[i] : least;
    }
    for (size_t i = 0; least < LEAST_KEPT && i < count; i++) {
        if (is_kept[i])
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
