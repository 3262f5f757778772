/* Our gRPC client against our gRPC server, both on one loop, over real sockets. */
#include "net/grpc_client.h"
#include "net/grpc_server.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit.h"
#include "net/grpc_internal.h"
#include "net/listener.h"

#define BIG ((size_t)20 << 20)

static kit keys;
static vch_loop *loop;

static int set_up(void **state)
{
    (void)state;
    kit_make(&keys);
    return vch_loop_new(&loop, NULL) == VOUCH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    vch_loop_free(loop);
    kit_drop(&keys);
    return 0;
}

/* What the server's handlers saw. */
typedef struct seen {
    int begun, messages, half_closed, ended, released;
    uint64_t bytes;
    uint32_t announced;
    vch_grpc_call *waiting;
    bool pause;
    bool waiting_arrived, wait_ended;
    vouch_span big;
    uint64_t pulled, pull_fails_at; /* 0: never */
} seen;

static void echo(void *context, vch_grpc_call *call, vouch_span request)
{
    (void)context;
    vch_grpc_call_reply(call, request);
}

static void refuse(void *context, vch_grpc_call *call, vouch_span request)
{
    (void)context;
    (void)request;
    vch_grpc_call_fail(call, VCH_GRPC_UNAUTHENTICATED, "n\xc3\xb8 100%% for %s", "you");
}

static void release(void *owner)
{
    ((seen *)owner)->released++;
}

static void big(void *context, vch_grpc_call *call, vouch_span request)
{
    (void)request;
    seen *s = context;
    vch_grpc_call_reply_shared(call, s->big, release, s);
}

static bool pulled_bytes(void *context, uint64_t offset, void *out, size_t size)
{
    seen *s = context;
    CHECK(offset == s->pulled); /* each byte once, in order */
    if (s->pull_fails_at > 0 && offset + size > s->pull_fails_at)
        return false;
    memcpy(out, s->big.data + offset, size);
    s->pulled += size;
    return true;
}

static void pulled(void *context, vch_grpc_call *call, vouch_span request)
{
    seen *s = context;
    const vch_grpc_tail tail = { s->big.size, s, pulled_bytes, release };
    vch_buffer head = vch_buffer_with_cap(request.size);
    vch_buffer_append(&head, request);
    s->pulled = 0;
    vch_grpc_call_reply_pulled(call, &head, &tail);
    CHECK(head.data == NULL);
}

static void wait_begin(void *context, vch_grpc_call *call)
{
    ((seen *)context)->waiting = call;
}

static void wait_half_close(void *context, vch_grpc_call *call)
{
    (void)call;
    ((seen *)context)->waiting_arrived = true;
}

static void wait_ended(void *context, vch_grpc_call *call)
{
    seen *s = context;
    (void)call;
    s->waiting = NULL;
    s->wait_ended = true;
}

static void sum_begin(void *context, vch_grpc_call *call)
{
    seen *s = context;
    s->begun++;
    vch_grpc_call_set_state(call, s);
    s->waiting = call;
}

static void sum_message(void *context, vch_grpc_call *call, uint32_t size)
{
    seen *s = context;
    s->messages++;
    s->announced = size;
    if (s->pause)
        vch_grpc_call_pause(call);
}

static void sum_bytes(void *context, vch_grpc_call *call, vouch_span bytes)
{
    seen *s = context;
    CHECK(vch_grpc_call_state(call) == s);
    s->bytes += bytes.size;
}

static void sum_half_close(void *context, vch_grpc_call *call)
{
    seen *s = context;
    char text[64];
    s->half_closed++;
    (void)snprintf(text, sizeof text, "%d messages, %llu bytes", s->messages,
                   (unsigned long long)s->bytes);
    vch_grpc_call_reply(call, vch_span_str(text));
}

static void sum_ended(void *context, vch_grpc_call *call)
{
    seen *s = context;
    CHECK(vch_grpc_call_session(call) != NULL);
    s->ended++;
    s->waiting = NULL;
}

