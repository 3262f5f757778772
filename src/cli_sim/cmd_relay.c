/*
 * vouch-sim relay: a network in the attacker's hands. It passes bytes between a client and a server,
 * but may hold connections back until a file appears, or cut everything once one does. What it
 * carries is TLS that it cannot read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli_sim/commands.h"
#include "host/file.h"

#define PAIRS_MAX 16
#define CHUNK ((size_t)65536)

typedef struct values {
    vch_common_options common;
    const char *listen;
    const char *to;
    const char *hold_until;
    const char *cut_when;
} values;

/* A client and, once it is no longer held back, the server's side of it. */
typedef struct pair {
    int client, server; /* -1: none */
} pair;

typedef struct relay {
    int listener;
    struct sockaddr_in to;
    const char *hold_until; /* a path, or NULL */
    const char *cut_when;   /* a path, or NULL */
    pair pairs[PAIRS_MAX];
} relay;

/* "127.0.0.1:50051"; IPv4 literals are all that a demonstration on one machine needs. */
static vouch_code address_of(const char *text, struct sockaddr_in *out, vouch_error *err)
{
    char host[INET_ADDRSTRLEN] = { 0 };
    const char *colon = strrchr(text, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);
    char *end = NULL;
    unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);
    if (size == 0 || size >= sizeof host || port > 65535 || end == colon + 1 || *end != '\0')
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is not ADDRESS:PORT", text);
    memcpy(host, text, size);
    *out = (struct sockaddr_in) { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    if (inet_pton(AF_INET, host, &out->sin_addr) != 1)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is not an IPv4 address", host);
    return VOUCH_OK;
}

static vouch_code open_listener(const char *text, int *out, uint16_t *out_port, vouch_error *err)
{
    struct sockaddr_in at = { 0 };
    socklen_t size = sizeof at;
    vouch_code rc = address_of(text, &at, err);
    if (rc != VOUCH_OK)
        return rc;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return vouch_fail(err, VOUCH_E_NETWORK, "no socket: %s", strerror(errno));
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, PAIRS_MAX) != 0
        || getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        rc = vouch_fail(err, VOUCH_E_NETWORK, "listening on %s: %s", text, strerror(errno));
        (void)close(fd);
        return rc;
    }
    *out = fd;
    *out_port = ntohs(at.sin_port);
    return VOUCH_OK;
}

static void drop_pair(pair *p)
{
    if (p->client >= 0)
        (void)close(p->client);
    if (p->server >= 0)
        (void)close(p->server);
    *p = (pair) { -1, -1 };
}

static void accept_client(relay *r)
{
    int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        if (r->pairs[i].client < 0) {
            r->pairs[i] = (pair) { fd, -1 };
            return;
        }
    }
    (void)close(fd); /* full: a network may drop */
}

static void connect_server(relay *r, pair *p)
{
    p->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->server < 0 || connect(p->server, (struct sockaddr *)&r->to, sizeof r->to) != 0)
        drop_pair(p);
}

/* Pass what is there; false at the end of the stream. */
static bool pass(int from, int to)
{
    uint8_t chunk[CHUNK];
    ssize_t got = read(from, chunk, sizeof chunk);
    for (ssize_t put = 0; got > 0 && put < got;) {
        ssize_t n = send(to, chunk + put, (size_t)(got - put), MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        put += n;
    }
    return got > 0;
}

static void serve_pair(relay *r, pair *p, bool held)
{
    if (p->client < 0)
        return;
    if (p->server < 0) {
        if (!held)
            connect_server(r, p);
        return;
    }
    struct pollfd fds[2] = { { p->client, POLLIN, 0 }, { p->server, POLLIN, 0 } };
    if (poll(fds, 2, 0) <= 0)
        return;
    if ((fds[0].revents != 0 && !pass(p->client, p->server))
        || (fds[1].revents != 0 && !pass(p->server, p->client)))
        drop_pair(p);
}

/* Everything that has something to say, for at most 20 ms. */
static void wait_for_bytes(const relay *r)
{
    struct pollfd fds[1 + 2 * PAIRS_MAX];
    nfds_t count = 0;
    fds[count++] = (struct pollfd) { r->listener, POLLIN, 0 };
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        if (r->pairs[i].client >= 0 && r->pairs[i].server >= 0) {
            fds[count++] = (struct pollfd) { r->pairs[i].client, POLLIN, 0 };
            fds[count++] = (struct pollfd) { r->pairs[i].server, POLLIN, 0 };
        }
    }
    (void)poll(fds, count, 20);
}

static void run(relay *r)
{
    for (;;) {
        wait_for_bytes(r);
        bool held = r->hold_until != NULL && !vch_file_exists(r->hold_until);
        bool cut = r->cut_when != NULL && vch_file_exists(r->cut_when);
        struct pollfd listener = { r->listener, POLLIN, 0 };
        if (poll(&listener, 1, 0) > 0)
            accept_client(r);
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            if (cut)
                drop_pair(&r->pairs[i]);
            else
                serve_pair(r, &r->pairs[i], held);
        }
    }
}

static const vch_option options[] = {
    { .name = "listen",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, listen),
      .argument = "ADDR:PORT",
      .fallback = "127.0.0.1:0",
      .help = "where clients come" },
    { .name = "to",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, to),
      .argument = "ADDR:PORT",
      .required = true,
      .help = "the server" },
    { .name = "hold-until",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, hold_until),
      .argument = "FILE",
      .help = "keep clients waiting until FILE exists" },
    { .name = "cut-when",
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, cut_when),
      .argument = "FILE",
      .help = "cut every connection once FILE exists" },
    VCH_COMMON_OPTIONS(values),
};

static const vch_usage usage = {
    .command = "vouch-sim relay",
    .operands = "",
    .summary = "A network in the attacker's hands: passes bytes, late or only for a while.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

int vch_cmd_relay(vch_runtime *rt, int argc, char *argv[])
{
    values v = { 0 };
    vch_operands operands = { 0 };
    vouch_error err = { 0 };
    int status = 0;
    uint16_t port = 0;
    relay r = { .listener = -1 };
    if (!vch_command_begin(rt, &usage, argc, argv, &v, &operands, &status))
        return status;
    for (size_t i = 0; i < PAIRS_MAX; i++)
        r.pairs[i] = (pair) { -1, -1 };
    vouch_code rc = address_of(v.to, &r.to, &err);
    if (rc == VOUCH_OK)
        rc = open_listener(v.listen, &r.listener, &port, &err);
    if (rc != VOUCH_OK)
        return vch_command_fail(rt, usage.command, rc, &err);
    r.hold_until = v.hold_until;
    r.cut_when = v.cut_when;
    vch_log(&rt->log, VCH_LOG_INFO, "relay.listening", VCH_INT("port", port), VCH_STR("to", v.to));
    run(&r);
    return VCH_EXIT_DONE;
}
