/* The gate, called as net/tls calls it, between two participants of one federation. */
#include "identity/peer.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "identity/channel.h"
#include "side.h"

static world w;
static device aggregator_device;
static device collaborator_device;

static side agg;
static side col1;
static side col2; /* not attested */

static int set_up(void **state)
{
    (void)state;
    world_make(&w);
    device_start(&aggregator_device, &w, WORLD_AGGREGATOR_MEASUREMENT);
    device_start(&collaborator_device, &w, WORLD_COLLABORATOR_MEASUREMENT);
    side_write_pki(&agg, &w, WORLD_AGG, WORLD_AGGREGATOR);
    side_write_pki(&col1, &w, WORLD_COL1, "col1");
    side_write_pki(&col2, &w, WORLD_COL2, "col2"); /* its own CA, which the others trust */
    side_join(&agg, &w, WORLD_AGG, WORLD_AGGREGATOR, &aggregator_device, NULL, &col2);
    side_join(&col1, &w, WORLD_COL1, "col1", &collaborator_device, NULL, &col2);
    side_join(&col2, &w, WORLD_COL2, "col2", &collaborator_device, NULL, &col2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    side_leave(&agg);
    side_leave(&col1);
    side_leave(&col2);
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
