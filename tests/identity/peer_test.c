/* The gate, called as net/tls calls it, between two participants of one federation. */
#include "identity/peer.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "crypto/cert_builder.h"
#include "crypto/pem.h"
#include "device.h"
#include "identity/channel.h"

static world w;
static device aggregator_device;
static device collaborator_device;

/* One side: its host's view of the file, its identity, its gate, what it was told. */
typedef struct side {
    vch_attestation_file *file;
    vch_participant *participant;
    vch_roster *roster;
    vch_gate *gate;
    vch_admission last;
    unsigned told;
    char key[VCH_PATH_SIZE];
    char cert[VCH_PATH_SIZE];
} side;

static side agg;
static side col1;
static side col2; /* not attested */

static int64_t read_clock(void *clock)
{
    (void)clock;
    return WORLD_NOW;
}

static void observe(void *observer, const vch_admission *verdict)
{
    side *s = observer;
    s->last = *verdict;
    s->told++;
}

static void write_pki(side *s, world_site site, const char *name)
{
    static const uint8_t serial[] = { 0x45 };
    vouch_error err = { 0 };
    char file[64];
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(8192);
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(16384);
    const vch_name_part subject = { "CN", name };
    const vch_cert_options options = { .subject = &subject,
                                       .subject_count = 1,
                                       .signer = w.site[site],
                                       .serial = { serial, sizeof serial },
                                       .not_before_unix_s = WORLD_NOW - 86400,
                                       .not_after_unix_s = WORLD_NOW + 86400,
                                       .pathlen = VCH_PATHLEN_NONE };
    (void)snprintf(file, sizeof file, "%s.key", name);
    CHECK_OK(vch_path_join(w.dir, file, s->key, &err), &err);
    (void)snprintf(file, sizeof file, "%s.crt", name);
    CHECK_OK(vch_path_join(w.dir, file, s->cert, &err), &err);
    CHECK_OK(vch_key_private_pem(w.site[site], VCH_KEY_FORM_PKCS8, &key, &err), &err);
    CHECK_OK(vch_file_write(s->key, (vouch_span) { key.data, key.size }, 0600, &err), &err);
    CHECK_OK(vch_cert_build(&options, &der, &err), &err);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&der), &pem);
    CHECK_OK(vch_file_write(s->cert, vch_buffer_span(&pem), 0644, &err), &err);
}

