/*
 * The head of an HTTP/1.1 request (RFC 9112), strict: one form of every line, no folding, no
 * transfer codings, one Host, at most one Content-Length. Pure. Private to net/.
 */
#ifndef VCH_NET_HTTP_HEAD_H
#define VCH_NET_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_HTTP_FIELDS_MAX 64

typedef struct vch_http_field {
    vouch_span name, value; /* value without blanks around it */
} vch_http_field;

typedef struct vch_http_head { /* spans are borrowed from the input */
    vouch_span method;
    vouch_span path;  /* still percent-coded; starts with '/' */
    vouch_span query; /* after '?' */
    vch_http_field fields[VCH_HTTP_FIELDS_MAX];
    size_t field_count;
    uint64_t body_size;
    bool keep_alive;
    bool wants_continue;
    size_t size; /* bytes of the head with its empty line */
} vch_http_head;

/*
 * out_status  On failure: what to answer, 400, 411, 417, 431, 501 or 505.
 * Fails with VOUCH_E_TRUNCATED as long as the empty line has not come and `in` is at most `cap`
 * bytes; then out_status is 0.
 */
VOUCH_MUST_CHECK vouch_code vch_http_head_parse(vouch_span in, size_t cap, vch_http_head *out,
                                                int *out_status, vouch_error *err);

/* A field's value by its name in any case; data NULL if it is not there. */
vouch_span vch_http_head_field(const vch_http_head *head, const char *name);

/* Percent-decode into `out` of at least in.size + 1 bytes; false: malformed, or a NUL. */
bool vch_http_decode_path(vouch_span in, char *out);

/* Does a route, as vch_http_route describes it, serve this? */
bool vch_http_path_matches(const char *pattern, const char *path);
bool vch_http_method_matches(const char *served, const char *asked);

#endif
