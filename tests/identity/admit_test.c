/*
 * Admission, one test for each refusal: take the check out and the test fails. The evidence is of
 * genuine form throughout: simulated quotes under a root that the policy pins.
 */
#include "identity/admit.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "crypto/cert_builder.h"
#include "identity/roster.h"
#include "world.h"

static world w;

static int make_world(void **state)
{
    (void)state;
    world_make(&w);
    return 0;
}

static int drop_world(void **state)
{
    (void)state;
    world_drop(&w);
    return 0;
}

/* The usual policy again, whatever a test did. */
static int usual_policy(void **state)
{
    (void)state;
    world_set_policy(&w, &(world_policy) { 0 });
    return 0;
}

/* One peer with everything that can be bent about how it comes. */
typedef struct visit {
    world_evidence e;
    world_token t;
    vch_buffer token;
    vch_admission_request request;
} visit;

static void begin(visit *v, world_site site)
{
    *v = (visit) { .token = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE) };
    world_evidence_begin(&w, site, &v->e);
    v->request.role = v->e.claims.role;
    v->request.now_unix_s = WORLD_NOW;
}

static void issue(visit *v)
{
    world_issue(&w, &v->e);
    world_token_usual(&v->e, &v->t);
    v->request.certificate = vch_buffer_span(&v->e.certificate);
}

static void take_token(visit *v)
{
    world_token_make(&w, &v->e, &v->t, &v->token);
    v->request.token = vch_buffer_span(&v->token);
}

static void end(visit *v)
{
    vch_buffer_drop(&v->token);
    world_evidence_drop(&v->e);
}

static vch_admission judged(const visit *v)
{
    vch_admission a = { 0 };
    vch_admission_rules rules = world_rules(&w);
    vch_admission_judge(&rules, &v->request, &a);
    return a;
}

/* Issue what is left, judge, compare, clean up. */
static void expect(visit *v, vch_admission_code want)
{
    if (v->e.certificate.size == 0)
        issue(v);
    if (v->token.size == 0 && v->request.token.data == NULL)
        take_token(v);
    vch_admission a = judged(v);
    if (a.code != want)
        fail_msg("%s, expected %s: %s", vch_admission_code_name(a.code),
                 vch_admission_code_name(want), a.message);
    CHECK(a.message[0] != 0);
    end(v);
}

static void participants_with_all_that_they_owe_are_admitted(void **state)
{
    (void)state;
    for (int site = WORLD_AGG; site <= WORLD_COL1; site++) {
        visit v;
        begin(&v, (world_site)site);
        issue(&v);
        take_token(&v);
        vch_admission a = judged(&v);
        if (a.code != VCH_ADMITTED)
            fail_msg("%s: %s", vch_admission_code_name(a.code), a.message);
        CHECK(vch_admission_admits(&a) && a.attested && a.token_verified);
        CHECK(a.simulated); /* and every verdict says so */
        assert_string_equal(a.tcb_status, "UpToDate");
        assert_string_equal(a.tee, "sgx");
        CHECK(strncmp(a.measurement, site == WORLD_AGG ? "aaaa" : "cccc", 4) == 0);
        end(&v);
    }
}

static void nothing_decided_admits_nobody(void **state)
{
    (void)state;
    vch_admission a = { 0 };
    CHECK(!vch_admission_admits(&a));
}

/* --- the certificate --- */

static void a_certificate_of_one_megabyte_is_refused(void **state)
{
    (void)state;
    static uint8_t big[1 << 20];
    visit v;
    begin(&v, WORLD_COL1);
    issue(&v);
    v.request.certificate = (vouch_span) { big, sizeof big };
    expect(&v, VCH_REFUSED_SIZE);
}

static void a_byte_after_the_certificate_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    issue(&v);
    vch_buffer_u8(&v.e.certificate, 0);
    v.request.certificate = vch_buffer_span(&v.e.certificate);
    expect(&v, VCH_REFUSED_CERTIFICATE);
}

static void no_evidence_at_all_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.dice_oid = "";
    v.e.site_key = NULL;
    expect(&v, VCH_REFUSED_NO_EVIDENCE);
}

static void an_enrolment_without_evidence_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.dice_oid = "";
    expect(&v, VCH_REFUSED_NO_EVIDENCE);
}

static void a_critical_extension_that_nobody_knows_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.critical_oid = "1.2.3.4.5";
    expect(&v, VCH_REFUSED_CERTIFICATE);
}

static void a_legacy_extension_offered_to_dodge_the_claims_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.dice_oid = "";
    v.e.legacy = true;
    expect(&v, VCH_REFUSED_NO_EVIDENCE);
}

static void an_evidence_extension_twice_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1); /* Gramine's OID in both its spellings is one dialect */
    v.e.dice_oid = "1.2.840.113741.1337.6";
    v.e.legacy = true;
    expect(&v, VCH_REFUSED_DUPLICATE);
}

