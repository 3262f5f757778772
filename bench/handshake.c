/*
 * The cost of admission: processor time of both sides for one attested handshake, both appraised with
 * collateral warm, beside plain mutual TLS 1.3 with the same key types plus the P-256 verifications that
 * the two quotes need. Client and server are threads of this process, over loopback.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../tests/identity/world.h"
#include "base/bytes.h"
#include "codec/cbor.h"
#include "crypto/cert_builder.h"
#include "crypto/pem.h"
#include "identity/admit_steps.h"
#include "identity/proven.h"
#include "net/grpc_client.h"
#include "net/grpc_server.h"
#include "net/tls_chain.h"

#define HANDSHAKES 200
#define WARM_UP 10

static void must(vouch_code rc, const vouch_error *err, const char *what)
{
    char text[VOUCH_ERROR_DEPTH * VOUCH_ERROR_TEXT];
    if (rc == VOUCH_OK)
        return;
    (void)fprintf(stderr, "bench handshake: %s: %s\n", what,
                  vouch_error_text(err, text, sizeof text));
    exit(EXIT_FAILURE);
}

static double cpu_us(void)
{
    struct rusage u = { 0 };
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6
           + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* One side: how it judges its peer. */
typedef struct side {
    const vch_tls_trust *trust; /* plain: the peers' CA */
    vch_proven **strangers;     /* attested: one empty memory for each handshake; NULL: keep one */
    int handshake;
    vch_admission_rules rules; /* attested */
    bool attested;
    vch_role peer_role;
    const char *peer_name;
} side;

static vch_admission_request request_for(const side *s, const vch_tls_peer *peer)
{
    return (vch_admission_request) { .certificate = peer->certificate,
                                     .role = s->peer_role,
                                     .name = s->peer_name,
                                     .now_unix_s = WORLD_NOW };
}

static vouch_code plain(const side *s, const vch_tls_peer *peer, vouch_error *err)
{
    bool trusted = false;
    char why[VCH_TLS_WHY_SIZE] = "";
    vouch_code rc = vch_tls_verify_chain(s->trust, peer, WORLD_NOW, &trusted, why, err);
    if (rc == VOUCH_OK && !trusted)
        rc = vouch_fail(err, VOUCH_E_REFUSED, "%s", why);
    return rc;
}

static vouch_code check_certificate(void *context, const vch_tls_peer *peer, vouch_error *err)
{
    const side *s = context;
    vch_admission verdict = { 0 };
    if (!s->attested)
        return plain(s, peer, err);
    const vch_admission_request request = request_for(s, peer);
    if (peer->we_serve)
        vch_admission_screen(&s->rules, &request, &verdict);
    else
        vch_admission_examine(&s->rules, &request, &verdict);
    if (!vch_admission_admits(&verdict))
        return vouch_fail(err, VOUCH_E_REFUSED, "%s", verdict.message);
    return VOUCH_OK;
}

static vouch_code make_message(void *context, const vch_tls_peer *peer, vch_buffer *out,
                               vouch_error *err)
{
    (void)context;
    (void)peer;
    vch_cbor_put_uint(out, 1);
    return vch_buffer_finish(out, "message", err);
}

static vouch_code admit(void *context, const vch_tls_peer *peer, vouch_span message, void **session,
                        vouch_error *err)
{
    const side *s = context;
    vch_admission verdict = { 0 };
    (void)message;
    *session = NULL;
    if (!s->attested)
        return VOUCH_OK;
    const vch_admission_request request = request_for(s, peer);
    vch_admission_judge(&s->rules, &request, &verdict);
    if (!vch_admission_admits(&verdict))
        return vouch_fail(err, VOUCH_E_REFUSED, "%s", verdict.message);
    return VOUCH_OK;
}

static void session_free(void *session)
{
    (void)session;
}

static vch_tls_settings *settings(side *s, bool server, vouch_span certificate, const vch_key *key)
{
    const vch_tls_identity own = { .certificate = certificate, .key = key };
    const vch_tls_options o = { .server = server,
                                .gate = { s, check_certificate, make_message, admit, session_free },
                                .vouch = &own };
    vch_tls_settings *out = NULL;
    vouch_error err = { 0 };
    must(vch_tls_settings_new(&o, &out, &err), &err, "TLS settings");
    return out;
}

static void *serve(void *loop)
{
    vouch_error err = { 0 };
    must(vch_loop_run(loop, &err), &err, "serving");
    return NULL;
}

