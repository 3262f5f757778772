/*
 * Strict DER (X.690): reading and writing. The reader is sticky like vch_cursor: what is not there,
 * or not canonical, marks it failed and gives zero, and vch_der_finish decides once.
 *
 *     vch_der d = vch_der_over(in);
 *     vch_der inner = vch_der_enter(&d, VCH_DER_SEQUENCE);
 *     uint64_t version = vch_der_uint(&inner);
 *     vouch_span key = vch_der_bit_string(&inner);
 *     vch_der_leave(&d, &inner);                  // everything in it was read
 *     return vch_der_finish(&d, "the thing", err);
 *
 * Refused: lengths that are indefinite, not minimal or above 32 bits, tag numbers above 30,
 * INTEGERs that are not minimal, BOOLEANs other than 00 and FF, OIDs with padded arcs, bits set in
 * the unused part of a BIT STRING. Spans are borrowed from the input. Never branch or allocate on
 * a value before finish or a check of `failed`. One thread at a time.
 */
#ifndef VCH_CODEC_DER_H
#define VCH_CODEC_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "vouch/error.h"
#include "vouch/span.h"

enum {
    VCH_DER_BOOLEAN = 0x01,
    VCH_DER_INTEGER = 0x02,
    VCH_DER_BIT_STRING = 0x03,
    VCH_DER_OCTET_STRING = 0x04,
    VCH_DER_NULL = 0x05,
    VCH_DER_OID = 0x06,
    VCH_DER_ENUMERATED = 0x0a,
    VCH_DER_UTF8_STRING = 0x0c,
    VCH_DER_PRINTABLE_STRING = 0x13,
    VCH_DER_IA5_STRING = 0x16,
    VCH_DER_UTC_TIME = 0x17,
    VCH_DER_GENERALIZED_TIME = 0x18,
    VCH_DER_SEQUENCE = 0x30,
    VCH_DER_SET = 0x31
};
#define VCH_DER_CONTEXT(n) ((uint8_t)(0x80U | (n)))             /* [n] IMPLICIT, primitive */
#define VCH_DER_CONTEXT_CONSTRUCTED(n) ((uint8_t)(0xa0U | (n))) /* [n] EXPLICIT or constructed */

typedef struct vch_der {
    vch_cursor in;
    vouch_code failed; /* VOUCH_OK until something was refused; then for good */
    const char *why;   /* a constant sentence about it */
} vch_der;

typedef struct vch_der_element {
    uint8_t tag;
    vouch_span content;
    vouch_span whole; /* tag and length included: what a signature covers */
} vch_der_element;

vch_der vch_der_over(vouch_span in);
bool vch_der_more(const vch_der *d);              /* not failed, and bytes are left */
bool vch_der_peek(const vch_der *d, uint8_t tag); /* not failed, and the next element has `tag` */

vch_der_element vch_der_any(vch_der *d);           /* whatever comes next */
vouch_span vch_der_next(vch_der *d, uint8_t tag);  /* its content; another tag fails */
vch_der vch_der_enter(vch_der *d, uint8_t tag);    /* a reader over its content */
void vch_der_leave(vch_der *d, const vch_der *in); /* fails `d` if `in` failed or has bytes left */
void vch_der_refuse(vch_der *d, const char *why);  /* the caller's own rule; `why` is kept */

bool vch_der_boolean(vch_der *d);
uint64_t vch_der_uint(vch_der *d);         /* INTEGER from 0 to 2^64 - 1 */
uint64_t vch_der_enumerated(vch_der *d);   /* ENUMERATED, same range */
vouch_span vch_der_integer(vch_der *d);    /* any INTEGER: its two's complement bytes */
vouch_span vch_der_magnitude(vch_der *d);  /* INTEGER >= 0 without its sign byte; empty is 0 */
vouch_span vch_der_bit_string(vch_der *d); /* whole bytes only */
vouch_span vch_der_bits(vch_der *d,
                        uint8_t *unused); /* BIT STRING; `unused` 0..7 in the last byte */
void vch_der_null(vch_der *d);
vouch_span vch_der_oid(vch_der *d); /* the encoded arcs; compare with vch_oid_is */
int64_t vch_der_time(
    vch_der *d); /* UTCTime or GeneralizedTime, both to the second and in Z, as Unix seconds */

/* VOUCH_E_TRUNCATED, _FORMAT or _LIMIT if anything was refused or is left over. */
VOUCH_MUST_CHECK vouch_code vch_der_finish(const vch_der *d, const char *what, vouch_error *err);

/* OIDs in dotted text; arcs to 2^128 - 1. `dotted` of our own code must be well-formed. */
bool vch_oid_is(vouch_span oid, const char *dotted);
VOUCH_MUST_CHECK vouch_code vch_oid_text(vouch_span oid, vch_buffer *out, vouch_error *err);

/* Writing. A malformed OID text marks the buffer failed. */
void vch_der_put(vch_buffer *out, uint8_t tag, vouch_span content);
void vch_der_put_boolean(vch_buffer *out, bool v);
void vch_der_put_uint(vch_buffer *out, uint64_t v);
void vch_der_put_magnitude(vch_buffer *out, vouch_span v); /* INTEGER >= 0, big-endian, any size */
void vch_der_put_bit_string(vch_buffer *out, vouch_span bytes);
void vch_der_put_null(vch_buffer *out);
void vch_der_put_oid(vch_buffer *out, const char *dotted);
size_t vch_der_begin(vch_buffer *out, uint8_t tag); /* a constructed element: put its parts, then */
void vch_der_end(vch_buffer *out, size_t begun);    /* end it with what begin returned */

#endif
