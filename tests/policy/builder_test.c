#include "policy/builder.h"

#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "check.h"
#include "vouch/policy.h"

#define B32 "1111111111111111111111111111111111111111111111111111111111111111"
#define B48 B32 "11111111111111111111111111111111"
#define O32 "2222222222222222222222222222222222222222222222222222222222222222"
#define O48 O32 "22222222222222222222222222222222"
#define NOW INT64_C(1796115600)      /* 2026-12-01T09:00:00Z */
#define TCB_DATE INT64_C(1774915200) /* 2026-03-31T00:00:00Z */
#define SGX(rules) "{\"policy\":{\"sgx_appraisal\":{" rules "}}}"
#define TDX(rules) "{\"policy\":{\"tdx_appraisal\":{" rules "}}}"

static vouch_claims claims_of(vouch_tee tee)
{
    vouch_claims c = { .tee = tee,
                       .tcb_status = VOUCH_TCB_UP_TO_DATE,
                       .current_tcb_status = VOUCH_TCB_UP_TO_DATE,
                       .tcb_date_unix_s = TCB_DATE,
                       .sgx = { .isv_prod_id = 7, .isv_svn = 3 } };
    memset(c.sgx.mrenclave, 0x11, 32);
    memset(c.sgx.mrsigner, 0x11, 32);
    memset(c.tdx.mrtd, 0x11, 48);
    memset(c.tdx.mrseam, 0x11, 48);
    memset(c.tdx.mrsigner_seam, 0x11, 48);
    memset(c.tdx.rtmr, 0x11, sizeof c.tdx.rtmr);
    c.tdx.tee_tcb_svn[0] = 0x0b;
    c.tdx.tee_tcb_svn[1] = 0x01;
    return c;
}

static bool judge_at(const char *json, const vouch_claims *claims, int64_t now)
{
    vouch_error err = { 0 };
    vch_builder_policy *policy = NULL;
    vch_reasons reasons = { 0 };
    CHECK_OK(vch_builder_parse("p.json", vch_span_str(json), &policy, &err), &err);
    bool match = vch_builder_judge(policy, claims, now, &reasons);
    CHECK(match == !vch_reasons_any(&reasons)); /* a refusal has a reason */
    vch_reasons_drop(&reasons);
    vch_builder_free(policy);
    return match;
}

static bool judge(const char *json)
{
    vouch_claims c = claims_of(strstr(json, "tdx") != NULL ? VOUCH_TEE_TDX : VOUCH_TEE_SGX);
    return judge_at(json, &c, NOW);
}

