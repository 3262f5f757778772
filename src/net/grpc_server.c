#include "net/grpc_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/clock.h"
#include "net/grpc_server_internal.h"
#include "net/listener.h"

#define DEFAULT_CONNECTIONS 4096
#define DEFAULT_UNGATED 2000
#define DEFAULT_UNGATED_PER_ADDRESS 64
#define DEFAULT_STREAMS 100
#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_KEEPALIVE_MS 60000
#define SWEEP_MS 10000

typedef struct server_conn server_conn;
struct server_conn {
    vch_grpc_server *server;
    server_conn *next, **at;
    vch_tls_conn *tls;
    vch_grpc_conn grpc; /* its h2 is NULL until the peer is admitted */
    char host[VCH_ADDRESS_SIZE];
};

struct vch_grpc_server {
    vch_grpc_server_options o;
    vch_listener *listener;
    vch_timer *sweep;
    server_conn *conns;
    size_t conn_count, ungated_count;
    void (*stopped)(void *context);
    void *stopped_context;
};

static void say_stopped(vch_grpc_server *s)
{
    void (*stopped)(void *context) = s->stopped;
    if (stopped == NULL || s->conn_count > 0)
        return;
    s->stopped = NULL;
    stopped(s->stopped_context);
}

static void conn_free(server_conn *c)
{
    vch_grpc_server *s = c->server;
    *c->at = c->next;
    if (c->next != NULL)
        c->next->at = c->at;
    s->conn_count--;
    if (c->grpc.h2 == NULL)
        s->ungated_count--;
    vch_grpc_conn_end_calls(&c->grpc);
    vch_h2_free(c->grpc.h2);
    vch_tls_conn_free(c->tls); /* frees the session, which calls may have used */
    free(c);
}

static void log_end(const server_conn *c, const char *event, vch_log_level level,
                    const vouch_error *why)
{
    char text[512];
    vch_log(c->server->o.log, level, event, VCH_STR("peer", vch_tls_conn_address(c->tls)),
            VCH_STR("reason", vouch_error_text(why, text, sizeof text)));
}

/* --- admitted --- */

static void on_closed(void *context, const vouch_error *why)
{
    server_conn *c = context;
    vch_grpc_server *s = c->server;
    log_end(c, "connection.closed", VCH_LOG_DEBUG, why);
    conn_free(c);
    say_stopped(s);
}

static void on_h2_closed(void *context, const vouch_error *why)
{
    vch_grpc_conn *grpc = context;
    server_conn *c = (server_conn *)(void *)((char *)grpc - offsetof(server_conn, grpc));
    on_closed(c, why);
}

static size_t call_count(void *context)
{
    const vch_grpc_conn *grpc = context;
    return grpc->call_count;
}

static void on_admitted(void *context)
{
    server_conn *c = context;
    const vch_grpc_server_options *o = &c->server->o;
    const vch_h2_options h2 = {
        .loop = o->loop,
        .wire = vch_h2_wire_over(c->tls),
        .server = true,
        .streams_max = o->streams_max,
        .keepalive_ms = o->keepalive_ms,
        .events = &vch_grpc_server_events,
        .context = &c->grpc,
        .call_count = call_count,
        .closed = on_h2_closed,
    };
    vouch_error err = { 0 };
    c->grpc.session = vch_tls_conn_session(c->tls);
    c->grpc.face = vch_tls_conn_face(c->tls);
    c->grpc.address = vch_tls_conn_address(c->tls);
    if (vch_h2_new(&h2, &c->grpc.h2, &err) != VOUCH_OK) {
        on_closed(c, &err);
        return;
    }
    c->server->ungated_count--;
    vch_log(o->log, VCH_LOG_DEBUG, "connection.admitted", VCH_STR("peer", c->grpc.address));
}

static void on_ready(void *context)
{
    server_conn *c = context;
    vch_h2_turn(c->grpc.h2);
}

static void on_failed(void *context, const vouch_error *why)
{
    server_conn *c = context;
    vch_grpc_server *s = c->server;
    log_end(c, "connection.refused", VCH_LOG_INFO, why);
    conn_free(c);
    say_stopped(s);
}

/* --- accepting --- */

static size_t ungated_of(const vch_grpc_server *s, const char *host)
{
    size_t count = 0;
    for (const server_conn *c = s->conns; c != NULL; c = c->next)
        count += c->grpc.h2 == NULL && strcmp(c->host, host) == 0 ? 1 : 0;
    return count;
}

/* NULL, or which limit a new connection from `host` would break. */
static const char *over_limit(const vch_grpc_server *s, const char *host)
{
    if (s->conn_count >= s->o.connections_max)
        return "too many connections";
    if (s->ungated_count >= s->o.ungated_max)
        return "too many connections that are not admitted yet";
    if (ungated_of(s, host) >= s->o.ungated_per_address)
        return "too many connections of this address that are not admitted yet";
    return NULL;
}

static void add(vch_grpc_server *s, server_conn *c)
{
    c->at = &s->conns;
    c->next = s->conns;
    if (c->next != NULL)
        c->next->at = &c->next;
    s->conns = c;
    s->conn_count++;
    s->ungated_count++;
}

