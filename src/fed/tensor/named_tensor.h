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

void vch_named_tensor_done(vch_named_tensor *t); /* frees the metadata; safe on a zeroed one */

#endif
