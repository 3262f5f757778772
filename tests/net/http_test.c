/* The HTTP server with our own client (libcurl) as its peer, and raw bytes for what it refuses. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit.h"
#include "net/http_client.h"
#include "net/http_head.h"
#include "net/http_server.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/workers.h"

static kit keys;
static vch_loop *loop;
static vch_workers *workers;
static char seen[200];
static char lines[4096];

static void handle_echo(void *context, const vch_http_request *request, vch_http_response *response)
{
    (void)context;
    const char *key = vch_http_request_header(request, "X-API-KEY");
    (void)snprintf(seen, sizeof seen, "%s %s ?%s key=%s %s", request->method, request->path,
                   request->query, key == NULL ? "none" : key, request->address);
    vch_http_response_status(response, 200);
    vch_http_response_header(response, "trace-id", "t1");
    vch_http_response_body(response, "application/octet-stream", request->body);
}

static void handle_nothing(void *context, const vch_http_request *request,
                           vch_http_response *response)
{
    (void)context;
    (void)request;
    (void)response;
}

static void handle_injection(void *context, const vch_http_request *request,
                             vch_http_response *response)
{
    (void)context;
    vch_http_response_status(response, 200);
    vch_http_response_header(response, "x", request->path); /* "/split/a\r\nevil: 1" */
}

/* One answer that is kept, as a worker's job would. */
static vch_http_response *kept_answer;
static int gone_count;

static void note_gone(void *context)
{
    (void)context;
    kept_answer = NULL;
    gone_count++;
}

static void handle_later(void *context, const vch_http_request *request,
                         vch_http_response *response)
{
    (void)context;
    (void)request;
    kept_answer = response;
    vch_http_response_header(response, "early", "1");
    vch_http_response_defer(response, note_gone, NULL);
}

static void handle_deferred_yet_sent(void *context, const vch_http_request *request,
                                     vch_http_response *response)
{
    handle_later(context, request, response);
    vch_http_response_status(response, 204);
    vch_http_response_send(response);
}

static void complete(void *context)
{
    (void)context;
    assert_non_null(kept_answer);
    vch_http_response_status(kept_answer, 200);
    vch_http_response_body(kept_answer, "text/plain", vch_span_str("late"));
    vch_http_response_send(kept_answer);
    kept_answer = NULL;
}

static const vch_http_route routes[] = {
    { "GET", "/later", handle_later },       { "GET", "/at-once", handle_deferred_yet_sent },
    { "POST", "/echo", handle_echo },        { "GET", "/echo", handle_echo },
    { "GET", "/files/*", handle_echo },      { "GET", "/nothing", handle_nothing },
    { "GET", "/split/*", handle_injection },
};

static void decorate(void *context, const vch_http_request *request, vch_http_response *response)
{
    (void)context;
    (void)request;
    vch_http_response_header(response, "x-always", "1");
}

static void explain(void *context, int status, vch_http_response *response)
{
    (void)context;
    char text[32];
    (void)snprintf(text, sizeof text, "{\"error\":%d}", status);
    vch_http_response_body(response, "application/json", vch_span_str(text));
}

static void keep_line(void *sink, const char *line, size_t size)
{
    (void)sink;
    size_t used = strlen(lines);
    if (used + size < sizeof lines)
        memcpy(lines + used, line, size);
}

static const vch_log kept = { .level = VCH_LOG_DEBUG, .write_line = keep_line };

static vch_http_server *serve(bool tls, size_t connections_max)
{
    const vch_http_server_options o = {
        .loop = loop,
        .address = "127.0.0.1",
        .tls = tls ? &keys.server_identity : NULL,
        .routes = routes,
        .route_count = sizeof routes / sizeof *routes,
        .headers_cap = 2000,
        .body_cap = 100000,
        .request_timeout_ms = 400,
        .connections_max = connections_max,
        .log = &kept,
        .decorate = decorate,
        .explain = explain,
    };
    vch_http_server *server = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_http_server_new(&o, &server, &err), &err);
    return server;
}

static int set_up(void **state)
{
    (void)state;
    kit_make(&keys);
    return vch_loop_new(&loop, NULL) == VOUCH_OK
                   && vch_workers_new(loop, 4, 16, &workers, NULL) == VOUCH_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    vch_workers_free(workers);
    vch_loop_free(loop);
    kit_drop(&keys);
    return 0;
}

typedef struct fetch {
    vch_http_call call;
    vch_http_answer answer;
    vouch_code rc;
    vouch_error err;
    bool done;
} fetch;

static void fetch_work(void *context)
{
    fetch *f = context;
    f->rc = vch_http_fetch(&f->call, &f->answer, &f->err);
}

