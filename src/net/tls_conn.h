/*
 * One gated TLS connection on a loop: handshake, channel messages, verdict, then bytes. Private to
 * net/: HTTP/2 sits on it. Nothing is read for the owner before the gate has admitted the peer.
 * One thread at a time.
 */
#ifndef VCH_NET_TLS_CONN_H
#define VCH_NET_TLS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"
#include "net/tls.h"
#include "net/workers.h"
#include "vouch/error.h"

#define VCH_TLS_ADDRESS_SIZE 64

typedef struct vch_tls_conn vch_tls_conn;

/* Called from the loop only, never from inside a vch_tls_conn function. */
typedef struct vch_tls_conn_owner {
    void *context;
    void (*admitted)(void *context);                       /* read and write from now on */
    void (*ready)(void *context);                          /* readable, or writable if asked for */
    void (*failed)(void *context, const vouch_error *why); /* before admission; free it now */
} vch_tls_conn_owner;

typedef struct vch_tls_conn_options {
    vch_loop *loop;             /* kept */
    vch_tls_settings *settings; /* kept */
    vch_workers *workers;       /* kept; NULL: the gate runs on the loop's thread */
    int fd;                     /* connected, non-blocking; given, also on failure */
    const char *address;        /* copied */
    const char *host;           /* client: what was dialled; copied */
    int64_t handshake_timeout_ms;
    int64_t message_timeout_ms;
    vch_tls_conn_owner owner;
} vch_tls_conn_options;

VOUCH_MUST_CHECK vouch_code vch_tls_conn_new(const vch_tls_conn_options *options,
                                             vch_tls_conn **out, vouch_error *err);

/* Says good-bye if that needs no waiting, closes, frees the session. Also from a callback. */
void vch_tls_conn_free(vch_tls_conn *conn);

typedef enum vch_tls_io {
    VCH_TLS_IO_DONE = 0,   /* at least one byte */
    VCH_TLS_IO_WAIT = 1,   /* ready() will tell */
    VCH_TLS_IO_CLOSED = 2, /* the peer closed, or the connection broke */
} vch_tls_io;

/* Only once admitted. */
vch_tls_io vch_tls_conn_read(vch_tls_conn *conn, void *to, size_t room, size_t *out_size);
vch_tls_io vch_tls_conn_write(vch_tls_conn *conn, const void *from, size_t size, size_t *out_size);

/* Call ready() when bytes can be written. (It always comes when bytes can be read.) */
void vch_tls_conn_want_write(vch_tls_conn *conn, bool want);

/* Call ready() in the loop's next turn, whatever the socket says. */
void vch_tls_conn_kick(vch_tls_conn *conn);

void *vch_tls_conn_session(const vch_tls_conn *conn);
vch_tls_face vch_tls_conn_face(const vch_tls_conn *conn);
const char *vch_tls_conn_address(const vch_tls_conn *conn);
bool vch_tls_conn_is_admitted(const vch_tls_conn *conn);

#endif
