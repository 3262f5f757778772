/* The verification service's decision about a request, without the service. */
#include "svc/verifyd_appraise.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "result/token_content.h"
#include "sim/platform.h"
#include "sim/quote_make.h"

#include "check.h"

#define NOW INT64_C(1795000000)
#define MATCHING "11111111-2222-4333-8444-55555555555a"
#define OTHER "21111111-2222-4333-8444-555555555555"
#define BUILDER "31111111-2222-4333-8444-555555555555"
#define UNKNOWN "41111111-2222-4333-8444-555555555555"

/* A platform, and a service that trusts its root. */
typedef struct scene {
    char dir[VCH_PATH_SIZE];
    char root[VCH_PATH_SIZE];
    char collateral[VCH_PATH_SIZE];
    vch_sim_platform *platform;
    vch_verifyd_policy_file policies[3];
    vch_appraiser *appraiser;
} scene;

static int64_t now(void *clock)
{
    (void)clock;
    return NOW;
}

static void write_policy(scene *s, size_t at, const char *id, const char *name, const char *text)
{
    vouch_error err = { 0 };
    (void)snprintf(s->policies[at].id, sizeof s->policies[at].id, "%s", id);
    CHECK_OK(vch_path_join(s->dir, name, s->policies[at].file, &err), &err);
    CHECK_OK(vch_file_write(s->policies[at].file, vch_span_str(text), 0600, &err), &err);
}

static void digest_of_root(const scene *s, char out[static 2 * VCH_SHA256_SIZE + 1])
{
    vouch_error err = { 0 };
    uint8_t digest[VCH_SHA256_SIZE];
    vch_buffer pem = { 0 };
    vch_buffer der = vch_buffer_with_cap((size_t)1 << 14);
    CHECK_OK(vch_file_read(s->root, VCH_PEM_MAX_SIZE, &pem, &err), &err);
    CHECK_OK(vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_TEXT_BEFORE,
                                &der, &err),
             &err);
    CHECK_OK(vch_sha256(vch_buffer_span(&der), digest, &err), &err);
    (void)vch_hex_encode((vouch_span) { digest, sizeof digest }, out);
    vch_buffer_drop(&pem);
    vch_buffer_drop(&der);
}

static void write_policy_for(scene *s, size_t at, const char *id, const char *name, char digit)
{
    char text[1024];
    char root[2 * VCH_SHA256_SIZE + 1];
    char mrenclave[65] = "";
    memset(mrenclave, digit, 64);
    digest_of_root(s, root);
    (void)snprintf(text, sizeof text, "measurements: [{mrenclave: \"%s\"}]\nroots: [\"%s\"]\n",
                   mrenclave, root);
    write_policy(s, at, id, name, text);
}

static void write_policies(scene *s)
{
    write_policy_for(s, 0, MATCHING, "matching.yaml", '1');
    write_policy_for(s, 1, OTHER, "other.yaml", '2');
    write_policy(s, 2, BUILDER, "builder.json",
                 "{\"policy\": {\"composite_appraisal\": {\"sgx\": {\"sgx_isvsvn_min\": 0},"
                 " \"export\": {\"sgx\": {\"sgx_mrenclave\": \"code\"}}}}}");
}

static vouch_code open_service(scene *s, const char *root, vch_appraiser **out, vouch_error *err)
{
    static vch_verifyd_config config;
    const vch_collateral_surroundings around = { .now_unix_s = now };
    config = (vch_verifyd_config) { .root_count = 1,
                                    .collateral = { .dir = s->collateral },
                                    .policies = s->policies,
                                    .policy_count = 3 };
    (void)snprintf(config.roots[0], sizeof config.roots[0], "%s", root);
    return vch_appraiser_new(&config, &around, out, err);
}

static void scene_make(scene *s, vouch_tee tee, vouch_tcb_status status, vch_sim_revoke revoke)
{
    vouch_error err = { 0 };
    const vch_sim_platform_options how = {
        .tee = tee, .status = status, .revoke = revoke, .now_unix_s = NOW
    };
    *s = (scene) { 0 };
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-appraise-", s->dir, &err), &err);
    CHECK_OK(vch_sim_platform_create(s->dir, &how, &err), &err);
    CHECK_OK(vch_sim_platform_open(s->dir, &s->platform, &err), &err);
    CHECK_OK(vch_path_join(s->dir, "root.pem", s->root, &err), &err);
    CHECK_OK(vch_path_join(s->dir, "collateral", s->collateral, &err), &err);
    write_policies(s);
    CHECK_OK(open_service(s, s->root, &s->appraiser, &err), &err);
}

