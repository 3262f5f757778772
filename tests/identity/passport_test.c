#include "identity/passport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "identity/federation_ca.h"
#include "policy/policy.h"
#include "result/jwks.h"
#include "world.h"

static world w;
static world_evidence evidence; /* the aggregator's */
static world_token token_parts;
static vch_buffer token;
static vch_buffer jwks;
static vch_federation_ca *ca;
static vch_buffer passport; /* with everything as it should be */

static void put_jwks(void)
{
    vouch_error err = { 0 };
    const vouch_span chain[] = { vch_buffer_span(&w.issuer.leaf), vch_buffer_span(&w.issuer.ca),
                                 vch_buffer_span(&w.issuer.root) };
    const vch_jwks_entry entry = { ISSUER_KID, chain, 3 };
    jwks = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    CHECK_OK(vch_jwks_build(&entry, 1, &jwks, &err), &err);
}

static vch_passport_contents contents(void)
{
    const vch_federation *f = vch_attestation_file_federation(w.file);
    const vch_collateral_set *set = NULL;
    CHECK(vch_collateral_cache_find(w.collateral, NULL, &set, NULL) == VOUCH_OK);
    vch_collateral_set_unref(set); /* the cache has it still */
    vch_passport_contents c = { .name = WORLD_AGGREGATOR,
                                .role = VCH_ROLE_AGGREGATOR,
                                .certificate = vch_buffer_span(&evidence.certificate),
                                .claims = vch_buffer_span(&evidence.claims_bytes),
                                .quote = vch_buffer_span(&evidence.quote),
                                .token_quote = vch_buffer_span(&evidence.quote),
                                .token = vch_buffer_span(&token),
                                .jwks = vch_buffer_span(&jwks),
                                .crls = { w.issuer.crls[0], w.issuer.crls[1] },
                                .crl_count = 2,
                                .ca = vch_federation_ca_certificate(ca),
                                .collateral = set->parts,
                                .created_unix_s = WORLD_NOW };
    memcpy(c.federation, f->id, sizeof c.federation);
    memcpy(c.policy_digest, f->digest, sizeof c.policy_digest);
    return c;
}

