#include "net/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit.h"
#include "net/tls_chain.h"
#include "net/tls_conn.h"

static kit keys;
static vch_loop *loop;

static int set_up(void **state)
{
    (void)state;
    kit_make(&keys);
    return vch_loop_new(&loop, NULL) == VOUCH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    vch_loop_free(loop);
    kit_drop(&keys);
    return 0;
}

/* One end of a connection and what became of it. */
typedef struct end {
    vch_tls_conn *conn;
    bool open, dead;
    vouch_error why;
    char got[64];
    size_t got_size;
    bool *watch;
} end;

static void on_open(void *context)
{
    end *e = context;
    e->open = true;
    *e->watch = true;
}

static void on_ready(void *context)
{
    end *e = context;
    size_t n = 0;
    vch_tls_io io = vch_tls_conn_read(e->conn, e->got + e->got_size, 63 - e->got_size, &n);
    if (io == VCH_TLS_IO_DONE)
        e->got_size += n;
    if (io != VCH_TLS_IO_WAIT)
        *e->watch = true;
    if (io == VCH_TLS_IO_CLOSED) {
        e->dead = true;
        vch_tls_conn_free(e->conn);
        e->conn = NULL;
    }
}

static void on_failed(void *context, const vouch_error *why)
{
    end *e = context;
    e->dead = true;
    e->why = *why;
    vch_tls_conn_free(e->conn);
    e->conn = NULL;
    *e->watch = true;
}

static bool changed;

static void start(end *e, vch_tls_settings *settings, vch_workers *workers, int fd, bool client)
{
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    e->watch = &changed;
    const vch_tls_conn_options o = {
        .loop = loop,
        .settings = settings,
        .workers = workers,
        .fd = fd,
        .address = "test",
        .host = client ? "localhost" : NULL,
        .handshake_timeout_ms = 5000,
        .message_timeout_ms = 300,
        .owner = { e, on_open, on_ready, on_failed },
    };
    vouch_error err = { 0 };
    CHECK_OK(vch_tls_conn_new(&o, &e->conn, &err), &err);
}

/* Run the loop until both ends are open or one is dead and the other has noticed. */
static void settle(const end *a, const end *b)
{
    vouch_error err = { 0 };
    while (!(a->open || a->dead) || !(b == NULL || b->open || b->dead)) {
        changed = false;
        CHECK_OK(vch_loop_run_until(loop, &changed, 20000, &err), &err);
    }
}

typedef struct pair {
    kit_gate server_gate, client_gate;
    vch_tls_settings *server_settings, *client_settings;
    vch_workers *workers;
    end server, client;
} pair;

static void pair_run(pair *p, bool server_vouch, bool server_stock, bool client_vouch,
                     bool client_stock)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    p->server_settings = kit_settings(&keys, &p->server_gate, true, server_vouch, server_stock);
    p->client_settings = kit_settings(&keys, &p->client_gate, false, client_vouch, client_stock);
    start(&p->server, p->server_settings, p->workers, fds[0], false);
    start(&p->client, p->client_settings, NULL, fds[1], true);
    settle(&p->server, &p->client);
}

static void pair_done(pair *p)
{
    vch_tls_conn_free(p->server.conn);
    vch_tls_conn_free(p->client.conn);
    vch_tls_settings_free(p->server_settings);
    vch_tls_settings_free(p->client_settings);
    vch_workers_free(p->workers);
    CHECK(p->server_gate.sessions == 0 && p->client_gate.sessions == 0);
}

