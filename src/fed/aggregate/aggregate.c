#include "fed/aggregate/aggregate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fed/aggregate/methods.h"

vouch_code vch_aggregate_weights(const int32_t *sizes, size_t count, double *out_weights,
                                 vouch_error *err)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (sizes[i] < 0)
            return vouch_fail(err, VOUCH_E_LIMIT, "member %zu has the data size %d", i, sizes[i]);
        sum += sizes[i];
    }
    if (sum == 0)
        return vouch_fail(err, VOUCH_E_LIMIT, "the data sizes of %zu members add up to 0", count);
    for (size_t i = 0; i < count; i++)
        out_weights[i] = (double)sizes[i] / (double)sum;
    return VOUCH_OK;
}

/* The difference is taken in the mean's own precision, and travels as float32. */
static void subtract(const double *wide_mean, float *mean, const float *base, size_t count)
{
    for (size_t i = 0; wide_mean != NULL && i < count; i++)
        mean[i] = (float)(wide_mean[i] - (double)base[i]);
    for (size_t i = 0; wide_mean == NULL && i < count; i++)
        mean[i] -= base[i];
}

vouch_code vch_aggregate_put(const vch_aggregate_job *job, size_t from, size_t count,
                             const double *wide_mean, float *mean, float *room, vouch_error *err)
{
    const vch_aggregate_member *base = job->options->base;
    if (base != NULL) {
        vouch_code rc = base->read(base->context, from, count, room, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "the model of the round");
        subtract(wide_mean, mean, room, count);
        for (size_t i = 0; !job->options->as_delta && i < count; i++)
            mean[i] = room[i] + mean[i];
    }
    for (size_t i = 0; base == NULL && wide_mean != NULL && i < count; i++)
        mean[i] = (float)wide_mean[i];
    return job->output->write(job->output->context, from, count, mean, err);
}

vouch_code vch_aggregate_read(const vch_aggregate_job *job, size_t member, size_t from,
                              size_t count, float *out, vouch_error *err)
{
    const vch_aggregate_member *m = &job->members[member];
    vouch_code rc = m->read(m->context, from, count, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "member %zu", member);
}

static vouch_code check_members(const vch_aggregate_member *members, size_t count, vouch_error *err)
{
    if (count == 0 || count > VCH_AGGREGATE_MEMBER_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu members; 1 to %d can be aggregated", count,
                          VCH_AGGREGATE_MEMBER_MAX);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(members[i].weight >= 0) || !isfinite(members[i].weight))
            return vouch_fail(err, VOUCH_E_LIMIT, "member %zu has a weight of %g", i,
                              members[i].weight);
        sum += members[i].weight;
    }
    if (!(sum > 0) || !isfinite(sum))
        return vouch_fail(err, VOUCH_E_LIMIT, "the weights add up to %g", sum);
    return VOUCH_OK;
}

vouch_code vch_aggregate_tensor(const vch_aggregate_options *options,
                                const vch_aggregate_member *members, size_t member_count,
                                size_t value_count, const vch_aggregate_output *output,
                                vouch_error *err)
{
    vouch_code rc = check_members(members, member_count, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_aggregate_options chosen = *options;
    if (chosen.function == 0)
        chosen.function = VCH_AGGREGATE_WEIGHTED_AVERAGE;
    if (chosen.sum == 0)
        chosen.sum = VCH_SUM_FLOAT32;
    vch_aggregate_job job = { .options = &chosen,
                              .members = members,
                              .member_count = member_count,
                              .value_count = value_count,
                              .output = output };
    switch (chosen.function) {
    case VCH_AGGREGATE_WEIGHTED_AVERAGE:
        return vch_aggregate_average(&job, err);
    case VCH_AGGREGATE_MEDIAN:
        return vch_aggregate_median(&job, err);
    case VCH_AGGREGATE_GEOMETRIC_MEDIAN:
        return vch_aggregate_geometric_median(&job, err);
    case VCH_AGGREGATE_ADAGRAD:
    case VCH_AGGREGATE_ADAM:
    case VCH_AGGREGATE_YOGI:
        return vch_aggregate_steps(&job, err);
    case VCH_AGGREGATE_FEDCURV:
        return vch_aggregate_fedcurv(&job, err);
    }
    return vouch_fail(err, VOUCH_E_UNSUPPORTED, "aggregation function %d", (int)chosen.function);
}

/* Values in memory as a reader and an output. */
typedef struct memory_values {
    const float *values;
} memory_values;

static vouch_code memory_read(void *context, size_t from, size_t count, float *out,
                              vouch_error *err)
{
    (void)err;
    const memory_values *m = context;
    memcpy(out, m->values + from, count * sizeof *out);
    return VOUCH_OK;
}

static vouch_code memory_write(void *context, size_t from, size_t count, const float *values,
                               vouch_error *err)
{
    (void)err;
    float *out = context;
    memcpy(out + from, values, count * sizeof *out);
    return VOUCH_OK;
}

vouch_code vch_aggregate_values(const vch_aggregate_options *options, const float *const *values,
                                const double *weights, size_t member_count, size_t value_count,
                                float *out, vouch_error *err)
{
    if (member_count == 0 || member_count > VCH_AGGREGATE_MEMBER_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu members", member_count);
    VCH_SCOPED(vch_free_drop) memory_values *memory = calloc(member_count, sizeof *memory);
    VCH_SCOPED(vch_free_drop) vch_aggregate_member *members = calloc(member_count, sizeof *members);
    if (memory == NULL || members == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "aggregating %zu members", member_count);
    for (size_t i = 0; i < member_count; i++) {
        memory[i].values = values[i];
        members[i] = (vch_aggregate_member) { .context = &memory[i],
                                              .read = memory_read,
                                              .weight = weights[i] };
    }
    vch_aggregate_output output = { .context = out, .write = memory_write };
    return vch_aggregate_tensor(options, members, member_count, value_count, &output, err);
}