static void scene_done(scene *s)
{
    vch_appraiser_free(s->appraiser);
    vch_sim_platform_free(s->platform);
    CHECK(vch_dir_remove_tree(s->dir, NULL) == VOUCH_OK);
}

static void put(vch_buffer *out, const char *text)
{
    *out = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    vch_buffer_append_str(out, text);
}

/* A request with a nonce and data, and a quote that is bound to them. */
static void ask(const scene *s, vch_attest_request *r)
{
    vouch_error err = { 0 };
    vch_sim_quote_options how = { 0 };
    *r = (vch_attest_request) { .has_nonce = true };
    put(&r->nonce_val, "value");
    put(&r->nonce_iat, "moment");
    put(&r->held_data, "data");
    put(&r->quote, "");
    memset(how.measurement.mrenclave, 0x11, sizeof how.measurement.mrenclave);
    CHECK_OK(vch_token_binding(s->platform->tee == VOUCH_TEE_TDX, vch_buffer_span(&r->nonce_val),
                               vch_buffer_span(&r->nonce_iat), vch_buffer_span(&r->held_data),
                               how.report_data, &err),
             &err);
    CHECK_OK(vch_sim_quote_make(s->platform, &how, &r->quote, &err), &err);
}

static void judge(const vch_appraiser *a, const vch_attest_request *r, const vch_own_policies *own,
                  vch_attest_result *out)
{
    vouch_error err = { 0 };
    static const vch_own_policies all = { NULL, 0 };
    *out = (vch_attest_result) { 0 };
    CHECK_OK(vch_appraiser_judge(a, r, own == NULL ? &all : own, NOW, out, &err), &err);
}

static void expect_refused(const scene *s, const vch_attest_request *r, const char *step,
                           const char *code)
{
    vch_attest_result result;
    judge(s->appraiser, r, NULL, &result);
    CHECK(!result.accepted);
    assert_string_equal(result.step, step);
    assert_string_equal(result.code, code);
    CHECK(result.message[0] != '\0');
    vch_attest_result_drop(&result);
}