static const vch_grpc_method methods[] = {
    { .path = "/t.S/Echo", .unary = echo, .message_max_size = 100000 },
    { .path = "/t.S/Fail", .unary = refuse },
    { .path = "/t.S/Big", .unary = big },
    { .path = "/t.S/Pulled", .unary = pulled },
    { .path = "/t.S/Wait",
      .begin = wait_begin,
      .half_close = wait_half_close,
      .ended = wait_ended },
    { .path = "/t.S/Sum",
      .message_max_size = BIG,
      .begin = sum_begin,
      .message_begin = sum_message,
      .bytes = sum_bytes,
      .half_close = sum_half_close,
      .ended = sum_ended },
};

typedef struct rig {
    seen seen;
    kit_gate server_gate, client_gate;
    vch_tls_settings *server_tls, *client_tls;
    vch_grpc_server *server;
    vch_grpc_client *client;
} rig;

static void rig_serve(rig *r, vch_grpc_server_options o)
{
    vouch_error err = { 0 };
    r->server_tls = kit_settings(&keys, &r->server_gate, true, true, true);
    r->client_tls = kit_settings(&keys, &r->client_gate, false, true, false);
    o.loop = loop;
    o.tls = r->server_tls;
    o.address = "127.0.0.1";
    o.methods = methods;
    o.method_count = sizeof methods / sizeof *methods;
    o.context = &r->seen;
    CHECK_OK(vch_grpc_server_new(&o, &r->server, &err), &err);
}

static vch_grpc_client_options rig_target(const rig *r)
{
    return (vch_grpc_client_options) { .loop = loop,
                                       .tls = r->client_tls,
                                       .host = "127.0.0.1",
                                       .port = vch_grpc_server_port(r->server) };
}

static void rig_start(rig *r)
{
    vouch_error err = { 0 };
    rig_serve(r, (vch_grpc_server_options) { 0 });
    const vch_grpc_client_options o = rig_target(r);
    CHECK_OK(vch_grpc_client_connect(&o, &r->client, &err), &err);
}

static void rig_stop(rig *r)
{
    vch_grpc_client_free(r->client);
    vch_grpc_server_free(r->server);
    vch_tls_settings_free(r->server_tls);
    vch_tls_settings_free(r->client_tls);
    CHECK(r->server_gate.sessions == 0 && r->client_gate.sessions == 0);
    CHECK(r->seen.begun == r->seen.ended);
}

static vch_grpc_answer ask(rig *r, const char *path, vouch_span message)
{
    const vch_grpc_request request = { .path = path, .message = message };
    vch_grpc_answer answer = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_grpc_client_call(r->client, &request, &answer, &err), &err);
    return answer;
}

/* Let the loop run until *flag or, without one, for a moment. */
static void run_until(const bool *flag)
{
    bool never = false;
    vouch_code rc =
        vch_loop_run_until(loop, flag != NULL ? flag : &never, flag != NULL ? 5000 : 30, NULL);
    CHECK(rc == (flag != NULL ? VOUCH_OK : VOUCH_E_TIMEOUT));
}

static void a_unary_call_gets_its_answer(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r);
    CHECK(vch_grpc_client_session(r.client) == &r.client_gate);
    CHECK(vch_grpc_server_connection_count(r.server) == 1);
    static const char *const texts[] = { "hello", "", "again" };
    for (size_t i = 0; i < 3; i++) {
        vch_grpc_answer a = ask(&r, "/t.S/Echo", vch_span_str(texts[i]));
        CHECK(a.status.code == VCH_GRPC_OK);
        CHECK(vch_span_is(vch_buffer_span(&a.message), texts[i]));
        vch_grpc_answer_drop(&a);
    }
    rig_stop(&r);
}

