/*
 * Pseudo-files of a device, or FIFOs that stand in for them: one write whole, one read until the
 * end. A FIFO is opened without blocking and has the deadline; a pseudo-file answers when its kernel
 * does. A symbolic link in a file's place is refused: the answer must come from the directory that
 * was named. Any thread.
 *
 * VOUCH_E_REFUSED means that the device is busy or was interrupted (EBUSY, EAGAIN, ETXTBSY, EINTR):
 * ask again from the start.
 */
#ifndef VCH_ATTESTER_DEVICE_FILE_H
#define VCH_ATTESTER_DEVICE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"
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

/* The same for a key of exactly `size` bytes, with no copy but the one in `out`. */
VOUCH_MUST_CHECK vouch_code vch_device_read_secret(const char *dir, const char *name, size_t size,
                                                   int64_t deadline_ms, vch_secret *out,
                                                   vouch_error *err);

/* Wait a moment before asking again; false once the deadline has passed. */
bool vch_device_nap(int64_t deadline_ms, int64_t nap_ms);

#endif
