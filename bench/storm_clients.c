/*
 * A thousand attested collaborators that connect at once, in one process: each with its own key,
 * claims, quote, enrolment and certificate, over its own TLS connection, judging the aggregator as a
 * collaborator does. Used by storm.py; run in a federation's directory.
 *
 * usage: storm_clients COUNT PORT PLATFORM...
 *
 * Prints the digest of each one's enrolment key, which attestation.yaml pins. A line on stdin: the
 * federation's files are there. Prints `ready` when the certificates are made; a line on stdin begins
 * the storm; prints one JSON line when it is over, and holds the connections until stdin ends.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "cli/plan_load.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "crypto/rand.h"
#include "crypto/secure_heap.h"
#include "host/clock.h"
#include "host/process.h"
#include "identity/admit.h"
#include "identity/attestation_file.h"
#include "identity/channel.h"
#include "identity/claims.h"
#include "identity/enrolment.h"
#include "identity/keypair.h"
#include "identity/proven.h"
#include "identity/ratls_cert.h"
#include "net/grpc_client.h"
#include "sim/platform.h"
#include "sim/quote_make.h"

#define PLATFORMS_MAX 256
#define STACK_SIZE ((size_t)256 << 10)
#define DEADLINE_MS INT64_C(120000)
#define MEASUREMENT 0xcc /* every byte of MRENCLAVE; storm.py lists it */

typedef struct collaborator {
    char name[VCH_PARTICIPANT_NAME_SIZE];
    vch_key *site_key; /* signs the enrolment */
    vch_key *key;
    vch_buffer certificate;
    vch_tls_settings *tls;
    pthread_t thread;
    vch_grpc_client *client; /* NULL: lost */
    int64_t admitted_ms;
    unsigned tries;
    vouch_error why;
} collaborator;

/* What they share; constant once the storm begins. */
static struct {
    vch_attestation_file *file;
    vch_plan *plan;
    vch_admission_rules rules;
    vch_sim_platform *platforms[PLATFORMS_MAX];
    size_t platform_count;
    uint16_t port;
    int64_t now_unix_s;
    pthread_barrier_t begin;
    atomic_llong began_ms;
} all;

static void must(vouch_code rc, const vouch_error *err, const char *what)
{
    char text[1024];
    if (rc == VOUCH_OK)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, vouch_error_text(err, text, sizeof text));
    exit(EXIT_FAILURE);
}

/* --- the gate of each of them --- */

static vouch_code judge(const vch_tls_peer *peer, bool whole, vouch_error *err)
{
    const vch_admission_request request = { .certificate = peer->certificate,
                                            .role = VCH_ROLE_AGGREGATOR,
                                            .name = "localhost",
                                            .now_unix_s = vch_clock_unix_s() };
    vch_admission verdict = { 0 };
    if (whole)
        vch_admission_judge(&all.rules, &request, &verdict);
    else
        vch_admission_examine(&all.rules, &request, &verdict);
    return vch_admission_admits(&verdict) ? VOUCH_OK
                                          : vouch_fail(err, VOUCH_E_REFUSED, "%s", verdict.message);
}

static vouch_code check_certificate(void *context, const vch_tls_peer *peer, vouch_error *err)
{
    (void)context;
    return judge(peer, false, err);
}

static vouch_code make_message(void *context, const vch_tls_peer *peer, vch_buffer *out,
                               vouch_error *err)
{
    (void)context;
    (void)peer;
    const vch_channel_message message = { .token = { 0 } };
    return vch_channel_message_build(&message, out, err);
}

static vouch_code admit(void *context, const vch_tls_peer *peer, vouch_span message, void **session,
                        vouch_error *err)
{
    (void)context;
    (void)message;
    *session = NULL;
    return judge(peer, true, err);
}

static void session_free(void *session)
{
    (void)session;
}

/* --- making them --- */

static void put_claims(const collaborator *c, vch_buffer *out)
{
    const vch_federation *f = vch_attestation_file_federation(all.file);
    vouch_error err = { 0 };
    vch_claims claims = { .role = VCH_ROLE_COLLABORATOR,
                          .nbf_unix_s = all.now_unix_s - 600,
                          .exp_unix_s = all.now_unix_s + f->certificate_life_s };
    memcpy(claims.federation, f->id, sizeof claims.federation);
    memcpy(claims.name, c->name, sizeof claims.name);
    memcpy(claims.plan, vch_plan_look(all.plan)->claim, sizeof claims.plan);
    memcpy(claims.policy, f->digest, sizeof claims.policy);
    must(vch_keypair_digest(c->key, claims.key_digest, &err), &err, "key digest");
    must(vch_claims_build(&claims, out, &err), &err, "claims");
}

