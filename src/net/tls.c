#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "net/tls_internal.h"

#define FACE_COUNT 3
#define CERT_LIST_MAX (64L << 10)
#define READ_AHEAD_SIZE ((size_t)64 << 10) /* while bytes come; given back when none do */

struct vch_tls_settings {
    SSL_CTX *ctx;
    bool server;
    vch_tls_gate gate;
    vch_tls_card *cards[FACE_COUNT]; /* by face; NULL: not offered */
    unsigned char alpn[32];          /* client: what it offers, in wire form */
    unsigned alpn_size;
};

const char *vch_tls_face_alpn(vch_tls_face face)
{
    switch (face) {
    case VCH_TLS_FACE_VOUCH:
        return "vouch-h2/1";
    case VCH_TLS_FACE_STOCK:
        return "h2";
    case VCH_TLS_FACE_NONE:
        break;
    }
    return NULL;
}

static vch_tls_handshake *handshake_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

/* Keep the first reason only: what follows is OpenSSL unwinding. */
static void note(vch_tls_handshake *hs, vouch_code code, const char *why)
{
    if (hs->why.depth == 0)
        (void)!vouch_fail(&hs->why, code, "%s", why);
}

/* --- what we present --- */

void vch_tls_card_unref(vch_tls_card *card)
{
    if (card == NULL || --card->references > 0)
        return;
    X509_free(card->leaf);
    sk_X509_pop_free(card->chain, X509_free);
    EVP_PKEY_free(card->key);
    vch_buffer_drop(&card->der);
    free(card);
}

VCH_DEFINE_DROP(card_drop, vch_tls_card, vch_tls_card_unref)

static vouch_code read_certificate(vouch_span der, X509 **out, vouch_error *err)
{
    const unsigned char *at = der.data;
    if (der.size == 0 || der.size > (size_t)CERT_LIST_MAX)
        return vouch_fail(err, VOUCH_E_CONFIG, "own certificate: %zu bytes", der.size);
    X509 *x = d2i_X509(NULL, &at, (long)der.size);
    ERR_clear_error();
    if (x == NULL || at != der.data + der.size) {
        X509_free(x);
        return vouch_fail(err, VOUCH_E_CONFIG, "own certificate: not one DER certificate");
    }
    *out = x;
    return VOUCH_OK;
}

static vouch_code read_chain(vch_tls_card *card, const vch_tls_identity *identity, vouch_error *err)
{
    card->chain = sk_X509_new_null();
    if (card->chain == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "own certificate: out of memory");
    for (size_t i = 0; i < identity->chain_count; i++) {
        X509 *x = NULL;
        vouch_code rc = read_certificate(identity->chain[i], &x, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "chain, certificate %zu", i + 1);
        if (sk_X509_push(card->chain, x) <= 0) {
            X509_free(x);
            return vouch_fail(err, VOUCH_E_MEMORY, "own certificate: out of memory");
        }
    }
    return VOUCH_OK;
}

