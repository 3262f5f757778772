#include "fed/wire/protobuf.h"

#include <string.h>

enum { VARINT_SIZE_MAX = 10, FIELD_NUMBER_MAX = 0x1FFFFFFF };

bool vch_pb_varint(vch_cursor *c, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_SIZE_MAX; i++) {
        uint8_t byte = vch_cursor_u8(c);
        if (c->failed || (i == VARINT_SIZE_MAX - 1 && byte > 1))
            return false; /* cut short, or more than 64 bits */
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if ((byte & 0x80) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

vch_pb_reader vch_pb_read(vouch_span message, const char *what)
{
    return (vch_pb_reader) { .cursor = vch_cursor_over(message), .what = what };
}

void vch_pb_fail(vch_pb_reader *r, vouch_code code, const char *reason)
{
    if (r->code != VOUCH_OK)
        return;
    r->code = code;
    r->reason = reason;
}

/* Reads the value that follows a tag; false if it is of no type that proto3 has. */
static bool field_value(vch_pb_reader *r, vch_pb_field *f, uint64_t type)
{
    uint64_t size = 0;
    switch (type) {
    case VCH_PB_VARINT:
        f->type = VCH_PB_VARINT;
        return vch_pb_varint(&r->cursor, &f->value);
    case VCH_PB_FIXED64:
        f->type = VCH_PB_FIXED64;
        f->value = vch_cursor_u64le(&r->cursor);
        return !r->cursor.failed;
    case VCH_PB_FIXED32:
        f->type = VCH_PB_FIXED32;
        f->value = vch_cursor_u32le(&r->cursor);
        return !r->cursor.failed;
    case VCH_PB_BYTES:
        f->type = VCH_PB_BYTES;
        if (!vch_pb_varint(&r->cursor, &size) || size > SIZE_MAX)
            return false;
        f->bytes = vch_cursor_take(&r->cursor, (size_t)size);
        return !r->cursor.failed;
    default:
        return false; /* groups: never in proto3 */
    }
}

bool vch_pb_next(vch_pb_reader *r, vch_pb_field *out)
{
    uint64_t tag = 0;
    if (r->code != VOUCH_OK || r->cursor.rest.size == 0)
        return false;
    vch_pb_field f = { 0 };
    if (!vch_pb_varint(&r->cursor, &tag) || (tag >> 3) == 0 || (tag >> 3) > FIELD_NUMBER_MAX
        || !field_value(r, &f, tag & 7)) {
        vch_pb_fail(r, r->cursor.failed ? VOUCH_E_TRUNCATED : VOUCH_E_FORMAT,
                    r->cursor.failed ? "ends inside a field" : "does not parse");
        return false;
    }
    f.number = (uint32_t)(tag >> 3);
    *out = f;
    return true;
}

static bool field_is(vch_pb_reader *r, const vch_pb_field *f, vch_pb_type type)
{
    if (f->type != type) {
        vch_pb_fail(r, VOUCH_E_FORMAT, "a field is of another type");
        return false;
    }
    return true;
}

/* Merging what is given twice is how two parsers come to read two messages. */
static bool field_once(vch_pb_reader *r, const vch_pb_field *f, vch_pb_type type)
{
    uint64_t bit = UINT64_C(1) << (f->number & 63);
    if ((r->seen & bit) != 0) {
        vch_pb_fail(r, VOUCH_E_FORMAT, "a field is given twice");
        return false;
    }
    r->seen |= bit;
    return field_is(r, f, type);
}

/* One code point of UTF-8 at the front: its length in bytes, or 0. NUL counts as wrong: names become
 * C strings. */
static size_t utf8_length(const uint8_t *p, size_t left)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t least;
    } form[] = {
        { 0x80, 0x00, 1 }, { 0xE0, 0xC0, 0x80 }, { 0xF0, 0xE0, 0x800 }, { 0xF8, 0xF0, 0x10000 }
    };
    for (size_t n = 1; n <= 4 && n <= left; n++) {
        if ((p[0] & form[n - 1].mask) != form[n - 1].lead)
            continue;
        uint32_t point = p[0] & (uint8_t)~form[n - 1].mask;
        for (size_t i = 1; i < n; i++) {
            if ((p[i] & 0xC0) != 0x80)
                return 0;
            point = (point << 6) | (p[i] & 0x3F);
        }
        bool surrogate = point >= 0xD800 && point <= 0xDFFF;
        return point < form[n - 1].least || point > 0x10FFFF || surrogate ? 0 : n;
    }
    return 0;
}

bool vch_pb_is_text(vouch_span text)
{
    for (size_t at = 0; at < text.size;) {
        size_t n = utf8_length(text.data + at, text.size - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

static vouch_span field_text(vch_pb_reader *r, const vch_pb_field *f, size_t size_max)
{
    if (f->bytes.size > size_max)
        vch_pb_fail(r, VOUCH_E_LIMIT, "a text is too long");
    else if (!vch_pb_is_text(f->bytes))
        vch_pb_fail(r, VOUCH_E_FORMAT, "a text is not UTF-8, or holds a NUL");
    return r->code == VOUCH_OK ? f->bytes : (vouch_span) { 0 };
}

vouch_span vch_pb_message(vch_pb_reader *r, const vch_pb_field *f)
{
    return field_once(r, f, VCH_PB_BYTES) ? f->bytes : (vouch_span) { 0 };
}

vouch_span vch_pb_text(vch_pb_reader *r, const vch_pb_field *f, size_t size_max)
{
    return field_once(r, f, VCH_PB_BYTES) ? field_text(r, f, size_max) : (vouch_span) { 0 };
}

int32_t vch_pb_int32(vch_pb_reader *r, const vch_pb_field *f)
{
    if (!field_once(r, f, VCH_PB_VARINT))
        return 0;
    int64_t wide = (int64_t)f->value; /* a negative int32 is sign-extended to 64 bits */
    if (wide < INT32_MIN || wide > INT32_MAX) {
        vch_pb_fail(r, VOUCH_E_LIMIT, "a number does not fit its field");
        return 0;
    }
    return (int32_t)wide;
}

uint32_t vch_pb_uint32(vch_pb_reader *r, const vch_pb_field *f)
{
    if (!field_once(r, f, VCH_PB_VARINT))
        return 0;
    if (f->value > UINT32_MAX) {
        vch_pb_fail(r, VOUCH_E_LIMIT, "a number does not fit its field");
        return 0;
    }
    return (uint32_t)f->value;
}

bool vch_pb_bool(vch_pb_reader *r, const vch_pb_field *f)
{
    if (!field_once(r, f, VCH_PB_VARINT))
        return false;
    if (f->value > 1)
        vch_pb_fail(r, VOUCH_E_FORMAT, "a truth value is neither 0 nor 1");
    return f->value == 1;
}

vouch_span vch_pb_repeated_message(vch_pb_reader *r, const vch_pb_field *f)
{
    return field_is(r, f, VCH_PB_BYTES) ? f->bytes : (vouch_span) { 0 };
}

vouch_span vch_pb_repeated_text(vch_pb_reader *r, const vch_pb_field *f, size_t size_max)
{
    return field_is(r, f, VCH_PB_BYTES) ? field_text(r, f, size_max) : (vouch_span) { 0 };
}

vouch_code vch_pb_finish(const vch_pb_reader *r, vouch_error *err)
{
    if (r->code != VOUCH_OK)
        return vouch_fail(err, r->code, "%s: %s", r->what, r->reason);
    return VOUCH_OK;
}
