/*
 * Adagrad, Adam and Yogi at the aggregator (Reddi et al. 2020) with OpenFL's arithmetic, bit for
 * bit: everything in float32, a Python number becomes one before it is used. The gradient is what
 * the members' values differ from the optimiser's own parameters by, which start as the initial
 * model and are the result. openfl_interop.md section 7.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fed/aggregate/methods.h"

enum { PARAMETER = 0, SQUARES = 1, FIRST_MOMENT = 1, SECOND_MOMENT = 2 };

/* sum(w_c * (parameter - x_c)), members added one by one. */
static vouch_code gradient(const vch_aggregate_job *job, const float *parameter, size_t from,
                           size_t count, float *in, float *out, vouch_error *err)
{
    memset(out, 0, count * sizeof *out);
    for (size_t m = 0; m < job->member_count; m++) {
        float weight = (float)job->members[m].weight;
        vouch_code rc = vch_aggregate_read(job, m, from, count, in, err);
        if (rc != VOUCH_OK)
            return rc;
        for (size_t i = 0; i < count; i++) {
            float term = weight * (parameter[i] - in[i]);
            out[i] += term;
        }
    }
    return VOUCH_OK;
}

static void step_adagrad(const vch_aggregate_step *s, const float *g, size_t count,
                         float *parameter, float *squares)
{
    float rate = (float)s->learning_rate;
    float epsilon = (float)s->epsilon;
    for (size_t i = 0; i < count; i++) {
        float square = g[i] * g[i];
        squares[i] += square;
        float over = rate * g[i];
        parameter[i] -= over / (sqrtf(squares[i]) + epsilon);
    }
}

/* The second moment's new part: of Yogi with the sign of what it differs from the old one by. */
static float second_part(const vch_aggregate_job *job, float square, float old)
{
    float share = (float)(1.0 - job->options->step.beta_2);
    float sign = 1.0F;
    if (job->options->function == VCH_AGGREGATE_YOGI) {
        float difference = square - old;
        sign = (float)((difference > 0) - (difference < 0));
    }
    return share * sign * square;
}

static void step_adam(const vch_aggregate_job *job, const float *g, size_t count, float *parameter,
                      float *first, float *second)
{
    const vch_aggregate_step *s = &job->options->step;
    double t = (double)job->options->state->steps + 1;
    float rate = (float)s->learning_rate;
    float epsilon = (float)s->epsilon;
    float beta_1 = (float)s->beta_1;
    float beta_2 = (float)s->beta_2;
    float share_1 = (float)(1.0 - s->beta_1);
    float bias_1 = (float)(1.0 - pow(s->beta_1, t));
    float bias_2 = (float)(1.0 - pow(s->beta_2, t));
    for (size_t i = 0; i < count; i++) {
        float kept_1 = beta_1 * first[i];
        float part_1 = share_1 * g[i];
        first[i] = kept_1 + part_1;
        float kept_2 = beta_2 * second[i];
        float part_2 = second_part(job, g[i] * g[i], second[i]);
        second[i] = kept_2 + part_2;
        float over = rate * (first[i] / bias_1);
        parameter[i] -= over / (sqrtf(second[i] / bias_2) + epsilon);
    }
}

static vouch_code check_state(const vch_aggregate_job *job, vouch_error *err)
{
    const vch_aggregate_options *o = job->options;
    if (o->state == NULL || o->state->slot_count != vch_aggregate_slot_count(o->function))
        return vouch_fail(err, VOUCH_E_INTERNAL, "the function's state is missing");
    for (size_t s = 0; s < o->state->slot_count; s++) {
        const vch_model *slot = &o->state->slot[s];
        if (o->tensor_at >= slot->count
            || slot->tensor[o->tensor_at].shape.count != job->value_count)
            return vouch_fail(err, VOUCH_E_INTERNAL, "the function's state is of another model");
    }
    return VOUCH_OK;
}

vouch_code vch_aggregate_steps(const vch_aggregate_job *job, vouch_error *err)
{
    VCH_SCOPED(vch_free_drop) float *in = calloc(VCH_AGGREGATE_BLOCK, sizeof *in);
    VCH_SCOPED(vch_free_drop) float *g = calloc(VCH_AGGREGATE_BLOCK, sizeof *g);
    vouch_code rc = check_state(job, err);
    if (rc == VOUCH_OK && (in == NULL || g == NULL))
        rc = vouch_fail(err, VOUCH_E_MEMORY, "a step over %zu members", job->member_count);
    for (size_t from = 0; rc == VOUCH_OK && from < job->value_count; from += VCH_AGGREGATE_BLOCK) {
        float *values[VCH_AGGREGATE_SLOT_MAX] = { NULL };
        vch_aggregate_state *state = job->options->state;
        size_t left = job->value_count - from;
        size_t count = left < VCH_AGGREGATE_BLOCK ? left : VCH_AGGREGATE_BLOCK;
        for (size_t s = 0; s < state->slot_count; s++)
            values[s] = state->slot[s].tensor[job->options->tensor_at].values + from;
        rc = gradient(job, values[PARAMETER], from, count, in, g, err);
        if (rc != VOUCH_OK)
            return rc;
        if (job->options->function == VCH_AGGREGATE_ADAGRAD)
            step_adagrad(&job->options->step, g, count, values[PARAMETER], values[SQUARES]);
        else
            step_adam(job, g, count, values[PARAMETER], values[FIRST_MOMENT],
                      values[SECOND_MOMENT]);
        memcpy(g, values[PARAMETER], count * sizeof *g);
        rc = vch_aggregate_put(job, from, count, NULL, g, in, err);
    }
    return rc;
}
