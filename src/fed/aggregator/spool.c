#include "fed/aggregator/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/size.h"

struct vch_spool {
    size_t size;
    uint8_t *memory; /* NULL: on disk */
    int fd;          /* -1: in memory */
};

static vouch_code reserve(const vch_spool *s, const char *directory, vouch_error *err)
{
    if (s->size == 0)
        return VOUCH_OK;
    int why = posix_fallocate(s->fd, 0, (off_t)s->size);
    if (why != 0)
        return vouch_fail(err, VOUCH_E_IO, "reserving %zu bytes in '%s': %s", s->size, directory,
                          strerror(why));
    return VOUCH_OK;
}

static vouch_code open_file(vch_spool *s, const char *directory, vouch_error *err)
{
    char path[4096];
    int size = snprintf(path, sizeof path, "%s/spool.XXXXXX", directory);
    if (size < 0 || (size_t)size >= sizeof path)
        return vouch_fail(err, VOUCH_E_LIMIT, "spool directory '%s': name too long", directory);
    s->fd = mkostemp(path, O_CLOEXEC); /* 0600 */
    if (s->fd < 0)
        return vouch_fail(err, VOUCH_E_IO, "'%s': %s", path, strerror(errno));
    if (unlink(path) != 0)
        return vouch_fail(err, VOUCH_E_IO, "'%s': %s", path, strerror(errno));
    return reserve(s, directory, err);
}

vouch_code vch_spool_new(const char *directory, size_t size, vch_spool **out, vouch_error *err)
{
    VCH_SCOPED(vch_spool_drop) vch_spool *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a spool");
    s->fd = -1;
    s->size = size;
    if (directory != NULL) {
        vouch_code rc = open_file(s, directory, err);
        if (rc != VOUCH_OK)
            return rc;
    } else {
        s->memory = calloc(size == 0 ? 1 : size, 1);
        if (s->memory == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a spool of %zu bytes", size);
    }
    *out = VCH_MOVE(s);
    return VOUCH_OK;
}

void vch_spool_free(vch_spool *s)
{
    if (s == NULL)
        return;
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s->memory);
    free(s);
}

size_t vch_spool_size(const vch_spool *s)
{
    return s->size;
}

static vouch_code check_range(const vch_spool *s, size_t offset, size_t size, vouch_error *err)
{
    size_t end = 0;
    if (!vch_size_add(offset, size, &end) || end > s->size)
        return vouch_fail(err, VOUCH_E_INTERNAL, "spool: %zu bytes at %zu of %zu", size, offset,
                          s->size);
    return VOUCH_OK;
}

vouch_code vch_spool_write(vch_spool *s, size_t offset, vouch_span bytes, vouch_error *err)
{
    vouch_code rc = check_range(s, offset, bytes.size, err);
    if (rc != VOUCH_OK || bytes.size == 0)
        return rc;
    if (s->memory != NULL) {
        memcpy(s->memory + offset, bytes.data, bytes.size);
        return VOUCH_OK;
    }
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = pwrite(s->fd, bytes.data + done, bytes.size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return vouch_fail(err, VOUCH_E_IO, "writing a spool: %s",
                              n < 0 ? strerror(errno) : "nothing written");
        done += (size_t)n;
    }
    return VOUCH_OK;
}

vouch_code vch_spool_read(const vch_spool *s, size_t offset, void *out, size_t size,
                          vouch_error *err)
{
    vouch_code rc = check_range(s, offset, size, err);
    if (rc != VOUCH_OK || size == 0)
        return rc;
    if (s->memory != NULL) {
        memcpy(out, s->memory + offset, size);
        return VOUCH_OK;
    }
    uint8_t *to = out;
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(s->fd, to + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return vouch_fail(err, VOUCH_E_IO, "reading a spool: %s",
                              n < 0 ? strerror(errno) : "shorter than it was");
        done += (size_t)n;
    }
    return VOUCH_OK;
}