static void a_legacy_extension_of_another_measurement_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.legacy = true;
    expect(&v, VCH_ADMITTED);
    begin(&v, WORLD_COL1);
    v.e.legacy = true;
    v.e.legacy_measurement = 0x66;
    expect(&v, VCH_REFUSED_LEGACY);
}

static void evidence_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    issue(&v);
    uint8_t *quote =
        memmem(v.e.certificate.data, v.e.certificate.size, v.e.quote.data, v.e.quote.size);
    CHECK(quote != NULL);
    quote[0] = 99; /* a quote of version 99 */
    expect(&v, VCH_REFUSED_EVIDENCE_FORM);
}

static void claims_without_a_pubkey_hash_are_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    issue(&v);
    /* "pubkey-hash" becomes a claim that nobody knows. */
    uint8_t *key = memmem(v.e.certificate.data, v.e.certificate.size, "pubkey-hash", 11);
    CHECK(key != NULL);
    key[0] = 'P';
    expect(&v, VCH_REFUSED_EVIDENCE_FORM);
}

static void a_certificate_not_signed_by_its_own_key_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    issue(&v);
    v.e.certificate.data[v.e.certificate.size - 1] ^= 1U;
    expect(&v, VCH_REFUSED_SELF_SIGNATURE);
}

static void a_genuine_certificates_evidence_over_another_key_is_refused(void **state)
{
    (void)state;
    visit v;
    vch_key *mine = NULL;
    CHECK(vch_key_generate(VCH_KEY_P384, &mine, NULL) == VOUCH_OK);
    begin(&v, WORLD_COL1);
    v.e.certified_key = mine; /* relay: his evidence and enrolment, my key */
    expect(&v, VCH_REFUSED_KEY);
    vch_key_free(mine);
}

static void certificates_outside_their_time_are_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t now;
        vch_admission_code want;
    } cases[] = {
        { WORLD_NOW - 600 - 120, VCH_ADMITTED },
        { WORLD_NOW - 600 - 121, VCH_REFUSED_VALIDITY },
        { WORLD_NOW + 86400 + 120, VCH_ADMITTED },
        { WORLD_NOW + 86400 + 121, VCH_REFUSED_VALIDITY },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        visit v;
        begin(&v, WORLD_COL1);
        v.request.now_unix_s = cases[i].now;
        v.request.token_at_unix_s = WORLD_NOW;
        expect(&v, cases[i].want);
    }
}

/* --- the claims --- */

static void claims_for_another_federation_are_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.claims.federation[3] ^= 1U;
    expect(&v, VCH_REFUSED_FEDERATION);
}

static void a_name_that_is_not_listed_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    (void)snprintf(v.e.claims.name, sizeof v.e.claims.name, "mallory");
    expect(&v, VCH_REFUSED_NAME);
}

static void a_genuine_participant_that_is_not_the_one_expected_is_refused(void **state)
{
    (void)state;
    visit v; /* diversion */
    begin(&v, WORLD_AGG);
    v.request.name = "agg.example.com";
    expect(&v, VCH_REFUSED_NAME);
}

static void a_subject_other_than_the_claimed_name_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.subject = "col2";
    expect(&v, VCH_REFUSED_NAME);
}

static void the_genuine_program_in_the_other_role_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1); /* claims to be what its line does not say */
    v.e.claims.role = VCH_ROLE_AGGREGATOR;
    v.e.claims.has_ca = true;
    v.e.measurement = WORLD_AGGREGATOR_MEASUREMENT;
    expect(&v, VCH_REFUSED_ROLE);
    begin(&v, WORLD_COL1); /* truly a collaborator, where an aggregator must answer */
    v.request.role = VCH_ROLE_AGGREGATOR;
    expect(&v, VCH_REFUSED_ROLE);
}

static void the_genuine_program_with_another_plan_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.claims.plan[0] ^= 1U;
    expect(&v, VCH_REFUSED_PLAN);
}

static void claims_under_another_policy_are_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.claims.policy[31] ^= 1U;
    expect(&v, VCH_REFUSED_POLICY);
}

static void times_that_differ_or_last_too_long_are_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.exp_unix_s = v.e.claims.exp_unix_s + 1;
    expect(&v, VCH_REFUSED_TIMES);
    begin(&v, WORLD_COL1);
    v.e.nbf_unix_s = v.e.claims.nbf_unix_s - 1;
    expect(&v, VCH_REFUSED_TIMES);
    begin(&v, WORLD_COL1);
    v.e.claims.exp_unix_s = v.e.claims.nbf_unix_s + 86400 + 601;
    expect(&v, VCH_REFUSED_TIMES);
}

static void an_aggregator_without_its_ca_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_AGG);
    v.e.claims.has_ca = false;
    expect(&v, VCH_REFUSED_CA);
}

static void a_listed_exception_may_not_come_attested(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL2); /* listed as not attested */
    expect(&v, VCH_REFUSED_PKI);
}

/* --- whose name --- */

static void the_genuine_program_on_another_site_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.site_key = w.site[WORLD_COL2]; /* its own enrolment key, another's name */
    expect(&v, VCH_REFUSED_ENROLMENT);
}

