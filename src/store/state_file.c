#include "store/state_file.h"

#include <stdio.h>
#include <string.h>

#include "codec/hex.h"
#include "crypto/rand.h"

#define RANDOM_SIZE ((size_t)12)

vouch_code vch_state_file_draw(const char *purpose, char out[static VCH_STATE_FILE_NAME_SIZE],
                               vouch_error *err)
{
    uint8_t draw[RANDOM_SIZE];
    char hex[2 * RANDOM_SIZE + 1];
    vouch_code rc = vch_random_bytes(draw, sizeof draw, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)vch_hex_encode((vouch_span) { draw, sizeof draw }, hex);
    (void)snprintf(out, VCH_STATE_FILE_NAME_SIZE, "%.16s-%s", purpose, hex);
    return VOUCH_OK;
}

void vch_state_file_put(const vch_state_file *file, vch_buffer *out)
{
    const vch_sealed_stamp *stamp = &file->stamp;
    if (file->name[0] == '\0') {
        vch_cbor_put_null(out);
        return;
    }
    vch_cbor_put_array(out, 4);
    vch_cbor_put_text(out, file->name);
    vch_cbor_put_uint(out, stamp->size);
    vch_cbor_put_bytes(out, (vouch_span) { stamp->salt, sizeof stamp->salt });
    vch_cbor_put_bytes(out, (vouch_span) { stamp->check, sizeof stamp->check });
}

static void take_name(vch_cbor *c, char out[static VCH_STATE_FILE_NAME_SIZE])
{
    vouch_span name = vch_cbor_text(c);
    if (name.size == 0 || name.size >= VCH_STATE_FILE_NAME_SIZE
        || memchr(name.data, '/', name.size) != NULL || memchr(name.data, 0, name.size) != NULL)
        vch_cbor_refuse(c, "no file's name");
    else
        memcpy(out, name.data, name.size);
}

static void take_bytes(vch_cbor *c, uint8_t *out, size_t size)
{
    vouch_span bytes = vch_cbor_bytes(c);
    if (bytes.size != size)
        vch_cbor_refuse(c, "a stamp of another size");
    else
        memcpy(out, bytes.data, size);
}

void vch_state_file_take(vch_cbor *c, vch_state_file *out)
{
    *out = (vch_state_file) { 0 };
    if (vch_cbor_peek(c) == VCH_CBOR_NULL) {
        vch_cbor_null(c);
        return;
    }
    if (vch_cbor_array_enter(c) != 4)
        vch_cbor_refuse(c, "no file");
    take_name(c, out->name);
    out->stamp.size = vch_cbor_uint(c);
    take_bytes(c, out->stamp.salt, sizeof out->stamp.salt);
    take_bytes(c, out->stamp.check, sizeof out->stamp.check);
}
