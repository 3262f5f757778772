/* Arithmetic on sizes that says when it does not fit. */
#ifndef VCH_BASE_SIZE_H
#define VCH_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "vouch/attributes.h"

/* *out = a + b, or false (and *out untouched in meaning) if it does not fit. */
VOUCH_MUST_CHECK static inline bool vch_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* *out = a * b, or false if it does not fit. */
VOUCH_MUST_CHECK static inline bool vch_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

#endif
