#include "net/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/clock.h"

#define BACKLOG 1024
#define ACCEPTS_A_TURN 64
#define REST_MS 100 /* after the process or the system ran out of descriptors */

struct vch_listener {
    int fd;
    struct event *readable;
    vch_timer *rest;
    bool paused;
    vch_listener_accepted accepted;
    void *context;
};

static void print_address(const struct sockaddr_storage *from, socklen_t size,
                          char address[static VCH_ADDRESS_SIZE], char host[static VCH_ADDRESS_SIZE])
{
    char ip[46] = "?";
    char port[8] = "0";
    (void)getnameinfo((const struct sockaddr *)from, size, ip, sizeof ip, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    /* An IPv4 peer on a dual-stack socket is shown, and counted, as what it is. */
    const char *shown = strncmp(ip, "::ffff:", 7) == 0 ? ip + 7 : ip;
    (void)snprintf(host, VCH_ADDRESS_SIZE, "%s", shown);
    (void)snprintf(address, VCH_ADDRESS_SIZE, strchr(shown, ':') != NULL ? "[%s]:%s" : "%s:%s",
                   shown, port);
}

/*
 * Small frames go at once; the kernel finds out about peers that vanished, also while the program
 * is busy elsewhere. Best effort: without them a connection is slower, or lingers.
 */
static void set_options(int fd)
{
    const int on = 1;
    const int idle_s = 60;
    const int step_s = 20;
    const int count = 3;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step_s, sizeof step_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void rest(vch_listener *l)
{
    (void)event_del(l->readable);
    vch_timer_start(l->rest, REST_MS);
}

static void on_rested(void *context)
{
    vch_listener *l = context;
    if (!l->paused)
        (void)event_add(l->readable, NULL);
}

static void on_readable(evutil_socket_t listening, short what, void *context)
{
    (void)what;
    vch_listener *l = context;
    for (int i = 0; i < ACCEPTS_A_TURN && !l->paused; i++) {
        struct sockaddr_storage from = { 0 };
        socklen_t size = sizeof from;
        int fd = accept4(listening, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
            rest(l);
        if (fd < 0)
            return; /* nobody waits, or the one who did is gone */
        char address[VCH_ADDRESS_SIZE];
        char host[VCH_ADDRESS_SIZE];
        print_address(&from, size, address, host);
        set_options(fd);
        l->accepted(l->context, fd, address, host);
    }
}

static vouch_code bind_one(const struct addrinfo *at, int *out_fd, vouch_error *err)
{
    const int on = 1;
    const int off = 0;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return vouch_fail(err, VOUCH_E_NETWORK, "making a socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (at->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int reason = errno;
        (void)close(fd);
        return vouch_fail(err, VOUCH_E_NETWORK, "%s", strerror(reason));
    }
    *out_fd = fd;
    return VOUCH_OK;
}

static vouch_code bind_to(const char *address, uint16_t port, int *out_fd, vouch_error *err)
{
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *at = NULL;
    int rc = getaddrinfo(address, service, &hints, &at);
    if (rc != 0)
        return vouch_fail(err, VOUCH_E_CONFIG, "listening on '%s': %s", address, gai_strerror(rc));
    vouch_code code = bind_one(at, out_fd, err);
    freeaddrinfo(at);
    return code == VOUCH_OK ? code
                            : vouch_wrap(err, code, "listening on '%s' port %u", address, port);
}

vouch_code vch_listener_new(vch_loop *loop, const char *address, uint16_t port,
                            vch_listener_accepted accepted, void *context, vch_listener **out,
                            vouch_error *err)
{
    vch_listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "listener: out of memory");
    l->fd = -1;
    l->accepted = accepted;
    l->context = context;
    vouch_code rc = bind_to(address, port, &l->fd, err);
    if (rc != VOUCH_OK && strcmp(address, "::") == 0) /* a host without IPv6 */
        rc = bind_to("0.0.0.0", port, &l->fd, err);
    if (rc == VOUCH_OK)
        rc = vch_timer_new(loop, on_rested, l, &l->rest, err);
    if (rc == VOUCH_OK) {
        l->readable = event_new(vch_loop_native(loop), l->fd, EV_READ | EV_PERSIST, on_readable, l);
        if (l->readable == NULL || event_add(l->readable, NULL) != 0)
            rc = vouch_fail(err, VOUCH_E_MEMORY, "listener: out of memory");
    }
    if (rc != VOUCH_OK) {
        vch_listener_free(l);
        return rc;
    }
    *out = l;
    return VOUCH_OK;
}

uint16_t vch_listener_port(const vch_listener *l)
{
    struct sockaddr_storage at = { 0 };
    socklen_t size = sizeof at;
    char port[8] = "0";
    if (getsockname(l->fd, (struct sockaddr *)&at, &size) != 0
        || getnameinfo((struct sockaddr *)&at, size, NULL, 0, port, sizeof port, NI_NUMERICSERV)
               != 0)
        return 0;
    return (uint16_t)strtoul(port, NULL, 10);
}

void vch_listener_pause(vch_listener *l, bool paused)
{
    if (l->paused == paused)
        return;
    l->paused = paused;
    vch_timer_stop(l->rest);
    if (paused)
        (void)event_del(l->readable);
    else
        (void)event_add(l->readable, NULL);
}

void vch_listener_free(vch_listener *l)
{
    if (l == NULL)
        return;
    if (l->readable != NULL)
        event_free(l->readable);
    vch_timer_free(l->rest);
    if (l->fd >= 0)
        (void)close(l->fd);
    free(l);
}

/* --- the other direction --- */

/* 0, or an errno. */
static int connect_within(int fd, const struct addrinfo *to, int64_t until_ms)
{
    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    int64_t left_ms = until_ms - vch_clock_monotonic_ms();
    struct pollfd wait = { fd, POLLOUT, 0 };
    int ready = 0;
    do {
        ready = poll(&wait, 1, left_ms > 0 ? (int)left_ms : 0);
        left_ms = until_ms - vch_clock_monotonic_ms();
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        return ready == 0 ? ETIMEDOUT : errno;
    int reason = 0;
    socklen_t size = sizeof reason;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &size) != 0)
        return errno;
    return reason;
}

static int dial_one(const struct addrinfo *to, int64_t until_ms, int *out_fd)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int reason = connect_within(fd, to, until_ms);
    if (reason != 0) {
        (void)close(fd);
        return reason;
    }
    set_options(fd);
    *out_fd = fd;
    return 0;
}