static const struct {
    const char *json;
    bool match;
} rules[] = {
    { SGX("\"sgx_mrenclave\":\"" B32 "\""), true },
    { SGX("\"sgx_mrenclave\":\"" O32 "\""), false },
    { SGX("\"sgx_mrenclave\":[\"" O32 "\",\"" B32 "\"]"), true },
    { SGX("\"sgx_mrenclave\":[\"" O32 "\"]"), false },
    { SGX("\"sgx_mrsigner\":\"" B32 "\",\"sgx_mrenclave\":\"" B32 "\""), true },
    { SGX("\"sgx_mrsigner\":\"" O32 "\",\"sgx_mrenclave\":\"" B32 "\""), false },
    { SGX("\"sgx_mrsigner\":\"" B32 "\",\"sgx_mrenclave\":\"" O32 "\""), false },
    { SGX("\"sgx_isvprodid\":7"), true },
    { SGX("\"sgx_isvprodid\":8"), false },
    { SGX("\"sgx_isvsvn\":3"), true },
    { SGX("\"sgx_isvsvn\":2"), false },
    { SGX("\"sgx_isvsvn_min\":2"), true },
    { SGX("\"sgx_isvsvn_min\":3"), true },
    { SGX("\"sgx_isvsvn_min\":4"), false },
    { SGX("\"sgx_is_debuggable\":false"), true },
    { SGX("\"sgx_is_debuggable\":true"), false },
    { TDX("\"tdx_mrtd\":\"" B48 "\""), true },
    { TDX("\"tdx_mrtd\":\"" O48 "\""), false },
    { TDX("\"tdx_mrseam\":\"" O48 "\""), false },
    { TDX("\"tdx_mrsignerseam\":\"" O48 "\""), false },
    { TDX("\"tdx_mrseam\":\"" B48 "\",\"tdx_mrsignerseam\":\"" B48 "\""), true },
    { TDX("\"tdx_rtmr0\":\"" O48 "\""), false },
    { TDX("\"tdx_rtmr1\":\"" O48 "\""), false },
    { TDX("\"tdx_rtmr2\":\"" O48 "\""), false },
    { TDX("\"tdx_rtmr3\":[\"" O48 "\"]"), false },
    { TDX("\"tdx_rtmr0\":\"" B48 "\",\"tdx_rtmr1\":\"" B48 "\",\"tdx_rtmr2\":\"" B48
          "\",\"tdx_rtmr3\":[\"" O48 "\",\"" B48 "\"]"),
      true },
    { TDX("\"tdx_seamsvn\":267"), true },
    { TDX("\"tdx_seamsvn\":11"), false },
    { TDX("\"tdx_is_debuggable\":false"), true },
    { TDX("\"tdx_tee_is_debuggable\":true"), false },
    { SGX("\"min_tcb_date\":\"2026-03-31T00:00:00Z\""), true },
    { SGX("\"min_tcb_date\":\"2026-03-31T00:00:01Z\""), false },
    { SGX("\"tcb_status_allowed\":[\"SWHardeningNeeded\",\"UpToDate\"]"), true },
    { SGX("\"tcb_status_allowed\":[\"SWHardeningNeeded\"]"), false },
    { SGX("\"allowed_advisory_ids\":[]"), true },
    { "{\"policy\":{\"composite_appraisal\":{\"sgx\":{\"sgx_isvsvn\":3}}}}", true },
    { "{\"policy\":{\"composite_appraisal\":{\"sgx\":{\"sgx_isvsvn\":4}}}}", false },
    { "{\"policy\":{\"composite_appraisal\":{\"tdx\":{\"tdx_mrtd\":\"" B48 "\"}}}}", true },
    { "{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn\":\"svn\"}}}", true },
};

static void each_rule_is_met_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (judge(rules[i].json) != rules[i].match)
            fail_msg("%s", rules[i].json);
    }
}

static void a_time_to_live_counts_calendar_months_from_the_tcb_date(void **state)
{
    (void)state;
    vouch_claims c = claims_of(VOUCH_TEE_SGX);
    /* 31 March and 1 month: April has no 31st, so 1 May, as Rego's time.add_date says */
    CHECK(judge_at(SGX("\"ttl_period\":1"), &c, 1777593600)); /* 2026-05-01T00:00:00Z */
    CHECK(!judge_at(SGX("\"ttl_period\":1"), &c, 1777593601));
    CHECK(judge_at(SGX("\"ttl_period\":9"), &c, 1798675200)); /* 2026-12-31T00:00:00Z */
    CHECK(!judge_at(SGX("\"ttl_period\":9"), &c, 1798675201));
    CHECK(judge_at(SGX("\"ttl_period\":12"), &c, 1806451200)); /* 2027-03-31T00:00:00Z */
    CHECK(!judge_at(SGX("\"ttl_period\":12"), &c, 1806451201));
    c.tcb_date_unix_s = INT64_C(250000000000);
    CHECK(judge_at(SGX("\"ttl_period\":1200"), &c, NOW)); /* past the calendar's end */
}

static void every_advisory_must_be_allowed_those_of_now_too(void **state)
{
    (void)state;
    static const char *const one[] = { "INTEL-SA-00586" };
    static const char *const two[] = { "INTEL-SA-00586", "INTEL-SA-00999" };
    static const char allowed[] =
        SGX("\"allowed_advisory_ids\":[\"INTEL-SA-00615\",\"INTEL-SA-00586\"]");
    vouch_claims c = claims_of(VOUCH_TEE_SGX);
    c.advisory_ids = one;
    c.advisory_count = 1;
    CHECK(judge_at(allowed, &c, NOW));
    CHECK(!judge_at(SGX("\"allowed_advisory_ids\":[]"), &c, NOW));
    c.advisory_ids = two;
    c.advisory_count = 2;
    CHECK(!judge_at(allowed, &c, NOW));
    c.advisory_count = 0;
    c.current_advisory_ids = two;
    c.current_advisory_count = 2;
    CHECK(!judge_at(allowed, &c, NOW));
}

