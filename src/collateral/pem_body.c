#include "collateral/pem_body.h"

#include <stdbool.h>

/* The value of each digit; X: none, E: a line end. Neither is below 64. */
#define X 0xff
#define E 0xfe
#define DIGIT_END 64
/* clang-format off */
static const uint8_t values[256] = {
    X, X, X, X, X, X, X, X, X, X, E, X, X, E, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, 62, X, X, X, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X, X, X, X, X, X,
    X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X, X, X, X, X,
    X, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
};
/* clang-format on */

typedef struct decoder {
    uint32_t bits;    /* of the group of four that is being read */
    unsigned digits;  /* in it, padding included */
    unsigned padding; /* in it; above 0: nothing may follow */
    uint8_t *out;
    size_t size;
} decoder;

static void put_group(decoder *d, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        d->out[d->size++] = (uint8_t)(d->bits >> (16 - 8 * i));
    d->bits = 0;
    d->digits = 0;
}

/* One character, whatever it is; false if it may not stand there. */
static bool put_char(decoder *d, uint8_t c)
{
    uint8_t value = values[c];
    if (value == E)
        return true;
    if (c == '=' && d->digits >= 2) {
        d->padding++;
        value = 0;
    } else if (value >= DIGIT_END || d->padding > 0) {
        return false;
    }
    d->bits = d->bits << 6 | value;
    if (++d->digits < 4)
        return true;
    /* RFC 4648 s.3.5: bits that stand for no byte are zero. */
    if ((d->bits & ((1U << (8 * d->padding)) - 1)) != 0)
        return false;
    put_group(d, 3 - d->padding);
    return true;
}

vouch_code vch_pem_body_read(vouch_span body, uint8_t *out, size_t *out_size, vouch_error *err)
{
    decoder d = { .out = out };
    for (size_t i = 0; i < body.size;) {
        const uint8_t *c = body.data + i;
        if (d.digits == 0 && d.padding == 0 && body.size - i >= 4) {
            uint32_t a = values[c[0]];
            uint32_t b = values[c[1]];
            uint32_t e = values[c[2]];
            uint32_t f = values[c[3]];
            if ((a | b | e | f) < DIGIT_END) { /* nearly always: four digits in a line */
                d.bits = a << 18 | b << 12 | e << 6 | f;
                put_group(&d, 3);
                i += 4;
                continue;
            }
        }
        if (!put_char(&d, *c))
            return vouch_fail(err, VOUCH_E_FORMAT, "byte %zu of a PEM block is not base64", i);
        i++;
    }
    if (d.digits != 0 || d.size == 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "a PEM block ends inside its base64, or is empty");
    *out_size = d.size;
    return VOUCH_OK;
}
