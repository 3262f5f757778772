#include "codec/der.h"

#include "base/moment.h"

vch_der vch_der_over(vouch_span in)
{
    return (vch_der) { .in = vch_cursor_over(in) };
}

static void fail(vch_der *d, vouch_code code, const char *why)
{
    if (d->failed != VOUCH_OK)
        return;
    d->failed = code;
    d->why = why;
    d->in.failed = true; /* so that nothing more is read */
}

void vch_der_refuse(vch_der *d, const char *why)
{
    fail(d, VOUCH_E_FORMAT, why);
}

bool vch_der_more(const vch_der *d)
{
    return d->failed == VOUCH_OK && d->in.rest.size > 0;
}

bool vch_der_peek(const vch_der *d, uint8_t tag)
{
    return vch_der_more(d) && d->in.rest.data[0] == tag;
}

/* X.690 8.1.3 and 10.1: definite, in as few bytes as possible. Four bytes bound every input. */
static size_t read_length(vch_der *d)
{
    uint8_t first = vch_cursor_u8(&d->in);
    if (first < 0x80)
        return first;
    size_t count = first & 0x7fU;
    if (count == 0 || count > 4) {
        fail(d, VOUCH_E_FORMAT, count == 0 ? "indefinite length" : "length of more than 32 bits");
        return 0;
    }
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length = (length << 8) | vch_cursor_u8(&d->in);
    if (!d->in.failed && (length < 0x80 || length >> (8 * (count - 1)) == 0))
        fail(d, VOUCH_E_FORMAT, "length not in its shortest form");
    return length;
}

vch_der_element vch_der_any(vch_der *d)
{
    if (d->failed != VOUCH_OK)
        return (vch_der_element) { 0 };
    vouch_span start = d->in.rest;
    vch_der_element e = { .tag = vch_cursor_u8(&d->in) };
    if ((e.tag & 0x1fU) == 0x1fU)
        fail(d, VOUCH_E_FORMAT, "tag number above 30");
    e.content = vch_cursor_take(&d->in, read_length(d));
    if (d->in.failed) {
        fail(d, VOUCH_E_TRUNCATED, "ends too early");
        return (vch_der_element) { 0 };
    }
    e.whole = (vouch_span) { start.data, start.size - d->in.rest.size };
    return e;
}

vouch_span vch_der_next(vch_der *d, uint8_t tag)
{
    if (d->failed == VOUCH_OK && d->in.rest.size > 0 && d->in.rest.data[0] != tag)
        fail(d, VOUCH_E_FORMAT, "an element has another tag than expected");
    return vch_der_any(d).content;
}

vch_der vch_der_enter(vch_der *d, uint8_t tag)
{
    vch_der inner = vch_der_over(vch_der_next(d, tag));
    if (d->failed != VOUCH_OK)
        fail(&inner, d->failed, d->why);
    return inner;
}

void vch_der_leave(vch_der *d, const vch_der *in)
{
    if (in->failed != VOUCH_OK)
        fail(d, in->failed, in->why);
    else if (in->in.rest.size != 0)
        fail(d, VOUCH_E_FORMAT, "bytes left over inside an element");
}

bool vch_der_boolean(vch_der *d)
{
    vouch_span v = vch_der_next(d, VCH_DER_BOOLEAN);
    if (d->failed != VOUCH_OK)
        return false;
    if (v.size != 1 || (v.data[0] != 0x00 && v.data[0] != 0xff)) {
        fail(d, VOUCH_E_FORMAT, "BOOLEAN is neither 00 nor FF"); /* X.690 11.1 */
        return false;
    }
    return v.data[0] != 0;
}

/* X.690 8.3.2: at least one byte, and the first nine bits not all alike. */
static vouch_span minimal_number(vch_der *d, uint8_t tag)
{
    vouch_span v = vch_der_next(d, tag);
    if (d->failed != VOUCH_OK)
        return v;
    bool padded =
        v.size > 1
        && ((v.data[0] == 0x00 && v.data[1] < 0x80) || (v.data[0] == 0xff && v.data[1] >= 0x80));
    if (v.size == 0 || padded) {
        fail(d, VOUCH_E_FORMAT, "number not in its shortest form");
        return (vouch_span) { NULL, 0 };
    }
    return v;
}

static vouch_span unsigned_number(vch_der *d, uint8_t tag)
{
    vouch_span v = minimal_number(d, tag);
    if (v.size > 0 && v.data[0] >= 0x80) {
        fail(d, VOUCH_E_FORMAT, "number is negative");
        return (vouch_span) { NULL, 0 };
    }
    if (v.size > 0 && v.data[0] == 0)
        v = (vouch_span) { v.data + 1, v.size - 1 };
    return v;
}