static void the_status_of_now_must_be_allowed_too(void **state)
{
    (void)state;
    vouch_claims c = claims_of(VOUCH_TEE_TDX);
    static const char policy[] = TDX("\"tcb_status_allowed\":[\"UpToDate\"]");
    CHECK(judge_at(policy, &c, NOW));
    c.current_tcb_status = VOUCH_TCB_OUT_OF_DATE;
    CHECK(!judge_at(policy, &c, NOW));
    CHECK(judge_at(TDX("\"tcb_status_allowed\":[\"UpToDate\",\"OutOfDate\"]"), &c, NOW));
}

static void a_policy_for_another_tee_never_matches(void **state)
{
    (void)state;
    vouch_claims sgx = claims_of(VOUCH_TEE_SGX);
    vouch_claims tdx = claims_of(VOUCH_TEE_TDX);
    CHECK(!judge_at(TDX("\"tdx_is_debuggable\":false"), &sgx, NOW));
    CHECK(!judge_at(SGX("\"sgx_isvsvn\":3"), &tdx, NOW));
    CHECK(!judge_at("{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn\":\"svn\"}}}", &tdx, NOW));
}

static void debug_is_told_from_production(void **state)
{
    (void)state;
    vouch_claims c = claims_of(VOUCH_TEE_SGX);
    c.debug = true;
    CHECK(!judge_at(SGX("\"sgx_is_debuggable\":false"), &c, NOW));
    CHECK(judge_at(SGX("\"sgx_is_debuggable\":true"), &c, NOW));
}