static void join(side *s, world_site site, const char *name, const device *d)
{
    vouch_error err = { 0 };
    char local[3 * VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(65536);
    (void)snprintf(local, sizeof local,
                   "  attestation_dir: '%s'\n  enrolment: {cert: '%s', key: '%s'}\n",
                   vch_pseudo_files_directory(d->files), s->cert, s->key);
    const world_policy policy = { .token = "off", .local = local };
    world_policy_text(&w, &policy, &text);
    CHECK_OK(vch_attestation_file_parse(vch_buffer_span(&text), name, NULL, NULL, &s->file, &err),
             &err);
    const vch_participant_options o = { .file = s->file,
                                        .role = site == WORLD_AGG ? VCH_ROLE_AGGREGATOR
                                                                  : VCH_ROLE_COLLABORATOR,
                                        .name = name,
                                        .address = site == WORLD_AGG ? WORLD_AGGREGATOR : NULL,
                                        .plan_digest = w.plan,
                                        .pki_chain = col2.cert,
                                        .now_unix_s = read_clock };
    CHECK_OK(vch_participant_new(&o, &s->participant, &err), &err);
    CHECK_OK(vch_roster_new(vch_attestation_file_federation(s->file), &s->roster, &err), &err);
    const vch_gate_options g = {
        .participant = s->participant, .roster = s->roster, .on_verdict = observe, .observer = s
    };
    CHECK_OK(vch_gate_new(&g, &s->gate, &err), &err);
}

static void leave(side *s)
{
    vch_gate_free(s->gate);
    vch_roster_free(s->roster);
    vch_participant_free(s->participant);
    vch_attestation_file_free(s->file);
}

static int set_up(void **state)
{
    (void)state;
    world_make(&w);
    device_start(&aggregator_device, &w, WORLD_AGGREGATOR_MEASUREMENT);
    device_start(&collaborator_device, &w, WORLD_COLLABORATOR_MEASUREMENT);
    write_pki(&agg, WORLD_AGG, WORLD_AGGREGATOR);
    write_pki(&col1, WORLD_COL1, "col1");
    write_pki(&col2, WORLD_COL2, "col2"); /* its own CA, which the others trust */
    join(&agg, WORLD_AGG, WORLD_AGGREGATOR, &aggregator_device);
    join(&col1, WORLD_COL1, "col1", &collaborator_device);
    join(&col2, WORLD_COL2, "col2", &collaborator_device);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    leave(&agg);
    leave(&col1);
    leave(&col2);
    device_stop(&aggregator_device);
    device_stop(&collaborator_device);
    world_drop(&w);
    return 0;
}

/* `from`, as `to` sees it. */
typedef struct view {
    const vch_credentials *from;
    const vch_credentials *to;
    vch_tls_peer peer;
    const char *reason;
} view;

static void look(view *v, side *from, side *to, vch_tls_face face)
{
    from->told = to->told = 0;
    *v = (view) { .from = vch_participant_credentials(from->participant),
                  .to = vch_participant_credentials(to->participant) };
    bool stock = face == VCH_TLS_FACE_STOCK;
    v->peer = (vch_tls_peer) { .certificate = stock ? v->from->stock : v->from->certificate,
                               .own_certificate = stock ? v->to->stock : v->to->certificate,
                               .face = face,
                               .we_serve = to == &agg,
                               .address = "192.0.2.7:50051",
                               .host = to == &agg ? NULL : WORLD_AGGREGATOR,
                               .reason = &v->reason };
}

static void look_away(view *v)
{
    vch_credentials_unref(v->from);
    vch_credentials_unref(v->to);
}

static void message_of(side *s, const view *v, vch_buffer *out)
{
    vouch_error err = { 0 };
    vch_tls_gate g = vch_gate_functions(s->gate);
    CHECK_OK(g.make_message(g.context, &v->peer, out, &err), &err);
}

static void both_sides_admit_each_other(void **state)
{
    (void)state;
    side *const pairs[][2] = { { &col1, &agg }, { &agg, &col1 }, { &col2, &agg }, { &agg, &col2 } };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        vouch_error err = { 0 };
        view v;
        void *session = NULL;
        VCH_SCOPED(vch_buffer_drop)
        vch_buffer message = vch_buffer_with_cap(VCH_CHANNEL_MESSAGE_MAX_SIZE);
        look(&v, pairs[i][0], pairs[i][1], VCH_TLS_FACE_VOUCH);
        message_of(pairs[i][0], &v, &message);
        vch_tls_gate g = vch_gate_functions(pairs[i][1]->gate);
        CHECK_OK(g.check_certificate(g.context, &v.peer, &err), &err);
        CHECK(pairs[i][1]->told == 0); /* nothing is decided yet */
        CHECK_OK(g.admit(g.context, &v.peer, vch_buffer_span(&message), &session, &err), &err);
        CHECK(session != NULL && pairs[i][1]->told == 1 && v.reason == NULL);
        const vch_admission *a = vch_admitted_peer_verdict(vch_admitted_peer_of(session));
        CHECK(a->attested == (pairs[i][0] != &col2));
        CHECK(a->simulated == a->attested);
        assert_string_equal(a->address, "192.0.2.7:50051");
        g.session_free(session);
        look_away(&v);
    }
}

static void a_stock_peer_is_admitted_by_its_pki_certificate(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    view v;
    void *session = NULL;
    look(&v, &col2, &agg, VCH_TLS_FACE_STOCK);
    vch_tls_gate g = vch_gate_functions(agg.gate);
    CHECK_OK(g.check_certificate(g.context, &v.peer, &err), &err);
    CHECK_OK(g.admit(g.context, &v.peer, (vouch_span) { 0 }, &session, &err), &err);
    assert_string_equal(vch_admitted_peer_name(vch_admitted_peer_of(session)), "col2");
    CHECK(!vch_admitted_peer_verdict(vch_admitted_peer_of(session))->attested);
    g.session_free(session);
    look_away(&v);
}

static void a_refused_peer_is_told_the_class_and_the_operator_everything(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    view v;
    look(&v, &col1, &agg, VCH_TLS_FACE_VOUCH);
    v.peer.face = VCH_TLS_FACE_STOCK; /* evidence is owed, h2 was chosen */
    vch_tls_gate g = vch_gate_functions(agg.gate);
    CHECK(g.check_certificate(g.context, &v.peer, &err) == VOUCH_E_REFUSED);
    assert_string_equal(v.reason, "evidence");
    CHECK(agg.told == 1 && agg.last.code == VCH_REFUSED_H2);
    CHECK(strstr(agg.last.message, "col1") != NULL && strstr(v.reason, "col1") == NULL);
    look_away(&v);
}

