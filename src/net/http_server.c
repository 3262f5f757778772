#include "net/http_server.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/secret.h"
#include "host/clock.h"
#include "net/http_head.h"
#include "net/http_response.h"
#include "net/listener.h"
#include "net/tls_internal.h"

#define DEFAULT_HEADERS_CAP ((size_t)16 << 10)
#define DEFAULT_BODY_CAP ((size_t)1 << 20)
#define DEFAULT_TIMEOUT_MS 30000
#define DEFAULT_CONNECTIONS 1000
#define ANSWER_CAP ((size_t)64 << 20)
#define LINGER_MS 2000
#define STEP ((size_t)16 << 10)

typedef struct http_conn http_conn;

typedef enum http_state {
    HTTP_HANDSHAKE,
    HTTP_READ,
    HTTP_DEFERRED, /* a handler has the answer */
    HTTP_WRITE,
    HTTP_LINGER /* the answer is out; what still comes is thrown away, so that it is not reset */
} http_state;

typedef enum io { IO_DONE, IO_WAIT, IO_CLOSED } io;

struct http_conn {
    vch_http_server *server;
    http_conn *next, **at;
    int fd;
    SSL *ssl; /* NULL: plain */
    struct event *readable, *writable;
    vch_timer *deadline;
    http_state state;
    char host[VCH_ADDRESS_SIZE];
    vch_buffer in, out;
    size_t out_sent;
    vch_http_response answer;
    int64_t waits_since_ms; /* for a request to be whole */
    bool close_after;
    bool continued; /* 100 Continue was sent for this request */
};

struct vch_http_server {
    vch_http_server_options o;
    SSL_CTX *ctx;
    vch_listener *listener;
    http_conn *conns;
    size_t conn_count;
    bool draining;
};

static void turn(http_conn *c);

/* --- answers --- */

static void send_answer(http_conn *c)
{
    vch_http_response *r = &c->answer;
    vch_http_response_write(r, c->close_after, &c->out);
    const char *path = vch_buffer_text(&r->path);
    vch_log(c->server->o.log, VCH_LOG_INFO, "http.request", VCH_STR("peer", c->host),
            VCH_STR("method", r->method), VCH_STR("path", path == NULL ? "" : path),
            VCH_INT("status", r->status));
    vch_http_response_drop(r);
    c->state = HTTP_WRITE;
    vch_timer_start(c->deadline, c->server->o.request_timeout_ms);
}

/* The handler has returned: the request is gone after this, whether it is answered or not. */
static void finish_answer(http_conn *c, const vch_http_request *request)
{
    const vch_http_server_options *o = &c->server->o;
    vch_http_response *r = &c->answer;
    if (request != NULL) {
        (void)snprintf(r->method, sizeof r->method, "%s", request->method);
        vch_buffer_append_str(&r->path, request->path);
    }
    if (o->decorate != NULL && request != NULL)
        o->decorate(o->context, request, r);
    if (r->deferred)
        c->state = HTTP_DEFERRED;
    else
        send_answer(c);
}

/* A handler completes what it deferred: at once while it runs, else from wherever it is now. */
static void on_send(vch_http_response *r)
{
    http_conn *c = (http_conn *)(void *)((char *)r - offsetof(http_conn, answer));
    r->deferred = false;
    r->gone = NULL;
    if (c->state != HTTP_DEFERRED)
        return;
    send_answer(c);
    turn(c);
}

static void begin_answer(http_conn *c)
{
    vch_http_response_begin(&c->answer);
    c->answer.send = on_send;
}

/* An answer that no handler makes. */
static void answer_ourselves(http_conn *c, const vch_http_request *request, int status)
{
    begin_answer(c);
    if (c->server->o.explain != NULL)
        c->server->o.explain(c->server->o.context, status, &c->answer);
    c->answer.status = status;
    finish_answer(c, request);
}

/* --- routes --- */

