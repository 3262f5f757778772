#include "identity/participant.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "crypto/cert_builder.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "device.h"
#include "identity/passport.h"
#include "identity/ratls_cert.h"
#include "net/tls_chain.h"

static world w;
static device aggregator_device;
static device collaborator_device;
static int64_t now_unix_s;
static char key_path[WORLD_SITES][VCH_PATH_SIZE];
static char cert_path[WORLD_SITES][VCH_PATH_SIZE];

static int64_t read_clock(void *clock)
{
    return *(int64_t *)clock;
}

static void write_pki(size_t site, const char *name)
{
    static const uint8_t serial[] = { 0x44 };
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
                                       .not_after_unix_s = WORLD_NOW + 30 * 86400,
                                       .pathlen = VCH_PATHLEN_NONE };
    (void)snprintf(file, sizeof file, "%s.key", name);
    CHECK_OK(vch_path_join(w.dir, file, key_path[site], &err), &err);
    (void)snprintf(file, sizeof file, "%s.crt", name);
    CHECK_OK(vch_path_join(w.dir, file, cert_path[site], &err), &err);
    CHECK_OK(vch_key_private_pem(w.site[site], VCH_KEY_FORM_PKCS8, &key, &err), &err);
    CHECK_OK(vch_file_write(key_path[site], (vouch_span) { key.data, key.size }, 0600, &err), &err);
    CHECK_OK(vch_cert_build(&options, &der, &err), &err);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&der), &pem);
    CHECK_OK(vch_file_write(cert_path[site], vch_buffer_span(&pem), 0644, &err), &err);
}

static int set_up(void **state)
{
    (void)state;
    world_make(&w);
    device_start(&aggregator_device, &w, WORLD_AGGREGATOR_MEASUREMENT);
    device_start(&collaborator_device, &w, WORLD_COLLABORATOR_MEASUREMENT);
    write_pki(WORLD_AGG, WORLD_AGGREGATOR);
    write_pki(WORLD_COL1, "col1");
    write_pki(WORLD_COL2, "col2");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    device_stop(&aggregator_device);
    device_stop(&collaborator_device);
    world_drop(&w);
    return 0;
}

/* The policy as a host has it: its own device, its own key. */
static void policy_at(world_site site, const device *d, const world_policy *base)
{
    char local[2 * VCH_PATH_SIZE];
    world_policy p = *base;
    (void)snprintf(local, sizeof local, "  attestation_dir: '%s'\n%s%s%s%s%s",
                   d == NULL ? "/nonexistent" : vch_pseudo_files_directory(d->files),
                   base->local != NULL ? base->local : "  enrolment: {cert: '",
                   base->local != NULL ? "" : cert_path[site],
                   base->local != NULL ? "" : "', key: '",
                   base->local != NULL ? "" : key_path[site], base->local != NULL ? "" : "'}\n");
    p.local = local;
    if (p.token == NULL)
        p.token = "off"; /* the verifier's part is proven end to end */
    world_set_policy(&w, &p);
}

static vch_participant_options options_of(world_site site)
{
    static const char *const names[] = { WORLD_AGGREGATOR, "col1", "col2" };
    now_unix_s = WORLD_NOW;
    return (vch_participant_options) {
        .file = w.file,
        .role = site == WORLD_AGG ? VCH_ROLE_AGGREGATOR : VCH_ROLE_COLLABORATOR,
        .name = names[site],
        .address = site == WORLD_AGG ? WORLD_AGGREGATOR : NULL,
        .plan_digest = w.plan,
        .pki_chain = cert_path[WORLD_COL2],
        .now_unix_s = read_clock,
        .clock = &now_unix_s,
    };
}

static vch_participant *start(world_site site, const device *d)
{
    vouch_error err = { 0 };
    vch_participant *p = NULL;
    policy_at(site, d, &(world_policy) { 0 });
    vch_participant_options o = options_of(site);
    CHECK_OK(vch_participant_new(&o, &p, &err), &err);
    return p;
}

