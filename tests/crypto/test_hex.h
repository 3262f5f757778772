/* Published vectors are written as hex; tests only. */
#ifndef VCH_TESTS_CRYPTO_TEST_HEX_H
#define VCH_TESTS_CRYPTO_TEST_HEX_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vouch/span.h"

/* Decode into `room`; the test's own text, so junk is a broken test. */
static inline vouch_span test_hex(const char *text, uint8_t *room)
{
    size_t size = strlen(text) / 2;
    for (size_t i = 0; i < size; i++) {
        const char pair[3] = { text[2 * i], text[2 * i + 1], 0 };
        char *end = NULL;
        room[i] = (uint8_t)strtoul(pair, &end, 16);
        if (end != pair + 2)
            abort();
    }
    return (vouch_span) { room, size };
}

#endif
