/* The median over the members, value by value, unweighted; of an even number the mean of the middle
 * two, in float32. openfl_interop.md section 7. */
#include <math.h>
#include <stdlib.h>

#include "base/scope.h"
#include "fed/aggregate/methods.h"

enum { ROOM_VALUES = 1 << 20 }; /* over all members */

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Sorts `column`. A NaN has no place in an order: it is the answer, as numpy has it. */
static float median_of(float *column, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (isnan(column[i]))
            return column[i];
    }
    qsort(column, count, sizeof *column, compare);
    if (count % 2 == 1)
        return column[count / 2];
    return (column[count / 2 - 1] + column[count / 2]) / 2.0F;
}

static vouch_code median_block(const vch_aggregate_job *job, size_t from, size_t count,
                               size_t block, float *rows, float *column, float *mean,
                               vouch_error *err)
{
    for (size_t m = 0; m < job->member_count; m++) {
        vouch_code rc = vch_aggregate_read(job, m, from, count, rows + m * block, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t m = 0; m < job->member_count; m++)
            column[m] = rows[m * block + i];
        mean[i] = median_of(column, job->member_count);
    }
    return vch_aggregate_put(job, from, count, NULL, mean, rows, err);
}

vouch_code vch_aggregate_median(const vch_aggregate_job *job, vouch_error *err)
{
    size_t block = ROOM_VALUES / job->member_count;
    block = block > VCH_AGGREGATE_BLOCK ? VCH_AGGREGATE_BLOCK : block;
    VCH_SCOPED(vch_free_drop) float *rows = calloc(block * job->member_count, sizeof *rows);
    VCH_SCOPED(vch_free_drop) float *column = calloc(job->member_count, sizeof *column);
    VCH_SCOPED(vch_free_drop) float *mean = calloc(block, sizeof *mean);
    if (rows == NULL || column == NULL || mean == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "the median of %zu members", job->member_count);
    for (size_t from = 0; from < job->value_count; from += block) {
        size_t left = job->value_count - from;
        size_t count = left < block ? left : block;
        vouch_code rc = median_block(job, from, count, block, rows, column, mean, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}
