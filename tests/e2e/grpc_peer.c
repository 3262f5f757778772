/*
 * The product's gRPC server and client as programs, for tests/e2e/grpcio.py, which puts Google's
 * gRPC on the other side.
 *
 *   grpc_peer make DIR         certificates: ca.pem, server.pem, server.key, client.pem, client.key
 *   grpc_peer serve DIR        prints "port N"; serves until its standard input ends
 *   grpc_peer call DIR PORT    calls a server and prints one line for each answer
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "crypto/cert_builder.h"
#include "crypto/pem.h"
#include "host/clock.h"
#include "host/file.h"
#include "net/grpc_client.h"
#include "net/grpc_server.h"
#include "net/tls_chain.h"

#define CHUNK ((size_t)2 << 20)
#define CHUNKS 25 /* 50 MB in all */

static const char *dir;

static void must(vouch_code rc, const vouch_error *err, const char *doing)
{
    char text[1024];
    if (rc == VOUCH_OK)
        return;
    (void)fprintf(stderr, "grpc_peer: %s: %s\n", doing, vouch_error_text(err, text, sizeof text));
    exit(3);
}

static const char *path_of(const char *name)
{
    static char path[VCH_PATH_SIZE];
    vouch_error err = { 0 };
    must(vch_path_join(dir, name, path, &err), &err, name);
    return path;
}

static vch_buffer read_file(const char *name)
{
    vouch_error err = { 0 };
    vch_buffer out = { 0 };
    must(vch_file_read(path_of(name), VCH_PEM_MAX_SIZE, &out, &err), &err, name);
    return out;
}

/* --- make --- */

static void write_certificate(const char *name, vouch_span der)
{
    vouch_error err = { 0 };
    vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
    vch_pem_encode(VCH_PEM_CERTIFICATE, der, &pem);
    must(vch_file_write(path_of(name), vch_buffer_span(&pem), 0644, &err), &err, name);
    vch_buffer_drop(&pem);
}

static void write_key(const char *name, const vch_key *key)
{
    vouch_error err = { 0 };
    vch_secret pem = { 0 };
    must(vch_key_private_pem(key, VCH_KEY_FORM_PKCS8, &pem, &err), &err, name);
    must(vch_file_write(path_of(name), (vouch_span) { pem.data, pem.size }, 0600, &err), &err,
         name);
    vch_secret_drop(&pem);
}

static vch_buffer certify(const char *name, const vch_key *key, const vch_key *signer,
                          vouch_span ca)
{
    static const uint8_t serial[] = { 0x21 };
    static const char *const dns[] = { "localhost" };
    const vch_name_part subject[] = { { "CN", name } };
    const vch_cert_options o = {
        .subject = subject,
        .subject_count = 1,
        .public_key = key,
        .signer = signer,
        .issuer_cert = ca,
        .serial = { serial, sizeof serial },
        .not_before_unix_s = vch_clock_unix_s() - 3600,
        .not_after_unix_s = vch_clock_unix_s() + 86400,
        .kind = ca.size == 0 ? VCH_CERT_CA : VCH_CERT_LEAF,
        .pathlen = VCH_PATHLEN_NONE,
        .alt = { .dns = dns, .dns_count = ca.size == 0 ? 0 : 1 },
    };
    vouch_error err = { 0 };
    vch_buffer der = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    must(vch_cert_build(&o, &der, &err), &err, name);
    return der;
}

static vch_key *make_key(void)
{
    vouch_error err = { 0 };
    vch_key *key = NULL;
    must(vch_key_generate(VCH_KEY_P384, &key, &err), &err, "making a key");
    return key;
}

static int make(void)
{
    static const char *const names[][3] = { { "localhost", "server.pem", "server.key" },
                                            { "client", "client.pem", "client.key" } };
    vch_key *ca_key = make_key();
    vch_buffer ca = certify("Test CA", ca_key, ca_key, (vouch_span) { 0 });
    write_certificate("ca.pem", vch_buffer_span(&ca));
    for (size_t i = 0; i < 2; i++) {
        vch_key *key = make_key();
        vch_buffer der = certify(names[i][0], key, ca_key, vch_buffer_span(&ca));
        write_certificate(names[i][1], vch_buffer_span(&der));
        write_key(names[i][2], key);
        vch_buffer_drop(&der);
        vch_key_free(key);
    }
    vch_buffer_drop(&ca);
    vch_key_free(ca_key);
    return 0;
}

/* --- TLS: whoever has a certificate of the CA --- */