static void dispatch(http_conn *c, const vch_http_request *request)
{
    const vch_http_server_options *o = &c->server->o;
    bool known_path = false;
    for (size_t i = 0; i < o->route_count; i++) {
        if (!vch_http_path_matches(o->routes[i].path, request->path))
            continue;
        known_path = true;
        if (!vch_http_method_matches(o->routes[i].method, request->method))
            continue;
        begin_answer(c);
        o->routes[i].handle(o->context, request, &c->answer);
        finish_answer(c, request);
        return;
    }
    answer_ourselves(c, request, known_path ? 405 : 404);
}

const char *vch_http_request_header(const vch_http_request *request, const char *name)
{
    vouch_span value = vch_http_head_field(request->head, name);
    if (value.data == NULL)
        return NULL;
    /* The value is followed by its line's blanks or CR, which handle_request made a NUL. */
    return (const char *)value.data;
}

/* NUL-terminate each value in place: what follows it is a blank or the CR of its line. */
static void terminate_values(http_conn *c, const vch_http_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        vouch_span v = head->fields[i].value;
        c->in.data[(size_t)(v.data - c->in.data) + v.size] = 0;
    }
}

static void handle_request(http_conn *c, const vch_http_head *head)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(SIZE_MAX);
    char method[VCH_HTTP_METHOD_SIZE] = { 0 };
    c->close_after = !head->keep_alive || c->server->draining;
    char *path = (char *)vch_buffer_extend(&text, head->path.size + 1);
    VCH_SCOPED(vch_buffer_drop) vch_buffer query = vch_buffer_with_cap(SIZE_MAX);
    vch_buffer_append(&query, head->query);
    const char *query_text = vch_buffer_text(&query);
    if (path == NULL || query_text == NULL || head->method.size >= sizeof method
        || !vch_http_decode_path(head->path, path)) {
        c->close_after = true;
        answer_ourselves(c, NULL, 400);
        return;
    }
    memcpy(method, head->method.data, head->method.size);
    terminate_values(c, head);
    vch_http_request request = { .method = method,
                                 .path = path,
                                 .query = query_text,
                                 .body = { c->in.data + head->size, (size_t)head->body_size },
                                 .address = c->host,
                                 .received_unix_s = vch_clock_unix_s(),
                                 .head = head };
    dispatch(c, &request);
}

/* --- connection --- */

static void conn_free(http_conn *c)
{
    if (c->state == HTTP_DEFERRED && c->answer.gone != NULL)
        c->answer.gone(c->answer.context);
    vch_http_response_drop(&c->answer);
    *c->at = c->next;
    if (c->next != NULL)
        c->next->at = c->at;
    c->server->conn_count--;
    if (c->server->listener != NULL && !c->server->draining)
        vch_listener_pause(c->server->listener, false);
    if (c->readable != NULL)
        event_free(c->readable);
    if (c->writable != NULL)
        event_free(c->writable);
    vch_timer_free(c->deadline);
    SSL_free(c->ssl);
    (void)close(c->fd);
    if (c->in.data != NULL)
        vch_wipe(c->in.data, c->in.size); /* API keys stand in headers */
    vch_buffer_drop(&c->in);
    vch_buffer_drop(&c->out);
    free(c);
}

static void wait_for(http_conn *c, bool write)
{
    struct event *on = write ? c->writable : c->readable;
    struct event *off = write ? c->readable : c->writable;
    (void)event_add(on, NULL);
    (void)event_del(off);
}

static io after_ssl(http_conn *c, int result)
{
    int kind = SSL_get_error(c->ssl, result);
    ERR_clear_error();
    if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
        return IO_CLOSED;
    wait_for(c, kind == SSL_ERROR_WANT_WRITE);
    return IO_WAIT;
}

static io after_plain(http_conn *c, ssize_t n, bool write)
{
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return IO_CLOSED;
    wait_for(c, write);
    return IO_WAIT;
}