/* Fails with the code, and its text holds `says`. */
static void expect_failure(const vch_participant_options *o, vouch_code want, const char *says)
{
    vouch_error err = { 0 };
    char text[VOUCH_ERROR_DEPTH * VOUCH_ERROR_TEXT];
    vch_participant *p = NULL;
    vouch_code rc = vch_participant_new(o, &p, &err);
    CHECK(p == NULL);
    vouch_error_text(&err, text, sizeof text);
    if (rc != want || strstr(text, says) == NULL)
        fail_msg("%s: %s (wanted '%s')", vouch_code_name(rc), text, says);
}

static void an_attested_aggregator_shows_what_its_peers_admit(void **state)
{
    (void)state;
    vch_participant *p = start(WORLD_AGG, &aggregator_device);
    const vch_credentials *c = vch_participant_credentials(p);
    vch_admission a = { 0 };
    vch_admission_rules rules = world_rules(&w);
    const vch_admission_request request = { .certificate = c->certificate,
                                            .role = VCH_ROLE_AGGREGATOR,
                                            .name = WORLD_AGGREGATOR,
                                            .now_unix_s = now_unix_s };
    vch_admission_judge(&rules, &request, &a);
    if (a.code != VCH_ADMITTED)
        fail_msg("%s: %s", vch_admission_code_name(a.code), a.message);
    CHECK(c->attested && c->generation == 1 && c->appraisal.simulated);
    CHECK(c->nbf_unix_s == WORLD_NOW - 600 && c->exp_unix_s == WORLD_NOW + 86400);
    CHECK(vch_key_is_private(c->key) && vch_key_kind_of(c->key) == VCH_KEY_P384);
    vch_credentials_unref(c);
    vch_participant_free(p);
}

static void stock_peers_get_a_leaf_under_the_ca_that_the_claims_name(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_claims claims = { 0 };
    uint8_t digest[32];
    bool trusted = false;
    char why[VCH_TLS_WHY_SIZE] = "";
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(65536);
    VCH_SCOPED(vch_tls_trust_drop) vch_tls_trust *trust = NULL;
    vch_participant *p = start(WORLD_AGG, &aggregator_device);
    const vch_credentials *c = vch_participant_credentials(p);
    CHECK_OK(vch_claims_parse(c->claims, &claims, &err), &err);
    CHECK_OK(vch_sha256(c->ca, digest, &err), &err);
    CHECK(claims.has_ca && memcmp(claims.ca, digest, 32) == 0);
    vch_pem_encode(VCH_PEM_CERTIFICATE, c->ca, &pem);
    CHECK_OK(vch_tls_trust_from_pem(vch_buffer_span(&pem), &trust, &err), &err);
    const vch_tls_peer peer = { .certificate = c->stock, .host = WORLD_AGGREGATOR };
    CHECK_OK(vch_tls_verify_chain(trust, &peer, now_unix_s, &trusted, why, &err), &err);
    CHECK(trusted);
    vch_credentials_unref(c);
    vch_participant_free(p);
}

static void an_attested_collaborator_speaks_no_h2(void **state)
{
    (void)state;
    vch_participant *p = start(WORLD_COL1, &collaborator_device);
    const vch_credentials *c = vch_participant_credentials(p);
    CHECK(c->attested && c->stock.size == 0 && c->ca.size == 0);
    vch_credentials_unref(c);
    vch_participant_free(p);
}

/* The participant starts, and says of itself what its peers will say. */
static void expect_doubt(const vch_participant_options *o, vch_admission_code code)
{
    vouch_error err = { 0 };
    vch_participant *p = NULL;
    CHECK_OK(vch_participant_new(o, &p, &err), &err);
    const vch_credentials *c = vch_participant_credentials(p);
    CHECK(c->appraisal.code == code);
    vch_credentials_unref(c);
    vch_participant_free(p);
}

static void an_aggregator_that_peers_would_refuse_does_not_start(void **state)
{
    (void)state;
    policy_at(WORLD_AGG, &collaborator_device, &(world_policy) { 0 }); /* another measurement */
    vch_participant_options o = options_of(WORLD_AGG);
    expect_failure(&o, VOUCH_E_REFUSED, "our own evidence would be refused (measurement)");
}

