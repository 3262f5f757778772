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

static vouch_code refuse_errno(vouch_error *err, const char *doing, const char *path)
{
    vouch_code code = errno == ENOENT || errno == ENOTDIR ? VOUCH_E_NOT_FOUND : VOUCH_E_IO;
    return vouch_fail(err, code, "%s '%s': %s", doing, path, strerror(errno));
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
    if (stat(path, &s) != 0)
        return refuse_errno(err, "looking at", path);
    *out = S_ISFIFO(s.st_mode);
    return VOUCH_OK;
}

/* False once the deadline has passed. */
static bool nap(int64_t deadline_ms)
{
    if (vch_clock_monotonic_ms() >= deadline_ms)
        return false;
    struct timespec t = { 0, RETRY_MS * 1000000L };
    (void)nanosleep(&t, NULL);
    return true;
}

/* A FIFO without a reader answers ENXIO: its server is not there yet. */
static vouch_code open_for_write(const char *path, bool fifo, int64_t deadline_ms, int *out,
                                 vouch_error *err)
{
    int flags = O_WRONLY | O_CLOEXEC | (fifo ? O_NONBLOCK : 0);
    for (;;) {
        int fd = open(path, flags);
        if (fd >= 0) {
            *out = fd;
            return VOUCH_OK;
        }
        if (errno != EINTR && !(fifo && errno == ENXIO))
            return refuse_errno(err, "opening", path);
        if (!nap(deadline_ms))
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

/* One read appended to `out`; *end is set at the end of the file. */
static vouch_code read_some(int fd, const char *path, vch_buffer *out, bool *end, vouch_error *err)
{
    uint8_t some[READ_SIZE];
    ssize_t got = read(fd, some, sizeof some);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return VOUCH_OK;
    if (got < 0)
        return refuse_errno(err, "reading", path);
    *end = got == 0;
    vch_buffer_append(out, (vouch_span) { some, (size_t)got });
    return vch_buffer_finish(out, path, err);
}

vouch_code vch_device_read(const char *dir, const char *name, int64_t deadline_ms, vch_buffer *out,
                           vouch_error *err)
{
    char path[PATH_SIZE];
    bool fifo = false;
    vouch_code rc = join(dir, name, path, err);
    if (rc == VOUCH_OK)
        rc = is_fifo(path, &fifo, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(close_drop) int fd = open(path, O_RDONLY | O_CLOEXEC | (fifo ? O_NONBLOCK : 0));
    if (fd < 0)
        return refuse_errno(err, "opening", path);
    bool end = false;
    while (rc == VOUCH_OK && !end) {
        if (fifo)
            rc = await_bytes(fd, path, deadline_ms, err);
        if (rc == VOUCH_OK)
            rc = read_some(fd, path, out, &end, err);
    }
    return rc;
}
