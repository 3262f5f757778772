/*
 * One HTTP request, blocking, with one deadline for all of it. https only unless told; redirects
 * are not followed; nothing is retried here. Any thread, one request at a time for each call.
 */
#ifndef VCH_NET_HTTP_CLIENT_H
#define VCH_NET_HTTP_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_HTTP_HEADERS_MAX_SIZE ((size_t)64 << 10) /* of a response, all together */

typedef struct vch_http_header {
    const char *name;
    const char *value; /* may be secret: never logged, never in an error */
} vch_http_header;

typedef struct vch_http_call {
    const char *url;
    const char *method; /* NULL: GET, or POST if there is a body */
    const vch_http_header *headers;
    size_t header_count;
    vouch_span body;   /* sent as it is; its type is a header */
    vouch_span ca_pem; /* trust exactly these roots; empty: ca_file, then the system's */
    const char *ca_file;
    size_t response_cap;       /* bytes of the answer's body; 0: 1 MiB */
    int64_t deadline_ms;       /* total, from name look-up to the last byte; 0: 30 s */
    const atomic_bool *cancel; /* NULL, or: once true, give up within a second */
    bool plain_http;           /* also allow http:// (CRLs, which are signed themselves) */
} vch_http_call;

typedef struct vch_http_answer {
    int status;         /* 200 … */
    vch_buffer headers; /* "name: value\r\n" lines of the final response */
    vch_buffer body;
} vch_http_answer;

/*
 * Any status is an answer. out: drop it with vch_http_answer_drop().
 * Fails with VOUCH_E_CONFIG (URL), _NETWORK, _TIMEOUT (cancelled, too), _LIMIT (answer too long), _CRYPTO (its
 * certificate), _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_http_fetch(const vch_http_call *call, vch_http_answer *out,
                                           vouch_error *err);

void vch_http_answer_drop(vch_http_answer *answer);

/* The value of a response header (any case, first of its name), trimmed; size 0: absent. */
vouch_span vch_http_answer_header(const vch_http_answer *answer, const char *name);

/* Append `text` to a URL, every byte but letters, digits and -._~ percent-coded. */
void vch_http_url_encode(vouch_span text, vch_buffer *url);

#endif
