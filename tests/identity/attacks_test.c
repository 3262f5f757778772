/*
 * The known attacks on attested channels, each through real TLS against the real gate of a genuine
 * participant; docs/attacks.md lists each with its defence, and `make attacks` deletes the defences
 * one by one and expects these tests to fail.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "crypto/cert_builder.h"
#include "identity/channel.h"
#include "sim/forge.h"
#include "wire.h"

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

/* --- the attacker: he believes anybody, and says what a test has him say --- */

typedef struct attacker {
    vouch_span certificate;
    const vch_key *key;
    vch_tls_face face;  /* usual: vouch-h2/1 */
    vouch_span message; /* usual: no token, no quote */
    bool saw_peer;      /* the other side's certificate came */
} attacker;

static vouch_code believe(void *context, const vch_tls_peer *peer, vouch_error *err)
{
    attacker *a = context;
    a->saw_peer = peer->certificate.size > 0;
    (void)err;
    return VOUCH_OK;
}

static vouch_code say(void *context, const vch_tls_peer *peer, vch_buffer *out, vouch_error *err)
{
    const attacker *a = context;
    (void)peer;
    if (a->message.size == 0)
        return vch_channel_message_build(&(vch_channel_message) { 0 }, out, err);
    vch_buffer_append(out, a->message);
    return VOUCH_OK;
}

static vouch_code welcome(void *context, const vch_tls_peer *peer, vouch_span message,
                          void **session, vouch_error *err)
{
    (void)context;
    (void)peer;
    (void)message;
    (void)session;
    (void)err;
    return VOUCH_OK;
}

static void nothing(void *session)
{
    (void)session;
}

static vch_tls_settings *disguise(attacker *a, bool server)
{
    vouch_error err = { 0 };
    vch_tls_settings *out = NULL;
    const vch_tls_identity identity = { .certificate = a->certificate, .key = a->key };
    const vch_tls_options o = {
        .server = server,
        .gate = { a, believe, say, welcome, nothing },
        .vouch = a->face == VCH_TLS_FACE_STOCK ? NULL : &identity,
        .stock = a->face == VCH_TLS_FACE_STOCK ? &identity : NULL,
    };
    CHECK_OK(vch_tls_settings_new(&o, &out, &err), &err);
    return out;
}

/* The attacker comes to the genuine aggregator; the server's end is left in `server`. */
static vch_admission_code knock_and_stay(attacker *a, wire_end *server, wire_end *client)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    x.agg.told = 0;
    x.agg.last = (vch_admission) { 0 };
    vch_tls_settings *tls = disguise(a, false);
    wire_begin(&x, server, x.agg_tls, fds[0], NULL);
    wire_begin(&x, client, tls, fds[1], WORLD_AGGREGATOR);
    wire_settle(&x, server);
    wire_settle(&x, client);
    CHECK(server->open == (x.agg.last.code == VCH_ADMITTED)); /* no byte without an admission */
    if (!client->open)
        wire_finish(client);
    vch_tls_settings_free(tls);
    return x.agg.last.code;
}

static vch_admission_code knock(attacker *a)
{
    wire_end server;
    wire_end client;
    vch_admission_code code = knock_and_stay(a, &server, &client);
    wire_finish(&server);
    wire_finish(&client);
    return code;
}

static vch_admission_code knock_with(const world_evidence *e)
{
    attacker a = { .certificate = vch_buffer_span(&e->certificate),
                   .key = e->certified_key != NULL ? e->certified_key : e->key };
    return knock(&a);
}

/* The genuine collaborator comes to an attacker, who would take its certificate. */
static vch_admission_code lure(attacker *a, wire_end *client)
{
    int fds[2];
    wire_end server;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    x.col1.told = 0;
    x.col1.last = (vch_admission) { 0 };
    vch_tls_settings *tls = disguise(a, true);
    wire_begin(&x, &server, tls, fds[0], NULL);
    wire_begin(&x, client, x.col1_tls, fds[1], WORLD_AGGREGATOR);
    wire_settle(&x, client);
    wire_settle(&x, &server);
    CHECK(client->open == (x.col1.last.code == VCH_ADMITTED));
    wire_finish(&server);
    wire_finish(client);
    vch_tls_settings_free(tls);
    return x.col1.last.code;
}

