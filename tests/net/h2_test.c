/* The limits of the HTTP/2 server, against a bare nghttp2 client in memory that keeps none. */
#include "net/h2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "net/grpc_server_internal.h"

static vch_loop *loop;

static int set_up(void **state)
{
    (void)state;
    return vch_loop_new(&loop, NULL) == VOUCH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    vch_loop_free(loop);
    return 0;
}

typedef struct rig {
    vch_grpc_server_options options;
    vch_grpc_conn conn;
    vch_buffer to_server;
    size_t taken;
    nghttp2_session *client;
    bool kicked, closed;
    vouch_error why;
    /* what the client heard last */
    char http_status[8], grpc_status[8];
    uint32_t reset_code;
    int closed_streams, half_closed, pings;
    int odd_writes;   /* that are no multiple of a TLS record */
    size_t data_size; /* of DATA frames */
} rig;

static vch_tls_io wire_read(void *context, void *to, size_t room, size_t *out_size)
{
    rig *r = context;
    size_t left = r->to_server.size - r->taken;
    if (left == 0)
        return VCH_TLS_IO_WAIT;
    *out_size = left < room ? left : room;
    memcpy(to, r->to_server.data + r->taken, *out_size);
    r->taken += *out_size;
    return VCH_TLS_IO_DONE;
}

static vch_tls_io wire_write(void *context, const void *from, size_t size, size_t *out_size)
{
    rig *r = context;
    *out_size = size;
    r->odd_writes += size % 16384 != 0;
    (void)nghttp2_session_mem_recv(r->client, from, size);
    return VCH_TLS_IO_DONE;
}

static void wire_want_write(void *context, bool want)
{
    (void)context;
    (void)want;
}

static void wire_kick(void *context)
{
    ((rig *)context)->kicked = true;
}

static void on_closed(void *context, const vouch_error *why)
{
    vch_grpc_conn *conn = context;
    rig *r = (rig *)(void *)((char *)conn - offsetof(rig, conn));
    r->closed = true;
    r->why = *why;
    vch_grpc_conn_end_calls(conn);
    vch_h2_free(conn->h2);
    conn->h2 = NULL;
}

static size_t call_count(void *context)
{
    return ((vch_grpc_conn *)context)->call_count;
}

/* --- the client --- */

static ssize_t client_send(nghttp2_session *session, const uint8_t *data, size_t size, int flags,
                           void *user_data)
{
    (void)session;
    (void)flags;
    vch_buffer_append(&((rig *)user_data)->to_server, (vouch_span) { data, size });
    return (ssize_t)size;
}

static int client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                         void *user_data)
{
    (void)session;
    (void)frame;
    (void)flags;
    rig *r = user_data;
    vouch_span n = { name, name_size };
    if (vch_span_is(n, ":status"))
        (void)snprintf(r->http_status, sizeof r->http_status, "%.*s", (int)value_size,
                       (const char *)value);
    if (vch_span_is(n, "grpc-status"))
        (void)snprintf(r->grpc_status, sizeof r->grpc_status, "%.*s", (int)value_size,
                       (const char *)value);
    return 0;
}

static int client_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    rig *r = user_data;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
        r->pings++;
    if (frame->hd.type == NGHTTP2_DATA)
        r->data_size += frame->hd.length;
    return 0;
}

static int client_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user_data)
{
    (void)session;
    (void)stream_id;
    rig *r = user_data;
    r->closed_streams++;
    r->reset_code = code;
    return 0;
}