static void an_unknown_method_is_unimplemented_at_once(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r);
    vch_grpc_answer a = ask(&r, "/t.S/Other", vch_span_str("x"));
    CHECK(a.status.code == VCH_GRPC_UNIMPLEMENTED);
    vch_grpc_answer_drop(&a);
    rig_stop(&r);
}

static void an_error_text_survives_the_way(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r);
    vch_grpc_answer a = ask(&r, "/t.S/Fail", vch_span_str("x"));
    CHECK(a.status.code == VCH_GRPC_UNAUTHENTICATED);
    assert_string_equal(a.status.text, "n\xc3\xb8 100% for you");
    CHECK(a.message.size == 0);
    vch_grpc_answer_drop(&a);
    rig_stop(&r);
}

/* Hands out `count` messages of `size` bytes; fails at message `fail_at` if that is not 0. */
typedef struct feed {
    int count, given, fail_at;
    vouch_span bytes;
} feed;

static vouch_code feed_next(void *context, bool *out_more, vouch_span *out, vouch_error *err)
{
    feed *f = context;
    f->given++;
    if (f->given == f->fail_at)
        return vouch_fail(err, VOUCH_E_IO, "the feed is broken");
    *out_more = f->given <= f->count;
    *out = f->bytes;
    return VOUCH_OK;
}

static vouch_code stream(rig *r, feed *f, int64_t timeout_ms, vch_grpc_answer *out,
                         vouch_error *err)
{
    const vch_grpc_source source = { f, feed_next };
    const vch_grpc_request request = { .path = "/t.S/Sum",
                                       .source = &source,
                                       .timeout_ms = timeout_ms };
    return vch_grpc_client_call(r->client, &request, out, err);
}

static void a_stream_of_messages_is_handed_out_as_it_comes(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r);
    uint8_t *bytes = calloc(1, BIG);
    CHECK(bytes != NULL);
    static const struct {
        int count;
        size_t size;
        const char *want;
    } table[] = {
        { 0, 0, "0 messages, 0 bytes" },
        { 3, 0, "3 messages, 0 bytes" },
        { 1000, 1, "1000 messages, 1000 bytes" },
        { 7, 16379, "7 messages, 114653 bytes" }, /* prefix and message fill a frame exactly */
        { 7, 16380, "7 messages, 114660 bytes" },
        { 2, BIG, "2 messages, 41943040 bytes" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        feed f = { .count = table[i].count, .bytes = { bytes, table[i].size } };
        vch_grpc_answer a = { 0 };
        vouch_error err = { 0 };
        r.seen.messages = 0;
        r.seen.bytes = 0;
        CHECK_OK(stream(&r, &f, 0, &a, &err), &err);
        CHECK(a.status.code == VCH_GRPC_OK);
        assert_string_equal(vch_buffer_text(&a.message), table[i].want);
        vch_grpc_answer_drop(&a);
    }
    CHECK(r.seen.announced == BIG);
    free(bytes);
    rig_stop(&r);
}

static void a_paused_call_gets_one_window_and_no_more(void **state)
{
    (void)state;
    rig r = { .seen.pause = true };
    rig_start(&r);
    uint8_t *bytes = calloc(1, BIG);
    CHECK(bytes != NULL);
    vch_grpc_answer a = { 0 };
    vouch_error err = { 0 };
    for (int i = 1; i <= 5; i++) { /* five windows are more than the connection's own */
        feed f = { .count = 1, .bytes = { bytes, BIG } };
        r.seen.bytes = 0;
        CHECK(stream(&r, &f, 200, &a, &err) == VOUCH_E_TIMEOUT);
        CHECK(r.seen.bytes > 0 && r.seen.bytes <= 4 << 20 && r.seen.half_closed == 0);
        run_until(NULL);
        CHECK(r.seen.ended == i);
    }
    for (int i = 1; i <= 6; i++) { /* the same for calls that the client resets */
        feed f = { .count = 9, .fail_at = 4, .bytes = { bytes, 1 << 20 } };
        CHECK(stream(&r, &f, 0, &a, &err) == VOUCH_E_IO);
        run_until(NULL);
        CHECK(r.seen.ended == 5 + i);
    }
    /* the credit that the dead calls held back is not lost to the connection */
    r.seen.pause = false;
    for (int i = 0; i < 2; i++) {
        feed again = { .count = 1, .bytes = { bytes, BIG } };
        CHECK_OK(stream(&r, &again, 5000, &a, &err), &err);
        vch_grpc_answer_drop(&a);
    }
    free(bytes);
    rig_stop(&r);
}

