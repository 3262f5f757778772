/*
 * HTTP/2 on an admitted TLS connection: moves bytes, holds the flow-control and flood limits, keeps
 * the connection alive while calls are open, and closes. What a stream means is the owner's
 * (gRPC). Private to net/. One thread at a time.
 */
#ifndef VCH_NET_H2_H
#define VCH_NET_H2_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"
#include "net/tls_conn.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_H2_STREAM_WINDOW (4 << 20)      /* bytes of credit of one stream */
#define VCH_H2_CONNECTION_WINDOW (16 << 20) /* and of the connection */
#define VCH_H2_HEADERS_MAX_SIZE ((size_t)64 << 10)

typedef struct vch_h2 vch_h2;

/* Where the bytes go: a TLS connection, or a fuzzer. */
typedef struct vch_h2_wire {
    void *context;
    vch_tls_io (*read)(void *context, void *to, size_t room, size_t *out_size);
    vch_tls_io (*write)(void *context, const void *from, size_t size, size_t *out_size);
    void (*want_write)(void *context, bool want);
    void (*kick)(void *context);
} vch_h2_wire;

vch_h2_wire vch_h2_wire_over(vch_tls_conn *conn);

/* nghttp2's callbacks with user data = the vch_h2; h2 adds those that move bytes. */
typedef struct vch_h2_events {
    nghttp2_on_begin_headers_callback begin_headers;
    nghttp2_on_header_callback header;
    nghttp2_on_frame_recv_callback frame;
    nghttp2_on_data_chunk_recv_callback data; /* the owner must give the credit back */
    nghttp2_on_stream_close_callback stream_close;
    nghttp2_on_frame_send_callback frame_sent; /* may be NULL */
} vch_h2_events;

typedef struct vch_h2_options {
    vch_loop *loop;
    vch_h2_wire wire;
    bool server;
    uint32_t streams_max; /* that the peer may open; a client allows none */
    int64_t keepalive_ms;
    const vch_h2_events *events; /* kept */
    void *context;
    size_t (*call_count)(void *context); /* open calls: without one no PING is sent */
    /* The connection is over: free the h2 now. Never called from inside an event. */
    void (*closed)(void *context, const vouch_error *why);
} vch_h2_options;

VOUCH_MUST_CHECK vouch_code vch_h2_new(const vch_h2_options *options, vch_h2 **out,
                                       vouch_error *err);
void vch_h2_free(vch_h2 *h2);

void *vch_h2_context(const vch_h2 *h2);
nghttp2_session *vch_h2_session(const vch_h2 *h2);

/* Read and write what can be; the owner of the connection calls it when that is ready. */
void vch_h2_turn(vch_h2 *h2);

/* Something was submitted: it will be written in the loop's next turn. */
void vch_h2_wake(vch_h2 *h2);

/* GOAWAY; the connection closes when its calls are done, or in grace_ms (0: at once). */
void vch_h2_go_away(vch_h2 *h2, int64_t grace_ms);

bool vch_h2_is_going(const vch_h2 *h2); /* either side said GOAWAY, or it is closing */

/* What a stream sends: gRPC messages, each with its 5-byte prefix. Part of the owner's object. */
typedef struct vch_h2_body vch_h2_body;

typedef enum vch_h2_more {
    VCH_H2_MORE = 0,
    VCH_H2_NO_MORE = 1,
    VCH_H2_BROKEN = 2 /* the stream is reset, so that the peer does not take it for whole */
} vch_h2_more;

struct vch_h2_body {
    uint8_t prefix[5];
    size_t prefix_sent;
    vouch_span rest; /* of the present message */
    /* Bytes after `rest`, read only as the peer takes them; false: the stream is reset. */
    bool (*pull)(vch_h2_body *body, uint64_t offset, void *out, size_t size);
    uint64_t pull_size, pulled;
    /* NULL: the present message is the only one. Else the next message. */
    vch_h2_more (*next)(vch_h2_body *body, vouch_span *out);
    bool dead; /* the bytes are gone: nothing more may be sent of it */
    bool last; /* no message follows the present one */
    void (*all_read)(vch_h2 *h2, vch_h2_body *body,
                     int32_t stream_id); /* put trailers; NULL: none */
};

/* The next message; one with `pull` set, and its size, is of both. */
void vch_h2_body_set(vch_h2_body *body, vouch_span message);
nghttp2_data_provider vch_h2_body_provider(vch_h2_body *body);

#endif
