/*
 * Pipes without blocking: wait for several at once, then take or give what is possible at the
 * moment. One thread at a time for each descriptor.
 */
#ifndef VCH_HOST_STREAM_H
#define VCH_HOST_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_STREAM_WAIT_MAX 8 /* descriptors in one wait */

typedef struct vch_stream {
    int fd;       /* negative: not waited for */
    bool writing; /* else: until there is something to read, or its end */
    bool ready;   /* filled by the wait */
} vch_stream;

/* Reads and writes never wait from now on. Fails with VOUCH_E_IO. */
VOUCH_MUST_CHECK vouch_code vch_stream_unblock(int fd, vouch_error *err);

/*
 * Wait until one is ready, at most `timeout_ms` (0: only look). That none is, is no error.
 * Fails with VOUCH_E_IO, VOUCH_E_LIMIT (more than VCH_STREAM_WAIT_MAX).
 */
VOUCH_MUST_CHECK vouch_code vch_stream_wait(vch_stream *streams, size_t count, int64_t timeout_ms,
                                            vouch_error *err);

/* Up to `size` bytes; *out_count may be 0. *out_ended: the other side closed it, nothing follows. */
VOUCH_MUST_CHECK vouch_code vch_stream_read(int fd, void *out, size_t size, size_t *out_count,
                                            bool *out_ended, vouch_error *err);

/* As many of `bytes` as fit now. *out_ended: nobody reads any more. */
VOUCH_MUST_CHECK vouch_code vch_stream_write(int fd, vouch_span bytes, size_t *out_count,
                                             bool *out_ended, vouch_error *err);

#endif
