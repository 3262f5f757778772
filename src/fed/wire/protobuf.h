/*
 * The protobuf wire format, both ways: small, bounded, no allocation when reading. Singular fields
 * given twice, groups, over-long varints and text that is not UTF-8 or holds a NUL are refused; unknown fields are
 * skipped, as proto3 demands. openfl_interop.md section 2.
 */
#ifndef VCH_FED_WIRE_PROTOBUF_H
#define VCH_FED_WIRE_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef enum vch_pb_type {
    VCH_PB_VARINT = 0,
    VCH_PB_FIXED64 = 1,
    VCH_PB_BYTES = 2,
    VCH_PB_FIXED32 = 5
} vch_pb_type;

typedef struct vch_pb_field {
    uint32_t number;
    vch_pb_type type;
    uint64_t value;   /* varint and fixed types */
    vouch_span bytes; /* VCH_PB_BYTES: borrowed from the message */
} vch_pb_field;

typedef struct vch_pb_reader {
    vch_cursor cursor;
    const char *what;   /* the message's name, for errors */
    vouch_code code;    /* VOUCH_OK until something is wrong; then stays */
    const char *reason; /* why */
    uint64_t seen;      /* fields 1 to 63 that were read by vch_pb_once */
} vch_pb_reader;

vch_pb_reader vch_pb_read(vouch_span message, const char *what);

/* The next field, or false at the end or when something is wrong; vch_pb_finish tells. */
bool vch_pb_next(vch_pb_reader *r, vch_pb_field *out);

/* Values of a field of the expected type; each marks the reader failed if it is not. The first
 * five also fail on a field that was read before. */
vouch_span vch_pb_message(vch_pb_reader *r, const vch_pb_field *f);
vouch_span vch_pb_text(vch_pb_reader *r, const vch_pb_field *f, size_t size_max);
int32_t vch_pb_int32(vch_pb_reader *r, const vch_pb_field *f);
uint32_t vch_pb_uint32(vch_pb_reader *r, const vch_pb_field *f);
bool vch_pb_bool(vch_pb_reader *r, const vch_pb_field *f);
vouch_span vch_pb_repeated_message(vch_pb_reader *r, const vch_pb_field *f);
vouch_span vch_pb_repeated_text(vch_pb_reader *r, const vch_pb_field *f, size_t size_max);
void vch_pb_fail(vch_pb_reader *r, vouch_code code, const char *reason); /* reason: a literal */

VOUCH_MUST_CHECK vouch_code vch_pb_finish(const vch_pb_reader *r, vouch_error *err);

/* UTF-8 without NUL? An empty span is. */
bool vch_pb_is_text(vouch_span text);

/* One varint of at most 10 bytes off a cursor; false if there is none. */
bool vch_pb_varint(vch_cursor *c, uint64_t *out);

/* Writing. Zero and empty values are left out, as proto3 demands, but for the `_always` forms. */
void vch_pb_put_varint(vch_buffer *b, uint64_t v); /* bare, without a tag */
void vch_pb_put_tag(vch_buffer *b, uint32_t number, vch_pb_type type);
void vch_pb_put_int32(vch_buffer *b, uint32_t number, int32_t v);
void vch_pb_put_uint32(vch_buffer *b, uint32_t number, uint32_t v);
void vch_pb_put_bool(vch_buffer *b, uint32_t number, bool v);
void vch_pb_put_bytes(vch_buffer *b, uint32_t number, vouch_span v);
void vch_pb_put_bytes_always(vch_buffer *b, uint32_t number, vouch_span v);
/* Tag and length of a field whose `size` bytes the caller writes after it. */
void vch_pb_put_head(vch_buffer *b, uint32_t number, size_t size);

size_t vch_pb_varint_size(uint64_t v);

#endif
