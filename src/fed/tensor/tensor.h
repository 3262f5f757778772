/*
 * Shapes and float32 tensors: what a model is made of. Limits are checked before anything is
 * allocated. One thread at a time; a tensor that nobody writes may be shared.
 * openfl_interop.md section 5.
 */
#ifndef VCH_FED_TENSOR_TENSOR_H
#define VCH_FED_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_SHAPE_RANK_MAX 16
#define VCH_TENSOR_NAME_MAX 1024                   /* bytes */
#define VCH_TENSOR_DATA_MAX ((size_t)1 << 30)      /* bytes: one tensor must fit one gRPC message */
#define VCH_MODEL_TENSOR_MAX 16384                 /* tensors in a model */
#define VCH_MODEL_DATA_MAX (((size_t)1 << 31) - 1) /* bytes: what protobuf can carry */

typedef struct vch_shape {
    uint32_t rank;                   /* 0: a scalar */
    int32_t dim[VCH_SHAPE_RANK_MAX]; /* each >= 0 */
    size_t count;                    /* the product: elements; 1 for a scalar */
} vch_shape;

/*
 * Make a shape of `rank` dimensions.
 * Fails with VOUCH_E_LIMIT: too many dimensions, a negative one, or more than VCH_TENSOR_DATA_MAX
 * bytes of float32.
 */
VOUCH_MUST_CHECK vouch_code vch_shape_make(const int32_t *dims, size_t rank, vch_shape *out,
                                           vouch_error *err);

bool vch_shape_equal(const vch_shape *a, const vch_shape *b);

/* "[64, 10]", cut to `size`; "[]" for a scalar. Returns `out`. */
const char *vch_shape_text(const vch_shape *shape, char *out, size_t size);

typedef struct vch_tensor {
    char *name; /* NUL-terminated UTF-8; owned */
    vch_shape shape;
    float *values; /* shape.count of them, C order; owned; NULL only if count is 0 */
} vch_tensor;

/* A zeroed tensor. `name` is copied; 1 to VCH_TENSOR_NAME_MAX bytes without NUL. */
VOUCH_MUST_CHECK vouch_code vch_tensor_init(vch_tensor *out, vouch_span name,
                                            const vch_shape *shape, vouch_error *err);
void vch_tensor_done(vch_tensor *t);

/* Is it a piece of an optimiser's state, by the names of OpenFL's PyTorch task runner: "__opt_…"? */
bool vch_tensor_is_optimizer(vouch_span name);

/* The values as the wire has them: float32, little-endian. Borrowed. */
vouch_span vch_tensor_bytes(const vch_tensor *t);

/* Are all values finite? If not, *out_index is the first that is not. */
bool vch_values_finite(const float *values, size_t count, size_t *out_index);

/* The Euclidean norm, summed in double; infinity or NaN if a value is. */
double vch_values_norm(const float *values, size_t count);

/* A model: tensors in the order of its file, each name once. */
typedef struct vch_model {
    int32_t round; /* of every tensor in it */
    size_t count;
    size_t capacity;
    vch_tensor *tensor; /* owned */
    size_t data_size;   /* bytes of all values */
} vch_model;

void vch_model_done(vch_model *m);

/* Gives `t` to the model (zeroes it). Fails on a name that is there, or past a limit. */
VOUCH_MUST_CHECK vouch_code vch_model_add(vch_model *m, vch_tensor *t, vouch_error *err);

/* NULL if there is none of that name. Borrowed. */
const vch_tensor *vch_model_find(const vch_model *m, vouch_span name);

/* Have both the same names in the same order with the same shapes? The error names the first
 * difference: VOUCH_E_FORMAT. */
VOUCH_MUST_CHECK vouch_code vch_model_check_alike(const vch_model *a, const vch_model *b,
                                                  vouch_error *err);

#endif
