#include "codec/utf8.h"

/* What a first byte promises: how many bytes follow, and the least code point of that length. */
static unsigned following(uint8_t first, uint32_t *bits, uint32_t *least)
{
    if (first < 0x80) {
        *bits = first;
        *least = 0;
        return 0;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        *bits = first & 0x1fU;
        *least = 0x80;
        return 1;
    }
    if (first >= 0xe0 && first <= 0xef) {
        *bits = first & 0x0fU;
        *least = 0x800;
        return 2;
    }
    *bits = first & 0x07U;
    *least = first >= 0xf0 && first <= 0xf4 ? 0x10000 : UINT32_MAX; /* UINT32_MAX: never reached */
    return 3;
}

uint32_t vch_utf8_next(vch_cursor *c)
{
    vch_cursor ahead = *c;
    uint32_t value = 0;
    uint32_t least = 0;
    unsigned count = following(vch_cursor_u8(&ahead), &value, &least);
    vch_cursor after_one = ahead;
    bool good = !ahead.failed;
    for (unsigned i = 0; i < count && good; i++) {
        uint8_t byte = vch_cursor_u8(&ahead);
        good = !ahead.failed && (byte & 0xc0U) == 0x80;
        value = (value << 6) | (byte & 0x3fU);
    }
    good = good && value >= least && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
    *c = good ? ahead : after_one;
    return good ? value : UINT32_MAX;
}

bool vch_utf8_valid(vouch_span text)
{
    vch_cursor c = vch_cursor_over(text);
    while (c.rest.size > 0) {
        if (vch_utf8_next(&c) == UINT32_MAX)
            return false;
    }
    return true;
}