static void a_certificate_without_enrolment_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.site_key = NULL;
    expect(&v, VCH_REFUSED_ENROLMENT);
}

/* --- the quote --- */

static void a_quote_over_other_claims_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.quoted_claims = vch_span_str("some other claims");
    expect(&v, VCH_REFUSED_REPORT_DATA);
}

static void a_quote_with_a_broken_signature_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    issue(&v);
    /* CPUSVN is at offset 48 of the quote, and signed. The certificate is signed again. */
    v.e.quote.data[48] ^= 1U;
    v.e.certificate.size = 0;
    world_certify(&w, &v.e);
    v.request.certificate = vch_buffer_span(&v.e.certificate);
    expect(&v, VCH_REFUSED_QUOTE);
}

static void a_simulated_platform_under_a_production_policy_is_refused(void **state)
{
    (void)state;
    visit v;
    vch_root_pins intel = { .intel = true };
    vch_collateral_cache *collateral = NULL;
    begin(&v, WORLD_COL1);
    CHECK(vch_collateral_cache_from_path(w.collateral_dir, &intel, &collateral, NULL) == VOUCH_OK);
    vch_collateral_cache_free(w.collateral);
    w.collateral = collateral;
    expect(&v, VCH_REFUSED_QUOTE);
}

static void a_root_that_nobody_pinned_is_refused(void **state)
{
    (void)state;
    visit v;
    world_set_policy(&w, &(world_policy) { .root = "2222222222222222222222222222222222222222222222"
                                                   "222222222222222222" });
    begin(&v, WORLD_COL1);
    expect(&v, VCH_REFUSED_QUOTE);
}

static void missing_collateral_is_a_refusal(void **state)
{
    (void)state;
    visit v;
    vch_admission a = { 0 };
    begin(&v, WORLD_COL1);
    issue(&v);
    vch_admission_rules rules = world_rules(&w);
    rules.collateral = NULL;
    vch_admission_judge(&rules, &v.request, &a);
    CHECK(a.code == VCH_REFUSED_NO_COLLATERAL && strstr(a.message, "could not find out") != NULL);
    end(&v);
}

/* Strangers must not be able to have collateral fetched for whatever platform they name. */
static void no_collateral_is_looked_for_before_the_enrolment_has_verified(void **state)
{
    (void)state;
    vch_admission_rules rules = world_rules(&w);
    rules.collateral = NULL;
    for (int enrolled = 0; enrolled < 2; enrolled++) {
        visit v;
        vch_admission a = { 0 };
        begin(&v, WORLD_COL1);
        if (!enrolled)
            v.e.site_key = w.site[WORLD_COL2];
        issue(&v);
        vch_admission_judge(&rules, &v.request, &a);
        CHECK(a.code == (enrolled ? VCH_REFUSED_NO_COLLATERAL : VCH_REFUSED_ENROLMENT));
        end(&v);
    }
}

static void another_measurement_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.measurement = 0xcd;
    expect(&v, VCH_REFUSED_MEASUREMENT);
    begin(&v, WORLD_COL1); /* the aggregator's code under a collaborator's name */
    v.e.measurement = WORLD_AGGREGATOR_MEASUREMENT;
    expect(&v, VCH_REFUSED_MEASUREMENT);
}

static void a_debug_enclave_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.e.debug = true;
    expect(&v, VCH_REFUSED_MEASUREMENT);
}

static void a_platform_state_that_is_not_accepted_is_refused(void **state)
{
    (void)state;
    visit v;
    world_set_policy(&w, &(world_policy) { .tcb = "{accept: [UpToDate], min_evaluation_number: "
                                                  "4000000}" });
    begin(&v, WORLD_COL1);
    expect(&v, VCH_REFUSED_TCB);
}

static void another_platform_than_the_pinned_one_is_refused(void **state)
{
    (void)state;
    char pin[128];
    char hex[33];
    visit v;
    for (unsigned flip = 0; flip < 2; flip++) {
        uint8_t ppid[16];
        memcpy(ppid, w.platform->ppid, sizeof ppid);
        ppid[0] = (uint8_t)(ppid[0] ^ flip);
        for (size_t i = 0; i < sizeof ppid; i++)
            (void)snprintf(hex + 2 * i, 3, "%02x", ppid[i]);
        (void)snprintf(pin, sizeof pin, ", platform: ['%s']", hex);
        world_set_policy(&w, &(world_policy) { .col1 = pin });
        begin(&v, WORLD_COL1);
        expect(&v, flip == 0 ? VCH_ADMITTED : VCH_REFUSED_PLATFORM);
    }
}

