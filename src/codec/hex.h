/* Hexadecimal text. Pure; share freely. */
#ifndef VCH_CODEC_HEX_H
#define VCH_CODEC_HEX_H

#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

/*
 * Exactly 2 * size digits, either case, nothing else, to `size` bytes. `out` is written only on
 * success. Fails with VOUCH_E_FORMAT; the text itself is not quoted in the error.
 */
VOUCH_MUST_CHECK vouch_code vch_hex_decode(vouch_span text, uint8_t *out, size_t size,
                                           vouch_error *err);

/* Lower-case digits and a NUL: `out` holds 2 * bytes.size + 1 characters. Returns `out`. */
const char *vch_hex_encode(vouch_span bytes, char *out);

#endif
