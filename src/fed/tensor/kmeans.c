/* k-means in one dimension: over sorted values a cluster is a run, and its sum a difference of two
 * running sums, so that a step costs clusters times log(values). */
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fed/tensor/clusters.h"

enum { SAMPLE_MAX = 1 << 19, STEPS_MAX = 300 };

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Sorted values, and the sums of the first i of them and of their squares. */
typedef struct runs {
    size_t count;
    float *value;
    double *sum, *squares;
} runs;

static void drop_runs(runs *r)
{
    free(r->value);
    free(r->sum);
    free(r->squares);
}

static vouch_code runs_make(const float *values, size_t count, runs *out, vouch_error *err)
{
    size_t stride = (count + SAMPLE_MAX - 1) / SAMPLE_MAX;
    out->count = (count + stride - 1) / stride;
    out->value = calloc(out->count, sizeof *out->value);
    out->sum = calloc(out->count + 1, sizeof *out->sum);
    out->squares = calloc(out->count + 1, sizeof *out->squares);
    if (out->value == NULL || out->sum == NULL || out->squares == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "clustering %zu values", count);
    for (size_t i = 0; i < out->count; i++)
        out->value[i] = values[i * stride];
    qsort(out->value, out->count, sizeof *out->value, compare);
    for (size_t i = 0; i < out->count; i++) {
        double v = (double)out->value[i];
        out->sum[i + 1] = out->sum[i] + v;
        out->squares[i + 1] = out->squares[i] + v * v;
    }
    return VOUCH_OK;
}

/* The first value that is greater than `bound`. */
static size_t first_above(const runs *r, double bound)
{
    size_t low = 0;
    size_t high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((double)r->value[middle] > bound)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Where each centre's run ends. */
static void split(const runs *r, const double *centre, size_t k, size_t *end)
{
    for (size_t c = 0; c + 1 < k; c++)
        end[c] = first_above(r, (centre[c] + centre[c + 1]) / 2);
    end[k - 1] = r->count;
}

/* Move rising centres to the middle of their runs until none moves; returns the squared distance
 * that is left. A run that is empty keeps its centre. */
static double settle(const runs *r, double *centre, size_t k)
{
    size_t end[VCH_CLUSTER_MAX];
    size_t before[VCH_CLUSTER_MAX] = { 0 };
    double left = 0;
    for (int step = 0; step < STEPS_MAX; step++) {
        split(r, centre, k, end);
        if (memcmp(end, before, k * sizeof *end) == 0)
            break;
        memcpy(before, end, k * sizeof *end);
        left = 0;
        for (size_t c = 0, from = 0; c < k; from = end[c++]) {
            double n = (double)(end[c] - from);
            double sum = r->sum[end[c]] - r->sum[from];
            if (end[c] == from)
                continue;
            centre[c] = sum / n;
            left += r->squares[end[c]] - r->squares[from] - sum * sum / n;
        }
    }
    return left;
}

/* Two beginnings: the same number of values for each, and the same width for each. */
static void begin(const runs *r, size_t k, bool by_width, double *centre)
{
    double low = (double)r->value[0];
    double width = (double)r->value[r->count - 1] - low;
    for (size_t c = 0; c < k; c++)
        centre[c] = by_width ? low + width * ((double)c + 0.5) / (double)k
                             : (double)r->value[(2 * c + 1) * r->count / (2 * k)];
}

static void keep_different(vch_clusters *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        if (kept == 0 || out->value[i] > out->value[kept - 1])
            out->value[kept++] = out->value[i];
    }
    out->count = kept;
}

vouch_code vch_clusters_find(const float *values, size_t count, size_t most, vch_clusters *out,
                             vouch_error *err)
{
    VCH_SCOPED(drop_runs) runs r = { 0 };
    double centre[2][VCH_CLUSTER_MAX];
    double left[2];
    *out = (vch_clusters) { 0 };
    if (most == 0 || most > VCH_CLUSTER_MAX)
        return vouch_fail(err, VOUCH_E_INTERNAL, "%zu clusters", most);
    if (count == 0)
        return VOUCH_OK;
    vouch_code rc = runs_make(values, count, &r, err);
    if (rc != VOUCH_OK)
        return rc;
    if (count < most) {
        memcpy(out->value, r.value, count * sizeof *r.value);
        out->count = count;
    } else {
        for (int i = 0; i < 2; i++) {
            begin(&r, most, i == 1, centre[i]);
            left[i] = settle(&r, centre[i], most);
        }
        for (size_t c = 0; c < most; c++)
            out->value[c] = (float)centre[left[1] < left[0]][c];
        out->count = most;
    }
    keep_different(out);
    return VOUCH_OK;
}

static uint8_t nearest(const double *bound, size_t k, float value)
{
    uint8_t at = 0;
    while (at + 1U < k && (double)value > bound[at])
        at++;
    return at;
}

void vch_clusters_assign(vch_clusters *clusters, const float *values, size_t count,
                         uint8_t *out_indices)
{
    double bound[VCH_CLUSTER_MAX];
    uint8_t becomes[VCH_CLUSTER_MAX];
    bool used[VCH_CLUSTER_MAX] = { false };
    size_t kept = 0;
    for (size_t c = 0; c + 1 < clusters->count; c++)
        bound[c] = ((double)clusters->value[c] + (double)clusters->value[c + 1]) / 2;
    for (size_t i = 0; i < count; i++) {
        out_indices[i] = nearest(bound, clusters->count, values[i]);
        used[out_indices[i]] = true;
    }
    for (size_t c = 0; c < clusters->count; c++) {
        becomes[c] = (uint8_t)kept;
        if (used[c])
            clusters->value[kept++] = clusters->value[c];
    }
    if (kept != clusters->count) {
        for (size_t i = 0; i < count; i++)
            out_indices[i] = becomes[out_indices[i]];
    }
    clusters->count = kept;
}