static void put_quote(const collaborator *c, size_t index, vouch_span claims, vch_buffer *out)
{
    vouch_error err = { 0 };
    vch_sim_quote_options options = { .debug = false };
    (void)c;
    memset(options.measurement.mrenclave, MEASUREMENT, sizeof options.measurement.mrenclave);
    must(vch_claims_report_data(claims, options.report_data, &err), &err, "report data");
    must(vch_sim_quote_make(all.platforms[index % all.platform_count], &options, out, &err), &err,
         "quote");
}

static void make(collaborator *c, size_t index)
{
    vouch_error err = { 0 };
    vch_buffer claims = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    vch_buffer quote = vch_buffer_with_cap((size_t)64 << 10);
    vch_buffer enrolment = vch_buffer_with_cap(4096);
    must(vch_key_generate(VCH_KEY_P384, &c->key, &err), &err, "key");
    put_claims(c, &claims);
    put_quote(c, index, vch_buffer_span(&claims), &quote);
    must(vch_enrolment_build(c->site_key, vch_buffer_span(&claims), &enrolment, &err), &err,
         "enrolment");
    const vch_federation *f = vch_attestation_file_federation(all.file);
    const vch_ratls_options options = { .name = c->name,
                                        .key = c->key,
                                        .nbf_unix_s = all.now_unix_s - 600,
                                        .exp_unix_s = all.now_unix_s + f->certificate_life_s,
                                        .quote = vch_buffer_span(&quote),
                                        .claims = vch_buffer_span(&claims),
                                        .enrolment = vch_buffer_span(&enrolment) };
    c->certificate = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    must(vch_ratls_cert_build(&options, &c->certificate, &err), &err, "certificate");
    const vch_tls_identity own = { .certificate = vch_buffer_span(&c->certificate), .key = c->key };
    const vch_tls_options tls = {
        .gate = { c, check_certificate, make_message, admit, session_free }, .vouch = &own
    };
    must(vch_tls_settings_new(&tls, &c->tls, &err), &err, "TLS settings");
    vch_buffer_drop(&claims);
    vch_buffer_drop(&quote);
    vch_buffer_drop(&enrolment);
}

static void wait_for_a_line(void)
{
    char line[16];
    if (fgets(line, sizeof line, stdin) == NULL)
        exit(EXIT_FAILURE);
}

static void make_site_keys(collaborator *c, size_t count)
{
    vouch_error err = { 0 };
    char hex[2 * VCH_SHA256_SIZE + 1];
    uint8_t digest[VCH_SHA256_SIZE];
    for (size_t i = 0; i < count; i++) {
        vch_buffer spki = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
        (void)snprintf(c[i].name, sizeof c[i].name, "c%04zu", i);
        must(vch_key_generate(VCH_KEY_P256, &c[i].site_key, &err), &err, "enrolment key");
        must(vch_key_spki(c[i].site_key, &spki, &err), &err, "enrolment key");
        must(vch_sha256(vch_buffer_span(&spki), digest, &err), &err, "enrolment key");
        (void)printf("%s\n", vch_hex_encode((vouch_span) { digest, sizeof digest }, hex));
        vch_buffer_drop(&spki);
    }
    (void)fflush(stdout);
}

/* --- the storm --- */

static int64_t a_while_ms(unsigned tries)
{
    uint32_t random = 0;
    (void)!vch_random_bytes(&random, sizeof random, NULL);
    return 100 + random % (400U * (tries < 8 ? tries : 8));
}

