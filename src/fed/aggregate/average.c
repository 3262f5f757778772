/*
 * The weighted average, as OpenFL's releases compute it, bit for bit. openfl_interop.md section 7.
 *
 * 1.9:       sum(x_c * w_c) / sum(w_c), in float32, members added one by one (numpy 2 casts a Python
 *            number to the array's type).
 * until 1.8: numpy.average: products, sum and quotient in float64.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "fed/aggregate/methods.h"

/* How numpy adds up a contiguous run of doubles: in eights, by halves beyond 128. */
enum { PAIRWISE_UNROLL = 8, PAIRWISE_BLOCK = 128 };

static double sum_block(const double *v, size_t n)
{
    double r[PAIRWISE_UNROLL];
    size_t i = 0;
    double sum = 0;
    if (n >= PAIRWISE_UNROLL) {
        memcpy(r, v, sizeof r);
        for (i = PAIRWISE_UNROLL; i + PAIRWISE_UNROLL <= n; i += PAIRWISE_UNROLL) {
            for (size_t k = 0; k < PAIRWISE_UNROLL; k++)
                r[k] += v[i + k];
        }
        sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    }
    for (; i < n; i++)
        sum += v[i];
    return sum;
}

/* Halves are told apart by an explicit stack: depth is log2(members). */
static double sum_as_numpy(const double *v, size_t n)
{
    struct {
        const double *v;
        size_t n;
        double left;
        int state; /* 0: new, 1: left half summed next, 2: right half summed next */
    } stack[32];
    size_t depth = 0;
    double result = 0;
    stack[0].v = v;
    stack[0].n = n;
    stack[0].state = 0;
    for (;;) {
        size_t half = stack[depth].n / 2;
        half -= half % PAIRWISE_UNROLL;
        if (stack[depth].state == 0 && stack[depth].n > PAIRWISE_BLOCK) {
            stack[depth].state = 1;
            stack[depth + 1].v = stack[depth].v;
            stack[depth + 1].n = half;
            stack[++depth].state = 0;
            continue;
        }
        if (stack[depth].state == 0)
            result = sum_block(stack[depth].v, stack[depth].n);
        else if (stack[depth].state == 1) {
            stack[depth].left = result;
            stack[depth].state = 2;
            stack[depth + 1].v = stack[depth].v + half;
            stack[depth + 1].n = stack[depth].n - half;
            stack[++depth].state = 0;
            continue;
        } else
            result = stack[depth].left + result;
        if (depth == 0)
            return result;
        depth--;
    }
}

typedef struct average_room {
    float *in, *base, *mean;
    double *wide;
    double *terms; /* one per member */
} average_room;

static void room_drop(average_room *r)
{
    free(r->in);
    free(r->base);
    free(r->mean);
    free(r->wide);
    free(r->terms);
}

static vouch_code room_make(average_room *r, size_t block, size_t members, vouch_error *err)
{
    r->in = calloc(block, sizeof *r->in);
    r->base = calloc(block, sizeof *r->base);
    r->mean = calloc(block, sizeof *r->mean);
    r->wide = calloc(block, sizeof *r->wide);
    r->terms = calloc(members, sizeof *r->terms);
    if (r->in == NULL || r->base == NULL || r->mean == NULL || r->wide == NULL || r->terms == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "averaging");
    return VOUCH_OK;
}

static vouch_code read_member(const vch_aggregate_job *job, size_t member, size_t from,
                              size_t count, float *out, vouch_error *err)
{
    const vch_aggregate_member *m = &job->members[member];
    vouch_code rc = m->read(m->context, from, count, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "member %zu", member);
}

static vouch_code average_float32(const vch_aggregate_job *job, const average_room *room,
                                  size_t from, size_t count, vouch_error *err)
{
    double total = 0;
    memset(room->mean, 0, count * sizeof *room->mean);
    for (size_t m = 0; m < job->member_count; m++) {
        vouch_code rc = read_member(job, m, from, count, room->in, err);
        if (rc != VOUCH_OK)
            return rc;
        float weight = (float)job->members[m].weight;
        for (size_t i = 0; i < count; i++) {
            float product = room->in[i] * weight;
            room->mean[i] += product;
        }
        total += job->members[m].weight;
    }
    for (size_t i = 0; i < count; i++)
        room->mean[i] /= (float)total;
    return vch_aggregate_put(job, from, count, NULL, room->mean, room->base, err);
}

static vouch_code average_float64(const vch_aggregate_job *job, const average_room *room,
                                  size_t from, size_t count, vouch_error *err)
{
    memset(room->wide, 0, count * sizeof *room->wide);
    for (size_t m = 0; m < job->member_count; m++) {
        vouch_code rc = read_member(job, m, from, count, room->in, err);
        if (rc != VOUCH_OK)
            return rc;
        for (size_t i = 0; i < count; i++) {
            double product = (double)room->in[i] * job->members[m].weight;
            room->wide[i] += product;
        }
        room->terms[m] = (double)room->in[0] * job->members[m].weight;
    }
    /* A tensor of one value lies as one run before numpy, which then sums by pairs. */
    if (job->value_count == 1)
        room->wide[0] = sum_as_numpy(room->terms, job->member_count);
    for (size_t m = 0; m < job->member_count; m++)
        room->terms[m] = job->members[m].weight;
    double total = sum_as_numpy(room->terms, job->member_count);
    for (size_t i = 0; i < count; i++)
        room->wide[i] /= total;
    return vch_aggregate_put(job, from, count, room->wide, room->mean, room->base, err);
}

vouch_code vch_aggregate_average(const vch_aggregate_job *job, vouch_error *err)
{
    VCH_SCOPED(room_drop) average_room room = { 0 };
    vouch_code rc = room_make(&room, VCH_AGGREGATE_BLOCK, job->member_count, err);
    for (size_t from = 0; rc == VOUCH_OK && from < job->value_count; from += VCH_AGGREGATE_BLOCK) {
        size_t left = job->value_count - from;
        size_t count = left < VCH_AGGREGATE_BLOCK ? left : VCH_AGGREGATE_BLOCK;
        rc = job->options->sum == VCH_SUM_FLOAT64 ? average_float64(job, &room, from, count, err)
                                                  : average_float32(job, &room, from, count, err);
    }
    return rc;
}
