/* Base64 of RFC 4648, strict: no blanks, no stray bits, one alphabet a text. Share freely. */
#ifndef VCH_CODEC_BASE64_H
#define VCH_CODEC_BASE64_H

#include <stddef.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* What a text may look like: at least one alphabet and at least one of the paddings. */
enum {
    VCH_BASE64_STANDARD = 1, /* '+' and '/' (RFC 4648 s.4) */
    VCH_BASE64_URL = 2,      /* '-' and '_' (RFC 4648 s.5) */
    VCH_BASE64_PADDED = 4,   /* filled with '=' to a multiple of four */
    VCH_BASE64_UNPADDED = 8  /* no '=' at all */
};

void vch_base64_encode(vouch_span bytes, vch_buffer *out);    /* standard, padded */
void vch_base64url_encode(vouch_span bytes, vch_buffer *out); /* URL alphabet, unpadded */

/*
 * Append the bytes that `text` stands for to `out`, whose cap is the limit. Nothing is appended on
 * failure. A text whose last character carries bits that are not zero is refused: otherwise two
 * texts would stand for the same bytes. Fails with VOUCH_E_FORMAT, _LIMIT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_base64_decode(vouch_span text, unsigned flavours, vch_buffer *out,
                                              vouch_error *err);

#endif
