#include "fed/runner/csv.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/scope.h"

typedef struct reader {
    const char *name;
    vch_cursor input;
    size_t line;   /* from 1 */
    size_t column; /* byte in the line, from 1: where the field in hand begins */
} reader;

typedef enum separator { SEPARATOR_COMMA, SEPARATOR_LINE, SEPARATOR_END } separator;

typedef struct field {
    vouch_span text;
    size_t line, column;
    separator after;
} field;

void vch_csv_drop(vch_csv *csv)
{
    free(csv->values);
    *csv = (vch_csv) { 0 };
}

/* The bytes up to the next comma or line end, and what ended them. */
static field next_field(reader *r)
{
    field f = { .line = r->line, .column = r->column, .after = SEPARATOR_END };
    vch_cursor start = r->input;
    size_t size = 0;
    while (r->input.rest.size > 0) {
        uint8_t byte = vch_cursor_u8(&r->input);
        if (byte == ',' || byte == '\n') {
            f.after = byte == ',' ? SEPARATOR_COMMA : SEPARATOR_LINE;
            break;
        }
        size++;
    }
    f.text = vch_cursor_take(&start, size);
    r->column += size + 1;
    if (f.after == SEPARATOR_LINE) {
        r->line++;
        r->column = 1;
    }
    if (f.after != SEPARATOR_COMMA && f.text.size > 0 && f.text.data[f.text.size - 1] == '\r')
        f.text.size--; /* \r\n */
    return f;
}

static vouch_code fail_at(const reader *r, const field *f, vouch_code code, const char *why,
                          vouch_error *err)
{
    return vouch_fail(err, code, "%s:%zu:%zu: %s", r->name, f->line, f->column, why);
}

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'
           || c == '-' || c == '.';
}

/* A name that is a number is data: a file without its header would lose a row in silence. */
static bool is_column_name(vouch_span text)
{
    if (text.size == 0 || text.size > VCH_CSV_MAX_FIELD)
        return false;
    bool letter = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!is_name_byte(c))
            return false;
        letter = letter || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    uint8_t first = text.data[0];
    return letter && !(first >= '0' && first <= '9') && first != '-' && first != '.';
}

static int compare_spans(const void *a, const void *b)
{
    const vouch_span *x = a;
    const vouch_span *y = b;
    size_t common = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->data, y->data, common);
    if (order != 0)
        return order;
    return (x->size > y->size) - (x->size < y->size);
}

static vouch_code check_distinct(const reader *r, vouch_span *names, size_t count, vouch_error *err)
{
    qsort(names, count, sizeof *names, compare_spans);
    for (size_t i = 1; i < count; i++) {
        if (vch_span_equal(names[i - 1], names[i]))
            return vouch_fail(err, VOUCH_E_FORMAT, "%s:1:1: column '%.*s' occurs twice", r->name,
                              (int)names[i].size, (const char *)names[i].data);
    }
    return VOUCH_OK;
}

static vouch_code read_header(reader *r, size_t *out_columns, vouch_error *err)
{
    VCH_SCOPED(vch_free_drop) vouch_span *names = calloc(VCH_CSV_MAX_COLUMNS, sizeof *names);
    if (names == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "%s: no memory for the column names", r->name);
    size_t count = 0;
    for (;;) {
        field f = next_field(r);
        if (count == VCH_CSV_MAX_COLUMNS)
            return fail_at(r, &f, VOUCH_E_LIMIT, "more than 4096 columns", err);
        if (!is_column_name(f.text))
            return fail_at(r, &f, VOUCH_E_FORMAT,
                           "not a column name; the first line must name the columns", err);
        names[count++] = f.text;
        if (f.after == SEPARATOR_END)
            return fail_at(r, &f, VOUCH_E_FORMAT, "no rows after the header", err);
        if (f.after == SEPARATOR_LINE)
            break;
    }
    vouch_code rc = check_distinct(r, names, count, err);
    if (rc == VOUCH_OK)
        *out_columns = count;
    return rc;
}