static void both_sides_admit_and_bytes_flow(void **state)
{
    (void)state;
    pair p = { .server_gate.message = "from server", .client_gate.message = "from client" };
    pair_run(&p, true, true, true, false);
    CHECK(p.server.open && p.client.open);
    CHECK(vch_tls_conn_face(p.server.conn) == VCH_TLS_FACE_VOUCH);
    assert_string_equal(p.server_gate.heard, "from client");
    assert_string_equal(p.client_gate.heard, "from server");
    CHECK(p.server_gate.certificate_size == keys.client.size);
    CHECK(p.server_gate.own_size == keys.server.size);
    CHECK(p.client_gate.own_size == keys.client.size);
    CHECK(vch_tls_conn_session(p.server.conn) == &p.server_gate);
    /* the exporter gives both sides the same */
    CHECK(p.server_gate.export_rc == VOUCH_OK && p.client_gate.export_rc == VOUCH_OK);
    CHECK(memcmp(p.server_gate.exported, p.client_gate.exported, 32) == 0);
    size_t n = 0;
    CHECK(vch_tls_conn_write(p.client.conn, "ping", 4, &n) == VCH_TLS_IO_DONE && n == 4);
    changed = false;
    CHECK(vch_loop_run_until(loop, &changed, 5000, NULL) == VOUCH_OK);
    assert_string_equal(p.server.got, "ping");
    pair_done(&p);
}

static void the_gate_may_work_on_another_thread(void **state)
{
    (void)state;
    pair p = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_workers_new(loop, 2, 8, &p.workers, &err), &err);
    pair_run(&p, true, false, true, false);
    CHECK(p.server.open && p.client.open);
    pair_done(&p);
}

static void a_connection_may_end_while_its_gate_works(void **state)
{
    (void)state;
    pair p = { .server_gate.hold_ms = 200 };
    vouch_error err = { 0 };
    bool never = false;
    int fds[2];
    CHECK_OK(vch_workers_new(loop, 1, 8, &p.workers, &err), &err);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    p.server_settings = kit_settings(&keys, &p.server_gate, true, true, false);
    p.client_settings = kit_settings(&keys, &p.client_gate, false, true, false);
    start(&p.server, p.server_settings, p.workers, fds[0], false);
    start(&p.client, p.client_settings, NULL, fds[1], true);
    CHECK(vch_loop_run_until(loop, &never, 100, NULL) == VOUCH_E_TIMEOUT);
    CHECK(!p.server.open && !p.server.dead); /* the gate has it */
    vch_tls_conn_free(p.server.conn);
    p.server.conn = NULL;
    settle(&p.client, NULL);
    CHECK(p.client.dead);
    vch_workers_free(p.workers); /* the verdict came too late: its session is freed all the same */
    p.workers = NULL;
    CHECK(p.server_gate.admitted == 1 && !p.server.open);
    pair_done(&p);
}

static void a_stock_client_gets_the_stock_face_without_messages(void **state)
{
    (void)state;
    pair p = { 0 };
    pair_run(&p, true, true, false, true);
    CHECK(p.server.open && p.client.open);
    CHECK(p.server_gate.face == VCH_TLS_FACE_STOCK && p.client_gate.face == VCH_TLS_FACE_STOCK);
    CHECK(p.server_gate.made == 0 && p.client_gate.made == 0);
    CHECK(p.server_gate.admitted == 1 && p.client_gate.admitted == 1);
    pair_done(&p);
}

static void a_client_with_both_faces_prefers_the_attested_one(void **state)
{
    (void)state;
    pair p = { 0 };
    pair_run(&p, true, true, true, true);
    CHECK(p.client_gate.face == VCH_TLS_FACE_VOUCH);
    pair_done(&p);
}

static void without_a_common_face_nobody_gets_in(void **state)
{
    (void)state;
    pair p = { 0 };
    pair_run(&p, true, false, false, true);
    CHECK(p.server.dead && p.client.dead);
    CHECK(p.server_gate.checked == 0 && p.client_gate.checked == 0);
    pair_done(&p);
}

static void a_refused_certificate_ends_the_handshake(void **state)
{
    (void)state;
    pair p = { .server_gate.refuse_certificate = true };
    pair_run(&p, true, false, true, false);
    CHECK(p.server.dead && p.client.dead);
    assert_string_equal(p.server.why.frame[0], "kit: no to the certificate");
    CHECK(p.server_gate.admitted == 0);
    pair_done(&p);
}

