/* A file of state that goes along under another root. docs/protocol.md section 9. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "store/sealed_parts.h"

static vouch_code pour(vch_sealed *from, vch_sealed *to, vouch_error *err)
{
    uint64_t size = vch_sealed_stamp_of(from)->size;
    VCH_SCOPED(vch_free_drop) uint8_t *room = malloc(VCH_SEALED_CHUNK);
    vouch_code rc = VOUCH_OK;
    if (room == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to copy '%s'", from->path);
    for (uint64_t at = 0; rc == VOUCH_OK && at < size;) {
        uint64_t left = size - at;
        size_t n = left < VCH_SEALED_CHUNK ? (size_t)left : VCH_SEALED_CHUNK;
        rc = vch_sealed_read(from, at, room, n, err);
        if (rc == VOUCH_OK)
            rc = vch_sealed_append(to, (vouch_span) { room, n }, err);
        at += n;
    }
    return rc == VOUCH_OK ? vch_sealed_finish(to, err) : rc;
}

vouch_code vch_sealed_copy(const vch_sealed_place *from, const vch_sealed_place *to,
                           const char *name, vouch_error *err)
{
    char purpose[VCH_SEALED_PURPOSE_SIZE];
    vch_sealed_stamp stamp = { 0 };
    VCH_SCOPED(vch_sealed_drop) vch_sealed *old = NULL;
    VCH_SCOPED(vch_sealed_drop) vch_sealed *copy = NULL;
    vouch_code rc = vch_sealed_peek(from->directory, name, purpose, &stamp, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_sealed_options there = {
        .directory = from->directory, .name = name, .purpose = purpose, .root = from->root
    };
    const vch_sealed_options here = {
        .directory = to->directory, .name = name, .purpose = purpose, .root = to->root
    };
    rc = vch_sealed_open(&there, &stamp, false, &old, err);
    if (rc == VOUCH_OK)
        rc = vch_sealed_begin(&here, stamp.size, stamp.salt, &copy, err);
    if (rc == VOUCH_OK)
        rc = pour(old, copy, err);
    if (rc == VOUCH_OK)
        rc = vch_sealed_sync(copy, err);
    return rc == VOUCH_OK ? vch_sealed_publish(copy, err) : rc;
}

vouch_code vch_sealed_move(vch_sealed *s, const vch_sealed_place *to, vouch_error *err)
{
    VCH_SCOPED(vch_sealed_drop) vch_sealed *copy = NULL;
    if (s->path == NULL)
        return VOUCH_OK;
    if (!s->published)
        return vouch_fail(err, VOUCH_E_INTERNAL, "'%s' has no name yet", s->path);
    const vch_sealed_options there = { .directory = to->directory,
                                       .name = vch_sealed_name(s),
                                       .purpose = s->purpose,
                                       .root = to->root };
    vouch_code rc = vch_sealed_open(&there, &s->stamp, false, &copy, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_sealed was = *s;
    *s = *copy;
    s->owners = was.owners;
    *copy = was; /* closed here; whoever owns `s` owns the copy now */
    copy->owners = 0;
    return VOUCH_OK;
}
