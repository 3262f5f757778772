/* A file of state on its way to disk: what is appended is checked, sealed, written. */
#include <string.h>

#include "base/buffer.h"
#include "store/sealed_parts.h"

void vch_sealed_nonce(uint64_t chunk, uint8_t out[static VCH_AEAD_NONCE_SIZE])
{
    memset(out, 0, VCH_AEAD_NONCE_SIZE);
    for (size_t i = 0; i < 8; i++)
        out[VCH_AEAD_NONCE_SIZE - 1 - i] = (uint8_t)(chunk >> (8 * i));
}

/* A full chunk, or the last one. */
static vouch_code write_chunk(vch_sealed *s, uint64_t number, vouch_span content, vouch_error *err)
{
    uint8_t nonce[VCH_AEAD_NONCE_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = vch_buffer_with_cap(VCH_SEALED_CHUNK_ON_DISK);
    vch_buffer_reserve(&bytes, VCH_SEALED_CHUNK_ON_DISK);
    vch_sealed_nonce(number, nonce);
    vouch_code rc =
        vch_aead_seal(s->key.data, nonce, (vouch_span) { s->header, VCH_SEALED_BOUND_SIZE },
                      content, &bytes, err);
    return rc == VOUCH_OK ? vch_block_writer_put(&s->out, vch_buffer_span(&bytes), err) : rc;
}

uint8_t *vch_sealed_room(vch_sealed *s, size_t *out_size)
{
    uint64_t left = s->stamp.size - s->done;
    size_t size = 0;
    uint8_t *room = NULL;
    if (s->memory != NULL) {
        room = s->memory + s->done;
        size = VCH_SEALED_CHUNK;
    } else if (vch_sealed_is_sealed(s)) {
        size = VCH_SEALED_CHUNK - (size_t)(s->done % VCH_SEALED_CHUNK);
        room = s->chunk + VCH_SEALED_CHUNK - size;
    } else {
        room = vch_block_writer_room(&s->out, &size);
    }
    *out_size = size < left ? size : (size_t)left;
    return room;
}

/* `size` more bytes were put into the room. */
static vouch_code advance(vch_sealed *s, size_t size, vouch_error *err)
{
    s->done += size;
    if (s->memory != NULL)
        return VOUCH_OK;
    if (!vch_sealed_is_sealed(s))
        return vch_block_writer_commit(&s->out, size, err);
    if (s->done % VCH_SEALED_CHUNK != 0 && s->done != s->stamp.size)
        return VOUCH_OK;
    uint64_t number = (s->done - 1) / VCH_SEALED_CHUNK;
    vouch_span content = { s->chunk, (size_t)(s->done - number * VCH_SEALED_CHUNK) };
    return write_chunk(s, number, content, err);
}

static vouch_code check_takes(const vch_sealed *s, size_t size, vouch_error *err)
{
    if (s->reading || size > s->stamp.size - s->done)
        return vouch_fail(err, VOUCH_E_INTERNAL, "a file of state takes no %zu bytes more", size);
    return VOUCH_OK;
}

vouch_code vch_sealed_commit(vch_sealed *s, size_t size, vouch_error *err)
{
    size_t most = 0;
    vouch_code rc = check_takes(s, size, err);
    if (rc != VOUCH_OK)
        return rc;
    const uint8_t *bytes = vch_sealed_room(s, &most);
    if (size > most)
        return vouch_fail(err, VOUCH_E_INTERNAL, "%zu bytes in a room of %zu", size, most);
    rc = vch_gmac_update(s->gmac, (vouch_span) { bytes, size }, err);
    return rc == VOUCH_OK && size > 0 ? advance(s, size, err) : rc;
}

/* Whole blocks and chunks go from where they lie; the rest through the room. */
static vouch_code append_some(vch_sealed *s, vouch_span bytes, size_t *out_size, vouch_error *err)
{
    size_t most = 0;
    uint8_t *room = vch_sealed_room(s, &most);
    size_t step = vch_sealed_is_sealed(s) ? VCH_SEALED_CHUNK : VCH_BLOCK_SIZE;
    size_t n = bytes.size < most ? bytes.size : most;
    *out_size = n;
    if (n != step || s->memory != NULL) {
        memcpy(room, bytes.data, n);
        return vch_sealed_commit(s, n, err);
    }
    vouch_code rc = vch_gmac_update(s->gmac, (vouch_span) { bytes.data, n }, err);
    if (rc != VOUCH_OK)
        return rc;
    s->done += n;
    return vch_sealed_is_sealed(s)
               ? write_chunk(s, s->done / VCH_SEALED_CHUNK - 1, (vouch_span) { bytes.data, n }, err)
               : vch_block_writer_put(&s->out, (vouch_span) { bytes.data, n }, err);
}

vouch_code vch_sealed_append(vch_sealed *s, vouch_span bytes, vouch_error *err)
{
    vouch_code rc = check_takes(s, bytes.size, err);
    while (rc == VOUCH_OK && bytes.size > 0) {
        size_t n = 0;
        rc = append_some(s, bytes, &n, err);
        bytes = (vouch_span) { bytes.data + n, bytes.size - n };
    }
    return rc;
}
