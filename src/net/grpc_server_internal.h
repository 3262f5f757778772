/* What grpc_server.c (connections) and grpc_call.c (calls) share. Private to net/. */
#ifndef VCH_NET_GRPC_SERVER_INTERNAL_H
#define VCH_NET_GRPC_SERVER_INTERNAL_H

#include "net/grpc_internal.h"
#include "net/grpc_server.h"
#include "net/h2.h"

typedef struct vch_grpc_conn {
    const vch_grpc_server_options *o;
    vch_h2 *h2;
    vch_grpc_call *calls;
    size_t call_count;
    void *session;
    vch_tls_face face;
    const char *address;
} vch_grpc_conn;

extern const vch_h2_events vch_grpc_server_events; /* user data's context: vch_grpc_conn */

/* The connection is over: `ended` for every open call. Before its h2 is freed. */
void vch_grpc_conn_end_calls(vch_grpc_conn *conn);

/* Reset calls whose request makes no progress. */
void vch_grpc_conn_sweep(vch_grpc_conn *conn, int64_t now_ms);

#endif