static void resume_paused(void *context)
{
    seen *s = context;
    s->pause = false;
    vch_grpc_call_resume(s->waiting);
}

static void a_resumed_call_goes_on(void **state)
{
    (void)state;
    rig r = { .seen.pause = true };
    rig_start(&r);
    uint8_t *bytes = calloc(1, BIG);
    CHECK(bytes != NULL);
    vch_timer *timer = NULL;
    CHECK(vch_timer_new(loop, resume_paused, &r.seen, &timer, NULL) == VOUCH_OK);
    vch_timer_start(timer, 100);
    feed f = { .count = 1, .bytes = { bytes, BIG } };
    vch_grpc_answer a = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(stream(&r, &f, 10000, &a, &err), &err);
    CHECK(r.seen.bytes == BIG);
    vch_grpc_answer_drop(&a);
    vch_timer_free(timer);
    free(bytes);
    rig_stop(&r);
}

static void a_broken_source_never_looks_like_a_whole_stream(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r);
    feed f = { .count = 3, .fail_at = 2, .bytes = { (const uint8_t *)"abc", 3 } };
    vch_grpc_answer a = { 0 };
    vouch_error err = { 0 };
    CHECK(stream(&r, &f, 0, &a, &err) == VOUCH_E_IO);
    assert_string_equal(err.frame[0], "the feed is broken");
    run_until(NULL);
    CHECK(r.seen.ended == 1 && r.seen.half_closed == 0);
    CHECK(vch_grpc_client_usable(r.client));
    rig_stop(&r);
}

static void a_message_over_its_limit_is_refused_by_its_announcement(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r);
    uint8_t *bytes = calloc(1, BIG + 1);
    CHECK(bytes != NULL);
    vch_grpc_answer a = ask(&r, "/t.S/Echo", (vouch_span) { bytes, 100000 });
    CHECK(a.status.code == VCH_GRPC_OK);
    vch_grpc_answer_drop(&a);
    a = ask(&r, "/t.S/Echo", (vouch_span) { bytes, 100001 });
    CHECK(a.status.code == VCH_GRPC_RESOURCE_EXHAUSTED);
    vch_grpc_answer_drop(&a);
    feed f = { .count = 1, .bytes = { bytes, BIG + 1 } };
    vouch_error err = { 0 };
    CHECK_OK(stream(&r, &f, 0, &a, &err), &err);
    CHECK(a.status.code == VCH_GRPC_RESOURCE_EXHAUSTED && r.seen.messages == 0);
    vch_grpc_answer_drop(&a);
    a = ask(&r, "/t.S/Echo", vch_span_str("still here"));
    CHECK(a.status.code == VCH_GRPC_OK);
    vch_grpc_answer_drop(&a);
    free(bytes);
    rig_stop(&r);
}

static void a_large_shared_answer_arrives_and_is_released_once(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r);
    uint8_t *bytes = malloc(BIG);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < BIG; i++)
        bytes[i] = (uint8_t)(i * 2654435761U >> 13);
    r.seen.big = (vouch_span) { bytes, BIG };
    vch_grpc_answer a = ask(&r, "/t.S/Big", vch_span_str(""));
    CHECK(a.message.size == BIG && memcmp(a.message.data, bytes, BIG) == 0);
    CHECK(r.seen.released == 1);
    vch_grpc_answer_drop(&a);
    const vch_grpc_request capped = { .path = "/t.S/Big", .response_cap = BIG - 1 };
    CHECK(vch_grpc_client_call(r.client, &capped, &a, NULL) == VOUCH_E_LIMIT);
    run_until(NULL);
    CHECK(r.seen.released == 2);
    CHECK(vch_grpc_client_usable(r.client));
    free(bytes);
    rig_stop(&r);
}

