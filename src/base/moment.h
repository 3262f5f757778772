/* Points in time as Unix seconds, and their RFC 3339 text. Pure: nothing here reads a clock. */
#ifndef VCH_BASE_MOMENT_H
#define VCH_BASE_MOMENT_H

#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_MOMENT_TEXT_SIZE 21                     /* "2026-03-01T00:00:00Z" and its NUL */
#define VCH_MOMENT_MAX_UNIX_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/*
 * A calendar date and time in UTC to Unix seconds; years 1 to 9999, no leap seconds.
 * Fails with VOUCH_E_FORMAT if there is no such date.
 */
VOUCH_MUST_CHECK vouch_code vch_moment_from_utc(int year, int month, int day, int hour, int minute,
                                                int second, int64_t *out_unix_s, vouch_error *err);

/* Exactly `YYYY-MM-DDThh:mm:ssZ`, as in Intel's collateral. */
VOUCH_MUST_CHECK vouch_code vch_moment_parse_utc(vouch_span text, int64_t *out_unix_s,
                                                 vouch_error *err);

/* What a user may type: RFC 3339 with any offset (fractions of a second are cut), or Unix seconds.
 */
VOUCH_MUST_CHECK vouch_code vch_moment_parse(vouch_span text, int64_t *out_unix_s,
                                             vouch_error *err);

/* `YYYY-MM-DDThh:mm:ssZ`; a moment outside the years 1 to 9999 is clamped. Returns `out`. */
const char *vch_moment_format(int64_t unix_s, char out[static VCH_MOMENT_TEXT_SIZE]);

#endif