/* What a genuine collaborator shows, for a test to bend. */
static void bend(world_evidence *e, world_site site)
{
    world_evidence_begin(&x.w, site, e);
}

static void refused(world_evidence *e, vch_admission_code want)
{
    if (e->certificate.size == 0)
        world_issue(&x.w, e);
    vch_admission_code code = knock_with(e);
    if (code != want)
        fail_msg("%s, expected %s: %s", vch_admission_code_name(code),
                 vch_admission_code_name(want), x.agg.last.message);
    world_evidence_drop(e);
}

static void a_peer_that_shows_all_that_it_owes_is_admitted(void **state)
{
    (void)state;
    world_evidence e;
    wire_end client;
    bend(&e, WORLD_COL1);
    refused(&e, VCH_ADMITTED);
    bend(&e, WORLD_AGG);
    world_issue(&x.w, &e);
    attacker a = { .certificate = vch_buffer_span(&e.certificate), .key = e.key };
    CHECK(lure(&a, &client) == VCH_ADMITTED);
    world_evidence_drop(&e);
}

/* --- whose key, whose name --- */

static void a_genuine_certificate_relayed_over_another_key_is_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_key_drop) vch_key *mine = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer forged = vch_buffer_with_cap(65536);
    const vch_credentials *seen = vch_participant_credentials(x.col1.participant);
    CHECK_OK(vch_key_generate(VCH_KEY_P384, &mine, &err), &err);
    CHECK_OK(vch_sim_forge_certificate(seen->certificate, mine, &forged, &err), &err);
    attacker a = { .certificate = vch_buffer_span(&forged), .key = mine };
    CHECK(knock(&a) == VCH_REFUSED_KEY);
    vch_credentials_unref(seen);
}

static void a_connection_diverted_to_another_genuine_participant_is_refused(void **state)
{
    (void)state;
    wire_end client;
    world_evidence e;
    bend(&e, WORLD_COL1);
    world_issue(&x.w, &e);
    attacker a = { .certificate = vch_buffer_span(&e.certificate), .key = e.key };
    CHECK(lure(&a, &client) == VCH_REFUSED_NAME);
    world_evidence_drop(&e);
}

static void genuine_code_on_another_site_under_a_participants_name_is_refused(void **state)
{
    (void)state;
    world_evidence e;
    wire_end client;
    bend(&e, WORLD_COL1);
    e.site_key = x.w.site[WORLD_COL2]; /* its own consent, another's name */
    refused(&e, VCH_REFUSED_ENROLMENT);
    bend(&e, WORLD_AGG);
    e.site_key = x.w.site[WORLD_COL2];
    world_issue(&x.w, &e);
    attacker a = { .certificate = vch_buffer_span(&e.certificate), .key = e.key };
    CHECK(lure(&a, &client) == VCH_REFUSED_ENROLMENT);
    world_evidence_drop(&e);
}

static void genuine_code_in_the_other_role_is_refused(void **state)
{
    (void)state;
    world_evidence e;
    bend(&e, WORLD_COL1); /* with its own site's consent */
    e.claims.role = VCH_ROLE_AGGREGATOR;
    e.claims.has_ca = true;
    e.measurement = WORLD_AGGREGATOR_MEASUREMENT;
    refused(&e, VCH_REFUSED_ROLE);
    bend(&e, WORLD_AGG); /* an aggregator that comes where collaborators come */
    refused(&e, VCH_REFUSED_ROLE);
}

/* --- what the evidence says --- */

static void a_debug_enclave_is_refused(void **state)
{
    (void)state;
    world_evidence e;
    bend(&e, WORLD_COL1);
    e.debug = true;
    refused(&e, VCH_REFUSED_MEASUREMENT);
    CHECK(x.agg.last.debug);
}

/* A genuine enclave that quotes whatever map it is given: the one claim that counts is absent. */
static void a_claims_map_without_pubkey_hash_is_refused(void **state)
{
    (void)state;
    static const uint8_t key[] = "\x6bpubkey-hash\x58";
    uint8_t report_data[64];
    world_evidence e;
    bend(&e, WORLD_COL1);
    world_issue(&x.w, &e);
    vch_buffer *claims = &e.claims_bytes;
    uint8_t *at = memmem(claims->data, claims->size, key, sizeof key - 1);
    CHECK(at != NULL);
    size_t size = sizeof key + at[sizeof key - 1]; /* the key, a length byte, the value */
    memmove(at, at + size, claims->size - size - (size_t)(at - claims->data));
    claims->size -= size;
    claims->data[0]--; /* one pair less */
    CHECK(vch_claims_report_data(vch_buffer_span(claims), report_data, NULL) == VOUCH_OK);
    e.quote.size = e.certificate.size = 0;
    world_quote(&x.w, e.measurement, false, report_data, &e.quote);
    world_certify(&x.w, &e);
    refused(&e, VCH_REFUSED_EVIDENCE_FORM);
}

