/* What aggregate.c hands to one method; for the files of this folder only. */
#ifndef VCH_FED_AGGREGATE_METHODS_H
#define VCH_FED_AGGREGATE_METHODS_H

#include <stdbool.h>

#include "fed/aggregate/aggregate.h"

typedef struct vch_aggregate_job {
    const vch_aggregate_options *options;
    const vch_aggregate_member *members;
    size_t member_count;
    size_t value_count;
    const vch_aggregate_output *output;
} vch_aggregate_job;

VOUCH_MUST_CHECK vouch_code vch_aggregate_average(const vch_aggregate_job *job, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_aggregate_median(const vch_aggregate_job *job, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_aggregate_geometric_median(const vch_aggregate_job *job,
                                                           vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_aggregate_steps(const vch_aggregate_job *job, vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_aggregate_fedcurv(const vch_aggregate_job *job, vouch_error *err);

/* Values of one member; the error names it. */
VOUCH_MUST_CHECK vouch_code vch_aggregate_read(const vch_aggregate_job *job, size_t member,
                                               size_t from, size_t count, float *out,
                                               vouch_error *err);

/* sum(w_c x_c) / sum(w_c) in double for one block, members added one by one; `in` is room. */
VOUCH_MUST_CHECK vouch_code vch_aggregate_wide_mean(const vch_aggregate_job *job,
                                                    const double *weights, size_t from,
                                                    size_t count, float *in, double *out,
                                                    vouch_error *err);

/*
 * Give a block of means to the output; with a base model in the options as base + float32(mean -
 * base). `wide`: the means are in `wide_mean`, else in `mean`, which is overwritten; `room` has
 * place for `count` values.
 */
VOUCH_MUST_CHECK vouch_code vch_aggregate_put(const vch_aggregate_job *job, size_t from,
                                              size_t count, const double *wide_mean, float *mean,
                                              float *room, vouch_error *err);

#endif