static void make_client(rig *r)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_send_callback(callbacks, client_send);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_close);
    nghttp2_option_set_max_send_header_block_length(option, (size_t)10 << 20);
    nghttp2_option_set_peer_max_concurrent_streams(option, 1000000);
    CHECK(nghttp2_session_client_new2(&r->client, callbacks, r, option) == 0);
    CHECK(nghttp2_submit_settings(r->client, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
}

/* --- the server --- */

static void on_half_close(void *context, vch_grpc_call *call)
{
    (void)call;
    ((rig *)context)->half_closed++;
}

static void on_unary(void *context, vch_grpc_call *call, vouch_span request)
{
    (void)context;
    vch_grpc_call_reply(call, request);
}

#define LONG_ANSWER ((size_t)3000001)

static void on_long(void *context, vch_grpc_call *call, vouch_span request)
{
    static const uint8_t answer[LONG_ANSWER];
    (void)context;
    (void)request;
    vch_grpc_call_reply_shared(call, (vouch_span) { answer, sizeof answer }, NULL, NULL);
}

static const vch_grpc_method methods[] = {
    { .path = "/w", .half_close = on_half_close },
    { .path = "/u", .unary = on_unary },
    { .path = "/long", .unary = on_long },
};

static void make_server(rig *r, uint32_t streams_max, int64_t keepalive_ms)
{
    r->options = (vch_grpc_server_options) {
        .loop = loop, .methods = methods, .method_count = 3, .context = r
    };
    r->conn.o = &r->options;
    r->conn.address = "test";
    const vch_h2_options o = {
        .loop = loop,
        .wire = { r, wire_read, wire_write, wire_want_write, wire_kick },
        .server = true,
        .streams_max = streams_max,
        .keepalive_ms = keepalive_ms,
        .events = &vch_grpc_server_events,
        .context = &r->conn,
        .call_count = call_count,
        .closed = on_closed,
    };
    vouch_error err = { 0 };
    CHECK_OK(vch_h2_new(&o, &r->conn.h2, &err), &err);
}

static void rig_start(rig *r, uint32_t streams_max)
{
    r->to_server = vch_buffer_with_cap((size_t)64 << 20);
    make_client(r);
    make_server(r, streams_max, 60000);
}

/* What the client has goes to the server, until both are silent. */
static void exchange(rig *r)
{
    do {
        r->kicked = false;
        CHECK(nghttp2_session_send(r->client) == 0);
        if (!r->closed)
            vch_h2_turn(r->conn.h2);
    } while (!r->closed && (r->kicked || r->taken < r->to_server.size));
}

static void rig_stop(rig *r)
{
    if (r->conn.h2 != NULL) {
        vch_grpc_conn_end_calls(&r->conn);
        vch_h2_free(r->conn.h2);
    }
    CHECK(r->conn.call_count == 0);
    nghttp2_session_del(r->client);
    vch_buffer_drop(&r->to_server);
}

static nghttp2_nv nv(const char *name, const char *value)
{
    return vch_grpc_nv(vch_span_str(name), vch_span_str(value));
}

/* A call with one more header; `provider` NULL: the request ends with its headers. */
static int32_t ask(rig *r, const char *path, const char *name, const char *value,
                   const nghttp2_data_provider *provider)
{
    const nghttp2_nv headers[] = {
        nv(":method", "POST"),
        nv(":scheme", "https"),
        nv(":path", path),
        nv(":authority", "a"),
        nv("content-type", "application/grpc"),
        nv(name, value),
    };
    return nghttp2_submit_request(r->client, NULL, headers, sizeof headers / sizeof *headers,
                                  provider, NULL);
}

/* A body that is never finished. */
static ssize_t defer(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t size,
                     uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)stream_id;
    (void)to;
    (void)size;
    (void)flags;
    (void)source;
    (void)user_data;
    return NGHTTP2_ERR_DEFERRED;
}

static const nghttp2_data_provider open_body = { .read_callback = defer };

/* A body of exactly these bytes. */
static ssize_t give(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t size,
                    uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)stream_id;
    (void)size;
    (void)user_data;
    const vouch_span *bytes = source->ptr;
    memcpy(to, bytes->data, bytes->size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)bytes->size;
}

/* --- tests --- */

static void an_ordinary_exchange_stays_open(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r, 100);
    vouch_span body = { (const uint8_t *)"\0\0\0\0\x02hi", 7 };
    const nghttp2_data_provider provider = { .source.ptr = &body, .read_callback = give };
    CHECK(ask(&r, "/u", "te", "trailers", &provider) > 0);
    exchange(&r);
    assert_string_equal(r.http_status, "200");
    assert_string_equal(r.grpc_status, "0");
    CHECK(r.closed_streams == 1 && r.reset_code == 0 && !r.closed);
    rig_stop(&r);
}

/* A record, a tag and a call of the system for the few bytes between frames and records is a fifth
 * of all of them. */