static void the_tail_of_an_answer_is_read_as_the_peer_takes_it(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r);
    uint8_t *bytes = malloc(BIG);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < BIG; i++)
        bytes[i] = (uint8_t)(i * 2654435761U >> 13);
    r.seen.big = (vouch_span) { bytes, BIG };
    vch_grpc_answer a = ask(&r, "/t.S/Pulled", vch_span_str("head"));
    CHECK(a.status.code == VCH_GRPC_OK && a.message.size == BIG + 4);
    CHECK(memcmp(a.message.data, "head", 4) == 0 && memcmp(a.message.data + 4, bytes, BIG) == 0);
    CHECK(r.seen.released == 1 && r.seen.pulled == BIG);
    vch_grpc_answer_drop(&a);

    r.seen.big.size = 0; /* no tail at all */
    a = ask(&r, "/t.S/Pulled", vch_span_str("head"));
    CHECK(a.status.code == VCH_GRPC_OK && a.message.size == 4 && r.seen.released == 2);
    vch_grpc_answer_drop(&a);
    free(bytes);
    rig_stop(&r);
}

static void an_answer_whose_tail_cannot_be_read_never_looks_whole(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r);
    uint8_t *bytes = calloc(1, BIG);
    CHECK(bytes != NULL);
    r.seen.big = (vouch_span) { bytes, BIG };
    r.seen.pull_fails_at = BIG / 2;
    const vch_grpc_request request = { .path = "/t.S/Pulled", .message = vch_span_str("head") };
    vch_grpc_answer a = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_grpc_client_call(r.client, &request, &a, &err);
    CHECK(rc != VOUCH_OK || a.status.code != VCH_GRPC_OK);
    CHECK(r.seen.released == 1 && r.seen.pulled <= BIG / 2);
    vch_grpc_answer_drop(&a);
    a = ask(&r, "/t.S/Echo", vch_span_str("still here"));
    CHECK(a.status.code == VCH_GRPC_OK);
    vch_grpc_answer_drop(&a);
    free(bytes);
    rig_stop(&r);
}

typedef struct sink {
    uint64_t bytes;
    uint32_t size;
    bool refuse;
} sink;

static vouch_code sink_bytes(void *context, uint32_t message_size, vouch_span bytes,
                             vouch_error *err)
{
    sink *s = context;
    s->size = message_size;
    s->bytes += bytes.size;
    return s->refuse ? vouch_fail(err, VOUCH_E_FORMAT, "not this") : VOUCH_OK;
}

static void an_answer_can_be_taken_as_it_comes_and_refused(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_start(&r);
    uint8_t *bytes = calloc(1, BIG);
    CHECK(bytes != NULL);
    r.seen.big = (vouch_span) { bytes, BIG };
    sink s = { 0 };
    const vch_grpc_request request = { .path = "/t.S/Big",
                                       .bytes = sink_bytes,
                                       .bytes_context = &s };
    vch_grpc_answer a = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_grpc_client_call(r.client, &request, &a, &err), &err);
    CHECK(s.bytes == BIG && s.size == BIG && a.message.size == 0);
    vch_grpc_answer_drop(&a);
    s.refuse = true;
    CHECK(vch_grpc_client_call(r.client, &request, &a, &err) == VOUCH_E_FORMAT);
    assert_string_equal(err.frame[0], "not this");
    const vch_grpc_request capped = {
        .path = "/t.S/Big", .response_cap = BIG - 1, .bytes = sink_bytes, .bytes_context = &s
    };
    s = (sink) { 0 };
    CHECK(vch_grpc_client_call(r.client, &capped, &a, &err) == VOUCH_E_LIMIT && s.bytes == 0);
    free(bytes);
    rig_stop(&r);
}

