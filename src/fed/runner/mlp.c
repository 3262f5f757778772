#include "fed/runner/mlp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/scope.h"
#include "fed/plan/random.h"

/* Scratch of one forward and backward pass: activations and their gradients, layer after layer. */
typedef struct workspace {
    const vch_mlp_shape *shape;
    float *memory;
    float *activation[VCH_MLP_MAX_LAYERS + 1]; /* [0] is a copy of the row */
    float *delta[VCH_MLP_MAX_LAYERS + 1];      /* loss by activation; [0] is not used */
} workspace;

static void drop_workspace(workspace *w)
{
    free(w->memory);
    w->memory = NULL;
}

static vouch_code workspace_init(workspace *w, const vch_mlp_shape *shape, vouch_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i <= shape->layer_count; i++)
        total += shape->width[i];
    w->shape = shape;
    w->memory = calloc(total * 2, sizeof *w->memory);
    if (w->memory == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu activations", total);
    float *at = w->memory;
    for (size_t i = 0; i <= shape->layer_count; i++) {
        w->activation[i] = at;
        w->delta[i] = at + shape->width[i];
        at += 2 * shape->width[i];
    }
    return VOUCH_OK;
}

vouch_code vch_mlp_shape_check(const vch_mlp_shape *shape, size_t *out_count, vouch_error *err)
{
    if (shape->layer_count < 1 || shape->layer_count > VCH_MLP_MAX_LAYERS)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu layers; 1 to %d are possible",
                          shape->layer_count, VCH_MLP_MAX_LAYERS);
    size_t count = 0;
    for (size_t i = 0; i <= shape->layer_count; i++) {
        if (shape->width[i] < 1 || shape->width[i] > VCH_MLP_MAX_WIDTH)
            return vouch_fail(err, VOUCH_E_LIMIT, "a layer of %zu; 1 to %d are possible",
                              shape->width[i], VCH_MLP_MAX_WIDTH);
        if (i > 0) /* at most 5 * 65536 * 65537: cannot overflow 64 bits */
            count += shape->width[i] * (shape->width[i - 1] + 1);
    }
    if (count > VCH_MLP_MAX_PARAMETERS)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu parameters; %zu at most", count,
                          VCH_MLP_MAX_PARAMETERS);
    *out_count = count;
    return VOUCH_OK;
}

vch_mlp_slice vch_mlp_tensor(const vch_mlp_shape *shape, size_t index)
{
    size_t layer = index / 2;
    size_t offset = 0;
    for (size_t i = 0; i < layer; i++)
        offset += shape->width[i + 1] * (shape->width[i] + 1);
    size_t inputs = shape->width[layer];
    size_t outputs = shape->width[layer + 1];
    vch_mlp_slice slice = { .rank = 2, .dims = { outputs, inputs }, .offset = offset };
    slice.count = outputs * inputs;
    const char *kind = "weight";
    if (index % 2 == 1) {
        slice.offset += slice.count;
        slice.rank = 1;
        slice.dims[1] = 0;
        slice.count = outputs;
        kind = "bias";
    }
    (void)snprintf(slice.name, sizeof slice.name, "layer%u.%s", (unsigned)(layer & 7), kind);
    return slice;
}

void vch_mlp_init(const vch_mlp_shape *shape, uint64_t seed, float *parameters)
{
    for (size_t layer = 0; layer < shape->layer_count; layer++) {
        vch_mlp_slice weights = vch_mlp_tensor(shape, layer * 2);
        vch_mlp_slice biases = vch_mlp_tensor(shape, layer * 2 + 1);
        float bound = sqrtf(6.0F / (float)shape->width[layer]);
        vch_stream stream = vch_stream_begin(seed, layer, 0);
        for (size_t i = 0; i < weights.count; i++)
            parameters[weights.offset + i] = vch_stream_uniform(&stream, bound);
        for (size_t i = 0; i < biases.count; i++)
            parameters[biases.offset + i] = 0.0F;
    }
}

static void layer_forward(const workspace *w, size_t layer, const float *parameters)
{
    vch_mlp_slice weights = vch_mlp_tensor(w->shape, layer * 2);
    size_t inputs = weights.dims[1];
    const float *in = w->activation[layer];
    const float *bias = parameters + weights.offset + weights.count;
    float *out = w->activation[layer + 1];
    bool last = layer + 1 == w->shape->layer_count;
    for (size_t o = 0; o < weights.dims[0]; o++) {
        const float *row = parameters + weights.offset + o * inputs;
        float sum = bias[o];
        for (size_t i = 0; i < inputs; i++)
            sum += row[i] * in[i];
        out[o] = !last && sum < 0.0F ? 0.0F : sum; /* a NaN passes, and is told */
    }
}

/* Turn the outputs into probabilities; returns the cross-entropy of `label`. */
static double softmax(float *out, size_t count, uint32_t label)
{
    float most = out[0];
    for (size_t i = 1; i < count; i++)
        most = out[i] > most ? out[i] : most;
    float sum = 0.0F;
    float label_logit = out[label] - most;
    for (size_t i = 0; i < count; i++) {
        out[i] = expf(out[i] - most);
        sum += out[i];
    }
    for (size_t i = 0; i < count; i++)
        out[i] /= sum;
    return (double)logf(sum) - (double)label_logit;
}

static double forward(const workspace *w, const float *parameters, const float *row, uint32_t label)
{
    for (size_t i = 0; i < w->shape->width[0]; i++)
        w->activation[0][i] = row[i];
    for (size_t layer = 0; layer < w->shape->layer_count; layer++)
        layer_forward(w, layer, parameters);
    size_t last = w->shape->layer_count;
    return softmax(w->activation[last], w->shape->width[last], label);
}