static void a_client_that_refuses_the_server_never_shows_its_certificate(void **state)
{
    (void)state;
    pair p = { .client_gate.refuse_certificate = true };
    pair_run(&p, true, false, true, false);
    CHECK(p.server.dead && p.client.dead);
    assert_string_equal(p.client.why.frame[0], "kit: no to the certificate");
    CHECK(p.server_gate.checked == 0 && p.client_gate.made == 0);
    pair_done(&p);
}

static void a_refused_client_learns_the_class_and_no_message_is_made_for_it(void **state)
{
    (void)state;
    pair p = { .server_gate.refuse = true, .server_gate.reason = "policy" };
    pair_run(&p, true, false, true, false);
    CHECK(p.server.dead && p.client.dead);
    assert_string_equal(p.server.why.frame[0], "kit: no to the peer");
    CHECK(p.client.why.code == VOUCH_E_REFUSED);
    assert_string_equal(p.client.why.frame[0], "the server refuses us: policy");
    CHECK(p.server_gate.made == 0); /* a device quote is expensive */
    CHECK(p.client_gate.admitted == 0);
    pair_done(&p);
}

static void a_client_may_refuse_the_servers_message(void **state)
{
    (void)state;
    pair p = { .client_gate.refuse = true };
    pair_run(&p, true, false, true, false);
    CHECK(p.client.dead && !p.client.open);
    assert_string_equal(p.client.why.frame[0], "kit: no to the peer");
    pair_done(&p);
}

static void a_stock_client_that_is_refused_is_cut_off(void **state)
{
    (void)state;
    pair p = { .server_gate.refuse = true, .server_gate.reason = "identity" };
    pair_run(&p, true, true, false, true);
    CHECK(p.server.dead && !p.server.open);
    pair_done(&p);
}

static void a_gate_that_makes_no_message_opens_nothing(void **state)
{
    (void)state;
    pair p = { .server_gate.no_message = true };
    pair_run(&p, true, false, true, false);
    CHECK(p.server.dead && p.client.dead);
    CHECK(p.server_gate.admitted == 1);
    pair_done(&p);
}

static void settings_need_a_whole_gate_and_a_matching_key(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    vch_tls_settings *s = NULL;
    for (int missing = 0; missing < 4; missing++) {
        vch_tls_options o = { .gate = kit_functions(&g), .vouch = &keys.client_identity };
        if (missing == 0)
            o.gate.check_certificate = NULL;
        if (missing == 1)
            o.gate.make_message = NULL;
        if (missing == 2)
            o.gate.admit = NULL;
        if (missing == 3)
            o.gate.session_free = NULL;
        CHECK(vch_tls_settings_new(&o, &s, NULL) == VOUCH_E_CONFIG);
    }
    vch_tls_options none = { .gate = kit_functions(&g) };
    CHECK(vch_tls_settings_new(&none, &s, NULL) == VOUCH_E_CONFIG);
    vch_tls_identity mixed = { .certificate = keys.client_identity.certificate,
                               .key = keys.server_key };
    vch_tls_options wrong = { .gate = kit_functions(&g), .vouch = &mixed };
    CHECK(vch_tls_settings_new(&wrong, &s, NULL) == VOUCH_E_CONFIG);
    CHECK(s == NULL);
}

static void a_renewed_certificate_is_used_from_then_on(void **state)
{
    (void)state;
    pair p = { 0 };
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    p.server_settings = kit_settings(&keys, &p.server_gate, true, true, false);
    p.client_settings = kit_settings(&keys, &p.client_gate, false, true, false);
    vouch_error err = { 0 };
    CHECK_OK(
        vch_tls_settings_renew(p.server_settings, VCH_TLS_FACE_VOUCH, &keys.client_identity, &err),
        &err);
    CHECK(vch_tls_settings_renew(p.server_settings, VCH_TLS_FACE_STOCK, &keys.client_identity, NULL)
          != VOUCH_OK);
    start(&p.server, p.server_settings, NULL, fds[0], false);
    start(&p.client, p.client_settings, NULL, fds[1], true);
    settle(&p.server, &p.client);
    CHECK(p.client_gate.certificate_size == keys.client.size);
    pair_done(&p);
}

/* --- a raw OpenSSL client, to do what ours would not --- */