typedef struct outcome {
    bool done;
    vouch_code rc;
    int status;
    char text[64];
} outcome;

static void keep_outcome(void *context, vouch_code rc, vch_grpc_answer *answer,
                         const vouch_error *why)
{
    outcome *o = context;
    o->done = true;
    o->rc = rc;
    if (answer == NULL) {
        (void)snprintf(o->text, sizeof o->text, "%.63s", why->frame[0]);
        return;
    }
    o->status = answer->status.code;
    (void)snprintf(o->text, sizeof o->text, "%.*s", (int)answer->message.size,
                   (const char *)answer->message.data);
}

static void start_waiting(rig *r, outcome *o, int64_t timeout_ms)
{
    const vch_grpc_request request = { .path = "/t.S/Wait", .timeout_ms = timeout_ms };
    vouch_error err = { 0 };
    CHECK_OK(vch_grpc_client_start(r->client, &request, keep_outcome, o, &err), &err);
    run_until(&r->seen.waiting_arrived);
}

static void a_call_may_be_answered_long_after(void **state)
{
    (void)state;
    rig r = { 0 };
    outcome o = { 0 };
    rig_start(&r);
    start_waiting(&r, &o, 0);
    vch_grpc_answer a = ask(&r, "/t.S/Echo", vch_span_str("meanwhile"));
    CHECK(a.status.code == VCH_GRPC_OK && !o.done);
    vch_grpc_answer_drop(&a);
    vch_grpc_call_reply(r.seen.waiting, vch_span_str("at last"));
    vch_grpc_call_reply(r.seen.waiting, vch_span_str("twice")); /* does nothing */
    run_until(&o.done);
    CHECK(o.rc == VOUCH_OK);
    assert_string_equal(o.text, "at last");
    rig_stop(&r);
}

static void a_handler_learns_that_its_call_died(void **state)
{
    (void)state;
    rig r = { 0 };
    outcome o = { 0 };
    rig_start(&r);
    start_waiting(&r, &o, 50);
    run_until(&o.done);
    CHECK(o.rc == VOUCH_E_TIMEOUT);
    run_until(&r.seen.wait_ended);
    r.seen.waiting_arrived = r.seen.wait_ended = false;
    o = (outcome) { 0 };
    start_waiting(&r, &o, 0);
    vch_grpc_client_free(r.client); /* the connection goes */
    r.client = NULL;
    CHECK(o.done && o.rc == VOUCH_E_NETWORK);
    run_until(&r.seen.wait_ended);
    rig_stop(&r);
}

static void a_dead_connection_fails_its_calls_and_the_next(void **state)
{
    (void)state;
    rig r = { 0 };
    outcome o = { 0 };
    rig_start(&r);
    start_waiting(&r, &o, 0);
    vch_grpc_server_end(r.server, NULL, NULL, 0);
    run_until(&o.done);
    CHECK(o.rc == VOUCH_E_NETWORK && r.seen.wait_ended);
    CHECK(!vch_grpc_client_usable(r.client));
    const vch_grpc_request request = { .path = "/t.S/Echo" };
    vch_grpc_answer a = { 0 };
    CHECK(vch_grpc_client_call(r.client, &request, &a, NULL) == VOUCH_E_NETWORK);
    CHECK(vch_grpc_server_connection_count(r.server) == 0);
    rig_stop(&r);
}

static void set_true(void *context)
{
    *(bool *)context = true;
}

