/* The inside of an answer, for the HTTP server only. One thread at a time. */
#ifndef VCH_NET_HTTP_RESPONSE_H
#define VCH_NET_HTTP_RESPONSE_H

#include "base/buffer.h"
#include "net/http_server.h"

#define VCH_HTTP_METHOD_SIZE 16

struct vch_http_response {
    int status;
    vch_buffer headers, body;
    const char *content_type;
    char method[VCH_HTTP_METHOD_SIZE]; /* of the request, for the log; "" if it could not be read */
    vch_buffer path;
    bool deferred;
    void (*send)(vch_http_response *response); /* the server's */
    void (*gone)(void *context);               /* the handler's */
    void *context;
};

void vch_http_response_begin(vch_http_response *r); /* empty, with its caps */
void vch_http_response_drop(vch_http_response *r);

/* The whole message, appended; headers or body that did not fit make it a bare 500. */
void vch_http_response_write(vch_http_response *r, bool close_after, vch_buffer *out);

#endif