static const struct {
    const char *json;
    vouch_code want;
    const char *word;
} bad[] = {
    { "{\"policy\":", VOUCH_E_FORMAT, "" },
    { "{}", VOUCH_E_FORMAT, "policy" },
    { "{\"policy\":{}}", VOUCH_E_CONFIG, "empty" },
    { "{\"policy\":{},\"more\":1}", VOUCH_E_FORMAT, "more" },
    { "{\"policy\":\"default match = true\"}", VOUCH_E_UNSUPPORTED, "Rego" },
    { "{\"policy\":{\"nvgpu_appraisal\":{}}}", VOUCH_E_CONFIG, "nvgpu_appraisal" },
    { "{\"policy\":{\"composite_appraisal\":{\"nvgpu\":{}}}}", VOUCH_E_UNSUPPORTED, "nvgpu" },
    { "{\"policy\":{\"composite_appraisal\":{\"tpm\":{}}}}", VOUCH_E_UNSUPPORTED, "tpm" },
    { "{\"policy\":{\"composite_appraisal\":{\"sevsnp\":{}}}}", VOUCH_E_UNSUPPORTED, "sevsnp" },
    { "{\"policy\":{\"composite_appraisal\":{\"other\":{}}}}", VOUCH_E_CONFIG, "other" },
    { "{\"policy\":{\"composite_appraisal\":{}}}", VOUCH_E_CONFIG, "empty" },
    { "{\"policy\":{\"composite_appraisal\":7}}", VOUCH_E_CONFIG, "object" },
    { "{\"policy\":{\"composite_appraisal\":{\"export\":7}}}", VOUCH_E_CONFIG, "object" },
    { "{\"policy\":{\"composite_appraisal\":{\"sgx\":{\"sgx_isvsvn\":1}},\"sgx_appraisal\":{"
      "\"sgx_isvsvn\":1}}}",
      VOUCH_E_CONFIG, "alone" },
    { "{\"policy\":{\"composite_appraisal\":{\"sgx\":{\"sgx_isvsvn\":1},\"tdx\":{\"tdx_seamsvn\":1}"
      "}}}",
      VOUCH_E_CONFIG, "one TEE" },
    { "{\"policy\":{\"sgx_appraisal\":{\"sgx_isvsvn\":1},\"tdx_customization\":{}}}",
      VOUCH_E_CONFIG, "one TEE" },
    { "{\"policy\":{\"sgx_appraisal\":7}}", VOUCH_E_CONFIG, "object" },
    { SGX(""), VOUCH_E_CONFIG, "every enclave" },
    { TDX(""), VOUCH_E_CONFIG, "every TD" },
    { SGX("\"sgx_mrenclaves\":\"" B32 "\""), VOUCH_E_CONFIG, "sgx_mrenclaves" },
    { SGX("\"tdx_mrtd\":\"" B48 "\""), VOUCH_E_CONFIG, "another TEE" },
    { SGX("\"sgx_mrenclave\":\"11\""), VOUCH_E_CONFIG, "64 hex" },
    { SGX("\"sgx_mrenclave\":\"" B48 "\""), VOUCH_E_CONFIG, "64 hex" },
    { SGX("\"sgx_mrenclave\":\"x" B32 "\""), VOUCH_E_CONFIG, "64 hex" },
    { SGX("\"sgx_mrenclave\":[]"), VOUCH_E_CONFIG, "no value" },
    { SGX("\"sgx_mrenclave\":[7]"), VOUCH_E_CONFIG, "64 hex" },
    { SGX("\"sgx_mrenclave\":7"), VOUCH_E_CONFIG, "64 hex" },
    { SGX("\"sgx_mrenclave\":null"), VOUCH_E_CONFIG, "64 hex" },
    { TDX("\"tdx_mrtd\":\"" B32 "\""), VOUCH_E_CONFIG, "96 hex" },
    { SGX("\"sgx_isvsvn\":\"1\""), VOUCH_E_CONFIG, "number" },
    { SGX("\"sgx_isvsvn\":[1]"), VOUCH_E_CONFIG, "number" },
    { SGX("\"sgx_isvsvn\":-1"), VOUCH_E_CONFIG, "number" },
    { SGX("\"sgx_isvsvn\":65536"), VOUCH_E_CONFIG, "number" },
    { SGX("\"sgx_isvsvn\":1,\"sgx_isvsvn_min\":1"), VOUCH_E_CONFIG, "exclude" },
    { SGX("\"sgx_is_debuggable\":0"), VOUCH_E_CONFIG, "true or false" },
    { SGX("\"min_tcb_date\":\"2023-03-15\""), VOUCH_E_CONFIG, "date" },
    { SGX("\"min_tcb_date\":1"), VOUCH_E_CONFIG, "date" },
    { SGX("\"ttl_period\":0"), VOUCH_E_CONFIG, "months" },
    { SGX("\"ttl_period\":1201"), VOUCH_E_CONFIG, "months" },
    { SGX("\"tcb_status_allowed\":\"UpToDate\""), VOUCH_E_CONFIG, "statuses" },
    { SGX("\"tcb_status_allowed\":[]"), VOUCH_E_CONFIG, "no value" },
    { SGX("\"tcb_status_allowed\":[\"Revoked\"]"), VOUCH_E_CONFIG, "statuses" },
    { SGX("\"tcb_status_allowed\":[\"uptodate\"]"), VOUCH_E_CONFIG, "statuses" },
    { SGX("\"allowed_advisory_ids\":[\"\"]"), VOUCH_E_CONFIG, "advisories" },
    { SGX("\"allowed_advisory_ids\":[7]"), VOUCH_E_CONFIG, "advisories" },
    { SGX("\"tcb_status_allowed\":[7]"), VOUCH_E_CONFIG, "statuses" },
    { SGX("\"sgx_mrenclave\":[7]"), VOUCH_E_CONFIG, "hex digits" },
    { SGX("\"sgx_mrenclave\":\"g111111111111111111111111111111111111111111111111111111111111111\""),
      VOUCH_E_CONFIG, "hex digits" },
    { "{\"policy\":\"package x\"}", VOUCH_E_UNSUPPORTED, "Rego" },
    { SGX("\"allowed_advisory_ids\":\"INTEL-SA-1\""), VOUCH_E_CONFIG, "advisories" },
    { SGX("\"allowed_advisory_ids\":[\"" B32 "1\"]"), VOUCH_E_CONFIG, "advisories" },
    { "{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn_min\":\"x\"}}}", VOUCH_E_CONFIG,
      "exported" },
    { "{\"policy\":{\"sgx_customization\":{\"tdx_mrtd\":\"x\"}}}", VOUCH_E_CONFIG, "exported" },
    { "{\"policy\":{\"sgx_customization\":{\"nothing\":\"x\"}}}", VOUCH_E_CONFIG, "exported" },
    { "{\"policy\":{\"tdx_customization\":{\"tdx_tee_is_debuggable\":\"x\"}}}", VOUCH_E_CONFIG,
      "exported" },
    { "{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn\":\"\"}}}", VOUCH_E_CONFIG, "name" },
    { "{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn\":7}}}", VOUCH_E_CONFIG, "name" },
    { "{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn\":\"a\\n\"}}}", VOUCH_E_CONFIG, "name" },
    { "{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn\":\"" B48 "11111\"}}}", VOUCH_E_CONFIG,
      "name" },
    { "{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn\":\"a\\u007f\"}}}", VOUCH_E_CONFIG,
      "name" },
    { "{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn\":\"simulated\"}}}", VOUCH_E_CONFIG,
      "own" },
    { "{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn\":\"root_sha256\"}}}", VOUCH_E_CONFIG,
      "own" },
    { "{\"policy\":{\"sgx_customization\":{\"sgx_isvsvn\":\"a\",\"sgx_isvprodid\":\"a\"}}}",
      VOUCH_E_CONFIG, "two claims" },
};

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vouch_error err = { 0 };
        char text[1024];
        vch_builder_policy *policy = NULL;
        vouch_code rc = vch_builder_parse("p.json", vch_span_str(bad[i].json), &policy, &err);
        (void)vouch_error_text(&err, text, sizeof text);
        if (rc != bad[i].want || policy != NULL || strstr(text, bad[i].word) == NULL
            || strstr(text, "p.json") == NULL)
            fail_msg("%s: %s: %s", bad[i].json, vouch_code_name(rc), text);
    }
}