typedef struct raw {
    int fd;
    int max_version;
    const char *alpn; /* wire form; NULL: none */
    bool no_certificate;
    vouch_span payload; /* after the handshake */
    int extra_certificates;
    SSL_SESSION *resume; /* borrowed */
    bool renegotiate;
    bool connected;
    int tickets;
    bool reused, renegotiated, keep_session;
    SSL_SESSION *session; /* of this handshake; free it */
} raw;

static int count_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)session;
    ++*(int *)SSL_get_app_data(ssl);
    return 0;
}

static void *raw_client(void *context)
{
    raw *r = context;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(ctx, count_ticket);
    if (r->max_version != 0)
        (void)SSL_CTX_set_max_proto_version(ctx, r->max_version);
    if (!r->no_certificate) {
        const unsigned char *at = keys.client.data;
        X509 *x = d2i_X509(NULL, &at, (long)keys.client.size);
        (void)SSL_CTX_use_certificate(ctx, x);
        (void)SSL_CTX_use_PrivateKey(ctx, vch_key_native(keys.client_key));
        for (int i = 0; i < r->extra_certificates && X509_up_ref(x) == 1; i++)
            (void)SSL_CTX_add_extra_chain_cert(ctx, x);
        X509_free(x);
    }
    if (r->alpn != NULL)
        (void)SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)r->alpn,
                                      (unsigned)strlen(r->alpn));
    SSL *ssl = SSL_new(ctx);
    (void)SSL_set_app_data(ssl, &r->tickets);
    (void)SSL_set_fd(ssl, r->fd);
    if (r->resume != NULL)
        (void)SSL_set_session(ssl, r->resume);
    char byte = 0;
    r->connected = SSL_connect(ssl) == 1;
    r->reused = SSL_session_reused(ssl) == 1;
    r->session = SSL_get1_session(ssl);
    if (r->renegotiate)
        r->renegotiated = SSL_renegotiate(ssl) == 1 && SSL_do_handshake(ssl) == 1;
    if (r->connected && r->payload.size > 0)
        (void)SSL_write(ssl, r->payload.data, (int)r->payload.size);
    while (r->connected && SSL_read(ssl, &byte, 1) == 1) {
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    (void)close(r->fd);
    ERR_clear_error();
    return NULL;
}

/* Run a raw client against a server with both faces; what the server thought of it. */
static end against(raw *r, kit_gate *gate)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    end server = { 0 };
    vch_tls_settings *settings = kit_settings(&keys, gate, true, true, true);
    start(&server, settings, NULL, fds[0], false);
    r->fd = fds[1];
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, raw_client, r) == 0);
    settle(&server, NULL);
    if (r->renegotiate) { /* the server must be there to say no */
        changed = false;
        CHECK(vch_loop_run_until(loop, &changed, 5000, NULL) == VOUCH_OK);
    }
    vch_tls_conn_free(server.conn);
    server.conn = NULL;
    CHECK(pthread_join(thread, NULL) == 0);
    if (!r->keep_session) {
        SSL_SESSION_free(r->session);
        r->session = NULL;
    }
    vch_tls_settings_free(settings);
    return server;
}

static void a_client_without_certificate_is_refused_on_both_faces(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw vouch = { .alpn = "\x0avouch-h2/1", .no_certificate = true };
    CHECK(against(&vouch, &g).dead);
    raw stock = { .alpn = "\x02h2", .no_certificate = true };
    CHECK(against(&stock, &g).dead);
    CHECK(g.checked == 0 && g.admitted == 0);
}

static void a_client_without_alpn_is_refused(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw r = { 0 };
    end server = against(&r, &g);
    CHECK(server.dead && !r.connected);
    CHECK(strstr(server.why.frame[0], "ALPN") != NULL);
    raw http = { .alpn = "\x08http/1.1" };
    CHECK(against(&http, &g).dead);
}