static void an_older_certificate_after_a_newer_one_is_refused(void **state)
{
    (void)state;
    visit newer;
    visit older;
    vch_roster *roster = NULL;
    vch_admission a = { 0 };
    vch_admitted_peer *peer = NULL;
    CHECK(vch_roster_new(vch_attestation_file_federation(w.file), &roster, NULL) == VOUCH_OK);
    vch_admission_rules rules = world_rules(&w);
    begin(&newer, WORLD_COL1);
    issue(&newer);
    take_token(&newer);
    newer.request.roster = roster;
    vch_admit(&rules, &newer.request, &a, &peer);
    CHECK(a.code == VCH_ADMITTED && peer != NULL);
    vch_admitted_peer_free(peer);
    begin(&older, WORLD_COL1);
    older.e.claims.nbf_unix_s -= 601;
    older.e.claims.exp_unix_s -= 601;
    older.request.roster = roster;
    expect(&older, VCH_REFUSED_REPLAY);
    end(&newer);
    vch_roster_free(roster);
}

/* --- the token --- */

static void a_required_token_that_is_absent_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.request.token = (vouch_span) { (const uint8_t *)"", 0 };
    expect(&v, VCH_REFUSED_TOKEN_ABSENT);
}

static void a_token_is_not_asked_for_where_the_policy_says_off(void **state)
{
    (void)state;
    visit v;
    world_set_policy(&w, &(world_policy) { .token = "off" });
    begin(&v, WORLD_COL1);
    v.request.token = (vouch_span) { (const uint8_t *)"", 0 };
    expect(&v, VCH_ADMITTED);
}

static void a_token_that_expired_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    issue(&v);
    v.t.issued_at_unix_s = WORLD_NOW - 300 - 121;
    expect(&v, VCH_REFUSED_TOKEN);
}

static void the_token_of_another_certificate_is_refused(void **state)
{
    (void)state;
    visit v;
    visit other;
    begin(&other, WORLD_AGG);
    issue(&other);
    take_token(&other);
    begin(&v, WORLD_COL1);
    issue(&v);
    v.request.token = other.request.token;
    expect(&v, VCH_REFUSED_TOKEN);
    end(&other);
}

static void a_token_of_another_measurement_debug_flag_or_root_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    issue(&v);
    v.t.measurement = 0xcd;
    expect(&v, VCH_REFUSED_TOKEN);
    begin(&v, WORLD_COL1);
    issue(&v);
    v.t.debug = true;
    expect(&v, VCH_REFUSED_TOKEN);
    begin(&v, WORLD_COL1);
    issue(&v);
    v.t.not_simulated = true;
    expect(&v, VCH_REFUSED_TOKEN);
}

static void a_token_without_a_nonce_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    issue(&v);
    v.t.no_nonce = true;
    expect(&v, VCH_REFUSED_TOKEN);
}

static void a_token_for_an_outdated_platform_is_refused(void **state)
{
    (void)state;
    visit v; /* Intel's service issues tokens for such platforms */
    begin(&v, WORLD_COL1);
    issue(&v);
    v.t.status = VOUCH_TCB_OUT_OF_DATE;
    expect(&v, VCH_REFUSED_TOKEN);
    begin(&v, WORLD_COL1);
    issue(&v);
    v.t.advisory = "INTEL-SA-00615";
    expect(&v, VCH_REFUSED_TOKEN);
}

static void a_token_of_an_issuer_that_is_not_pinned_is_refused(void **state)
{
    (void)state;
    issuer other;
    visit v;
    begin(&v, WORLD_COL1);
    issue(&v);
    issuer_make(&other, NULL, NULL);
    issuer mine = w.issuer;
    w.issuer = other; /* signs with the same key id, under another root */
    take_token(&v);
    w.issuer = mine;
    expect(&v, VCH_REFUSED_TOKEN);
    issuer_drop(&other);
}

static void without_the_issuers_keys_nothing_can_be_found_out(void **state)
{
    (void)state;
    visit v;
    vch_admission a = { 0 };
    begin(&v, WORLD_COL1);
    issue(&v);
    take_token(&v);
    vch_admission_rules rules = world_rules(&w);
    rules.issuers = NULL;
    vch_admission_judge(&rules, &v.request, &a);
    CHECK(a.code == VCH_REFUSED_NO_ISSUER_KEYS);
    end(&v);
}

/* --- the channel --- */

static void a_channel_quote_is_demanded_where_the_policy_says_so(void **state)
{
    (void)state;
    static const uint8_t expected[64] = { 1 };
    static const uint8_t other[64] = { 2 };
    static const struct {
        const uint8_t *over;
        uint8_t measurement;
        vch_admission_code want;
    } cases[] = {
        { expected, WORLD_COLLABORATOR_MEASUREMENT, VCH_ADMITTED },
        { NULL, 0, VCH_REFUSED_CHANNEL_QUOTE },
        { other, WORLD_COLLABORATOR_MEASUREMENT, VCH_REFUSED_CHANNEL_QUOTE },
        { expected, WORLD_AGGREGATOR_MEASUREMENT, VCH_REFUSED_CHANNEL_QUOTE },
    };
    world_set_policy(&w, &(world_policy) { .channel = "quote" });
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        visit v;
        VCH_SCOPED(vch_buffer_drop) vch_buffer fresh = vch_buffer_with_cap(16384);
        begin(&v, WORLD_COL1);
        if (cases[i].over != NULL)
            world_quote(&w, cases[i].measurement, false, cases[i].over, &fresh);
        v.request.fresh_quote = vch_buffer_span(&fresh);
        v.request.fresh_report_data = expected;
        expect(&v, cases[i].want);
    }
}