vouch_code vch_tls_card_make(const vch_tls_identity *identity, vch_tls_card **out, vouch_error *err)
{
    if (identity->key == NULL || !vch_key_is_private(identity->key))
        return vouch_fail(err, VOUCH_E_CONFIG, "own certificate: no private key given");
    VCH_SCOPED(card_drop) vch_tls_card *card = calloc(1, sizeof *card);
    if (card == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "own certificate: out of memory");
    card->references = 1;
    vouch_code rc = read_certificate(identity->certificate, &card->leaf, err);
    if (rc == VOUCH_OK)
        rc = read_chain(card, identity, err);
    if (rc != VOUCH_OK)
        return rc;
    EVP_PKEY *key = vch_key_native(identity->key);
    if (EVP_PKEY_up_ref(key) != 1)
        return vouch_fail(err, VOUCH_E_CRYPTO, "own key: cannot be shared");
    card->key = key;
    if (X509_check_private_key(card->leaf, key) != 1) {
        ERR_clear_error();
        return vouch_fail(err, VOUCH_E_CONFIG, "own certificate and key do not belong together");
    }
    card->der = vch_buffer_with_cap((size_t)CERT_LIST_MAX);
    vch_buffer_append(&card->der, identity->certificate);
    rc = vch_buffer_finish(&card->der, "own certificate", err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(card);
    return VOUCH_OK;
}

/* Present the face's identity on this connection. */
static bool present(vch_tls_handshake *hs)
{
    vch_tls_card *card = hs->settings->cards[hs->face];
    vch_tls_card_unref(hs->card);
    hs->card = card;
    if (card == NULL)
        return false;
    card->references++;
    return SSL_use_cert_and_key(hs->ssl, card->leaf, card->key, card->chain, 1) == 1;
}

/* --- the server chooses a face --- */

static bool offers(vouch_span list, const char *wanted)
{
    vch_cursor c = vch_cursor_over(list);
    while (!c.failed && c.rest.size > 0) {
        vouch_span name = vch_cursor_take(&c, vch_cursor_u8(&c));
        if (!c.failed && vch_span_is(name, wanted))
            return true;
    }
    return false;
}

static vch_tls_face choose_face(const vch_tls_settings *s, SSL *ssl)
{
    const unsigned char *data = NULL;
    size_t size = 0;
    const unsigned alpn = TLSEXT_TYPE_application_layer_protocol_negotiation;
    if (SSL_client_hello_get0_ext(ssl, alpn, &data, &size) != 1)
        return VCH_TLS_FACE_NONE;
    vch_cursor c = vch_cursor_over((vouch_span) { data, size });
    vouch_span list = vch_cursor_take(&c, vch_cursor_u16be(&c));
    if (c.failed || c.rest.size > 0)
        return VCH_TLS_FACE_NONE;
    for (vch_tls_face face = VCH_TLS_FACE_VOUCH; face <= VCH_TLS_FACE_STOCK; face++) {
        if (s->cards[face] != NULL && offers(list, vch_tls_face_alpn(face)))
            return face;
    }
    return VCH_TLS_FACE_NONE;
}

/* Before the version is chosen: the face decides which versions there are and what we present. */
static int on_client_hello(SSL *ssl, int *alert, void *unused)
{
    (void)unused;
    vch_tls_handshake *hs = handshake_of(ssl);
    hs->face = choose_face(hs->settings, ssl);
    if (hs->face == VCH_TLS_FACE_NONE) {
        note(hs, VOUCH_E_REFUSED, "the peer offers no ALPN protocol that is served here");
        *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
        return SSL_CLIENT_HELLO_ERROR;
    }
    int lowest = hs->face == VCH_TLS_FACE_VOUCH ? TLS1_3_VERSION : TLS1_2_VERSION;
    if (SSL_set_min_proto_version(ssl, lowest) != 1 || !present(hs)) {
        note(hs, VOUCH_E_CRYPTO, "the own certificate cannot be presented");
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *in, unsigned in_size, void *unused)
{
    (void)unused;
    const char *name = vch_tls_face_alpn(handshake_of(ssl)->face);
    if (name == NULL || !offers((vouch_span) { in, in_size }, name))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = (const unsigned char *)name;
    *out_size = (unsigned char)strlen(name);
    return SSL_TLSEXT_ERR_OK;
}

/* --- the client's side of the same --- */

static void learn_face(vch_tls_handshake *hs)
{
    const unsigned char *name = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(hs->ssl, &name, &size);
    hs->face = VCH_TLS_FACE_NONE;
    for (vch_tls_face face = VCH_TLS_FACE_VOUCH; face <= VCH_TLS_FACE_STOCK; face++) {
        if (hs->settings->cards[face] != NULL
            && vch_span_is((vouch_span) { name, size }, vch_tls_face_alpn(face)))
            hs->face = face;
    }
}

static int on_certificate_request(SSL *ssl, void *unused)
{
    (void)unused;
    vch_tls_handshake *hs = handshake_of(ssl);
    if (vch_tls_handshake_serves(hs))
        return 1; /* done in on_client_hello */
    hs->asked = true;
    return present(hs) ? 1 : 0;
}

/* --- the peer's certificate --- */

static bool keep_certificate(vch_tls_handshake *hs, X509 *x)
{
    unsigned char *der = NULL;
    int size = i2d_X509(x, &der);
    if (size <= 0)
        return false;
    hs->der[hs->der_count] = der;
    hs->der_size[hs->der_count++] = (size_t)size;
    return true;
}

static void forget_certificates(vch_tls_handshake *hs)
{
    while (hs->der_count > 0)
        OPENSSL_free(hs->der[--hs->der_count]);
}

static vouch_code keep_certificates(vch_tls_handshake *hs, X509_STORE_CTX *store, vouch_error *err)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
    int count = sk_X509_num(sent);
    forget_certificates(hs);
    if (count < 1 || count > VCH_TLS_LEAF_AND_CHAIN_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "the peer sent %d certificates", count);
    for (int i = 0; i < count; i++) {
        if (!keep_certificate(hs, sk_X509_value(sent, i)))
            return vouch_fail(err, VOUCH_E_CRYPTO, "the peer's certificate cannot be encoded");
    }
    return VOUCH_OK;
}

static vouch_code judge_certificate(vch_tls_handshake *hs, X509_STORE_CTX *store, vouch_error *err)
{
    vouch_code rc = keep_certificates(hs, store, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!vch_tls_handshake_serves(hs))
        learn_face(hs);
    if (hs->face == VCH_TLS_FACE_NONE)
        return vouch_fail(err, VOUCH_E_REFUSED, "the peer chose no ALPN protocol that we offer");
    if (hs->face == VCH_TLS_FACE_VOUCH && SSL_version(hs->ssl) != TLS1_3_VERSION)
        return vouch_fail(err, VOUCH_E_REFUSED, "TLS 1.3 is required");
    vch_tls_peer peer = vch_tls_handshake_peer(hs);
    const vch_tls_gate *gate = vch_tls_handshake_gate(hs);
    return gate->check_certificate(gate->context, &peer, err);
}

/* In place of OpenSSL's own path check: trust is the gate's business. */
static int on_certificate(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    vch_tls_handshake *hs = handshake_of(ssl);
    vouch_error err = { 0 };
    vouch_code rc = judge_certificate(hs, store, &err);
    if (rc == VOUCH_OK)
        return 1;
    hs->why = err;
    if (err.depth == 0)
        note(hs, rc, "the peer's certificate was refused");
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

/* --- settings --- */

bool vch_tls_limit_protocol(SSL_CTX *ctx, bool server)
{
    const uint64_t options = SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                             | (server ? SSL_OP_CIPHER_SERVER_PREFERENCE : 0);
    (void)SSL_CTX_set_options(ctx, options);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                    | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
    SSL_CTX_set_security_level(ctx, 2);
    static const unsigned char id[] = "vouch";
    char groups[] = "X25519:P-256:P-384"; /* not const: OpenSSL's macro casts */
    return SSL_CTX_set_num_tickets(ctx, 0) == 1
           && SSL_CTX_set_session_id_context(ctx, id, sizeof id) == 1
           && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1
           && SSL_CTX_set_max_proto_version(ctx, 0) == 1
           && SSL_CTX_set1_groups_list(ctx, groups) == 1
           && SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1
           && SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:"
                                            "TLS_CHACHA20_POLY1305_SHA256")
                  == 1;
}

static bool set_callbacks(vch_tls_settings *s)
{
    SSL_CTX_set_verify(s->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(s->ctx, on_certificate, NULL);
    SSL_CTX_set_cert_cb(s->ctx, on_certificate_request, NULL);
    if (s->server) {
        SSL_CTX_set_client_hello_cb(s->ctx, on_client_hello, NULL);
        SSL_CTX_set_alpn_select_cb(s->ctx, on_alpn, NULL);
        return true;
    }
    for (vch_tls_face face = VCH_TLS_FACE_VOUCH; face <= VCH_TLS_FACE_STOCK; face++) {
        if (s->cards[face] == NULL)
            continue;
        const char *name = vch_tls_face_alpn(face);
        s->alpn[s->alpn_size++] = (unsigned char)strlen(name);
        memcpy(s->alpn + s->alpn_size, name, strlen(name));
        s->alpn_size += (unsigned)strlen(name);
    }
    return SSL_CTX_set_alpn_protos(s->ctx, s->alpn, s->alpn_size) == 0;
}

static vouch_code fill(vch_tls_settings *s, const vch_tls_options *o, vouch_error *err)
{
    vouch_code rc = VOUCH_OK;
    if (o->vouch != NULL)
        rc = vch_tls_card_make(o->vouch, &s->cards[VCH_TLS_FACE_VOUCH], err);
    if (rc == VOUCH_OK && o->stock != NULL)
        rc = vch_tls_card_make(o->stock, &s->cards[VCH_TLS_FACE_STOCK], err);
    if (rc != VOUCH_OK)
        return rc;
    s->ctx = SSL_CTX_new(o->server ? TLS_server_method() : TLS_client_method());
    bool fine = s->ctx != NULL && vch_tls_limit_protocol(s->ctx, o->server) && set_callbacks(s);
    if (fine) { /* several records with one call of the system */
        SSL_CTX_set_read_ahead(s->ctx, 1);
        SSL_CTX_set_default_read_buffer_len(s->ctx, READ_AHEAD_SIZE);
    }
    /* a client that can only be on the vouch face says so in its hello */
    if (fine && !o->server && o->stock == NULL)
        fine = SSL_CTX_set_min_proto_version(s->ctx, TLS1_3_VERSION) == 1;
    ERR_clear_error();
    return fine ? VOUCH_OK : vouch_fail(err, VOUCH_E_CRYPTO, "TLS: a setting was not taken");
}

vouch_code vch_tls_settings_new(const vch_tls_options *o, vch_tls_settings **out, vouch_error *err)
{
    const vch_tls_gate *gate = &o->gate;
    if (gate->check_certificate == NULL || gate->make_message == NULL || gate->admit == NULL
        || gate->session_free == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "TLS: the peer gate is not complete");
    if (o->vouch == NULL && o->stock == NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "TLS: no own certificate given");
    VCH_SCOPED(vch_tls_settings_drop) vch_tls_settings *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "TLS: out of memory");
    s->server = o->server;
    s->gate = o->gate;
    vouch_code rc = fill(s, o, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(s);
    return VOUCH_OK;
}

void vch_tls_settings_free(vch_tls_settings *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < FACE_COUNT; i++)
        vch_tls_card_unref(s->cards[i]);
    SSL_CTX_free(s->ctx);
    free(s);
}

vouch_code vch_tls_settings_renew(vch_tls_settings *s, vch_tls_face face,
                                  const vch_tls_identity *identity, vouch_error *err)
{
    if (face == VCH_TLS_FACE_NONE || s->cards[face] == NULL)
        return vouch_fail(err, VOUCH_E_INTERNAL, "TLS: that face is not offered");
    vch_tls_card *card = NULL;
    vouch_code rc = vch_tls_card_make(identity, &card, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_tls_card_unref(s->cards[face]);
    s->cards[face] = card;
    return VOUCH_OK;
}

/* --- one handshake --- */

static bool is_ip_literal(const char *host)
{
    return strchr(host, ':') != NULL || host[strspn(host, "0123456789.")] == '\0';
}

vouch_code vch_tls_handshake_start(vch_tls_handshake *hs, int fd, vouch_error *err)
{
    bool client = !hs->settings->server;
    hs->ssl = SSL_new(hs->settings->ctx);
    bool fine =
        hs->ssl != NULL && SSL_set_app_data(hs->ssl, hs) == 1 && SSL_set_fd(hs->ssl, fd) == 1;
    if (fine && client && !is_ip_literal(hs->host))
        fine = SSL_set_tlsext_host_name(hs->ssl, hs->host) == 1;
    if (!fine)
        return vch_tls_handshake_fail(hs, VOUCH_E_CRYPTO, "starting TLS", err);
    if (client)
        SSL_set_connect_state(hs->ssl);
    else
        SSL_set_accept_state(hs->ssl);
    return VOUCH_OK;
}

vouch_code vch_tls_handshake_check(vch_tls_handshake *hs, vouch_error *err)
{
    if (hs->der_count == 0)
        return vouch_fail(err, VOUCH_E_REFUSED, "the peer showed no certificate");
    if (SSL_session_reused(hs->ssl) != 0)
        return vouch_fail(err, VOUCH_E_REFUSED, "the session was resumed");
    if (!hs->settings->server && !hs->asked)
        return vouch_fail(err, VOUCH_E_REFUSED, "the server asks for no client certificate");
    if (hs->face == VCH_TLS_FACE_VOUCH && SSL_version(hs->ssl) != TLS1_3_VERSION)
        return vouch_fail(err, VOUCH_E_REFUSED, "TLS 1.3 is required");
    return VOUCH_OK;
}

vch_tls_peer vch_tls_handshake_peer(vch_tls_handshake *hs)
{
    vch_tls_peer peer = { .face = hs->face,
                          .we_serve = hs->settings->server,
                          .address = hs->address,
                          .host = hs->host,
                          .ssl = hs->ssl,
                          .reason = &hs->reason };
    /* on a client, card is set only once the server asked; the face tells it all the same */
    const vch_tls_card *card = hs->card != NULL ? hs->card : hs->settings->cards[hs->face];
    if (card != NULL)
        peer.own_certificate = vch_buffer_span(&card->der);
    if (hs->der_count > 0)
        peer.certificate = (vouch_span) { hs->der[0], hs->der_size[0] };
    for (size_t i = 1; i < hs->der_count; i++)
        peer.chain[peer.chain_count++] = (vouch_span) { hs->der[i], hs->der_size[i] };
    return peer;
}

const vch_tls_gate *vch_tls_handshake_gate(const vch_tls_handshake *hs)
{
    return &hs->settings->gate;
}

bool vch_tls_handshake_serves(const vch_tls_handshake *hs)
{
    return hs->settings->server;
}

void vch_tls_handshake_drop(vch_tls_handshake *hs)
{
    SSL_free(hs->ssl);
    hs->ssl = NULL;
    forget_certificates(hs);
    vch_tls_card_unref(hs->card);
    hs->card = NULL;
}

vouch_code vch_tls_handshake_fail(vch_tls_handshake *hs, vouch_code code, const char *doing,
                                  vouch_error *err)
{
    char text[200] = "the connection was closed";
    unsigned long queued = ERR_peek_last_error();
    if (queued != 0)
        ERR_error_string_n(queued, text, sizeof text);
    const char *reason = queued == 0 ? NULL : ERR_reason_error_string(queued);
    ERR_clear_error();
    if (hs->why.depth > 0) {
        if (err != NULL)
            *err = hs->why;
        return vouch_wrap(err, hs->why.code, "%s", doing);
    }
    return vouch_fail(err, code, "%s: %s", doing, reason != NULL ? reason : text);
}

/* --- for gates --- */

vouch_code vch_tls_peer_export(const vch_tls_peer *peer, const char *label, vouch_span context,
                               uint8_t *out, size_t size, vouch_error *err)
{
    if (SSL_export_keying_material(peer->ssl, out, size, label, strlen(label), context.data,
                                   context.size, 1)
        == 1)
        return VOUCH_OK;
    ERR_clear_error();
    return vouch_fail(err, VOUCH_E_CRYPTO, "TLS: keying material cannot be exported");
}

void vch_tls_peer_set_reason(const vch_tls_peer *peer, const char *reason)
{
    if (peer->reason != NULL)
        *peer->reason = reason;
}
