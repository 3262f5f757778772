/*
 * JSON out: values are written to a buffer as they come; a fault (out of memory, past the cap, a
 * value where a key belongs) fails the buffer, which vch_buffer_finish tells. One thread at a time.
 *
 *     vch_json_writer w = vch_json_writer_over(&buffer, true);
 *     vch_json_begin_object(&w);
 *     vch_json_put_string(&w, "result", "ok");
 *     vch_json_key(&w, "reasons");
 *     vch_json_begin_array(&w);
 *     vch_json_end(&w);
 *     vch_json_end(&w);
 */
#ifndef VCH_CODEC_JSON_WRITER_H
#define VCH_CODEC_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "codec/json.h"
#include "vouch/span.h"

#define VCH_JSON_WRITER_MAX_DEPTH 32

typedef struct vch_json_writer {
    vch_buffer *out;
    bool pretty;     /* two blanks a level and line ends; otherwise no blank at all */
    bool after_key;  /* a key was written and awaits its value */
    unsigned depth;  /* open arrays and objects */
    uint32_t object; /* bit i: level i is an object */
    uint32_t filled; /* bit i: level i has a value already */
} vch_json_writer;

vch_json_writer vch_json_writer_over(vch_buffer *out, bool pretty); /* `out` is kept */

void vch_json_begin_object(vch_json_writer *w);
void vch_json_begin_array(vch_json_writer *w);
void vch_json_end(vch_json_writer *w); /* the innermost open one */
void vch_json_key(vch_json_writer *w, const char *name);

/* Values. Bytes that are not UTF-8 are written as U+FFFD, one for each. */
void vch_json_string(vch_json_writer *w, const char *text); /* NULL writes null */
void vch_json_string_span(vch_json_writer *w, vouch_span text);
void vch_json_int(vch_json_writer *w, int64_t v);
void vch_json_uint(vch_json_writer *w, uint64_t v);
void vch_json_real(vch_json_writer *w, double v); /* shortest text that reads back; NaN is null */
void vch_json_bool(vch_json_writer *w, bool v);
void vch_json_null(vch_json_writer *w);
void vch_json_hex(vch_json_writer *w, vouch_span bytes);       /* a string of lower-case hex */
void vch_json_base64(vch_json_writer *w, vouch_span bytes);    /* standard, padded */
void vch_json_moment(vch_json_writer *w, int64_t unix_s);      /* "2026-03-01T00:00:00Z" */
void vch_json_value(vch_json_writer *w, const vch_json *tree); /* compact, in the tree's order */
void vch_json_raw(vch_json_writer *w,
                  vouch_span json); /* copied: the caller knows that it is one */

/* A key and its value. */
void vch_json_put_string(vch_json_writer *w, const char *name, const char *text);
void vch_json_put_int(vch_json_writer *w, const char *name, int64_t v);
void vch_json_put_uint(vch_json_writer *w, const char *name, uint64_t v);
void vch_json_put_bool(vch_json_writer *w, const char *name, bool v);
void vch_json_put_hex(vch_json_writer *w, const char *name, vouch_span bytes);
void vch_json_put_moment(vch_json_writer *w, const char *name, int64_t unix_s);

#endif