/* Connect and hang up `count` times. While nobody knocks, nobody looks at what is proven. */
static void knock(vch_tls_settings *tls, uint16_t port, int count, side *both[2])
{
    vouch_error err = { 0 };
    const vch_grpc_client_options to = { .tls = tls, .host = "127.0.0.1", .port = port };
    for (int i = 0; i < count; i++) {
        vch_grpc_client *client = NULL;
        for (int j = 0; j < 2; j++) {
            if (both[j]->strangers != NULL)
                both[j]->rules.proven = both[j]->strangers[both[j]->handshake++];
        }
        must(vch_grpc_client_connect(&to, &client, &err), &err, "connecting");
        vch_grpc_client_free(client);
    }
}

static void ping(void *context, vch_grpc_call *call, vouch_span request)
{
    (void)context;
    vch_grpc_call_reply(call, request);
}

/* Microseconds of processor time for one handshake, both sides together. */
static double measure(vch_tls_settings *server_tls, vch_tls_settings *client_tls, side *both[2])
{
    static const vch_grpc_method methods[] = { { .path = "/bench/ping", .unary = ping } };
    vouch_error err = { 0 };
    vch_loop *loop = NULL;
    vch_grpc_server *server = NULL;
    pthread_t thread;
    must(vch_loop_new(&loop, &err), &err, "loop");
    const vch_grpc_server_options o = { .loop = loop,
                                        .tls = server_tls,
                                        .address = "127.0.0.1",
                                        .methods = methods,
                                        .method_count = 1 };
    must(vch_grpc_server_new(&o, &server, &err), &err, "server");
    uint16_t port = vch_grpc_server_port(server);
    (void)pthread_create(&thread, NULL, serve, loop);
    knock(client_tls, port, WARM_UP, both);
    double before = cpu_us();
    knock(client_tls, port, HANDSHAKES, both);
    double each = (cpu_us() - before) / HANDSHAKES;
    vch_loop_stop(loop);
    (void)pthread_join(thread, NULL);
    vch_grpc_server_free(server);
    vch_loop_free(loop);
    return each;
}

/* A leaf over a P-384 key under a P-384 CA: the plain side has as many signatures of each kind. */
static void leaf(const vch_key *ca_key, vouch_span ca, const vch_key *key, const char *name,
                 vch_buffer *out)
{
    static const uint8_t serial[] = { 1 };
    const char *const ip[] = { "127.0.0.1" };
    const vch_name_part subject[] = { { "CN", name } };
    const vch_cert_options o = { .subject = subject,
                                 .subject_count = 1,
                                 .public_key = key,
                                 .signer = ca_key,
                                 .issuer_cert = ca,
                                 .serial = { serial, sizeof serial },
                                 .not_before_unix_s = WORLD_NOW - 3600,
                                 .not_after_unix_s = WORLD_NOW + 3600,
                                 .kind = ca.size == 0 ? VCH_CERT_CA : VCH_CERT_LEAF,
                                 .kind_critical = true,
                                 .pathlen = VCH_PATHLEN_NONE,
                                 .alt = { .ip = ip, .ip_count = 1 } };
    vouch_error err = { 0 };
    *out = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    must(vch_cert_build(&o, out, &err), &err, "certificate");
}

static double measure_plain(void)
{
    vouch_error err = { 0 };
    vch_key *keys[3] = { 0 };
    vch_buffer certs[3];
    vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vch_tls_trust *trust = NULL;
    for (int i = 0; i < 3; i++)
        must(vch_key_generate(VCH_KEY_P384, &keys[i], &err), &err, "key");
    leaf(keys[0], (vouch_span) { NULL, 0 }, keys[0], "CA", &certs[0]);
    leaf(keys[0], vch_buffer_span(&certs[0]), keys[1], "server", &certs[1]);
    leaf(keys[0], vch_buffer_span(&certs[0]), keys[2], "client", &certs[2]);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&certs[0]), &pem);
    must(vch_tls_trust_from_pem(vch_buffer_span(&pem), &trust, &err), &err, "trust");
    side both = { .trust = trust };
    vch_tls_settings *server = settings(&both, true, vch_buffer_span(&certs[1]), keys[1]);
    vch_tls_settings *client = settings(&both, false, vch_buffer_span(&certs[2]), keys[2]);
    double each = measure(server, client, (side *[2]) { &both, &both });
    vch_tls_settings_free(client);
    vch_tls_settings_free(server);
    vch_tls_trust_free(trust);
    vch_buffer_drop(&pem);
    for (int i = 0; i < 3; i++) {
        vch_key_free(keys[i]);
        vch_buffer_drop(&certs[i]);
    }
    return each;
}