static vouch_code check_certificate(void *context, const vch_tls_peer *peer, vouch_error *err)
{
    const vch_tls_trust *trust = context;
    bool trusted = false;
    char why[VCH_TLS_WHY_SIZE];
    vouch_code rc = vch_tls_verify_chain(trust, peer, vch_clock_unix_s(), &trusted, why, err);
    if (rc == VOUCH_OK && !trusted)
        rc = vouch_fail(err, VOUCH_E_REFUSED, "certificate: %s", why);
    return rc;
}

static vouch_code make_message(void *context, const vch_tls_peer *peer, vch_buffer *out,
                               vouch_error *err)
{
    (void)context;
    (void)peer;
    (void)out;
    return vouch_fail(err, VOUCH_E_INTERNAL, "not on this face");
}

static vouch_code admit(void *context, const vch_tls_peer *peer, vouch_span message, void **session,
                        vouch_error *err)
{
    (void)context;
    (void)peer;
    (void)message;
    (void)session;
    (void)err;
    return VOUCH_OK;
}

static void session_free(void *session)
{
    (void)session;
}

static vch_tls_settings *settings(bool server, vch_tls_trust **trust)
{
    vouch_error err = { 0 };
    vch_key *key = NULL;
    vch_buffer ca = read_file("ca.pem");
    vch_buffer pem = read_file(server ? "server.pem" : "client.pem");
    vch_buffer key_pem = read_file(server ? "server.key" : "client.key");
    vch_buffer der = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    must(vch_tls_trust_from_pem(vch_buffer_span(&ca), trust, &err), &err, "ca.pem");
    must(
        vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, &der, &err),
        &err, "own certificate");
    must(vch_key_from_private_pem(vch_buffer_span(&key_pem), &key, &err), &err, "own key");
    const vch_tls_identity own = { .certificate = vch_buffer_span(&der), .key = key };
    const vch_tls_options o = {
        .server = server,
        .gate = { *trust, check_certificate, make_message, admit, session_free },
        .stock = &own,
    };
    vch_tls_settings *out = NULL;
    must(vch_tls_settings_new(&o, &out, &err), &err, "TLS");
    vch_key_free(key);
    vch_buffer_drop(&ca);
    vch_buffer_drop(&pem);
    vch_buffer_drop(&key_pem);
    vch_buffer_drop(&der);
    return out;
}

/* --- serve --- */

static void echo(void *context, vch_grpc_call *call, vouch_span request)
{
    (void)context;
    vch_grpc_call_reply(call, request);
}

static void refuse(void *context, vch_grpc_call *call, vouch_span request)
{
    (void)context;
    (void)request;
    vch_grpc_call_fail(call, VCH_GRPC_UNAUTHENTICATED, "100%% no: caf\xc3\xa9");
}

static void count_begin(void *context, vch_grpc_call *call)
{
    (void)context;
    uint64_t *sum = calloc(1, sizeof *sum);
    vch_grpc_call_set_state(call, sum);
    if (sum == NULL)
        vch_grpc_call_fail(call, VCH_GRPC_RESOURCE_EXHAUSTED, "out of memory");
}

static void count_bytes(void *context, vch_grpc_call *call, vouch_span bytes)
{
    (void)context;
    uint64_t *sum = vch_grpc_call_state(call);
    *sum += bytes.size;
}

static void count_half_close(void *context, vch_grpc_call *call)
{
    (void)context;
    char text[32];
    const uint64_t *sum = vch_grpc_call_state(call);
    if (*sum == 0) {
        vch_grpc_call_fail(call, VCH_GRPC_UNKNOWN, "empty stream");
        return;
    }
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)*sum);
    vch_grpc_call_reply(call, vch_span_str(text));
}

static void count_ended(void *context, vch_grpc_call *call)
{
    (void)context;
    free(vch_grpc_call_state(call));
}

/* Answers an upload with an error at its first byte, while the client still sends. */
static void early_bytes(void *context, vch_grpc_call *call, vouch_span bytes)
{
    (void)context;
    (void)bytes;
    vch_grpc_call_fail(call, VCH_GRPC_FAILED_PRECONDITION, "enough");
}

static void never(void *context, vch_grpc_call *call)
{
    (void)context;
    (void)call; /* a long poll: the client's deadline ends it */
}

static int waits_ended;

static void never_ended(void *context, vch_grpc_call *call)
{
    (void)context;
    (void)call;
    waits_ended++;
}

static void waits(void *context, vch_grpc_call *call, vouch_span request)
{
    (void)context;
    (void)request;
    char text[16];
    (void)snprintf(text, sizeof text, "%d", waits_ended);
    vch_grpc_call_reply(call, vch_span_str(text));
}

