/*
 * What a round changed in each tensor, encoded once by the plan's pipeline: the bytes that every
 * collaborator is served, and what they decode to, which the next model is made of. One thread at a
 * time. docs/federation.md; openfl_interop.md sections 5 to 7.
 */
#ifndef VCH_FED_AGGREGATOR_DELTAS_H
#define VCH_FED_AGGREGATOR_DELTAS_H

#include "base/scope.h"
#include "fed/tensor/pipeline.h"

typedef struct vch_deltas vch_deltas;

VOUCH_MUST_CHECK vouch_code vch_deltas_new(size_t tensor_count, vch_deltas **out, vouch_error *err);
void vch_deltas_free(vch_deltas *d);
VCH_DEFINE_DROP(vch_deltas_drop, vch_deltas, vch_deltas_free)

/*
 * Keep the change of tensor `at`, named and shaped as `like`, for `round`, in place of an earlier
 * one. `values` are replaced by what the encoding decodes to.
 */
VOUCH_MUST_CHECK vouch_code vch_deltas_put(vch_deltas *d, size_t at, const vch_tensor *like,
                                           int32_t round, const vch_pipeline *pipeline,
                                           float *values, vouch_error *err);

/* Name, round, metadata and data; no tags. NULL if there is none. Borrowed until the next put. */
const vch_named_tensor *vch_deltas_find(const vch_deltas *d, vouch_span name, int32_t round);

/*
 * A change that makes `now` of `before` when it is added, to the bit; for values that a change has
 * made there is one. May be written over either.
 */
void vch_change_between(const float *before, const float *now, size_t count, float *out);

/* `values` as they would arrive: through the pipeline and back. */
VOUCH_MUST_CHECK vouch_code vch_there_and_back(const vch_pipeline *pipeline, const vch_tensor *like,
                                               int32_t round, float *values, vouch_error *err);

#endif
