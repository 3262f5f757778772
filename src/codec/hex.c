#include "codec/hex.h"

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

vouch_code vch_hex_decode(vouch_span text, uint8_t *out, size_t size, vouch_error *err)
{
    if (text.size / 2 != size || text.size % 2 != 0)
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "%zu characters; %zu bytes need twice as many "
                          "hexadecimal digits",
                          text.size, size);
    for (size_t i = 0; i < text.size; i++) {
        if (digit(text.data[i]) < 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "character %zu is not a hexadecimal digit",
                              i + 1);
    }
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(digit(text.data[2 * i]) * 16 + digit(text.data[2 * i + 1]));
    return VOUCH_OK;
}

const char *vch_hex_encode(vouch_span bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        out[2 * i] = digits[bytes.data[i] >> 4];
        out[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    out[2 * bytes.size] = 0;
    return out;
}