static void a_legacy_extension_offered_to_dodge_the_claims_is_refused(void **state)
{
    (void)state;
    world_evidence e;
    bend(&e, WORLD_COL1);
    e.dice_oid = "";
    e.legacy = true;
    refused(&e, VCH_REFUSED_NO_EVIDENCE);
}

static void another_policy_than_the_federations_is_refused(void **state)
{
    (void)state;
    world_evidence e;
    bend(&e, WORLD_COL1); /* the genuine program, started with a softer attestation.yaml */
    e.claims.policy[0] ^= 1U;
    refused(&e, VCH_REFUSED_POLICY);
}

/* --- when --- */

static void an_older_certificate_replayed_after_a_newer_one_is_refused(void **state)
{
    (void)state;
    world_evidence e;
    bend(&e, WORLD_COL1); /* all of his own, stolen with its key, of before his restart */
    e.claims.nbf_unix_s -= 1200;
    e.claims.exp_unix_s -= 1200;
    world_evidence newer;
    bend(&newer, WORLD_COL1);
    refused(&newer, VCH_ADMITTED);
    refused(&e, VCH_REFUSED_REPLAY);
}

/* What was proven is remembered by the whole certificate: one that resembles it is judged anew. */
static void another_certificate_on_reconnect_is_judged_anew(void **state)
{
    (void)state;
    wire_end client;
    world_evidence e;
    VCH_SCOPED(vch_key_drop) vch_key *mine = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer forged = vch_buffer_with_cap(65536);
    bend(&e, WORLD_COL1);
    world_issue(&x.w, &e);
    CHECK(knock_with(&e) == VCH_ADMITTED);
    vouch_span der = vch_buffer_span(&e.certificate);
    e.certificate.data[der.size - 1] ^= 1U; /* the same evidence and key, another certificate */
    CHECK(knock_with(&e) == VCH_REFUSED_SELF_SIGNATURE);
    world_evidence_drop(&e);

    bend(&e, WORLD_AGG);
    world_issue(&x.w, &e);
    attacker a = { .certificate = vch_buffer_span(&e.certificate), .key = e.key };
    CHECK(lure(&a, &client) == VCH_ADMITTED);
    CHECK(vch_key_generate(VCH_KEY_P384, &mine, NULL) == VOUCH_OK);
    CHECK(vch_sim_forge_certificate(a.certificate, mine, &forged, NULL) == VOUCH_OK);
    attacker b = { .certificate = vch_buffer_span(&forged), .key = mine };
    CHECK(lure(&b, &client) == VCH_REFUSED_KEY);
    CHECK(lure(&a, &client) == VCH_ADMITTED);
    world_evidence_drop(&e);
}

/* The newer one takes the name over, the older one's connection is over; never both. */
static void of_two_processes_with_one_name_the_newer_certificate_stays(void **state)
{
    (void)state;
    world_evidence first;
    world_evidence second;
    wire_end server[2];
    wire_end client[2];
    bend(&first, WORLD_COL1);
    world_issue(&x.w, &first);
    bend(&second, WORLD_COL1);
    second.claims.nbf_unix_s += 60;
    world_issue(&x.w, &second);
    attacker a = { .certificate = vch_buffer_span(&first.certificate), .key = first.key };
    attacker b = { .certificate = vch_buffer_span(&second.certificate), .key = second.key };
    CHECK(knock_and_stay(&a, &server[0], &client[0]) == VCH_ADMITTED);
    CHECK(knock_and_stay(&b, &server[1], &client[1]) == VCH_ADMITTED);
    const vch_admitted_peer *old = vch_admitted_peer_of(vch_tls_conn_session(server[0].conn));
    const vch_admitted_peer *new = vch_admitted_peer_of(vch_tls_conn_session(server[1].conn));
    CHECK(vch_admitted_peer_standing(old, WORLD_NOW) == VCH_STANDING_REPLACED);
    CHECK(vch_admitted_peer_standing(new, WORLD_NOW) == VCH_STANDING_GOOD);
    CHECK(knock(&a) == VCH_REFUSED_CONNECTIONS); /* and it does not come back */
    for (int i = 0; i < 2; i++) {
        wire_finish(&server[i]);
        wire_finish(&client[i]);
    }
    world_evidence_drop(&first);
    world_evidence_drop(&second);
}

