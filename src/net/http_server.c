#include "net/http_server.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/secret.h"
#include "host/clock.h"
#include "net/http_head.h"
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
    bool close_after;
    bool continued; /* 100 Continue was sent for this request */
};

struct vch_http_server {
    vch_http_server_options o;
    SSL_CTX *ctx;
    vch_listener *listener;
    http_conn *conns;
    size_t conn_count;
};

struct vch_http_response {
    int status;
    vch_buffer headers, body;
    const char *content_type;
};

static void turn(http_conn *c);

/* --- answers --- */

void vch_http_response_status(vch_http_response *r, int status)
{
    r->status = status;
}

void vch_http_response_header(vch_http_response *r, const char *name, const char *value)
{
    if (strpbrk(name, "\r\n:") != NULL || strpbrk(value, "\r\n") != NULL) {
        r->status = 500; /* a handler let a peer's line end through: say nothing of it */
        return;
    }
    vch_buffer_append_fmt(&r->headers, "%s: %s\r\n", name, value);
}

void vch_http_response_body(vch_http_response *r, const char *content_type, vouch_span body)
{
    r->content_type = content_type;
    r->body.size = 0;
    vch_buffer_append(&r->body, body);
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *text;
    } table[] = {
        { 200, "OK" },
        { 204, "No Content" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 411, "Length Required" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 429, "Too Many Requests" },
        { 500, "Internal Server Error" },
        { 503, "Service Unavailable" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].status == status)
            return table[i].text;
    }
    return "Status";
}

static void response_drop(vch_http_response *r)
{
    vch_buffer_drop(&r->headers);
    vch_buffer_drop(&r->body);
}

/* Write the answer into `out`; headers or body that did not fit make it a bare 500. */
static void serialize(http_conn *c, vch_http_response *r, bool head_only)
{
    if (r->headers.failed != VOUCH_OK || r->body.failed != VOUCH_OK || r->status == 0) {
        response_drop(r);
        r->status = 500;
        r->content_type = NULL;
    }
    vch_buffer_append_fmt(&c->out, "HTTP/1.1 %d %s\r\n", r->status, reason_of(r->status));
    vch_buffer_append(&c->out, vch_buffer_span(&r->headers));
    if (r->content_type != NULL)
        vch_buffer_append_fmt(&c->out, "content-type: %s\r\n", r->content_type);
    vch_buffer_append_fmt(&c->out, "content-length: %zu\r\n%s\r\n", r->body.size,
                          c->close_after ? "connection: close\r\n" : "");
    if (!head_only)
        vch_buffer_append(&c->out, vch_buffer_span(&r->body));
}

static void log_answer(const http_conn *c, const vch_http_request *request, int status)
{
    const char *method = request == NULL ? "" : request->method;
    const char *path = request == NULL ? "" : request->path;
    vch_log(c->server->o.log, VCH_LOG_INFO, "http.request", VCH_STR("peer", c->host),
            VCH_STR("method", method), VCH_STR("path", path), VCH_INT("status", status));
}

static void finish_answer(http_conn *c, const vch_http_request *request, vch_http_response *r)
{
    const vch_http_server_options *o = &c->server->o;
    if (o->decorate != NULL && request != NULL)
        o->decorate(o->context, request, r);
    bool head_only = request != NULL && strcmp(request->method, "HEAD") == 0;
    serialize(c, r, head_only);
    log_answer(c, request, r->status);
    response_drop(r);
    c->state = HTTP_WRITE;
    vch_timer_start(c->deadline, o->request_timeout_ms);
}

/* An answer that no handler makes. */
static void answer_ourselves(http_conn *c, const vch_http_request *request, int status)
{
    vch_http_response r = { .status = status,
                            .headers = vch_buffer_with_cap(VCH_TLS_MESSAGE_MAX_SIZE),
                            .body = vch_buffer_with_cap(ANSWER_CAP) };
    if (c->server->o.explain != NULL)
        c->server->o.explain(c->server->o.context, status, &r);
    r.status = status;
    finish_answer(c, request, &r);
}

/* --- routes --- */

static bool path_matches(const char *pattern, const char *path)
{
    size_t size = strlen(pattern);
    if (size >= 2 && strcmp(pattern + size - 2, "/*") == 0)
        return strncmp(pattern, path, size - 1) == 0;
    return strcmp(pattern, path) == 0;
}

static bool method_matches(const char *served, const char *asked)
{
    return strcmp(served, asked) == 0 || (strcmp(served, "GET") == 0 && strcmp(asked, "HEAD") == 0);
}

static void dispatch(http_conn *c, const vch_http_request *request)
{
    const vch_http_server_options *o = &c->server->o;
    bool known_path = false;
    for (size_t i = 0; i < o->route_count; i++) {
        if (!path_matches(o->routes[i].path, request->path))
            continue;
        known_path = true;
        if (!method_matches(o->routes[i].method, request->method))
            continue;
        vch_http_response r = { .headers = vch_buffer_with_cap(VCH_TLS_MESSAGE_MAX_SIZE),
                                .body = vch_buffer_with_cap(ANSWER_CAP) };
        o->routes[i].handle(o->context, request, &r);
        finish_answer(c, request, &r);
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
    char method[16] = { 0 };
    c->close_after = !head->keep_alive;
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
    *c->at = c->next;
    if (c->next != NULL)
        c->next->at = c->at;
    c->server->conn_count--;
    if (c->server->listener != NULL)
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
    c->out_sent = 0;
    c->state = c->close_after ? HTTP_LINGER : HTTP_READ;
    if (c->close_after) {
        if (c->ssl != NULL)
            (void)SSL_shutdown(c->ssl);
        (void)shutdown(c->fd, SHUT_WR);
        vch_timer_start(c->deadline, LINGER_MS);
    }
    return IO_DONE;
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
    if (++s->conn_count >= s->o.connections_max)
        vch_listener_pause(s->listener, true); /* more wait in the kernel's queue */
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
    SSL_CTX_set_alpn_select_cb(s->ctx, on_alpn, NULL);
    return vch_http_server_renew(s, s->o.tls, err);
}

static size_t size_or(size_t value, size_t usual)
{
    return value > 0 ? value : usual;
}

vouch_code vch_http_server_new(const vch_http_server_options *options, vch_http_server **out,
                               vouch_error *err)
{
    VCH_SCOPED(vch_http_server_drop) vch_http_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "HTTP server: out of memory");
    s->o = *options;
    s->o.headers_cap = size_or(s->o.headers_cap, DEFAULT_HEADERS_CAP);
    s->o.body_cap = size_or(s->o.body_cap, DEFAULT_BODY_CAP);
    s->o.connections_max = size_or(s->o.connections_max, DEFAULT_CONNECTIONS);
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
