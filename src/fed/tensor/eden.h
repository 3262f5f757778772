/*
 * The parts of EDEN (Vargaftik et al., ICML 2022) as OpenFL's EdenPipeline has them: a rotation that
 * is its own secret, a quantiser for the normal law, bit planes. Each is exact to the bit where both
 * sides must agree. Pure. openfl_interop.md section 6.
 */
#ifndef VCH_FED_TENSOR_EDEN_H
#define VCH_FED_TENSOR_EDEN_H

#include <stddef.h>
#include <stdint.h>

#define VCH_EDEN_CENTROID_MAX 256
#define VCH_EDEN_SEED_MAX 65535
#define VCH_EDEN_ROTATIONS 2
#define VCH_EDEN_SLICE_MIN 8
#define VCH_EDEN_SLICES_MAX 40

/* 2 to the power of `bits` (1 to 8) values, rising. */
void vch_eden_centroids(uint32_t bits, float out[static VCH_EDEN_CENTROID_MAX]);

/* Rotate `values` (a power of two of them) with the signs that `seed` gives; and back. */
void vch_eden_rotate(float *values, size_t count, uint32_t seed);
void vch_eden_rotate_back(float *values, size_t count, uint32_t seed);

/*
 * The lengths of the slices that `count` values are cut into: powers of two, at least 8, the last
 * one filled up. Returns how many there are.
 */
size_t vch_eden_slices(size_t count, size_t out[static VCH_EDEN_SLICES_MAX]);

/* Quantise: indices into the centroids, and the scale that makes the rest of the error unbiased. */
float vch_eden_quantise(const float *values, size_t count, const float *centroids, uint32_t bits,
                        uint8_t *out_indices);

/* `count` indices (a multiple of 8) as `bits` planes of count / 8 bytes, least bit first; back. */
void vch_eden_pack(const uint8_t *indices, size_t count, uint32_t bits, uint8_t *out);
void vch_eden_unpack(const uint8_t *packed, size_t count, uint32_t bits, uint8_t *out_indices);

#endif
