/*
 * Small indices as OpenFL sends them: each as a float32, all of them through gzip. Reading is
 * bounded: what does not decompress to exactly the number of values asked for is refused, and no
 * byte beyond it is produced. One thread at a time.
 */
#ifndef VCH_FED_TENSOR_GZIP_H
#define VCH_FED_TENSOR_GZIP_H

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* Bytes that `size` bytes can become: gzip never adds more. */
size_t vch_gzip_bound(size_t size);

/* Append to `out`. */
VOUCH_MUST_CHECK vouch_code vch_gzip_indices(const uint8_t *indices, size_t count, vch_buffer *out,
                                             vouch_error *err);

/*
 * One gzip member, nothing after it, into exactly `size` bytes.
 * Fails with VOUCH_E_FORMAT, VOUCH_E_TRUNCATED (cut, or fewer bytes), VOUCH_E_LIMIT (more bytes),
 * VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_gunzip(vouch_span bytes, void *out, size_t size, vouch_error *err);

#endif
