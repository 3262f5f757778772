#include "net/h2.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "host/clock.h"

#define READ_STEP ((size_t)32 << 10)
#define TURN_BYTES ((size_t)1 << 20) /* each way, then other connections have their turn */
#define OUT_FULL ((size_t)64 << 10)  /* staged for one write */
#define OUT_CAP (OUT_FULL + ((size_t)64 << 10))
#define RECORD_SIZE ((size_t)16 << 10) /* of TLS, at most */
#define FRAME_HEAD_SIZE 9
#define PING_ANSWER_MS 20000

/* Frames that cost us and carry no work: so many at once, and so many a second. */
#define RESETS_BURST 200
#define RESETS_A_SECOND 20
#define CONTROLS_BURST 2000
#define CONTROLS_A_SECOND 500

typedef struct allowance {
    int64_t left_ms; /* each frame costs 1000 / rate; capped at burst */
    int64_t cost_ms, cap_ms, at_ms;
} allowance;

struct vch_h2 {
    vch_h2_options o;
    nghttp2_session *session;
    vch_timer *alive, *grace;
    vch_buffer out;
    size_t out_sent, out_due; /* of `out`: what is written, and what is to be now */
    int64_t heard_ms;         /* the last byte from the peer */
    bool pinged;              /* and not heard since */
    bool going;
    bool over; /* close at the end of this turn */
    vouch_error why;
    allowance resets, controls;
};

/* --- over a TLS connection --- */

static vch_tls_io wire_read(void *context, void *to, size_t room, size_t *out_size)
{
    return vch_tls_conn_read(context, to, room, out_size);
}

static vch_tls_io wire_write(void *context, const void *from, size_t size, size_t *out_size)
{
    return vch_tls_conn_write(context, from, size, out_size);
}

static void wire_want_write(void *context, bool want)
{
    vch_tls_conn_want_write(context, want);
}

static void wire_kick(void *context)
{
    vch_tls_conn_kick(context);
}

vch_h2_wire vch_h2_wire_over(vch_tls_conn *conn)
{
    return (vch_h2_wire) { conn, wire_read, wire_write, wire_want_write, wire_kick };
}

/* --- limits --- */

static allowance allowance_of(int64_t burst, int64_t a_second, int64_t now_ms)
{
    int64_t cost_ms = 1000 / a_second;
    return (allowance) { burst * cost_ms, cost_ms, burst * cost_ms, now_ms };
}

static bool spend(allowance *a, int64_t now_ms)
{
    a->left_ms += now_ms - a->at_ms;
    a->at_ms = now_ms;
    if (a->left_ms > a->cap_ms)
        a->left_ms = a->cap_ms;
    if (a->left_ms < a->cost_ms)
        return false;
    a->left_ms -= a->cost_ms;
    return true;
}

/* The connection ends with the present turn; the first reason counts. */
static void end(vch_h2 *h2, vouch_code code, const char *why)
{
    if (!h2->over)
        (void)!vouch_fail(&h2->why, code, "%s", why);
    h2->over = true;
}

