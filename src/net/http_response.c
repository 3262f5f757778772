#include "net/http_response.h"

#include <string.h>

#include "net/tls.h"

#define ANSWER_CAP ((size_t)64 << 20)
#define PATH_CAP ((size_t)64 << 10)

void vch_http_response_begin(vch_http_response *r)
{
    *r = (vch_http_response) { .headers = vch_buffer_with_cap(VCH_TLS_MESSAGE_MAX_SIZE),
                               .body = vch_buffer_with_cap(ANSWER_CAP),
                               .path = vch_buffer_with_cap(PATH_CAP) };
}

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

void vch_http_response_drop(vch_http_response *r)
{
    vch_buffer_drop(&r->headers);
    vch_buffer_drop(&r->body);
    vch_buffer_drop(&r->path);
}

void vch_http_response_defer(vch_http_response *r, void (*gone)(void *context), void *context)
{
    r->deferred = true;
    r->gone = gone;
    r->context = context;
}

void vch_http_response_send(vch_http_response *r)
{
    r->send(r);
}

void vch_http_response_write(vch_http_response *r, bool close_after, vch_buffer *out)
{
    if (r->headers.failed != VOUCH_OK || r->body.failed != VOUCH_OK || r->status == 0) {
        vch_buffer_drop(&r->headers);
        vch_buffer_drop(&r->body);
        r->status = 500;
        r->content_type = NULL;
    }
    vch_buffer_append_fmt(out, "HTTP/1.1 %d %s\r\n", r->status, reason_of(r->status));
    vch_buffer_append(out, vch_buffer_span(&r->headers));
    if (r->content_type != NULL)
        vch_buffer_append_fmt(out, "content-type: %s\r\n", r->content_type);
    vch_buffer_append_fmt(out, "content-length: %zu\r\n%s\r\n", r->body.size,
                          close_after ? "connection: close\r\n" : "");
    if (strcmp(r->method, "HEAD") != 0)
        vch_buffer_append(out, vch_buffer_span(&r->body));
}
