#include "identity/attestation_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"

#define HEX32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX32B "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX32C "20112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char good[] =
    "version: 1\n"
    "federation:\n"
    "  id: 000102030405060708090a0b0c0d0e0f\n"
    "  from: 2026-12-01T09:00:00Z\n"
    "  enable: {aggregator: true, collaborator: true}\n"
    "  initial_model: '" HEX32 "'\n"
    "  participants:\n"
    "    - {name: agg.example.org, role: aggregator, enrolment: '" HEX32 "'}\n"
    "    - {name: col1, role: collaborator, enrolment: '" HEX32B
    "', platform: [000102030405060708090a0b0c0d0e0f]}\n"
    "    - {name: col2, role: collaborator, enrolment: '" HEX32C "', attested: false}\n"
    "  measurements:\n"
    "    aggregator: [{mrenclave: '" HEX32 "'}]\n"
    "    collaborator: [{mrenclave: '" HEX32 "'}, {mrsigner: '" HEX32
    "', prod_id: 1, min_svn: 3}]\n"
    "  tcb: {accept: [UpToDate, SWHardeningNeeded], min_evaluation_number: 17}\n"
    "  token: required\n"
    "  token_issuers: [{base_url: 'https://avs.example', root: '" HEX32 "'}]\n"
    "  channel: key\n"
    "  roots: [intel, '" HEX32 "']\n"
    "  model_export: clear\n"
    "  certificate_life_h: 24\n"
    "  reattest_min: 60\n"
    "local:\n"
    "  attestation_dir: /dev/attestation\n"
    "  collateral: {dir: collateral}\n"
    "  verifier: {url: 'https://api.example', ca: ca.pem}\n"
    "  enrolment: {cert: col1.crt, key: col1.key}\n"
    "  clock_skew_s: 100\n"
    "  stricter: {tcb: {accept: [UpToDate]}}\n";

/* The good text with one passage replaced by another. */
static void bend(const char *from, const char *to, vch_buffer *out)
{
    const char *at = strstr(good, from);
    if (at == NULL)
        fail_msg("'%s' is not in the text", from);
    else
        vch_buffer_append(out, (vouch_span) { (const uint8_t *)good, (size_t)(at - good) });
    vch_buffer_append_str(out, to);
    vch_buffer_append_str(out, at == NULL ? "" : at + strlen(from));
}

static vouch_code parse(vouch_span text, vch_faults *faults, vch_attestation_file **out)
{
    return vch_attestation_file_parse(text, "a.yaml", NULL, faults, out, NULL);
}

static void a_whole_file_is_read(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_attestation_file_drop) vch_attestation_file *file = NULL;
    CHECK_OK(vch_attestation_file_parse(vch_span_str(good), "a.yaml", NULL, NULL, &file, &err),
             &err);
    const vch_federation *f = vch_attestation_file_federation(file);
    const vch_local *l = vch_attestation_file_local(file);
    CHECK(f->id[15] == 15 && f->from_unix_s == 1796115600);
    CHECK(f->aggregator_attested && f->collaborator_attested && f->token_required);
    CHECK(f->member_count == 3 && f->issuer_count == 1 && f->channel == VCH_CHANNEL_KEY);
    CHECK(f->intel_root && f->root_count == 1 && f->model_export);
    CHECK(f->certificate_life_s == 86400 && f->reattest_s == 3600);
    const vch_member *m = vch_federation_member(f, "col1");
    CHECK(m != NULL && m->role == VCH_ROLE_COLLABORATOR && m->attested && m->enrolment[0] == 0x10);
    CHECK(m->platform_count == 1 && m->platforms[0][15] == 15);
    CHECK(!vch_federation_member(f, "col2")->attested);
    CHECK(vch_federation_member(f, "col3") == NULL);
    CHECK(vch_attestation_file_policy(file, VCH_ROLE_AGGREGATOR) != NULL);
    CHECK(vch_attestation_file_policy(file, VCH_ROLE_COLLABORATOR) != NULL);
    assert_string_equal(l->collateral.dir, "collateral");
    assert_string_equal(l->verifier_url, "https://api.example");
    CHECK(l->clock_skew_s == 100);
}

static void the_verifier_can_be_asked_for_other_tokens(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_attestation_file *file = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(65536);
    bend("ca: ca.pem}",
         "ca: ca.pem, version: 2, token_signing_alg: RS256, policy_must_match: true, policy_ids: "
         "[11111111-2222-4333-8444-555555555555]}",
         &text);
    CHECK_OK(vch_attestation_file_parse(vch_buffer_span(&text), "a.yaml", NULL, NULL, &file, &err),
             &err);
    const vch_local *l = vch_attestation_file_local(file);
    CHECK(l->verifier_version == 2 && l->verifier_rs256 && l->policy_must_match);
    CHECK(l->policy_id_count == 1);
    assert_string_equal(l->policy_ids[0], "11111111-2222-4333-8444-555555555555");
    vch_attestation_file_free(file);
    CHECK_OK(vch_attestation_file_parse(vch_span_str(good), "a.yaml", NULL, NULL, &file, &err),
             &err);
    l = vch_attestation_file_local(file);
    CHECK(l->verifier_version == 1 && !l->verifier_rs256 && !l->policy_must_match);
    CHECK(l->policy_id_count == 0);
    vch_attestation_file_free(file);
}