static void a_channel_quote_that_is_not_genuine_is_refused(void **state)
{
    (void)state;
    static const uint8_t expected[64] = { 1 };
    visit v;
    VCH_SCOPED(vch_buffer_drop) vch_buffer fresh = vch_buffer_with_cap(16384);
    world_set_policy(&w, &(world_policy) { .channel = "quote" });
    begin(&v, WORLD_COL1);
    world_quote(&w, WORLD_COLLABORATOR_MEASUREMENT, false, expected, &fresh);
    fresh.data[48] ^= 1U; /* CPUSVN: signed, and compared with nothing else */
    v.request.fresh_quote = vch_buffer_span(&fresh);
    v.request.fresh_report_data = expected;
    expect(&v, VCH_REFUSED_CHANNEL_QUOTE);
}

static void a_channel_quote_of_other_accepted_code_is_refused(void **state)
{
    (void)state;
    static const uint8_t expected[64] = { 1 };
    static const char two[] = ", {mrenclave: "
                              "'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'}";
    visit v;
    VCH_SCOPED(vch_buffer_drop) vch_buffer fresh = vch_buffer_with_cap(16384);
    world_set_policy(&w, &(world_policy) { .channel = "quote", .collaborator = two });
    begin(&v, WORLD_COL1);
    world_quote(&w, 0xbb, false, expected, &fresh); /* the policy would admit it by itself */
    v.request.fresh_quote = vch_buffer_span(&fresh);
    v.request.fresh_report_data = expected;
    expect(&v, VCH_REFUSED_CHANNEL_QUOTE);
}

/* --- peers that are not attested --- */

static void pki_certificate(const char *name, const vch_key *key, vch_buffer *out)
{
    static const uint8_t serial[] = { 0x43 };
    const vch_name_part subject = { "CN", name };
    const vch_cert_options options = { .subject = &subject,
                                       .subject_count = 1,
                                       .signer = key,
                                       .serial = { serial, sizeof serial },
                                       .not_before_unix_s = WORLD_NOW - 86400,
                                       .not_after_unix_s = WORLD_NOW + 86400,
                                       .pathlen = VCH_PATHLEN_NONE };
    CHECK(vch_cert_build(&options, out, NULL) == VOUCH_OK);
}

static void a_pki_peer_needs_chain_listing_and_the_pinned_key(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *name;
        world_site key;
        bool stock, untrusted;
        int64_t later;
        vch_admission_code want;
    } cases[] = {
        { "as it should be", "col2", WORLD_COL2, false, false, 0, VCH_ADMITTED },
        { "over h2", "col2", WORLD_COL2, true, false, 0, VCH_ADMITTED },
        { "under no chain", "col2", WORLD_COL2, true, true, 0, VCH_REFUSED_PKI },
        { "with another key", "col2", WORLD_COL1, true, false, 0, VCH_REFUSED_PKI },
        { "a stranger", "mallory", WORLD_COL2, true, false, 0, VCH_REFUSED_NAME },
        { "in the other role", WORLD_AGGREGATOR, WORLD_AGG, true, false, 0, VCH_REFUSED_ROLE },
        { "a name that owes evidence, over h2", "col1", WORLD_COL1, true, false, 0,
          VCH_REFUSED_H2 },
        { "a name that owes evidence", "col1", WORLD_COL1, false, false, 0,
          VCH_REFUSED_NO_EVIDENCE },
        { "expired", "col2", WORLD_COL2, true, false, 86400 + 121, VCH_REFUSED_VALIDITY },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_admission a = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(8192);
        pki_certificate(cases[i].name, w.site[cases[i].key], &der);
        const vch_admission_request request = { .certificate = vch_buffer_span(&der),
                                                .role = VCH_ROLE_COLLABORATOR,
                                                .stock = cases[i].stock,
                                                .chain_trusted = !cases[i].untrusted,
                                                .now_unix_s = WORLD_NOW + cases[i].later };
        vch_admission_rules rules = world_rules(&w);
        vch_admission_judge(&rules, &request, &a);
        if (a.code != cases[i].want)
            fail_msg("%s: %s: %s", cases[i].what, vch_admission_code_name(a.code), a.message);
        CHECK(!a.attested);
    }
}

static void a_pki_peer_must_be_the_one_expected(void **state)
{
    (void)state;
    vch_admission a = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(8192);
    pki_certificate("col2", w.site[WORLD_COL2], &der);
    const vch_admission_request request = { .certificate = vch_buffer_span(&der),
                                            .role = VCH_ROLE_COLLABORATOR,
                                            .name = "col3",
                                            .chain_trusted = true,
                                            .now_unix_s = WORLD_NOW };
    vch_admission_rules rules = world_rules(&w);
    vch_admission_judge(&rules, &request, &a);
    CHECK(a.code == VCH_REFUSED_NAME);
}

