#include "net/http_head.h"

#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/cursor.h"

/* Take up to the next CRLF; false if there is none. */
static bool take_line(vch_cursor *c, vouch_span *out)
{
    const uint8_t *end = c->rest.size == 0 ? NULL : memchr(c->rest.data, '\n', c->rest.size);
    if (end == NULL)
        return false;
    size_t size = (size_t)(end - c->rest.data);
    vouch_span line = vch_cursor_take(c, size);
    (void)vch_cursor_u8(c);
    if (size == 0 || line.data[size - 1] != '\r')
        return false;
    *out = (vouch_span) { line.data, size - 1 };
    return true;
}

static bool is_token(vouch_span s)
{
    for (size_t i = 0; i < s.size; i++) {
        uint8_t ch = s.data[i];
        bool alphanumeric =
            (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z');
        if (!alphanumeric && (ch == 0 || strchr("!#$%&'*+-.^_`|~", ch) == NULL))
            return false;
    }
    return s.size > 0;
}

/* Printable ASCII, and blanks where asked. */
static bool is_visible(vouch_span s, bool blanks)
{
    for (size_t i = 0; i < s.size; i++) {
        uint8_t ch = s.data[i];
        bool blank = ch == ' ' || ch == '\t';
        if ((ch <= 0x20 || ch >= 0x7f) && !(blanks && blank))
            return false;
    }
    return true;
}

static vouch_span take_until(vouch_span *rest, uint8_t mark)
{
    const uint8_t *at = rest->size == 0 ? NULL : memchr(rest->data, mark, rest->size);
    size_t size = at == NULL ? rest->size : (size_t)(at - rest->data);
    vouch_span part = { rest->data, size };
    size_t skip = at == NULL ? size : size + 1;
    *rest = (vouch_span) { rest->data + skip, rest->size - skip };
    return part;
}

static int parse_request_line(vouch_span line, vch_http_head *out)
{
    out->method = take_until(&line, ' ');
    vouch_span target = take_until(&line, ' ');
    if (!is_token(out->method) || target.size == 0 || target.data[0] != '/'
        || !is_visible(target, false) || line.size != 8 || memcmp(line.data, "HTTP/", 5) != 0)
        return 400;
    bool is_1_0 = vch_span_is(line, "HTTP/1.0");
    if (!is_1_0 && !vch_span_is(line, "HTTP/1.1"))
        return 505;
    out->keep_alive = !is_1_0;
    out->path = take_until(&target, '?');
    out->query = target;
    return 0;
}

static int parse_field(vouch_span line, vch_http_head *out)
{
    if (out->field_count == VCH_HTTP_FIELDS_MAX)
        return 431;
    if (memchr(line.data, ':', line.size) == NULL)
        return 400;
    vch_http_field field = { .name = take_until(&line, ':') };
    while (line.size > 0 && (line.data[0] == ' ' || line.data[0] == '\t'))
        line = (vouch_span) { line.data + 1, line.size - 1 };
    while (line.size > 0 && (line.data[line.size - 1] == ' ' || line.data[line.size - 1] == '\t'))
        line.size--;
    field.value = line;
    if (!is_token(field.name) || !is_visible(line, true))
        return 400;
    out->fields[out->field_count++] = field;
    return 0;
}

static bool name_is(vouch_span name, const char *wanted)
{
    return name.size == strlen(wanted)
           && strncasecmp((const char *)name.data, wanted, name.size) == 0;
}

static size_t count_fields(const vch_http_head *head, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++)
        count += name_is(head->fields[i].name, name) ? 1 : 0;
    return count;
}

vouch_span vch_http_head_field(const vch_http_head *head, const char *name)
{
    for (size_t i = 0; i < head->field_count; i++) {
        if (name_is(head->fields[i].name, name))
            return head->fields[i].value;
    }
    return (vouch_span) { 0 };
}

