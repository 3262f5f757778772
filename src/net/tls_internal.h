/*
 * What tls.c (settings, handshake callbacks) and tls_conn.c (the connection) share. Private to
 * net/. One thread at a time.
 */
#ifndef VCH_NET_TLS_INTERNAL_H
#define VCH_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls.h"

#define VCH_TLS_LEAF_AND_CHAIN_MAX (VCH_TLS_CHAIN_MAX_COUNT + 1)

/* An identity in OpenSSL's terms, shared by the handshakes that present it. */
typedef struct vch_tls_card {
    unsigned references;
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    vch_buffer der; /* of the leaf */
} vch_tls_card;

VOUCH_MUST_CHECK vouch_code vch_tls_card_make(const vch_tls_identity *identity, vch_tls_card **out,
                                              vouch_error *err);
void vch_tls_card_unref(vch_tls_card *card);

/* The handshake of one connection; its SSL object carries a pointer to it. */
typedef struct vch_tls_handshake {
    vch_tls_settings *settings;
    SSL *ssl;
    vch_tls_face face;
    vch_tls_card *card;                       /* what we present; referenced */
    bool asked;                               /* client: the server asked for our certificate */
    uint8_t *der[VCH_TLS_LEAF_AND_CHAIN_MAX]; /* the peer's, OpenSSL's memory */
    size_t der_size[VCH_TLS_LEAF_AND_CHAIN_MAX];
    size_t der_count;
    const char *address;
    char *host;         /* NULL on a server; not const: OpenSSL's macro casts */
    const char *reason; /* what the peer is told */
    vouch_error why;    /* depth 0: no callback failed */
} vch_tls_handshake;

/* Set hs->ssl up for a socket. settings, address and host are set already. */
VOUCH_MUST_CHECK vouch_code vch_tls_handshake_start(vch_tls_handshake *hs, int fd,
                                                    vouch_error *err);

/* What must hold once OpenSSL says that the handshake is done. */
VOUCH_MUST_CHECK vouch_code vch_tls_handshake_check(vch_tls_handshake *hs, vouch_error *err);

vch_tls_peer vch_tls_handshake_peer(vch_tls_handshake *hs); /* borrows from hs */
const vch_tls_gate *vch_tls_handshake_gate(const vch_tls_handshake *hs);
bool vch_tls_handshake_serves(const vch_tls_handshake *hs);
void vch_tls_handshake_drop(vch_tls_handshake *hs);

/* The error of a failed SSL call: the callback's own, else OpenSSL's words. Empties its queue. */
VOUCH_MUST_CHECK vouch_code vch_tls_handshake_fail(vch_tls_handshake *hs, vouch_code code,
                                                   const char *doing, vouch_error *err);

/* Versions, suites, groups, no resumption: for every TLS context of the program. */
bool vch_tls_limit_protocol(SSL_CTX *ctx, bool server);

/* "vouch-h2/1", "h2"; NULL for no face. */
const char *vch_tls_face_alpn(vch_tls_face face);

#endif