/* Add one layer's gradient and hand the error to the layer below. */
static void layer_backward(const workspace *w, size_t layer, const float *parameters,
                           float *gradient)
{
    vch_mlp_slice weights = vch_mlp_tensor(w->shape, layer * 2);
    size_t inputs = weights.dims[1];
    const float *in = w->activation[layer];
    float *below = w->delta[layer];
    for (size_t i = 0; i < inputs; i++)
        below[i] = 0.0F;
    for (size_t o = 0; o < weights.dims[0]; o++) {
        float error = w->delta[layer + 1][o];
        size_t at = weights.offset + o * inputs;
        for (size_t i = 0; i < inputs; i++) {
            gradient[at + i] += error * in[i];
            below[i] += error * parameters[at + i];
        }
        gradient[weights.offset + weights.count + o] += error;
    }
    for (size_t i = 0; i < inputs; i++) /* ReLU passes what it let through */
        below[i] = in[i] > 0.0F ? below[i] : 0.0F;
}

static void backward(const workspace *w, const float *parameters, uint32_t label, float *gradient)
{
    size_t last = w->shape->layer_count;
    for (size_t i = 0; i < w->shape->width[last]; i++)
        w->delta[last][i] = w->activation[last][i] - (i == label ? 1.0F : 0.0F);
    for (size_t layer = last; layer > 0; layer--)
        layer_backward(w, layer - 1, parameters, gradient);
}

typedef struct batch {
    const vch_rows *rows;
    const size_t *order;
    size_t count;
} batch;

static double step(const workspace *w, const batch *b, float learning_rate, size_t parameter_count,
                   float *parameters, float *gradient)
{
    double loss = 0.0;
    for (size_t i = 0; i < parameter_count; i++)
        gradient[i] = 0.0F;
    for (size_t i = 0; i < b->count; i++) {
        size_t row = b->order[i];
        const float *features = b->rows->features + row * w->shape->width[0];
        loss += forward(w, parameters, features, b->rows->labels[row]);
        backward(w, parameters, b->rows->labels[row], gradient);
    }
    float rate = learning_rate / (float)b->count;
    for (size_t i = 0; i < parameter_count; i++)
        parameters[i] -= rate * gradient[i];
    return loss;
}

static double epoch(const workspace *w, const vch_rows *rows, const vch_mlp_training *how,
                    const size_t *order, size_t parameter_count, float *const arrays[2])
{
    double loss = 0.0;
    for (size_t at = 0; at < rows->count; at += how->batch_size) {
        size_t left = rows->count - at;
        batch b = { .rows = rows,
                    .order = order + at,
                    .count = left < how->batch_size ? left : how->batch_size };
        loss += step(w, &b, how->learning_rate, parameter_count, arrays[0], arrays[1]);
    }
    return loss / (double)rows->count;
}

vouch_code vch_mlp_train(const vch_mlp_shape *shape, const vch_rows *rows,
                         const vch_mlp_training *how, float *parameters, double *out_loss,
                         vouch_error *err)
{
    size_t count = 0;
    vouch_code rc = vch_mlp_shape_check(shape, &count, err);
    if (rc != VOUCH_OK)
        return rc;
    if (rows->count == 0 || how->batch_size == 0 || how->epochs == 0)
        return vouch_fail(err, VOUCH_E_LIMIT, "training needs rows, a batch size and epochs");
    VCH_SCOPED(drop_workspace) workspace w = { 0 };
    VCH_SCOPED(vch_free_drop) float *gradient = calloc(count, sizeof *gradient);
    VCH_SCOPED(vch_free_drop) size_t *order = calloc(rows->count, sizeof *order);
    if (gradient == NULL || order == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to train %zu parameters", count);
    rc = workspace_init(&w, shape, err);
    if (rc != VOUCH_OK)
        return rc;
    double loss = 0.0;
    for (size_t i = 0; i < how->epochs; i++) {
        vch_stream stream = vch_stream_begin(how->seed, how->round + 1, i + 1);
        vch_stream_permute(&stream, order, rows->count);
        loss = epoch(&w, rows, how, order, count, (float *const[2]) { parameters, gradient });
    }
    if (!isfinite(loss))
        return vouch_fail(err, VOUCH_E_LIMIT, "training diverged: the loss is not finite");
    *out_loss = loss;
    return VOUCH_OK;
}

static bool is_largest(const float *out, size_t count, uint32_t label)
{
    for (size_t i = 0; i < count; i++) {
        if (out[i] > out[label] || (out[i] == out[label] && i < label))
            return false;
    }
    return true;
}

vouch_code vch_mlp_evaluate(const vch_mlp_shape *shape, const vch_rows *rows,
                            const float *parameters, vch_mlp_score *out, vouch_error *err)
{
    size_t count = 0;
    vouch_code rc = vch_mlp_shape_check(shape, &count, err);
    if (rc != VOUCH_OK)
        return rc;
    if (rows->count == 0)
        return vouch_fail(err, VOUCH_E_LIMIT, "there is no row to validate on");
    VCH_SCOPED(drop_workspace) workspace w = { 0 };
    rc = workspace_init(&w, shape, err);
    if (rc != VOUCH_OK)
        return rc;
    double loss = 0.0;
    size_t right = 0;
    size_t last = shape->layer_count;
    for (size_t i = 0; i < rows->count; i++) {
        loss += forward(&w, parameters, rows->features + i * shape->width[0], rows->labels[i]);
        right += is_largest(w.activation[last], shape->width[last], rows->labels[i]);
    }
    if (!isfinite(loss))
        return vouch_fail(err, VOUCH_E_LIMIT, "the loss is not finite");
    *out = (vch_mlp_score) { .loss = loss / (double)rows->count,
                             .accuracy = (double)right / (double)rows->count };
    return VOUCH_OK;
}
