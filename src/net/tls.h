/*
 * Mutual TLS whose trust is decided elsewhere: the peer passes a gate that the caller hands down,
 * and no application byte is read before the gate has admitted it. Both sides have two faces, by
 * ALPN: `vouch-h2/1` (TLS 1.3 only, channel messages) and `h2` (stock peers; TLS 1.2 with ECDHE and
 * AEAD allowed). Client certificates always; no resumption, tickets, PSK, early data or
 * renegotiation. Spec: docs/protocol.md sections 6 and 7.
 *
 * Channel message on `vouch-h2/1`, after the handshake and before HTTP/2: 4-byte big-endian length
 * (1 to 64 KiB) and the bytes that the gate makes; the client's first, the server's after its
 * verdict. A server that refuses sends one CBOR text of at most 23 bytes in its place, the class
 * of the refusal, and closes; the client's error shows it.
 */
#ifndef VCH_NET_TLS_H
#define VCH_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_TLS_MESSAGE_MAX_SIZE ((size_t)64 << 10)
#define VCH_TLS_CHAIN_MAX_COUNT 8
#define VCH_TLS_REASON_MAX_SIZE 23 /* bytes of a refusal's class */

typedef enum vch_tls_face {
    VCH_TLS_FACE_NONE = 0,
    VCH_TLS_FACE_VOUCH = 1, /* ALPN vouch-h2/1 */
    VCH_TLS_FACE_STOCK = 2  /* ALPN h2 */
} vch_tls_face;

struct ssl_st;

/* The other side, as the gate sees it. Borrowed for each call of the gate. */
typedef struct vch_tls_peer {
    vouch_span certificate;                    /* DER of its leaf */
    vouch_span chain[VCH_TLS_CHAIN_MAX_COUNT]; /* DER of what it sent after the leaf */
    size_t chain_count;
    vouch_span own_certificate; /* DER of ours on this face; empty: we have none for it */
    vch_tls_face face;
    bool we_serve;       /* we are the TLS server */
    const char *address; /* "192.0.2.7:50051", "[2001:db8::1]:50051" */
    const char *host;    /* client: the name that was dialled; server: NULL */
    struct ssl_st *ssl;
    const char **reason; /* set through vch_tls_peer_set_reason() */
} vch_tls_peer;

/*
 * The decisions. check_certificate runs inside the handshake, on the loop's thread (on a client
 * before the own certificate leaves; vch_tls_peer_export does not work yet). admit and
 * make_message run after it, on a worker if the options give some; they may block there.
 * Server: admit, then make_message. Client: make_message, then admit. On the stock face there are
 * no messages: admit gets an empty one and make_message is not called.
 * admit: VOUCH_OK admits. *session is given to the connection, which frees it at its end; it may
 * be set only with VOUCH_OK.
 */
typedef struct vch_tls_gate {
    void *context;
    vouch_code (*check_certificate)(void *context, const vch_tls_peer *peer, vouch_error *err);
    vouch_code (*make_message)(void *context, const vch_tls_peer *peer, vch_buffer *out,
                               vouch_error *err); /* `out` has the cap already */
    vouch_code (*admit)(void *context, const vch_tls_peer *peer, vouch_span message, void **session,
                        vouch_error *err);
    void (*session_free)(void *session);
} vch_tls_gate;

/* 32 bytes or so of keying material, RFC 8446 s.7.5; equal on both sides. Only in admit and
 * make_message. */
VOUCH_MUST_CHECK vouch_code vch_tls_peer_export(const vch_tls_peer *peer, const char *label,
                                                vouch_span context, uint8_t *out, size_t size,
                                                vouch_error *err);

/* Before the gate refuses: the class that the peer is told ("policy"); a constant text. */
void vch_tls_peer_set_reason(const vch_tls_peer *peer, const char *reason);

/* Is this error a server's refusal of us for that class? */
bool vch_tls_refused_for(const vouch_error *err, const char *reason);

/* What we present on one face: a certificate, what follows it, and its key. */
typedef struct vch_tls_identity {
    vouch_span certificate;  /* DER */
    const vouch_span *chain; /* DER, sent after the leaf */
    size_t chain_count;
    const vch_key *key; /* private; referenced, the caller may free its own */
} vch_tls_identity;

/*
 * Settings of a server or of a client; gate and identities are copied in. One thread at a time.
 * Fails with VOUCH_E_CONFIG without a complete gate, without an identity, or if key and
 * certificate do not belong together.
 */
typedef struct vch_tls_settings vch_tls_settings;

typedef struct vch_tls_options {
    bool server;
    vch_tls_gate gate;
    const vch_tls_identity *vouch; /* face vouch-h2/1; NULL: not offered */
    const vch_tls_identity *stock; /* face h2; NULL: not offered */
} vch_tls_options;

VOUCH_MUST_CHECK vouch_code vch_tls_settings_new(const vch_tls_options *options,
                                                 vch_tls_settings **out, vouch_error *err);
void vch_tls_settings_free(vch_tls_settings *settings); /* after connections and workers */
VCH_DEFINE_DROP(vch_tls_settings_drop, vch_tls_settings, vch_tls_settings_free)

/* A renewed identity for a face that is offered; handshakes from now on use it. */
VOUCH_MUST_CHECK vouch_code vch_tls_settings_renew(vch_tls_settings *settings, vch_tls_face face,
                                                   const vch_tls_identity *identity,
                                                   vouch_error *err);

#endif