static void a_stopping_server_lets_started_calls_finish(void **state)
{
    (void)state;
    rig r = { 0 };
    outcome o = { 0 };
    bool stopped = false;
    rig_start(&r);
    start_waiting(&r, &o, 0);
    vch_grpc_server_stop(r.server, 5000, set_true, &stopped);
    run_until(NULL);
    CHECK(!stopped && !o.done && !vch_grpc_client_usable(r.client));
    vch_grpc_call_reply(r.seen.waiting, vch_span_str("done"));
    run_until(&stopped);
    run_until(&o.done);
    CHECK(o.rc == VOUCH_OK);
    assert_string_equal(o.text, "done");
    rig_stop(&r);
}

static bool is_never(void *context, void *session)
{
    (void)session;
    return *(bool *)context;
}

static void connections_end_by_their_session(void **state)
{
    (void)state;
    rig r = { 0 };
    bool match = false;
    rig_start(&r);
    vch_grpc_server_end(r.server, is_never, &match, 0);
    run_until(NULL);
    CHECK(vch_grpc_client_usable(r.client));
    match = true;
    vch_grpc_server_end(r.server, is_never, &match, 1000);
    run_until(NULL);
    CHECK(!vch_grpc_client_usable(r.client));
    CHECK(vch_grpc_server_connection_count(r.server) == 0);
    rig_stop(&r);
}

static void a_refused_client_is_told_its_class(void **state)
{
    (void)state;
    rig r = { .server_gate = { .refuse = true, .reason = "evidence" } };
    rig_serve(&r, (vch_grpc_server_options) { 0 });
    const vch_grpc_client_options o = rig_target(&r);
    vouch_error err = { 0 };
    CHECK(vch_grpc_client_connect(&o, &r.client, &err) == VOUCH_E_REFUSED);
    assert_string_equal(err.frame[0], "the server refuses us: evidence");
    CHECK(r.client == NULL);
    rig_stop(&r);
}

/* --- limits before admission --- */

static bool is_closed_by_peer(int fd)
{
    char byte = 0;
    for (int i = 0; i < 100; i++) {
        run_until(NULL);
        ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (n == 0)
            return true;
        if (n < 0 && i > 2)
            return false;
    }
    return false;
}

static int dial(const rig *r)
{
    int fd = -1;
    char address[VCH_ADDRESS_SIZE];
    vouch_error err = { 0 };
    CHECK_OK(vch_dial("127.0.0.1", vch_grpc_server_port(r->server), 5000, &fd, address, &err),
             &err);
    return fd;
}

static void check_limit(vch_grpc_server_options o)
{
    rig r = { 0 };
    rig_serve(&r, o);
    int first = dial(&r);
    int second = dial(&r);
    int third = dial(&r);
    CHECK(!is_closed_by_peer(first) && !is_closed_by_peer(second) && is_closed_by_peer(third));
    (void)close(first);
    run_until(NULL);
    int fourth = dial(&r);
    CHECK(!is_closed_by_peer(fourth)); /* there is room again */
    (void)close(second);
    (void)close(third);
    (void)close(fourth);
    rig_stop(&r);
}

static void connections_over_a_limit_are_closed_at_once(void **state)
{
    (void)state;
    check_limit((vch_grpc_server_options) { .ungated_per_address = 2 });
    check_limit((vch_grpc_server_options) { .ungated_max = 2 });
    check_limit((vch_grpc_server_options) { .connections_max = 2 });
}

static void an_admitted_connection_frees_its_ungated_place(void **state)
{
    (void)state;
    rig r = { 0 };
    vouch_error err = { 0 };
    vch_grpc_client *more[3] = { 0 };
    rig_serve(&r, (vch_grpc_server_options) { .ungated_per_address = 1 });
    const vch_grpc_client_options o = rig_target(&r);
    for (int i = 0; i < 3; i++)
        CHECK_OK(vch_grpc_client_connect(&o, &more[i], &err), &err);
    for (int i = 0; i < 3; i++)
        vch_grpc_client_free(more[i]);
    rig_stop(&r);
}

