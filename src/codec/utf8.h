/* UTF-8 (RFC 3629): shortest forms, no surrogates, at most U+10FFFF. Share freely. */
#ifndef VCH_CODEC_UTF8_H
#define VCH_CODEC_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "vouch/span.h"

/* The next code point; UINT32_MAX, with one byte read, if there is no well-formed one. */
uint32_t vch_utf8_next(vch_cursor *c);

bool vch_utf8_valid(vouch_span text);

#endif
