/*
 * Aggregation of one tensor over the members of a round: pure maths over readers, block by block,
 * in the order given, so that a result can be repeated bit for bit and no model is held whole. What
 * a function must remember from round to round is in vch_aggregate_state, and nowhere else.
 * openfl_interop.md section 7.
 */
#ifndef VCH_FED_AGGREGATE_AGGREGATE_H
#define VCH_FED_AGGREGATE_AGGREGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fed/tensor/tensor.h"
#include "vouch/error.h"

#define VCH_AGGREGATE_BLOCK 16384 /* values read at a time from each member */
#define VCH_AGGREGATE_MEMBER_MAX 65536

/* One member's values of the tensor, and its share in the mean. */
typedef struct vch_aggregate_member {
    void *context;
    /* Give values [from, from + count) of the tensor; called with rising `from`, and by functions
     * that make several passes again from 0. */
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

/* The weighted mean of one value of each member, a metric's: numpy leaves it as wide as it was added
 * up. Fails with VOUCH_E_MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_aggregate_mean(vch_aggregate_sum sum, const float *values,
                                               const double *weights, size_t count, double *out,
                                               vouch_error *err);

typedef enum vch_aggregate_function {
    VCH_AGGREGATE_WEIGHTED_AVERAGE = 1,
    VCH_AGGREGATE_MEDIAN = 2,
    VCH_AGGREGATE_GEOMETRIC_MEDIAN = 3,
    VCH_AGGREGATE_ADAGRAD = 4,
    VCH_AGGREGATE_ADAM = 5,
    VCH_AGGREGATE_YOGI = 6,
    VCH_AGGREGATE_FEDCURV = 7 /* names ending in _u, _v, _w are added up, the rest averaged */
} vch_aggregate_function;

/* Of the three that take steps; OpenFL's names and defaults are the plan's matter. */
typedef struct vch_aggregate_step {
    double learning_rate, beta_1, beta_2, initial_accumulator, epsilon;
} vch_aggregate_step;

/*
 * What a function remembers of one tensor, wherever the caller keeps it: the steps that were taken,
 * and one or more tensors of the same size ("parameter", "squares"). A block of each slot is read,
 * then written, with rising `from`.
 */
#define VCH_AGGREGATE_SLOT_MAX 3
typedef struct vch_aggregate_memory {
    uint32_t steps; /* rounds before this one that were aggregated */
    vch_aggregate_member from[VCH_AGGREGATE_SLOT_MAX]; /* by slot; no weight */
    vch_aggregate_output to[VCH_AGGREGATE_SLOT_MAX];
} vch_aggregate_memory;

typedef struct vch_aggregate_options {
    vch_aggregate_function function; /* 0: weighted average */
    vch_aggregate_sum sum;           /* 0: float32 */
    /*
     * The model of the round, or NULL. With it the result is base + float32(mean - base), what
     * delta updates make of it (until 1.6 always; since 1.7 with use_delta_updates); without it
     * the mean, as float32.
     */
    const vch_aggregate_member *base;
    bool as_delta; /* with a base: give the float32(mean - base) alone */
    vch_aggregate_step step;
    const char *tensor_name;            /* required by FedCurv */
    const vch_aggregate_memory *memory; /* required if the function has slots */
} vch_aggregate_options;

/* How many slots a function has, 0 for most, and their names. Before the first round slot 0 is the
 * initial model, and every value of the others is the step's initial_accumulator. */
size_t vch_aggregate_slot_count(vch_aggregate_function function);
const char *vch_aggregate_slot_name(vch_aggregate_function function, size_t slot);

/* The same for all tensors of a model, in memory: a model of the same tensors for each slot.
 * Zeroed: of a function that remembers nothing. */
typedef struct vch_aggregate_state {
    uint32_t steps; /* the caller raises it after the last tensor of a round */
    size_t slot_count;
    vch_model slot[VCH_AGGREGATE_SLOT_MAX];
} vch_aggregate_state;

/* The state before the first round. Free with vch_aggregate_state_done. */
VOUCH_MUST_CHECK vouch_code vch_aggregate_state_make(vch_aggregate_function function,
                                                     const vch_aggregate_step *step,
                                                     const vch_model *initial,
                                                     vch_aggregate_state *out, vouch_error *err);
void vch_aggregate_state_done(vch_aggregate_state *s);

/* One tensor's part of it, borrowed. */
vch_aggregate_memory vch_aggregate_state_of(vch_aggregate_state *s, size_t tensor);

/*
 * Turn the members' data sizes into weights that add up to 1: w_c = size_c / sum. Each size must be
 * >= 0. Fails with VOUCH_E_LIMIT if the sum is 0, or a size is negative.
 */
VOUCH_MUST_CHECK vouch_code vch_aggregate_weights(const int32_t *sizes, size_t count,
                                                  double *out_weights, vouch_error *err);

/*
 * Aggregate one tensor of `value_count` values. Members are taken in their order. The memory
 * is replaced; after a failure it, and the output, are partly replaced.
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