static const vch_grpc_method methods[] = {
    { .path = "/t.S/Echo", .unary = echo, .message_max_size = (uint64_t)64 << 20 },
    { .path = "/t.S/Refuse", .unary = refuse },
    { .path = "/t.S/Waits", .unary = waits },
    { .path = "/t.S/Never", .half_close = never, .ended = never_ended },
    { .path = "/t.S/Early", .bytes = early_bytes, .half_close = never },
    { .path = "/t.S/Count",
      .begin = count_begin,
      .bytes = count_bytes,
      .half_close = count_half_close,
      .ended = count_ended },
};

static void wait_for_end(void *unused)
{
    (void)unused;
    char some[64];
    while (read(STDIN_FILENO, some, sizeof some) > 0) {
    }
}

static void set_ended(void *ended, bool worked)
{
    (void)worked;
    *(bool *)ended = true;
}

static int serve(void)
{
    vouch_error err = { 0 };
    vch_loop *loop = NULL;
    vch_workers *workers = NULL;
    vch_tls_trust *trust = NULL;
    vch_grpc_server *server = NULL;
    bool ended = false;
    must(vch_loop_new(&loop, &err), &err, "loop");
    must(vch_workers_new(loop, 1, 1, &workers, &err), &err, "workers");
    vch_tls_settings *tls = settings(true, &trust);
    const vch_grpc_server_options o = { .loop = loop,
                                        .tls = tls,
                                        .address = "127.0.0.1",
                                        .methods = methods,
                                        .method_count = sizeof methods / sizeof *methods };
    must(vch_grpc_server_new(&o, &server, &err), &err, "server");
    must(vch_workers_submit(workers, (vch_job) { &ended, wait_for_end, set_ended }, &err), &err,
         "job");
    (void)printf("port %u\n", vch_grpc_server_port(server));
    (void)fflush(stdout);
    must(vch_loop_run_until(loop, &ended, -1, &err), &err, "running");
    vch_grpc_server_free(server);
    vch_workers_free(workers);
    vch_tls_settings_free(tls);
    vch_tls_trust_free(trust);
    vch_loop_free(loop);
    return 0;
}

/* --- call --- */

static void call_and_print(vch_grpc_client *client, const vch_grpc_request *request)
{
    vouch_error err = { 0 };
    vch_grpc_answer a = { 0 };
    vouch_code rc = vch_grpc_client_call(client, request, &a, &err);
    if (rc != VOUCH_OK)
        (void)printf("%s failed %s\n", request->path, vouch_code_name(rc));
    else
        (void)printf("%s %s '%s' %zu bytes: %.*s\n", request->path,
                     vch_grpc_code_name(a.status.code), a.status.text, a.message.size,
                     a.message.size < 100 ? (int)a.message.size : 0, (const char *)a.message.data);
    vch_grpc_answer_drop(&a);
}

typedef struct feed {
    int given;
    uint8_t *bytes;
} feed;

static vouch_code feed_next(void *context, bool *out_more, vouch_span *out, vouch_error *err)
{
    (void)err;
    feed *f = context;
    *out_more = f->given++ < CHUNKS;
    *out = (vouch_span) { f->bytes, CHUNK };
    return VOUCH_OK;
}

static int call(const char *port)
{
    vouch_error err = { 0 };
    vch_tls_trust *trust = NULL;
    vch_grpc_client *client = NULL;
    vch_tls_settings *tls = settings(false, &trust);
    const vch_grpc_client_options o = { .tls = tls,
                                        .host = "localhost",
                                        .port = (uint16_t)strtoul(port, NULL, 10) };
    must(vch_grpc_client_connect(&o, &client, &err), &err, "connecting");
    uint8_t *bytes = calloc(1, CHUNK);
    if (bytes == NULL)
        return 3;
    feed f = { 0, bytes };
    const vch_grpc_source source = { &f, feed_next };
    const vch_grpc_request requests[] = {
        { .path = "/t.S/Echo", .message = vch_span_str("hello") },
        { .path = "/t.S/Echo", .message = { 0 } },
        { .path = "/t.S/Echo", .message = { bytes, CHUNK } },
        { .path = "/t.S/Refuse", .message = vch_span_str("x") },
        { .path = "/t.S/Unknown", .message = vch_span_str("x") },
        { .path = "/t.S/Count", .source = &source },
        { .path = "/t.S/Slow", .message = vch_span_str("x"), .timeout_ms = 200 },
        { .path = "/t.S/Echo", .message = vch_span_str("still here") },
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        call_and_print(client, &requests[i]);
    free(bytes);
    vch_grpc_client_free(client);
    vch_tls_settings_free(tls);
    vch_tls_trust_free(trust);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: grpc_peer make|serve DIR | call DIR PORT\n");
        return 2;
    }
    dir = argv[2];
    if (strcmp(argv[1], "make") == 0)
        return make();
    if (strcmp(argv[1], "serve") == 0)
        return serve();
    return argc == 4 ? call(argv[3]) : 2;
}