static io conn_read(http_conn *c, uint8_t *to, size_t room, size_t *got)
{
    if (c->ssl == NULL) {
        ssize_t n = recv(c->fd, to, room, 0);
        *got = n > 0 ? (size_t)n : 0;
        return n > 0 ? IO_DONE : after_plain(c, n, false);
    }
    ERR_clear_error();
    int result = SSL_read_ex(c->ssl, to, room, got);
    return result == 1 ? IO_DONE : after_ssl(c, result);
}

static io conn_write(http_conn *c, const uint8_t *from, size_t size, size_t *put)
{
    if (c->ssl == NULL) {
        ssize_t n = send(c->fd, from, size, MSG_NOSIGNAL);
        *put = n > 0 ? (size_t)n : 0;
        return n > 0 ? IO_DONE : after_plain(c, n, true);
    }
    ERR_clear_error();
    int result = SSL_write_ex(c->ssl, from, size, put);
    return result == 1 ? IO_DONE : after_ssl(c, result);
}

static io step_handshake(http_conn *c)
{
    ERR_clear_error();
    int result = SSL_do_handshake(c->ssl);
    if (result != 1)
        return after_ssl(c, result);
    c->state = HTTP_READ;
    return IO_DONE;
}

static void send_continue(http_conn *c)
{
    c->continued = true;
    vch_buffer_append_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    c->state = HTTP_WRITE;
}

/* A connection that waits for its next request holds no memory for it. */
static void release_input(http_conn *c)
{
    size_t cap = c->in.cap;
    vch_buffer_drop(&c->in);
    c->in = vch_buffer_with_cap(cap);
}

/* Is a whole request there? Then answer it; else say whether to read on. */
static bool take_request(http_conn *c)
{
    vch_http_head head = { 0 };
    int status = 0;
    const vch_http_server_options *o = &c->server->o;
    vouch_code rc =
        vch_http_head_parse(vch_buffer_span(&c->in), o->headers_cap, &head, &status, NULL);
    if (rc == VOUCH_E_TRUNCATED)
        return false;
    if (rc == VOUCH_OK && head.body_size > o->body_cap)
        status = 413;
    if (status != 0) {
        c->close_after = true;
        answer_ourselves(c, NULL, status);
        return true;
    }
    size_t whole = head.size + (size_t)head.body_size;
    if (c->in.size < whole) {
        if (head.wants_continue && !c->continued)
            send_continue(c);
        return c->state == HTTP_WRITE;
    }
    c->continued = false;
    handle_request(c, &head);
    size_t left = c->in.size - whole; /* the next request, if it was sent ahead */
    memmove(c->in.data, c->in.data + whole, left);
    vch_wipe(c->in.data + left, whole);
    c->in.size = left;
    if (left == 0)
        release_input(c);
    return true;
}

static io step_read(http_conn *c)
{
    if (take_request(c))
        return IO_DONE;
    uint8_t some[STEP];
    size_t got = 0;
    io result = conn_read(c, some, sizeof some, &got);
    if (result != IO_DONE)
        return result;
    if (c->in.size == 0)
        vch_timer_start(c->deadline, c->server->o.request_timeout_ms);
    vch_buffer_append(&c->in, (vouch_span) { some, got });
    vch_wipe(some, got);
    return c->in.failed == VOUCH_OK ? IO_DONE : IO_CLOSED;
}

static io step_write(http_conn *c)
{
    if (c->out.failed != VOUCH_OK)
        return IO_CLOSED;
    while (c->out_sent < c->out.size) {
        size_t put = 0;
        io result = conn_write(c, c->out.data + c->out_sent, c->out.size - c->out_sent, &put);
        if (result != IO_DONE)
            return result;
        c->out_sent += put;
    }
    vch_buffer_drop(&c->out);
    c->out = vch_buffer_with_cap(2 * ANSWER_CAP);
    c->out_sent = 0;
    c->waits_since_ms = vch_clock_monotonic_ms();
    c->close_after = c->close_after || c->server->draining;
    c->state = c->close_after ? HTTP_LINGER : HTTP_READ;
    if (c->close_after) {
        if (c->ssl != NULL)
            (void)SSL_shutdown(c->ssl);
        (void)shutdown(c->fd, SHUT_WR);
        vch_timer_start(c->deadline, LINGER_MS);
    }
    return IO_DONE;
}