static bool is_costly(const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING:
        return (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
    case NGHTTP2_PRIORITY:
        return true;
    case NGHTTP2_DATA: /* empty, and not the end of anything */
        return frame->hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;
    default:
        return false;
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    vch_h2 *h2 = user_data;
    int64_t now_ms = vch_clock_monotonic_ms();
    if (frame->hd.type == NGHTTP2_RST_STREAM && !spend(&h2->resets, now_ms)) {
        end(h2, VOUCH_E_LIMIT, "HTTP/2: the peer resets too many streams");
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (is_costly(frame) && !spend(&h2->controls, now_ms)) {
        end(h2, VOUCH_E_LIMIT, "HTTP/2: a flood of control frames");
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY)
        h2->going = true;
    return h2->o.events->frame(session, frame, user_data);
}

/* --- bytes out --- */

static bool is_full(const vch_h2 *h2)
{
    return h2->out.size >= OUT_FULL;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t size, int flags,
                       void *user_data)
{
    (void)session;
    (void)flags;
    vch_h2 *h2 = user_data;
    if (is_full(h2))
        return NGHTTP2_ERR_WOULDBLOCK;
    if (size > OUT_FULL)
        size = OUT_FULL;
    vch_buffer_append(&h2->out, (vouch_span) { data, size });
    return h2->out.failed == VOUCH_OK ? (ssize_t)size : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static vouch_span take(vouch_span *from, size_t size)
{
    vouch_span part = { from->data, size < from->size ? size : from->size };
    *from = (vouch_span) { from->data + part.size, from->size - part.size };
    return part;
}

/* false: the owner could not read them. */
static bool pull(vch_buffer *out, vch_h2_body *body, size_t size)
{
    uint8_t *to = size == 0 ? NULL : vch_buffer_extend(out, size);
    if (to == NULL)
        return true; /* nothing to read, or the buffer has failed */
    if (!body->pull(body, body->pulled, to, size))
        return false;
    body->pulled += size;
    return true;
}

/* A DATA frame without a copy in between: head, then bytes out of the message itself. */
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t size, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)frame;
    vch_h2 *h2 = user_data;
    vch_h2_body *body = source->ptr;
    if (body->dead)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (is_full(h2))
        return NGHTTP2_ERR_WOULDBLOCK;
    size_t before = h2->out.size;
    vch_buffer_append(&h2->out, (vouch_span) { head, FRAME_HEAD_SIZE });
    vouch_span prefix = { body->prefix + body->prefix_sent,
                          sizeof body->prefix - body->prefix_sent };
    vouch_span part = take(&prefix, size);
    vch_buffer_append(&h2->out, part);
    body->prefix_sent += part.size;
    size -= part.size;
    part = take(&body->rest, size);
    vch_buffer_append(&h2->out, part);
    if (!pull(&h2->out, body, size - part.size)) {
        h2->out.size = before;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return h2->out.failed == VOUCH_OK ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static uint64_t body_left(const vch_h2_body *body)
{
    return sizeof body->prefix - body->prefix_sent + body->rest.size + body->pull_size
           - body->pulled;
}

/* Go on to the next message, or note that there is none; false: the stream is broken. */
static bool advance(vch_h2_body *body)
{
    vouch_span message = { 0 };
    vch_h2_more more = body->next == NULL ? VCH_H2_NO_MORE : body->next(body, &message);
    if (more == VCH_H2_MORE)
        vch_h2_body_set(body, message);
    body->last = more == VCH_H2_NO_MORE;
    return more != VCH_H2_BROKEN;
}

/* How many bytes the next DATA frame gets; they are moved in on_send_data. */
static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *unused, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)unused;
    vch_h2 *h2 = user_data;
    vch_h2_body *body = source->ptr;
    if (body->dead || (body_left(body) == 0 && !body->last && !advance(body)))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    uint64_t left = body_left(body);
    size_t now = left < size ? (size_t)left : size;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (now < left || (body->next != NULL && !body->last))
        return (ssize_t)now;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (body->all_read != NULL) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        body->all_read(h2, body, stream_id);
    }
    return (ssize_t)now;
}

