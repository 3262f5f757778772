#include "config/faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/yaml.h"

void vch_faults_done(vch_faults *f)
{
    free(f->item);
    *f = (vch_faults) { 0 };
}

/* Room for all is made at the first fault; without memory the fault is still counted. */
static char *next_text(vch_faults *f, bool warning)
{
    if (!warning)
        f->errors++;
    if (f->item == NULL)
        f->item = calloc(VCH_FAULT_MAX, sizeof *f->item);
    if (f->item == NULL || f->count == VCH_FAULT_MAX) {
        f->more++;
        return NULL;
    }
    f->item[f->count].warning = warning;
    return f->item[f->count++].text;
}

VOUCH_PRINTF(4, 0)
static void add(vch_faults *f, bool warning, vch_yaml_place at, const char *fmt, va_list args)
{
    char *text = next_text(f, warning);
    if (text == NULL)
        return;
    int used = 0;
    if (at.line > 0)
        used = snprintf(text, VCH_FAULT_TEXT_SIZE, "%s:%zu:%zu: ", at.file, at.line, at.column);
    else
        used = snprintf(text, VCH_FAULT_TEXT_SIZE, "%s: ", at.file);
    if (used < 0 || used >= VCH_FAULT_TEXT_SIZE)
        return;
    (void)vsnprintf(text + used, VCH_FAULT_TEXT_SIZE - (size_t)used, fmt, args);
}

void vch_faults_add(vch_faults *f, bool warning, const char *file, size_t line, size_t column,
                    const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(f, warning, (vch_yaml_place) { file, line, column }, fmt, args);
    va_end(args);
}

void vch_faults_at(vch_faults *f, const vch_yaml_node *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(f, false, vch_yaml_place_of(node), fmt, args);
    va_end(args);
}

void vch_faults_warn_at(vch_faults *f, const vch_yaml_node *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(f, true, vch_yaml_place_of(node), fmt, args);
    va_end(args);
}

vouch_code vch_faults_check(const vch_faults *f, vouch_error *err)
{
    if (f->out_of_memory)
        return vouch_fail(err, VOUCH_E_MEMORY, "out of memory while reading");
    if (f->errors == 0)
        return VOUCH_OK;
    const char *first = "out of memory while noting what is wrong";
    for (size_t i = f->count; i > 0; i--) {
        if (!f->item[i - 1].warning)
            first = f->item[i - 1].text;
    }
    if (f->errors == 1)
        return vouch_fail(err, VOUCH_E_CONFIG, "%s", first);
    return vouch_fail(err, VOUCH_E_CONFIG, "%.200s (and %zu more)", first, f->errors - 1);
}