static uint64_t number_64(vch_der *d, uint8_t tag)
{
    vouch_span v = unsigned_number(d, tag);
    if (v.size > 8) {
        fail(d, VOUCH_E_LIMIT, "number above 64 bits");
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < v.size; i++)
        value = (value << 8) | v.data[i];
    return value;
}

uint64_t vch_der_uint(vch_der *d)
{
    return number_64(d, VCH_DER_INTEGER);
}

uint64_t vch_der_enumerated(vch_der *d)
{
    return number_64(d, VCH_DER_ENUMERATED);
}

vouch_span vch_der_integer(vch_der *d)
{
    return minimal_number(d, VCH_DER_INTEGER);
}

vouch_span vch_der_magnitude(vch_der *d)
{
    return unsigned_number(d, VCH_DER_INTEGER);
}

/* X.690 8.6.2 and 11.2.1: 0 to 7 unused bits, which are zero; none if there are no bytes. */
vouch_span vch_der_bits(vch_der *d, uint8_t *unused)
{
    vch_cursor c = vch_cursor_over(vch_der_next(d, VCH_DER_BIT_STRING));
    uint8_t count = vch_cursor_u8(&c);
    *unused = 0;
    if (d->failed != VOUCH_OK)
        return (vouch_span) { NULL, 0 };
    bool good = !c.failed && count <= 7 && (count == 0 || c.rest.size > 0);
    if (good && count > 0)
        good = (c.rest.data[c.rest.size - 1] & ((1U << count) - 1)) == 0;
    if (!good) {
        fail(d, VOUCH_E_FORMAT, "BIT STRING with wrong unused bits");
        return (vouch_span) { NULL, 0 };
    }
    *unused = count;
    return c.rest;
}

vouch_span vch_der_bit_string(vch_der *d)
{
    uint8_t unused = 0;
    vouch_span v = vch_der_bits(d, &unused);
    if (unused != 0) {
        fail(d, VOUCH_E_FORMAT, "BIT STRING is not whole bytes");
        return (vouch_span) { NULL, 0 };
    }
    return v;
}

void vch_der_null(vch_der *d)
{
    vouch_span v = vch_der_next(d, VCH_DER_NULL);
    if (v.size != 0)
        fail(d, VOUCH_E_FORMAT, "NULL with content");
}

/* X.690 8.19.2: each arc ends in a byte below 0x80 and does not begin with 0x80. */
vouch_span vch_der_oid(vch_der *d)
{
    vouch_span v = vch_der_next(d, VCH_DER_OID);
    if (d->failed != VOUCH_OK)
        return v;
    bool good = v.size > 0 && v.data[v.size - 1] < 0x80;
    bool at_start = true;
    for (size_t i = 0; i < v.size && good; i++) {
        good = !(at_start && v.data[i] == 0x80);
        at_start = v.data[i] < 0x80;
    }
    if (!good) {
        fail(d, VOUCH_E_FORMAT, "OBJECT IDENTIFIER not in its shortest form");
        return (vouch_span) { NULL, 0 };
    }
    return v;
}

static int two_digits(vch_cursor *c)
{
    int tens = vch_cursor_u8(c) - '0';
    int ones = vch_cursor_u8(c) - '0';
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9) {
        c->failed = true;
        return 0;
    }
    return tens * 10 + ones;
}

/* X.690 11.7, 11.8 and RFC 5280 4.1.2.5: to the second, Z; a two-digit year is 1950 to 2049. */
int64_t vch_der_time(vch_der *d)
{
    bool is_utc = vch_der_peek(d, VCH_DER_UTC_TIME);
    uint8_t tag = is_utc ? VCH_DER_UTC_TIME : VCH_DER_GENERALIZED_TIME;
    vch_cursor c = vch_cursor_over(vch_der_next(d, tag));
    int century = is_utc ? 0 : two_digits(&c);
    int year = two_digits(&c);
    if (is_utc)
        century = year >= 50 ? 19 : 20;
    int month = two_digits(&c);
    int day = two_digits(&c);
    int hour = two_digits(&c);
    int minute = two_digits(&c);
    int second = two_digits(&c);
    bool zulu = vch_cursor_u8(&c) == 'Z';
    int64_t unix_s = 0;
    if (!zulu || vch_cursor_finish(&c, "time", NULL) != VOUCH_OK
        || vch_moment_from_utc(century * 100 + year, month, day, hour, minute, second, &unix_s,
                               NULL)
               != VOUCH_OK) {
        fail(d, VOUCH_E_FORMAT, "time is not a date to the second in UTC");
        return 0;
    }
    return unix_s;
}

vouch_code vch_der_finish(const vch_der *d, const char *what, vouch_error *err)
{
    if (d->failed != VOUCH_OK)
        return vouch_fail(err, d->failed, "%s: %s", what, d->why);
    return vch_cursor_finish(&d->in, what, err);
}