static void tls_1_2_is_refused_on_the_vouch_face_and_allowed_on_the_stock_one(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw vouch = { .alpn = "\x0avouch-h2/1", .max_version = TLS1_2_VERSION };
    CHECK(against(&vouch, &g).dead && !vouch.connected);
    CHECK(g.checked == 0);
    raw stock = { .alpn = "\x02h2", .max_version = TLS1_2_VERSION };
    CHECK(against(&stock, &g).open && stock.connected);
    raw old = { .alpn = "\x02h2", .max_version = TLS1_1_VERSION };
    CHECK(against(&old, &g).dead && !old.connected);
}

static void no_session_tickets_are_given(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw r = { .alpn = "\x02h2" };
    CHECK(against(&r, &g).open);
    CHECK(r.tickets == 0);
    raw older = { .alpn = "\x02h2", .max_version = TLS1_2_VERSION };
    CHECK(against(&older, &g).open);
    CHECK(older.tickets <= 1); /* the session of this handshake, which no server keeps */
}

static void a_session_is_never_resumed(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        kit_gate g = { 0 };
        raw first = { .alpn = "\x02h2", .max_version = version, .keep_session = true };
        CHECK(against(&first, &g).open);
        raw second = { .alpn = "\x02h2", .max_version = version, .resume = first.session };
        CHECK(against(&second, &g).open);
        CHECK(second.connected && !second.reused);
        CHECK(g.checked == 2 && g.admitted == 2); /* the gate saw it anew */
        SSL_SESSION_free(first.session);
    }
}

static void renegotiation_is_refused(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw r = { .alpn = "\x02h2", .max_version = TLS1_2_VERSION, .renegotiate = true };
    CHECK(against(&r, &g).open);
    CHECK(!r.renegotiated && g.checked == 1);
}

static void too_many_or_too_large_certificates_are_refused(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw fits = { .alpn = "\x02h2", .extra_certificates = VCH_TLS_CHAIN_MAX_COUNT };
    CHECK(against(&fits, &g).open && g.checked == 1);
    raw many = { .alpn = "\x02h2", .extra_certificates = VCH_TLS_CHAIN_MAX_COUNT + 1 };
    CHECK(against(&many, &g).dead && g.checked == 1);
    raw large = { .alpn = "\x02h2", .extra_certificates = 200 }; /* over 64 KiB */
    end server = against(&large, &g);
    CHECK(server.dead && g.checked == 1);
    CHECK(strstr(server.why.frame[0], "excessive message size") != NULL);
}

static void a_channel_message_over_its_limit_is_refused_before_it_is_read(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    static const uint8_t large[] = { 0x00, 0x01, 0x00, 0x01 }; /* 64 KiB and one */
    raw r = { .alpn = "\x0avouch-h2/1", .payload = { large, sizeof large } };
    end server = against(&r, &g);
    CHECK(server.dead && server.why.code == VOUCH_E_LIMIT && g.admitted == 0);
    static const uint8_t zero[] = { 0, 0, 0, 0 };
    raw empty = { .alpn = "\x0avouch-h2/1", .payload = { zero, sizeof zero } };
    server = against(&empty, &g);
    CHECK(server.dead && server.why.code == VOUCH_E_LIMIT && g.admitted == 0);
}

static void a_peer_that_sends_no_message_is_cut_off_in_time(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw r = { .alpn = "\x0avouch-h2/1" };
    end server = against(&r, &g);
    CHECK(server.dead && server.why.code == VOUCH_E_TIMEOUT && g.admitted == 0);
}

/* --- a raw OpenSSL server --- */

typedef struct raw_server {
    int fd;
    int max_version;
    bool no_alpn, asks, dies;
} raw_server;

