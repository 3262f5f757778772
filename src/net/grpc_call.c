/* The calls of one server connection: headers in, request bytes to the handler, answer out. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "host/clock.h"
#include "net/grpc_server_internal.h"

#define UNARY_MAX_SIZE ((uint64_t)4 << 20)
#define PATH_MAX_SIZE ((size_t)256)
#define STALL_MS 120000              /* an upload without a byte, though it has credit */
#define HEADER_OVERHEAD ((size_t)32) /* RFC 9113 s.6.5.2 counts each header so */

struct vch_grpc_call {
    vch_grpc_conn *conn;
    vch_grpc_call *next, **at;
    int32_t stream_id;
    const vch_grpc_method *method; /* NULL: unknown */
    void *state;

    size_t header_bytes;
    char path[PATH_MAX_SIZE];
    bool is_post, is_grpc, is_coded;
    int64_t timeout_ms; /* negative: none */

    bool begun;    /* the handler knows it: `ended` is owed */
    bool answered; /* nothing more goes to the handler but `ended` */
    bool closed_by_peer;
    vch_grpc_reader reader;
    vch_buffer collected;
    bool got_message;
    bool paused;
    size_t owed; /* bytes whose credit is held back */
    int64_t heard_ms;
    vch_timer *deadline;

    vch_h2_body body;
    void (*release)(void *owner);
    void *owner;
    vch_buffer head; /* of an answer with a tail */
    vch_grpc_tail tail;
};

/* --- answers --- */

static void put_trailers(vch_h2 *h2, vch_h2_body *body, int32_t stream_id)
{
    (void)body;
    const nghttp2_nv nv[] = { vch_grpc_nv(vch_span_str("grpc-status"), vch_span_str("0")) };
    (void)nghttp2_submit_trailer(vch_h2_session(h2), stream_id, nv, 1);
}

static void reset(vch_grpc_call *call, uint32_t code)
{
    (void)nghttp2_submit_rst_stream(vch_h2_session(call->conn->h2), NGHTTP2_FLAG_NONE,
                                    call->stream_id, code);
    vch_h2_wake(call->conn->h2);
}

static void give_credit(vch_grpc_call *call, size_t size)
{
    (void)nghttp2_session_consume(vch_h2_session(call->conn->h2), call->stream_id, size);
}

/* From now on the request's bytes are thrown away, and so need no credit held back. */
static void mark_answered(vch_grpc_call *call)
{
    call->answered = true;
    give_credit(call, call->owed);
    call->owed = 0;
    vch_buffer_drop(&call->collected);
    if (call->deadline != NULL)
        vch_timer_stop(call->deadline);
    vch_h2_wake(call->conn->h2);
}

static void reply(vch_grpc_call *call, vouch_span message, void (*release)(void *owner),
                  void *owner)
{
    if (call->answered || message.size + call->body.pull_size > UINT32_MAX) {
        if (release != NULL)
            release(owner);
        if (!call->answered)
            vch_grpc_call_fail(call, VCH_GRPC_INTERNAL, "the answer is too long");
        return;
    }
    call->release = release;
    call->owner = owner;
    vch_h2_body_set(&call->body, message);
    call->body.last = true;
    call->body.all_read = put_trailers;
    const nghttp2_nv nv[] = {
        vch_grpc_nv(vch_span_str(":status"), vch_span_str("200")),
        vch_grpc_nv(vch_span_str("content-type"), vch_span_str("application/grpc")),
    };
    const nghttp2_data_provider provider = vch_h2_body_provider(&call->body);
    int rc =
        nghttp2_submit_response(vch_h2_session(call->conn->h2), call->stream_id, nv, 2, &provider);
    mark_answered(call);
    if (rc != 0)
        reset(call, NGHTTP2_INTERNAL_ERROR);
}

void vch_grpc_call_reply_shared(vch_grpc_call *call, vouch_span message,
                                void (*release)(void *owner), void *owner)
{
    reply(call, message, release, owner);
}

void vch_grpc_call_reply_given(vch_grpc_call *call, vch_buffer *message)
{
    vouch_span span = vch_buffer_span(message);
    uint8_t *data = message->data;
    *message = (vch_buffer) { .cap = message->cap };
    reply(call, span, free, data);
}

static bool pull(vch_h2_body *body, uint64_t offset, void *out, size_t size)
{
    const vch_grpc_call *call =
        (const vch_grpc_call *)(const void *)((const char *)body - offsetof(vch_grpc_call, body));
    return call->tail.read(call->tail.context, offset, out, size);
}