static int set_up(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    world_make(&w);
    CHECK_OK(vch_federation_ca_new(WORLD_AGGREGATOR, WORLD_NOW, &ca, &err), &err);
    world_evidence_begin(&w, WORLD_AGG, &evidence);
    CHECK_OK(vch_sha256(vch_federation_ca_certificate(ca), evidence.claims.ca, &err), &err);
    world_issue(&w, &evidence);
    world_token_usual(&evidence, &token_parts);
    token = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    world_token_make(&w, &evidence, &token_parts, &token);
    put_jwks();
    const vch_passport_contents c = contents();
    passport = vch_buffer_with_cap(VCH_PASSPORT_MAX_SIZE);
    CHECK_OK(vch_passport_build(&c, &passport, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vch_federation_ca_free(ca);
    world_evidence_drop(&evidence);
    vch_buffer_drop(&token);
    vch_buffer_drop(&jwks);
    vch_buffer_drop(&passport);
    world_drop(&w);
    return 0;
}

static vch_passport_expectation usual(void)
{
    return (vch_passport_expectation) { .file = w.file,
                                        .plan_digest = w.plan,
                                        .now_unix_s = WORLD_NOW + 1000 };
}

static vch_passport_verdict verdict_of(const vch_passport_contents *c,
                                       const vch_passport_expectation *e)
{
    vouch_error err = { 0 };
    vch_passport_verdict v = { 0 };
    VCH_SCOPED(vch_passport_drop) vch_passport *p = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer json = vch_buffer_with_cap(VCH_PASSPORT_MAX_SIZE);
    CHECK_OK(vch_passport_build(c, &json, &err), &err);
    CHECK_OK(vch_passport_parse(vch_buffer_span(&json), &p, &err), &err);
    CHECK_OK(vch_passport_verify(p, e, &v, &err), &err);
    return v;
}

static void expect(const vch_passport_contents *c, const vch_passport_expectation *e,
                   vch_admission_code want)
{
    vch_passport_verdict v = verdict_of(c, e);
    if (v.admission.code != want)
        fail_msg("%s: %s", vch_admission_code_name(v.admission.code), v.admission.message);
}

static void a_passport_verifies_years_later_as_of_when_it_was_made(void **state)
{
    (void)state;
    vch_passport_contents c = contents();
    vch_passport_expectation e = usual();
    e.now_unix_s = WORLD_NOW + INT64_C(10) * 365 * 86400;
    vch_passport_verdict v = verdict_of(&c, &e);
    if (v.admission.code != VCH_ADMITTED)
        fail_msg("%s", v.admission.message);
    CHECK(v.time_proven && v.judged_at_unix_s == WORLD_NOW);
    CHECK(v.admission.simulated && v.admission.token_verified);
    for (size_t i = 0; i < v.check_count; i++)
        CHECK(v.checks[i].passed);
    CHECK(v.check_count >= 14);
}

static void an_aggregator_of_the_past_is_none_of_today(void **state)
{
    (void)state;
    vch_passport_contents c = contents();
    vch_passport_expectation e = usual();
    e.current = true;
    e.now_unix_s = WORLD_NOW + 86400 + 120; /* life and skew */
    expect(&c, &e, VCH_ADMITTED);
    e.now_unix_s++;
    expect(&c, &e, VCH_REFUSED_VALIDITY);
    e.current = false;
    expect(&c, &e, VCH_ADMITTED);
}

static void the_members_of_the_pull_request_stand_at_the_top(void **state)
{
    (void)state;
    static const char *const names[] = { "mrenclave", "name", "token", "cert" };
    vouch_error err = { 0 };
    const vch_json_limits limits = { VCH_PASSPORT_MAX_SIZE, 16 };
    VCH_SCOPED(vch_json_drop) vch_json *root = NULL;
    CHECK_OK(vch_json_parse(vch_buffer_span(&passport), &limits, &root, &err), &err);
    for (size_t i = 0; i < 4; i++)
        CHECK(vch_json_text(vch_json_member(root, names[i])) != NULL);
    CHECK(strncmp(vch_json_text(vch_json_member(root, "mrenclave")), "aaaa", 4) == 0);
}

static void without_a_token_time_is_not_proven(void **state)
{
    (void)state;
    vch_passport_contents c = contents();
    vch_passport_expectation e = usual();
    c.token = c.jwks = c.token_quote = (vouch_span) { 0 };
    expect(&c, &e, VCH_REFUSED_TOKEN_ABSENT);
    e.file = NULL;
    VCH_SCOPED(vch_policy_drop) vouch_policy *bare = NULL;
    CHECK(vch_policy_platform_only(&bare, NULL) == VOUCH_OK);
    e.policy = bare;
    vch_passport_verdict v = verdict_of(&c, &e);
    CHECK(!v.time_proven && strncmp(v.time_note, "time not proven", 15) == 0);
}

/* Offline, years later: what the token's CAs had revoked then is in the passport, or it does not count. */
static void revocation_of_the_token_key_is_judged_from_the_passport_alone(void **state)
{
    (void)state;
    vch_passport_contents c = contents();
    const vch_passport_expectation e = usual();
    issuer revoked;
    issuer stale;
    issuer_make(&revoked, &(issuer_spoil) { .leaf_revoked = true }, &w.issuer);
    issuer_make(&stale, &(issuer_spoil) { .crl_stale = true }, &w.issuer);
    expect(&c, &e, VCH_ADMITTED);
    c.crl_count = 0;
    expect(&c, &e, VCH_REFUSED_TOKEN);
    c.crl_count = 1; /* the root's alone */
    expect(&c, &e, VCH_REFUSED_TOKEN);
    c = contents();
    c.crls[1] = revoked.crls[1];
    expect(&c, &e, VCH_REFUSED_TOKEN);
    c.crls[0] = stale.crls[0];
    c.crls[1] = stale.crls[1];
    expect(&c, &e, VCH_REFUSED_TOKEN);
    c.crls[0] = vch_span_str("no CRL");
    expect(&c, &e, VCH_REFUSED_TOKEN);
    issuer_drop(&revoked);
    issuer_drop(&stale);
}

static void another_moment_is_not_proven_by_the_token(void **state)
{
    (void)state;
    vch_passport_contents c = contents();
    vch_passport_expectation e = usual();
    e.at_given = true;
    e.at_unix_s = WORLD_NOW + 3600;
    vch_passport_verdict v = verdict_of(&c, &e);
    CHECK(v.admission.code == VCH_ADMITTED && !v.time_proven);
    e.at_unix_s = WORLD_NOW + 100;
    v = verdict_of(&c, &e);
    CHECK(v.admission.code == VCH_ADMITTED && v.time_proven);
    e.at_unix_s = WORLD_NOW + 2 * 86400;
    expect(&c, &e, VCH_REFUSED_VALIDITY);
}

static void made_outside_the_tokens_life_is_refused(void **state)
{
    (void)state;
    vch_passport_contents c = contents();
    vch_passport_expectation e = usual();
    c.created_unix_s = WORLD_NOW + 300 + 120;
    expect(&c, &e, VCH_REFUSED_TOKEN);
    c.created_unix_s = WORLD_NOW + 291; /* within the leeway of clocks, and still after its end */
    expect(&c, &e, VCH_REFUSED_TOKEN);
    c.created_unix_s = WORLD_NOW + 100;
    e.now_unix_s = WORLD_NOW - 21;
    expect(&c, &e, VCH_REFUSED_VALIDITY); /* made in the future */
}

static void members_that_are_not_the_certificates_are_refused(void **state)
{
    (void)state;
    vch_passport_contents c = contents();
    vch_passport_expectation e = usual();
    c.claims = vch_span_str("other claims");
    expect(&c, &e, VCH_REFUSED_EVIDENCE_FORM);
    c = contents();
    c.policy_digest[0] ^= 1U;
    expect(&c, &e, VCH_REFUSED_NAME);
    c = contents();
    c.federation[0] ^= 1U;
    expect(&c, &e, VCH_REFUSED_NAME);
    c = contents();
    (void)snprintf(c.name, sizeof c.name, "col1");
    expect(&c, &e, VCH_REFUSED_NAME);
    c = contents();
    c.role = VCH_ROLE_COLLABORATOR;
    expect(&c, &e, VCH_REFUSED_ROLE);
}

/* What --export-root writes is this member: another CA in it must not pass. */
static void a_root_that_the_claims_do_not_name_is_refused(void **state)
{
    (void)state;
    vch_federation_ca *other = NULL;
    vch_passport_contents c = contents();
    vch_passport_expectation e = usual();
    CHECK(vch_federation_ca_new(WORLD_AGGREGATOR, WORLD_NOW, &other, NULL) == VOUCH_OK);
    c.ca = vch_federation_ca_certificate(other);
    expect(&c, &e, VCH_REFUSED_CA);
    c.ca = (vouch_span) { 0 };
    expect(&c, &e, VCH_REFUSED_CA);
    vch_federation_ca_free(other);
}

static void a_passport_for_another_plan_or_policy_is_refused(void **state)
{
    (void)state;
    static const uint8_t other_plan[32] = { 1 };
    vch_passport_contents c = contents();
    vch_passport_expectation e = usual();
    e.plan_digest = other_plan;
    expect(&c, &e, VCH_REFUSED_PLAN);
    e.plan_digest = NULL;
    expect(&c, &e, VCH_ADMITTED);
    vch_passport_contents kept = contents();
    VCH_SCOPED(vch_buffer_drop) vch_buffer json = vch_buffer_with_cap(VCH_PASSPORT_MAX_SIZE);
    CHECK(vch_passport_build(&kept, &json, NULL) == VOUCH_OK);
    world_set_policy(&w, &(world_policy) { .tcb = "{accept: [UpToDate, SWHardeningNeeded]}" });
    VCH_SCOPED(vch_passport_drop) vch_passport *p = NULL;
    vch_passport_verdict v = { 0 };
    e = usual();
    CHECK(vch_passport_parse(vch_buffer_span(&json), &p, NULL) == VOUCH_OK);
    CHECK(vch_passport_verify(p, &e, &v, NULL) == VOUCH_OK);
    CHECK(v.admission.code == VCH_REFUSED_POLICY);
    world_set_policy(&w, &(world_policy) { 0 });
}

static void a_bare_policy_judges_the_evidence_alone(void **state)
{
    (void)state;
    static const char form[] = "version: 1\nmeasurements: [{mrenclave: '%s'}]\nroots: ['%s']\n";
    static const struct {
        char measurement;
        bool root;
        vch_admission_code want;
    } cases[] = { { 'a', true, VCH_ADMITTED },
                  { 'b', true, VCH_REFUSED_MEASUREMENT },
                  { 'a', false, VCH_REFUSED_MEASUREMENT } };
    for (size_t i = 0; i < 3; i++) {
        vouch_error err = { 0 };
        char measurement[65] = "";
        char root[65] = "";
        char text[512];
        VCH_SCOPED(vch_policy_drop) vouch_policy *policy = NULL;
        memset(measurement, cases[i].measurement, 64);
        for (size_t j = 0; j < 32; j++)
            (void)snprintf(root + 2 * j, 3, "%02x", cases[i].root ? w.root_sha256[j] : 0x11U);
        (void)snprintf(text, sizeof text, form, measurement, root);
        CHECK_OK(vouch_policy_parse("p.yaml", vch_span_str(text), &policy, &err), &err);
        const vch_passport_contents c = contents();
        const vch_passport_expectation e = { .policy = policy, .now_unix_s = WORLD_NOW + 10 };
        expect(&c, &e, cases[i].want);
    }
}

static void nothing_to_hold_it_to_is_an_error(void **state)
{
    (void)state;
    vch_passport_verdict v = { 0 };
    VCH_SCOPED(vch_passport_drop) vch_passport *p = NULL;
    const vch_passport_expectation e = { .now_unix_s = WORLD_NOW };
    CHECK(vch_passport_parse(vch_buffer_span(&passport), &p, NULL) == VOUCH_OK);
    CHECK(vch_passport_verify(p, &e, &v, NULL) == VOUCH_E_CONFIG);
}

/* The good text with one passage replaced by another of the same or another length. */
static vouch_code parse_bent(const char *from, const char *to)
{
    VCH_SCOPED(vch_passport_drop) vch_passport *p = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer bent = vch_buffer_with_cap(VCH_PASSPORT_MAX_SIZE);
    const char *text = vch_buffer_text(&passport);
    const char *at = strstr(text, from);
    if (at == NULL)
        fail_msg("'%s' is not in the passport", from);
    else
        vch_buffer_append(&bent, (vouch_span) { (const uint8_t *)text, (size_t)(at - text) });
    vch_buffer_append_str(&bent, to);
    vch_buffer_append_str(&bent, at == NULL ? "" : at + strlen(from));
    return vch_passport_parse(vch_buffer_span(&bent), &p, NULL);
}

static void bent_passports_are_refused(void **state)
{
    (void)state;
    static const char *const bends[][2] = {
        { "\"version\": 1", "\"version\": 2" },
        { "\"version\": 1", "\"version\": 1, \"version\": 1" },
        { "\"version\": 1", "\"extra\": 1, \"version\": 1" },
        { "\"role\": \"aggregator\"", "\"role\": \"director\"" },
        { "\"name\": \"agg.example.org\"", "\"name\": \"\"" },
        { "\"name\": \"agg.example.org\"", "\"name\": null" },
        { "\"mrenclave\": \"aa", "\"mrenclave\": \"ab" },
        { "\"mrenclave\"", "\"mrtd\"" },
        { "\"mrenclave\"", "\"mrtd\": \"00\", \"mrenclave\"" },
        { "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATES-----" },
        { "\"claims\": \"", "\"claims\": \"*" },
        { "\"claims\"", "\"claim\"" },
        { "\"tcb_info\": \"{", "\"tcb_info\": null, \"x\": \"{" },
        { "\"root_ca_crl\"", "\"root_crl\"" },
        { "\"created\": \"2027", "\"created\": \"never" },
    };
    for (size_t i = 0; i < sizeof bends / sizeof *bends; i++) {
        vouch_code rc = parse_bent(bends[i][0], bends[i][1]);
        if (rc == VOUCH_OK)
            fail_msg("%s: was not refused", bends[i][1]);
    }
    CHECK(parse_bent("\"version\": 1", "\"version\": 1") == VOUCH_OK);
}

static void a_passport_cut_short_is_refused(void **state)
{
    (void)state;
    for (size_t n = 0; n + 2 < passport.size; n += 97) {
        vch_passport *p = NULL;
        CHECK(vch_passport_parse((vouch_span) { passport.data, n }, &p, NULL) != VOUCH_OK);
        CHECK(p == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_passport_verifies_years_later_as_of_when_it_was_made),
        TEST(an_aggregator_of_the_past_is_none_of_today),
        TEST(the_members_of_the_pull_request_stand_at_the_top),
        TEST(without_a_token_time_is_not_proven),
        TEST(revocation_of_the_token_key_is_judged_from_the_passport_alone),
        TEST(another_moment_is_not_proven_by_the_token),
        TEST(made_outside_the_tokens_life_is_refused),
        TEST(members_that_are_not_the_certificates_are_refused),
        TEST(a_root_that_the_claims_do_not_name_is_refused),
        TEST(a_passport_for_another_plan_or_policy_is_refused),
        TEST(a_bare_policy_judges_the_evidence_alone),
        TEST(nothing_to_hold_it_to_is_an_error),
        TEST(bent_passports_are_refused),
        TEST(a_passport_cut_short_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