static void a_collaborator_that_peers_would_refuse_knows_it(void **state)
{
    (void)state;
    policy_at(WORLD_COL1, &aggregator_device, &(world_policy) { 0 }); /* another measurement */
    vch_participant_options o = options_of(WORLD_COL1);
    expect_doubt(&o, VCH_REFUSED_MEASUREMENT);
}

static void everything_that_is_missing_is_named_at_once(void **state)
{
    (void)state;
    policy_at(WORLD_AGG, &aggregator_device,
              &(world_policy) { .local = "  clock_skew_s: 100\n", .token = "required" });
    vch_participant_options o = options_of(WORLD_AGG);
    o.address = "auto";
    o.pki_chain = NULL;
    static const char *const things[] = { "local.enrolment.key", "AVS_URL", "ITA_API_KEY",
                                          "agg_addr", "cert_chain.crt" };
    for (size_t i = 0; i < sizeof things / sizeof *things; i++)
        expect_failure(&o, VOUCH_E_CONFIG, things[i]);
}

static void a_key_that_the_policy_does_not_pin_is_noticed_at_home(void **state)
{
    (void)state;
    policy_at(WORLD_COL2, &collaborator_device, &(world_policy) { 0 });
    vch_participant_options o = options_of(WORLD_COL1); /* col1's name with col2's key */
    expect_doubt(&o, VCH_REFUSED_ENROLMENT);
    policy_at(WORLD_COL1, &aggregator_device, &(world_policy) { 0 });
    o = options_of(WORLD_AGG); /* the aggregator's name with col1's key */
    expect_failure(&o, VOUCH_E_CONFIG, "is not the key that the policy pins");
}

static void strangers_and_other_roles_do_not_start(void **state)
{
    (void)state;
    policy_at(WORLD_COL1, &collaborator_device, &(world_policy) { 0 });
    vch_participant_options o = options_of(WORLD_COL1);
    o.name = "mallory";
    expect_failure(&o, VOUCH_E_CONFIG, "'mallory' is not among the participants");
    o = options_of(WORLD_COL1);
    o.role = VCH_ROLE_AGGREGATOR;
    o.address = "x";
    expect_failure(&o, VOUCH_E_CONFIG, "is listed as collaborator");
}

static void a_start_without_plan_or_with_a_name_too_long_is_refused(void **state)
{
    (void)state;
    char name[VCH_PARTICIPANT_NAME_SIZE + 1];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = 0;
    policy_at(WORLD_COL1, &collaborator_device, &(world_policy) { 0 });
    vch_participant_options o = options_of(WORLD_COL1);
    o.plan_digest = NULL;
    expect_failure(&o, VOUCH_E_CONFIG, "the plan's digest is not known");
    o = options_of(WORLD_COL1);
    o.name = name;
    expect_failure(&o, VOUCH_E_CONFIG, "cannot be a name");
}

static void a_policy_that_has_not_begun_is_not_used(void **state)
{
    (void)state;
    policy_at(WORLD_COL1, &collaborator_device, &(world_policy) { 0 });
    vch_participant_options o = options_of(WORLD_COL1);
    now_unix_s = 1796115600 - 121; /* 2026-12-01T09:00:00Z and the skew before it */
    expect_failure(&o, VOUCH_E_CONFIG, "holds only from 2026-12-01T09:00:00Z");
}

static void no_device_no_start(void **state)
{
    (void)state;
    policy_at(WORLD_COL1, NULL, &(world_policy) { 0 });
    vch_participant_options o = options_of(WORLD_COL1);
    expect_failure(&o, VOUCH_E_NOT_FOUND, "is no attestation device");
}

static void an_unattested_participant_shows_its_pki_certificate(void **state)
{
    (void)state;
    vch_participant *p = start(WORLD_COL2, &collaborator_device);
    const vch_credentials *c = vch_participant_credentials(p);
    CHECK(!c->attested && c->certificate.size > 0);
    CHECK(vch_span_equal(c->certificate, c->stock));
    CHECK(vch_key_same_public(c->key, w.site[WORLD_COL2]));
    CHECK(c->claims.size == 0 && c->quote.size == 0);
    vch_credentials_unref(c);
    vch_participant_free(p);
}