static void a_silent_client_is_cut_off_after_the_handshake_time(void **state)
{
    (void)state;
    rig r = { 0 };
    rig_serve(&r, (vch_grpc_server_options) { .handshake_timeout_ms = 50 });
    int fd = dial(&r);
    run_until(NULL);
    run_until(NULL);
    run_until(NULL);
    CHECK(is_closed_by_peer(fd));
    (void)close(fd);
    rig_stop(&r);
}

/* --- pure parts --- */

static void timeouts_have_eight_digits_and_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fine;
        int64_t ms;
    } table[] = {
        { "1H", true, 3600000 },
        { "2M", true, 120000 },
        { "3S", true, 3000 },
        { "4m", true, 4 },
        { "5000u", true, 5 },
        { "6000000n", true, 6 },
        { "", false, 0 },
        { "1", false, 0 },
        { "S", false, 0 },
        { "-1S", false, 0 },
        { "99999999m", true, 99999999 },
        { "999999999m", false, 0 },
        { "1s", false, 0 },
        { "1 S", false, 0 },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t ms = -7;
        CHECK(vch_grpc_timeout_parse(vch_span_str(table[i].text), &ms) == table[i].fine);
        CHECK(!table[i].fine || ms == table[i].ms);
    }
}

static void status_texts_are_percent_coded_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *text, *coded;
    } table[] = {
        { "plain text", "plain text" },
        { "100%", "100%25" },
        { "a\nb\xc3\xa9", "a%0Ab%C3%A9" },
    };
    char out[64];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        (void)vch_grpc_text_encode(table[i].text, out, sizeof out);
        assert_string_equal(out, table[i].coded);
        vch_grpc_text_decode(vch_span_str(table[i].coded), out, sizeof out);
        assert_string_equal(out, table[i].text);
    }
    vch_grpc_text_decode(vch_span_str("a%zz%4"), out, sizeof out);
    assert_string_equal(out, "a%zz%4");
    vch_grpc_text_decode(vch_span_str("a%00b"), out, sizeof out);
    assert_string_equal(out, "a?b");
    vch_grpc_text_decode(vch_span_str("abcdef"), out, 4);
    assert_string_equal(out, "abc");
    CHECK(vch_grpc_text_encode("\x01\x01", out, 4) == 3);
    assert_string_equal(vch_grpc_code_name(16), "UNAUTHENTICATED");
    assert_string_equal(vch_grpc_code_name(17), "unknown status");
    assert_string_equal(vch_grpc_code_name(-1), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_unary_call_gets_its_answer),
        TEST(an_unknown_method_is_unimplemented_at_once),
        TEST(an_error_text_survives_the_way),
        TEST(a_stream_of_messages_is_handed_out_as_it_comes),
        TEST(a_paused_call_gets_one_window_and_no_more),
        TEST(a_resumed_call_goes_on),
        TEST(a_broken_source_never_looks_like_a_whole_stream),
        TEST(a_message_over_its_limit_is_refused_by_its_announcement),
        TEST(a_large_shared_answer_arrives_and_is_released_once),
        TEST(the_tail_of_an_answer_is_read_as_the_peer_takes_it),
        TEST(an_answer_whose_tail_cannot_be_read_never_looks_whole),
        TEST(an_answer_can_be_taken_as_it_comes_and_refused),
        TEST(a_call_may_be_answered_long_after),
        TEST(a_handler_learns_that_its_call_died),
        TEST(a_dead_connection_fails_its_calls_and_the_next),
        TEST(a_stopping_server_lets_started_calls_finish),
        TEST(connections_end_by_their_session),
        TEST(a_refused_client_is_told_its_class),
        TEST(connections_over_a_limit_are_closed_at_once),
        TEST(an_admitted_connection_frees_its_ungated_place),
        TEST(a_silent_client_is_cut_off_after_the_handshake_time),
        TEST(timeouts_have_eight_digits_and_a_unit),
        TEST(status_texts_are_percent_coded_and_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
