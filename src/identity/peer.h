/*
 * The gate that identity hands to net/tls: who may talk to us, and what we tell the other side about
 * ourselves. check_certificate runs inside the handshake (structure; on the client also claims and
 * enrolment, before our own certificate leaves); admit gives the verdict. Internally locked: workers
 * may appraise several peers at once. Spec: docs/protocol.md sections 6 and 7.
 */
#ifndef VCH_IDENTITY_PEER_H
#define VCH_IDENTITY_PEER_H

#include <stdbool.h>

#include "base/scope.h"
#include "identity/admit.h"
#include "identity/participant.h"
#include "identity/roster.h"
#include "net/tls.h"

typedef struct vch_gate vch_gate;

typedef struct vch_gate_options {
    vch_participant *participant; /* kept: our side */
    vch_roster *roster; /* kept: who is connected, newest vouch-nbf of each name; may be NULL on a
                           client and in a federation without attestation */
    const char *server_name; /* client: who must answer; NULL: the aggregator of `participants` */
    /* Told every verdict, admitted or refused, once; may be NULL. On any thread. */
    void (*on_verdict)(void *observer, const vch_admission *verdict);
    void *observer;
} vch_gate_options;

VOUCH_MUST_CHECK vouch_code vch_gate_new(const vch_gate_options *options, vch_gate **out,
                                         vouch_error *err);
void vch_gate_free(vch_gate *g); /* after every connection that uses it is gone */
VCH_DEFINE_DROP(vch_gate_drop, vch_gate, vch_gate_free)

/*
 * A policy change: from now on `participant` and `roster` (both kept) judge and are shown, after
 * vch_gate_renew(). Who was admitted under the old roster stands until its calls are done
 * (VCH_STANDING_REATTEST). The old ones must outlive the gate: calls of workers may still use them.
 * From the thread that uses the settings. The aggregator's name must be the same.
 */
void vch_gate_switch(vch_gate *g, vch_participant *participant, vch_roster *roster);

/*
 * Has what peers are held to changed since vch_gate_review() last began: other collateral, or another
 * policy? Cheap: any thread, every few seconds.
 */
bool vch_gate_review_is_due(vch_gate *g);

/*
 * Judge everybody who is connected anew, by what is in force now. Who would be refused does not stand
 * any more (VCH_STANDING_REVOKED), is logged as `admission.revoked`, and the observer is told. Waits
 * for no network; a millisecond or so for each peer. Any thread, one at a time.
 */
void vch_gate_review(vch_gate *g);

/* The code of the newest verdict since this was asked last. */
vch_admission_code vch_gate_last_code(vch_gate *g);

/* The functions for net/tls; its sessions are `vch_admitted_peer`. The gate must outlive them. */
vch_tls_gate vch_gate_functions(vch_gate *g);

/* The session of a connection as what it is. */
static inline const vch_admitted_peer *vch_admitted_peer_of(const void *session)
{
    return (const vch_admitted_peer *)session;
}

/*
 * TLS settings with this gate and the credentials of the moment: a server of an aggregator, a client
 * of a collaborator. Only the faces that somebody may need are offered: no `h2` where the other side
 * owes evidence.
 */
VOUCH_MUST_CHECK vouch_code vch_gate_tls_settings(vch_gate *g, vch_tls_settings **out,
                                                  vouch_error *err);

/* Give renewed certificates to settings made above; nothing to do unless they are newer. From the
 * thread that uses the settings, every few seconds. */
VOUCH_MUST_CHECK vouch_code vch_gate_renew(vch_gate *g, vch_tls_settings *settings,
                                           vouch_error *err);

#endif