static vouch_code welcome(vch_grpc_server *s, int fd, const char *address, const char *host,
                          vouch_error *err)
{
    server_conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)close(fd);
        return vouch_fail(err, VOUCH_E_MEMORY, "out of memory");
    }
    c->server = s;
    c->grpc.o = &s->o;
    (void)snprintf(c->host, sizeof c->host, "%s", host);
    const vch_tls_conn_options o = {
        .loop = s->o.loop,
        .settings = s->o.tls,
        .workers = s->o.workers,
        .fd = fd,
        .address = address,
        .handshake_timeout_ms = s->o.handshake_timeout_ms,
        .message_timeout_ms = s->o.message_timeout_ms,
        .owner = { c, on_admitted, on_ready, on_failed },
    };
    vouch_code rc = vch_tls_conn_new(&o, &c->tls, err);
    if (rc != VOUCH_OK) {
        free(c);
        return rc;
    }
    add(s, c);
    return VOUCH_OK;
}

static void on_accepted(void *context, int fd, const char *address, const char *host)
{
    vch_grpc_server *s = context;
    vouch_error err = { 0 };
    const char *limit = over_limit(s, host);
    vouch_code rc = VOUCH_OK;
    if (limit != NULL) {
        (void)close(fd);
        rc = vouch_fail(&err, VOUCH_E_LIMIT, "%s", limit);
    } else {
        rc = welcome(s, fd, address, host, &err);
    }
    char text[256];
    if (rc != VOUCH_OK)
        vch_log(s->o.log, VCH_LOG_WARN, "connection.refused", VCH_STR("peer", address),
                VCH_STR("reason", vouch_error_text(&err, text, sizeof text)));
}

/* --- server --- */

static void on_sweep(void *context)
{
    vch_grpc_server *s = context;
    int64_t now_ms = vch_clock_monotonic_ms();
    for (server_conn *c = s->conns; c != NULL; c = c->next)
        vch_grpc_conn_sweep(&c->grpc, now_ms);
    vch_timer_start(s->sweep, SWEEP_MS);
}

static void fill_defaults(vch_grpc_server_options *o)
{
    o->connections_max = o->connections_max > 0 ? o->connections_max : DEFAULT_CONNECTIONS;
    o->ungated_max = o->ungated_max > 0 ? o->ungated_max : DEFAULT_UNGATED;
    if (o->ungated_per_address == 0)
        o->ungated_per_address = DEFAULT_UNGATED_PER_ADDRESS;
    o->streams_max = o->streams_max > 0 ? o->streams_max : DEFAULT_STREAMS;
    if (o->handshake_timeout_ms <= 0)
        o->handshake_timeout_ms = DEFAULT_TIMEOUT_MS;
    if (o->message_timeout_ms <= 0)
        o->message_timeout_ms = DEFAULT_TIMEOUT_MS;
    if (o->keepalive_ms <= 0)
        o->keepalive_ms = DEFAULT_KEEPALIVE_MS;
}

static vouch_code check_methods(const vch_grpc_server_options *o, vouch_error *err)
{
    for (size_t i = 0; i < o->method_count; i++) {
        if (o->methods[i].unary == NULL && o->methods[i].half_close == NULL)
            return vouch_fail(err, VOUCH_E_INTERNAL, "gRPC method '%s' is never answered",
                              o->methods[i].path);
    }
    return VOUCH_OK;
}

vouch_code vch_grpc_server_new(const vch_grpc_server_options *options, vch_grpc_server **out,
                               vouch_error *err)
{
    vouch_code rc = check_methods(options, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_grpc_server_drop) vch_grpc_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "gRPC server: out of memory");
    s->o = *options;
    fill_defaults(&s->o);
    rc = vch_timer_new(s->o.loop, on_sweep, s, &s->sweep, err);
    if (rc == VOUCH_OK)
        rc =
            vch_listener_new(s->o.loop, s->o.address, s->o.port, on_accepted, s, &s->listener, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_timer_start(s->sweep, SWEEP_MS);
    *out = VCH_MOVE(s);
    return VOUCH_OK;
}

uint16_t vch_grpc_server_port(const vch_grpc_server *s)
{
    return s->listener == NULL ? 0 : vch_listener_port(s->listener);
}

void vch_grpc_server_end(vch_grpc_server *s, bool (*match)(void *context, void *session),
                         void *context, int64_t grace_ms)
{
    for (server_conn *c = s->conns; c != NULL; c = c->next) {
        if (c->grpc.h2 != NULL && (match == NULL || match(context, c->grpc.session)))
            vch_h2_go_away(c->grpc.h2, grace_ms);
    }
}

void vch_grpc_server_stop(vch_grpc_server *s, int64_t grace_ms, void (*stopped)(void *context),
                          void *context)
{
    vch_listener_free(s->listener);
    s->listener = NULL;
    s->stopped = stopped;
    s->stopped_context = context;
    server_conn *next = NULL;
    for (server_conn *c = s->conns; c != NULL; c = next) {
        next = c->next;
        if (c->grpc.h2 == NULL)
            conn_free(c);
    }
    vch_grpc_server_end(s, NULL, NULL, grace_ms);
    say_stopped(s);
}

size_t vch_grpc_server_connection_count(const vch_grpc_server *s)
{
    return s->conn_count - s->ungated_count;
}

void vch_grpc_server_free(vch_grpc_server *s)
{
    if (s == NULL)
        return;
    vch_listener_free(s->listener);
    vch_timer_free(s->sweep);
    while (s->conns != NULL)
        conn_free(s->conns);
    free(s);
}
