#include "fed/tensor/numpy_sum.h"

enum { UNROLL = 8, BLOCK = 128, HALVES_MAX = 64 };

/* A sum of two float32 is exact enough in double to round to the same float32. */
static double add(double a, double b, bool narrow)
{
    return narrow ? (double)(float)(a + b) : a + b;
}

static double sum_block(vch_sum_term term, const void *context, size_t from, size_t n, bool narrow)
{
    double r[UNROLL];
    size_t i = 0;
    double sum = 0;
    if (n >= UNROLL) {
        for (size_t k = 0; k < UNROLL; k++)
            r[k] = term(context, from + k);
        for (i = UNROLL; i + UNROLL <= n; i += UNROLL) {
            for (size_t k = 0; k < UNROLL; k++)
                r[k] = add(r[k], term(context, from + i + k), narrow);
        }
        sum = add(add(add(r[0], r[1], narrow), add(r[2], r[3], narrow), narrow),
                  add(add(r[4], r[5], narrow), add(r[6], r[7], narrow), narrow), narrow);
    }
    for (; i < n; i++)
        sum = add(sum, term(context, from + i), narrow);
    return sum;
}

/* Halves are told apart by an explicit stack: its depth is log2(count). */
double vch_numpy_sum(vch_sum_term term, const void *context, size_t count, bool narrow)
{
    struct {
        size_t from, n;
        double left;
        int state; /* 0: new, 1: left half is being summed, 2: the right one */
    } stack[HALVES_MAX];
    size_t depth = 0;
    double result = 0;
    stack[0].from = 0;
    stack[0].n = count;
    stack[0].state = 0;
    for (;;) {
        size_t from = stack[depth].from;
        size_t n = stack[depth].n;
        size_t half = n / 2 - (n / 2) % UNROLL;
        if (stack[depth].state == 0 && n > BLOCK) {
            stack[depth++].state = 1;
            stack[depth].from = from;
            stack[depth].n = half;
            stack[depth].state = 0;
            continue;
        }
        if (stack[depth].state == 1) {
            stack[depth].left = result;
            stack[depth++].state = 2;
            stack[depth].from = from + half;
            stack[depth].n = n - half;
            stack[depth].state = 0;
            continue;
        }
        result = stack[depth].state == 0 ? sum_block(term, context, from, n, narrow)
                                         : add(stack[depth].left, result, narrow);
        if (depth == 0)
            return result;
        depth--;
    }
}
