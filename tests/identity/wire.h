/* Two genuine participants on one loop, and the ends of TLS connections to them. */
#ifndef VCH_TESTS_IDENTITY_WIRE_H
#define VCH_TESTS_IDENTITY_WIRE_H

#include "net/tls_conn.h"
#include "side.h"

typedef struct wire_world {
    world w;
    device aggregator_device, collaborator_device;
    side agg, col1;
    side col2; /* its files alone; it is not attested: for it the aggregator serves h2, too */
    vch_loop *loop;
    vch_tls_settings *agg_tls; /* the genuine aggregator's, with its gate */
    vch_tls_settings *col1_tls;
    int64_t handshake_ms, message_ms; /* of connections that begin from now on */
} wire_world;

void wire_set_up(wire_world *x); /* no tokens */
void wire_set_up_under(wire_world *x, const world_policy *policy);
void wire_tear_down(wire_world *x);

/* One end of a connection, and what became of it. Stays where it is until wire_finish(). */
typedef struct wire_end {
    vch_tls_conn *conn;
    bool open, dead;
    vouch_error why;
    wire_world *x;
} wire_end;

/* fd is given; host NULL: a server. */
void wire_begin(wire_world *x, wire_end *e, vch_tls_settings *settings, int fd, const char *host);
void wire_settle(wire_world *x, const wire_end *e); /* until it is open or dead */
void wire_finish(wire_end *e);

#endif
