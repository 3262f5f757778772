/*
 * The gate that identity hands to net/tls: who may talk to us, and what we tell the other side about
 * ourselves. check_certificate runs inside the handshake (structure; on the client also claims and
 * enrolment, before our own certificate leaves); admit gives the verdict. Internally locked: workers
 * may appraise several peers at once. Spec: docs/protocol.md sections 6 and 7.
 */
#ifndef VCH_IDENTITY_PEER_H
#define VCH_IDENTITY_PEER_H

#include "identity/admit.h"
#include "identity/participant.h"
#include "identity/roster.h"
#include "net/tls.h"

#define VCH_CHANNEL_MESSAGE_MAX_SIZE ((size_t)64 << 10)

typedef struct vch_gate vch_gate;

typedef struct vch_gate_options {
    vch_participant *participant; /* kept: our side */
    vch_roster *roster;           /* kept: who is connected, newest vouch-nbf of each name */
    const char *server_name; /* client: the aggregator's name in `participants`; NULL on a server */
    /* Told every verdict, admitted or refused, once; may be NULL. Called on the worker's thread. */
    void (*on_verdict)(void *observer, const vch_admission *verdict);
    void *observer;
} vch_gate_options;

VOUCH_MUST_CHECK vouch_code vch_gate_new(const vch_gate_options *options, vch_gate **out,
                                         vouch_error *err);
void vch_gate_free(vch_gate *g); /* after every connection that uses it is gone */

/* The functions for net/tls; its sessions are `vch_admitted_peer`. The gate must outlive them. */
vch_tls_gate vch_gate_functions(vch_gate *g);

/* The session of a connection as what it is. */
static inline const vch_admitted_peer *vch_admitted_peer_of(const void *session)
{
    return (const vch_admitted_peer *)session;
}

/* The ALPN names a client may offer to that server: evidence owed means `vouch-h2/1` only. */
bool vch_gate_offers_h2(const vch_gate *g);

/* Get the pinned issuers' keys ready (blocking, at start-up and in the background). */
VOUCH_MUST_CHECK vouch_code vch_gate_prefetch(vch_gate *g, vouch_error *err);

#endif
