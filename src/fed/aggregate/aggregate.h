/*
 * Aggregation of one tensor over the members of a round: pure maths over readers, block by block,
 * in the order given, so that a result can be repeated bit for bit and no model is held whole.
 * openfl_interop.md section 7.
 */
#ifndef VCH_FED_AGGREGATE_AGGREGATE_H
#define VCH_FED_AGGREGATE_AGGREGATE_H

#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"

#define VCH_AGGREGATE_BLOCK 16384 /* values read at a time from each member */
#define VCH_AGGREGATE_MEMBER_MAX 65536

/* One member's values of the tensor, and its share in the mean. */
typedef struct vch_aggregate_member {
    void *context;
    /* Give values [from, from + count) of the tensor; called with rising `from`. */
    vouch_code (*read)(void *context, size_t from, size_t count, float *out, vouch_error *err);
    double weight; /* data_size; see vch_aggregate_weights */
} vch_aggregate_member;

/* Where the result goes, called with rising `from`. */
typedef struct vch_aggregate_output {
    void *context;
    vouch_code (*write)(void *context, size_t from, size_t count, const float *values,
                        vouch_error *err);
} vch_aggregate_output;

/* How a release of OpenFL adds up: which arithmetic makes its numbers, bit for bit. */
typedef enum vch_aggregate_sum {
    VCH_SUM_FLOAT32 = 1, /* 1.9: each member times its weight added in float32, one by one */
    VCH_SUM_FLOAT64 = 2  /* until 1.8: numpy.average in float64 */
} vch_aggregate_sum;

typedef enum vch_aggregate_function {
    VCH_AGGREGATE_WEIGHTED_AVERAGE = 1,
    VCH_AGGREGATE_MEDIAN = 2
} vch_aggregate_function;

typedef struct vch_aggregate_options {
    vch_aggregate_function function; /* 0: weighted average */
    vch_aggregate_sum sum;           /* 0: float32 */
    /*
     * The model of the round, or NULL. With it the result is base + float32(mean - base), what
     * delta updates make of it (until 1.6 always; since 1.7 with use_delta_updates); without it
     * the mean, as float32.
     */
    const vch_aggregate_member *base;
} vch_aggregate_options;

/*
 * Turn the members' data sizes into weights that add up to 1: w_c = size_c / sum. Each size must be
 * >= 0. Fails with VOUCH_E_LIMIT if the sum is 0, or a size is negative.
 */
VOUCH_MUST_CHECK vouch_code vch_aggregate_weights(const int32_t *sizes, size_t count,
                                                  double *out_weights, vouch_error *err);

/*
 * Aggregate one tensor of `value_count` values. Members are taken in their order.
 * Fails with what a reader or the output fails with, VOUCH_E_LIMIT for no members or weights out of
 * range, VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_aggregate_tensor(const vch_aggregate_options *options,
                                                 const vch_aggregate_member *members,
                                                 size_t member_count, size_t value_count,
                                                 const vch_aggregate_output *output,
                                                 vouch_error *err);

/* The same for values in memory, such as metrics: `values[m]` are member m's. */
VOUCH_MUST_CHECK vouch_code vch_aggregate_values(const vch_aggregate_options *options,
                                                 const float *const *values, const double *weights,
                                                 size_t member_count, size_t value_count,
                                                 float *out, vouch_error *err);

#endif