static int choose_vouch(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                        const unsigned char *in, unsigned in_size, void *unused)
{
    (void)ssl;
    (void)in_size;
    (void)unused;
    *out = in + 1; /* the first that the client offers */
    *out_size = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static int accept_any(X509_STORE_CTX *store, void *unused)
{
    (void)store;
    (void)unused;
    return 1;
}

static void *raw_serve(void *context)
{
    raw_server *r = context;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    const unsigned char *at = keys.server.data;
    X509 *x = d2i_X509(NULL, &at, (long)keys.server.size);
    (void)SSL_CTX_use_certificate(ctx, x);
    (void)SSL_CTX_use_PrivateKey(ctx, vch_key_native(keys.server_key));
    X509_free(x);
    (void)SSL_CTX_set_max_proto_version(ctx, r->max_version);
    if (!r->no_alpn)
        SSL_CTX_set_alpn_select_cb(ctx, choose_vouch, NULL);
    if (r->asks) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
    }
    SSL *ssl = SSL_new(ctx);
    (void)SSL_set_fd(ssl, r->fd);
    char byte = 0;
    char hello[4096];
    if (r->dies)
        (void)!read(r->fd, hello, sizeof hello); /* all of it: what is left unread is a reset */
    else if (SSL_accept(ssl) == 1) {
        while (SSL_read(ssl, &byte, 1) == 1) {
        }
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    (void)close(r->fd);
    ERR_clear_error();
    return NULL;
}

/* What our client, offering these faces, thinks of a raw server. */
static end client_against(raw_server *r, kit_gate *gate, bool vouch, bool stock)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    end client = { 0 };
    vch_tls_settings *settings = kit_settings(&keys, gate, false, vouch, stock);
    r->fd = fds[0];
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, raw_serve, r) == 0);
    start(&client, settings, NULL, fds[1], true);
    settle(&client, NULL);
    vch_tls_conn_free(client.conn);
    client.conn = NULL;
    CHECK(pthread_join(thread, NULL) == 0);
    vch_tls_settings_free(settings);
    return client;
}

static void a_server_that_asks_for_no_certificate_is_refused(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw_server asks = { .max_version = TLS1_3_VERSION, .asks = true };
    CHECK(client_against(&asks, &g, false, true).open && g.admitted == 1);
    raw_server silent = { .max_version = TLS1_3_VERSION };
    end client = client_against(&silent, &g, false, true);
    CHECK(client.dead && g.admitted == 1);
    assert_string_equal(client.why.frame[0], "the server asks for no client certificate");
}

static void a_server_that_dies_in_the_handshake_has_refused_nobody(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw_server r = { .max_version = TLS1_3_VERSION, .dies = true };
    end client = client_against(&r, &g, true, true);
    CHECK(client.dead && client.why.code == VOUCH_E_NETWORK);
}

static void a_server_that_chooses_no_face_is_refused(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw_server r = { .max_version = TLS1_3_VERSION, .asks = true, .no_alpn = true };
    end client = client_against(&r, &g, false, true);
    CHECK(client.dead && g.checked == 0 && g.admitted == 0);
    CHECK(strstr(client.why.frame[0], "ALPN") != NULL);
}

static void a_server_that_is_older_than_tls_1_3_gets_no_vouch_face(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw_server r = { .max_version = TLS1_2_VERSION, .asks = true };
    end client = client_against(&r, &g, true, true); /* it may speak 1.2 for the stock face */
    CHECK(client.dead && g.checked == 0);
    assert_string_equal(client.why.frame[0], "TLS 1.3 is required");
}

static void a_server_that_never_sends_its_message_is_cut_off(void **state)
{
    (void)state;
    kit_gate g = { 0 };
    raw_server r = { .max_version = TLS1_3_VERSION, .asks = true };
    end client = client_against(&r, &g, true, false);
    CHECK(client.dead && client.why.code == VOUCH_E_TIMEOUT && g.made == 1 && g.admitted == 0);
}

/* --- chains --- */

static vch_tls_peer peer_of(const vch_buffer *certificate, const char *host)
{
    return (vch_tls_peer) { .certificate = vch_buffer_span(certificate),
                            .we_serve = host == NULL,
                            .host = host };
}

