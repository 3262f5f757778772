#include "host/block_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

vouch_code vch_block_writer_init(vch_block_writer *w, int fd, const char *path, vouch_error *err)
{
    *w = (vch_block_writer) { .fd = fd, .path = path, .block = malloc(VCH_BLOCK_SIZE) };
    if (w->block == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to write '%s'", path);
    return VOUCH_OK;
}

static vouch_code write_out(vch_block_writer *w, vouch_span bytes, vouch_error *err)
{
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = pwrite(w->fd, bytes.data + done, bytes.size - done, (off_t)(w->at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return vouch_fail(err, VOUCH_E_IO, "writing '%s': %s", w->path,
                              strerror(n < 0 ? errno : ENOSPC));
        done += (size_t)n;
    }
    w->at += bytes.size;
    return VOUCH_OK;
}

uint8_t *vch_block_writer_room(const vch_block_writer *w, size_t *out_size)
{
    *out_size = VCH_BLOCK_SIZE - w->held;
    return w->block + w->held;
}

vouch_code vch_block_writer_commit(vch_block_writer *w, size_t size, vouch_error *err)
{
    w->held += size;
    if (w->held < VCH_BLOCK_SIZE)
        return VOUCH_OK;
    w->held = 0;
    return write_out(w, (vouch_span) { w->block, VCH_BLOCK_SIZE }, err);
}

vouch_code vch_block_writer_put(vch_block_writer *w, vouch_span bytes, vouch_error *err)
{
    vouch_code rc = VOUCH_OK;
    while (rc == VOUCH_OK && bytes.size > 0) {
        size_t room = 0;
        uint8_t *to = vch_block_writer_room(w, &room);
        size_t n = bytes.size < room ? bytes.size : room;
        if (n == VCH_BLOCK_SIZE) { /* nothing is held, and there are whole blocks */
            n = bytes.size - bytes.size % VCH_BLOCK_SIZE;
            rc = write_out(w, (vouch_span) { bytes.data, n }, err);
        } else {
            memcpy(to, bytes.data, n);
            rc = vch_block_writer_commit(w, n, err);
        }
        bytes = (vouch_span) { bytes.data + n, bytes.size - n };
    }
    return rc;
}

vouch_code vch_block_writer_flush(vch_block_writer *w, vouch_error *err)
{
    vouch_span rest = { w->block, w->held };
    w->held = 0;
    return write_out(w, rest, err);
}

void vch_block_writer_drop(vch_block_writer *w)
{
    free(w->block);
    w->block = NULL;
}