static void *connect_until_admitted(void *context)
{
    collaborator *c = context;
    const vch_grpc_client_options to = { .tls = c->tls, .host = "127.0.0.1", .port = all.port };
    (void)pthread_barrier_wait(&all.begin);
    int64_t began = vch_clock_monotonic_ms();
    while (vch_clock_monotonic_ms() - began < DEADLINE_MS) {
        c->tries++;
        if (vch_grpc_client_connect(&to, &c->client, &c->why) == VOUCH_OK)
            break;
        int64_t ms = a_while_ms(c->tries);
        const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
        (void)nanosleep(&pause, NULL);
    }
    c->admitted_ms = vch_clock_monotonic_ms() - began;
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(const collaborator *c, size_t count, double seconds)
{
    int64_t *ms = calloc(count, sizeof *ms);
    size_t admitted = 0;
    unsigned tries = 0;
    for (size_t i = 0; ms != NULL && i < count; i++) {
        tries += c[i].tries;
        if (c[i].client != NULL)
            ms[admitted++] = c[i].admitted_ms;
        else
            (void)fprintf(stderr, "%s: lost: %s\n", c[i].name, c[i].why.frame[0]);
    }
    if (ms == NULL || admitted == 0)
        exit(EXIT_FAILURE);
    qsort(ms, admitted, sizeof *ms, compare);
    (void)printf("{\"admitted\": %zu, \"lost\": %zu, \"seconds\": %.3f, \"tries\": %u, "
                 "\"median_ms\": %lld, \"slowest_ms\": %lld}\n",
                 admitted, count - admitted, seconds, tries, (long long)ms[admitted / 2],
                 (long long)ms[admitted - 1]);
    (void)fflush(stdout);
    free(ms);
}

static void storm(collaborator *c, size_t count)
{
    pthread_attr_t small;
    (void)printf("ready\n");
    (void)fflush(stdout);
    wait_for_a_line();
    (void)pthread_barrier_init(&all.begin, NULL, (unsigned)count + 1);
    (void)pthread_attr_init(&small);
    (void)pthread_attr_setstacksize(&small, STACK_SIZE);
    for (size_t i = 0; i < count; i++) {
        if (pthread_create(&c[i].thread, &small, connect_until_admitted, &c[i]) != 0)
            exit(EXIT_FAILURE);
    }
    (void)pthread_barrier_wait(&all.begin);
    int64_t began = vch_clock_monotonic_ms();
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(c[i].thread, NULL);
    report(c, count, (double)(vch_clock_monotonic_ms() - began) / 1000);
    (void)getchar(); /* its end */
}

static void read_federation(void)
{
    vouch_error err = { 0 };
    const vch_release *release = NULL;
    vch_collateral_cache *collateral = NULL;
    must(vch_release_find(VCH_RELEASE_DEFAULT, &release, &err), &err, "release");
    const vch_plan_source source = { .release = release, .host_name = "localhost" };
    vch_faults faults = { 0 };
    must(vch_plan_load("plan/plan.yaml", NULL, &source, &faults, &all.plan, &err), &err, "plan");
    vch_faults_done(&faults);
    must(vch_attestation_file_load("plan/attestation.yaml", NULL, NULL, &all.file, &err), &err,
         "attestation.yaml");
    const vch_federation *f = vch_attestation_file_federation(all.file);
    const vch_root_pins pins = { .sha256 = f->roots, .count = f->root_count };
    must(vch_collateral_cache_from_path(vch_attestation_file_local(all.file)->collateral.dir, &pins,
                                        &collateral, &err),
         &err, "collateral");
    all.rules = (vch_admission_rules) { .file = all.file,
                                        .plan_digest = vch_plan_look(all.plan)->claim,
                                        .collateral = collateral };
    must(vch_proven_new(&all.rules.proven, &err), &err, "what is proven");
}

int main(int argc, char *argv[])
{
    vouch_error err = { 0 };
    if (argc < 4 || argc - 3 > PLATFORMS_MAX) {
        (void)fprintf(stderr, "usage: storm_clients COUNT PORT PLATFORM...\n");
        return 2;
    }
    size_t count = (size_t)strtoul(argv[1], NULL, 10);
    all.port = (uint16_t)strtoul(argv[2], NULL, 10);
    all.now_unix_s = vch_clock_unix_s();
    vch_process_ignore_broken_pipes();
    vch_process_raise_file_limit();
    must(vch_secure_heap_start(&err), &err, "secure heap");
    collaborator *c = calloc(count, sizeof *c);
    if (c == NULL)
        return EXIT_FAILURE;
    make_site_keys(c, count);
    wait_for_a_line();
    read_federation();
    for (int i = 3; i < argc; i++)
        must(vch_sim_platform_open(argv[i], &all.platforms[all.platform_count++], &err), &err,
             argv[i]);
    for (size_t i = 0; i < count; i++)
        make(&c[i], i);
    storm(c, count);
    return EXIT_SUCCESS; /* the process's end closes them all at once */
}