/* Bytes mean the next request, sent ahead: it waits, and so do we. Their end means nobody waits. */
static io step_deferred(http_conn *c)
{
    uint8_t one = 0;
    ssize_t n = recv(c->fd, &one, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return IO_CLOSED;
    if (n > 0)
        (void)event_del(c->readable);
    (void)event_del(c->writable);
    return IO_WAIT;
}

static io step_linger(http_conn *c)
{
    uint8_t some[STEP];
    ssize_t n = recv(c->fd, some, sizeof some, 0);
    return n > 0 ? IO_DONE : after_plain(c, n, false);
}

static io take_step(http_conn *c)
{
    switch (c->state) {
    case HTTP_HANDSHAKE:
        return step_handshake(c);
    case HTTP_READ:
        return step_read(c);
    case HTTP_DEFERRED:
        return step_deferred(c);
    case HTTP_WRITE:
        return step_write(c);
    case HTTP_LINGER:
        return step_linger(c);
    }
    return IO_CLOSED;
}

static void turn(http_conn *c)
{
    io result = IO_DONE;
    while (result == IO_DONE)
        result = take_step(c);
    if (result == IO_CLOSED)
        conn_free(c);
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    turn(context);
}

static void on_deadline(void *context)
{
    conn_free(context);
}

static bool conn_prepare(http_conn *c)
{
    struct event_base *base = vch_loop_native(c->server->o.loop);
    c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, on_event, c);
    c->writable = event_new(base, c->fd, EV_WRITE | EV_PERSIST, on_event, c);
    if (c->readable == NULL || c->writable == NULL
        || vch_timer_new(c->server->o.loop, on_deadline, c, &c->deadline, NULL) != VOUCH_OK)
        return false;
    c->state = HTTP_READ;
    if (c->server->ctx == NULL)
        return true;
    c->state = HTTP_HANDSHAKE;
    c->ssl = SSL_new(c->server->ctx);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
        return false;
    SSL_set_accept_state(c->ssl);
    return true;
}

static bool waits_for_request(const http_conn *c)
{
    return c->state == HTTP_HANDSHAKE || c->state == HTTP_READ;
}

/* At the cap whoever has sent no whole request for the longest time gives way: connections that
 * are only held open, or fed a byte at a time, keep nobody out. */
static void make_room(vch_http_server *s)
{
    http_conn *oldest = NULL;
    for (http_conn *c = s->conns->next; c != NULL; c = c->next) { /* not the newest */
        if (waits_for_request(c) && (oldest == NULL || c->waits_since_ms <= oldest->waits_since_ms))
            oldest = c;
    }
    if (oldest != NULL)
        conn_free(oldest);
    else
        vch_listener_pause(s->listener, true); /* all are being answered: more wait in the kernel */
}

static void on_accepted(void *context, int fd, const char *address, const char *host)
{
    (void)address;
    vch_http_server *s = context;
    http_conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)close(fd);
        return;
    }
    c->server = s;
    c->fd = fd;
    (void)snprintf(c->host, sizeof c->host, "%s", host);
    c->in = vch_buffer_with_cap(s->o.headers_cap + s->o.body_cap + STEP);
    c->out = vch_buffer_with_cap(2 * ANSWER_CAP);
    c->at = &s->conns;
    c->next = s->conns;
    if (c->next != NULL)
        c->next->at = &c->next;
    s->conns = c;
    c->waits_since_ms = vch_clock_monotonic_ms();
    if (++s->conn_count > s->o.connections_max)
        make_room(s);
    if (!conn_prepare(c)) {
        conn_free(c);
        return;
    }
    vch_timer_start(c->deadline, s->o.request_timeout_ms);
    wait_for(c, false);
}