static void fetch_done(void *context, bool worked)
{
    ((fetch *)context)->done = worked;
}

/* The client blocks, so it runs on a thread while this one runs the server. */
static void run(fetch *f)
{
    vouch_error err = { 0 };
    CHECK_OK(vch_workers_submit(workers, (vch_job) { f, fetch_work, fetch_done }, &err), &err);
    CHECK_OK(vch_loop_run_until(loop, &f->done, 20000, &err), &err);
}

static const char *url(const vch_http_server *server, bool tls, const char *path)
{
    static char text[200];
    (void)snprintf(text, sizeof text, "%s://127.0.0.1:%u%s", tls ? "https" : "http",
                   vch_http_server_port(server), path);
    return text;
}

static void a_post_over_tls_reaches_its_handler(void **state)
{
    (void)state;
    vch_http_server *server = serve(true, 0);
    const vch_http_header headers[] = { { "x-api-key", "c2VjcmV0" }, { "request-id", "" } };
    lines[0] = '\0';
    fetch f = { .call = { .url = url(server, true, "/echo?a=b"),
                          .headers = headers,
                          .header_count = 2,
                          .body = vch_span_str("body"),
                          .ca_pem = vch_buffer_span(&keys.ca_pem) } };
    run(&f);
    CHECK_OK(f.rc, &f.err);
    CHECK(f.answer.status == 200);
    CHECK(vch_span_is(vch_buffer_span(&f.answer.body), "body"));
    CHECK(vch_span_is(vch_http_answer_header(&f.answer, "Trace-ID"), "t1"));
    CHECK(vch_span_is(vch_http_answer_header(&f.answer, "x-always"), "1"));
    CHECK(vch_http_answer_header(&f.answer, "absent").size == 0);
    assert_string_equal(seen, "POST /echo ?a=b key=c2VjcmV0 127.0.0.1");
    CHECK(strstr(lines, "/echo") != NULL && strstr(lines, "c2VjcmV0") == NULL);
    vch_http_answer_drop(&f.answer);
    vch_http_server_free(server);
}

static void a_large_body_with_100_continue_arrives_and_one_over_the_cap_is_413(void **state)
{
    (void)state;
    static uint8_t large[100001];
    vch_http_server *server = serve(true, 0);
    const vch_http_header expect[] = { { "Expect", "100-continue" } };
    fetch fits = { .call = { .url = url(server, true, "/echo"),
                             .headers = expect,
                             .header_count = 1,
                             .body = { large, sizeof large - 1 },
                             .ca_pem = vch_buffer_span(&keys.ca_pem) } };
    run(&fits);
    CHECK_OK(fits.rc, &fits.err);
    CHECK(fits.answer.status == 200 && fits.answer.body.size == sizeof large - 1);
    fetch over = { .call = fits.call };
    over.call.body.size++;
    run(&over);
    CHECK_OK(over.rc, &over.err);
    CHECK(over.answer.status == 413);
    CHECK(vch_span_is(vch_buffer_span(&over.answer.body), "{\"error\":413}"));
    vch_http_answer_drop(&fits.answer);
    vch_http_answer_drop(&over.answer);
    vch_http_server_free(server);
}

static void paths_methods_and_silent_handlers_get_their_statuses(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int want;
    } table[] = {
        { NULL, "/echo", 200 },
        { NULL, "/files/a%20b", 200 },
        { NULL, "/files", 404 },
        { NULL, "/ech", 404 },
        { "DELETE", "/echo", 405 },
        { NULL, "/nothing", 500 },
        { NULL, "/files/%00", 400 },
        { NULL, "/files/%zz", 400 },
        { NULL, "/split/a%0d%0aevil:%201", 500 },
    };
    vch_http_server *server = serve(false, 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        fetch f = { .call = { .url = url(server, false, table[i].path),
                              .method = table[i].method,
                              .deadline_ms = 5000,
                              .plain_http = true } };
        run(&f);
        CHECK_OK(f.rc, &f.err);
        if (f.answer.status != table[i].want)
            fail_msg("%s: %d, not %d", table[i].path, f.answer.status, table[i].want);
        CHECK(vch_http_answer_header(&f.answer, "evil").size == 0);
        vch_http_answer_drop(&f.answer);
    }
    vch_http_server_free(server);
}