static void the_digest_is_the_federations_alone(void **state)
{
    (void)state;
    vch_attestation_file *files[4] = { NULL };
    static const char *const changes[4][2] = {
        { "version: 1", "version: 1" },
        { "clock_skew_s: 100", "clock_skew_s: 7" }, /* this host's own */
        { "  channel: key\n", "" },                 /* a default is not what stands there */
        { "reattest_min: 60", "reattest_min: 61" },
    };
    uint8_t digest[4][32];
    for (size_t i = 0; i < 4; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(16384);
        bend(changes[i][0], changes[i][1], &text);
        CHECK(parse(vch_buffer_span(&text), NULL, &files[i]) == VOUCH_OK);
        memcpy(digest[i], vch_attestation_file_federation(files[i])->digest, 32);
        vch_attestation_file_free(files[i]);
    }
    CHECK(memcmp(digest[0], digest[1], 32) == 0);
    CHECK(memcmp(digest[0], digest[2], 32) != 0);
    CHECK(memcmp(digest[0], digest[3], 32) != 0);
}

static void the_environment_wins_over_the_file(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    const vch_local_overrides o = { .attestation_dir = "/tmp/device",
                                    .verifier_url = "https://other.example" };
    VCH_SCOPED(vch_attestation_file_drop) vch_attestation_file *file = NULL;
    CHECK_OK(vch_attestation_file_parse(vch_span_str(good), "a.yaml", &o, NULL, &file, &err), &err);
    assert_string_equal(vch_attestation_file_local(file)->attestation_dir, "/tmp/device");
    assert_string_equal(vch_attestation_file_local(file)->verifier_url, "https://other.example");
    const vch_local_overrides key = { .api_key_file = "/credentials/ita-api-key" };
    vch_attestation_file_free(file);
    CHECK_OK(vch_attestation_file_parse(vch_span_str(good), "a.yaml", &key, NULL, &file, &err),
             &err);
    assert_string_equal(vch_attestation_file_local(file)->api_key_file, "/credentials/ita-api-key");
    vch_attestation_file_free(file);
    VCH_SCOPED(vch_buffer_drop) vch_buffer named = vch_buffer_with_cap(65536);
    bend("ca: ca.pem}", "ca: ca.pem, api_key_file: own.key}", &named);
    CHECK_OK(vch_attestation_file_parse(vch_buffer_span(&named), "a.yaml", &key, NULL, &file, &err),
             &err);
    assert_string_equal(vch_attestation_file_local(file)->api_key_file, "own.key");
    const vch_local_overrides plain = { .verifier_url = "http://other.example" };
    vch_attestation_file *refused = NULL;
    CHECK(vch_attestation_file_parse(vch_span_str(good), "a.yaml", &plain, NULL, &refused, NULL)
          == VOUCH_E_CONFIG);
}

static const struct {
    const char *from, *to, *says;
} faults_table[] = {
    { "version: 1", "version: 2", "version" },
    { "  id: 00", "  id: 0", "id" },
    { "local:", "locale:", "locale" },
    { "  channel: key", "  chanel: key", "chanel" },
    { "  channel: key", "  channel: key\n  channel: key", "channel" },
    { "  channel: key", "  channel: none", "channel" },
    { "  from: 2026-12-01T09:00:00Z\n", "", "from" },
    { "  from: 2026-12-01T09:00:00Z", "  from: soon", "from" },
    { "{aggregator: true, collaborator: true}", "{aggregator: true}", "collaborator" },
    { "name: col1,", "name: 'col 1',", "cannot be a name" },
    { "name: col1,", "name: '*',", "cannot be a name" },
    { "name: col1,", "name: ../col1,", "cannot be a name" },
    { "name: col1,", "name: col2,", "twice" },
    { "'" HEX32B "'", "'" HEX32C "'", "same enrolment" },
    { "'" HEX32B "'", "any", "enrolment" },
    { "col1, role: collaborator", "col1, role: director", "role" },
    { "col1, role: collaborator", "col1, role: aggregator", "2 aggregators" },
    { "000102030405060708090a0b0c0d0e0f]", "any]", "PPID" },
    { "    aggregator: [{mrenclave: '" HEX32 "'}]\n", "", "measurements.aggregator" },
    { "{mrsigner: '" HEX32 "', prod_id: 1, min_svn: 3}", "{mrsigner: '" HEX32 "'}", "prod_id" },
    { "{mrsigner: '" HEX32 "', prod_id: 1, min_svn: 3}", "{mrenclave: any}", "mrenclave" },
    { "accept: [UpToDate, SW", "accept: [Revoked, SW", "Revoked" },
    { "token: required", "token: maybe", "token must be required or off" },
    { "token: required", "token: true", "token must be required or off" },
    { "[{base_url: 'https://avs.example', root: '" HEX32 "'}]", "[]", "nobody who issues" },
    { "https://avs.example", "http://avs.example", "https://" },
    { "https://api.example", "http://api.example", "https://" },
    { "ca: ca.pem}", "ca: ca.pem, version: 3}", "version" },
    { "ca: ca.pem}", "ca: ca.pem, token_signing_alg: HS256}", "token_signing_alg" },
    { "ca: ca.pem}", "ca: ca.pem, policy_ids: [x]}", "UUID" },
    { "ca: ca.pem}", "ca: ca.pem, policy_ids: [11111111-2222-4333-8444-55555555555g]}", "UUID" },
    { "ca: ca.pem}", "ca: ca.pem, policy_ids: [11111111x2222-4333-8444-555555555555]}", "UUID" },
    { "roots: [intel,", "roots: [any,", "roots must be" },
    { "  model_export: clear\n", "", "model_export" },
    { "model_export: clear", "model_export: some", "model_export" },
    { "certificate_life_h: 24", "certificate_life_h: 169", "certificate_life_h" },
    { "certificate_life_h: 24", "certificate_life_h: 0", "certificate_life_h" },
    { "reattest_min: 60", "reattest_min: 0", "reattest_min" },
    { "clock_skew_s: 100", "clock_skew_s: 301", "clock_skew_s" },
    { "{dir: collateral}", "{dir: collateral, pcs: true}", "choose one" },
    { "{dir: collateral}", "{update: early}", "names neither dir" },
    { "{dir: collateral}", "{pcs: false}", "names neither dir" },
    { "{dir: collateral}", "{pccs: ['http://a']}", "must begin with https://" },
    { "{dir: collateral}", "{pccs: ['https://a'], update: late}", "update" },
    { "{dir: collateral}", "{pccs: []}", "pccs" },
    { "{cert: col1.crt, key: col1.key}", "{cert: col1.crt}", "key" },
    { "stricter: {tcb", "stricter: {tbc", "tbc" },
};

