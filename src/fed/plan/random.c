#include "fed/plan/random.h"

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t vch_stream_next(vch_stream *s)
{
    s->state += UINT64_C(0x9E3779B97F4A7C15);
    return mix(s->state);
}

vch_stream vch_stream_begin(uint64_t seed, uint64_t first, uint64_t second)
{
    vch_stream s = { .state = seed };
    s.state = vch_stream_next(&s) ^ first;
    s.state = vch_stream_next(&s) ^ second;
    s.state = vch_stream_next(&s);
    return s;
}

float vch_stream_uniform(vch_stream *s, float bound)
{
    float unit = (float)(vch_stream_next(s) >> 40) * 0x1p-24F;
    return bound * (2.0F * unit - 1.0F);
}

size_t vch_stream_below(vch_stream *s, size_t limit)
{
    uint64_t n = limit;
    uint64_t excess = (UINT64_MAX % n + 1) % n; /* 2^64 mod n: draws above the last multiple */
    for (;;) {
        uint64_t draw = vch_stream_next(s);
        if (draw <= UINT64_MAX - excess)
            return (size_t)(draw % n);
    }
}

void vch_stream_permute(vch_stream *s, size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        size_t j = vch_stream_below(s, i);
        size_t held = order[i - 1];
        order[i - 1] = order[j];
        order[j] = held;
    }
}