static void a_bound_quote_of_a_genuine_platform_is_accepted(void **state)
{
    (void)state;
    static const vouch_tee tees[] = { VOUCH_TEE_SGX, VOUCH_TEE_TDX };
    for (size_t i = 0; i < 2; i++) {
        scene s;
        vch_attest_request r;
        vch_attest_result result;
        scene_make(&s, tees[i], VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
        ask(&s, &r);
        judge(s.appraiser, &r, NULL, &result);
        CHECK(result.accepted && result.step == NULL);
        vch_attest_result_drop(&result);
        r.tee = tees[i];
        judge(s.appraiser, &r, NULL, &result);
        CHECK(result.accepted);
        vch_attest_result_drop(&result);
        vch_attest_request_drop(&r);
        scene_done(&s);
    }
}

static void check_digest(const scene *s, const char *name, const uint8_t *digest)
{
    vouch_error err = { 0 };
    char path[VCH_PATH_SIZE];
    uint8_t want[VCH_SHA256_SIZE];
    vch_buffer content = { 0 };
    CHECK_OK(vch_path_join(s->collateral, name, path, &err), &err);
    CHECK_OK(vch_file_read(path, (size_t)1 << 20, &content, &err), &err);
    CHECK_OK(vch_sha256(vch_buffer_span(&content), want, &err), &err);
    assert_memory_equal(digest, want, sizeof want);
    vch_buffer_drop(&content);
}

static void the_collateral_that_it_was_judged_by_is_told_by_digests(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    vch_attest_result result;
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    judge(s.appraiser, &r, NULL, &result);
    check_digest(&s, "tcb_info.json", result.collateral.tcb_info);
    check_digest(&s, "tcb_info_issuer_chain.pem", result.collateral.tcb_info_chain);
    check_digest(&s, "qe_identity.json", result.collateral.qe_identity);
    check_digest(&s, "qe_identity_issuer_chain.pem", result.collateral.qe_identity_chain);
    check_digest(&s, "root_ca_crl.der", result.collateral.root_ca_crl);
    vch_attest_result_drop(&result);
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void bytes_that_are_no_quote_are_refused(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    r.quote.size = 100;
    expect_refused(&s, &r, "quote", "malformed");
    r.quote.size = 0;
    expect_refused(&s, &r, "quote", "malformed");
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void a_quote_that_was_altered_is_refused(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    vch_attest_result result;
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    r.quote.data[48 + 64] ^= 1; /* MRENCLAVE */
    judge(s.appraiser, &r, NULL, &result);
    CHECK(!result.accepted);
    assert_string_equal(result.step, "quote");
    CHECK(strncmp(result.message, "Failed to verify quote: ", 24) == 0);
    vch_attest_result_drop(&result);
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void a_platform_under_no_trusted_root_is_refused(void **state)
{
    (void)state;
    scene s;
    scene stranger;
    vouch_error err = { 0 };
    vch_attest_request r;
    vch_appraiser *deaf = NULL;
    vch_attest_result result = { 0 };
    static const vch_own_policies all = { NULL, 0 };
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    scene_make(&stranger, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&stranger, &r);
    judge(s.appraiser, &r, NULL, &result); /* a quote of another vendor's platform */
    CHECK(!result.accepted);
    assert_string_equal(result.step, "quote");
    vch_attest_result_drop(&result);
    CHECK_OK(open_service(&s, stranger.root, &deaf, &err), &err); /* collateral of another's */
    CHECK_OK(vch_appraiser_judge(deaf, &r, &all, NOW, &result, &err), &err);
    CHECK(!result.accepted);
    assert_string_equal(result.code, "collateral_missing");
    vch_attest_result_drop(&result);
    vch_appraiser_free(deaf);
    vch_attest_request_drop(&r);
    scene_done(&stranger);
    scene_done(&s);
}

static void a_revoked_platform_or_tcb_level_is_refused_and_an_old_one_is_told(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    vch_attest_result result;
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_PCK);
    ask(&s, &r);
    judge(s.appraiser, &r, NULL, &result);
    CHECK(!result.accepted);
    assert_string_equal(result.step, "quote");
    vch_attest_result_drop(&result);
    vch_attest_request_drop(&r);
    scene_done(&s);
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_REVOKED, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    expect_refused(&s, &r, "quote", "tcb_revoked");
    vch_attest_request_drop(&r);
    scene_done(&s);
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_OUT_OF_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    judge(s.appraiser, &r, NULL, &result);
    CHECK(result.accepted);
    CHECK(vouch_appraisal_claims(result.appraisal)->tcb_status == VOUCH_TCB_OUT_OF_DATE);
    vch_attest_result_drop(&result);
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void a_quote_of_another_tee_than_the_body_names_is_refused(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    r.tee = VOUCH_TEE_TDX;
    expect_refused(&s, &r, "request", "tee");
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void all_that_the_quote_is_bound_to_is_held_against_it(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    vch_buffer *const parts[] = { &r.nonce_val, &r.nonce_iat, &r.held_data };
    for (size_t i = 0; i < 3; i++) {
        parts[i]->data[0] ^= 1;
        expect_refused(&s, &r, "binding", "report_data");
        parts[i]->data[0] ^= 1;
    }
    r.has_nonce = false; /* data alone are held against it, too */
    r.nonce_val.size = r.nonce_iat.size = 0;
    expect_refused(&s, &r, "binding", "report_data");
    r.has_nonce = true; /* and a nonce alone */
    r.held_data.size = 0;
    expect_refused(&s, &r, "binding", "report_data");
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void the_second_half_of_report_data_must_be_zero_for_sgx(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    vouch_error err = { 0 };
    vch_sim_quote_options how = { 0 };
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    CHECK_OK(vch_token_binding(false, vch_buffer_span(&r.nonce_val), vch_buffer_span(&r.nonce_iat),
                               vch_buffer_span(&r.held_data), how.report_data, &err),
             &err);
    how.report_data[63] = 1;
    r.quote.size = 0;
    CHECK_OK(vch_sim_quote_make(s.platform, &how, &r.quote, &err), &err);
    expect_refused(&s, &r, "binding", "report_data");
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void with_neither_nonce_nor_data_nothing_is_compared(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    vch_attest_result result;
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    r.has_nonce = false;
    r.held_data.size = 0;
    judge(s.appraiser, &r, NULL, &result);
    CHECK(result.accepted);
    vch_attest_result_drop(&result);
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void expect_policies(const vch_attest_result *result, const char *const ids[],
                            const bool matched[], size_t count)
{
    CHECK(result->accepted && result->policy_count == count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(result->policies[i].id, ids[i]);
        CHECK(result->policies[i].matched == matched[i]);
    }
}

static void each_policy_is_judged_and_its_file_told_by_its_digest(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    vch_attest_result result;
    vouch_error err = { 0 };
    static const char *const ids[] = { MATCHING, OTHER, BUILDER };
    static const bool matched[] = { true, false, true };
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    judge(s.appraiser, &r, NULL, &result);
    expect_policies(&result, ids, matched, 3);
    for (size_t i = 0; i < 3; i++) {
        uint8_t want[VCH_SHA384_SIZE];
        vch_buffer text = { 0 };
        CHECK_OK(vch_file_read(s.policies[i].file, 4096, &text, &err), &err);
        CHECK_OK(vch_sha384(vch_buffer_span(&text), want, &err), &err);
        assert_memory_equal(result.policies[i].sha384, want, sizeof want);
        vch_buffer_drop(&text);
    }
    CHECK(result.export_count == 1);
    assert_string_equal(result.exports[0].name, "code");
    vch_attest_result_drop(&result);
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void the_requests_policies_replace_those_of_its_api_key(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    vch_attest_result result;
    static const char *const keys[] = { OTHER };
    static const char *const asked[] = { MATCHING };
    static const bool no[] = { false };
    static const bool yes[] = { true };
    const vch_own_policies own = { keys, 1 };
    const vch_own_policies none = { keys, 0 };
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    judge(s.appraiser, &r, &own, &result);
    expect_policies(&result, keys, no, 1);
    vch_attest_result_drop(&result);
    judge(s.appraiser, &r, &none, &result);
    expect_policies(&result, keys, no, 0);
    vch_attest_result_drop(&result);
    r.policy_ids[0] = "11111111-2222-4333-8444-55555555555A"; /* of either case */
    r.policy_id_count = 1;
    judge(s.appraiser, &r, &own, &result);
    expect_policies(&result, asked, yes, 1);
    vch_attest_result_drop(&result);
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void a_policy_that_does_not_exist_or_must_match_and_does_not_is_refused(void **state)
{
    (void)state;
    scene s;
    vch_attest_request r;
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    ask(&s, &r);
    CHECK(vch_appraiser_has_policy(s.appraiser, MATCHING));
    CHECK(!vch_appraiser_has_policy(s.appraiser, UNKNOWN));
    r.policy_ids[0] = UNKNOWN;
    r.policy_id_count = 1;
    expect_refused(&s, &r, "policy", "unknown");
    r.policy_ids[0] = OTHER;
    r.policy_must_match = true;
    expect_refused(&s, &r, "policy", "unmatched");
    r.policy_id_count = 0; /* of all policies one does not */
    expect_refused(&s, &r, "policy", "unmatched");
    vch_attest_request_drop(&r);
    scene_done(&s);
}

static void a_root_or_policy_that_cannot_be_read_stops_the_start(void **state)
{
    (void)state;
    scene s;
    vouch_error err = { 0 };
    vch_appraiser *none = NULL;
    char text[1024];
    scene_make(&s, VOUCH_TEE_SGX, VOUCH_TCB_UP_TO_DATE, VCH_SIM_REVOKE_NOTHING);
    CHECK(open_service(&s, s.policies[0].file, &none, &err) != VOUCH_OK);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), s.policies[0].file) != NULL);
    write_policy(&s, 1, OTHER, "other.yaml", "version: 1\nmeasurement: 3\n");
    err = (vouch_error) { 0 };
    CHECK(open_service(&s, s.root, &none, &err) == VOUCH_E_CONFIG);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), OTHER) != NULL);
    CHECK_OK(vch_file_remove(s.policies[1].file, &err), &err);
    CHECK(open_service(&s, s.root, &none, &err) == VOUCH_E_NOT_FOUND);
    scene_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bound_quote_of_a_genuine_platform_is_accepted),
        TEST(the_collateral_that_it_was_judged_by_is_told_by_digests),
        TEST(bytes_that_are_no_quote_are_refused),
        TEST(a_quote_that_was_altered_is_refused),
        TEST(a_platform_under_no_trusted_root_is_refused),
        TEST(a_revoked_platform_or_tcb_level_is_refused_and_an_old_one_is_told),
        TEST(a_quote_of_another_tee_than_the_body_names_is_refused),
        TEST(all_that_the_quote_is_bound_to_is_held_against_it),
        TEST(the_second_half_of_report_data_must_be_zero_for_sgx),
        TEST(with_neither_nonce_nor_data_nothing_is_compared),
        TEST(each_policy_is_judged_and_its_file_told_by_its_digest),
        TEST(the_requests_policies_replace_those_of_its_api_key),
        TEST(a_policy_that_does_not_exist_or_must_match_and_does_not_is_refused),
        TEST(a_root_or_policy_that_cannot_be_read_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
