/*
 * A tensor as it travels: NamedTensor and MetadataProto of base.proto, decoded. Text and data are
 * borrowed; metadata owns its arrays. openfl_interop.md sections 2, 5, 6.
 */
#ifndef VCH_FED_TENSOR_NAMED_TENSOR_H
#define VCH_FED_TENSOR_NAMED_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fed/tensor/tags.h"
#include "fed/tensor/tensor.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_METADATA_MAX 4 /* transformers in a pipeline */

/* Bytes on the wire: of a shape as int_list, and of one pair of int_to_float. */
#define VCH_METADATA_SHAPE_MAX (2 + VCH_SHAPE_RANK_MAX * 10)
#define VCH_METADATA_PAIR_MAX (2 + 1 + 10 + 1 + 4)

typedef struct vch_metadata_pair {
    int32_t key;
    float value;
} vch_metadata_pair;

typedef struct vch_metadata {
    int32_t *ints; /* int_list: the shape */
    size_t int_count;
    vch_metadata_pair *pairs; /* int_to_float, in the order of the wire */
    size_t pair_count;
    bool *bools;
    size_t bool_count;
} vch_metadata;

void vch_metadata_done(vch_metadata *m);

typedef struct vch_named_tensor {
    vouch_span name; /* borrowed */
    int32_t round;
    bool lossless;
    bool report;
    vch_tags tags; /* borrowed */
    size_t metadata_count;
    vch_metadata metadata[VCH_METADATA_MAX]; /* owned */
    vouch_span data;                         /* borrowed; empty while it is streamed */
} vch_named_tensor;

/* Metadata of `from` into `to`, which has none. Fails with VOUCH_E_MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_metadata_copy(vch_named_tensor *to, const vch_named_tensor *from,
                                              vouch_error *err);

void vch_named_tensor_done(vch_named_tensor *t); /* frees the metadata; safe on a zeroed one */

#endif