static vch_proven **make_memories(void)
{
    vouch_error err = { 0 };
    vch_proven **memories = calloc(HANDSHAKES + WARM_UP, sizeof *memories);
    for (int i = 0; memories != NULL && i < HANDSHAKES + WARM_UP; i++)
        must(vch_proven_new(&memories[i], &err), &err, "what is proven");
    return memories;
}

static void drop_memories(vch_proven **memories)
{
    for (int i = 0; memories != NULL && i < HANDSHAKES + WARM_UP; i++)
        vch_proven_free(memories[i]);
    free(memories);
}

/* known: the peers have met before; otherwise each handshake is the first of certificate and platform. */
static double measure_attested(const world *w, bool known)
{
    world_evidence server_evidence = { 0 };
    world_evidence client_evidence = { 0 };
    side server_side = { .rules = world_rules(w),
                         .attested = true,
                         .peer_role = VCH_ROLE_COLLABORATOR };
    side client_side = { .rules = world_rules(w),
                         .attested = true,
                         .peer_role = VCH_ROLE_AGGREGATOR,
                         .peer_name = WORLD_AGGREGATOR };
    vch_proven **memories[2] = { make_memories(), make_memories() };
    server_side.strangers = known ? NULL : memories[0];
    client_side.strangers = known ? NULL : memories[1];
    server_side.rules.proven = memories[0][0];
    client_side.rules.proven = memories[1][0];
    world_evidence_begin(w, WORLD_AGG, &server_evidence);
    world_evidence_begin(w, WORLD_COL1, &client_evidence);
    world_issue(w, &server_evidence);
    world_issue(w, &client_evidence);
    vch_tls_settings *server = settings(
        &server_side, true, vch_buffer_span(&server_evidence.certificate), server_evidence.key);
    vch_tls_settings *client = settings(
        &client_side, false, vch_buffer_span(&client_evidence.certificate), client_evidence.key);
    double each = measure(server, client, (side *[2]) { &server_side, &client_side });
    vch_tls_settings_free(client);
    vch_tls_settings_free(server);
    world_evidence_drop(&client_evidence);
    world_evidence_drop(&server_evidence);
    drop_memories(memories[0]);
    drop_memories(memories[1]);
    return each;
}

/* One P-256 verification, as quotes need it. */
static double measure_signature(void)
{
    static const uint8_t text[384] = { 1 };
    const vouch_span message = { text, sizeof text };
    vouch_error err = { 0 };
    vch_key *key = NULL;
    vch_buffer signature = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    must(vch_key_generate(VCH_KEY_P256, &key, &err), &err, "key");
    must(vch_key_sign(key, VCH_SIG_ECDSA_SHA256, message, &signature, &err), &err, "signing");
    bool good = true;
    double before = cpu_us();
    for (int i = 0; i < 2000 && good; i++)
        must(vch_key_verify(key, VCH_SIG_ECDSA_SHA256, message, vch_buffer_span(&signature), &good,
                            &err),
             &err, "verifying");
    double each = (cpu_us() - before) / 2000;
    vch_buffer_drop(&signature);
    vch_key_free(key);
    return each;
}

int main(void)
{
    static const world_policy policy = { .token = "off" };
    static world w;
    world_make(&w);
    world_set_policy(&w, &policy);
    double bare = measure_plain();
    double signature = measure_signature();
    double first = measure_attested(&w, false);
    double again = measure_attested(&w, true);
    double limit = bare + 2 * 3 * signature; /* a new platform: three verifications a quote */
    (void)printf(
        "{\"name\":\"handshake_plain_mtls\",\"value\":%.0f,\"unit\":\"us CPU\",\"limit\":null,"
        "\"ratio\":null,\"target\":\"both sides, P-384, for comparison\"}\n",
        bare);
    (void)printf(
        "{\"name\":\"handshake_attested\",\"value\":%.0f,\"unit\":\"us CPU\",\"limit\":%.0f,"
        "\"ratio\":%.3f,\"target\":\"at most 1.25 x (plain mTLS + the quotes' signatures)\"}\n",
        first, limit, first / limit);
    (void)printf(
        "{\"name\":\"handshake_attested_again\",\"value\":%.0f,\"unit\":\"us CPU\",\"limit\":%.0f,"
        "\"ratio\":%.3f,\"target\":\"the same certificates once more\"}\n",
        again, bare, again / bare);
    world_drop(&w);
    return EXIT_SUCCESS;
}
