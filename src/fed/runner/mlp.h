/*
 * A multilayer perceptron on float32: fully connected layers, ReLU between them, softmax and
 * cross-entropy at the end, stochastic gradient descent by mini-batches. Pure and repeatable: the
 * same parameters, rows, settings and seed give the same bits on one machine type.
 *
 * The parameters are one array: for each layer its weights [outputs x inputs], then its biases
 * [outputs]. As tensors they are called `layer0.weight`, `layer0.bias`, `layer1.weight`, ...
 * One thread at a time per array.
 */
#ifndef VCH_FED_RUNNER_MLP_H
#define VCH_FED_RUNNER_MLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fed/runner/dataset.h"
#include "vouch/error.h"

#define VCH_MLP_MAX_LAYERS 5
#define VCH_MLP_MAX_WIDTH 65536
#define VCH_MLP_MAX_PARAMETERS ((size_t)1 << 28)

typedef struct vch_mlp_shape {
    size_t layer_count;                   /* 1 to VCH_MLP_MAX_LAYERS: hidden layers and the last */
    size_t width[VCH_MLP_MAX_LAYERS + 1]; /* inputs, hidden ..., classes */
} vch_mlp_shape;

/* Where one tensor lies in the parameter array. */
typedef struct vch_mlp_slice {
    char name[24];
    size_t rank, dims[2];
    size_t offset, count; /* elements */
} vch_mlp_slice;

typedef struct vch_mlp_training {
    float learning_rate;
    size_t batch_size, epochs;
    uint64_t seed, round; /* choose the order of the rows */
} vch_mlp_training;

typedef struct vch_mlp_score {
    double loss;     /* mean cross-entropy, in nats */
    double accuracy; /* share of rows whose largest output is their label */
} vch_mlp_score;

/* Sets *out_count to the number of parameters. Fails with VOUCH_E_LIMIT. */
VOUCH_MUST_CHECK vouch_code vch_mlp_shape_check(const vch_mlp_shape *shape, size_t *out_count,
                                                vouch_error *err);

static inline size_t vch_mlp_tensor_count(const vch_mlp_shape *shape)
{
    return shape->layer_count * 2;
}

/* Tensor `index` of a checked shape, from 0 to vch_mlp_tensor_count() - 1. */
vch_mlp_slice vch_mlp_tensor(const vch_mlp_shape *shape, size_t index);

/* Weights uniform over +-sqrt(6 / inputs), biases zero. Stream (seed, layer, 0) of random.h. */
void vch_mlp_init(const vch_mlp_shape *shape, uint64_t seed, float *parameters);

/* Train in place; sets *out_loss to the mean loss of the last epoch's batches as they were met.
 * Fails with VOUCH_E_MEMORY, or VOUCH_E_LIMIT where the loss is no longer finite. */
VOUCH_MUST_CHECK vouch_code vch_mlp_train(const vch_mlp_shape *shape, const vch_rows *rows,
                                          const vch_mlp_training *how, float *parameters,
                                          double *out_loss, vouch_error *err);

/* Fails with VOUCH_E_MEMORY, or VOUCH_E_LIMIT where there is no row or the loss is not finite. */
VOUCH_MUST_CHECK vouch_code vch_mlp_evaluate(const vch_mlp_shape *shape, const vch_rows *rows,
                                             const float *parameters, vch_mlp_score *out,
                                             vouch_error *err);

#endif
