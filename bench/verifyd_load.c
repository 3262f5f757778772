/*
 * Attestations against a vouch-verifyd, each with its own nonce and a quote made for it, over keep-alive
 * TLS; and the cost of their signatures alone, on as many threads as there are processors.
 *
 * usage: verifyd_load signatures TOKEN-KEY SECONDS
 *        verifyd_load closed|open ADDRESS PORT API-KEY-FILE PLATFORM CONNECTIONS SECONDS [PER-SECOND]
 *        verifyd_load idle ADDRESS PORT CONNECTIONS       holds them until standard input ends
 *
 * closed: each connection asks as soon as it was answered. open: arrivals are a Poisson process at the given rate,
 * latencies count from the planned moment. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "crypto/rand.h"
#include "crypto/secure_heap.h"
#include "host/file.h"
#include "sim/quote_make.h"

#define CONNECTIONS_MAX 4096
#define SAMPLES_MAX 200000
#define ANSWER_MAX (128 << 10)

static void stop(const char *what)
{
    (void)fprintf(stderr, "verifyd_load: %s\n", what);
    exit(EXIT_FAILURE);
}

static void must(vouch_code rc, const vouch_error *err, const char *what)
{
    char text[1024];
    if (rc != VOUCH_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, vouch_error_text(err, text, sizeof text));
        exit(EXIT_FAILURE);
    }
}

static double now_s(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct rusage u = { 0 };
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
           + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* --- signatures alone --- */

typedef struct signer {
    const vch_key *rsa, *p256;
    double until;
    size_t done;
} signer;

/* What one attestation cannot do without: nonce and token signed, a known platform's quote verified. */
static void *sign(void *context)
{
    signer *s = context;
    uint8_t message[512] = { 7 };
    vouch_error err = { 0 };
    const vouch_span span = { message, sizeof message };
    vch_buffer ecdsa = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    must(vch_key_sign(s->p256, VCH_SIG_ECDSA_SHA256, span, &ecdsa, &err), &err, "P-256");
    while (now_s() < s->until) {
        bool valid = false;
        for (int i = 0; i < 2; i++) {
            vch_buffer out = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
            must(vch_key_sign(s->rsa, VCH_SIG_RSA_PSS_SHA384, span, &out, &err), &err, "RSA-3072");
            vch_buffer_drop(&out);
        }
        must(vch_key_verify(s->p256, VCH_SIG_ECDSA_SHA256, span, vch_buffer_span(&ecdsa), &valid,
                            &err),
             &err, "P-256");
        s->done++;
    }
    vch_buffer_drop(&ecdsa);
    return NULL;
}

static void signatures(const char *key_file, double seconds)
{
    vouch_error err = { 0 };
    vch_secret pem = { 0 };
    vch_key *rsa = NULL;
    vch_key *p256 = NULL;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = cpus < 1 ? 1 : cpus > 64 ? 64 : (size_t)cpus;
    pthread_t thread[64];
    signer s[64];
    must(vch_file_read_secret(key_file, VCH_KEY_PEM_MAX_SIZE, &pem, &err), &err, key_file);
    must(vch_key_from_private_pem((vouch_span) { pem.data, pem.size }, &rsa, &err), &err, key_file);
    must(vch_key_generate(VCH_KEY_P256, &p256, &err), &err, "P-256");
    double began = now_s();
    double spent = cpu_s();
    for (size_t i = 0; i < threads; i++) {
        s[i] = (signer) { rsa, p256, began + seconds, 0 };
        if (pthread_create(&thread[i], NULL, sign, &s[i]) != 0)
            stop("no thread");
    }
    size_t done = 0;
    for (size_t i = 0; i < threads; i++) {
        (void)pthread_join(thread[i], NULL);
        done += s[i].done;
    }
    (void)printf("{\"per_s\": %.2f, \"cpu_ms\": %.4f}\n", (double)done / (now_s() - began),
                 (cpu_s() - spent) * 1000 / (double)done);
}

/* --- a keep-alive connection --- */

typedef struct link {
    SSL *ssl;
    int fd;
    char answer[ANSWER_MAX];
} link_;

static SSL_CTX *tls;
static struct sockaddr_in server;

static void link_open(link_ *l)
{
    int one = 1;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || connect(l->fd, (const struct sockaddr *)&server, sizeof server) != 0)
        stop("cannot connect");
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    l->ssl = SSL_new(tls);
    if (l->ssl == NULL || SSL_set_fd(l->ssl, l->fd) != 1 || SSL_connect(l->ssl) != 1)
        stop("no TLS connection");
}

