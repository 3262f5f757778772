/*
 * The weighted average, as OpenFL's releases compute it, bit for bit. openfl_interop.md section 7.
 *
 * 1.9:       sum(x_c * w_c) / sum(w_c), in float32, members added one by one (numpy 2 casts a Python
 *            number to the array's type).
 * until 1.8: numpy.average: products, sum and quotient in float64.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fed/aggregate/methods.h"
#include "fed/tensor/numpy_sum.h"

static double term_at(const void *context, size_t index)
{
    return ((const double *)context)[index];
}

static double sum_as_numpy(const double *v, size_t n)
{
    return vch_numpy_sum(term_at, v, n, false);
}

typedef struct average_room {
    float *in, *base, *mean;
    double *wide;
    double *weights; /* one per member */
} average_room;

static void room_drop(average_room *r)
{
    free(r->in);
    free(r->base);
    free(r->mean);
    free(r->wide);
    free(r->weights);
}

static vouch_code room_make(average_room *r, size_t block, size_t members, vouch_error *err)
{
    r->in = calloc(block, sizeof *r->in);
    r->base = calloc(block, sizeof *r->base);
    r->mean = calloc(block, sizeof *r->mean);
    r->wide = calloc(block, sizeof *r->wide);
    r->weights = calloc(members, sizeof *r->weights);
    if (r->in == NULL || r->base == NULL || r->mean == NULL || r->wide == NULL
        || r->weights == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "averaging");
    return VOUCH_OK;
}

static vouch_code average_float32(const vch_aggregate_job *job, const average_room *room,
                                  size_t from, size_t count, vouch_error *err)
{
    double total = 0;
    memset(room->mean, 0, count * sizeof *room->mean);
    for (size_t m = 0; m < job->member_count; m++) {
        vouch_code rc = vch_aggregate_read(job, m, from, count, room->in, err);
        if (rc != VOUCH_OK)
            return rc;
        float weight = (float)job->members[m].weight;
        for (size_t i = 0; i < count; i++) {
            float product = room->in[i] * weight;
            room->mean[i] += product;
        }
        total += job->members[m].weight;
    }
    for (size_t i = 0; i < count; i++)
        room->mean[i] /= (float)total;
    return vch_aggregate_put(job, from, count, NULL, room->mean, room->base, err);
}

vouch_code vch_aggregate_wide_mean(const vch_aggregate_job *job, const double *weights, size_t from,
                                   size_t count, float *in, double *out, vouch_error *err)
{
    VCH_SCOPED(vch_free_drop) double *terms = calloc(job->member_count, sizeof *terms);
    if (terms == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "averaging");
    memset(out, 0, count * sizeof *out);
    for (size_t m = 0; m < job->member_count; m++) {
        vouch_code rc = vch_aggregate_read(job, m, from, count, in, err);
        if (rc != VOUCH_OK)
            return rc;
        for (size_t i = 0; i < count; i++) {
            double product = (double)in[i] * weights[m];
            out[i] += product;
        }
        terms[m] = (double)in[0] * weights[m];
    }
    /* A tensor of one value lies as one run before numpy, which then sums by pairs. */
    if (job->value_count == 1)
        out[0] = sum_as_numpy(terms, job->member_count);
    double total = sum_as_numpy(weights, job->member_count);
    for (size_t i = 0; i < count; i++)
        out[i] /= total;
    return VOUCH_OK;
}

static vouch_code average_float64(const vch_aggregate_job *job, const average_room *room,
                                  size_t from, size_t count, vouch_error *err)
{
    vouch_code rc =
        vch_aggregate_wide_mean(job, room->weights, from, count, room->in, room->wide, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_aggregate_put(job, from, count, room->wide, room->mean, room->base, err);
}

static double mean_float32(const float *values, const double *weights, size_t count)
{
    float sum = 0;
    double total = 0;
    for (size_t m = 0; m < count; m++) {
        float product = values[m] * (float)weights[m];
        sum += product;
        total += weights[m];
    }
    return (double)(sum / (float)total);
}

vouch_code vch_aggregate_mean(vch_aggregate_sum sum, const float *values, const double *weights,
                              size_t count, double *out, vouch_error *err)
{
    if (sum == VCH_SUM_FLOAT32) {
        *out = mean_float32(values, weights, count);
        return VOUCH_OK;
    }
    VCH_SCOPED(vch_free_drop) double *terms = calloc(count + 1, sizeof *terms);
    if (terms == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "averaging");
    for (size_t m = 0; m < count; m++)
        terms[m] = (double)values[m] * weights[m];
    *out = sum_as_numpy(terms, count) / sum_as_numpy(weights, count);
    return VOUCH_OK;
}

vouch_code vch_aggregate_average(const vch_aggregate_job *job, vouch_error *err)
{
    VCH_SCOPED(room_drop) average_room room = { 0 };
    vouch_code rc = room_make(&room, VCH_AGGREGATE_BLOCK, job->member_count, err);
    for (size_t m = 0; rc == VOUCH_OK && m < job->member_count; m++)
        room.weights[m] = job->members[m].weight;
    for (size_t from = 0; rc == VOUCH_OK && from < job->value_count; from += VCH_AGGREGATE_BLOCK) {
        size_t left = job->value_count - from;
        size_t count = left < VCH_AGGREGATE_BLOCK ? left : VCH_AGGREGATE_BLOCK;
        rc = job->options->sum == VCH_SUM_FLOAT64 ? average_float64(job, &room, from, count, err)
                                                  : average_float32(job, &room, from, count, err);
    }
    return rc;
}
