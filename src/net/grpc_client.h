/*
 * gRPC client on one gated connection: unary and client-streaming calls, several at a time. The
 * blocking functions run the loop until they are done. One thread at a time; a connection that
 * broke stays broken: make a new client (with jitter).
 */
#ifndef VCH_NET_GRPC_CLIENT_H
#define VCH_NET_GRPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "net/grpc.h"
#include "net/loop.h"
#include "net/tls.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_grpc_client vch_grpc_client;

typedef struct vch_grpc_client_options {
    vch_loop *loop;        /* kept; NULL: a private one (then only the blocking functions) */
    vch_tls_settings *tls; /* kept; made with server = false */
    const char *host;      /* name or IP literal */
    uint16_t port;
    int64_t connect_timeout_ms;   /* look-up, TCP, TLS, messages; 0: 30 s; the gate not counted */
    int64_t handshake_timeout_ms; /* 0: 10 s */
    int64_t message_timeout_ms;   /* the server's message may need its device: 0: 30 s */
    int64_t keepalive_ms;         /* 0: 60 s */
} vch_grpc_client_options;

/*
 * Connect and pass the gate, blocking (the name is looked up blocking too).
 * Fails with VOUCH_E_NETWORK, _TIMEOUT, _REFUSED (our gate refused, or the peer's did: its class is
 * in err), or the code that the own gate gave.
 */
VOUCH_MUST_CHECK vouch_code vch_grpc_client_connect(const vch_grpc_client_options *options,
                                                    vch_grpc_client **out, vouch_error *err);
void vch_grpc_client_free(vch_grpc_client *client); /* open calls end first, with an error */
VCH_DEFINE_DROP(vch_grpc_client_drop, vch_grpc_client, vch_grpc_client_free)

bool vch_grpc_client_usable(vch_grpc_client *client); /* neither broken nor told to go away */
void *vch_grpc_client_session(const vch_grpc_client *client); /* what our gate's admit gave */

/* Where a request's messages come from: *out is borrowed until the next call; false: no more.
 * A failure cancels the call. */
typedef struct vch_grpc_source {
    void *context;
    vouch_code (*next)(void *context, bool *out_more, vouch_span *out, vouch_error *err);
} vch_grpc_source;

typedef struct vch_grpc_request {
    const char *path;              /* "/package.Service/Method" */
    vouch_span message;            /* unary; borrowed until the call is done */
    const vch_grpc_source *source; /* or a stream; kept until the call is done */
    int64_t timeout_ms;            /* sent as grpc-timeout and held here; 0: none */
    size_t response_cap;           /* bytes of the response message; 0: 1 GiB */
    /* If set, response bytes go here as they arrive instead of into the answer's buffer. */
    vouch_code (*bytes)(void *context, uint32_t message_size, vouch_span bytes, vouch_error *err);
    void *bytes_context;
} vch_grpc_request;

typedef struct vch_grpc_answer {
    vch_grpc_status status;
    vch_buffer message; /* empty unless the status is OK */
} vch_grpc_answer;

void vch_grpc_answer_drop(vch_grpc_answer *answer);

/*
 * One call, blocking. VOUCH_OK means that the server answered; its status may be an error.
 * Fails with VOUCH_E_NETWORK, _TIMEOUT, _LIMIT, _FORMAT (not gRPC), or the source's failure.
 */
VOUCH_MUST_CHECK vouch_code vch_grpc_client_call(vch_grpc_client *client,
                                                 const vch_grpc_request *request,
                                                 vch_grpc_answer *out, vouch_error *err);

/*
 * The same without waiting; `done` comes exactly once, from the loop, and may not free the client.
 * answer is NULL if rc is not VOUCH_OK; take its message by moving the buffer out.
 */
VOUCH_MUST_CHECK vouch_code vch_grpc_client_start(
    vch_grpc_client *client, const vch_grpc_request *request,
    void (*done)(void *context, vouch_code rc, vch_grpc_answer *answer, const vouch_error *why),
    void *context, vouch_error *err);

#endif
