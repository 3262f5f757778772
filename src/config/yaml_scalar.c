#include "config/yaml_scalar.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/utf8.h"
#include "config/yaml_resolve.h"

#define WIDTH 80 /* PyYAML's best_width */

void vch_yaml_pen_line_break(vch_yaml_pen *p)
{
    vch_buffer_u8(p->out, '\n');
    p->column = 0;
    p->whitespace = true;
    p->indention = true;
}

void vch_yaml_pen_indent(vch_yaml_pen *p)
{
    if (!p->indention || p->column > p->indent || (p->column == p->indent && !p->whitespace))
        vch_yaml_pen_line_break(p);
    for (; p->column < p->indent; p->column++) {
        vch_buffer_u8(p->out, ' ');
        p->whitespace = true;
    }
}

static void put_ascii(vch_yaml_pen *p, const char *text)
{
    vch_buffer_append_str(p->out, text);
    p->column += strlen(text);
}

void vch_yaml_pen_indicator(vch_yaml_pen *p, vch_yaml_indicator indicator)
{
    if (indicator.blank && !p->whitespace)
        put_ascii(p, " ");
    put_ascii(p, indicator.text);
    p->whitespace = indicator.leaves;
    p->indention = p->indention && indicator.indents;
}

/* One more in the last digit of "d.ddde-XX". False if a carry would run out of the front. */
static bool next_decimal(char *digits)
{
    char *at = strchr(digits, 'e');
    while (at-- > digits) {
        if (*at >= '0' && *at < '9') {
            (*at)++;
            return true;
        }
        if (*at == '9')
            *at = '0';
    }
    return false;
}

/*
 * The shortest digits that read back as `v`, nearest to it. Below a power of two the doubles lie
 * closer than above, so there the decimal above may read back where the nearest one does not.
 */
static void shortest_digits(double v, char *out, size_t size)
{
    for (int precision = 0; precision < 17; precision++) {
        (void)snprintf(out, size, "%.*e", precision, v);
        if (strtod(out, NULL) == v)
            return;
        if (next_decimal(out) && strtod(out, NULL) == v)
            return;
    }
    (void)snprintf(out, size, "%.16e", v);
}