static size_t skip_digits(const char *text, size_t at)
{
    while (text[at] >= '0' && text[at] <= '9')
        at++;
    return at;
}

/* -?digits[.digits][e[+-]digits], the whole text: what strtod takes beyond this is refused. */
static bool is_decimal(const char *text)
{
    size_t at = text[0] == '-' ? 1 : 0;
    size_t end = skip_digits(text, at);
    if (end == at)
        return false;
    if (text[end] == '.') {
        at = end + 1;
        end = skip_digits(text, at);
        if (end == at)
            return false;
    }
    if (text[end] == 'e' || text[end] == 'E') {
        at = end + 1;
        if (text[at] == '+' || text[at] == '-')
            at++;
        end = skip_digits(text, at);
        if (end == at)
            return false;
    }
    return text[end] == '\0';
}

static vouch_code parse_number(const reader *r, const field *f, float *out, vouch_error *err)
{
    char text[VCH_CSV_MAX_FIELD + 1] = { 0 };
    if (f->text.size == 0)
        return fail_at(r, f, VOUCH_E_FORMAT, "empty field; a number is needed", err);
    if (f->text.size > VCH_CSV_MAX_FIELD)
        return fail_at(r, f, VOUCH_E_LIMIT, "a field of more than 64 bytes", err);
    vch_cursor c = vch_cursor_over(f->text);
    vch_cursor_copy(&c, text, f->text.size);
    if (strlen(text) != f->text.size || !is_decimal(text))
        return fail_at(r, f, VOUCH_E_FORMAT, "not a number", err);
    double value = strtod(text, NULL);
    if (!isfinite((float)value))
        return fail_at(r, f, VOUCH_E_LIMIT, "number out of float32's range", err);
    *out = (float)value;
    return VOUCH_OK;
}

static vouch_code read_row(reader *r, size_t columns, float *out, vouch_error *err)
{
    for (size_t i = 0; i < columns; i++) {
        field f = next_field(r);
        vouch_code rc = parse_number(r, &f, &out[i], err);
        if (rc != VOUCH_OK)
            return rc;
        bool last = i + 1 == columns;
        if (last && f.after == SEPARATOR_COMMA)
            return fail_at(r, &f, VOUCH_E_FORMAT, "more fields than the header has columns", err);
        if (!last && f.after != SEPARATOR_COMMA)
            return fail_at(r, &f, VOUCH_E_FORMAT, "fewer fields than the header has columns", err);
    }
    return VOUCH_OK;
}

static vouch_code read_rows(reader *r, vch_csv *csv, vouch_error *err)
{
    size_t cells = r->input.rest.size / 2 + 1; /* at most: a digit and a separator each */
    csv->values = calloc(cells, sizeof *csv->values);
    if (csv->values == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "%s: no memory for %zu numbers", r->name, cells);
    while (r->input.rest.size > 0) {
        float *row = csv->values + csv->row_count * csv->column_count;
        vouch_code rc = read_row(r, csv->column_count, row, err);
        if (rc != VOUCH_OK)
            return rc;
        csv->row_count++;
    }
    if (csv->row_count == 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "%s:2:1: no rows after the header", r->name);
    return VOUCH_OK;
}

vouch_code vch_csv_parse(const char *name, vouch_span text, vch_csv *out, vouch_error *err)
{
    if (text.size > VCH_CSV_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "%s: more than %zu bytes", name, VCH_CSV_MAX_SIZE);
    reader r = { .name = name, .input = vch_cursor_over(text), .line = 1, .column = 1 };
    vch_csv csv = { 0 };
    vouch_code rc = read_header(&r, &csv.column_count, err);
    if (rc == VOUCH_OK)
        rc = read_rows(&r, &csv, err);
    if (rc != VOUCH_OK) {
        vch_csv_drop(&csv);
        return rc;
    }
    *out = csv;
    return VOUCH_OK;
}
