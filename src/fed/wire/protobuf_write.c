#include "fed/wire/protobuf.h"

size_t vch_pb_varint_size(uint64_t v)
{
    size_t size = 1;
    while (v >= 0x80) {
        v >>= 7;
        size++;
    }
    return size;
}

void vch_pb_put_varint(vch_buffer *b, uint64_t v)
{
    while (v >= 0x80) {
        vch_buffer_u8(b, (uint8_t)(0x80 | (v & 0x7F)));
        v >>= 7;
    }
    vch_buffer_u8(b, (uint8_t)v);
}

void vch_pb_put_tag(vch_buffer *b, uint32_t number, vch_pb_type type)
{
    vch_pb_put_varint(b, ((uint64_t)number << 3) | (uint64_t)type);
}

void vch_pb_put_int32(vch_buffer *b, uint32_t number, int32_t v)
{
    if (v == 0)
        return;
    vch_pb_put_tag(b, number, VCH_PB_VARINT);
    vch_pb_put_varint(b, (uint64_t)(int64_t)v); /* sign-extended, as every writer does */
}

void vch_pb_put_uint32(vch_buffer *b, uint32_t number, uint32_t v)
{
    if (v == 0)
        return;
    vch_pb_put_tag(b, number, VCH_PB_VARINT);
    vch_pb_put_varint(b, v);
}

void vch_pb_put_bool(vch_buffer *b, uint32_t number, bool v)
{
    vch_pb_put_uint32(b, number, v ? 1 : 0);
}

void vch_pb_put_head(vch_buffer *b, uint32_t number, size_t size)
{
    vch_pb_put_tag(b, number, VCH_PB_BYTES);
    vch_pb_put_varint(b, size);
}

void vch_pb_put_bytes_always(vch_buffer *b, uint32_t number, vouch_span v)
{
    vch_pb_put_head(b, number, v.size);
    vch_buffer_append(b, v);
}

void vch_pb_put_bytes(vch_buffer *b, uint32_t number, vouch_span v)
{
    if (v.size > 0)
        vch_pb_put_bytes_always(b, number, v);
}
