#include "codec/der.h"

#include <string.h>

/* The length in its shortest form; returns the number of bytes used, at most 5. */
static size_t encode_length(size_t length, uint8_t out[static 5])
{
    if (length < 0x80) {
        out[0] = (uint8_t)length;
        return 1;
    }
    size_t count = 1;
    while (count < 4 && length >> (8 * count) != 0)
        count++;
    out[0] = (uint8_t)(0x80U | count);
    for (size_t i = 0; i < count; i++)
        out[1 + i] = (uint8_t)(length >> (8 * (count - 1 - i)));
    return 1 + count;
}

static void put_header(vch_buffer *out, uint8_t tag, size_t length)
{
    uint8_t encoded[5];
    if (length > UINT32_MAX) { /* the reader takes no more */
        out->failed = VOUCH_E_LIMIT;
        return;
    }
    size_t size = encode_length(length, encoded);
    vch_buffer_u8(out, tag);
    vch_buffer_append(out, (vouch_span) { encoded, size });
}

void vch_der_put(vch_buffer *out, uint8_t tag, vouch_span content)
{
    put_header(out, tag, content.size);
    vch_buffer_append(out, content);
}

void vch_der_put_boolean(vch_buffer *out, bool v)
{
    put_header(out, VCH_DER_BOOLEAN, 1);
    vch_buffer_u8(out, v ? 0xff : 0x00);
}

void vch_der_put_magnitude(vch_buffer *out, vouch_span v)
{
    while (v.size > 0 && v.data[0] == 0)
        v = (vouch_span) { v.data + 1, v.size - 1 };
    bool sign_byte = v.size == 0 || v.data[0] >= 0x80;
    put_header(out, VCH_DER_INTEGER, v.size + (sign_byte ? 1 : 0));
    if (sign_byte)
        vch_buffer_u8(out, 0);
    vch_buffer_append(out, v);
}

void vch_der_put_uint(vch_buffer *out, uint64_t v)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(v >> (8 * (7 - i)));
    vch_der_put_magnitude(out, (vouch_span) { bytes, sizeof bytes });
}

void vch_der_put_bit_string(vch_buffer *out, vouch_span bytes)
{
    put_header(out, VCH_DER_BIT_STRING, bytes.size + 1);
    vch_buffer_u8(out, 0);
    vch_buffer_append(out, bytes);
}

void vch_der_put_null(vch_buffer *out)
{
    put_header(out, VCH_DER_NULL, 0);
}

size_t vch_der_begin(vch_buffer *out, uint8_t tag)
{
    vch_buffer_u8(out, tag);
    return out->size;
}

void vch_der_end(vch_buffer *out, size_t begun)
{
    uint8_t encoded[5];
    if (out->failed != VOUCH_OK)
        return;
    size_t length = out->size - begun;
    if (length > UINT32_MAX) {
        out->failed = VOUCH_E_LIMIT;
        return;
    }
    size_t size = encode_length(length, encoded);
    if (vch_buffer_extend(out, size) == NULL)
        return;
    memmove(out->data + begun + size, out->data + begun, length);
    memcpy(out->data + begun, encoded, size);
}
