/*
 * Attacks on the channel around the evidence, by a raw OpenSSL client that does what ours never
 * would, against the real gate of a genuine aggregator. See attacks_test.c and docs/attacks.md.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "crypto/pem.h"
#include "host/clock.h"
#include "identity/channel.h"
#include "wire.h"

#define DRIP_MS 20
#define CUT_MS 400 /* where a test waits to be cut off */

static wire_world x;

static int set_up(void **state)
{
    (void)state;
    wire_set_up(&x);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wire_tear_down(&x);
    return 0;
}

/* --- the raw client, on a thread of its own --- */

typedef struct raw {
    int fd;
    X509 *certificate; /* borrowed, with its key */
    EVP_PKEY *key;
    const char *alpn; /* in wire form */
    int max_version;
    SSL_SESSION *resume; /* borrowed */
    bool dripping;       /* the channel message comes byte by byte */
    bool silent;         /* it never comes */
    vouch_span message;  /* with its length */
    bool connected, reused;
    SSL_SESSION *session; /* given */
} raw;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    raw *r = SSL_get_app_data(ssl);
    SSL_SESSION_free(r->session);
    r->session = session;
    return 1; /* ours now */
}

static void drip(SSL *ssl, vouch_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        (void)poll(NULL, 0, DRIP_MS);
        if (SSL_write(ssl, bytes.data + i, 1) != 1)
            return;
    }
}

static void speak(raw *r, SSL *ssl)
{
    char byte[64];
    if (r->dripping)
        drip(ssl, r->message);
    else if (!r->silent && r->message.size > 0)
        (void)SSL_write(ssl, r->message.data, (int)r->message.size);
    while (SSL_read(ssl, byte, sizeof byte) > 0) { /* the server's message, and any ticket */
    }
}

static void *run_raw(void *context)
{
    raw *r = context;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    (void)SSL_CTX_set_max_proto_version(ctx, r->max_version);
    (void)SSL_CTX_use_certificate(ctx, r->certificate);
    (void)SSL_CTX_use_PrivateKey(ctx, r->key);
    (void)SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)r->alpn, (unsigned)strlen(r->alpn));
    SSL *ssl = SSL_new(ctx);
    (void)SSL_set_app_data(ssl, r);
    (void)SSL_set_fd(ssl, r->fd);
    if (r->resume != NULL)
        (void)SSL_set_session(ssl, r->resume);
    r->connected = SSL_connect(ssl) == 1;
    r->reused = SSL_session_reused(ssl) == 1;
    if (r->connected)
        speak(r, ssl);
    SSL_set_shutdown(ssl,
                     SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else it spoils the session */
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    (void)close(r->fd);
    ERR_clear_error();
    return NULL;
}

/* What the aggregator made of the client; its verdict is in x.agg.last. */
static wire_end against(raw *r)
{
    int fds[2];
    wire_end server;
    pthread_t thread;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    x.agg.told = 0;
    r->fd = fds[1];
    CHECK(pthread_create(&thread, NULL, run_raw, r) == 0);
    wire_begin(&x, &server, x.agg_tls, fds[0], NULL);
    wire_settle(&x, &server);
    wire_finish(&server);
    CHECK(pthread_join(thread, NULL) == 0);
    return server;
}

static X509 *certificate_of(const vch_buffer *der)
{
    const unsigned char *at = der->data;
    X509 *out = d2i_X509(NULL, &at, (long)der->size);
    CHECK(out != NULL);
    return out;
}

static void put_message(vch_buffer *out)
{
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer body = vch_buffer_with_cap(VCH_CHANNEL_MESSAGE_MAX_SIZE);
    CHECK(vch_channel_message_build(&(vch_channel_message) { 0 }, &body, NULL) == VOUCH_OK);
    vch_buffer_u32be(out, (uint32_t)body.size);
    vch_buffer_append(out, vch_buffer_span(&body));
}

/* An attested client with its genuine certificate, or the stock one with its PKI certificate. */
typedef struct visitor {
    world_evidence e;
    vch_buffer pki, message;
    X509 *certificate;
} visitor;

static void arrive(visitor *v, raw *r, bool stock)
{
    *v = (visitor) { .pki = vch_buffer_with_cap(8192), .message = vch_buffer_with_cap(1024) };
    world_evidence_begin(&x.w, WORLD_COL1, &v->e);
    world_issue(&x.w, &v->e);
    if (stock) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
        CHECK(vch_file_read(x.col2.cert, 65536, &pem, NULL) == VOUCH_OK);
        CHECK(vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT,
                                 &v->pki, NULL)
              == VOUCH_OK);
    } else {
        put_message(&v->message);
    }
    v->certificate = certificate_of(stock ? &v->pki : &v->e.certificate);
    *r = (raw) { .certificate = v->certificate,
                 .key = vch_key_native(stock ? x.w.site[WORLD_COL2] : v->e.key),
                 .alpn = stock ? "\x02h2" : "\x0avouch-h2/1",
                 .message = vch_buffer_span(&v->message) };
}

static void go(visitor *v)
{
    X509_free(v->certificate);
    vch_buffer_drop(&v->pki);
    vch_buffer_drop(&v->message);
    world_evidence_drop(&v->e);
}

