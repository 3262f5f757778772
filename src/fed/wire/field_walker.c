#include "fed/wire/field_walker.h"

#include "fed/wire/protobuf.h"

/* What the next byte belongs to. */
enum { AT_TAG, AT_VALUE, AT_SIZE, IN_FIXED, IN_BYTES };

enum { LAST_SHIFT = 63 }; /* of the tenth byte, which may hold one bit only */

void vch_field_walker_init(vch_field_walker *w, const vch_field_sink *sink, void *context,
                           const char *what, size_t collect_max)
{
    *w = (vch_field_walker) { .sink = sink, .context = context, .what = what, .state = AT_TAG };
    w->collected = vch_buffer_with_cap(collect_max);
}

void vch_field_walker_done(vch_field_walker *w)
{
    vch_buffer_drop(&w->collected);
}

void vch_field_walker_reset(vch_field_walker *w)
{
    w->collected.size = 0;
    w->number = 0;
    w->bits = 0;
    w->left = 0;
    w->field = 0;
    w->state = AT_TAG;
    w->broken = false;
}

/* One byte of a varint. *done says whether it was the last. */
static vouch_code varint_byte(vch_field_walker *w, uint8_t byte, bool *done, vouch_error *err)
{
    if (w->bits == LAST_SHIFT && byte > 1)
        return vouch_fail(err, VOUCH_E_FORMAT, "%s: a number of more than 64 bits", w->what);
    w->number |= (uint64_t)(byte & 0x7F) << w->bits;
    w->bits += 7;
    *done = (byte & 0x80) == 0;
    return VOUCH_OK;
}

static vouch_code tag_done(vch_field_walker *w, uint64_t tag, vouch_error *err)
{
    uint64_t number = tag >> 3;
    if (number == 0 || number > 0x1FFFFFFF)
        return vouch_fail(err, VOUCH_E_FORMAT, "%s: no field has such a number", w->what);
    w->field = (uint32_t)number;
    switch (tag & 7) {
    case VCH_PB_VARINT:
        w->state = AT_VALUE;
        return VOUCH_OK;
    case VCH_PB_BYTES:
        w->state = AT_SIZE;
        return VOUCH_OK;
    case VCH_PB_FIXED32:
    case VCH_PB_FIXED64: /* none of our messages has one at this level: unknown, so skipped */
        w->state = IN_FIXED;
        w->left = (tag & 7) == VCH_PB_FIXED32 ? 4 : 8;
        return VOUCH_OK;
    default:
        return vouch_fail(err, VOUCH_E_FORMAT, "%s: a field of unknown type", w->what);
    }
}

/* A length-delimited field is complete. */
static vouch_code bytes_done(vch_field_walker *w, vouch_error *err)
{
    w->state = AT_TAG;
    switch (w->take) {
    case VCH_FIELD_SKIP:
        return VOUCH_OK;
    case VCH_FIELD_PASS:
        return w->sink->end(w->context, w->field, err);
    case VCH_FIELD_COLLECT: {
        vouch_code rc = vch_buffer_finish(&w->collected, w->what, err);
        return rc != VOUCH_OK
                   ? rc
                   : w->sink->bytes(w->context, w->field, vch_buffer_span(&w->collected), err);
    }
    }
    return vouch_fail(err, VOUCH_E_INTERNAL, "%s: a field is neither kept nor skipped", w->what);
}

static vouch_code size_done(vch_field_walker *w, uint64_t size, vouch_error *err)
{
    w->take = VCH_FIELD_SKIP;
    vouch_code rc = w->sink->begin(w->context, w->field, size, &w->take, err);
    if (rc != VOUCH_OK)
        return rc;
    if (w->take == VCH_FIELD_COLLECT && size > w->collected.cap)
        return vouch_fail(err, VOUCH_E_LIMIT, "%s: field %u has %llu bytes, at most %zu are read",
                          w->what, w->field, (unsigned long long)size, w->collected.cap);
    w->collected.size = 0;
    w->left = size;
    w->state = IN_BYTES;
    return size == 0 ? bytes_done(w, err) : VOUCH_OK;
}

static vouch_code number_done(vch_field_walker *w, vouch_error *err)
{
    uint64_t value = w->number;
    w->number = 0;
    w->bits = 0;
    if (w->state == AT_TAG)
        return tag_done(w, value, err);
    if (w->state == AT_SIZE)
        return size_done(w, value, err);
    w->state = AT_TAG;
    return w->sink->value(w->context, w->field, value, err);
}

/* As much of the present field as `in` holds; it is taken off the front of `in`. */
static vouch_code take_bytes(vch_field_walker *w, vch_cursor *in, vouch_error *err)
{
    size_t size = in->rest.size < w->left ? in->rest.size : (size_t)w->left;
    vouch_span piece = vch_cursor_take(in, size);
    w->left -= size;
    vouch_code rc = VOUCH_OK;
    if (w->state == IN_FIXED) {
        w->state = w->left == 0 ? AT_TAG : IN_FIXED;
        return VOUCH_OK;
    }
    if (w->take == VCH_FIELD_PASS)
        rc = w->sink->bytes(w->context, w->field, piece, err);
    else if (w->take == VCH_FIELD_COLLECT)
        vch_buffer_append(&w->collected, piece);
    if (rc == VOUCH_OK && w->left == 0)
        rc = bytes_done(w, err);
    return rc;
}

static vouch_code feed(vch_field_walker *w, vch_cursor *in, vouch_error *err)
{
    while (in->rest.size > 0) {
        vouch_code rc;
        if (w->state == IN_BYTES || w->state == IN_FIXED) {
            rc = take_bytes(w, in, err);
        } else {
            bool done = false;
            rc = varint_byte(w, vch_cursor_u8(in), &done, err);
            if (rc == VOUCH_OK && done)
                rc = number_done(w, err);
        }
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

vouch_code vch_field_walker_feed(vch_field_walker *w, vouch_span bytes, vouch_error *err)
{
    if (w->broken)
        return vouch_fail(err, VOUCH_E_FORMAT, "%s: was refused before", w->what);
    vch_cursor in = vch_cursor_over(bytes);
    vouch_code rc = feed(w, &in, err);
    w->broken = rc != VOUCH_OK;
    return rc;
}

vouch_code vch_field_walker_finish(vch_field_walker *w, vouch_error *err)
{
    if (w->broken)
        return vouch_fail(err, VOUCH_E_FORMAT, "%s: was refused before", w->what);
    if (w->state != AT_TAG || w->bits != 0)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "%s: ends inside a field", w->what);
    return VOUCH_OK;
}