void vch_h2_body_set(vch_h2_body *body, vouch_span message)
{
    uint64_t size = message.size + body->pull_size;
    body->prefix[0] = 0; /* not compressed */
    for (int i = 0; i < 4; i++)
        body->prefix[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    body->prefix_sent = 0;
    body->rest = message;
}

nghttp2_data_provider vch_h2_body_provider(vch_h2_body *body)
{
    return (nghttp2_data_provider) { .source.ptr = body, .read_callback = read_body };
}

/* --- turns --- */

/* false: the socket takes no more now, or the connection is over. */
static bool flush(vch_h2 *h2)
{
    while (h2->out_sent < h2->out_due) {
        size_t put = 0;
        vch_tls_io io = h2->o.wire.write(h2->o.wire.context, h2->out.data + h2->out_sent,
                                         h2->out_due - h2->out_sent, &put);
        if (io == VCH_TLS_IO_CLOSED)
            end(h2, VOUCH_E_NETWORK, "the connection broke");
        if (io == VCH_TLS_IO_WAIT)
            h2->o.wire.want_write(h2->o.wire.context, true);
        if (io != VCH_TLS_IO_DONE)
            return false;
        h2->out_sent += put;
    }
    h2->out.size -= h2->out_due;
    if (h2->out.size > 0)
        memmove(h2->out.data, h2->out.data + h2->out_due, h2->out.size);
    h2->out_due = 0;
    h2->out_sent = 0;
    return true;
}

static void write_some(vch_h2 *h2)
{
    for (size_t done = 0; flush(h2);) {
        if (done >= TURN_BYTES) {
            h2->o.wire.kick(h2->o.wire.context);
            return;
        }
        int rc = nghttp2_session_send(h2->session);
        if (rc != 0)
            end(h2, VOUCH_E_NETWORK, nghttp2_strerror(rc));
        if (h2->out.size == 0) { /* idle: give the staging memory back */
            h2->o.wire.want_write(h2->o.wire.context, false);
            vch_buffer_drop(&h2->out);
            return;
        }
        /* full: more will come, so that no record need be a small one */
        h2->out_due = h2->out.size - (is_full(h2) ? h2->out.size % RECORD_SIZE : 0);
        done += h2->out_due;
    }
}

static void read_some(vch_h2 *h2)
{
    uint8_t some[READ_STEP];
    for (size_t done = 0; !h2->over;) {
        if (done >= TURN_BYTES) {
            h2->o.wire.kick(h2->o.wire.context);
            return;
        }
        size_t got = 0;
        vch_tls_io io = h2->o.wire.read(h2->o.wire.context, some, sizeof some, &got);
        if (io == VCH_TLS_IO_CLOSED)
            end(h2, VOUCH_E_NETWORK, "the peer closed the connection");
        if (io != VCH_TLS_IO_DONE)
            return;
        done += got;
        h2->heard_ms = vch_clock_monotonic_ms();
        h2->pinged = false;
        ssize_t rc = nghttp2_session_mem_recv(h2->session, some, got);
        if (rc < 0)
            end(h2, rc == NGHTTP2_ERR_FLOODED ? VOUCH_E_LIMIT : VOUCH_E_FORMAT,
                nghttp2_strerror((int)rc));
    }
}

void vch_h2_turn(vch_h2 *h2)
{
    if (!h2->over)
        read_some(h2);
    bool broken = h2->over && h2->why.code == VOUCH_E_NETWORK;
    if (!broken)
        write_some(h2); /* also when over: the GOAWAY that says why */
    if (!h2->over && nghttp2_session_want_read(h2->session) == 0
        && nghttp2_session_want_write(h2->session) == 0 && h2->out.size == 0)
        end(h2, VOUCH_E_NETWORK, "the connection has ended");
    if (h2->over)
        h2->o.closed(h2->o.context, &h2->why); /* frees h2 */
}

void vch_h2_wake(vch_h2 *h2)
{
    h2->o.wire.kick(h2->o.wire.context);
}

static void on_grace_over(void *context)
{
    vch_h2 *h2 = context;
    end(h2, VOUCH_E_TIMEOUT, "the connection was ended");
    vch_h2_turn(h2);
}

void vch_h2_go_away(vch_h2 *h2, int64_t grace_ms)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
    h2->going = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
    vch_timer_start(h2->grace, grace_ms);
    vch_h2_wake(h2);
}

bool vch_h2_is_going(const vch_h2 *h2)
{
    return h2->going || h2->over;
}

/* --- keeping alive --- */