static vouch_code with_values(size_t count)
{
    vch_buffer text = vch_buffer_with_cap(VCH_BUILDER_MAX_SIZE);
    vouch_error err = { 0 };
    vch_builder_policy *policy = NULL;
    vch_buffer_append_str(&text, "{\"policy\":{\"sgx_appraisal\":{\"sgx_mrenclave\":[");
    for (size_t i = 0; i < count; i++)
        vch_buffer_append_str(&text, i == 0 ? "\"" B32 "\"" : ",\"" B32 "\"");
    vch_buffer_append_str(&text, "]}}}");
    vouch_code rc = vch_builder_parse("p.json", vch_buffer_span(&text), &policy, &err);
    vch_builder_free(policy);
    vch_buffer_drop(&text);
    return rc;
}

static void lists_and_texts_have_limits(void **state)
{
    (void)state;
    CHECK(with_values(256) == VOUCH_OK);
    CHECK(with_values(257) == VOUCH_E_CONFIG);
    static char big[VCH_BUILDER_MAX_SIZE + 1];
    static const char policy[] = SGX("\"sgx_isvsvn\":3");
    vch_builder_policy *out = NULL;
    memset(big, ' ', sizeof big);
    memcpy(big, policy, sizeof policy - 1);
    CHECK(vch_builder_parse("p", (vouch_span) { (uint8_t *)big, sizeof big - 1 }, &out, NULL)
          == VOUCH_OK);
    vch_builder_free(out);
    CHECK(vch_builder_parse("p", (vouch_span) { (uint8_t *)big, sizeof big }, &out, NULL)
          == VOUCH_E_LIMIT);
}

