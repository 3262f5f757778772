/* The calls of a client connection. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "net/grpc_client_internal.h"

#define RESPONSE_CAP ((size_t)1 << 30)
#define RESERVE_MAX ((size_t)16 << 20) /* of an answer before its bytes come */
#define HEADER_OVERHEAD ((size_t)32)

struct vch_client_call {
    vch_grpc_client *client;
    vch_client_call *next, **at;
    int32_t stream_id;
    bool stream_open; /* nghttp2 refers to this object */
    vch_grpc_request request;
    vch_h2_body body;
    vch_grpc_reader reader;
    vch_timer *deadline;
    size_t header_bytes;
    int http_status;
    bool has_status, got_message;
    bool finished, delivered;
    vouch_code rc; /* not VOUCH_OK: failed on our side, or broken */
    vouch_error why;
    vch_grpc_answer answer;
    void (*done)(void *context, vouch_code rc, vch_grpc_answer *answer, const vouch_error *why);
    void *done_context;
};

void vch_grpc_answer_drop(vch_grpc_answer *answer)
{
    vch_buffer_drop(&answer->message);
    answer->status = (vch_grpc_status) { 0 };
}

static void call_free(vch_client_call *call)
{
    vch_timer_free(call->deadline);
    vch_grpc_answer_drop(&call->answer);
    free(call);
}

static void unlink_call(vch_client_call *call)
{
    *call->at = call->next;
    if (call->next != NULL)
        call->next->at = call->at;
}

static void link_call(vch_client_call **list, vch_client_call *call)
{
    call->at = list;
    call->next = *list;
    if (call->next != NULL)
        call->next->at = &call->next;
    *list = call;
}

/* done() is called in a turn of its own, never from inside nghttp2. */
static void finish(vch_client_call *call)
{
    vch_grpc_client *client = call->client;
    call->finished = true;
    if (call->deadline != NULL)
        vch_timer_stop(call->deadline);
    call->body.dead = true; /* what it borrows is the caller's again */
    unlink_call(call);
    client->call_count--;
    link_call(&client->finished, call);
    vch_timer_start(client->deliver, 0);
}

void vch_client_deliver(vch_grpc_client *client)
{
    while (client->finished != NULL) {
        vch_client_call *call = client->finished;
        unlink_call(call);
        bool fine = call->rc == VOUCH_OK;
        call->delivered = true;
        call->done(call->done_context, call->rc, fine ? &call->answer : NULL, &call->why);
        if (call->stream_open)
            link_call(&client->zombies, call);
        else
            call_free(call);
    }
}

void vch_client_bury(vch_grpc_client *client)
{
    while (client->zombies != NULL) {
        vch_client_call *call = client->zombies;
        unlink_call(call);
        call_free(call);
    }
    for (vch_client_call *call = client->finished; call != NULL; call = call->next)
        call->stream_open = false;
}

void vch_client_fail_calls(vch_grpc_client *client)
{
    while (client->calls != NULL) {
        vch_client_call *call = client->calls;
        if (call->rc == VOUCH_OK) {
            call->rc = client->why.code == VOUCH_E_TIMEOUT ? VOUCH_E_TIMEOUT : VOUCH_E_NETWORK;
            call->why = client->why;
        }
        finish(call);
    }
}

/* Note why a call cannot go on, and reset its stream; the close of the stream finishes it. */
static void give_up(vch_client_call *call, vouch_code rc, const vouch_error *why)
{
    if (call->rc == VOUCH_OK) {
        call->rc = rc;
        call->why = *why;
    }
    (void)nghttp2_submit_rst_stream(vch_h2_session(call->client->h2), NGHTTP2_FLAG_NONE,
                                    call->stream_id, NGHTTP2_CANCEL);
    vch_h2_wake(call->client->h2);
}

static void on_late(void *context)
{
    vch_client_call *call = context;
    vouch_error why = { 0 };
    vouch_code rc = vouch_fail(&why, VOUCH_E_TIMEOUT, "'%s' took longer than %" PRId64 " ms",
                               call->request.path, call->request.timeout_ms);
    give_up(call, rc, &why);
    finish(call);
}

/* --- request --- */

static vch_h2_more next_message(vch_h2_body *body, vouch_span *out)
{
    vch_client_call *call =
        (vch_client_call *)(void *)((char *)body - offsetof(vch_client_call, body));
    const vch_grpc_source *source = call->request.source;
    bool more = false;
    vouch_error why = { 0 };
    vouch_code rc = source->next(source->context, &more, out, &why);
    if (rc == VOUCH_OK && more && out->size > UINT32_MAX)
        rc = vouch_fail(&why, VOUCH_E_LIMIT, "a message of %zu bytes", out->size);
    if (rc != VOUCH_OK) {
        call->rc = rc;
        call->why = why;
        return VCH_H2_BROKEN;
    }
    return more ? VCH_H2_MORE : VCH_H2_NO_MORE;
}

