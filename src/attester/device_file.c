#include "attester/device_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "host/clock.h"

#define PATH_SIZE 512
#define READ_SIZE 4096
#define RETRY_MS 2

static void close_drop(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

int64_t vch_device_deadline_ms(int64_t timeout_ms)
{
    return vch_clock_monotonic_ms() + timeout_ms;
}

static vouch_code code_of(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return VOUCH_E_NOT_FOUND;
    case EBUSY:
    case EAGAIN:
    case ETXTBSY:
    case EINTR:
        return VOUCH_E_REFUSED;
    default: /* an open set: whatever else a system may say */
        return VOUCH_E_IO;
    }
}

static vouch_code refuse_errno(vouch_error *err, const char *doing, const char *path)
{
    return vouch_fail(err, code_of(errno), "%s '%s': %s", doing, path, strerror(errno));
}

static vouch_code join(const char *dir, const char *name, char out[static PATH_SIZE],
                       vouch_error *err)
{
    int size = snprintf(out, PATH_SIZE, "%s/%s", dir, name);
    if (size < 0 || size >= PATH_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "the path of '%s' exceeds %d bytes", name, PATH_SIZE);
    return VOUCH_OK;
}

static vouch_code is_fifo(const char *path, bool *out, vouch_error *err)
{
    struct stat s;
    if (lstat(path, &s) != 0)
        return refuse_errno(err, "looking at", path);
    *out = S_ISFIFO(s.st_mode);
    return VOUCH_OK;
}

bool vch_device_nap(int64_t deadline_ms, int64_t nap_ms)
{
    if (vch_clock_monotonic_ms() >= deadline_ms)
        return false;
    struct timespec t = { 0, nap_ms * 1000000L };
    (void)nanosleep(&t, NULL);
    return true;
}

/* A FIFO without a reader answers ENXIO: its server is not there yet. */
static vouch_code open_for_write(const char *path, bool fifo, int64_t deadline_ms, int *out,
                                 vouch_error *err)
{
    int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (fifo ? O_NONBLOCK : 0);
    for (;;) {
        int fd = open(path, flags);
        if (fd >= 0) {
            *out = fd;
            return VOUCH_OK;
        }
        if (!fifo || (errno != EINTR && errno != ENXIO))
            return refuse_errno(err, "opening", path);
        if (!vch_device_nap(deadline_ms, RETRY_MS))
            return vouch_fail(err, VOUCH_E_TIMEOUT, "'%s': nobody serves it", path);
    }
}

vouch_code vch_device_write(const char *dir, const char *name, vouch_span bytes,
                            int64_t deadline_ms, vouch_error *err)
{
    char path[PATH_SIZE];
    bool fifo = false;
    vouch_code rc = join(dir, name, path, err);
    if (rc == VOUCH_OK)
        rc = is_fifo(path, &fifo, err);
    VCH_SCOPED(close_drop) int fd = -1;
    if (rc == VOUCH_OK)
        rc = open_for_write(path, fifo, deadline_ms, &fd, err);
    if (rc != VOUCH_OK)
        return rc;
    ssize_t written = write(fd, bytes.data, bytes.size);
    if (written < 0 && fifo && errno == EAGAIN) /* full: an earlier request was never taken */
        return vouch_fail(err, VOUCH_E_IO, "'%s' is full: nobody takes what is written", path);
    if (written < 0)
        return refuse_errno(err, "writing", path);
    if ((size_t)written != bytes.size)
        return vouch_fail(err, VOUCH_E_IO, "'%s': %zd of %zu bytes were taken", path, written,
                          bytes.size);
    int closed = close(fd); /* pseudo-files may report only here */
    fd = -1;
    return closed == 0 ? VOUCH_OK : refuse_errno(err, "closing", path);
}