static void print_connected(int fd, char address[static VCH_ADDRESS_SIZE])
{
    struct sockaddr_storage to = { 0 };
    socklen_t size = sizeof to;
    char host[VCH_ADDRESS_SIZE];
    (void)getpeername(fd, (struct sockaddr *)&to, &size);
    print_address(&to, size, address, host);
}

vouch_code vch_dial(const char *host, uint16_t port, int64_t timeout_ms, int *out_fd,
                    char address[static VCH_ADDRESS_SIZE], vouch_error *err)
{
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    const struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc != 0)
        return vouch_fail(err, VOUCH_E_NETWORK, "looking up '%s': %s", host, gai_strerror(rc));
    int64_t until_ms = vch_clock_monotonic_ms() + timeout_ms;
    int reason = EADDRNOTAVAIL;
    for (const struct addrinfo *to = list; to != NULL && reason != 0; to = to->ai_next)
        reason = dial_one(to, until_ms, out_fd);
    freeaddrinfo(list);
    if (reason != 0)
        return vouch_fail(err, reason == ETIMEDOUT ? VOUCH_E_TIMEOUT : VOUCH_E_NETWORK,
                          "connecting to '%s' port %u: %s", host, port, strerror(reason));
    print_connected(*out_fd, address);
    return VOUCH_OK;
}