/* --- which door --- */

static void h2_offered_where_attestation_is_owed_is_refused(void **state)
{
    (void)state;
    wire_end client;
    world_evidence e;
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(8192);
    static const uint8_t serial[] = { 0x46 };
    const vch_name_part name = { "CN", "col1" };
    const vch_cert_options options = { .subject = &name,
                                       .subject_count = 1,
                                       .signer = x.w.site[WORLD_COL1],
                                       .serial = { serial, sizeof serial },
                                       .not_before_unix_s = WORLD_NOW - 86400,
                                       .not_after_unix_s = WORLD_NOW + 86400,
                                       .pathlen = VCH_PATHLEN_NONE };
    CHECK(vch_cert_build(&options, &der, NULL) == VOUCH_OK);
    attacker pki = { .certificate = vch_buffer_span(&der), /* with the site's true PKI key */
                     .key = x.w.site[WORLD_COL1],
                     .face = VCH_TLS_FACE_STOCK };
    CHECK(knock(&pki) == VCH_REFUSED_H2);
    bend(&e, WORLD_COL1); /* and with evidence, past the channel message */
    world_issue(&x.w, &e);
    attacker attested = { .certificate = vch_buffer_span(&e.certificate),
                          .key = e.key,
                          .face = VCH_TLS_FACE_STOCK };
    CHECK(knock(&attested) == VCH_REFUSED_H2);
    world_evidence_drop(&e);
    bend(&e, WORLD_AGG); /* a server that has only h2 for a client that is owed attestation */
    world_issue(&x.w, &e);
    attacker server = { .certificate = vch_buffer_span(&e.certificate),
                        .key = e.key,
                        .face = VCH_TLS_FACE_STOCK };
    CHECK(lure(&server, &client) == VCH_ADMISSION_NONE);
    CHECK(client.dead && x.col1.told == 0);
    world_evidence_drop(&e);
}

static void without_evidence_where_it_is_owed_nobody_gets_in(void **state)
{
    (void)state;
    world_evidence e;
    bend(&e, WORLD_COL1);
    e.dice_oid = "";
    refused(&e, VCH_REFUSED_NO_EVIDENCE);
}

/* Evidence and enrolment are looked at before the client's own certificate leaves. */
static void an_attacker_that_lures_a_client_never_sees_its_certificate(void **state)
{
    (void)state;
    wire_end client;
    world_evidence e;
    bend(&e, WORLD_AGG);
    e.claims.plan[0] ^= 1U;
    world_issue(&x.w, &e);
    attacker a = { .certificate = vch_buffer_span(&e.certificate), .key = e.key };
    CHECK(lure(&a, &client) == VCH_REFUSED_PLAN);
    CHECK(!a.saw_peer);
    world_evidence_drop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_peer_that_shows_all_that_it_owes_is_admitted),
        TEST(a_genuine_certificate_relayed_over_another_key_is_refused),
        TEST(a_connection_diverted_to_another_genuine_participant_is_refused),
        TEST(genuine_code_on_another_site_under_a_participants_name_is_refused),
        TEST(genuine_code_in_the_other_role_is_refused),
        TEST(a_debug_enclave_is_refused),
        TEST(a_claims_map_without_pubkey_hash_is_refused),
        TEST(a_legacy_extension_offered_to_dodge_the_claims_is_refused),
        TEST(another_policy_than_the_federations_is_refused),
        TEST(an_older_certificate_replayed_after_a_newer_one_is_refused),
        TEST(another_certificate_on_reconnect_is_judged_anew),
        TEST(of_two_processes_with_one_name_the_newer_certificate_stays),
        TEST(h2_offered_where_attestation_is_owed_is_refused),
        TEST(without_evidence_where_it_is_owed_nobody_gets_in),
        TEST(an_attacker_that_lures_a_client_never_sees_its_certificate),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
