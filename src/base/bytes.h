/* Small questions about spans: equality, prefixes, text. */
#ifndef VCH_BASE_BYTES_H
#define VCH_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "vouch/span.h"

/* The bytes of a NUL-terminated string, without the NUL. Borrowed. */
static inline vouch_span vch_span_str(const char *text)
{
    return (vouch_span) { (const uint8_t *)text, strlen(text) };
}

/* Public data only; secrets are compared with vch_secret_equal. */
static inline bool vch_span_equal(vouch_span a, vouch_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool vch_span_is(vouch_span a, const char *text)
{
    return vch_span_equal(a, vch_span_str(text));
}

/* Are all bytes zero? True for an empty span. */
static inline bool vch_span_is_zero(vouch_span a)
{
    for (size_t i = 0; i < a.size; i++) {
        if (a.data[i] != 0)
            return false;
    }
    return true;
}

#endif