static void on_alive(void *context)
{
    vch_h2 *h2 = context;
    int64_t silent_ms = vch_clock_monotonic_ms() - h2->heard_ms;
    bool calls = h2->o.call_count(h2->o.context) > 0;
    if (calls && h2->pinged && silent_ms >= h2->o.keepalive_ms) {
        end(h2, VOUCH_E_TIMEOUT, "the peer answers no PING");
        vch_h2_turn(h2);
        return;
    }
    int64_t next_ms = h2->o.keepalive_ms;
    if (calls && silent_ms >= h2->o.keepalive_ms) {
        h2->pinged = nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL) == 0;
        next_ms = PING_ANSWER_MS < next_ms ? PING_ANSWER_MS : next_ms;
        vch_h2_wake(h2);
    }
    vch_timer_start(h2->alive, next_ms);
}

/* --- life --- */

static void set_callbacks(nghttp2_session_callbacks *to, const vch_h2_events *events)
{
    nghttp2_session_callbacks_set_send_callback(to, on_send);
    nghttp2_session_callbacks_set_send_data_callback(to, on_send_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(to, on_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(to, events->begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(to, events->header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(to, events->data);
    nghttp2_session_callbacks_set_on_stream_close_callback(to, events->stream_close);
    if (events->frame_sent != NULL)
        nghttp2_session_callbacks_set_on_frame_send_callback(to, events->frame_sent);
}

static int make_session(vch_h2 *h2, nghttp2_session_callbacks *callbacks, nghttp2_option *option)
{
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_settings(option, 32);
    nghttp2_option_set_max_outbound_ack(option, 1000);
    set_callbacks(callbacks, h2->o.events);
    return h2->o.server ? nghttp2_session_server_new2(&h2->session, callbacks, h2, option)
                        : nghttp2_session_client_new2(&h2->session, callbacks, h2, option);
}

static int submit_settings(vch_h2 *h2)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, VCH_H2_STREAM_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)VCH_H2_HEADERS_MAX_SIZE },
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h2->o.streams_max },
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
    };
    size_t count = sizeof settings / sizeof *settings - (h2->o.server ? 1 : 0);
    int rc = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, count);
    if (rc != 0)
        return rc;
    return nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                 VCH_H2_CONNECTION_WINDOW);
}

static vouch_code start(vch_h2 *h2, vouch_error *err)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int rc = nghttp2_session_callbacks_new(&callbacks);
    if (rc == 0)
        rc = nghttp2_option_new(&option);
    if (rc == 0)
        rc = make_session(h2, callbacks, option);
    if (rc == 0)
        rc = submit_settings(h2);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    if (rc != 0)
        return vouch_fail(err, VOUCH_E_MEMORY, "HTTP/2: %s", nghttp2_strerror(rc));
    vouch_code code = vch_timer_new(h2->o.loop, on_alive, h2, &h2->alive, err);
    return code == VOUCH_OK ? vch_timer_new(h2->o.loop, on_grace_over, h2, &h2->grace, err) : code;
}

vouch_code vch_h2_new(const vch_h2_options *options, vch_h2 **out, vouch_error *err)
{
    vch_h2 *h2 = calloc(1, sizeof *h2);
    if (h2 == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "HTTP/2: out of memory");
    int64_t now_ms = vch_clock_monotonic_ms();
    h2->o = *options;
    h2->out = vch_buffer_with_cap(OUT_CAP);
    h2->heard_ms = now_ms;
    h2->resets = allowance_of(RESETS_BURST, RESETS_A_SECOND, now_ms);
    h2->controls = allowance_of(CONTROLS_BURST, CONTROLS_A_SECOND, now_ms);
    vouch_code rc = start(h2, err);
    if (rc != VOUCH_OK) {
        vch_h2_free(h2);
        return rc;
    }
    vch_timer_start(h2->alive, h2->o.keepalive_ms);
    vch_h2_wake(h2);
    *out = h2;
    return VOUCH_OK;
}

void vch_h2_free(vch_h2 *h2)
{
    if (h2 == NULL)
        return;
    nghttp2_session_del(h2->session);
    vch_timer_free(h2->alive);
    vch_timer_free(h2->grace);
    vch_buffer_drop(&h2->out);
    free(h2);
}

void *vch_h2_context(const vch_h2 *h2)
{
    return h2->o.context;
}

nghttp2_session *vch_h2_session(const vch_h2 *h2)
{
    return h2->session;
}
