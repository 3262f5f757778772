/*
 * A growable byte buffer with a cap, for building output. Appending past the cap or out of memory
 * marks it failed; later appends do nothing, and one check at the end decides. One thread at a
 * time.
 */
#ifndef VCH_BASE_BUFFER_H
#define VCH_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_buffer {
    uint8_t *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t cap;      /* bytes at most, given at creation */
    vouch_code failed;
} vch_buffer;

/* An empty buffer that holds at most `cap` bytes. */
static inline vch_buffer vch_buffer_with_cap(size_t cap)
{
    return (vch_buffer) { .cap = cap };
}

void vch_buffer_drop(vch_buffer *b); /* frees; safe twice and on a zeroed buffer */

void vch_buffer_append(vch_buffer *b, vouch_span bytes);
void vch_buffer_append_str(vch_buffer *b, const char *text);
VOUCH_PRINTF(2, 3) void vch_buffer_append_fmt(vch_buffer *b, const char *fmt, ...);
void vch_buffer_u8(vch_buffer *b, uint8_t v);
void vch_buffer_u16le(vch_buffer *b, uint16_t v);
void vch_buffer_u32le(vch_buffer *b, uint32_t v);
void vch_buffer_u32be(vch_buffer *b, uint32_t v);
void vch_buffer_u64be(vch_buffer *b, uint64_t v);

/* Room for `size` more bytes: returns where to write them and counts them as used; NULL if it
 * failed. */
uint8_t *vch_buffer_extend(vch_buffer *b, size_t size);

/* Have memory for `size` bytes in all, so that a long append does not move what is there. */
void vch_buffer_reserve(vch_buffer *b, size_t size);

static inline vouch_span vch_buffer_span(const vch_buffer *b)
{
    return (vouch_span) { b->data, b->size };
}

/* The bytes as text: a NUL follows them (not counted in size). NULL if the buffer failed. */
const char *vch_buffer_text(vch_buffer *b);

/* VOUCH_OK, or VOUCH_E_LIMIT / VOUCH_E_MEMORY if an append failed; `what` names the thing built. */
VOUCH_MUST_CHECK vouch_code vch_buffer_finish(const vch_buffer *b, const char *what,
                                              vouch_error *err);

#endif
