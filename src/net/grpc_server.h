/*
 * gRPC server on admitted connections (tls.h): unary and client-streaming methods, request bytes
 * handed out as they arrive, answers now or later. Everything runs on the loop's thread. Limits:
 * see vch_grpc_server_options. Unknown methods are answered UNIMPLEMENTED at once.
 */
#ifndef VCH_NET_GRPC_SERVER_H
#define VCH_NET_GRPC_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/scope.h"
#include "net/grpc.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/workers.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_grpc_server vch_grpc_server;
typedef struct vch_grpc_call vch_grpc_call; /* valid until its `ended` returns */

/*
 * A method is either unary with a small request (`unary` set: the message is collected first), or
 * streaming: begin, then for each message message_begin, bytes…, message_end, then half_close when
 * the client has sent all. Any of them may answer with vch_grpc_call_reply/_fail (then no more of
 * them is called), or nobody does and the call stays open: a long poll. NULL functions are skipped,
 * but half_close or unary must be there. `ended` comes exactly once for every call that began,
 * answered or dead (deadline, cancelled, connection lost): free the state there.
 */
typedef struct vch_grpc_method {
    const char *path;          /* "/package.Service/Method" */
    uint64_t message_max_size; /* of one request message; 0: 4 MiB unary, 1 GiB streaming */
    void (*unary)(void *context, vch_grpc_call *call, vouch_span request);
    void (*begin)(void *context, vch_grpc_call *call);
    void (*message_begin)(void *context, vch_grpc_call *call, uint32_t size);
    void (*bytes)(void *context, vch_grpc_call *call, vouch_span bytes); /* borrowed */
    void (*message_end)(void *context, vch_grpc_call *call);
    void (*half_close)(void *context, vch_grpc_call *call);
    void (*ended)(void *context, vch_grpc_call *call);
} vch_grpc_method;

void vch_grpc_call_set_state(vch_grpc_call *call, void *state); /* the handler's own; kept */
void *vch_grpc_call_state(const vch_grpc_call *call);
void *vch_grpc_call_session(const vch_grpc_call *call); /* what the gate's admit gave */
const char *vch_grpc_call_address(const vch_grpc_call *call);
vch_tls_face vch_grpc_call_face(const vch_grpc_call *call);

/* Answer with one message and status OK. Copied. After an answer these do nothing. */
void vch_grpc_call_reply(vch_grpc_call *call, vouch_span message);
/* The same without a copy: the buffer's bytes are given, the buffer is left empty. */
void vch_grpc_call_reply_given(vch_grpc_call *call, vch_buffer *message);
/* The same, borrowed until release(owner): tensors shared between many answers. */
void vch_grpc_call_reply_shared(vch_grpc_call *call, vouch_span message,
                                void (*release)(void *owner), void *owner);

/* The rest of an answer, read only as the peer takes it: one that does not read costs no memory. */
typedef struct vch_grpc_tail {
    uint64_t size; /* bytes */
    void *context;
    /* Fill `out` with the bytes from `offset`, which only rises. False: the call is reset. */
    bool (*read)(void *context, uint64_t offset, void *out, size_t size);
    void (*release)(void *context); /* once, read to the end or not; may be NULL */
} vch_grpc_tail;

/* Answer with one message, `head` (given, left empty) and then `tail`, and status OK. */
void vch_grpc_call_reply_pulled(vch_grpc_call *call, vch_buffer *head, const vch_grpc_tail *tail);

/* End with a status that is not OK and a text that the peer may read. */
VOUCH_PRINTF(3, 4)
void vch_grpc_call_fail(vch_grpc_call *call, vch_grpc_code code, const char *fmt, ...);

/* Back-pressure: while paused the peer gets no credit; at most one window (4 MiB) still comes. */
void vch_grpc_call_pause(vch_grpc_call *call);
void vch_grpc_call_resume(vch_grpc_call *call);

typedef struct vch_grpc_server_options {
    vch_loop *loop;                 /* kept */
    vch_tls_settings *tls;          /* kept; made with server = true */
    vch_workers *workers;           /* kept; for the gate; NULL: it runs on the loop's thread */
    const char *address;            /* "127.0.0.1", "::" (both families) */
    uint16_t port;                  /* 0: any; ask vch_grpc_server_port() */
    const vch_grpc_method *methods; /* kept */
    size_t method_count;
    void *context;                /* for the methods */
    size_t connections_max;       /* admitted or not; 0: 4096 */
    size_t ungated_max;           /* not yet admitted; 0: 2000 */
    size_t ungated_per_address;   /* of one IP address; 0: 64 */
    uint32_t streams_max;         /* calls at a time on a connection; 0: 100 */
    int64_t handshake_timeout_ms; /* 0: 10 s */
    int64_t message_timeout_ms;   /* 0: 10 s; the gate's own time is not counted in it */
    int64_t keepalive_ms; /* PING after so long without a byte while calls are open; 0: 60 s;
                                     no answer in 20 s: dead */
    const vch_log *log;   /* kept; may be NULL */
} vch_grpc_server_options;

VOUCH_MUST_CHECK vouch_code vch_grpc_server_new(const vch_grpc_server_options *options,
                                                vch_grpc_server **out, vouch_error *err);
uint16_t vch_grpc_server_port(const vch_grpc_server *server);

/* End connections for whose session `match` says true (NULL: all): GOAWAY, then close when their
 * calls are done or after grace_ms (0: at once). */
void vch_grpc_server_end(vch_grpc_server *server, bool (*match)(void *context, void *session),
                         void *context, int64_t grace_ms);

/* Accept no more; drain for at most grace_ms, then call stopped(context) once. */
void vch_grpc_server_stop(vch_grpc_server *server, int64_t grace_ms, void (*stopped)(void *context),
                          void *context);

size_t vch_grpc_server_connection_count(const vch_grpc_server *server); /* admitted ones */

/* Ends whatever is left at once. */
void vch_grpc_server_free(vch_grpc_server *server);
VCH_DEFINE_DROP(vch_grpc_server_drop, vch_grpc_server, vch_grpc_server_free)

#endif