/* The body of a 200; anything else ends the run: a load that is refused measures nothing. */
static const char *ask(link_ *l, const char *request, size_t size)
{
    size_t got = 0;
    if (SSL_write(l->ssl, request, (int)size) != (int)size)
        stop("cannot send");
    for (;;) {
        int n = SSL_read(l->ssl, l->answer + got, (int)(sizeof l->answer - 1 - got));
        if (n <= 0)
            stop("the connection ended");
        got += (size_t)n;
        l->answer[got] = '\0';
        char *body = strstr(l->answer, "\r\n\r\n");
        if (body == NULL)
            continue;
        char *length = strcasestr(l->answer, "content-length:");
        if (length == NULL || length > body)
            stop("no content-length");
        if (strtoul(length + 15, NULL, 10) > got - (size_t)(body + 4 - l->answer))
            continue;
        if (strncmp(l->answer, "HTTP/1.1 200", 12) != 0)
            stop(l->answer);
        return body + 4;
    }
}

/* --- one attestation --- */

static const vch_sim_platform *platform;
static char api_key[512];

static void decode(const vch_json *nonce, const char *name, vch_buffer *out)
{
    vouch_error err = { 0 };
    const char *text = NULL;
    must(vch_json_get_string(nonce, name, &text, &err), &err, "nonce");
    must(vch_base64_decode(vch_span_str(text), VCH_BASE64_STANDARD | VCH_BASE64_PADDED, out, &err),
         &err, "nonce");
}

#define REPORT_DATA_AT (48 + 320)
#define SIGNED_SIZE (48 + 384)
#define SIGNATURE_AT (SIGNED_SIZE + 4)

static vch_buffer pattern; /* one quote: those sent differ in report data and signature only */

/* What a device would do, at the cost of its one signature. */
static void make_quote(const char *nonce_json, vch_buffer *out)
{
    static const vch_json_limits limits = { 4096, 2 };
    static const char held[] = "the claims of a participant";
    vouch_error err = { 0 };
    uint8_t quote[VCH_SIM_QUOTE_MAX_SIZE];
    VCH_SCOPED(vch_json_drop) vch_json *nonce = NULL;
    vch_buffer bound = vch_buffer_with_cap(4096);
    vch_buffer signature = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    must(vch_json_parse(vch_span_str(nonce_json), &limits, &nonce, &err), &err, "nonce");
    decode(nonce, "val", &bound);
    decode(nonce, "iat", &bound);
    vch_buffer_append_str(&bound, held);
    memcpy(quote, pattern.data, pattern.size);
    must(vch_sha256(vch_buffer_span(&bound), quote + REPORT_DATA_AT, &err), &err, "hash");
    must(vch_key_sign(platform->attestation_key, VCH_SIG_ECDSA_SHA256_RAW,
                      (vouch_span) { quote, SIGNED_SIZE }, &signature, &err),
         &err, "quote");
    memcpy(quote + SIGNATURE_AT, signature.data, signature.size);
    vch_buffer_append_str(out, "{\"quote\":\"");
    vch_base64_encode((vouch_span) { quote, pattern.size }, out);
    vch_buffer_append_fmt(out, "\",\"verifier_nonce\":%s,\"runtime_data\":\"", nonce_json);
    vch_base64_encode(vch_span_str(held), out);
    vch_buffer_append_str(out, "\"}");
    vch_buffer_drop(&signature);
    vch_buffer_drop(&bound);
}

static void attest(link_ *l)
{
    char nonce[4096];
    vch_buffer text = vch_buffer_with_cap(1 << 20);
    vch_buffer body = vch_buffer_with_cap(1 << 20);
    vch_buffer_append_fmt(&text,
                          "GET /appraisal/v1/nonce HTTP/1.1\r\nHost: b\r\nx-api-key: %s\r\n"
                          "Accept: application/json\r\n\r\n",
                          api_key);
    const char *json = ask(l, (const char *)text.data, text.size);
    (void)snprintf(nonce, sizeof nonce, "%s", json);
    make_quote(nonce, &body);
    text.size = 0;
    vch_buffer_append_fmt(&text,
                          "POST /appraisal/v1/attest HTTP/1.1\r\nHost: b\r\nx-api-key: %s\r\n"
                          "Accept: application/json\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n",
                          api_key, body.size);
    vch_buffer_append(&text, vch_buffer_span(&body));
    if (strncmp(ask(l, (const char *)text.data, text.size), "{\"token\":\"", 10) != 0)
        stop("no token");
    vch_buffer_drop(&text);
    vch_buffer_drop(&body);
}

/* --- many --- */

static double ends, rate_each; /* 0: closed */
static atomic_size_t done_count;
static double latency[SAMPLES_MAX];