static void prepare_body(vch_client_call *call)
{
    if (call->request.source == NULL) {
        vch_h2_body_set(&call->body, call->request.message);
        call->body.last = true;
        return;
    }
    call->body.next = next_message;
    call->body.prefix_sent = sizeof call->body.prefix; /* nothing yet */
}

static const char *timeout_text(int64_t ms, char out[static 32])
{
    const int64_t eight_digits = 99999999;
    if (ms <= eight_digits)
        (void)snprintf(out, 32, "%" PRId64 "m", ms);
    else
        (void)snprintf(out, 32, "%" PRId64 "S",
                       ms / 1000 < eight_digits ? ms / 1000 : eight_digits);
    return out;
}

static int submit(vch_client_call *call)
{
    char timeout[32];
    int64_t timeout_ms = call->request.timeout_ms;
    const nghttp2_nv nv[] = {
        vch_grpc_nv(vch_span_str(":method"), vch_span_str("POST")),
        vch_grpc_nv(vch_span_str(":scheme"), vch_span_str("https")),
        vch_grpc_nv(vch_span_str(":path"), vch_span_str(call->request.path)),
        vch_grpc_nv(vch_span_str(":authority"), vch_span_str(call->client->authority)),
        vch_grpc_nv(vch_span_str("te"), vch_span_str("trailers")),
        vch_grpc_nv(vch_span_str("content-type"), vch_span_str("application/grpc")),
        vch_grpc_nv(vch_span_str("user-agent"), vch_span_str("grpc-c-vouch")),
        vch_grpc_nv(vch_span_str("grpc-accept-encoding"), vch_span_str("identity")),
        vch_grpc_nv(vch_span_str("grpc-timeout"),
                    vch_span_str(timeout_text(timeout_ms > 0 ? timeout_ms : 0, timeout))),
    };
    size_t count = sizeof nv / sizeof *nv - (timeout_ms > 0 ? 0 : 1);
    const nghttp2_data_provider provider = vch_h2_body_provider(&call->body);
    return nghttp2_submit_request(vch_h2_session(call->client->h2), NULL, nv, count, &provider,
                                  call);
}

/* --- response --- */

static vouch_code response_begin(void *context, uint32_t size, vouch_error *err)
{
    vch_client_call *call = context;
    size_t cap = call->request.response_cap > 0 ? call->request.response_cap : RESPONSE_CAP;
    if (call->got_message)
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s': a second message came", call->request.path);
    if (size > cap)
        return vouch_fail(err, VOUCH_E_LIMIT, "'%s': the answer has %u bytes, more than %zu",
                          call->request.path, size, cap);
    call->got_message = true;
    call->answer.message = vch_buffer_with_cap(cap);
    if (call->request.bytes == NULL)
        vch_buffer_reserve(&call->answer.message, size < RESERVE_MAX ? size : RESERVE_MAX);
    return vch_buffer_finish(&call->answer.message, "answer", err);
}

static vouch_code response_bytes(void *context, vouch_span bytes, vouch_error *err)
{
    vch_client_call *call = context;
    if (call->request.bytes != NULL) {
        const uint8_t *p = call->reader.prefix;
        uint32_t size = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
        return call->request.bytes(call->request.bytes_context, size, bytes, err);
    }
    vch_buffer_append(&call->answer.message, bytes);
    return vch_buffer_finish(&call->answer.message, "answer", err);
}

static vouch_code response_end(void *context, vouch_error *err)
{
    (void)context;
    (void)err;
    return VOUCH_OK;
}

static int number_of(vouch_span digits, int otherwise)
{
    int value = 0;
    if (digits.size == 0 || digits.size > 6)
        return otherwise;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return otherwise;
        value = value * 10 + (digits.data[i] - '0');
    }
    return value;
}

static void take_header(vch_client_call *call, vouch_span name, vouch_span value)
{
    vch_grpc_status *status = &call->answer.status;
    if (vch_span_is(name, ":status")) {
        call->http_status = number_of(value, 0);
    } else if (vch_span_is(name, "grpc-status")) {
        call->has_status = true;
        status->code = number_of(value, VCH_GRPC_UNKNOWN);
    } else if (vch_span_is(name, "grpc-message")) {
        vch_grpc_text_decode(value, status->text, sizeof status->text);
    }
}

/* PROTOCOL-HTTP2.md, "HTTP2 status code to gRPC status code" */
static int status_of_http(int http_status)
{
    switch (http_status) {
    case 400:
        return VCH_GRPC_INTERNAL;
    case 401:
        return VCH_GRPC_UNAUTHENTICATED;
    case 403:
        return VCH_GRPC_PERMISSION_DENIED;
    case 404:
        return VCH_GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return VCH_GRPC_UNAVAILABLE;
    default:
        return VCH_GRPC_UNKNOWN;
    }
}

