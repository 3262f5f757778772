#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vch_buffer_drop(vch_buffer *b)
{
    free(b->data);
    *b = (vch_buffer) { .cap = b->cap };
}

static bool grow(vch_buffer *b, size_t wanted)
{
    if (wanted <= b->capacity)
        return true;
    size_t capacity = b->capacity == 0 ? 64 : b->capacity;
    while (capacity < wanted)
        capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
    uint8_t *data = realloc(b->data, capacity);
    if (data == NULL) {
        b->failed = VOUCH_E_MEMORY;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void vch_buffer_reserve(vch_buffer *b, size_t size)
{
    if (b->failed != VOUCH_OK || size <= b->capacity)
        return;
    if (size > b->cap) {
        b->failed = VOUCH_E_LIMIT;
        return;
    }
    uint8_t *data = realloc(b->data, size);
    if (data == NULL) {
        b->failed = VOUCH_E_MEMORY;
        return;
    }
    b->data = data;
    b->capacity = size;
}

uint8_t *vch_buffer_extend(vch_buffer *b, size_t size)
{
    if (b->failed != VOUCH_OK)
        return NULL;
    if (size > b->cap - b->size) {
        b->failed = VOUCH_E_LIMIT;
        return NULL;
    }
    if (!grow(b, b->size + size))
        return NULL;
    uint8_t *at = b->data + b->size;
    b->size += size;
    return at;
}

void vch_buffer_append(vch_buffer *b, vouch_span bytes)
{
    if (bytes.size == 0)
        return;
    uint8_t *at = vch_buffer_extend(b, bytes.size);
    if (at != NULL)
        memcpy(at, bytes.data, bytes.size);
}

void vch_buffer_append_str(vch_buffer *b, const char *text)
{
    vch_buffer_append(b, (vouch_span) { (const uint8_t *)text, strlen(text) });
}

void vch_buffer_append_fmt(vch_buffer *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (length < 0) {
        b->failed = VOUCH_E_FORMAT;
        return;
    }
    uint8_t *at = vch_buffer_extend(b, (size_t)length + 1);
    if (at == NULL)
        return;
    va_start(args, fmt);
    (void)vsnprintf((char *)at, (size_t)length + 1, fmt, args);
    va_end(args);
    b->size--; /* vsnprintf's NUL is not part of the bytes */
}

static void append_be(vch_buffer *b, uint64_t v, size_t size)
{
    uint8_t *at = vch_buffer_extend(b, size);
    for (size_t i = 0; at != NULL && i < size; i++)
        at[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
}

static void append_le(vch_buffer *b, uint64_t v, size_t size)
{
    uint8_t *at = vch_buffer_extend(b, size);
    for (size_t i = 0; at != NULL && i < size; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

void vch_buffer_u8(vch_buffer *b, uint8_t v)
{
    append_be(b, v, 1);
}

void vch_buffer_u16le(vch_buffer *b, uint16_t v)
{
    append_le(b, v, 2);
}

void vch_buffer_u32le(vch_buffer *b, uint32_t v)
{
    append_le(b, v, 4);
}

void vch_buffer_u32be(vch_buffer *b, uint32_t v)
{
    append_be(b, v, 4);
}

void vch_buffer_u64be(vch_buffer *b, uint64_t v)
{
    append_be(b, v, 8);
}

const char *vch_buffer_text(vch_buffer *b)
{
    if (b->failed != VOUCH_OK || !grow(b, b->size + 1))
        return NULL;
    b->data[b->size] = 0;
    return (const char *)b->data;
}

vouch_code vch_buffer_finish(const vch_buffer *b, const char *what, vouch_error *err)
{
    switch (b->failed) {
    case VOUCH_OK:
        return VOUCH_OK;
    case VOUCH_E_LIMIT:
        return vouch_fail(err, VOUCH_E_LIMIT, "%s: exceeds %zu bytes", what, b->cap);
    case VOUCH_E_MEMORY:
        return vouch_fail(err, VOUCH_E_MEMORY, "%s: out of memory", what);
    case VOUCH_E_TRUNCATED:
    case VOUCH_E_FORMAT:
    case VOUCH_E_UNSUPPORTED:
    case VOUCH_E_CRYPTO:
    case VOUCH_E_IO:
    case VOUCH_E_CONFIG:
    case VOUCH_E_NOT_FOUND:
    case VOUCH_E_NETWORK:
    case VOUCH_E_TIMEOUT:
    case VOUCH_E_REFUSED:
    case VOUCH_E_INTERNAL:
        break;
    }
    return vouch_fail(err, VOUCH_E_INTERNAL, "%s: could not be written", what);
}