static bool says(const vch_faults *faults, const char *what)
{
    for (size_t i = 0; i < faults->count; i++) {
        if (!faults->item[i].warning && strncmp(faults->item[i].text, "a.yaml:", 7) == 0
            && strstr(faults->item[i].text, what) != NULL)
            return true;
    }
    return false;
}

static void every_fault_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults_table / sizeof *faults_table; i++) {
        vch_attestation_file *file = NULL;
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(16384);
        bend(faults_table[i].from, faults_table[i].to, &text);
        vouch_code rc = parse(vch_buffer_span(&text), &faults, &file);
        if (rc != VOUCH_E_CONFIG || file != NULL || !says(&faults, faults_table[i].says))
            fail_msg("'%s': %s, %s", faults_table[i].to, vouch_code_name(rc),
                     faults.count > 0 ? faults.item[0].text : "no fault");
    }
}

static void all_faults_are_named_in_one_run(void **state)
{
    (void)state;
    vch_attestation_file *file = NULL;
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(16384);
    bend("name: col1,", "name: 'col 1',", &text);
    char *skew = strstr((char *)(uintptr_t)vch_buffer_text(&text), "clock_skew_s: 100");
    CHECK(skew != NULL);
    memcpy(skew, "clock_skew_s: 999", 17);
    CHECK(parse(vch_buffer_span(&text), &faults, &file) == VOUCH_E_CONFIG);
    CHECK(says(&faults, "a.yaml:9:") && says(&faults, "clock_skew_s"));
}

static void roles_that_are_not_enabled_are_not_attested(void **state)
{
    (void)state;
    VCH_SCOPED(vch_attestation_file_drop) vch_attestation_file *file = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(16384);
    bend("{aggregator: true, collaborator: true}", "{aggregator: false, collaborator: true}",
         &text);
    CHECK(parse(vch_buffer_span(&text), NULL, &file) == VOUCH_OK);
    const vch_federation *f = vch_attestation_file_federation(file);
    CHECK(!vch_federation_member(f, "agg.example.org")->attested);
    CHECK(vch_federation_member(f, "col1")->attested);
    CHECK(vch_attestation_file_policy(file, VCH_ROLE_AGGREGATOR) == NULL);
}

static void a_file_above_the_limit_is_refused_before_it_is_read(void **state)
{
    (void)state;
    vch_attestation_file *file = NULL;
    uint8_t *big = calloc(1, VCH_ATTESTATION_FILE_MAX_SIZE + 1);
    CHECK(big != NULL);
    CHECK(parse((vouch_span) { big, VCH_ATTESTATION_FILE_MAX_SIZE + 1 }, NULL, &file)
          == VOUCH_E_LIMIT);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_file_is_read),
        TEST(the_verifier_can_be_asked_for_other_tokens),
        TEST(the_digest_is_the_federations_alone),
        TEST(the_environment_wins_over_the_file),
        TEST(every_fault_is_refused_with_its_place),
        TEST(all_faults_are_named_in_one_run),
        TEST(roles_that_are_not_enabled_are_not_attested),
        TEST(a_file_above_the_limit_is_refused_before_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