/* Python's repr of a float, with the ".0" that YAML demands before an exponent. */
static void real_text(double v, char *out, size_t size)
{
    char digits[32];
    if (isnan(v) || isinf(v)) {
        (void)snprintf(out, size, "%s", isnan(v) ? ".nan" : v > 0 ? ".inf" : "-.inf");
        return;
    }
    shortest_digits(v, digits, sizeof digits);
    char *e = strchr(digits, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    int after_point =
        (int)(e - digits) - (strchr(digits, '.') == NULL ? 1 : 2) - (v < 0 || signbit(v));
    if (exponent < -4 || exponent >= 16) {
        *e = 0;
        (void)snprintf(out, size, "%s%se%c%02d", digits, strchr(digits, '.') == NULL ? ".0" : "",
                       exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    int decimals = after_point - exponent;
    (void)snprintf(out, size, "%.*f", decimals < 1 ? 1 : decimals, v);
}

/* What is written for a scalar; `room` serves the kinds whose text is made here. */
static const char *text_of(const vch_yaml_node *node, char *room, size_t size)
{
    switch (node->kind) {
    case VCH_YAML_NULL:
        return "null";
    case VCH_YAML_BOOL:
        return node->boolean ? "true" : "false";
    case VCH_YAML_REAL:
        real_text(node->real, room, size);
        return room;
    case VCH_YAML_INT:
    case VCH_YAML_MOMENT:
    case VCH_YAML_STRING:
    case VCH_YAML_SEQUENCE:
    case VCH_YAML_MAPPING:
        break;
    }
    return node->text;
}

static bool is_break(uint32_t c)
{
    return c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static bool is_blank_or_end(const vch_yaml_scalar *s, size_t i)
{
    return i >= s->count || is_break(s->code[i]) || s->code[i] == ' ' || s->code[i] == '\t'
           || s->code[i] == '\r';
}

static bool is_among(uint32_t c, const char *set)
{
    return c != 0 && c < 128 && strchr(set, (int)c) != NULL;
}

/* A character that means something in a plain scalar of block style. */
static bool is_indicator(const vch_yaml_scalar *s, size_t i)
{
    uint32_t c = s->code[i];
    if (i == 0 && is_among(c, "#,[]{}&*!|>'\"%@`"))
        return true;
    if (i == 0 && is_among(c, "?-"))
        return is_blank_or_end(s, 1);
    if (c == ':')
        return is_blank_or_end(s, i + 1);
    return c == '#' && i > 0 && is_blank_or_end(s, i - 1);
}

static bool starts_with(const vch_yaml_scalar *s, uint32_t c)
{
    return s->count >= 3 && s->code[0] == c && s->code[1] == c && s->code[2] == c;
}

static void look_at_characters(vch_yaml_scalar *s)
{
    bool indicators = starts_with(s, '-') || starts_with(s, '.');
    bool special = false;     /* only double quotes can show it */
    bool space_break = false; /* a blank before a line's end */
    bool break_space = false; /* a blank at a line's start */
    for (size_t i = 0; i < s->count; i++) {
        uint32_t c = s->code[i];
        indicators = indicators || is_indicator(s, i);
        special = special || (c != '\n' && (c < 0x20 || c > 0x7e));
        s->multiline = s->multiline || is_break(c);
        break_space = break_space || (c == ' ' && i > 0 && is_break(s->code[i - 1]));
        space_break = space_break || (is_break(c) && i > 0 && s->code[i - 1] == ' ');
    }
    uint32_t first = s->code[0];
    uint32_t last = s->code[s->count - 1];
    bool edges = first == ' ' || is_break(first) || last == ' ' || is_break(last);
    s->allow_single = !break_space && !space_break && !special;
    s->allow_plain = s->allow_single && !edges && !s->multiline && !indicators;
}

bool vch_yaml_scalar_look(const vch_yaml_node *node, vch_yaml_scalar *out)
{
    char room[64];
    const char *text = text_of(node, room, sizeof room);
    vch_yaml_scalar s = { .is_text = node->kind == VCH_YAML_STRING };
    vch_cursor c = vch_cursor_over(vch_span_str(text));
    s.code = calloc(c.rest.size + 1, sizeof *s.code);
    if (s.code == NULL)
        return false;
    while (c.rest.size > 0) {
        uint32_t code = vch_utf8_next(&c);
        s.code[s.count++] = code == UINT32_MAX ? 0xfffd : code;
    }
    s.empty = s.count == 0;
    s.allow_single = true;
    if (!s.empty)
        look_at_characters(&s);
    if (s.is_text && vch_yaml_tag_of(text) != VCH_YAML_TAG_STRING)
        s.allow_plain = false; /* it would be read as something else */
    *out = s;
    return true;
}

void vch_yaml_scalar_drop(vch_yaml_scalar *s)
{
    free(s->code);
    *s = (vch_yaml_scalar) { 0 };
}

/* Characters of a scalar that are ASCII by now. */
static void put_range(vch_yaml_pen *p, const vch_yaml_scalar *s, size_t start, size_t end)
{
    for (size_t i = start; i < end; i++)
        vch_buffer_u8(p->out, (uint8_t)s->code[i]);
    p->column += end - start;
}

/* Behind the run of blanks, or of other characters, that begins at `i`. */
static size_t run_end(const vch_yaml_scalar *s, size_t i, bool blanks)
{
    while (i < s->count && (s->code[i] == ' ') == blanks)
        i++;
    return i;
}

/* A single blank becomes a fold once the line is too long. */
static void write_plain(vch_yaml_pen *p, const vch_yaml_scalar *s, bool split)
{
    if (!p->whitespace)
        put_ascii(p, " ");
    p->whitespace = false;
    p->indention = false;
    for (size_t i = 0; i < s->count;) {
        size_t word = run_end(s, i, false);
        put_range(p, s, i, word);
        i = run_end(s, word, true);
        if (i == word + 1 && p->column > WIDTH && split) {
            vch_yaml_pen_indent(p);
            p->whitespace = false;
            p->indention = false;
        } else {
            put_range(p, s, word, i);
        }
    }
}

/* A line break inside is doubled, since a single one would be read as a blank. */
static size_t write_breaks(vch_yaml_pen *p, const vch_yaml_scalar *s, size_t i)
{
    vch_yaml_pen_line_break(p);
    for (; i < s->count && s->code[i] == '\n'; i++)
        vch_yaml_pen_line_break(p);
    vch_yaml_pen_indent(p);
    return i;
}

static void write_single_quoted(vch_yaml_pen *p, const vch_yaml_scalar *s, bool split)
{
    vch_yaml_pen_indicator(p, (vch_yaml_indicator) { .text = "'", .blank = true });
    for (size_t i = 0; i < s->count;) {
        size_t start = i;
        if (s->code[i] == '\n') {
            i = write_breaks(p, s, i);
        } else if (s->code[i] == ' ') {
            i = run_end(s, i, true);
            if (i == start + 1 && p->column > WIDTH && split && start != 0 && i != s->count)
                vch_yaml_pen_indent(p);
            else
                put_range(p, s, start, i);
        } else if (s->code[i] == '\'') {
            put_ascii(p, "''");
            i++;
        } else {
            put_range(p, s, i, i + 1);
            i++;
        }
    }
    vch_yaml_pen_indicator(p, (vch_yaml_indicator) { .text = "'" });
}

static void put_escape(vch_yaml_pen *p, uint32_t c)
{
    static const struct {
        uint32_t code;
        const char *text;
    } named[] = {
        { 0, "\\0" },     { 7, "\\a" },    { 8, "\\b" },    { 9, "\\t" },      { 10, "\\n" },
        { 11, "\\v" },    { 12, "\\f" },   { 13, "\\r" },   { 27, "\\e" },     { '"', "\\\"" },
        { '\\', "\\\\" }, { 0x85, "\\N" }, { 0xa0, "\\_" }, { 0x2028, "\\L" }, { 0x2029, "\\P" },
    };
    char text[16];
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (named[i].code == c) {
            put_ascii(p, named[i].text);
            return;
        }
    }
    if (c <= 0xff)
        (void)snprintf(text, sizeof text, "\\x%02X", (unsigned)c);
    else if (c <= 0xffff)
        (void)snprintf(text, sizeof text, "\\u%04X", (unsigned)c);
    else
        (void)snprintf(text, sizeof text, "\\U%08X", (unsigned)c);
    put_ascii(p, text);
}

static bool shown_as_is(uint32_t c)
{
    return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\';
}

/* Fold inside double quotes: a backslash ends the line, and one keeps a blank that follows. */
static void fold_double(vch_yaml_pen *p, const vch_yaml_scalar *s, size_t next)
{
    put_ascii(p, "\\");
    vch_yaml_pen_indent(p);
    p->whitespace = false;
    p->indention = false;
    if (s->code[next] == ' ')
        put_ascii(p, "\\");
}

/* `start` is the first character not yet written, `end` the one looked at. */
static void write_double_quoted(vch_yaml_pen *p, const vch_yaml_scalar *s, bool split)
{
    size_t start = 0;
    vch_yaml_pen_indicator(p, (vch_yaml_indicator) { .text = "\"", .blank = true });
    for (size_t end = 0; end <= s->count; end++) {
        bool at_end = end == s->count;
        if (at_end || !shown_as_is(s->code[end])) {
            put_range(p, s, start, end);
            start = end;
            if (!at_end) {
                put_escape(p, s->code[end]);
                start = end + 1;
            }
        }
        bool may_fold = end > 0 && end + 1 < s->count && (s->code[end] == ' ' || start >= end);
        size_t held = start < end ? end - start : 0;
        size_t column = start > end ? p->column - (start - end) : p->column + held;
        if (may_fold && column > WIDTH && split) {
            put_range(p, s, start, start + held);
            start += held;
            fold_double(p, s, start);
        }
    }
    vch_yaml_pen_indicator(p, (vch_yaml_indicator) { .text = "\"" });
}

bool vch_yaml_scalar_write(vch_yaml_pen *p, const vch_yaml_scalar *s, bool simple_key)
{
    bool fits_key = !simple_key || (!s->empty && !s->multiline);
    if (s->allow_plain && fits_key) {
        write_plain(p, s, !simple_key);
        return true;
    }
    if (s->allow_single && !(simple_key && s->multiline))
        write_single_quoted(p, s, !simple_key);
    else
        write_double_quoted(p, s, !simple_key);
    return false;
}
