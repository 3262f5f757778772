/*
 * A new file, written from front to back in blocks that begin and end at multiples of their size:
 * the page cache takes such writes with two thirds of the work of others. Bytes can be made where
 * they will be written from. What is in the last block is not in the file before the flush.
 * Errors name the path and the system's reason. One thread at a time.
 */
#ifndef VCH_HOST_BLOCK_WRITER_H
#define VCH_HOST_BLOCK_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_BLOCK_SIZE ((size_t)128 * 1024)

typedef struct vch_block_writer {
    int fd;
    const char *path;
    uint8_t *block;
    size_t held; /* bytes in `block`; always fewer than it has */
    uint64_t at; /* where it will be written; a multiple of its size */
} vch_block_writer;

/* fd, path: kept; the file is written from its first byte on. Fails with VOUCH_E_MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_block_writer_init(vch_block_writer *w, int fd, const char *path,
                                                  vouch_error *err);

/* Where the next bytes go, and how many can be put there: at least one. They count once they are
 * committed, which fails with VOUCH_E_IO. */
uint8_t *vch_block_writer_room(const vch_block_writer *w, size_t *out_size);
VOUCH_MUST_CHECK vouch_code vch_block_writer_commit(vch_block_writer *w, size_t size,
                                                    vouch_error *err);

/* The same with bytes from elsewhere: whole blocks are written from where they lie. */
VOUCH_MUST_CHECK vouch_code vch_block_writer_put(vch_block_writer *w, vouch_span bytes,
                                                 vouch_error *err);

/* Write the rest. Afterwards the writer can only be dropped. */
VOUCH_MUST_CHECK vouch_code vch_block_writer_flush(vch_block_writer *w, vouch_error *err);

void vch_block_writer_drop(vch_block_writer *w); /* frees; safe twice and on a zeroed one */

#endif