static void a_leaf_under_a_trusted_ca_is_believed_within_its_dates_and_names(void **state)
{
    (void)state;
    vch_tls_trust *trust = NULL;
    vouch_error err = { 0 };
    char why[VCH_TLS_WHY_SIZE];
    CHECK_OK(vch_tls_trust_from_pem(vch_buffer_span(&keys.ca_pem), &trust, &err), &err);
    static const struct {
        const char *host;
        int64_t now;
        bool want;
    } table[] = {
        { NULL, KIT_NOW + 1, true },
        { "localhost", KIT_NOW + 1, true },
        { "127.0.0.1", KIT_NOW + 1, true },
        { "server", KIT_NOW + 1, false }, /* the CN does not count beside SANs */
        { "127.0.0.2", KIT_NOW + 1, false },
        { NULL, KIT_NOW - 1, false },
        { NULL, KIT_NOW + 21 * KIT_YEAR, false },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        vch_tls_peer peer = peer_of(&keys.server, table[i].host);
        bool trusted = !table[i].want;
        CHECK_OK(vch_tls_verify_chain(trust, &peer, table[i].now, &trusted, why, &err), &err);
        CHECK(trusted == table[i].want);
        CHECK(trusted == (*why == '\0'));
    }
    vch_tls_trust_free(trust);
}

static void a_leaf_under_another_ca_is_not_believed(void **state)
{
    (void)state;
    kit other = { 0 };
    kit_make(&other);
    vch_tls_trust *trust = NULL;
    vouch_error err = { 0 };
    char why[VCH_TLS_WHY_SIZE];
    CHECK_OK(vch_tls_trust_from_pem(vch_buffer_span(&other.ca_pem), &trust, &err), &err);
    vch_tls_peer peer = peer_of(&keys.client, NULL);
    bool trusted = true;
    CHECK_OK(vch_tls_verify_chain(trust, &peer, KIT_NOW + 1, &trusted, why, &err), &err);
    CHECK(!trusted);
    peer.certificate.size--;
    trusted = true;
    CHECK_OK(vch_tls_verify_chain(trust, &peer, KIT_NOW + 1, &trusted, why, &err), &err);
    CHECK(!trusted);
    vch_tls_trust_free(trust);
    trust = NULL;
    CHECK(vch_tls_trust_from_pem(vch_span_str("none"), &trust, NULL) != VOUCH_OK && trust == NULL);
    kit_drop(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_sides_admit_and_bytes_flow),
        TEST(the_gate_may_work_on_another_thread),
        TEST(a_connection_may_end_while_its_gate_works),
        TEST(a_stock_client_gets_the_stock_face_without_messages),
        TEST(a_client_with_both_faces_prefers_the_attested_one),
        TEST(without_a_common_face_nobody_gets_in),
        TEST(a_refused_certificate_ends_the_handshake),
        TEST(a_client_that_refuses_the_server_never_shows_its_certificate),
        TEST(a_refused_client_learns_the_class_and_no_message_is_made_for_it),
        TEST(a_client_may_refuse_the_servers_message),
        TEST(a_stock_client_that_is_refused_is_cut_off),
        TEST(a_gate_that_makes_no_message_opens_nothing),
        TEST(settings_need_a_whole_gate_and_a_matching_key),
        TEST(a_renewed_certificate_is_used_from_then_on),
        TEST(a_client_without_certificate_is_refused_on_both_faces),
        TEST(a_client_without_alpn_is_refused),
        TEST(tls_1_2_is_refused_on_the_vouch_face_and_allowed_on_the_stock_one),
        TEST(no_session_tickets_are_given),
        TEST(a_session_is_never_resumed),
        TEST(renegotiation_is_refused),
        TEST(too_many_or_too_large_certificates_are_refused),
        TEST(a_server_that_asks_for_no_certificate_is_refused),
        TEST(a_server_that_dies_in_the_handshake_has_refused_nobody),
        TEST(a_server_that_chooses_no_face_is_refused),
        TEST(a_server_that_is_older_than_tls_1_3_gets_no_vouch_face),
        TEST(a_server_that_never_sends_its_message_is_cut_off),
        TEST(a_channel_message_over_its_limit_is_refused_before_it_is_read),
        TEST(a_peer_that_sends_no_message_is_cut_off_in_time),
        TEST(a_leaf_under_a_trusted_ca_is_believed_within_its_dates_and_names),
        TEST(a_leaf_under_another_ca_is_not_believed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
