#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/moment.h"

#define LINE_CAP ((size_t)8192)
#define TEXT_CAP ((size_t)1024) /* bytes of one text field before it is cut */

static const char hex_digits[] = "0123456789abcdef";

static bool is_plain(unsigned char ch)
{
    return ch >= 0x20 && ch < 0x7f && ch != '"' && ch != '\\';
}

/* JSON's escapes serve both formats, so that no peer can forge a line or a field. */
static void put_quoted(vch_buffer *b, const char *text)
{
    if (text == NULL)
        text = "";
    size_t size = strnlen(text, TEXT_CAP);
    vch_buffer_u8(b, '"');
    for (size_t i = 0; i < size; i++) {
        unsigned char ch = (unsigned char)text[i];
        if (is_plain(ch) || ch >= 0x80)
            vch_buffer_u8(b, ch);
        else
            vch_buffer_append_fmt(b, "\\u%04x", ch);
    }
    vch_buffer_append_str(b, text[size] == '\0' ? "\"" : "...\"");
}

static void put_hex(vch_buffer *b, vouch_span bytes)
{
    for (size_t i = 0; i < bytes.size && i < TEXT_CAP; i++) {
        vch_buffer_u8(b, (uint8_t)hex_digits[bytes.data[i] >> 4]);
        vch_buffer_u8(b, (uint8_t)hex_digits[bytes.data[i] & 15]);
    }
}

static bool needs_quotes(const char *text)
{
    if (text == NULL || *text == '\0')
        return true;
    for (const char *p = text; *p != '\0'; p++) {
        if (!is_plain((unsigned char)*p) || *p == ' ' || *p == '=')
            return true;
    }
    return strlen(text) > TEXT_CAP;
}

static void put_value(vch_buffer *b, const vch_log_field *f, bool json)
{
    switch (f->kind) {
    case VCH_FIELD_STR:
        if (json || needs_quotes(f->str))
            put_quoted(b, f->str);
        else
            vch_buffer_append_str(b, f->str);
        return;
    case VCH_FIELD_INT:
        vch_buffer_append_fmt(b, "%" PRId64, f->number);
        return;
    case VCH_FIELD_BOOL:
        vch_buffer_append_str(b, f->number != 0 ? "true" : "false");
        return;
    case VCH_FIELD_HEX:
        vch_buffer_append_str(b, json ? "\"" : "");
        put_hex(b, f->bytes);
        vch_buffer_append_str(b, json ? "\"" : "");
        return;
    }
}

static void put_time(vch_buffer *b, int64_t now_unix_ms)
{
    char text[VCH_MOMENT_TEXT_SIZE];
    (void)vch_moment_format(now_unix_ms / 1000, text);
    vch_buffer_append_fmt(b, "%.19s.%03dZ", text, (int)(now_unix_ms % 1000));
}

const char *vch_log_level_name(vch_log_level level)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    return (size_t)level < sizeof names / sizeof *names ? names[level] : "unknown";
}

static void put_line(vch_buffer *b, const vch_log *log, vch_log_level level, const char *event,
                     const vch_log_field *fields)
{
    int64_t now = log->now_unix_ms == NULL ? 0 : log->now_unix_ms(log->clock);
    vch_buffer_append_str(b, log->json ? "{\"time\":\"" : "");
    put_time(b, now);
    if (log->json)
        vch_buffer_append_fmt(b, "\",\"level\":\"%s\",\"event\":\"%s\"", vch_log_level_name(level),
                              event);
    else
        vch_buffer_append_fmt(b, " %-5s %s", vch_log_level_name(level), event);
    for (const vch_log_field *f = fields; f->name != NULL; f++) {
        vch_buffer_append_fmt(b, log->json ? ",\"%s\":" : " %s=", f->name);
        put_value(b, f, log->json);
    }
    vch_buffer_append_str(b, log->json ? "}\n" : "\n");
}

void vch_log_emit(const vch_log *log, vch_log_level level, const char *event,
                  const vch_log_field *fields)
{
    if (log == NULL || log->write_line == NULL || level > log->level)
        return;
    vch_buffer line = vch_buffer_with_cap(LINE_CAP);
    put_line(&line, log, level, event, fields);
    if (line.failed == VOUCH_OK)
        log->write_line(log->sink, (const char *)line.data, line.size);
    else /* too long or out of memory: the event itself must not be lost */
        log->write_line(log->sink, "log line lost: too long\n", 24);
    vch_buffer_drop(&line);
}
