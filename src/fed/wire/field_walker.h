/*
 * Walk a protobuf message of any size as its bytes arrive, in pieces of any size, holding no more
 * than one small field. The owner says for each length-delimited field whether to collect it, pass
 * it on piece by piece, or skip it. One thread at a time. transport.md section 1.
 */
#ifndef VCH_FED_WIRE_FIELD_WALKER_H
#define VCH_FED_WIRE_FIELD_WALKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef enum vch_field_take {
    VCH_FIELD_SKIP = 0,
    VCH_FIELD_COLLECT = 1, /* `bytes` is called once, with all of it */
    VCH_FIELD_PASS = 2     /* `bytes` is called for each piece, then `end` */
} vch_field_take;

/* Functions of the owner; a code other than VOUCH_OK stops the walk for good. */
typedef struct vch_field_sink {
    vouch_code (*begin)(void *context, uint32_t number, uint64_t size, vch_field_take *out,
                        vouch_error *err);
    vouch_code (*value)(void *context, uint32_t number, uint64_t value, vouch_error *err);
    vouch_code (*bytes)(void *context, uint32_t number, vouch_span bytes, vouch_error *err);
    vouch_code (*end)(void *context, uint32_t number, vouch_error *err);
} vch_field_sink;

typedef struct vch_field_walker {
    const vch_field_sink *sink; /* kept */
    void *context;              /* kept */
    const char *what;           /* the message's name, for errors */
    vch_buffer collected;       /* its cap bounds what may be collected */
    uint64_t number;            /* varint being read: value so far and its bits */
    unsigned bits;
    uint64_t left; /* bytes left of the present field */
    uint32_t field;
    uint32_t state;
    vch_field_take take;
    bool broken;
} vch_field_walker;

/* `collect_max`: bytes that one collected field may have. */
void vch_field_walker_init(vch_field_walker *w, const vch_field_sink *sink, void *context,
                           const char *what, size_t collect_max);
void vch_field_walker_done(vch_field_walker *w);

/* Start over, for the next message of the same kind. */
void vch_field_walker_reset(vch_field_walker *w);

VOUCH_MUST_CHECK vouch_code vch_field_walker_feed(vch_field_walker *w, vouch_span bytes,
                                                  vouch_error *err);

/* The message has ended: VOUCH_E_TRUNCATED inside a field. */
VOUCH_MUST_CHECK vouch_code vch_field_walker_finish(vch_field_walker *w, vouch_error *err);

#endif