static bool parse_size(vouch_span digits, uint64_t *out)
{
    uint64_t value = 0;
    if (digits.size == 0 || digits.size > 15) /* a petabyte: no sum of two can overflow */
        return false;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(digits.data[i] - '0');
    }
    *out = value;
    return true;
}

/* The fields that say how the rest is to be read. */
static int judge_fields(vch_http_head *out)
{
    if (count_fields(out, "Transfer-Encoding") > 0)
        return 411; /* chunks: none of our clients sends them */
    if (count_fields(out, "Host") > 1 || (out->keep_alive && count_fields(out, "Host") == 0))
        return 400;
    if (count_fields(out, "Content-Length") > 1)
        return 400;
    vouch_span size = vch_http_head_field(out, "Content-Length");
    if (size.data != NULL && !parse_size(size, &out->body_size))
        return 400;
    vouch_span expect = vch_http_head_field(out, "Expect");
    if (expect.data != NULL && !name_is(expect, "100-continue"))
        return 417;
    out->wants_continue = expect.data != NULL;
    if (name_is(vch_http_head_field(out, "Connection"), "close"))
        out->keep_alive = false;
    return 0;
}

static bool is_whole(vouch_span in, size_t *out_size)
{
    const uint8_t *end = in.size == 0 ? NULL : memmem(in.data, in.size, "\r\n\r\n", 4);
    *out_size = end == NULL ? 0 : (size_t)(end - in.data) + 4;
    return end != NULL;
}

static int parse_lines(vouch_span whole, vch_http_head *out)
{
    vch_cursor c = vch_cursor_over(whole);
    vouch_span line = { 0 };
    if (!take_line(&c, &line))
        return 400;
    int status = parse_request_line(line, out);
    while (status == 0) {
        if (!take_line(&c, &line))
            return 400;
        if (line.size == 0)
            break;
        status = parse_field(line, out);
    }
    if (status == 0 && c.rest.size > 0)
        status = 400;
    return status != 0 ? status : judge_fields(out);
}

vouch_code vch_http_head_parse(vouch_span in, size_t cap, vch_http_head *out, int *out_status,
                               vouch_error *err)
{
    vch_http_head head = { 0 };
    *out_status = 0;
    bool whole = is_whole(in, &head.size);
    if ((whole ? head.size : in.size) > cap) {
        *out_status = 431;
        return vouch_fail(err, VOUCH_E_LIMIT, "HTTP head of more than %zu bytes", cap);
    }
    if (!whole)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "HTTP head: no empty line yet");
    *out_status = parse_lines((vouch_span) { in.data, head.size }, &head);
    if (*out_status != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "HTTP head is answered %d", *out_status);
    *out = head;
    return VOUCH_OK;
}

static int hex_digit(uint8_t ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    if (ch >= 'a' && ch <= 'f')
        return ch - 'a' + 10;
    return ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

bool vch_http_decode_path(vouch_span in, char *out)
{
    vch_cursor c = vch_cursor_over(in);
    size_t n = 0;
    while (c.rest.size > 0) {
        uint8_t ch = vch_cursor_u8(&c);
        if (ch == '%') {
            int high = hex_digit(vch_cursor_u8(&c));
            int low = hex_digit(vch_cursor_u8(&c));
            if (c.failed || high < 0 || low < 0)
                return false;
            ch = (uint8_t)(high * 16 + low);
        }
        if (ch == 0)
            return false;
        out[n++] = (char)ch;
    }
    out[n] = '\0';
    return true;
}

bool vch_http_path_matches(const char *pattern, const char *path)
{
    size_t size = strlen(pattern);
    if (size >= 2 && strcmp(pattern + size - 2, "/*") == 0)
        return strncmp(pattern, path, size - 1) == 0;
    return strcmp(pattern, path) == 0;
}

bool vch_http_method_matches(const char *served, const char *asked)
{
    return strcmp(served, asked) == 0 || (strcmp(served, "GET") == 0 && strcmp(asked, "HEAD") == 0);
}
