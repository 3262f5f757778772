#include "net/grpc_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/grpc_client_internal.h"
#include "net/listener.h"

#define CONNECT_TIMEOUT_MS 30000
#define HANDSHAKE_TIMEOUT_MS 10000
#define MESSAGE_TIMEOUT_MS 30000
#define KEEPALIVE_MS 60000

static int64_t ms_or(int64_t value, int64_t usual)
{
    return value > 0 ? value : usual;
}

static void disconnect(vch_grpc_client *c, const vouch_error *why)
{
    if (c->why.depth == 0)
        c->why = *why;
    c->settled = true;
    vch_h2 *h2 = c->h2;
    c->h2 = NULL;
    vch_client_fail_calls(c);
    vch_h2_free(h2);
    vch_client_bury(c);
    vch_tls_conn_free(c->tls);
    c->tls = NULL;
}

static void on_closed(void *context, const vouch_error *why)
{
    disconnect(context, why);
}

static size_t call_count(void *context)
{
    const vch_grpc_client *c = context;
    return c->call_count;
}

static void on_admitted(void *context)
{
    vch_grpc_client *c = context;
    vch_h2_options options = {
        .loop = c->loop,
        .wire = vch_h2_wire_over(c->tls),
        .keepalive_ms = c->keepalive_ms,
        .events = &vch_grpc_client_events,
        .context = c,
        .call_count = call_count,
        .closed = on_closed,
    };
    vouch_error err = { 0 };
    if (vch_h2_new(&options, &c->h2, &err) != VOUCH_OK)
        disconnect(c, &err);
    c->settled = true;
}

static void on_ready(void *context)
{
    vch_grpc_client *c = context;
    vch_h2_turn(c->h2);
}

static void on_failed(void *context, const vouch_error *why)
{
    disconnect(context, why);
}

static void on_deliver(void *context)
{
    vch_client_deliver(context);
}

static void set_authority(vch_grpc_client *c, const vch_grpc_client_options *o)
{
    bool bare_v6 = strchr(o->host, ':') != NULL && o->host[0] != '[';
    (void)snprintf(c->authority, sizeof c->authority, bare_v6 ? "[%s]:%u" : "%s:%u", o->host,
                   o->port);
}

static vouch_code dial(vch_grpc_client *c, const vch_grpc_client_options *o, vouch_error *err)
{
    int fd = -1;
    char address[VCH_ADDRESS_SIZE];
    vouch_code rc = vch_dial(o->host, o->port, ms_or(o->connect_timeout_ms, CONNECT_TIMEOUT_MS),
                             &fd, address, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_tls_conn_options options = {
        .loop = c->loop,
        .settings = o->tls,
        .fd = fd,
        .address = address,
        .host = o->host,
        .handshake_timeout_ms = ms_or(o->handshake_timeout_ms, HANDSHAKE_TIMEOUT_MS),
        .message_timeout_ms = ms_or(o->message_timeout_ms, MESSAGE_TIMEOUT_MS),
        .owner = { c, on_admitted, on_ready, on_failed },
    };
    return vch_tls_conn_new(&options, &c->tls, err);
}

static vouch_code prepare(vch_grpc_client *c, const vch_grpc_client_options *o, vouch_error *err)
{
    c->loop = o->loop;
    c->keepalive_ms = ms_or(o->keepalive_ms, KEEPALIVE_MS);
    if (o->loop == NULL) {
        vouch_code rc = vch_loop_new(&c->loop, err);
        if (rc != VOUCH_OK)
            return rc;
        c->own_loop = true;
    }
    set_authority(c, o);
    return vch_timer_new(c->loop, on_deliver, c, &c->deliver, err);
}

vouch_code vch_grpc_client_connect(const vch_grpc_client_options *options, vch_grpc_client **out,
                                   vouch_error *err)
{
    VCH_SCOPED(vch_grpc_client_drop) vch_grpc_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "gRPC client: out of memory");
    vouch_code rc = prepare(c, options, err);
    if (rc == VOUCH_OK)
        rc = dial(c, options, err);
    if (rc == VOUCH_OK) /* each step has its own limit, the gate's work none */
        rc = vch_loop_run_until(c->loop, &c->settled, -1, err);
    if (rc != VOUCH_OK)
        return rc;
    if (c->why.depth > 0) {
        if (err != NULL)
            *err = c->why;
        return vouch_wrap(err, c->why.code, "connecting to '%s' port %u", options->host,
                          options->port);
    }
    *out = VCH_MOVE(c);
    return VOUCH_OK;
}

void vch_grpc_client_free(vch_grpc_client *c)
{
    if (c == NULL)
        return;
    vouch_error why = { 0 };
    (void)!vouch_fail(&why, VOUCH_E_NETWORK, "the client is closed");
    if (c->deliver != NULL)
        disconnect(c, &why);
    vch_timer_free(c->deliver);
    c->deliver = NULL;
    vch_client_deliver(c);
    if (c->own_loop)
        vch_loop_free(c->loop);
    free(c);
}

bool vch_grpc_client_usable(vch_grpc_client *c)
{
    if (c->own_loop)
        vch_loop_turn(c->loop); /* a GOAWAY may have come while nobody ran the loop */
    return c->h2 != NULL && !vch_h2_is_going(c->h2);
}

void *vch_grpc_client_session(const vch_grpc_client *c)
{
    return c->tls == NULL ? NULL : vch_tls_conn_session(c->tls);
}

/* --- blocking --- */

typedef struct waiter {
    bool done;
    vouch_code rc;
    vouch_error why;
    vch_grpc_answer answer;
} waiter;

static void on_done(void *context, vouch_code rc, vch_grpc_answer *answer, const vouch_error *why)
{
    waiter *w = context;
    w->done = true;
    w->rc = rc;
    w->why = *why;
    if (answer != NULL) {
        w->answer = *answer;
        *answer = (vch_grpc_answer) { 0 };
    }
}

vouch_code vch_grpc_client_call(vch_grpc_client *c, const vch_grpc_request *request,
                                vch_grpc_answer *out, vouch_error *err)
{
    waiter w = { 0 };
    vouch_code rc = vch_grpc_client_start(c, request, on_done, &w, err);
    if (rc != VOUCH_OK)
        return rc;
    vouch_code waited = vch_loop_run_until(c->loop, &w.done, -1, err);
    if (waited != VOUCH_OK && !w.done) { /* the loop itself failed: the call must not outlive `w` */
        vouch_error why = { 0 };
        (void)!vouch_fail(&why, VOUCH_E_IO, "the event loop failed");
        disconnect(c, &why);
        vch_client_deliver(c);
    }
    if (w.rc != VOUCH_OK) {
        if (err != NULL)
            *err = w.why;
        return w.rc;
    }
    *out = w.answer;
    return VOUCH_OK;
}
