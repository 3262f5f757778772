/*
 * Deterministic CBOR (RFC 8949 s.4.2.1): unsigned integers, byte and text strings, arrays, maps,
 * tags, false, true, null. The reader is sticky like vch_cursor; vch_cbor_finish decides once.
 *
 *     vch_cbor c = vch_cbor_over(in);
 *     vch_cbor_map map = vch_cbor_map_enter(&c);
 *     vouch_span key;
 *     while (vch_cbor_map_text(&c, &map, &key))
 *         value = vch_cbor_bytes(&c);
 *     return vch_cbor_finish(&c, "claims", err);
 *
 * Refused: indefinite lengths, numbers not in their shortest form, map keys out of order or twice,
 * text that is not UTF-8, negative integers, floats, other simple values. Spans are borrowed from
 * the input. Never branch or allocate on a value before finish or a check of `failed`. One thread
 * at a time.
 */
#ifndef VCH_CODEC_CBOR_H
#define VCH_CODEC_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CBOR_MAX_DEPTH 16 /* arrays, maps and tags inside each other, in vch_cbor_skip */

typedef enum vch_cbor_type {
    VCH_CBOR_END = 0, /* nothing left, or the reader failed */
    VCH_CBOR_UINT,
    VCH_CBOR_BYTES,
    VCH_CBOR_TEXT,
    VCH_CBOR_ARRAY,
    VCH_CBOR_MAP,
    VCH_CBOR_TAG,
    VCH_CBOR_BOOL,
    VCH_CBOR_NULL,
    VCH_CBOR_OTHER /* something that this reader refuses */
} vch_cbor_type;

typedef struct vch_cbor {
    vch_cursor in;
    bool any_order;    /* see vch_cbor_over_unsorted */
    vouch_code failed; /* VOUCH_OK until something was refused; then for good */
    const char *why;   /* a constant sentence about it */
} vch_cbor;

typedef struct vch_cbor_map {
    size_t left;     /* entries not yet begun */
    vouch_span last; /* the encoding of the key before */
} vch_cbor_map;

vch_cbor vch_cbor_over(vouch_span in);
/* For other products' evidence: map keys in any order. The caller must refuse a key seen twice. */
vch_cbor vch_cbor_over_unsorted(vouch_span in);

vch_cbor_type vch_cbor_peek(const vch_cbor *c);
uint64_t vch_cbor_uint(vch_cbor *c);
vouch_span vch_cbor_bytes(vch_cbor *c);
vouch_span vch_cbor_text(vch_cbor *c);
bool vch_cbor_bool(vch_cbor *c);
void vch_cbor_null(vch_cbor *c);
uint64_t vch_cbor_tag(vch_cbor *c);
size_t vch_cbor_array_enter(vch_cbor *c); /* the number of items, at most the bytes that are left */
vch_cbor_map vch_cbor_map_enter(vch_cbor *c);

/* The next key, of text or of an integer; read its value next. False at the end and on failure. */
bool vch_cbor_map_text(vch_cbor *c, vch_cbor_map *map, vouch_span *key);
bool vch_cbor_map_uint(vch_cbor *c, vch_cbor_map *map, uint64_t *key);

vouch_span vch_cbor_skip(vch_cbor *c); /* one whole item, checked throughout: its encoding */
void vch_cbor_refuse(vch_cbor *c, const char *why); /* the caller's own rule; `why` is kept */

/* VOUCH_E_TRUNCATED, _FORMAT or _LIMIT if anything was refused or is left over. */
VOUCH_MUST_CHECK vouch_code vch_cbor_finish(const vch_cbor *c, const char *what, vouch_error *err);

/* Is this exactly one item in the form above? For what our own writers made, and before storing. */
VOUCH_MUST_CHECK vouch_code vch_cbor_check(vouch_span item, const char *what, vouch_error *err);

/* Writing. The caller puts as many items as it announced, and map keys in order. */
void vch_cbor_put_uint(vch_buffer *out, uint64_t v);
void vch_cbor_put_bytes(vch_buffer *out, vouch_span v);
void vch_cbor_put_text(vch_buffer *out, const char *v);
void vch_cbor_put_bool(vch_buffer *out, bool v);
void vch_cbor_put_null(vch_buffer *out);
void vch_cbor_put_tag(vch_buffer *out, uint64_t tag);
void vch_cbor_put_array(vch_buffer *out, size_t count);
void vch_cbor_put_map(vch_buffer *out, size_t count);

typedef struct vch_cbor_entry {
    const char *key;
    vouch_span value;
} vch_cbor_entry;

/* A map from text to byte strings, given in any order, each key once. */
void vch_cbor_put_entries(vch_buffer *out, const vch_cbor_entry *entries, size_t count);

#endif