static void the_client_trusts_only_the_given_roots(void **state)
{
    (void)state;
    kit other = { 0 };
    kit_make(&other);
    vch_http_server *server = serve(true, 0);
    fetch f = { .call = { .url = url(server, true, "/echo"),
                          .ca_pem = vch_buffer_span(&other.ca_pem) } };
    seen[0] = '\0';
    run(&f);
    CHECK(f.rc == VOUCH_E_CRYPTO
          || f.rc == VOUCH_E_NETWORK); /* libcurl's word for a bad signature */
    fetch system = { .call = { .url = url(server, true, "/echo") } };
    run(&system);
    CHECK(system.rc == VOUCH_E_CRYPTO);
    CHECK(seen[0] == '\0');
    vch_http_server_free(server);
    kit_drop(&other);
}

static void the_client_keeps_its_limits(void **state)
{
    (void)state;
    static uint8_t body[2000];
    vch_http_server *server = serve(false, 0);
    fetch f = { .call = { .url = url(server, false, "/echo"), .deadline_ms = 5000 } };
    run(&f);
    CHECK(f.rc == VOUCH_E_CONFIG); /* plain http was not allowed */
    fetch answer = { .call = { .url = url(server, false, "/echo"),
                               .plain_http = true,
                               .body = { body, sizeof body },
                               .response_cap = sizeof body - 1 } };
    run(&answer);
    CHECK(answer.rc == VOUCH_E_LIMIT);
    const vch_http_header split[] = { { "a", "b\r\nc: d" } };
    fetch header = { .call = { .url = url(server, false, "/echo"),
                               .plain_http = true,
                               .headers = split,
                               .header_count = 1 } };
    run(&header);
    CHECK(header.rc == VOUCH_E_FORMAT);
    vch_http_server_free(server);
    vouch_error err = { 0 };
    vch_http_answer none = { 0 };
    const vch_http_call dead = { .url = "http://u:secret@127.0.0.1:1/x?key=secret",
                                 .plain_http = true };
    CHECK(vch_http_fetch(&dead, &none, &err) == VOUCH_E_NETWORK);
    CHECK(strstr(err.frame[0], "secret") == NULL);
}

/* --- raw bytes --- */

typedef struct raw {
    uint16_t port;
    vouch_span send;
    char answer[4000];
    bool done;
    int64_t took_ms;
} raw;

