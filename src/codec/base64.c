#include "codec/base64.h"

#include <stdbool.h>
#include <stdint.h>

static const char standard_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Up to three bytes as digits; those that the bytes do not fill become '=', or nothing. */
static void encode_group(vouch_span in, const char *digits, bool padded, vch_buffer *out)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; i++)
        bits = (bits << 8) | (i < in.size ? in.data[i] : 0U);
    for (size_t i = 0; i < 4; i++) {
        if (i <= in.size)
            vch_buffer_u8(out, (uint8_t)digits[(bits >> (18 - 6 * i)) & 63]);
        else if (padded)
            vch_buffer_u8(out, '=');
    }
}

static void encode(vouch_span bytes, const char *digits, bool padded, vch_buffer *out)
{
    for (size_t at = 0; at < bytes.size; at += 3) {
        size_t left = bytes.size - at;
        encode_group((vouch_span) { bytes.data + at, left < 3 ? left : 3 }, digits, padded, out);
    }
}

void vch_base64_encode(vouch_span bytes, vch_buffer *out)
{
    encode(bytes, standard_digits, true, out);
}

void vch_base64url_encode(vouch_span bytes, vch_buffer *out)
{
    encode(bytes, url_digits, false, out);
}

/* The value of a digit, and in `flavours` only the alphabets that have it; -1 if none has. */
static int digit_value(uint8_t c, unsigned *flavours)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if ((c == '+' || c == '/') && (*flavours & VCH_BASE64_STANDARD) != 0) {
        *flavours &= ~(unsigned)VCH_BASE64_URL;
        return c == '+' ? 62 : 63;
    }
    if ((c == '-' || c == '_') && (*flavours & VCH_BASE64_URL) != 0) {
        *flavours &= ~(unsigned)VCH_BASE64_STANDARD;
        return c == '-' ? 62 : 63;
    }
    return -1;
}

/* How many characters are digits, the rest being the padding that the flavours ask for. */
static vouch_code count_digits(vouch_span text, unsigned flavours, size_t *out, vouch_error *err)
{
    size_t padding = 0;
    while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=')
        padding++;
    size_t count = text.size - padding;
    if (count % 4 == 1)
        return vouch_fail(err, VOUCH_E_FORMAT, "base64: %zu digits cannot be", count);
    size_t full = (4 - count % 4) % 4;
    bool padded = (flavours & VCH_BASE64_PADDED) != 0 && padding == full;
    bool unpadded = (flavours & VCH_BASE64_UNPADDED) != 0 && padding == 0;
    if (!padded && !unpadded)
        return vouch_fail(err, VOUCH_E_FORMAT, "base64: wrong padding");
    *out = count;
    return VOUCH_OK;
}

static vouch_code decode_digits(vouch_span text, unsigned flavours, uint8_t *out, vouch_error *err)
{
    uint32_t bits = 0;
    unsigned held = 0; /* bits not yet written */
    for (size_t i = 0; i < text.size; i++) {
        int value = digit_value(text.data[i], &flavours);
        if (value < 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "base64: character %zu is not allowed", i + 1);
        bits = (bits << 6) | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *out++ = (uint8_t)(bits >> held);
            bits &= (1U << held) - 1;
        }
    }
    if (bits != 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "base64: the last digit has stray bits");
    return VOUCH_OK;
}

vouch_code vch_base64_decode(vouch_span text, unsigned flavours, vch_buffer *out, vouch_error *err)
{
    vouch_code rc = vch_buffer_finish(out, "base64", err);
    if (rc != VOUCH_OK)
        return rc;
    size_t digits = 0;
    rc = count_digits(text, flavours, &digits, err);
    if (rc != VOUCH_OK)
        return rc;
    size_t size = digits / 4 * 3 + (digits % 4 == 0 ? 0 : digits % 4 - 1);
    if (size == 0)
        return VOUCH_OK;
    size_t before = out->size;
    uint8_t *at = vch_buffer_extend(out, size);
    if (at == NULL)
        return vch_buffer_finish(out, "base64", err);
    rc = decode_digits((vouch_span) { text.data, digits }, flavours, at, err);
    if (rc != VOUCH_OK)
        out->size = before;
    return rc;
}