/* -log(u) / rate: the time to the next arrival of a Poisson process. */
static double gap(void)
{
    uint32_t draw = 0;
    if (vch_random_bytes(&draw, sizeof draw, NULL) != VOUCH_OK)
        stop("no randomness");
    return -log(((double)draw + 1) / 4294967297.0) / rate_each;
}

static void sleep_until(double at)
{
    double left = at - now_s();
    if (left <= 0)
        return;
    const struct timespec pause = { (time_t)left, (long)((left - floor(left)) * 1e9) };
    (void)nanosleep(&pause, NULL);
}

static void *run(void *context)
{
    link_ *l = context;
    double planned = now_s() + (rate_each > 0 ? gap() : 0);
    while (planned < ends) {
        sleep_until(planned);
        attest(l);
        double at = now_s();
        size_t i = atomic_fetch_add(&done_count, 1);
        if (i < SAMPLES_MAX)
            latency[i] = at - planned;
        planned = rate_each > 0 ? planned + gap() : at;
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void connect_all(const char *address, const char *port, link_ *links, size_t count)
{
    tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL)
        stop("no TLS");
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE,
                       NULL); /* the service's certificate is not what is measured */
    (void)SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    server = (struct sockaddr_in) { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
    if (inet_pton(AF_INET, address, &server.sin_addr) != 1)
        stop("not an address");
    for (size_t i = 0; i < count; i++)
        link_open(&links[i]);
}

static void load(char *argv[], size_t connections, double seconds, double rate)
{
    vouch_error err = { 0 };
    vch_buffer key = { 0 };
    vch_sim_platform *opened = NULL;
    static pthread_t thread[CONNECTIONS_MAX];
    must(vch_file_read(argv[4], sizeof api_key - 1, &key, &err), &err, argv[4]);
    memcpy(api_key, key.data, key.size);
    must(vch_sim_platform_open(argv[5], &opened, &err), &err, argv[5]);
    platform = opened;
    const vch_sim_quote_options o = { 0 };
    pattern = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    must(vch_sim_quote_make(platform, &o, &pattern, &err), &err, "quote");
    link_ *links = calloc(connections, sizeof *links);
    if (links == NULL)
        stop("no memory");
    connect_all(argv[2], argv[3], links, connections);
    rate_each = rate / (double)connections;
    double began = now_s();
    double spent = cpu_s();
    ends = began + seconds;
    for (size_t i = 0; i < connections; i++) {
        if (pthread_create(&thread[i], NULL, run, &links[i]) != 0)
            stop("no thread");
    }
    for (size_t i = 0; i < connections; i++)
        (void)pthread_join(thread[i], NULL);
    double took = now_s() - began;
    size_t count = done_count < SAMPLES_MAX ? done_count : SAMPLES_MAX;
    qsort(latency, count, sizeof *latency, by_value);
    (void)printf("{\"per_s\": %.2f, \"count\": %zu, \"cpu_ms\": %.4f, \"median_ms\": %.3f, "
                 "\"p99_ms\": %.3f}\n",
                 (double)done_count / took, (size_t)done_count,
                 (cpu_s() - spent) * 1000 / (double)(done_count > 0 ? done_count : 1),
                 count > 0 ? latency[count / 2] * 1000 : 0,
                 count > 0 ? latency[count * 99 / 100] * 1000 : 0);
}

static void idle(const char *address, const char *port, size_t connections)
{
    struct rlimit files = { 0 };
    char byte = 0;
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    link_ *links = calloc(connections, sizeof *links);
    if (links == NULL)
        stop("no memory");
    connect_all(address, port, links, connections);
    (void)printf("open\n");
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

int main(int argc, char *argv[])
{
    vouch_error err = { 0 };
    must(vch_secure_heap_start(&err), &err, "secure heap");
    if (argc == 4 && strcmp(argv[1], "signatures") == 0) {
        signatures(argv[2], strtod(argv[3], NULL));
        return 0;
    }
    size_t connections = argc > 6 ? strtoul(argv[6], NULL, 10) : 0;
    if (argc == 5 && strcmp(argv[1], "idle") == 0)
        idle(argv[2], argv[3], strtoul(argv[4], NULL, 10));
    else if (argc == 8 && strcmp(argv[1], "closed") == 0 && connections <= CONNECTIONS_MAX)
        load(argv, connections, strtod(argv[7], NULL), 0);
    else if (argc == 9 && strcmp(argv[1], "open") == 0 && connections <= CONNECTIONS_MAX)
        load(argv, connections, strtod(argv[7], NULL), strtod(argv[8], NULL));
    else
        stop("see the head of bench/verifyd_load.c");
    return 0;
}
