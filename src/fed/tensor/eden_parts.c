#include <math.h>
#include <string.h>

#include "fed/tensor/eden.h"

/* The word that eight signs come from; modulo 2^32 but for one step, as OpenFL has it. */
static uint32_t sign_word(uint64_t at, uint64_t seed)
{
    uint64_t r = at + seed;
    r = (UINT64_C(1103515245) * r + 12345 + seed) & UINT32_MAX;
    r = (UINT64_C(1140671485) * r + 12820163 + seed) & UINT32_MAX;
    r += UINT64_C(0x9E3779B9); /* may pass 32 bits, and is shifted so */
    r = ((r ^ (r >> 16)) * UINT64_C(0x85EBCA6B)) & UINT32_MAX;
    r = ((r ^ (r >> 13)) * UINT64_C(0xC2B2AE35)) & UINT32_MAX;
    return (uint32_t)(r ^ (r >> 16));
}

/* One sign is the top bit of one of eight nibbles; the first eighth of the values uses the lowest
 * nibble of each word, and so on. */
static void apply_signs(float *values, size_t count, uint32_t seed)
{
    size_t words = (count + 7) / 8;
    uint64_t s = ((uint64_t)seed * 1664525 + 1013904223) & UINT32_MAX;
    s = (s * 8121 + 28411) & UINT32_MAX;
    for (size_t w = 0; w < words; w++) {
        uint32_t word = sign_word(w, s);
        for (size_t nibble = 0; nibble < 8; nibble++) {
            size_t at = nibble * words + w;
            if (at < count && (word >> (4 * nibble + 3) & 1) == 0)
                values[at] = -values[at];
        }
    }
}

/* The Walsh-Hadamard transform, orthonormal: its own inverse but for rounding. */
static void hadamard(float *values, size_t count)
{
    float root = (float)sqrt((double)count);
    for (size_t half = 1; half < count; half *= 2) {
        for (size_t from = 0; from < count; from += 2 * half) {
            float *a = values + from;
            float *b = a + half;
            for (size_t i = 0; i < half; i++) {
                a[i] = a[i] + b[i];
                b[i] = a[i] - 2.0F * b[i];
            }
        }
    }
    for (size_t i = 0; i < count; i++)
        values[i] /= root;
}

void vch_eden_rotate(float *values, size_t count, uint32_t seed)
{
    for (uint32_t i = 0; i < VCH_EDEN_ROTATIONS; i++) {
        apply_signs(values, count, seed + i);
        hadamard(values, count);
    }
}

void vch_eden_rotate_back(float *values, size_t count, uint32_t seed)
{
    for (uint32_t i = VCH_EDEN_ROTATIONS; i-- > 0;) {
        hadamard(values, count);
        apply_signs(values, count, seed + i);
    }
}

/* The least power of two that is not below n; at least that of a slice. */
static size_t power_above(size_t n)
{
    size_t power = VCH_EDEN_SLICE_MIN;
    while (power < n)
        power *= 2;
    return power;
}

size_t vch_eden_slices(size_t count, size_t out[static VCH_EDEN_SLICES_MAX])
{
    size_t slices = 0;
    size_t left = count;
    /* A tenth more than there is may be filled up. Shorter slices than 8 are filled up in any case,
     * so only the last may be one: OpenFL loses its place after another. */
    while (left > VCH_EDEN_SLICE_MIN && (double)(power_above(left) - left) / (double)count > 0.1) {
        out[slices] = power_above(left) / 2;
        left -= out[slices++];
    }
    if (left > 0)
        out[slices++] = power_above(left);
    return slices;
}

/* How many bounds lie below the value; they are in the middle between neighbours. */
static uint8_t bucket(const float *bounds, size_t count, float value)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bounds[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint8_t)low;
}

float vch_eden_quantise(const float *values, size_t count, const float *centroids, uint32_t bits,
                        uint8_t *out_indices)
{
    float bounds[VCH_EDEN_CENTROID_MAX];
    size_t bound_count = ((size_t)1 << bits) - 1;
    double squares = 0;
    double product = 0;
    for (size_t i = 0; i < bound_count; i++)
        bounds[i] = (centroids[i] + centroids[i + 1]) / 2.0F;
    for (size_t i = 0; i < count; i++)
        squares += (double)values[i] * (double)values[i];
    float norm = (float)sqrt(squares);
    float root = (float)sqrt((double)count);
    for (size_t i = 0; norm > 0 && i < count; i++) {
        out_indices[i] = bucket(bounds, bound_count, values[i] * root / norm);
        product += (double)centroids[out_indices[i]] * (double)values[i];
    }
    float scale = (float)(squares / product);
    if (norm > 0 && isfinite(scale))
        return scale;
    memset(out_indices, 0, count); /* nothing but zeros */
    return 0;
}

void vch_eden_pack(const uint8_t *indices, size_t count, uint32_t bits, uint8_t *out)
{
    size_t plane = count / 8;
    memset(out, 0, plane * bits);
    for (uint32_t b = 0; b < bits; b++) {
        for (size_t i = 0; i < plane * 8; i++)
            out[b * plane + i / 8] |= (uint8_t)((indices[i] >> b & 1) << (i % 8));
    }
}

void vch_eden_unpack(const uint8_t *packed, size_t count, uint32_t bits, uint8_t *out_indices)
{
    size_t plane = count / 8;
    memset(out_indices, 0, count);
    for (uint32_t b = 0; b < bits; b++) {
        for (size_t i = 0; i < plane * 8; i++)
            out_indices[i] |= (uint8_t)((packed[b * plane + i / 8] >> (i % 8) & 1) << b);
    }
}
