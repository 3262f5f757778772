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
    double t = (double)job->options->memory->steps + 1;
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

static vouch_code check_memory(const vch_aggregate_job *job, vouch_error *err)
{
    const vch_aggregate_memory *m = job->options->memory;
    size_t slots = vch_aggregate_slot_count(job->options->function);
    for (size_t s = 0; s < slots; s++) {
        if (m == NULL || m->from[s].read == NULL || m->to[s].write == NULL)
            return vouch_fail(err, VOUCH_E_INTERNAL, "what the function remembers is missing");
    }
    return VOUCH_OK;
}

typedef struct step_room {
    float in[VCH_AGGREGATE_BLOCK], gradient[VCH_AGGREGATE_BLOCK];
    float slot[VCH_AGGREGATE_SLOT_MAX][VCH_AGGREGATE_BLOCK];
} step_room;

static vouch_code step_block(const vch_aggregate_job *job, size_t from, size_t count,
                             step_room *room, vouch_error *err)
{
    const vch_aggregate_memory *memory = job->options->memory;
    size_t slots = vch_aggregate_slot_count(job->options->function);
    float *parameter = room->slot[PARAMETER];
    vouch_code rc = VOUCH_OK;
    for (size_t s = 0; rc == VOUCH_OK && s < slots; s++)
        rc = memory->from[s].read(memory->from[s].context, from, count, room->slot[s], err);
    if (rc == VOUCH_OK)
        rc = gradient(job, parameter, from, count, room->in, room->gradient, err);
    if (rc != VOUCH_OK)
        return rc;
    if (job->options->function == VCH_AGGREGATE_ADAGRAD)
        step_adagrad(&job->options->step, room->gradient, count, parameter, room->slot[SQUARES]);
    else
        step_adam(job, room->gradient, count, parameter, room->slot[FIRST_MOMENT],
                  room->slot[SECOND_MOMENT]);
    for (size_t s = 0; rc == VOUCH_OK && s < slots; s++)
        rc = memory->to[s].write(memory->to[s].context, from, count, room->slot[s], err);
    return rc == VOUCH_OK ? vch_aggregate_put(job, from, count, NULL, parameter, room->in, err)
                          : rc;
}

vouch_code vch_aggregate_steps(const vch_aggregate_job *job, vouch_error *err)
{
    VCH_SCOPED(vch_free_drop) step_room *room = calloc(1, sizeof *room);
    vouch_code rc = check_memory(job, err);
    if (rc == VOUCH_OK && room == NULL)
        rc = vouch_fail(err, VOUCH_E_MEMORY, "a step over %zu members", job->member_count);
    for (size_t from = 0; rc == VOUCH_OK && from < job->value_count; from += VCH_AGGREGATE_BLOCK) {
        size_t left = job->value_count - from;
        size_t count = left < VCH_AGGREGATE_BLOCK ? left : VCH_AGGREGATE_BLOCK;
        rc = step_block(job, from, count, room, err);
    }
    return rc;
}