/* What a closed stream amounts to. */
static void conclude(vch_client_call *call, uint32_t error_code)
{
    vch_grpc_status *status = &call->answer.status;
    if (call->rc != VOUCH_OK)
        return;
    if (!call->has_status && call->http_status != 0 && call->http_status != 200) {
        status->code = status_of_http(call->http_status);
        (void)snprintf(status->text, sizeof status->text, "HTTP status %d", call->http_status);
    } else if (!call->has_status) {
        call->rc = vouch_fail(&call->why, VOUCH_E_NETWORK, "'%s': the stream ended: %s",
                              call->request.path, nghttp2_http2_strerror(error_code));
    } else if (status->code == VCH_GRPC_OK
               && (!call->got_message || !vch_grpc_reader_is_between(&call->reader))) {
        call->rc = vouch_fail(&call->why, VOUCH_E_FORMAT, "'%s': the answer is not whole",
                              call->request.path);
    }
    if (status->code != VCH_GRPC_OK)
        vch_buffer_drop(&call->answer.message);
}

/* --- nghttp2's events --- */

static vch_client_call *call_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    (void)frame;
    (void)user_data;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user_data)
{
    (void)flags;
    (void)user_data;
    vch_client_call *call = call_of(session, frame->hd.stream_id);
    if (call == NULL || call->finished)
        return 0;
    call->header_bytes += name_size + value_size + HEADER_OVERHEAD;
    if (call->header_bytes > VCH_H2_HEADERS_MAX_SIZE)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    take_header(call, (vouch_span) { name, name_size }, (vouch_span) { value, value_size });
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    (void)frame;
    (void)user_data;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *user_data)
{
    (void)flags;
    (void)user_data;
    vch_client_call *call = call_of(session, stream_id);
    vouch_error why = { 0 };
    vouch_code rc = VOUCH_OK;
    if (call != NULL && call->rc == VOUCH_OK && !call->finished)
        rc = vch_grpc_reader_feed(&call->reader, (vouch_span) { data, size }, &why);
    if (rc != VOUCH_OK)
        give_up(call, rc, &why);
    (void)nghttp2_session_consume(session, stream_id, size);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user_data)
{
    (void)user_data;
    vch_client_call *call = call_of(session, stream_id);
    if (call == NULL)
        return 0;
    call->stream_open = false;
    if (call->delivered) {
        unlink_call(call);
        call_free(call);
    } else if (!call->finished) {
        conclude(call, error_code);
        finish(call);
    }
    return 0;
}

const vch_h2_events vch_grpc_client_events = {
    .begin_headers = on_begin_headers,
    .header = on_header,
    .frame = on_frame,
    .data = on_data,
    .stream_close = on_stream_close,
};

/* --- starting --- */

static vouch_code start(vch_client_call *call, vouch_error *err)
{
    if (call->request.timeout_ms > 0) {
        vouch_code rc = vch_timer_new(call->client->loop, on_late, call, &call->deadline, err);
        if (rc != VOUCH_OK)
            return rc;
        vch_timer_start(call->deadline, call->request.timeout_ms);
    }
    prepare_body(call);
    int stream_id = submit(call);
    if (stream_id < 0)
        return vouch_fail(err, VOUCH_E_NETWORK, "'%s': %s", call->request.path,
                          nghttp2_strerror(stream_id));
    call->stream_id = stream_id;
    call->stream_open = true;
    return VOUCH_OK;
}

vouch_code vch_grpc_client_start(vch_grpc_client *client, const vch_grpc_request *request,
                                 void (*done)(void *context, vouch_code rc, vch_grpc_answer *answer,
                                              const vouch_error *why),
                                 void *context, vouch_error *err)
{
    if (client->h2 == NULL || vch_h2_is_going(client->h2)) {
        char text[256];
        return vouch_fail(err, VOUCH_E_NETWORK, "'%s': %s", request->path,
                          client->why.depth > 0 ? vouch_error_text(&client->why, text, sizeof text)
                                                : "the server is going away");
    }
    vch_client_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "gRPC call: out of memory");
    call->client = client;
    call->request = *request;
    call->done = done;
    call->done_context = context;
    call->reader = (vch_grpc_reader) {
        .context = call, .begin = response_begin, .bytes = response_bytes, .end = response_end
    };
    vouch_code rc = start(call, err);
    if (rc != VOUCH_OK) {
        call_free(call);
        return rc;
    }
    link_call(&client->calls, call);
    client->call_count++;
    vch_h2_wake(client->h2);
    return VOUCH_OK;
}
