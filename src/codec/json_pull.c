#include "codec/json_pull.h"

#include <string.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "codec/hex.h"
#include "codec/utf8.h"

#define END (-1)

static int peek(const vch_json_pull *p)
{
    if (p->why != NULL || p->at >= p->text.size)
        return END;
    return p->text.data[p->at];
}

void vch_json_pull_refuse(vch_json_pull *p, const char *why)
{
    if (p->why == NULL)
        p->why = why;
}

void vch_json_pull_no_memory(vch_json_pull *p)
{
    p->out_of_memory = p->out_of_memory || p->why == NULL;
    vch_json_pull_refuse(p, "out of memory");
}

static bool is_space(int c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int peek_past_space(vch_json_pull *p)
{
    while (is_space(peek(p)))
        p->at++;
    return peek(p);
}

/* Is `c` next (after white space)? Then it is read. */
static bool accept(vch_json_pull *p, char c)
{
    if (peek_past_space(p) != c)
        return false;
    p->at++;
    return true;
}

void vch_json_pull_start(vch_json_pull *p, vouch_span text)
{
    p->text = text;
    p->at = 0;
    p->why = NULL;
    p->out_of_memory = false;
    p->depth = 0;
    p->name_count = 0;
}

static void open_value(vch_json_pull *p, char begin, char close)
{
    if (!accept(p, begin)) {
        vch_json_pull_refuse(p, begin == '{' ? "an object is expected" : "an array is expected");
        return;
    }
    if (p->depth == VCH_JSON_PULL_DEPTH) {
        vch_json_pull_refuse(p, "nested too deeply");
        return;
    }
    p->open[p->depth].close = close;
    p->open[p->depth].begun = false;
    p->open[p->depth].first_name = p->name_count;
    p->depth++;
}

void vch_json_pull_object(vch_json_pull *p)
{
    open_value(p, '{', '}');
}

void vch_json_pull_array(vch_json_pull *p)
{
    open_value(p, '[', ']');
}

/* Is there another part in the innermost value, which must close with `close`? */
static bool another(vch_json_pull *p, char close)
{
    if (p->why != NULL || p->depth == 0 || p->open[p->depth - 1].close != close)
        return false;
    if (accept(p, close)) {
        p->depth--;
        p->name_count = p->open[p->depth].first_name;
        return false;
    }
    if (p->open[p->depth - 1].begun && !accept(p, ',')) {
        vch_json_pull_refuse(p, "a comma or the end of the value is expected");
        return false;
    }
    p->open[p->depth - 1].begun = true;
    return p->why == NULL;
}

static bool is_hex_digit(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void read_escape(vch_json_pull *p)
{
    p->at++; /* the backslash */
    int c = peek(p);
    if (c == END || (c != 'u' && memchr("\"\\/bfnrt", c, 8) == NULL)) {
        vch_json_pull_refuse(p, "an unknown escape in a string");
        return;
    }
    p->at++;
    for (int i = 0; c == 'u' && i < 4; i++) {
        if (!is_hex_digit(peek(p)))
            vch_json_pull_refuse(p, "an unknown escape in a string");
        p->at++;
    }
}

/* The content of a string; escapes are checked, not resolved, and refused unless allowed. */
static vouch_span read_string(vch_json_pull *p, bool escapes)
{
    if (!accept(p, '"')) {
        vch_json_pull_refuse(p, "a string is expected");
        return (vouch_span) { 0 };
    }
    size_t begin = p->at;
    bool ascii = true;
    for (int c = peek(p); c != '"'; c = peek(p)) {
        if (c < 0x20) { /* END too */
            vch_json_pull_refuse(p, "a string does not end, or holds a control character");
            return (vouch_span) { 0 };
        }
        if (c == '\\') {
            if (!escapes)
                vch_json_pull_refuse(p, "an escape in a string where none is needed");
            else
                read_escape(p);
        } else {
            ascii = ascii && c < 0x80;
            p->at++;
        }
    }
    vouch_span content = { p->text.data + begin, p->at - begin };
    p->at++;
    if (!ascii && !vch_utf8_valid(content))
        vch_json_pull_refuse(p, "a string is not UTF-8");
    return content;
}

static bool stands_already(const vch_json_pull *p, vouch_span name)
{
    for (size_t i = p->open[p->depth - 1].first_name; i < p->name_count; i++) {
        if (vch_span_equal(p->names[i], name))
            return true;
    }
    return false;
}

bool vch_json_pull_member(vch_json_pull *p, vouch_span *name)
{
    if (!another(p, '}'))
        return false;
    vouch_span found = read_string(p, false);
    if (p->why == NULL && !accept(p, ':'))
        vch_json_pull_refuse(p, "a colon is expected");
    if (p->why == NULL && stands_already(p, found))
        vch_json_pull_refuse(p, "a member stands twice");
    if (p->why == NULL && p->name_count == VCH_JSON_PULL_NAMES)
        vch_json_pull_refuse(p, "too many members");
    if (p->why != NULL)
        return false;
    p->names[p->name_count++] = found;
    *name = found;
    return true;
}

bool vch_json_pull_element(vch_json_pull *p)
{
    return another(p, ']');
}

vouch_span vch_json_pull_string(vch_json_pull *p)
{
    return read_string(p, false);
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

uint64_t vch_json_pull_uint(vch_json_pull *p, uint64_t max)
{
    if (!is_digit(peek_past_space(p))) {
        vch_json_pull_refuse(p, "a non-negative integer is expected");
        return 0;
    }
    bool zero = peek(p) == '0';
    uint64_t value = 0;
    size_t begin = p->at;
    for (int c = peek(p); is_digit(c); c = peek(p)) {
        uint64_t digit = (uint64_t)(c - '0');
        if (__builtin_mul_overflow(value, 10, &value)
            || __builtin_add_overflow(value, digit, &value))
            vch_json_pull_refuse(p, "a number is out of range");
        p->at++;
    }
    int after = peek(p);
    if (zero && p->at != begin + 1)
        vch_json_pull_refuse(p, "a number begins with a zero");
    if (after == '.' || after == 'e' || after == 'E')
        vch_json_pull_refuse(p, "a number is not a plain integer");
    if (value > max)
        vch_json_pull_refuse(p, "a number is out of range");
    return p->why == NULL ? value : 0;
}

void vch_json_pull_hex(vch_json_pull *p, uint8_t *out, size_t size)
{
    vouch_span text = read_string(p, false);
    memset(out, 0, size);
    if (p->why == NULL && vch_hex_decode(text, out, size, NULL) != VOUCH_OK)
        vch_json_pull_refuse(p, "a string is not the expected number of hex digits");
}

int64_t vch_json_pull_moment(vch_json_pull *p)
{
    int64_t unix_s = 0;
    vouch_span text = read_string(p, false);
    if (p->why == NULL && vch_moment_parse_utc(text, &unix_s, NULL) != VOUCH_OK)
        vch_json_pull_refuse(p, "a date is not of the form YYYY-MM-DDThh:mm:ssZ");
    return unix_s;
}

static size_t read_digits(vch_json_pull *p)
{
    size_t begin = p->at;
    while (is_digit(peek(p)))
        p->at++;
    return p->at - begin;
}

/* RFC 8259 s.6. */
static void skip_number(vch_json_pull *p)
{
    if (peek(p) == '-')
        p->at++;
    bool zero = peek(p) == '0';
    size_t digits = read_digits(p);
    bool good = digits > 0 && (!zero || digits == 1);
    if (peek(p) == '.') {
        p->at++;
        good = read_digits(p) > 0 && good;
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        good = read_digits(p) > 0 && good;
    }
    if (!good)
        vch_json_pull_refuse(p, "a value is expected");
}

static bool skip_word(vch_json_pull *p, const char *word)
{
    vouch_span w = vch_span_str(word);
    if (p->why != NULL || p->text.size - p->at < w.size
        || memcmp(p->text.data + p->at, word, w.size) != 0)
        return false;
    p->at += w.size;
    return true;
}

/* One value; of an object or array only its beginning. */
static void skip_begin(vch_json_pull *p)
{
    int c = peek_past_space(p);
    if (c == '{')
        vch_json_pull_object(p);
    else if (c == '[')
        vch_json_pull_array(p);
    else if (c == '"')
        (void)read_string(p, true);
    else if (!skip_word(p, "true") && !skip_word(p, "false") && !skip_word(p, "null"))
        skip_number(p);
}

void vch_json_pull_skip(vch_json_pull *p)
{
    size_t outside = p->depth;
    skip_begin(p);
    while (p->why == NULL && p->depth > outside) {
        vouch_span name;
        bool more = p->open[p->depth - 1].close == '}' ? vch_json_pull_member(p, &name)
                                                       : vch_json_pull_element(p);
        if (more)
            skip_begin(p);
    }
}

size_t vch_json_pull_position(vch_json_pull *p)
{
    (void)peek_past_space(p);
    return p->at;
}

vouch_code vch_json_pull_finish(vch_json_pull *p, const char *what, vouch_error *err)
{
    if (p->why == NULL && p->depth > 0)
        vch_json_pull_refuse(p, "a value is not closed");
    if (p->why == NULL && peek_past_space(p) != END)
        vch_json_pull_refuse(p, "something follows the value");
    if (p->why != NULL)
        return vouch_fail(err, p->out_of_memory ? VOUCH_E_MEMORY : VOUCH_E_FORMAT,
                          "%s: %s (byte %zu)", what, p->why, p->at);
    return VOUCH_OK;
}
