/*
 * GeometricMedian: Weiszfeld's iteration as OpenFL has it, at most four steps from the weighted mean,
 * in double. The weights compound from step to step. Each step is a pass over all members; nothing
 * but a block is held. Distances are summed in another order than numpy's, whose own order is its
 * processor's: weights agree to some 15 digits, results to the last bit of a float32 or its
 * neighbour. openfl_interop.md section 7.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fed/aggregate/methods.h"

enum { STEPS_MAX = 4 };
#define LEAST_DISTANCE 1e-5
#define LEAST_CHANGE 1e-6

typedef struct weiszfeld {
    float *in, *out;
    double *mean;               /* of one block */
    double *weights, *distance; /* of each member */
} weiszfeld;

static void drop_weiszfeld(weiszfeld *w)
{
    free(w->in);
    free(w->out);
    free(w->mean);
    free(w->weights);
    free(w->distance);
}

static vouch_code make(weiszfeld *w, const vch_aggregate_job *job, vouch_error *err)
{
    w->in = calloc(VCH_AGGREGATE_BLOCK, sizeof *w->in);
    w->out = calloc(VCH_AGGREGATE_BLOCK, sizeof *w->out);
    w->mean = calloc(VCH_AGGREGATE_BLOCK, sizeof *w->mean);
    w->weights = calloc(job->member_count, sizeof *w->weights);
    w->distance = calloc(job->member_count, sizeof *w->distance);
    if (w->in == NULL || w->out == NULL || w->mean == NULL || w->weights == NULL
        || w->distance == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "the geometric median of %zu members",
                          job->member_count);
    for (size_t m = 0; m < job->member_count; m++)
        w->weights[m] = job->members[m].weight;
    return VOUCH_OK;
}

static void normalise(double *weights, size_t count)
{
    double sum = 0;
    for (size_t m = 0; m < count; m++)
        sum += weights[m];
    for (size_t m = 0; m < count; m++)
        weights[m] /= sum;
}

static size_t block_at(const vch_aggregate_job *job, size_t from)
{
    size_t left = job->value_count - from;
    return left < VCH_AGGREGATE_BLOCK ? left : VCH_AGGREGATE_BLOCK;
}

/* How far each member is from the mean that the present weights make. */
static vouch_code measure(const vch_aggregate_job *job, weiszfeld *w, vouch_error *err)
{
    memset(w->distance, 0, job->member_count * sizeof *w->distance);
    for (size_t from = 0; from < job->value_count; from += VCH_AGGREGATE_BLOCK) {
        size_t count = block_at(job, from);
        vouch_code rc = vch_aggregate_wide_mean(job, w->weights, from, count, w->in, w->mean, err);
        for (size_t m = 0; rc == VOUCH_OK && m < job->member_count; m++) {
            rc = vch_aggregate_read(job, m, from, count, w->in, err);
            double sum = 0;
            for (size_t i = 0; i < count; i++) {
                double d = w->mean[i] - (double)w->in[i];
                sum += d * d;
            }
            w->distance[m] += sum;
        }
        if (rc != VOUCH_OK)
            return rc;
    }
    for (size_t m = 0; m < job->member_count; m++)
        w->distance[m] = sqrt(w->distance[m]);
    return VOUCH_OK;
}

static double objective(const weiszfeld *w, size_t count)
{
    double sum = 0;
    for (size_t m = 0; m < count; m++)
        sum += w->weights[m] * w->distance[m];
    return sum;
}

static vouch_code iterate(const vch_aggregate_job *job, weiszfeld *w, vouch_error *err)
{
    normalise(w->weights, job->member_count);
    vouch_code rc = measure(job, w, err);
    double value = objective(w, job->member_count);
    for (int step = 0; rc == VOUCH_OK && step < STEPS_MAX; step++) {
        double before = value;
        for (size_t m = 0; m < job->member_count; m++)
            w->weights[m] /= fmax(LEAST_DISTANCE, w->distance[m]);
        normalise(w->weights, job->member_count);
        if (step + 1 == STEPS_MAX)
            break; /* nobody asks how far they are now */
        rc = measure(job, w, err);
        value = objective(w, job->member_count);
        if (fabs(before - value) < LEAST_CHANGE * value)
            break;
    }
    return rc;
}

vouch_code vch_aggregate_geometric_median(const vch_aggregate_job *job, vouch_error *err)
{
    VCH_SCOPED(drop_weiszfeld) weiszfeld w = { 0 };
    vouch_code rc = make(&w, job, err);
    if (rc == VOUCH_OK)
        rc = iterate(job, &w, err);
    for (size_t from = 0; rc == VOUCH_OK && from < job->value_count; from += VCH_AGGREGATE_BLOCK) {
        size_t count = block_at(job, from);
        rc = vch_aggregate_wide_mean(job, w.weights, from, count, w.in, w.mean, err);
        if (rc == VOUCH_OK)
            rc = vch_aggregate_put(job, from, count, w.mean, w.out, w.in, err);
    }
    return rc;
}