static void a_long_answer_is_written_in_whole_records_but_its_end(void **state)
{
    (void)state;
    const nghttp2_settings_entry wide = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 8 << 20 };
    rig r = { 0 };
    rig_start(&r, 100);
    CHECK(nghttp2_submit_settings(r.client, NGHTTP2_FLAG_NONE, &wide, 1) == 0);
    CHECK(nghttp2_session_set_local_window_size(r.client, NGHTTP2_FLAG_NONE, 0, 8 << 20) == 0);
    exchange(&r);
    r.odd_writes = 0;
    vouch_span body = { (const uint8_t *)"\0\0\0\0\0", 5 };
    const nghttp2_data_provider provider = { .source.ptr = &body, .read_callback = give };
    CHECK(ask(&r, "/long", "te", "trailers", &provider) > 0);
    exchange(&r);
    assert_string_equal(r.grpc_status, "0");
    CHECK(r.data_size == LONG_ANSWER + 5);
    CHECK(r.odd_writes == 1);
    rig_stop(&r);
}

static void a_flood_ends_the_connection_and_less_does_not(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        for (int over = 0; over < 2; over++) {
            rig r = { 0 };
            rig_start(&r, 100);
            exchange(&r);
            int32_t stream_id = ask(&r, "/w", "te", "trailers", &open_body);
            exchange(&r);
            for (int i = 0; i < (over != 0 ? 3000 : 1000); i++) {
                static const uint8_t empty_data[9] = { 0, 0, 0, 0, 0, 0, 0, 0, 1 };
                if (kind == 0)
                    CHECK(nghttp2_submit_ping(r.client, NGHTTP2_FLAG_NONE, NULL) == 0);
                if (kind == 1)
                    CHECK(nghttp2_submit_settings(r.client, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
                if (kind == 2)
                    vch_buffer_append(&r.to_server, (vouch_span) { empty_data, 9 });
                if (kind == 1 && i % 500 == 0)
                    exchange(&r);
            }
            CHECK(stream_id == 1);
            if (!r.closed)
                exchange(&r);
            CHECK(r.closed == (over != 0));
            CHECK(over == 0 || r.why.code == VOUCH_E_LIMIT);
            rig_stop(&r);
        }
    }
}

static void rapid_resets_end_the_connection(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        rig r = { 0 };
        rig_start(&r, 100);
        for (int i = 0; i < (over != 0 ? 400 : 100) && !r.closed; i++) {
            int32_t id = ask(&r, "/w", "te", "trailers", &open_body);
            CHECK(id > 0);
            CHECK(nghttp2_session_send(r.client) == 0);
            CHECK(nghttp2_submit_rst_stream(r.client, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL) == 0);
            exchange(&r);
        }
        CHECK(r.closed == (over != 0));
        CHECK(over == 0 || r.why.code == VOUCH_E_LIMIT);
        rig_stop(&r);
    }
}

static void streams_over_the_maximum_are_refused(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r, 3);
    for (int i = 0; i < 5; i++)
        CHECK(ask(&r, "/w", "te", "trailers", &open_body) > 0);
    /* before the server's SETTINGS came, so that the client does not hold itself back */
    CHECK(nghttp2_session_send(r.client) == 0);
    exchange(&r);
    CHECK(r.conn.call_count <= 3);
    rig_stop(&r);
}

static void headers_over_their_limit_reset_the_stream(void **state)
{
    (void)state;
    static char value[40000];
    memset(value, 'a', sizeof value - 1);
    rig r = { 0 };
    rig_start(&r, 100);
    const nghttp2_nv headers[] = {
        nv(":method", "POST"),
        nv(":scheme", "https"),
        nv(":path", "/w"),
        nv(":authority", "a"),
        nv("content-type", "application/grpc"),
        nv("x-a", value),
        nv("x-b", value),
    };
    CHECK(nghttp2_submit_request(r.client, NULL, headers, 7, &open_body, NULL) > 0);
    exchange(&r);
    CHECK(r.closed_streams == 1 || r.closed);
    CHECK(r.conn.call_count == 0 && r.half_closed == 0);
    rig_stop(&r);
}

