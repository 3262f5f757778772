/*
 * Pseudo-files of a device, or FIFOs that stand in for them: one write whole, one read until the
 * end, both with a deadline. A FIFO is opened without blocking. Any thread.
 */
#ifndef VCH_ATTESTER_DEVICE_FILE_H
#define VCH_ATTESTER_DEVICE_FILE_H

#include <stdint.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* A moment `timeout_ms` from now on the clock that the functions below use. */
int64_t vch_device_deadline_ms(int64_t timeout_ms);

/* Exactly one write() of all bytes: pseudo-files replace their content at each. */
VOUCH_MUST_CHECK vouch_code vch_device_write(const char *dir, const char *name, vouch_span bytes,
                                             int64_t deadline_ms, vouch_error *err);

/* Open anew and read until the end; at most the buffer's cap (then VOUCH_E_LIMIT). */
VOUCH_MUST_CHECK vouch_code vch_device_read(const char *dir, const char *name, int64_t deadline_ms,
                                            vch_buffer *out, vouch_error *err);

#endif
