/*
 * HTTP/1.1 over TLS, or plain (for CRLs, which are signed). Headers and bodies are capped before
 * they are read, each request has a deadline, and connections are counted. Handlers run on the
 * loop's thread and answer before they return, or later. One thread at a time.
 */
#ifndef VCH_NET_HTTP_SERVER_H
#define VCH_NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/scope.h"
#include "net/loop.h"
#include "net/tls.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_http_server vch_http_server;
typedef struct vch_http_response vch_http_response;
struct vch_http_head;

typedef struct vch_http_request {
    const char *method; /* "GET", "POST", "PUT", "DELETE" */
    const char *path;   /* decoded, starts with '/'; without the query */
    const char *query;  /* as it came, after '?'; "" if none */
    vouch_span body;
    const char *address; /* the peer's IP address */
    int64_t received_unix_s;
    const struct vch_http_head *head; /* for vch_http_request_header */
} vch_http_request;

/* The value of a header (any case), or NULL. Borrowed from the request. */
const char *vch_http_request_header(const vch_http_request *request, const char *name);

typedef struct vch_http_route {
    const char *method; /* "GET"; HEAD is answered for it too */
    const char *path;   /* exact; or a prefix that ends in "/" + "*" */
    void (*handle)(void *context, const vch_http_request *request, vch_http_response *response);
} vch_http_route;

/* Call in any order before the handler returns; without a status the answer is 500. */
void vch_http_response_status(vch_http_response *response, int status);
void vch_http_response_header(vch_http_response *response, const char *name, const char *value);
/* Copied; sets the content type. */
void vch_http_response_body(vch_http_response *response, const char *content_type, vouch_span body);

/*
 * Answer later: after the handler returned the request is gone, and the response stays until one
 * of two things happens, after either of which it must not be touched. vch_http_response_send(),
 * on the loop's thread, sends what was set. Or `gone` is called, because the peer left, the
 * request's time was over or the server is being freed; not called after a send.
 */
void vch_http_response_defer(vch_http_response *response, void (*gone)(void *context),
                             void *context);
void vch_http_response_send(vch_http_response *response);

typedef struct vch_http_server_options {
    vch_loop *loop;               /* kept */
    const char *address;          /* "127.0.0.1", "::" … */
    uint16_t port;                /* 0: any; ask vch_http_server_port() */
    const vch_tls_identity *tls;  /* NULL: plain HTTP */
    const vch_http_route *routes; /* kept; other paths are 404, other methods 405 */
    size_t route_count;
    void *context;              /* for the handlers */
    size_t headers_cap;         /* bytes; 0: 16 KiB */
    size_t body_cap;            /* bytes; 0: 1 MiB; more is 413 */
    int64_t request_timeout_ms; /* for one whole request; 0: 30 s */
    size_t connections_max;     /* 0: 1000; at the cap who waited longest without a request goes */
    const vch_log *log;         /* kept; may be NULL: a line per request, no header values */
    /* Adds the fields of every answer, errors too, when its handler returns; may be NULL */
    void (*decorate)(void *context, const vch_http_request *request, vch_http_response *response);
    /* The body of an answer that the server itself makes (404, 405, 413 …); may be NULL */
    void (*explain)(void *context, int status, vch_http_response *response);
} vch_http_server_options;

VOUCH_MUST_CHECK vouch_code vch_http_server_new(const vch_http_server_options *options,
                                                vch_http_server **out, vouch_error *err);
uint16_t vch_http_server_port(const vch_http_server *server);

/* A renewed certificate: handshakes from now on use it. */
VOUCH_MUST_CHECK vouch_code vch_http_server_renew(vch_http_server *server,
                                                  const vch_tls_identity *tls, vouch_error *err);
/* Take no more connections, end those that are idle, and the others with their next answer. */
void vch_http_server_drain(vch_http_server *server);
size_t vch_http_server_connection_count(const vch_http_server *server);
void vch_http_server_free(vch_http_server *server);
VCH_DEFINE_DROP(vch_http_server_drop, vch_http_server, vch_http_server_free)

#endif
