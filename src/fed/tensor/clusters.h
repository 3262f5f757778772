/*
 * A tensor as indices into a few values: k-means in one dimension, the largest values, and the two
 * as KC, SKC and STC send them. Immutable inputs; one thread at a time for the outputs.
 * openfl_interop.md section 6.
 */
#ifndef VCH_FED_TENSOR_CLUSTERS_H
#define VCH_FED_TENSOR_CLUSTERS_H

#include "fed/tensor/codec.h"

#define VCH_CLUSTER_MAX 32

typedef struct vch_clusters {
    size_t count;                 /* 0 only for no values */
    float value[VCH_CLUSTER_MAX]; /* rising, each is the nearest one of some value */
} vch_clusters;

/*
 * At most `most` values that stand for all: where there are fewer values than `most` the values
 * themselves, else the centres that k-means settles on from the better of two beginnings. The same
 * input gives the same centres; OpenFL's are drawn. A large tensor is judged by a sample.
 */
VOUCH_MUST_CHECK vouch_code vch_clusters_find(const float *values, size_t count, size_t most,
                                              vch_clusters *out, vouch_error *err);

/* Each value's nearest cluster; clusters that nobody is nearest to are dropped. */
void vch_clusters_assign(vch_clusters *clusters, const float *values, size_t count,
                         uint8_t *out_indices);

/*
 * OpenFL's decoders replace each index by its value in place, one key after the other in whatever order
 * the map has: a value that equals another key, such as the zero of a sparse tensor, is replaced twice.
 * Move such values aside by next to nothing.
 */
void vch_clusters_step_aside(vch_clusters *clusters);

/*
 * Keep the ceil(share * count) values of the largest magnitude, zero for the rest. As in OpenFL,
 * 1e-7 is added to all that are kept if the least of them (a negative one, mostly) is below it.
 */
VOUCH_MUST_CHECK vouch_code vch_sparse(const float *values, size_t count, double share, float *out,
                                       vouch_error *err);

/* Indices into `clusters`: data of `out` (gzip, in `work`), and int_to_float of metadata `at`. */
VOUCH_MUST_CHECK vouch_code vch_indices_encode(const vch_clusters *clusters, const uint8_t *indices,
                                               size_t count, vch_buffer *work, size_t at,
                                               vch_named_tensor *out, vouch_error *err);

/* The reverse, at most `most` clusters. */
VOUCH_MUST_CHECK vouch_code vch_indices_decode(const vch_named_tensor *in, size_t at, size_t most,
                                               size_t count, float *out_values, vouch_error *err);

#endif