/* A resumed session would bring no certificate to judge. */
static void a_session_is_never_resumed_around_the_gate(void **state)
{
    (void)state;
    static const struct {
        bool stock;
        int version;
    } cases[] = { { false, TLS1_3_VERSION }, { true, TLS1_3_VERSION }, { true, TLS1_2_VERSION } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        visitor v;
        raw first;
        arrive(&v, &first, cases[i].stock);
        first.max_version = cases[i].version;
        raw second = first;
        wire_end server = against(&first);
        CHECK(server.open && x.agg.told == 1 && x.agg.last.code == VCH_ADMITTED);
        second.resume = first.session;
        server = against(&second);
        CHECK(!second.reused);
        CHECK(server.open && x.agg.told == 1 && x.agg.last.code == VCH_ADMITTED);
        SSL_SESSION_free(first.session);
        SSL_SESSION_free(second.session);
        go(&v);
    }
}

/* --- sizes --- */

static X509 *certificate_with_evidence_of(size_t size, EVP_PKEY *key)
{
    X509 *c = X509_new();
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OBJECT *dice = OBJ_txt2obj("2.23.133.5.4.9", 1);
    uint8_t *bytes = calloc(1, size);
    CHECK(c != NULL && value != NULL && dice != NULL && bytes != NULL);
    CHECK(ASN1_OCTET_STRING_set(value, bytes, (int)size) == 1);
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, dice, 0, value);
    CHECK(X509_set_version(c, 2) == 1 && X509_set_pubkey(c, key) == 1);
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(c), 7) == 1);
    CHECK(ASN1_TIME_set(X509_getm_notBefore(c), WORLD_NOW - 600) != NULL);
    CHECK(ASN1_TIME_set(X509_getm_notAfter(c), WORLD_NOW + 600) != NULL);
    CHECK(X509_add_ext(c, e, -1) == 1 && X509_sign(c, key, EVP_sha384()) > 0);
    X509_EXTENSION_free(e);
    ASN1_OBJECT_free(dice);
    ASN1_OCTET_STRING_free(value);
    free(bytes);
    return c;
}

static void evidence_of_one_megabyte_is_refused_before_it_is_read(void **state)
{
    (void)state;
    static const size_t sizes[] = { (size_t)1 << 20, (size_t)33 << 10 };
    for (size_t i = 0; i < 2; i++) {
        visitor v;
        raw r;
        arrive(&v, &r, false);
        X509_free(v.certificate);
        r.certificate = v.certificate = certificate_with_evidence_of(sizes[i], r.key);
        wire_end server = against(&r);
        CHECK(server.dead && !server.open);
        if (i == 0) /* TLS takes no list of certificates beyond 64 KiB: nobody was asked */
            CHECK(x.agg.told == 0 && strstr(server.why.frame[0], "excessive") != NULL);
        else
            CHECK(x.agg.told == 1 && x.agg.last.code == VCH_REFUSED_SIZE);
        go(&v);
    }
}

/* --- time --- */

typedef struct loris {
    int fd;
    size_t sent;
} loris;

/* A ClientHello of 512 bytes, one byte after the other. */
static void *run_loris(void *context)
{
    static const uint8_t head[] = { 0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc };
    loris *l = context;
    uint8_t byte = 0;
    do {
        (void)poll(NULL, 0, DRIP_MS);
        byte = l->sent < sizeof head ? head[l->sent] : 0;
    } while (send(l->fd, &byte, 1, MSG_NOSIGNAL) == 1 && ++l->sent < 512);
    (void)close(l->fd);
    return NULL;
}

static void a_slow_loris_handshake_is_cut_off_in_time(void **state)
{
    (void)state;
    int fds[2];
    wire_end server;
    pthread_t thread;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    loris l = { .fd = fds[1] };
    int64_t began_ms = vch_clock_monotonic_ms();
    int64_t usual_ms = x.handshake_ms;
    x.handshake_ms = CUT_MS;
    wire_begin(&x, &server, x.agg_tls, fds[0], NULL);
    x.handshake_ms = usual_ms;
    CHECK(pthread_create(&thread, NULL, run_loris, &l) == 0);
    wire_settle(&x, &server);
    int64_t took_ms = vch_clock_monotonic_ms() - began_ms;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(server.dead && server.why.code == VOUCH_E_TIMEOUT);
    CHECK(took_ms >= CUT_MS / 2 && took_ms < 20 * CUT_MS);
    CHECK(l.sent > 0 && l.sent < 512); /* it was not yet through */
}

static void a_peer_that_never_sends_its_channel_message_is_cut_off(void **state)
{
    (void)state;
    int64_t usual_ms = x.message_ms;
    x.message_ms = CUT_MS;
    for (int i = 0; i < 2; i++) {
        visitor v;
        raw r;
        arrive(&v, &r, false);
        v.message.data[2] = 0x40; /* 16 KiB are announced */
        r.silent = i == 0;
        r.dripping = i == 1;
        wire_end server = against(&r);
        CHECK(r.connected && server.dead && !server.open);
        CHECK(server.why.code == VOUCH_E_TIMEOUT && x.agg.told == 0);
        SSL_SESSION_free(r.session);
        go(&v);
    }
    x.message_ms = usual_ms;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_never_resumed_around_the_gate),
        TEST(evidence_of_one_megabyte_is_refused_before_it_is_read),
        TEST(a_slow_loris_handshake_is_cut_off_in_time),
        TEST(a_peer_that_never_sends_its_channel_message_is_cut_off),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