/* Wait until a FIFO has bytes or its writer has come and gone. */
static vouch_code await_bytes(int fd, const char *path, int64_t deadline_ms, vouch_error *err)
{
    for (;;) {
        int64_t left = deadline_ms - vch_clock_monotonic_ms();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int ready = left <= 0 ? 0 : poll(&p, 1, (int)(left > 60000 ? 60000 : left));
        if (ready > 0)
            return VOUCH_OK;
        if (ready < 0 && errno != EINTR)
            return refuse_errno(err, "waiting for", path);
        if (vch_clock_monotonic_ms() >= deadline_ms)
            return vouch_fail(err, VOUCH_E_TIMEOUT, "'%s': no answer in time", path);
    }
}

/* One device file open for reading. */
typedef struct reader {
    char path[PATH_SIZE];
    int fd;
    bool fifo;
    int64_t deadline_ms;
} reader;

static void reader_drop(reader *r)
{
    close_drop(&r->fd);
}

static vouch_code reader_open(reader *r, const char *dir, const char *name, int64_t deadline_ms,
                              vouch_error *err)
{
    r->deadline_ms = deadline_ms;
    vouch_code rc = join(dir, name, r->path, err);
    if (rc == VOUCH_OK)
        rc = is_fifo(r->path, &r->fifo, err);
    if (rc != VOUCH_OK)
        return rc;
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (r->fifo ? O_NONBLOCK : 0));
    return r->fd >= 0 ? VOUCH_OK : refuse_errno(err, "opening", r->path);
}

/* Up to `size` bytes; *got is 0 at the end of the file only. */
static vouch_code reader_some(const reader *r, uint8_t *to, size_t size, size_t *got,
                              vouch_error *err)
{
    for (;;) {
        vouch_code rc = r->fifo ? await_bytes(r->fd, r->path, r->deadline_ms, err) : VOUCH_OK;
        if (rc != VOUCH_OK)
            return rc;
        ssize_t n = read(r->fd, to, size);
        if (n >= 0) {
            *got = (size_t)n;
            return VOUCH_OK;
        }
        /* A pseudo-file that answers EAGAIN has nothing for this open any more. */
        if (!r->fifo || (errno != EINTR && errno != EAGAIN))
            return refuse_errno(err, "reading", r->path);
    }
}

vouch_code vch_device_read(const char *dir, const char *name, int64_t deadline_ms, vch_buffer *out,
                           vouch_error *err)
{
    VCH_SCOPED(reader_drop) reader r = { .fd = -1 };
    uint8_t some[READ_SIZE];
    size_t got = 1;
    vouch_code rc = reader_open(&r, dir, name, deadline_ms, err);
    while (rc == VOUCH_OK && got > 0) {
        rc = reader_some(&r, some, sizeof some, &got, err);
        if (rc == VOUCH_OK)
            vch_buffer_append(out, (vouch_span) { some, got });
        if (rc == VOUCH_OK)
            rc = vch_buffer_finish(out, r.path, err);
    }
    return rc;
}

vouch_code vch_device_read_secret(const char *dir, const char *name, size_t size,
                                  int64_t deadline_ms, vch_secret *out, vouch_error *err)
{
    VCH_SCOPED(reader_drop) reader r = { .fd = -1 };
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    size_t have = 0;
    size_t got = 1;
    vouch_code rc = vch_secret_alloc(&key, size + 1, err); /* one more, to see a longer file */
    if (rc == VOUCH_OK)
        rc = reader_open(&r, dir, name, deadline_ms, err);
    while (rc == VOUCH_OK && got > 0 && have <= size) {
        rc = reader_some(&r, key.data + have, size + 1 - have, &got, err);
        if (rc == VOUCH_OK)
            have += got;
    }
    if (rc != VOUCH_OK)
        return rc;
    if (have != size)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' does not hold exactly %zu bytes", r.path,
                          size);
    key.size = size;
    *out = key;
    key = (vch_secret) { 0 };
    return VOUCH_OK;
}