/* Without a file of ours the chain decides; a name that cannot be shown is still none. */
static void without_a_federation_a_usable_name_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        vch_admission_code want;
    } cases[] = { { "col9", VCH_ADMITTED }, { "col\x1b[2J", VCH_REFUSED_NAME } };
    for (size_t i = 0; i < 2; i++) {
        vch_admission a = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(8192);
        pki_certificate(cases[i].name, w.site[WORLD_COL2], &der);
        const vch_admission_request request = { .certificate = vch_buffer_span(&der),
                                                .role = VCH_ROLE_COLLABORATOR,
                                                .chain_trusted = true,
                                                .now_unix_s = WORLD_NOW };
        const vch_admission_rules rules = { .file = NULL };
        vch_admission_judge(&rules, &request, &a);
        CHECK(a.code == cases[i].want && !a.attested);
    }
}

static void an_attested_certificate_over_h2_is_refused(void **state)
{
    (void)state;
    visit v;
    begin(&v, WORLD_COL1);
    v.request.stock = true;
    v.request.chain_trusted = true;
    expect(&v, VCH_REFUSED_H2);
}

/* --- connections --- */

static void the_last_calls_begin_early_enough_to_end_before_vouch_exp(void **state)
{
    (void)state;
    visit v;
    vch_roster *roster = NULL;
    vch_admission a = { 0 };
    vch_admitted_peer *peer = NULL;
    CHECK(vch_roster_new(vch_attestation_file_federation(w.file), &roster, NULL) == VOUCH_OK);
    vch_admission_rules rules = world_rules(&w);
    begin(&v, WORLD_COL1);
    v.e.claims.exp_unix_s = v.e.exp_unix_s = WORLD_NOW + 1800;
    issue(&v);
    take_token(&v);
    v.request.roster = roster;
    vch_admit(&rules, &v.request, &a, &peer);
    CHECK(a.code == VCH_ADMITTED);
    CHECK(vch_admitted_peer_standing(peer, WORLD_NOW + 1199) == VCH_STANDING_GOOD);
    CHECK(vch_admitted_peer_standing(peer, WORLD_NOW + 1200) == VCH_STANDING_REATTEST);
    CHECK(vch_admitted_peer_standing(peer, WORLD_NOW + 1800) == VCH_STANDING_EXPIRED);
    vch_admitted_peer_free(peer);
    end(&v);
    vch_roster_free(roster);
}

static void a_newer_certificate_replaces_the_connections_of_the_older(void **state)
{
    (void)state;
    visit first;
    visit second;
    vch_roster *roster = NULL;
    vch_admission a = { 0 };
    vch_admitted_peer *peers[2] = { NULL };
    CHECK(vch_roster_new(vch_attestation_file_federation(w.file), &roster, NULL) == VOUCH_OK);
    vch_admission_rules rules = world_rules(&w);
    begin(&first, WORLD_COL1);
    issue(&first);
    take_token(&first);
    first.request.roster = roster;
    vch_admit(&rules, &first.request, &a, &peers[0]);
    CHECK(a.code == VCH_ADMITTED);
    CHECK(vch_admitted_peer_standing(peers[0], WORLD_NOW) == VCH_STANDING_GOOD);
    CHECK(vch_admitted_peer_standing(peers[0], WORLD_NOW + 3600) == VCH_STANDING_REATTEST);
    CHECK(vch_admitted_peer_standing(peers[0], WORLD_NOW + 86400) == VCH_STANDING_EXPIRED);
    begin(&second, WORLD_COL1);
    second.e.claims.nbf_unix_s += 1;
    issue(&second);
    take_token(&second);
    second.request.roster = roster;
    vch_admit(&rules, &second.request, &a, &peers[1]);
    CHECK(a.code == VCH_ADMITTED);
    CHECK(vch_admitted_peer_standing(peers[0], WORLD_NOW) == VCH_STANDING_REPLACED);
    CHECK(vch_admitted_peer_standing(peers[1], WORLD_NOW) == VCH_STANDING_GOOD);
    CHECK(vch_admitted_peer_standing(NULL, WORLD_NOW) == VCH_STANDING_GONE);
    CHECK(vch_roster_was_admitted(roster, "col1") && !vch_roster_was_admitted(roster, "col2"));
    vch_roster_retire(roster); /* another policy holds */
    CHECK(vch_admitted_peer_standing(peers[1], WORLD_NOW) == VCH_STANDING_REATTEST);
    CHECK(vch_admitted_peer_standing(peers[0], WORLD_NOW) == VCH_STANDING_REPLACED);
    vch_admitted_peer_free(peers[0]);
    vch_admitted_peer_free(peers[1]);
    end(&first);
    end(&second);
    vch_roster_free(roster);
}