/* --- server --- */

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *in, unsigned in_size, void *unused)
{
    (void)ssl;
    (void)unused;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size)
        != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

vouch_code vch_http_server_renew(vch_http_server *s, const vch_tls_identity *tls, vouch_error *err)
{
    if (s->ctx == NULL)
        return vouch_fail(err, VOUCH_E_INTERNAL, "HTTP server: it serves without TLS");
    vch_tls_card *card = NULL;
    vouch_code rc = vch_tls_card_make(tls, &card, err);
    if (rc != VOUCH_OK)
        return rc;
    int taken = SSL_CTX_use_cert_and_key(s->ctx, card->leaf, card->key, card->chain, 1);
    ERR_clear_error();
    vch_tls_card_unref(card);
    return taken == 1
               ? VOUCH_OK
               : vouch_fail(err, VOUCH_E_CONFIG, "HTTP server: the certificate is not taken");
}

static vouch_code prepare_tls(vch_http_server *s, vouch_error *err)
{
    s->ctx = SSL_CTX_new(TLS_server_method());
    if (s->ctx == NULL || !vch_tls_limit_protocol(s->ctx, true))
        return vouch_fail(err, VOUCH_E_CRYPTO, "HTTP server: TLS cannot be set up");
    (void)SSL_CTX_set_mode(s->ctx, SSL_MODE_RELEASE_BUFFERS); /* idle connections hold none */
    SSL_CTX_set_alpn_select_cb(s->ctx, on_alpn, NULL);
    return vch_http_server_renew(s, s->o.tls, err);
}

vouch_code vch_http_server_new(const vch_http_server_options *options, vch_http_server **out,
                               vouch_error *err)
{
    VCH_SCOPED(vch_http_server_drop) vch_http_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "HTTP server: out of memory");
    s->o = *options;
    s->o.headers_cap = s->o.headers_cap > 0 ? s->o.headers_cap : DEFAULT_HEADERS_CAP;
    s->o.body_cap = s->o.body_cap > 0 ? s->o.body_cap : DEFAULT_BODY_CAP;
    s->o.connections_max = s->o.connections_max > 0 ? s->o.connections_max : DEFAULT_CONNECTIONS;
    if (s->o.request_timeout_ms <= 0)
        s->o.request_timeout_ms = DEFAULT_TIMEOUT_MS;
    vouch_code rc = s->o.tls == NULL ? VOUCH_OK : prepare_tls(s, err);
    if (rc == VOUCH_OK)
        rc =
            vch_listener_new(s->o.loop, s->o.address, s->o.port, on_accepted, s, &s->listener, err);
    s->o.tls = NULL; /* borrowed for the construction only */
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(s);
    return VOUCH_OK;
}

uint16_t vch_http_server_port(const vch_http_server *s)
{
    return vch_listener_port(s->listener);
}

void vch_http_server_drain(vch_http_server *s)
{
    s->draining = true;
    vch_listener_pause(s->listener, true);
    for (http_conn *c = s->conns, *next = NULL; c != NULL; c = next) {
        next = c->next;
        if (waits_for_request(c) && c->in.size == 0)
            conn_free(c);
        else
            c->close_after = true;
    }
}

size_t vch_http_server_connection_count(const vch_http_server *s)
{
    return s->conn_count;
}

void vch_http_server_free(vch_http_server *s)
{
    if (s == NULL)
        return;
    vch_listener_free(s->listener);
    s->listener = NULL;
    while (s->conns != NULL)
        conn_free(s->conns);
    SSL_CTX_free(s->ctx);
    free(s);
}
