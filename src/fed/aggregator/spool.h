/*
 * Where one update lies until its round is aggregated: a fixed number of bytes, written and read at
 * any offset. On disk in a file without a name, so that nothing is left behind, or in memory where
 * nothing may touch the disk in clear. One thread at a time.
 */
#ifndef VCH_FED_AGGREGATOR_SPOOL_H
#define VCH_FED_AGGREGATOR_SPOOL_H

#include <stddef.h>

#include "base/scope.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_spool vch_spool;

/*
 * A spool of `size` bytes, all zero.
 *
 * directory  Where the file is made; NULL: in memory.
 * Fails with VOUCH_E_IO (also for a full disk: its space is reserved here), VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_spool_new(const char *directory, size_t size, vch_spool **out,
                                          vouch_error *err);
void vch_spool_free(vch_spool *s);
VCH_DEFINE_DROP(vch_spool_drop, vch_spool, vch_spool_free)

size_t vch_spool_size(const vch_spool *s);

/* Both fail with VOUCH_E_INTERNAL outside of the spool, VOUCH_E_IO. */
VOUCH_MUST_CHECK vouch_code vch_spool_write(vch_spool *s, size_t offset, vouch_span bytes,
                                            vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_spool_read(const vch_spool *s, size_t offset, void *out,
                                           size_t size, vouch_error *err);

#endif
