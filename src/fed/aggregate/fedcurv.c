/* FedCurvWeightedAverage: what belongs to the Fisher information is added up over the members, in
 * float32; everything else is averaged. openfl_interop.md section 7. */
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fed/aggregate/methods.h"
#include "fed/tensor/numpy_sum.h"

static bool is_summed(const char *name)
{
    size_t size = strlen(name);
    if (size < 2 || name[size - 2] != '_')
        return false;
    return name[size - 1] == 'u' || name[size - 1] == 'v' || name[size - 1] == 'w';
}

static double term_at(const void *context, size_t index)
{
    return (double)((const float *)context)[index];
}

static vouch_code sum_block(const vch_aggregate_job *job, size_t from, size_t count, float *in,
                            float *sum, float *single, vouch_error *err)
{
    for (size_t m = 0; m < job->member_count; m++) {
        vouch_code rc = vch_aggregate_read(job, m, from, count, in, err);
        if (rc != VOUCH_OK)
            return rc;
        for (size_t i = 0; i < count; i++)
            sum[i] = m == 0 ? in[i] : sum[i] + in[i];
        single[m] = in[0];
    }
    if (job->value_count == 1) /* one run before numpy */
        sum[0] = (float)vch_numpy_sum(term_at, single, job->member_count, true);
    return vch_aggregate_put(job, from, count, NULL, sum, in, err);
}

vouch_code vch_aggregate_fedcurv(const vch_aggregate_job *job, vouch_error *err)
{
    if (job->options->tensor_name == NULL)
        return vouch_fail(err, VOUCH_E_INTERNAL, "FedCurv needs the tensor's name");
    if (!is_summed(job->options->tensor_name))
        return vch_aggregate_average(job, err);
    VCH_SCOPED(vch_free_drop) float *in = calloc(VCH_AGGREGATE_BLOCK, sizeof *in);
    VCH_SCOPED(vch_free_drop) float *sum = calloc(VCH_AGGREGATE_BLOCK, sizeof *sum);
    VCH_SCOPED(vch_free_drop) float *single = calloc(job->member_count, sizeof *single);
    if (in == NULL || sum == NULL || single == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "adding up %zu members", job->member_count);
    vouch_code rc = VOUCH_OK;
    for (size_t from = 0; rc == VOUCH_OK && from < job->value_count; from += VCH_AGGREGATE_BLOCK) {
        size_t left = job->value_count - from;
        size_t count = left < VCH_AGGREGATE_BLOCK ? left : VCH_AGGREGATE_BLOCK;
        rc = sum_block(job, from, count, in, sum, single, err);
    }
    return rc;
}
