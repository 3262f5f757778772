/* Bytes of an admitted but hostile peer into the gRPC server; the client's preface is given. */
#include <stdint.h>
#include <string.h>

#include "net/grpc_server_internal.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

typedef struct rig {
    vch_grpc_conn conn;
    vouch_span parts[2];
    int begun, ended;
    bool closed;
} rig;

static vch_tls_io wire_read(void *context, void *to, size_t room, size_t *out_size)
{
    rig *r = context;
    vouch_span *from = r->parts[0].size > 0 ? &r->parts[0] : &r->parts[1];
    if (from->size == 0)
        return VCH_TLS_IO_CLOSED;
    *out_size = from->size < room ? from->size : room;
    memcpy(to, from->data, *out_size);
    *from = (vouch_span) { from->data + *out_size, from->size - *out_size };
    return VCH_TLS_IO_DONE;
}

static vch_tls_io wire_write(void *context, const void *from, size_t size, size_t *out_size)
{
    (void)context;
    (void)from;
    *out_size = size;
    return VCH_TLS_IO_DONE;
}

static void wire_want_write(void *context, bool want)
{
    (void)context;
    (void)want;
}

static void wire_kick(void *context)
{
    (void)context;
}

static void echo(void *context, vch_grpc_call *call, vouch_span request)
{
    (void)context;
    vch_grpc_call_reply(call, request);
}

static void begin(void *context, vch_grpc_call *call)
{
    (void)call;
    ((rig *)context)->begun++;
}

static void bytes(void *context, vch_grpc_call *call, vouch_span part)
{
    (void)context;
    if (part.size > 0 && part.data[0] == 'p')
        vch_grpc_call_pause(call);
    if (part.size > 0 && part.data[0] == 'f')
        vch_grpc_call_fail(call, VCH_GRPC_ABORTED, "%.*s", (int)part.size, (const char *)part.data);
}

static void half_close(void *context, vch_grpc_call *call)
{
    (void)context;
    vch_grpc_call_reply(call, (vouch_span) { (const uint8_t *)"ok", 2 });
}

static void ended(void *context, vch_grpc_call *call)
{
    (void)call;
    ((rig *)context)->ended++;
}

static const vch_grpc_method methods[] = {
    { .path = "/u", .unary = echo, .begin = begin, .ended = ended },
    { .path = "/s", .begin = begin, .bytes = bytes, .half_close = half_close, .ended = ended },
};

static void on_closed(void *context, const vouch_error *why)
{
    vch_grpc_conn *conn = context;
    rig *r = (rig *)(void *)((char *)conn - offsetof(rig, conn));
    r->closed = true;
    if (why->depth == 0)
        __builtin_trap(); /* ended without a reason */
    vch_grpc_conn_end_calls(conn);
    vch_h2_free(conn->h2);
    conn->h2 = NULL;
}

static size_t call_count(void *context)
{
    return ((vch_grpc_conn *)context)->call_count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_loop *loop = NULL;
    if (vch_loop_new(&loop, NULL) != VOUCH_OK)
        return 0;
    rig r = { .parts = { { (const uint8_t *)preface, sizeof preface - 1 }, { data, size } } };
    const vch_grpc_server_options options = {
        .loop = loop, .methods = methods, .method_count = 2, .context = &r
    };
    r.conn.o = &options;
    r.conn.address = "fuzz";
    const vch_h2_options o = {
        .loop = loop,
        .wire = { &r, wire_read, wire_write, wire_want_write, wire_kick },
        .server = true,
        .streams_max = 10,
        .keepalive_ms = 60000,
        .events = &vch_grpc_server_events,
        .context = &r.conn,
        .call_count = call_count,
        .closed = on_closed,
    };
    if (vch_h2_new(&o, &r.conn.h2, NULL) == VOUCH_OK) {
        while (!r.closed)
            vch_h2_turn(r.conn.h2); /* ends: the wire closes behind the last byte */
        if (r.begun != r.ended || r.conn.call_count != 0)
            __builtin_trap(); /* a handler was not told that its call is over */
    }
    vch_loop_free(loop);
    return 0;
}