static void raw_work(void *context)
{
    raw *r = context;
    int fd = -1;
    char address[VCH_ADDRESS_SIZE];
    int64_t began = vch_clock_monotonic_ms();
    if (vch_dial("127.0.0.1", r->port, 5000, &fd, address, NULL) != VOUCH_OK)
        return;
    (void)send(fd, r->send.data, r->send.size, MSG_NOSIGNAL);
    size_t used = 0;
    while (used + 1 < sizeof r->answer) {
        ssize_t n = recv(fd, r->answer + used, sizeof r->answer - used - 1, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        used += n > 0 ? (size_t)n : 0;
        if (n < 0)
            (void)usleep(1000);
    }
    (void)close(fd);
    r->took_ms = vch_clock_monotonic_ms() - began;
}

static void raw_done(void *context, bool worked)
{
    ((raw *)context)->done = worked;
}

static raw *exchange(vch_http_server *server, vouch_span bytes)
{
    static raw r;
    r = (raw) { .port = vch_http_server_port(server), .send = bytes };
    vouch_error err = { 0 };
    CHECK_OK(vch_workers_submit(workers, (vch_job) { &r, raw_work, raw_done }, &err), &err);
    CHECK_OK(vch_loop_run_until(loop, &r.done, 20000, &err), &err);
    return &r;
}

static void heads_that_are_not_strict_are_answered_and_closed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } table[] = {
        { "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 " },
        { "HEAD /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 " },
        { "GET /echo HTTP/1.0\r\n\r\n", "HTTP/1.1 200 " },
        { "GET /echo HTTP/1.1\r\n\r\n", "HTTP/1.1 400 " }, /* no Host */
        { "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400 " },
        { "GET http://a/echo HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 " },
        { "GET /echo HTTP/2.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 " },
        { "GET /echo  HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 " },
        { "GET /echo HTTP/1.1\nHost: a\r\n\r\n", "HTTP/1.1 400 " },
        { "GET /echo HTTP/1.1\r\nHost : a\r\n\r\n", "HTTP/1.1 400 " },
        { "GET /echo HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "HTTP/1.1 400 " },
        { "GET /echo HTTP/1.1\r\nHost: a\r\nx: \x01\r\n\r\n", "HTTP/1.1 400 " },
        { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
          "HTTP/1.1 400 " },
        { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", "HTTP/1.1 400 " },
        { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx", "HTTP/1.1 400 " },
        { "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "HTTP/1.1 411 " },
        { "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", "HTTP/1.1 417 " },
        { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\n",
          "HTTP/1.1 413 " },
    };
    vch_http_server *server = serve(false, 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        raw *r = exchange(server, vch_span_str(table[i].text));
        if (strncmp(r->answer, table[i].want, strlen(table[i].want)) != 0)
            fail_msg("%s -> %s", table[i].text, r->answer);
    }
    raw *head = exchange(server, vch_span_str(table[1].text));
    CHECK(strcmp(head->answer + strlen(head->answer) - 4, "\r\n\r\n") == 0); /* no body */
    vch_http_server_free(server);
}

static void a_head_over_its_cap_is_431_before_it_ends(void **state)
{
    (void)state;
    static char text[2500] = "GET /echo HTTP/1.1\r\nHost: ";
    memset(text + strlen(text), 'a', sizeof text - strlen(text) - 1);
    vch_http_server *server = serve(false, 0);
    raw *r = exchange(server, vch_span_str(text));
    CHECK(strncmp(r->answer, "HTTP/1.1 431 ", 13) == 0);
    vch_http_server_free(server);
}

static void requests_sent_ahead_are_answered_in_order(void **state)
{
    (void)state;
    vch_http_server *server = serve(false, 0);
    raw *r = exchange(server, vch_span_str("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                                           "\r\nfirstGET /ech HTTP/1.1\r\nHost: a\r\n"
                                           "Connection: close\r\n\r\n"));
    const char *first = strstr(r->answer, "first");
    CHECK(first != NULL && strncmp(first + 5, "HTTP/1.1 404 ", 13) == 0);
    vch_http_server_free(server);
}

static void a_request_that_never_ends_is_cut_off(void **state)
{
    (void)state;
    vch_http_server *server = serve(false, 0);
    raw *r = exchange(server, vch_span_str("GET /echo HTTP/1.1\r\n"));
    CHECK(r->answer[0] == '\0' && r->took_ms >= 300 && r->took_ms < 5000);
    vch_http_server_free(server);
}

static void at_the_cap_the_oldest_connection_without_a_request_goes(void **state)
{
    (void)state;
    vch_http_server *server = serve(false, 2);
    int fd[3];
    char address[VCH_ADDRESS_SIZE];
    for (size_t i = 0; i < 3; i++) { /* half a request each; the third is one too many */
        CHECK(vch_dial("127.0.0.1", vch_http_server_port(server), 5000, &fd[i], address, NULL)
              == VOUCH_OK);
        CHECK(send(fd[i], "GET ", 4, MSG_NOSIGNAL) == 4);
    }
    raw *r = exchange(server, vch_span_str("GET /echo HTTP/1.0\r\n\r\n"));
    CHECK(strncmp(r->answer, "HTTP/1.1 200 ", 13) == 0);
    CHECK(r->took_ms < 300); /* not after the deadline of those before it */
    char byte = 0;
    CHECK(recv(fd[0], &byte, 1, 0) <= 0 && errno != EAGAIN);
    for (size_t i = 0; i < 3; i++)
        (void)close(fd[i]);
    vch_http_server_free(server);
}

static void a_deferred_answer_is_sent_when_it_is_completed(void **state)
{
    (void)state;
    vch_http_server *server = serve(true, 0);
    vch_timer *timer = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_timer_new(loop, complete, NULL, &timer, &err), &err);
    gone_count = 0;
    fetch f = { .call = { .url = url(server, true, "/later"),
                          .ca_pem = vch_buffer_span(&keys.ca_pem) } };
    vch_timer_start(timer, 150);
    run(&f);
    CHECK_OK(f.rc, &f.err);
    CHECK(f.answer.status == 200 && vch_span_is(vch_buffer_span(&f.answer.body), "late"));
    CHECK(vch_span_is(vch_http_answer_header(&f.answer, "early"), "1"));
    CHECK(vch_span_is(vch_http_answer_header(&f.answer, "x-always"), "1"));
    CHECK(gone_count == 0);
    vch_http_answer_drop(&f.answer);
    vch_timer_free(timer);
    vch_http_server_free(server);
}

static void an_answer_may_be_completed_before_its_handler_returns(void **state)
{
    (void)state;
    vch_http_server *server = serve(false, 0);
    gone_count = 0;
    raw *r = exchange(server, vch_span_str("GET /at-once HTTP/1.0\r\n\r\n"));
    CHECK(strncmp(r->answer, "HTTP/1.1 204 ", 13) == 0 && gone_count == 0);
    vch_http_server_free(server);
}

static void requests_behind_a_deferred_one_wait_for_its_answer(void **state)
{
    (void)state;
    vch_http_server *server = serve(false, 0);
    vch_timer *timer = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_timer_new(loop, complete, NULL, &timer, &err), &err);
    vch_timer_start(timer, 100);
    raw *r = exchange(server, vch_span_str("GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                                           "GET /ech HTTP/1.0\r\n\r\n"));
    const char *late = strstr(r->answer, "late");
    CHECK(late != NULL && strncmp(late + 4, "HTTP/1.1 404 ", 13) == 0);
    vch_timer_free(timer);
    vch_http_server_free(server);
}

static void a_handler_is_told_that_nobody_waits_any_more(void **state)
{
    (void)state;
    int fd = -1;
    bool never = false;
    char address[VCH_ADDRESS_SIZE];
    static const char request[] = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";
    vch_http_server *server = serve(false, 0);
    gone_count = 0;
    raw *r = exchange(server, vch_span_str(request)); /* nobody completes it: its time ends */
    CHECK(r->answer[0] == '\0' && gone_count == 1 && r->took_ms >= 300);
    for (int i = 0; i < 2; i++) {
        CHECK(vch_dial("127.0.0.1", vch_http_server_port(server), 5000, &fd, address, NULL)
              == VOUCH_OK);
        CHECK(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1);
        CHECK(vch_loop_run_until(loop, &never, 50, NULL) == VOUCH_E_TIMEOUT);
        CHECK(gone_count == 1 + i && kept_answer != NULL);
        if (i == 0) /* the peer leaves */
            (void)close(fd);
        else /* the server goes */
            vch_http_server_free(server);
        CHECK(vch_loop_run_until(loop, &never, 50, NULL) == VOUCH_E_TIMEOUT);
        CHECK(gone_count == 2 + i && kept_answer == NULL);
    }
    (void)close(fd);
}

static void a_drained_server_answers_what_it_has_and_ends_the_rest(void **state)
{
    (void)state;
    int idle = -1;
    char address[VCH_ADDRESS_SIZE];
    bool never = false;
    char byte = 0;
    vch_http_server *server = serve(false, 0);
    CHECK(vch_dial("127.0.0.1", vch_http_server_port(server), 5000, &idle, address, NULL)
          == VOUCH_OK);
    raw r = { .port = vch_http_server_port(server),
              .send = vch_span_str("GET /later HTTP/1.1\r\nHost: a\r\n\r\n") };
    CHECK(vch_workers_submit(workers, (vch_job) { &r, raw_work, raw_done }, NULL) == VOUCH_OK);
    kept_answer = NULL;
    while (kept_answer == NULL)
        CHECK(vch_loop_run_until(loop, &never, 10, NULL) == VOUCH_E_TIMEOUT);
    CHECK(vch_http_server_connection_count(server) == 2);
    vch_http_server_drain(server);
    CHECK(vch_http_server_connection_count(server) == 1);
    CHECK(recv(idle, &byte, 1, 0) == 0);
    complete(NULL);
    CHECK(vch_loop_run_until(loop, &r.done, 5000, NULL) == VOUCH_OK);
    CHECK(strstr(r.answer, "late") != NULL && strstr(r.answer, "connection: close") != NULL);
    (void)close(idle);
    vch_http_server_free(server);
}

static void names_in_urls_are_percent_coded(void **state)
{
    (void)state;
    vch_buffer text = vch_buffer_with_cap(100);
    vch_http_url_encode(vch_span_str("aZ9-._~ /%+"), &text);
    CHECK(vch_span_is(vch_buffer_span(&text), "aZ9-._~%20%2F%25%2B"));
    vch_buffer_drop(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_post_over_tls_reaches_its_handler),
        TEST(a_large_body_with_100_continue_arrives_and_one_over_the_cap_is_413),
        TEST(paths_methods_and_silent_handlers_get_their_statuses),
        TEST(the_client_trusts_only_the_given_roots),
        TEST(the_client_keeps_its_limits),
        TEST(heads_that_are_not_strict_are_answered_and_closed),
        TEST(a_head_over_its_cap_is_431_before_it_ends),
        TEST(requests_sent_ahead_are_answered_in_order),
        TEST(a_request_that_never_ends_is_cut_off),
        TEST(at_the_cap_the_oldest_connection_without_a_request_goes),
        TEST(a_deferred_answer_is_sent_when_it_is_completed),
        TEST(an_answer_may_be_completed_before_its_handler_returns),
        TEST(requests_behind_a_deferred_one_wait_for_its_answer),
        TEST(a_handler_is_told_that_nobody_waits_any_more),
        TEST(a_drained_server_answers_what_it_has_and_ends_the_rest),
        TEST(names_in_urls_are_percent_coded),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