static void exports_are_those_of_the_evidences_tee(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_builder_policy *policy = NULL;
    const vch_builder_export *list = NULL;
    static const char json[] =
        "{\"policy\":{\"composite_appraisal\":{\"export\":{\"sgx\":{\"sgx_isvsvn\":\"svn\","
        "\"attester_tcb_status\":\"status\"}},\"sgx\":{\"sgx_isvsvn\":9}}}}";
    CHECK_OK(vch_builder_parse("p.json", vch_span_str(json), &policy, &err), &err);
    CHECK(vch_builder_exports(policy, VOUCH_TEE_TDX, &list) == 0);
    CHECK(vch_builder_exports(policy, VOUCH_TEE_SGX, &list) == 2);
    assert_string_equal(list[0].name, "svn");
    assert_string_equal(list[0].claim, "sgx_isvsvn");
    assert_string_equal(list[1].name, "status");
    vch_builder_free(policy);
}

static const struct {
    const char *text;
    vch_policy_form want;
} forms[] = {
    { "", VCH_POLICY_VOUCH },
    { "# only a comment", VCH_POLICY_VOUCH },
    { "version: 1\nmeasurements: []\n", VCH_POLICY_VOUCH },
    { "{measurements: [], roots: [intel]}", VCH_POLICY_VOUCH },
    { "{\"measurements\": []}", VCH_POLICY_VOUCH },
    { SGX("\"sgx_isvsvn\":3"), VCH_POLICY_BUILDER },
    { "\n  {\"policy\": {}}\n", VCH_POLICY_BUILDER },
    { "{\"policy\":\"default match := false\"}", VCH_POLICY_REGO },
    { "import rego.v1\ndefault match := false\n", VCH_POLICY_REGO },
    { "# Rego\n\ndefault matches_sgx_policy = false", VCH_POLICY_REGO },
    { "package policy", VCH_POLICY_REGO },
    { "get_token_fields[token_fields] {", VCH_POLICY_REGO },
    { "match if { true }", VCH_POLICY_REGO },
    { "export := {}", VCH_POLICY_REGO },
    { "matches_tdx_policy = true { input.tdx_seamsvn == 1 }", VCH_POLICY_REGO },
    { "eyJhbGciOiJub25lIn0.e30.", VCH_POLICY_REGO },
    { "{", VCH_POLICY_VOUCH },
};

static void the_form_is_told_from_the_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (vch_policy_form_of(vch_span_str(forms[i].text)) != forms[i].want)
            fail_msg("%s", forms[i].text);
    }
    CHECK(vch_policy_form_of((vouch_span) { 0 }) == VCH_POLICY_VOUCH);
}

static void rego_is_refused_with_the_sentence_wherever_a_policy_is_read(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char text[1024];
    vouch_policy *vouch = NULL;
    vch_builder_policy *builder = NULL;
    const vouch_span rego = vch_span_str("import rego.v1\ndefault match := true\n");
    CHECK(vouch_policy_parse("p.rego", rego, &vouch, &err) == VOUCH_E_CONFIG);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), vch_policy_rego_refusal) != NULL);
    CHECK(vch_builder_parse("p.rego", rego, &builder, &err) == VOUCH_E_UNSUPPORTED);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), vch_policy_rego_refusal) != NULL);
    CHECK(vouch_policy_parse("p.json", vch_span_str(SGX("\"sgx_isvsvn\":3")), &vouch, &err)
          == VOUCH_E_CONFIG);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "Policy Builder") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_rule_is_met_or_not),
        TEST(a_time_to_live_counts_calendar_months_from_the_tcb_date),
        TEST(every_advisory_must_be_allowed_those_of_now_too),
        TEST(the_status_of_now_must_be_allowed_too),
        TEST(a_policy_for_another_tee_never_matches),
        TEST(debug_is_told_from_production),
        TEST(what_is_wrong_is_told),
        TEST(lists_and_texts_have_limits),
        TEST(exports_are_those_of_the_evidences_tee),
        TEST(the_form_is_told_from_the_text),
        TEST(rego_is_refused_with_the_sentence_wherever_a_policy_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
