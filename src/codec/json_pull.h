/*
 * Read JSON (RFC 8259) from front to back without building a tree: for signed documents, whose
 * exact bytes matter and whose shape is known. Sticky like vch_cursor: a fault makes every later
 * call give nothing, and vch_json_pull_finish decides once. Allocates nothing. One thread at a time.
 *
 *     vch_json_pull_object(&p);
 *     for (vouch_span name; vch_json_pull_member(&p, &name);) {
 *         if (vch_span_is(name, "svn"))
 *             svn = vch_json_pull_uint(&p, 255);
 *         else
 *             vch_json_pull_skip(&p);
 *     }
 *
 * Refused at every level, also inside what is skipped: the same member twice in an object, a member
 * name with an escape, NULs, text that is not UTF-8, more than VCH_JSON_PULL_DEPTH levels. Never
 * branch or allocate on a value before finish or a check of `why`.
 */
#ifndef VCH_CODEC_JSON_PULL_H
#define VCH_CODEC_JSON_PULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_JSON_PULL_DEPTH 32
#define VCH_JSON_PULL_NAMES 256 /* members of all objects that are open at one time */

typedef struct vch_json_pull {
    vouch_span text;
    size_t at;          /* bytes read */
    const char *why;    /* NULL until something was refused; then for good; a constant sentence */
    bool out_of_memory; /* that is why: the caller's own memory, none is needed here */
    size_t depth;
    struct {
        char close; /* '}' or ']' */
        bool begun; /* a member or element was read */
        size_t first_name;
    } open[VCH_JSON_PULL_DEPTH];
    size_t name_count;
    vouch_span names[VCH_JSON_PULL_NAMES]; /* of the objects that are open */
} vch_json_pull;

/* Begin to read `text`; `p` needs no initial value. */
void vch_json_pull_start(vch_json_pull *p, vouch_span text);

/* An object or array begins; then ask _member or _element until it says false. */
void vch_json_pull_object(vch_json_pull *p);
void vch_json_pull_array(vch_json_pull *p);

/* The next member's name, its value to be read next; false at the end, which closes the object. */
bool vch_json_pull_member(vch_json_pull *p, vouch_span *name);
bool vch_json_pull_element(vch_json_pull *p);

/* A string without escapes: its bytes. */
vouch_span vch_json_pull_string(vch_json_pull *p);

/* A plain decimal integer from 0 to `max`: no sign, fraction, exponent or leading zero. */
uint64_t vch_json_pull_uint(vch_json_pull *p, uint64_t max);

/* A string of exactly 2 * size hex digits, either case. `out` is zeroed on failure. */
void vch_json_pull_hex(vch_json_pull *p, uint8_t *out, size_t size);

/* A string `YYYY-MM-DDThh:mm:ssZ`, as Unix seconds. */
int64_t vch_json_pull_moment(vch_json_pull *p);

/* Any value, checked like the rest. */
void vch_json_pull_skip(vch_json_pull *p);

/* Bytes read so far, white space before the next value included: to note where a value stands. */
size_t vch_json_pull_position(vch_json_pull *p);

/* The caller's own rule; `why` is kept. */
void vch_json_pull_refuse(vch_json_pull *p, const char *why);

/* The caller has no memory for what it reads. */
void vch_json_pull_no_memory(vch_json_pull *p);

/* VOUCH_E_FORMAT if anything was refused, a value is open, or more than white space follows;
 * VOUCH_E_MEMORY if the caller ran out of it first. */
VOUCH_MUST_CHECK vouch_code vch_json_pull_finish(vch_json_pull *p, const char *what,
                                                 vouch_error *err);

#endif
