/*
 * Read untrusted bytes from front to back. A read past the end does not happen: it marks the cursor
 * failed and gives zero, so a parser reads like its table and asks once, at the end.
 */
#ifndef VCH_BASE_CURSOR_H
#define VCH_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_cursor {
    vouch_span rest; /* not yet read */
    bool failed;     /* a read asked for more than there was; stays set */
} vch_cursor;

static inline vch_cursor vch_cursor_over(vouch_span in)
{
    return (vch_cursor) { .rest = in };
}

/* The next `size` bytes, borrowed from the input; an empty span with data NULL if there are fewer.
 */
vouch_span vch_cursor_take(vch_cursor *c, size_t size);

/* Copy the next `size` bytes; `out` is zeroed if there are fewer. */
void vch_cursor_copy(vch_cursor *c, void *out, size_t size);

uint8_t vch_cursor_u8(vch_cursor *c);
uint16_t vch_cursor_u16le(vch_cursor *c);
uint32_t vch_cursor_u32le(vch_cursor *c);
uint64_t vch_cursor_u64le(vch_cursor *c);
uint16_t vch_cursor_u16be(vch_cursor *c);
uint32_t vch_cursor_u32be(vch_cursor *c);
uint64_t vch_cursor_u64be(vch_cursor *c);

/* VOUCH_E_TRUNCATED if a read failed, VOUCH_E_FORMAT if bytes are left over; `what` names the
 * thing. */
VOUCH_MUST_CHECK vouch_code vch_cursor_finish(const vch_cursor *c, const char *what,
                                              vouch_error *err);

#endif