void vch_grpc_call_reply_pulled(vch_grpc_call *call, vch_buffer *head, const vch_grpc_tail *tail)
{
    if (call->answered) {
        vch_buffer_drop(head);
        if (tail->release != NULL)
            tail->release(tail->context);
        return;
    }
    call->head = *head;
    *head = (vch_buffer) { .cap = head->cap };
    call->tail = *tail;
    call->body.pull = pull;
    call->body.pull_size = tail->size > UINT32_MAX ? UINT32_MAX + UINT64_C(1) : tail->size;
    reply(call, vch_buffer_span(&call->head), tail->release, tail->context);
}

void vch_grpc_call_reply(vch_grpc_call *call, vouch_span message)
{
    vch_buffer copy = vch_buffer_with_cap(message.size);
    vch_buffer_append(&copy, message);
    if (copy.failed != VOUCH_OK) {
        vch_buffer_drop(&copy);
        vch_grpc_call_fail(call, VCH_GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    vch_grpc_call_reply_given(call, &copy);
}

void vch_grpc_call_fail(vch_grpc_call *call, vch_grpc_code code, const char *fmt, ...)
{
    if (call->answered)
        return;
    char text[VCH_GRPC_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    char number[12];
    char coded[3 * VCH_GRPC_TEXT_SIZE];
    (void)snprintf(number, sizeof number, "%d", (int)code);
    (void)vch_grpc_text_encode(text, coded, sizeof coded);
    const nghttp2_nv nv[] = {
        vch_grpc_nv(vch_span_str(":status"), vch_span_str("200")),
        vch_grpc_nv(vch_span_str("content-type"), vch_span_str("application/grpc")),
        vch_grpc_nv(vch_span_str("grpc-status"), vch_span_str(number)),
        vch_grpc_nv(vch_span_str("grpc-message"), vch_span_str(coded)),
    };
    int rc = nghttp2_submit_response(vch_h2_session(call->conn->h2), call->stream_id, nv,
                                     sizeof nv / sizeof *nv, NULL);
    mark_answered(call);
    if (rc != 0)
        reset(call, NGHTTP2_INTERNAL_ERROR);
}

/* What is not gRPC at all gets an HTTP status. */
static void answer_http(vch_grpc_call *call, const char *status)
{
    const nghttp2_nv nv[] = { vch_grpc_nv(vch_span_str(":status"), vch_span_str(status)) };
    int rc = nghttp2_submit_response(vch_h2_session(call->conn->h2), call->stream_id, nv, 1, NULL);
    mark_answered(call);
    if (rc != 0)
        reset(call, NGHTTP2_INTERNAL_ERROR);
}

/* --- what handlers ask --- */

void vch_grpc_call_set_state(vch_grpc_call *call, void *state)
{
    call->state = state;
}

void *vch_grpc_call_state(const vch_grpc_call *call)
{
    return call->state;
}

void *vch_grpc_call_session(const vch_grpc_call *call)
{
    return call->conn->session;
}

const char *vch_grpc_call_address(const vch_grpc_call *call)
{
    return call->conn->address;
}

vch_tls_face vch_grpc_call_face(const vch_grpc_call *call)
{
    return call->conn->face;
}

void vch_grpc_call_pause(vch_grpc_call *call)
{
    call->paused = true;
}

void vch_grpc_call_resume(vch_grpc_call *call)
{
    call->paused = false;
    call->heard_ms = vch_clock_monotonic_ms();
    give_credit(call, call->owed);
    call->owed = 0;
    vch_h2_wake(call->conn->h2);
}

/* --- the request's messages --- */

static uint64_t message_max(const vch_grpc_method *method)
{
    if (method->message_max_size > 0)
        return method->message_max_size;
    return method->unary != NULL ? UNARY_MAX_SIZE : VCH_GRPC_MESSAGE_MAX_SIZE;
}

static vouch_code message_begin(void *context, uint32_t size, vouch_error *err)
{
    vch_grpc_call *call = context;
    const vch_grpc_method *m = call->method;
    if (size > message_max(m))
        return vouch_fail(err, VOUCH_E_LIMIT, "a message of %u bytes; at most %llu", size,
                          (unsigned long long)message_max(m));
    if (m->unary != NULL && call->got_message)
        return vouch_fail(err, VOUCH_E_FORMAT, "a second message in a unary call");
    call->got_message = true;
    if (m->unary == NULL && m->message_begin != NULL)
        m->message_begin(call->conn->o->context, call, size);
    return VOUCH_OK;
}

static vouch_code message_bytes(void *context, vouch_span bytes, vouch_error *err)
{
    vch_grpc_call *call = context;
    const vch_grpc_method *m = call->method;
    if (call->answered)
        return VOUCH_OK;
    if (m->unary != NULL) {
        vch_buffer_append(&call->collected, bytes);
        return vch_buffer_finish(&call->collected, "request", err);
    }
    if (m->bytes != NULL)
        m->bytes(call->conn->o->context, call, bytes);
    return VOUCH_OK;
}

static vouch_code message_end(void *context, vouch_error *err)
{
    (void)err;
    vch_grpc_call *call = context;
    const vch_grpc_method *m = call->method;
    if (!call->answered && m->unary == NULL && m->message_end != NULL)
        m->message_end(call->conn->o->context, call);
    return VOUCH_OK;
}

static void fail_reading(vch_grpc_call *call, vouch_code rc, const vouch_error *why)
{
    char text[VCH_GRPC_TEXT_SIZE];
    vch_grpc_code code = VCH_GRPC_INTERNAL;
    if (rc == VOUCH_E_LIMIT || rc == VOUCH_E_MEMORY)
        code = VCH_GRPC_RESOURCE_EXHAUSTED;
    if (rc == VOUCH_E_UNSUPPORTED)
        code = VCH_GRPC_UNIMPLEMENTED;
    vch_grpc_call_fail(call, code, "%s", vouch_error_text(why, text, sizeof text));
}

static void half_close(vch_grpc_call *call)
{
    const vch_grpc_method *m = call->method;
    call->closed_by_peer = true;
    if (call->answered)
        return;
    if (!vch_grpc_reader_is_between(&call->reader)) {
        vch_grpc_call_fail(call, VCH_GRPC_INTERNAL, "the last message is cut short");
        return;
    }
    if (m->unary == NULL) {
        m->half_close(call->conn->o->context, call);
        return;
    }
    if (!call->got_message) {
        vch_grpc_call_fail(call, VCH_GRPC_INTERNAL, "no message in a unary call");
        return;
    }
    vch_buffer request = call->collected; /* the answer may drop what the handler still reads */
    call->collected = (vch_buffer) { 0 };
    m->unary(call->conn->o->context, call, vch_buffer_span(&request));
    vch_buffer_drop(&request);
}

/* --- life of a call --- */

static vch_grpc_conn *conn_of(void *user_data)
{
    return vch_h2_context(user_data);
}

static vch_grpc_call *call_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static void call_free(vch_grpc_call *call)
{
    *call->at = call->next;
    if (call->next != NULL)
        call->next->at = call->at;
    call->conn->call_count--;
    call->answered = true;
    if (call->begun && call->method->ended != NULL)
        call->method->ended(call->conn->o->context, call);
    if (call->release != NULL)
        call->release(call->owner);
    if (call->owed > 0)
        (void)nghttp2_session_consume_connection(vch_h2_session(call->conn->h2), call->owed);
    vch_timer_free(call->deadline);
    vch_buffer_drop(&call->head);
    vch_buffer_drop(&call->collected);
    free(call);
}

static void on_late(void *context)
{
    vch_grpc_call_fail(context, VCH_GRPC_DEADLINE_EXCEEDED, "the call's deadline passed");
}

static void find_method(vch_grpc_call *call)
{
    const vch_grpc_server_options *o = call->conn->o;
    for (size_t i = 0; i < o->method_count; i++) {
        if (strcmp(o->methods[i].path, call->path) == 0)
            call->method = &o->methods[i];
    }
}

static bool set_deadline(vch_grpc_call *call)
{
    if (call->timeout_ms < 0)
        return true;
    if (vch_timer_new(call->conn->o->loop, on_late, call, &call->deadline, NULL) != VOUCH_OK)
        return false;
    vch_timer_start(call->deadline, call->timeout_ms);
    return true;
}

/* All headers are there. */
static void dispatch(vch_grpc_call *call)
{
    if (call->answered)
        return;
    if (!call->is_post || !call->is_grpc) {
        answer_http(call, call->is_post ? "415" : "405");
        return;
    }
    find_method(call);
    if (call->method == NULL || call->is_coded) {
        vch_grpc_call_fail(call, VCH_GRPC_UNIMPLEMENTED, "%s",
                           call->is_coded ? "messages may not be compressed" : "unknown method");
        return;
    }
    if (!set_deadline(call)) {
        vch_grpc_call_fail(call, VCH_GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    call->collected = vch_buffer_with_cap((size_t)message_max(call->method));
    call->begun = true;
    if (call->method->begin != NULL)
        call->method->begin(call->conn->o->context, call);
}

void vch_grpc_conn_end_calls(vch_grpc_conn *conn)
{
    while (conn->calls != NULL)
        call_free(conn->calls);
}

void vch_grpc_conn_sweep(vch_grpc_conn *conn, int64_t now_ms)
{
    for (vch_grpc_call *call = conn->calls; call != NULL; call = call->next) {
        if (!call->answered && !call->closed_by_peer && !call->paused
            && now_ms - call->heard_ms > STALL_MS)
            vch_grpc_call_fail(call, VCH_GRPC_DEADLINE_EXCEEDED, "the request stands still");
    }
}

/* --- nghttp2's events --- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    vch_grpc_conn *conn = conn_of(user_data);
    vch_grpc_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    call->conn = conn;
    call->stream_id = frame->hd.stream_id;
    call->timeout_ms = -1;
    call->heard_ms = vch_clock_monotonic_ms();
    call->reader = (vch_grpc_reader) {
        .context = call, .begin = message_begin, .bytes = message_bytes, .end = message_end
    };
    call->at = &conn->calls;
    call->next = conn->calls;
    if (call->next != NULL)
        call->next->at = &call->next;
    conn->calls = call;
    conn->call_count++;
    return nghttp2_session_set_stream_user_data(session, call->stream_id, call);
}

static bool starts_with(vouch_span value, const char *start)
{
    return value.size >= strlen(start) && memcmp(value.data, start, strlen(start)) == 0;
}

static void take_header(vch_grpc_call *call, vouch_span name, vouch_span value)
{
    if (vch_span_is(name, ":path") && value.size < sizeof call->path) {
        memcpy(call->path, value.data, value.size);
        call->path[value.size] = '\0';
    } else if (vch_span_is(name, ":method")) {
        call->is_post = vch_span_is(value, "POST");
    } else if (vch_span_is(name, "content-type")) {
        call->is_grpc = vch_span_is(value, "application/grpc")
                        || starts_with(value, "application/grpc+")
                        || starts_with(value, "application/grpc;");
    } else if (vch_span_is(name, "grpc-encoding")) {
        call->is_coded = !vch_span_is(value, "identity");
    } else if (vch_span_is(name, "grpc-timeout")) {
        if (!vch_grpc_timeout_parse(value, &call->timeout_ms))
            vch_grpc_call_fail(call, VCH_GRPC_INTERNAL, "grpc-timeout is malformed");
    }
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user_data)
{
    (void)flags;
    (void)user_data;
    vch_grpc_call *call = call_of(session, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    call->header_bytes += name_size + value_size + HEADER_OVERHEAD;
    if (call->header_bytes > VCH_H2_HEADERS_MAX_SIZE)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the stream is reset */
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        take_header(call, (vouch_span) { name, name_size }, (vouch_span) { value, value_size });
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    bool is_headers = frame->hd.type == NGHTTP2_HEADERS;
    if (!is_headers && frame->hd.type != NGHTTP2_DATA)
        return 0;
    vch_grpc_call *call = call_of(session, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if (is_headers && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        dispatch(call);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        half_close(call);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *user_data)
{
    (void)flags;
    (void)user_data;
    vch_grpc_call *call = call_of(session, stream_id);
    if (call == NULL) {
        (void)nghttp2_session_consume(session, stream_id, size);
        return 0;
    }
    call->heard_ms = vch_clock_monotonic_ms();
    vouch_error why = { 0 };
    vouch_code rc = call->answered
                        ? VOUCH_OK
                        : vch_grpc_reader_feed(&call->reader, (vouch_span) { data, size }, &why);
    if (rc != VOUCH_OK)
        fail_reading(call, rc, &why);
    if (call->paused && !call->answered)
        call->owed += size;
    else
        give_credit(call, size);
    return 0;
}

/* The answer is out; a client that still sends is told to stop (RFC 9113 s.8.1). */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0
        || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    vch_grpc_call *call = call_of(session, frame->hd.stream_id);
    if (call != NULL && !call->closed_by_peer)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->stream_id,
                                        NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user_data)
{
    (void)error_code;
    (void)user_data;
    vch_grpc_call *call = call_of(session, stream_id);
    if (call != NULL)
        call_free(call);
    return 0;
}

const vch_h2_events vch_grpc_server_events = {
    .begin_headers = on_begin_headers,
    .header = on_header,
    .frame = on_frame,
    .data = on_data,
    .stream_close = on_stream_close,
    .frame_sent = on_frame_sent,
};
