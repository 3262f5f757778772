/* vch_child_run: feed one pipe and drain two until the child is done or the deadline passes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "host/child.h"
#include "host/clock.h"

#define STEP ((size_t)64 * 1024)

static void close_end(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static vouch_code feed(vch_child *child, vouch_span *input, vouch_error *err)
{
    if (input->size == 0) {
        close_end(&child->input);
        return VOUCH_OK;
    }
    ssize_t n = write(child->input, input->data, input->size);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return VOUCH_OK;
    if (n < 0 && errno == EPIPE) { /* it does not want the rest: its own decision */
        close_end(&child->input);
        return VOUCH_OK;
    }
    if (n < 0)
        return vouch_fail(err, VOUCH_E_IO, "writing to a program: %s", strerror(errno));
    *input = (vouch_span) { input->data + n, input->size - (size_t)n };
    return VOUCH_OK;
}

static vouch_code drain(int *fd, vch_buffer *to, vouch_error *err)
{
    uint8_t some[STEP];
    ssize_t n = read(*fd, some, sizeof some);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return VOUCH_OK;
    if (n < 0)
        return vouch_fail(err, VOUCH_E_IO, "reading from a program: %s", strerror(errno));
    if (n == 0) {
        close_end(fd);
        return VOUCH_OK;
    }
    vch_buffer_append(to, (vouch_span) { some, (size_t)n });
    return vch_buffer_finish(to, "a program's output", err);
}

/* One turn: wait for any of the three, serve what is ready. */
static vouch_code turn(vch_child *child, vouch_span *input, int64_t left_ms, vch_buffer *output,
                       vch_buffer *errors, vouch_error *err)
{
    struct pollfd fds[3] = { { child->input, POLLOUT, 0 },
                             { child->output, POLLIN, 0 },
                             { child->errors, POLLIN, 0 } };
    if (poll(fds, 3, (int)(left_ms > 1000 ? 1000 : left_ms)) < 0 && errno != EINTR)
        return vouch_fail(err, VOUCH_E_IO, "waiting for a program: %s", strerror(errno));
    vouch_code rc = VOUCH_OK;
    if (fds[0].revents != 0)
        rc = feed(child, input, err);
    if (rc == VOUCH_OK && fds[1].revents != 0)
        rc = drain(&child->output, output, err);
    if (rc == VOUCH_OK && fds[2].revents != 0)
        rc = drain(&child->errors, errors, err);
    return rc;
}

vouch_code vch_child_run(const vch_child_options *options, vouch_span input, int64_t timeout_ms,
                         vch_buffer *output, vch_buffer *errors, int *out_exit_status,
                         vouch_error *err)
{
    vch_child_options piped = *options;
    piped.input = piped.output = piped.errors = VCH_CHILD_PIPE;
    VCH_SCOPED(vch_child_drop) vch_child child = { 0 };
    vouch_code rc = vch_child_start(&piped, &child, err);
    if (rc != VOUCH_OK)
        return rc;
    if (fcntl(child.input, F_SETFL, O_NONBLOCK) != 0)
        return vouch_fail(err, VOUCH_E_IO, "feeding a program: %s", strerror(errno));
    int64_t until = vch_clock_monotonic_ms() + timeout_ms;
    while (child.output >= 0 || child.errors >= 0) {
        int64_t left_ms = until - vch_clock_monotonic_ms();
        if (left_ms <= 0)
            return vouch_fail(err, VOUCH_E_TIMEOUT, "'%s' took longer than %lld ms",
                              options->argv[0], (long long)timeout_ms);
        rc = turn(&child, &input, left_ms, output, errors, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "running '%s'", options->argv[0]);
    }
    int64_t left_ms = until - vch_clock_monotonic_ms();
    rc = vch_child_wait(&child, left_ms > 0 ? left_ms : 0, out_exit_status, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "running '%s'", options->argv[0]);
}