static void a_message_that_is_none_is_refused(void **state)
{
    (void)state;
    static const uint8_t junk[] = { 0xa3, 1, 2 };
    const vouch_span messages[] = { { NULL, 0 }, { junk, sizeof junk } };
    for (size_t i = 0; i < 2; i++) {
        vouch_error err = { 0 };
        view v;
        void *session = NULL;
        look(&v, &col1, &agg, VCH_TLS_FACE_VOUCH);
        vch_tls_gate g = vch_gate_functions(agg.gate);
        CHECK(g.admit(g.context, &v.peer, messages[i], &session, &err) == VOUCH_E_REFUSED);
        CHECK(session == NULL && agg.last.code == VCH_REFUSED_CHANNEL_MESSAGE && agg.told == 1);
        look_away(&v);
    }
}

/* Claims and enrolment are looked at before the client's own certificate leaves. */
static void a_client_refuses_inside_the_handshake_what_a_server_refuses_after_it(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    world_evidence e;
    view v;
    void *session = NULL;
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer message = vch_buffer_with_cap(VCH_CHANNEL_MESSAGE_MAX_SIZE);
    world_evidence_begin(&w, WORLD_AGG, &e);
    memcpy(e.claims.policy, vch_attestation_file_federation(agg.file)->digest, 32);
    e.site_key = w.site[WORLD_COL1]; /* genuine code on another site */
    world_issue(&w, &e);
    look(&v, &agg, &col1, VCH_TLS_FACE_VOUCH);
    v.peer.certificate = vch_buffer_span(&e.certificate);
    vch_tls_gate client = vch_gate_functions(col1.gate);
    CHECK(client.check_certificate(client.context, &v.peer, &err) == VOUCH_E_REFUSED);
    CHECK(col1.last.code == VCH_REFUSED_ENROLMENT && col1.told == 1);
    look_away(&v);
    world_evidence_drop(&e);

    world_evidence_begin(&w, WORLD_COL1, &e);
    memcpy(e.claims.policy, vch_attestation_file_federation(agg.file)->digest, 32);
    e.site_key = w.site[WORLD_COL2];
    world_issue(&w, &e);
    look(&v, &col1, &agg, VCH_TLS_FACE_VOUCH);
    message_of(&col1, &v, &message);
    v.peer.certificate = vch_buffer_span(&e.certificate);
    vch_tls_gate server = vch_gate_functions(agg.gate);
    CHECK_OK(server.check_certificate(server.context, &v.peer, &err), &err);
    CHECK(server.admit(server.context, &v.peer, vch_buffer_span(&message), &session, &err)
          == VOUCH_E_REFUSED);
    CHECK(session == NULL && agg.last.code == VCH_REFUSED_ENROLMENT && agg.told == 1);
    assert_string_equal(v.reason, "identity");
    look_away(&v);
    world_evidence_drop(&e);
}

static void a_client_takes_only_the_aggregator_for_the_aggregator(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    view v;
    look(&v, &col1, &col1, VCH_TLS_FACE_VOUCH); /* another genuine participant answers */
    vch_tls_gate g = vch_gate_functions(col1.gate);
    CHECK(g.check_certificate(g.context, &v.peer, &err) == VOUCH_E_REFUSED);
    CHECK(col1.last.code == VCH_REFUSED_NAME);
    look_away(&v);
}

static void settings_are_made_and_renewed(void **state)
{
    (void)state;
    side *const sides[] = { &agg, &col1, &col2 };
    for (size_t i = 0; i < 3; i++) {
        vouch_error err = { 0 };
        vch_tls_settings *settings = NULL;
        CHECK_OK(vch_gate_tls_settings(sides[i]->gate, &settings, &err), &err);
        CHECK_OK(vch_gate_renew(sides[i]->gate, settings, &err), &err);
        vch_tls_settings_free(settings);
    }
}

static void an_aggregators_gate_needs_a_roster(void **state)
{
    (void)state;
    vch_gate *g = NULL;
    const vch_gate_options o = { .participant = agg.participant };
    CHECK(vch_gate_new(&o, &g, NULL) == VOUCH_E_INTERNAL && g == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_sides_admit_each_other),
        TEST(a_stock_peer_is_admitted_by_its_pki_certificate),
        TEST(a_refused_peer_is_told_the_class_and_the_operator_everything),
        TEST(a_message_that_is_none_is_refused),
        TEST(a_client_refuses_inside_the_handshake_what_a_server_refuses_after_it),
        TEST(a_client_takes_only_the_aggregator_for_the_aggregator),
        TEST(settings_are_made_and_renewed),
        TEST(an_aggregators_gate_needs_a_roster),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
