/*
 * Tables of numbers from strict CSV: a header line of distinct column names, then one line of
 * numbers per row, comma-separated. No quoting, no blanks, no empty fields, no NaN, no infinity;
 * lines end in \n or \r\n. A fault is told as file:line:column. Pure: the caller reads the file.
 */
#ifndef VCH_FED_RUNNER_CSV_H
#define VCH_FED_RUNNER_CSV_H

#include <stddef.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CSV_MAX_SIZE ((size_t)256 << 20) /* bytes of text */
#define VCH_CSV_MAX_COLUMNS 4096
#define VCH_CSV_MAX_FIELD 64 /* bytes of one name or number */

typedef struct vch_csv {
    size_t row_count; /* the header is not counted */
    size_t column_count;
    float *values; /* row_count x column_count, row after row */
} vch_csv;

/*
 * Read a whole table.
 *
 * name  The file's name, for errors.
 * text  The file's bytes. Borrowed.
 * out   Set on VOUCH_OK, untouched otherwise. Release with vch_csv_drop().
 *
 * Fails with VOUCH_E_FORMAT, _LIMIT, _MEMORY. At least one row is demanded.
 */
VOUCH_MUST_CHECK vouch_code vch_csv_parse(const char *name, vouch_span text, vch_csv *out,
                                          vouch_error *err);

void vch_csv_drop(vch_csv *csv); /* frees; safe twice and on a zeroed table */

#endif