static void a_ninth_connection_and_an_older_certificate_are_refused(void **state)
{
    (void)state;
    visit v;
    visit older;
    vch_roster *roster = NULL;
    vch_admission a = { 0 };
    vch_admitted_peer *peers[VCH_ROSTER_CONNECTIONS_MAX] = { NULL };
    CHECK(vch_roster_new(vch_attestation_file_federation(w.file), &roster, NULL) == VOUCH_OK);
    vch_admission_rules rules = world_rules(&w);
    begin(&v, WORLD_COL1);
    issue(&v);
    take_token(&v);
    v.request.roster = roster;
    for (size_t i = 0; i < VCH_ROSTER_CONNECTIONS_MAX; i++) {
        vch_admit(&rules, &v.request, &a, &peers[i]);
        CHECK(a.code == VCH_ADMITTED);
    }
    a = judged(&v);
    CHECK(a.code == VCH_REFUSED_CONNECTIONS && strstr(a.message, "8 connections") != NULL);
    begin(&older, WORLD_COL1);
    older.e.claims.nbf_unix_s -= 1;
    older.e.claims.exp_unix_s -= 1;
    older.request.roster = roster;
    issue(&older);
    take_token(&older);
    a = judged(&older);
    CHECK(a.code == VCH_REFUSED_CONNECTIONS && strstr(a.message, "newer certificate") != NULL);
    for (size_t i = 0; i < VCH_ROSTER_CONNECTIONS_MAX; i++)
        vch_admitted_peer_free(peers[i]);
    end(&older);
    end(&v);
    vch_roster_free(roster);
}

static void a_roster_of_another_federation_seats_nobody(void **state)
{
    (void)state;
    static const vch_member stranger = { .name = "stranger", .role = VCH_ROLE_COLLABORATOR };
    static const vch_federation other = { .members = &stranger, .member_count = 1 };
    vch_roster *roster = NULL;
    visit v;
    CHECK(vch_roster_new(&other, &roster, NULL) == VOUCH_OK);
    begin(&v, WORLD_COL1);
    v.request.roster = roster;
    expect(&v, VCH_REFUSED_NAME);
    vch_roster_free(roster);
}

static void issuers_whose_keys_never_came_leave_it_open(void **state)
{
    (void)state;
    vch_issuer_keys *empty = NULL;
    vch_admission a = { 0 };
    visit v;
    const vch_federation *f = vch_attestation_file_federation(w.file);
    CHECK(vch_issuer_keys_new(f->issuers, f->issuer_count, (vouch_span) { 0 }, NULL, &empty, NULL)
          == VOUCH_OK);
    CHECK(vch_issuer_keys_put(empty, vch_span_str("no key set"), NULL, 0, NULL) != VOUCH_OK);
    begin(&v, WORLD_COL1);
    issue(&v);
    take_token(&v);
    vch_admission_rules rules = world_rules(&w);
    rules.issuers = empty;
    vch_admission_judge(&rules, &v.request, &a);
    CHECK(a.code == VCH_REFUSED_NO_ISSUER_KEYS);
    end(&v);
    vch_issuer_keys_free(empty);
}

/* `vouch cert verify` with a bare policy: evidence of any product, and never an admission. */
static void a_bare_policy_judges_evidence_of_any_dialect(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *oid;
        bool legacy, relayed, broken;
        uint8_t measurement;
        vch_admission_code want;
    } cases[] = {
        { "ours", "2.23.133.5.4.9", false, false, false, 0xcc, VCH_ADMITTED },
        { "gramine's", "", true, false, false, 0xcc, VCH_ADMITTED },
        { "no evidence", "", false, false, false, 0xcc, VCH_REFUSED_NO_EVIDENCE },
        { "another key", "2.23.133.5.4.9", false, true, false, 0xcc, VCH_REFUSED_REPORT_DATA },
        { "no quote", "2.23.133.5.4.9", false, false, true, 0xcc, VCH_REFUSED_EVIDENCE_FORM },
        { "other code", "2.23.133.5.4.9", false, false, false, 0xcd, VCH_REFUSED_MEASUREMENT },
    };
    vch_key *mine = NULL;
    CHECK(vch_key_generate(VCH_KEY_P384, &mine, NULL) == VOUCH_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        visit v;
        vch_admission a = { 0 };
        vch_admitted_peer *peer = NULL;
        begin(&v, WORLD_COL1);
        v.e.dice_oid = cases[i].oid;
        v.e.legacy = cases[i].legacy;
        v.e.measurement = v.e.legacy_measurement = cases[i].measurement;
        v.e.certified_key = cases[i].relayed ? mine : NULL;
        issue(&v);
        if (cases[i].broken) {
            v.e.quote.data[0] = 99;
            v.e.certificate.size = 0;
            world_certify(&w, &v.e);
            v.request.certificate = vch_buffer_span(&v.e.certificate);
        }
        const vch_admission_rules rules = { .policy = vch_attestation_file_policy(
                                                w.file, VCH_ROLE_COLLABORATOR),
                                            .any_dialect = true,
                                            .collateral = w.collateral };
        vch_admission_judge(&rules, &v.request, &a);
        if (a.code != cases[i].want)
            fail_msg("%s: %s: %s", cases[i].what, vch_admission_code_name(a.code), a.message);
        vch_admit(&rules, &v.request, &a, &peer);
        CHECK(a.code != VCH_ADMITTED && peer == NULL);
        end(&v);
    }
    vch_key_free(mine);
}

