#include "crypto/pem.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/openssl_error.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define LABEL_MAX_SIZE 40
#define LINE_CHARS ((size_t)64)

static vouch_span after(vouch_span s, size_t size)
{
    return (vouch_span) { s.data + size, s.size - size };
}

/* One line without its end (LF or CRLF), taken off `rest`. */
static vouch_span take_line(vouch_span *rest)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    vouch_span line = { rest->data, size };
    *rest = after(*rest, end == NULL ? size : size + 1);
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    return line;
}

static bool is_blank(vouch_span line)
{
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    }
    return true;
}

static bool starts_with(vouch_span line, const char *text)
{
    size_t size = strlen(text);
    return line.size >= size && memcmp(line.data, text, size) == 0;
}

/* The label between `prefix` and the closing dashes; empty if the line is not of that form. */
static vouch_span label_of(vouch_span line, const char *prefix)
{
    size_t prefix_size = strlen(prefix);
    size_t dashes = sizeof DASHES - 1;
    while (line.size > 0 && (line.data[line.size - 1] == ' ' || line.data[line.size - 1] == '\t'))
        line.size--;
    if (!starts_with(line, prefix) || line.size <= prefix_size + dashes
        || memcmp(line.data + line.size - dashes, DASHES, dashes) != 0)
        return (vouch_span) { 0 };
    vouch_span label = { line.data + prefix_size, line.size - prefix_size - dashes };
    if (label.size > LABEL_MAX_SIZE)
        return (vouch_span) { 0 };
    return label;
}

/* Walk to the next BEGIN line; an empty label means the end of the input. */
static vouch_code find_begin(vch_pem_reader *r, vouch_span *out_label, vouch_error *err)
{
    while (r->rest.size > 0) {
        if (vch_span_is_zero(r->rest)) { /* quotes end their certificates with a NUL */
            r->rest = (vouch_span) { 0 };
            return VOUCH_OK;
        }
        vouch_span line = take_line(&r->rest);
        vouch_span label = label_of(line, BEGIN);
        if (label.size > 0) {
            *out_label = label;
            return VOUCH_OK;
        }
        if (!is_blank(line) && r->text != VCH_PEM_TEXT_BEFORE)
            return vouch_fail(err, VOUCH_E_FORMAT, "PEM: text that is not in a block");
    }
    return VOUCH_OK;
}

vouch_code vch_pem_next(vch_pem_reader *r, vch_pem_block *out, bool *out_found, vouch_error *err)
{
    if (r->rest.size > VCH_PEM_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "PEM: %zu bytes, more than %zu", r->rest.size,
                          VCH_PEM_MAX_SIZE);
    vouch_span label = { 0 };
    vouch_code rc = find_begin(r, &label, err);
    if (rc != VOUCH_OK)
        return rc;
    if (label.size == 0) {
        *out_found = false;
        return VOUCH_OK;
    }
    vouch_span body = { r->rest.data, 0 };
    while (r->rest.size > 0) {
        vouch_span line = take_line(&r->rest);
        if (starts_with(line, DASHES)) {
            if (!vch_span_equal(label_of(line, END), label))
                return vouch_fail(err, VOUCH_E_FORMAT, "PEM: a block that ends under another name");
            *out = (vch_pem_block) { label, body };
            *out_found = true;
            return VOUCH_OK;
        }
        body.size = (size_t)(r->rest.data - body.data);
    }
    return vouch_fail(err, VOUCH_E_FORMAT, "PEM: a block without an end");
}

size_t vch_pem_body_bound(const vch_pem_block *block)
{
    return block->body.size / 4 * 3 + 3;
}

static bool is_line_end(uint8_t c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/* The value of one base64 digit, or -1. */
static int digit_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

vouch_code vch_pem_body_decode(const vch_pem_block *block, uint8_t *out, size_t *out_size,
                               vouch_error *err)
{
    uint32_t bits = 0;
    unsigned digits = 0;
    unsigned padding = 0;
    size_t size = 0;
    for (size_t i = 0; i < block->body.size; i++) {
        uint8_t c = block->body.data[i];
        if (is_line_end(c))
            continue;
        int value = digit_value(c);
        if (c == '=')
            padding++;
        else if (value < 0 || padding > 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "PEM: byte %zu of a block is not base64", i);
        bits = bits << 6 | (c == '=' ? 0 : (uint32_t)value);
        if (++digits % 4 != 0)
            continue;
        if (padding > 2 || (padding > 0 && (bits & (padding == 1 ? 0xffU : 0xffffU)) != 0))
            return vouch_fail(err, VOUCH_E_FORMAT, "PEM: the end of a block is not base64");
        out[size++] = (uint8_t)(bits >> 16);
        if (padding < 2)
            out[size++] = (uint8_t)(bits >> 8);
        if (padding < 1)
            out[size++] = (uint8_t)bits;
        bits = 0;
    }
    vch_wipe(&bits, sizeof bits);
    if (digits % 4 != 0 || size == 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "PEM: the end of a block is not base64");
    *out_size = size;
    return VOUCH_OK;
}

vouch_code vch_pem_next_der(vch_pem_reader *r, const char *label, vch_buffer *out, vouch_error *err)
{
    vch_pem_block block = { 0 };
    bool found = false;
    vouch_code rc = vch_pem_next(r, &block, &found, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!found)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "PEM: no further '%s' block", label);
    if (!vch_span_is(block.label, label))
        return vouch_fail(err, VOUCH_E_FORMAT, "PEM: a block of another kind than '%s'", label);
    uint8_t *to = vch_buffer_extend(out, vch_pem_body_bound(&block));
    if (to == NULL)
        return vch_buffer_finish(out, "PEM block", err);
    size_t size = 0;
    rc = vch_pem_body_decode(&block, to, &size, err);
    out->size -= vch_pem_body_bound(&block);
    if (rc == VOUCH_OK)
        out->size += size;
    return rc;
}

vouch_code vch_pem_decode_one(vouch_span pem, const char *label, vch_pem_text text, vch_buffer *out,
                              vouch_error *err)
{
    vch_pem_reader reader = { .rest = pem, .text = text };
    size_t before = out->size;
    vouch_code rc = vch_pem_next_der(&reader, label, out, err);
    if (rc != VOUCH_OK)
        return rc;
    bool more = false;
    vch_pem_block block = { 0 };
    rc = vch_pem_next(&reader, &block, &more, err);
    if (rc == VOUCH_OK && more)
        rc = vouch_fail(err, VOUCH_E_FORMAT, "PEM: more than one block");
    if (rc != VOUCH_OK)
        out->size = before;
    return rc;
}

void vch_pem_encode(const char *label, vouch_span der, vch_buffer *out)
{
    vch_buffer_append_fmt(out, BEGIN "%s" DASHES "\n", label);
    for (size_t at = 0; at < der.size; at += LINE_CHARS / 4 * 3) {
        size_t left = der.size - at;
        size_t take = left < LINE_CHARS / 4 * 3 ? left : LINE_CHARS / 4 * 3;
        uint8_t line[LINE_CHARS + 1];
        int size = EVP_EncodeBlock(line, der.data + at, (int)take);
        vch_buffer_append(out, (vouch_span) { line, (size_t)size });
        vch_buffer_u8(out, '\n');
    }
    vch_buffer_append_fmt(out, END "%s" DASHES "\n", label);
}
