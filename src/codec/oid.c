/* OBJECT IDENTIFIERs between their dotted text and their encoding (X.690 8.19). */
#include "codec/der.h"

#include "base/bytes.h"

/* 2.25.<UUID> needs 128 bits (ITU-T X.667 s.6). */
__extension__ typedef unsigned __int128 arc;

#define ARC_MAX_DIGITS 39
#define ARC_MAX_BYTES 19   /* 128 bits, seven a byte */
#define OID_MAX_ENCODED 64 /* longer ones are refused; ours are at most 20 */

/* The number before the next dot or the end; false if it is not one of at most 128 bits. */
static bool next_arc(vch_cursor *text, arc *out)
{
    arc value = 0;
    size_t digits = 0;
    while (text->rest.size > 0 && text->rest.data[0] != '.') {
        unsigned digit = (unsigned)vch_cursor_u8(text) - '0';
        if (digit > 9 || digits++ >= ARC_MAX_DIGITS || value > ((arc)-1 - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    if (text->rest.size == 0)
        return digits > 0;
    (void)vch_cursor_u8(text); /* the dot, which promises another number */
    return digits > 0 && text->rest.size > 0;
}

static void put_arc(vch_buffer *out, arc value)
{
    uint8_t bytes[ARC_MAX_BYTES];
    size_t at = sizeof bytes;
    uint8_t more = 0;
    do {
        bytes[--at] = (uint8_t)((value & 0x7f) | more);
        value >>= 7;
        more = 0x80;
    } while (value != 0);
    vch_buffer_append(out, (vouch_span) { bytes + at, sizeof bytes - at });
}

static bool encode(const char *dotted, vch_buffer *out)
{
    vch_cursor text = vch_cursor_over(vch_span_str(dotted));
    arc first = 0;
    arc second = 0;
    arc value = 0;
    if (!next_arc(&text, &first) || !next_arc(&text, &second) || first > 2
        || (first < 2 && second > 39) || second > (arc)-1 - 80)
        return false;
    put_arc(out, first * 40 + second);
    while (text.rest.size > 0) {
        if (!next_arc(&text, &value))
            return false;
        put_arc(out, value);
    }
    return out->failed == VOUCH_OK;
}

void vch_der_put_oid(vch_buffer *out, const char *dotted)
{
    size_t begun = vch_der_begin(out, VCH_DER_OID);
    if (out->failed == VOUCH_OK && !encode(dotted, out) && out->failed == VOUCH_OK)
        out->failed = VOUCH_E_FORMAT;
    vch_der_end(out, begun);
}

/* Compared as text decoded again would be slower; both are encoded instead, without allocating. */
bool vch_oid_is(vouch_span oid, const char *dotted)
{
    uint8_t room[OID_MAX_ENCODED];
    vch_buffer encoded = { .data = room, .capacity = sizeof room, .cap = sizeof room };
    return encode(dotted, &encoded) && vch_span_equal(vch_buffer_span(&encoded), oid);
}

static void put_decimal(vch_buffer *out, arc value)
{
    char digits[ARC_MAX_DIGITS + 1];
    size_t at = sizeof digits;
    digits[--at] = 0;
    do {
        digits[--at] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value != 0);
    vch_buffer_append_str(out, digits + at);
}

static bool read_arc(vch_cursor *c, arc *out)
{
    arc value = 0;
    for (size_t i = 0; i < ARC_MAX_BYTES; i++) {
        uint8_t byte = vch_cursor_u8(c);
        if (c->failed || value > (arc)-1 >> 7)
            return false;
        value = (value << 7) | (byte & 0x7fU);
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

vouch_code vch_oid_text(vouch_span oid, vch_buffer *out, vouch_error *err)
{
    vch_cursor c = vch_cursor_over(oid);
    arc value = 0;
    bool first = true;
    do {
        if (!read_arc(&c, &value))
            return vouch_fail(err, VOUCH_E_FORMAT, "OBJECT IDENTIFIER cannot be read");
        if (first) {
            unsigned root = value < 80 ? (unsigned)(value / 40) : 2;
            vch_buffer_append_fmt(out, "%u", root);
            value -= (arc)root * 40;
            first = false;
        }
        vch_buffer_u8(out, '.');
        put_decimal(out, value);
    } while (c.rest.size > 0);
    return vch_buffer_finish(out, "OBJECT IDENTIFIER", err);
}