static void certificates_are_renewed_at_two_thirds_of_their_life(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_participant *p = start(WORLD_COL1, &collaborator_device);
    const vch_credentials *first = vch_participant_credentials(p);
    int64_t due = first->nbf_unix_s + (first->exp_unix_s - first->nbf_unix_s) * 2 / 3;
    now_unix_s = due - 1;
    CHECK_OK(vch_participant_refresh(p, &err), &err);
    CHECK(vch_participant_generation(p) == 1);
    now_unix_s = due;
    CHECK_OK(vch_participant_refresh(p, &err), &err);
    const vch_credentials *second = vch_participant_credentials(p);
    CHECK(second->generation == 2 && second->nbf_unix_s == due - 600);
    CHECK(second->key == first->key); /* the key stays, and so do running calls */
    CHECK(!vch_span_equal(first->certificate, second->certificate));
    vch_credentials_unref(first);
    vch_credentials_unref(second);
    vch_participant_free(p);
}

static void the_background_thread_renews_and_stops(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_participant *p = start(WORLD_COL1, &collaborator_device);
    now_unix_s = WORLD_NOW + 80000; /* before the thread is there to read it */
    CHECK_OK(vch_participant_keep_fresh(p, &err), &err);
    for (int i = 0; i < 400 && vch_participant_generation(p) == 1; i++)
        (void)poll(NULL, 0, 25);
    CHECK(vch_participant_generation(p) == 2);
    vch_participant_free(p);
}

static void its_documents_verify_and_hold_no_private_key(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char dir[VCH_PATH_SIZE];
    char path[VCH_PATH_SIZE];
    static const char *const files[] = { WORLD_AGGREGATOR "_passport.json",
                                         WORLD_AGGREGATOR "_pubkey.pem",
                                         WORLD_AGGREGATOR "_root.pem" };
    vch_participant *p = start(WORLD_AGG, &aggregator_device);
    CHECK_OK(vch_path_join(w.dir, "reports", dir, &err), &err);
    CHECK_OK(vch_participant_write_passport(p, dir, &err), &err);
    CHECK_OK(vch_participant_write_root(p, dir, &err), &err);
    for (size_t i = 0; i < 3; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
        CHECK_OK(vch_path_join(dir, files[i], path, &err), &err);
        CHECK_OK(vch_file_read(path, VCH_PASSPORT_MAX_SIZE, &text, &err), &err);
        CHECK(strstr(vch_buffer_text(&text), "PRIVATE") == NULL);
        if (i > 0)
            continue;
        VCH_SCOPED(vch_passport_drop) vch_passport *passport = NULL;
        vch_passport_verdict v = { 0 };
        const vch_passport_expectation e = { .file = w.file,
                                             .plan_digest = w.plan,
                                             .now_unix_s = now_unix_s };
        CHECK_OK(vch_passport_parse(vch_buffer_span(&text), &passport, &err), &err);
        CHECK_OK(vch_passport_verify(passport, &e, &v, &err), &err);
        if (v.admission.code != VCH_ADMITTED)
            fail_msg("%s", v.admission.message);
        CHECK(!v.time_proven); /* no token */
    }
    vch_participant_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_attested_aggregator_shows_what_its_peers_admit),
        TEST(stock_peers_get_a_leaf_under_the_ca_that_the_claims_name),
        TEST(an_attested_collaborator_speaks_no_h2),
        TEST(an_aggregator_that_peers_would_refuse_does_not_start),
        TEST(a_collaborator_that_peers_would_refuse_knows_it),
        TEST(everything_that_is_missing_is_named_at_once),
        TEST(a_key_that_the_policy_does_not_pin_is_noticed_at_home),
        TEST(strangers_and_other_roles_do_not_start),
        TEST(a_start_without_plan_or_with_a_name_too_long_is_refused),
        TEST(a_policy_that_has_not_begun_is_not_used),
        TEST(no_device_no_start),
        TEST(an_unattested_participant_shows_its_pki_certificate),
        TEST(certificates_are_renewed_at_two_thirds_of_their_life),
        TEST(the_background_thread_renews_and_stops),
        TEST(its_documents_verify_and_hold_no_private_key),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
