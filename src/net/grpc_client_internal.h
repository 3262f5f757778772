/* What grpc_client.c (connection) and grpc_client_call.c (calls) share. Private to net/. */
#ifndef VCH_NET_GRPC_CLIENT_INTERNAL_H
#define VCH_NET_GRPC_CLIENT_INTERNAL_H

#include "net/grpc_client.h"
#include "net/grpc_internal.h"
#include "net/h2.h"
#include "net/tls_conn.h"

typedef struct vch_client_call vch_client_call;

struct vch_grpc_client {
    vch_loop *loop;
    bool own_loop;
    vch_tls_conn *tls; /* NULL: not connected */
    vch_h2 *h2;
    bool settled;    /* admitted or failed */
    vouch_error why; /* depth 0: nothing failed yet */
    char authority[300];
    int64_t keepalive_ms;
    vch_client_call *calls;    /* open */
    vch_client_call *finished; /* whose done() is owed */
    vch_client_call *zombies;  /* done, but nghttp2 still holds their stream */
    size_t call_count;
    vch_timer *deliver;
};

extern const vch_h2_events vch_grpc_client_events; /* user data's context: vch_grpc_client */

/* The connection is gone: every open call fails with client->why. */
void vch_client_fail_calls(vch_grpc_client *client);

/* HTTP/2 is gone: nobody refers to zombies any more. */
void vch_client_bury(vch_grpc_client *client);

/* Call done() for what is finished. */
void vch_client_deliver(vch_grpc_client *client);

#endif
