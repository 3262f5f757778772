/*
 * Repeatable pseudo-random numbers out of a plan's seed: weights, shuffles, noise. Not for secrets.
 *
 * A stream is SplitMix64: the state grows by 0x9E3779B97F4A7C15 a draw, and the draw is that state
 * mixed by two xor-shift-multiply steps. Streams are told apart by mixing the seed with up to two
 * numbers (layer; round and epoch), so that one plan seed gives the same model on every machine.
 */
#ifndef VCH_FED_PLAN_RANDOM_H
#define VCH_FED_PLAN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct vch_stream {
    uint64_t state;
} vch_stream;

vch_stream vch_stream_begin(uint64_t seed, uint64_t first, uint64_t second);

uint64_t vch_stream_next(vch_stream *s);

/* Uniform over [-bound, bound), with 24 random bits. */
float vch_stream_uniform(vch_stream *s, float bound);

/* Uniform over 0 .. limit-1, without bias; limit is at least 1. */
size_t vch_stream_below(vch_stream *s, size_t limit);

/* Fill `order` with a random permutation of 0 .. count-1 (Fisher and Yates). */
void vch_stream_permute(vch_stream *s, size_t *order, size_t count);

#endif
