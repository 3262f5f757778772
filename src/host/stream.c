#include "host/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS_MAX 60000

vouch_code vch_stream_unblock(int fd, vouch_error *err)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return vouch_fail(err, VOUCH_E_IO, "a pipe cannot be made to not block: %s",
                          strerror(errno));
    return VOUCH_OK;
}

vouch_code vch_stream_wait(vch_stream *streams, size_t count, int64_t timeout_ms, vouch_error *err)
{
    struct pollfd fds[VCH_STREAM_WAIT_MAX];
    if (count > VCH_STREAM_WAIT_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "waiting for %zu pipes; at most %d", count,
                          VCH_STREAM_WAIT_MAX);
    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd) { streams[i].fd, streams[i].writing ? POLLOUT : POLLIN, 0 };
    int64_t wait_ms = timeout_ms < 0 ? 0 : timeout_ms;
    int n = poll(fds, (nfds_t)count, (int)(wait_ms > WAIT_MS_MAX ? WAIT_MS_MAX : wait_ms));
    if (n < 0 && errno != EINTR)
        return vouch_fail(err, VOUCH_E_IO, "waiting for a pipe: %s", strerror(errno));
    for (size_t i = 0; i < count; i++)
        streams[i].ready = n > 0 && fds[i].revents != 0;
    return VOUCH_OK;
}

static bool is_later(int reason)
{
    return reason == EINTR || reason == EAGAIN || reason == EWOULDBLOCK;
}

vouch_code vch_stream_read(int fd, void *out, size_t size, size_t *out_count, bool *out_ended,
                           vouch_error *err)
{
    ssize_t n = read(fd, out, size);
    if (n < 0 && !is_later(errno))
        return vouch_fail(err, VOUCH_E_IO, "reading from a pipe: %s", strerror(errno));
    *out_count = n > 0 ? (size_t)n : 0;
    *out_ended = n == 0 && size > 0;
    return VOUCH_OK;
}

vouch_code vch_stream_write(int fd, vouch_span bytes, size_t *out_count, bool *out_ended,
                            vouch_error *err)
{
    ssize_t n = write(fd, bytes.data, bytes.size);
    if (n < 0 && !is_later(errno) && errno != EPIPE)
        return vouch_fail(err, VOUCH_E_IO, "writing to a pipe: %s", strerror(errno));
    *out_ended = n < 0 && errno == EPIPE;
    *out_count = n > 0 ? (size_t)n : 0;
    return VOUCH_OK;
}
