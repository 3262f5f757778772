#include "base/cursor.h"

#include <string.h>

vouch_span vch_cursor_take(vch_cursor *c, size_t size)
{
    if (c->failed || size > c->rest.size) {
        c->failed = true;
        return (vouch_span) { NULL, 0 };
    }
    vouch_span taken = { c->rest.data, size };
    c->rest.data += size;
    c->rest.size -= size;
    return taken;
}

void vch_cursor_copy(vch_cursor *c, void *out, size_t size)
{
    vouch_span from = vch_cursor_take(c, size);
    if (c->failed)
        memset(out, 0, size);
    else if (size > 0)
        memcpy(out, from.data, size);
}

static uint64_t little_endian(vch_cursor *c, size_t size)
{
    vouch_span from = vch_cursor_take(c, size);
    uint64_t value = 0;
    for (size_t i = from.size; i > 0; i--)
        value = (value << 8) | from.data[i - 1];
    return value;
}

static uint64_t big_endian(vch_cursor *c, size_t size)
{
    vouch_span from = vch_cursor_take(c, size);
    uint64_t value = 0;
    for (size_t i = 0; i < from.size; i++)
        value = (value << 8) | from.data[i];
    return value;
}

uint8_t vch_cursor_u8(vch_cursor *c)
{
    return (uint8_t)little_endian(c, 1);
}

uint16_t vch_cursor_u16le(vch_cursor *c)
{
    return (uint16_t)little_endian(c, 2);
}

uint32_t vch_cursor_u32le(vch_cursor *c)
{
    return (uint32_t)little_endian(c, 4);
}

uint64_t vch_cursor_u64le(vch_cursor *c)
{
    return little_endian(c, 8);
}

uint16_t vch_cursor_u16be(vch_cursor *c)
{
    return (uint16_t)big_endian(c, 2);
}

uint32_t vch_cursor_u32be(vch_cursor *c)
{
    return (uint32_t)big_endian(c, 4);
}

uint64_t vch_cursor_u64be(vch_cursor *c)
{
    return big_endian(c, 8);
}

vouch_code vch_cursor_finish(const vch_cursor *c, const char *what, vouch_error *err)
{
    if (c->failed)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "%s: ends too early", what);
    if (c->rest.size != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "%s: %zu bytes left over", what, c->rest.size);
    return VOUCH_OK;
}
