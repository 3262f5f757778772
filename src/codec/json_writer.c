#include "codec/json_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "codec/base64.h"
#include "codec/hex.h"
#include "codec/utf8.h"

vch_json_writer vch_json_writer_over(vch_buffer *out, bool pretty)
{
    return (vch_json_writer) { .out = out, .pretty = pretty };
}

static void misuse(vch_json_writer *w)
{
    if (w->out->failed == VOUCH_OK)
        w->out->failed = VOUCH_E_INTERNAL;
}

static void new_line(vch_json_writer *w)
{
    if (!w->pretty)
        return;
    vch_buffer_u8(w->out, '\n');
    for (unsigned i = 0; i < w->depth; i++)
        vch_buffer_append_str(w->out, "  ");
}

static uint32_t level_bit(const vch_json_writer *w)
{
    return w->depth == 0 ? 0 : UINT32_C(1) << (w->depth - 1);
}

/* The comma and the line before a key or before an array's value. */
static void separate(vch_json_writer *w)
{
    uint32_t bit = level_bit(w);
    if ((w->filled & bit) != 0)
        vch_buffer_u8(w->out, ',');
    if (w->depth > 0)
        new_line(w);
    w->filled |= bit;
}

static void before_value(vch_json_writer *w)
{
    bool in_object = (w->object & level_bit(w)) != 0;
    if (in_object != w->after_key)
        misuse(w); /* in an object each value follows a key, elsewhere none does */
    if (!w->after_key)
        separate(w);
    w->after_key = false;
}

static void begin(vch_json_writer *w, bool object)
{
    before_value(w);
    if (w->depth == VCH_JSON_WRITER_MAX_DEPTH) {
        misuse(w);
        return;
    }
    vch_buffer_u8(w->out, object ? '{' : '[');
    w->depth++;
    uint32_t bit = level_bit(w);
    w->object = object ? w->object | bit : w->object & ~bit;
    w->filled &= ~bit;
}

void vch_json_begin_object(vch_json_writer *w)
{
    begin(w, true);
}

void vch_json_begin_array(vch_json_writer *w)
{
    begin(w, false);
}

void vch_json_end(vch_json_writer *w)
{
    if (w->depth == 0 || w->after_key) {
        misuse(w);
        return;
    }
    uint32_t bit = level_bit(w);
    bool object = (w->object & bit) != 0;
    bool filled = (w->filled & bit) != 0;
    w->depth--;
    if (filled)
        new_line(w);
    vch_buffer_u8(w->out, object ? '}' : ']');
}

static void put_code_point(vch_buffer *out, uint32_t code, vouch_span encoding)
{
    static const char *const named[128] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f",
        ['\n'] = "\\n", ['\r'] = "\\r",  ['\t'] = "\\t",
    };
    if (code < 128 && named[code] != NULL)
        vch_buffer_append_str(out, named[code]);
    else if (code < 0x20 || code == 0x7f)
        vch_buffer_append_fmt(out, "\\u%04x", (unsigned)code);
    else if (code == UINT32_MAX)
        vch_buffer_append_str(out, "\xef\xbf\xbd");
    else
        vch_buffer_append(out, encoding);
}

static void put_quoted(vch_buffer *out, vouch_span text)
{
    vch_cursor c = vch_cursor_over(text);
    vch_buffer_u8(out, '"');
    while (c.rest.size > 0) {
        vouch_span start = c.rest;
        uint32_t code = vch_utf8_next(&c);
        put_code_point(out, code, (vouch_span) { start.data, start.size - c.rest.size });
    }
    vch_buffer_u8(out, '"');
}

void vch_json_key(vch_json_writer *w, const char *name)
{
    if ((w->object & level_bit(w)) == 0 || w->after_key)
        misuse(w);
    separate(w);
    put_quoted(w->out, vch_span_str(name));
    vch_buffer_append_str(w->out, w->pretty ? ": " : ":");
    w->after_key = true;
}

void vch_json_string_span(vch_json_writer *w, vouch_span text)
{
    before_value(w);
    put_quoted(w->out, text);
}

void vch_json_string(vch_json_writer *w, const char *text)
{
    if (text == NULL)
        vch_json_null(w);
    else
        vch_json_string_span(w, vch_span_str(text));
}

void vch_json_int(vch_json_writer *w, int64_t v)
{
    before_value(w);
    vch_buffer_append_fmt(w->out, "%lld", (long long)v);
}

void vch_json_uint(vch_json_writer *w, uint64_t v)
{
    before_value(w);
    vch_buffer_append_fmt(w->out, "%llu", (unsigned long long)v);
}

void vch_json_real(vch_json_writer *w, double v)
{
    char text[40];
    if (!isfinite(v)) {
        vch_json_null(w);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    before_value(w);
    vch_buffer_append_str(w->out, text);
    if (strpbrk(text, ".e") == NULL)
        vch_buffer_append_str(w->out, ".0");
}

void vch_json_bool(vch_json_writer *w, bool v)
{
    before_value(w);
    vch_buffer_append_str(w->out, v ? "true" : "false");
}

void vch_json_null(vch_json_writer *w)
{
    before_value(w);
    vch_buffer_append_str(w->out, "null");
}

void vch_json_hex(vch_json_writer *w, vouch_span bytes)
{
    before_value(w);
    vch_buffer_u8(w->out, '"');
    for (size_t i = 0; i < bytes.size; i++) {
        char digits[3];
        vch_buffer_append_str(w->out, vch_hex_encode((vouch_span) { bytes.data + i, 1 }, digits));
    }
    vch_buffer_u8(w->out, '"');
}

void vch_json_base64(vch_json_writer *w, vouch_span bytes)
{
    before_value(w);
    vch_buffer_u8(w->out, '"');
    vch_base64_encode(bytes, w->out);
    vch_buffer_u8(w->out, '"');
}

void vch_json_moment(vch_json_writer *w, int64_t unix_s)
{
    char text[VCH_MOMENT_TEXT_SIZE];
    vch_json_string(w, vch_moment_format(unix_s, text));
}

static int append_chunk(const char *chunk, size_t size, void *context)
{
    vch_buffer_append(context, (vouch_span) { (const uint8_t *)chunk, size });
    return 0;
}

void vch_json_value(vch_json_writer *w, const vch_json *tree)
{
    before_value(w);
    if (json_dump_callback(tree, append_chunk, w->out, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        misuse(w);
}

void vch_json_raw(vch_json_writer *w, vouch_span json)
{
    before_value(w);
    vch_buffer_append(w->out, json);
}

void vch_json_put_string(vch_json_writer *w, const char *name, const char *text)
{
    vch_json_key(w, name);
    vch_json_string(w, text);
}

void vch_json_put_int(vch_json_writer *w, const char *name, int64_t v)
{
    vch_json_key(w, name);
    vch_json_int(w, v);
}

void vch_json_put_uint(vch_json_writer *w, const char *name, uint64_t v)
{
    vch_json_key(w, name);
    vch_json_uint(w, v);
}

void vch_json_put_bool(vch_json_writer *w, const char *name, bool v)
{
    vch_json_key(w, name);
    vch_json_bool(w, v);
}

void vch_json_put_hex(vch_json_writer *w, const char *name, vouch_span bytes)
{
    vch_json_key(w, name);
    vch_json_hex(w, bytes);
}

void vch_json_put_moment(vch_json_writer *w, const char *name, int64_t unix_s)
{
    vch_json_key(w, name);
    vch_json_moment(w, unix_s);
}