static void each_code_has_a_name_and_a_class(void **state)
{
    (void)state;
    for (int i = 0; i <= (int)VCH_REFUSED_TCB; i++) {
        CHECK(vch_admission_code_name((vch_admission_code)i) != NULL);
        CHECK(vch_admission_code_name((vch_admission_code)i)[0] != 0);
        CHECK(strlen(vch_admission_class_name(vch_admission_code_class((vch_admission_code)i)))
              <= 23);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(vch_admission_code_name((vch_admission_code)i),
                                    vch_admission_code_name((vch_admission_code)j));
    }
}

#define USUAL(function) cmocka_unit_test_teardown(function, usual_policy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(participants_with_all_that_they_owe_are_admitted),
        TEST(nothing_decided_admits_nobody),
        TEST(a_certificate_of_one_megabyte_is_refused),
        TEST(a_byte_after_the_certificate_is_refused),
        TEST(no_evidence_at_all_is_refused),
        TEST(an_enrolment_without_evidence_is_refused),
        TEST(a_critical_extension_that_nobody_knows_is_refused),
        TEST(a_legacy_extension_offered_to_dodge_the_claims_is_refused),
        TEST(an_evidence_extension_twice_is_refused),
        TEST(a_legacy_extension_of_another_measurement_is_refused),
        TEST(evidence_that_cannot_be_read_is_refused),
        TEST(claims_without_a_pubkey_hash_are_refused),
        TEST(a_certificate_not_signed_by_its_own_key_is_refused),
        TEST(a_genuine_certificates_evidence_over_another_key_is_refused),
        TEST(certificates_outside_their_time_are_refused),
        TEST(claims_for_another_federation_are_refused),
        TEST(a_name_that_is_not_listed_is_refused),
        TEST(a_genuine_participant_that_is_not_the_one_expected_is_refused),
        TEST(a_subject_other_than_the_claimed_name_is_refused),
        TEST(the_genuine_program_in_the_other_role_is_refused),
        TEST(the_genuine_program_with_another_plan_is_refused),
        TEST(claims_under_another_policy_are_refused),
        TEST(times_that_differ_or_last_too_long_are_refused),
        TEST(an_aggregator_without_its_ca_is_refused),
        TEST(a_listed_exception_may_not_come_attested),
        TEST(the_genuine_program_on_another_site_is_refused),
        TEST(a_certificate_without_enrolment_is_refused),
        TEST(a_quote_over_other_claims_is_refused),
        TEST(a_quote_with_a_broken_signature_is_refused),
        USUAL(a_simulated_platform_under_a_production_policy_is_refused),
        USUAL(a_root_that_nobody_pinned_is_refused),
        TEST(missing_collateral_is_a_refusal),
        TEST(no_collateral_is_looked_for_before_the_enrolment_has_verified),
        TEST(another_measurement_is_refused),
        TEST(a_debug_enclave_is_refused),
        USUAL(a_platform_state_that_is_not_accepted_is_refused),
        USUAL(another_platform_than_the_pinned_one_is_refused),
        TEST(an_older_certificate_after_a_newer_one_is_refused),
        TEST(a_required_token_that_is_absent_is_refused),
        USUAL(a_token_is_not_asked_for_where_the_policy_says_off),
        TEST(a_token_that_expired_is_refused),
        TEST(the_token_of_another_certificate_is_refused),
        TEST(a_token_of_another_measurement_debug_flag_or_root_is_refused),
        TEST(a_token_without_a_nonce_is_refused),
        TEST(a_token_for_an_outdated_platform_is_refused),
        TEST(a_token_of_an_issuer_that_is_not_pinned_is_refused),
        TEST(without_the_issuers_keys_nothing_can_be_found_out),
        USUAL(a_channel_quote_is_demanded_where_the_policy_says_so),
        USUAL(a_channel_quote_that_is_not_genuine_is_refused),
        USUAL(a_channel_quote_of_other_accepted_code_is_refused),
        TEST(a_pki_peer_needs_chain_listing_and_the_pinned_key),
        TEST(a_pki_peer_must_be_the_one_expected),
        TEST(without_a_federation_a_usable_name_is_asked_for),
        TEST(an_attested_certificate_over_h2_is_refused),
        TEST(the_last_calls_begin_early_enough_to_end_before_vouch_exp),
        TEST(a_newer_certificate_replaces_the_connections_of_the_older),
        TEST(a_ninth_connection_and_an_older_certificate_are_refused),
        TEST(a_roster_of_another_federation_seats_nobody),
        TEST(issuers_whose_keys_never_came_leave_it_open),
        TEST(a_bare_policy_judges_evidence_of_any_dialect),
        TEST(each_code_has_a_name_and_a_class),
    };
    return cmocka_run_group_tests(tests, make_world, drop_world);
}
