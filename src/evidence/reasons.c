#include "evidence/reasons.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vch_reasons_drop(vch_reasons *r)
{
    free(r->list);
    *r = (vch_reasons) { 0 };
}

bool vch_reasons_any(const vch_reasons *r)
{
    return r->count > 0 || r->lost;
}

static vch_reason *next(vch_reasons *r)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity == 0 ? 4 : 2 * r->capacity;
        bool fits = capacity <= VCH_REASONS_MAX;
        vch_reason *list = fits ? realloc(r->list, capacity * sizeof *list) : NULL;
        if (list == NULL) {
            r->lost = true;
            r->out_of_memory = r->out_of_memory || fits;
            return NULL;
        }
        r->list = list;
        r->capacity = capacity;
    }
    r->list[r->count] = (vch_reason) { 0 };
    return &r->list[r->count++];
}

static void put_text(char out[static VCH_REASON_VALUE_SIZE], const char *text)
{
    (void)snprintf(out, VCH_REASON_VALUE_SIZE, "%s", text != NULL ? text : "");
}

static void put_hex(char out[static VCH_REASON_VALUE_SIZE], vouch_span bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t count = bytes.size;
    if (count > (VCH_REASON_VALUE_SIZE - 1) / 2)
        count = (VCH_REASON_VALUE_SIZE - 1) / 2;
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes.data[i] >> 4];
        out[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    out[2 * count] = '\0';
}

void vch_reasons_add_values(vch_reasons *r, const char *step, const char *code,
                            const char *expected, const char *actual, const char *fmt, ...)
{
    vch_reason *reason = next(r);
    if (reason == NULL)
        return;
    reason->step = step;
    reason->code = code;
    put_text(reason->expected, expected);
    put_text(reason->actual, actual);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(reason->message, sizeof reason->message, fmt, args);
    va_end(args);
}

void vch_reasons_add_bytes(vch_reasons *r, const char *step, const char *code, vouch_span expected,
                           vouch_span actual, const char *fmt, ...)
{
    vch_reason *reason = next(r);
    if (reason == NULL)
        return;
    reason->step = step;
    reason->code = code;
    put_hex(reason->expected, expected);
    put_hex(reason->actual, actual);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(reason->message, sizeof reason->message, fmt, args);
    va_end(args);
}

void vch_reasons_append(vch_reasons *r, const vch_reasons *more)
{
    for (size_t i = 0; i < more->count; i++) {
        vch_reason *reason = next(r);
        if (reason != NULL)
            *reason = more->list[i];
    }
    r->lost = r->lost || more->lost;
    r->out_of_memory = r->out_of_memory || more->out_of_memory;
}