static void what_is_not_grpc_is_told_so(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name, *value, *body;
        size_t size;
        const char *http_status, *grpc_status;
    } table[] = {
        { "/u", "grpc-encoding", "gzip", "\0\0\0\0\1x", 6, "200", "12" },
        { "/u", "te", "trailers", "\1\0\0\0\1x", 6, "200", "12" },             /* compressed flag */
        { "/u", "te", "trailers", "\0\0\0\0\2x", 6, "200", "13" },             /* cut short */
        { "/u", "te", "trailers", "\0\0\0", 3, "200", "13" },                  /* in its prefix */
        { "/u", "te", "trailers", "\0\0\0\0\1x\0\0\0\0\1x", 12, "200", "13" }, /* two */
        { "/u", "te", "trailers", "", 0, "200", "13" },                        /* none */
        { "/u", "grpc-timeout", "soon", "\0\0\0\0\1x", 6, "200", "13" },
        { "/u", "grpc-encoding", "identity", "\0\0\0\0\1x", 6, "200", "0" },
        { "/x", "te", "trailers", "\0\0\0\0\1x", 6, "200", "12" },
        { "/u/", "te", "trailers", "\0\0\0\0\1x", 6, "200", "12" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        rig r = { 0 };
        rig_start(&r, 100);
        vouch_span body = { (const uint8_t *)table[i].body, table[i].size };
        const nghttp2_data_provider provider = { .source.ptr = &body, .read_callback = give };
        CHECK(ask(&r, table[i].path, table[i].name, table[i].value, &provider) > 0);
        exchange(&r);
        assert_string_equal(r.http_status, table[i].http_status);
        assert_string_equal(r.grpc_status, table[i].grpc_status);
        CHECK(!r.closed && r.conn.call_count == 0);
        rig_stop(&r);
    }
}

static void another_method_or_content_type_gets_an_http_status(void **state)
{
    (void)state;
    static const struct {
        const char *method, *type, *want;
    } table[] = {
        { "GET", "application/grpc", "405" },
        { "POST", "text/html", "415" },
        { "POST", "application/grpc-web", "415" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        rig r = { 0 };
        rig_start(&r, 100);
        const nghttp2_nv headers[] = {
            nv(":method", table[i].method),
            nv(":scheme", "https"),
            nv(":path", "/u"),
            nv(":authority", "a"),
            nv("content-type", table[i].type),
        };
        CHECK(nghttp2_submit_request(r.client, NULL, headers, 5, NULL, NULL) > 0);
        exchange(&r);
        assert_string_equal(r.http_status, table[i].want);
        rig_stop(&r);
    }
}

static void a_request_that_stands_still_is_ended(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r, 100);
    CHECK(ask(&r, "/w", "te", "trailers", &open_body) > 0);
    exchange(&r);
    CHECK(r.conn.call_count == 1);
    int64_t now_ms = 0;
    vch_grpc_conn_sweep(&r.conn, now_ms);
    exchange(&r);
    CHECK(r.conn.call_count == 1);
    vch_grpc_conn_sweep(&r.conn, INT64_MAX / 2);
    exchange(&r);
    CHECK(r.conn.call_count == 0);
    assert_string_equal(r.grpc_status, "4");
    rig_stop(&r);
}

static void a_peer_that_answers_no_ping_is_dead_if_calls_are_open(void **state)
{
    (void)state;
    bool never = false;
    for (int with_call = 0; with_call < 2; with_call++) {
        rig r = { .to_server = vch_buffer_with_cap((size_t)1 << 20) };
        make_client(&r);
        make_server(&r, 100, 20);
        if (with_call != 0)
            CHECK(ask(&r, "/w", "te", "trailers", &open_body) > 0);
        exchange(&r);
        /* the client hears the PING, but its answers never leave it */
        for (int i = 0; i < 20 && !r.closed; i++) {
            CHECK(vch_loop_run_until(loop, &never, 20, NULL) == VOUCH_E_TIMEOUT);
            if (!r.closed)
                vch_h2_turn(r.conn.h2);
        }
        CHECK(r.closed == (with_call != 0));
        CHECK(r.pings == with_call);
        CHECK(with_call == 0 || r.why.code == VOUCH_E_TIMEOUT);
        rig_stop(&r);
    }
}

static void bytes_that_are_not_http2_end_the_connection(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r, 100);
    vch_buffer_append_str(&r.to_server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    vch_h2_turn(r.conn.h2);
    CHECK(r.closed && r.why.code == VOUCH_E_FORMAT);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_ordinary_exchange_stays_open),
        TEST(a_long_answer_is_written_in_whole_records_but_its_end),
        TEST(a_flood_ends_the_connection_and_less_does_not),
        TEST(rapid_resets_end_the_connection),
        TEST(streams_over_the_maximum_are_refused),
        TEST(headers_over_their_limit_reset_the_stream),
        TEST(what_is_not_grpc_is_told_so),
        TEST(another_method_or_content_type_gets_an_http_status),
        TEST(a_request_that_stands_still_is_ended),
        TEST(a_peer_that_answers_no_ping_is_dead_if_calls_are_open),
        TEST(bytes_that_are_not_http2_end_the_connection),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
