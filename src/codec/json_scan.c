/*
 * What is settled on the bytes, before or beside jansson: the size, the depth, NULs, and where a
 * member's value begins and ends. The scan follows strings and brackets only; that the text is
 * JSON at all is jansson's to say.
 */
#include "codec/json_scan.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"

/* The string whose opening quote was just read: skip to behind its closing one. */
static void skip_string(vch_cursor *c)
{
    while (!c->failed) {
        uint8_t byte = vch_cursor_u8(c);
        if (byte == '\\')
            (void)vch_cursor_u8(c);
        else if (byte == '"')
            return;
    }
}

vouch_code vch_json_scan_limits(vouch_span text, const vch_json_limits *limits, vouch_error *err)
{
    if (text.size > limits->size)
        return vouch_fail(err, VOUCH_E_LIMIT, "JSON: %zu bytes; at most %zu", text.size,
                          limits->size);
    if (text.size > 0 && memchr(text.data, 0, text.size) != NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "JSON: contains a NUL");
    vch_cursor c = vch_cursor_over(text);
    size_t depth = 0;
    while (!c.failed && c.rest.size > 0) {
        uint8_t byte = vch_cursor_u8(&c);
        if (byte == '"')
            skip_string(&c);
        else if ((byte == '[' || byte == '{') && ++depth > limits->depth)
            return vouch_fail(err, VOUCH_E_LIMIT, "JSON: nested deeper than %zu", limits->depth);
        else if ((byte == ']' || byte == '}') && depth > 0)
            depth--;
    }
    if (c.failed)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "JSON: ends inside a string");
    return VOUCH_OK;
}

static void skip_blanks(vch_cursor *c)
{
    while (!c->failed && c->rest.size > 0 && memchr(" \t\r\n", c->rest.data[0], 4) != NULL)
        (void)vch_cursor_u8(c);
}

/* One value: a string, a bracketed text with its brackets in balance, or a word or number. */
static vouch_span take_value(vch_cursor *c)
{
    vouch_span start = c->rest;
    size_t depth = 0;
    while (!c->failed && c->rest.size > 0) {
        uint8_t byte = c->rest.data[0];
        if (depth == 0 && (byte == ',' || byte == '}' || byte == ']'))
            break;
        (void)vch_cursor_u8(c);
        if (byte == '"')
            skip_string(c);
        else if (byte == '[' || byte == '{')
            depth++;
        else if (byte == ']' || byte == '}')
            depth--;
    }
    size_t size = start.size - c->rest.size;
    while (size > 0 && memchr(" \t\r\n", start.data[size - 1], 4) != NULL)
        size--;
    if (size == 0 || depth != 0)
        c->failed = true;
    return (vouch_span) { start.data, size };
}

static bool take_byte(vch_cursor *c, uint8_t wanted)
{
    skip_blanks(c);
    if (vch_cursor_u8(c) != wanted)
        c->failed = true;
    return !c->failed;
}

/* A member's name, without its quotes. Escapes are refused: see the header. */
static vouch_span take_name(vch_cursor *c)
{
    if (!take_byte(c, '"'))
        return (vouch_span) { NULL, 0 };
    vouch_span start = c->rest;
    skip_string(c);
    if (c->failed)
        return (vouch_span) { NULL, 0 };
    vouch_span name = { start.data, start.size - c->rest.size - 1 };
    if (name.size > 0 && memchr(name.data, '\\', name.size) != NULL)
        c->failed = true;
    return name;
}

vouch_code vch_json_member_span(vouch_span text, const char *name, vouch_span *out,
                                vouch_error *err)
{
    vch_cursor c = vch_cursor_over(text);
    vouch_span found = { NULL, 0 };
    bool more = take_byte(&c, '{');
    skip_blanks(&c);
    if (more && c.rest.size > 0 && c.rest.data[0] == '}')
        more = false;
    while (more && !c.failed) {
        vouch_span member = take_name(&c);
        (void)take_byte(&c, ':');
        skip_blanks(&c);
        vouch_span value = take_value(&c);
        if (!c.failed && vch_span_is(member, name)) {
            if (found.data != NULL)
                return vouch_fail(err, VOUCH_E_FORMAT, "JSON: member '%s' twice", name);
            found = value;
        }
        more = c.rest.size > 0 && c.rest.data[0] == ',';
        if (more)
            (void)vch_cursor_u8(&c);
    }
    (void)take_byte(&c, '}');
    skip_blanks(&c);
    if (c.failed || c.rest.size > 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "JSON: not one object with plainly written names");
    if (found.data == NULL)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "JSON: no member '%s'", name);
    *out = found;
    return VOUCH_OK;
}
