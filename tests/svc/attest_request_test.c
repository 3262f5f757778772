#include "svc/attest_request.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

#include "check.h"

#define QUOTE "\"quote\":\"AwACAAAAAAA=\""
#define NONCE "\"verifier_nonce\":{\"val\":\"dmFs\",\"iat\":\"aWF0\",\"signature\":\"c2ln\"}"
#define ID "11111111-2222-4333-8444-555555555555"

static vouch_code parse(const char *body, bool on_v2, vch_attest_request *out)
{
    vouch_error err = { 0 };
    vouch_code rc = vch_attest_request_parse(vch_span_str(body), on_v2, out, &err);
    CHECK((rc == VOUCH_OK) == (err.depth == 0));
    return rc;
}

static void a_flat_request_is_read_whole(void **state)
{
    (void)state;
    vch_attest_request r = { 0 };
    CHECK(parse("{" QUOTE "," NONCE ",\"runtime_data\":\"ZGF0YQ==\",\"policy_ids\":[\"" ID "\"],"
                "\"policy_must_match\":true,\"token_signing_alg\":\"RS256\",\"event_log\":\"AAAA\","
                "\"unknown\":{}}",
                false, &r)
          == VOUCH_OK);
    CHECK(!r.composite && r.tee == VOUCH_TEE_NONE && r.quote.size == 8 && r.has_nonce);
    CHECK(vch_span_is(vch_buffer_span(&r.nonce_val), "val"));
    CHECK(vch_span_is(vch_buffer_span(&r.nonce_iat), "iat"));
    CHECK(vch_span_is(vch_buffer_span(&r.nonce_signature), "sig"));
    CHECK(vch_span_is(vch_buffer_span(&r.held_data), "data"));
    CHECK(r.policy_id_count == 1 && r.policy_must_match && r.alg == VCH_JWS_RS256);
    assert_string_equal(r.policy_ids[0], ID);
    vch_attest_request_drop(&r);
    vch_attest_request_drop(&r); /* safe twice */
}

static void a_composite_request_names_its_tee(void **state)
{
    (void)state;
    vch_attest_request r = { 0 };
    CHECK(parse("{\"sgx\":{" QUOTE "," NONCE "}}", true, &r) == VOUCH_OK);
    CHECK(r.composite && r.tee == VOUCH_TEE_SGX && r.has_nonce && r.alg == VCH_JWS_PS384);
    vch_attest_request_drop(&r);
    CHECK(parse("{\"tdx\":{" QUOTE "},\"sgx\":null,\"nvgpu\":null}", true, &r) == VOUCH_OK);
    CHECK(r.composite && r.tee == VOUCH_TEE_TDX && !r.has_nonce);
    vch_attest_request_drop(&r);
}

static void a_flat_body_on_the_v2_path_is_flat(void **state)
{
    (void)state;
    vch_attest_request r = { 0 };
    CHECK(parse("{" QUOTE "}", true, &r) == VOUCH_OK);
    CHECK(!r.composite && r.tee == VOUCH_TEE_NONE);
    vch_attest_request_drop(&r);
}

static const struct {
    const char *name;
    const char *body;
    bool on_v2;
    vouch_code want;
} bodies[] = {
    { "null everywhere",
      "{" QUOTE ",\"verifier_nonce\":null,\"runtime_data\":null,\"user_data\":null,\"policy_ids\":"
      "null,\"policy_must_match\":null,\"token_signing_alg\":null,\"event_log\":null}",
      false, VOUCH_OK },
    { "empty everywhere",
      "{" QUOTE ",\"runtime_data\":\"\",\"user_data\":\"\",\"policy_ids\":[],\"token_signing_alg\":"
      "\"\",\"verifier_nonce\":{}}",
      false, VOUCH_OK },
    { "base64url without padding", "{\"quote\":\"AwACAAAA-_8\"}", false, VOUCH_OK },
    { "base64url with padding", "{\"quote\":\"AwACAAAA-_8=\"}", false, VOUCH_OK },
    { "standard without padding", "{\"quote\":\"AwACAAAA+/8\"}", false, VOUCH_OK },
    { "mixed alphabets", "{\"quote\":\"AwACAAAA-/8\"}", false, VOUCH_E_FORMAT },
    { "a blank in base64", "{\"quote\":\"AwAC AAAA\"}", false, VOUCH_E_FORMAT },
    { "a line end in base64", "{\"quote\":\"AwAC\\nAAAA\"}", false, VOUCH_E_FORMAT },
    { "trailing bits", "{\"quote\":\"AwB=\"}", false, VOUCH_E_FORMAT },
    { "no quote", "{}", false, VOUCH_E_FORMAT },
    { "a null quote", "{\"quote\":null}", false, VOUCH_E_FORMAT },
    { "an empty quote", "{\"quote\":\"\"}", false, VOUCH_E_FORMAT },
    { "a quote that is a number", "{\"quote\":1}", false, VOUCH_E_FORMAT },
    { "a composite body on v1", "{\"sgx\":{" QUOTE "}}", false, VOUCH_E_FORMAT },
    { "both TEEs", "{\"sgx\":{" QUOTE "},\"tdx\":{" QUOTE "}}", true, VOUCH_E_FORMAT },
    { "no TEE", "{\"policy_ids\":[]}", true, VOUCH_E_FORMAT },
    { "a TEE that is a string", "{\"sgx\":\"AwAC\"}", true, VOUCH_E_FORMAT },
    { "a GPU beside", "{\"sgx\":{" QUOTE "},\"nvgpu\":{\"arch\":\"hopper\"}}", true,
      VOUCH_E_UNSUPPORTED },
    { "a TPM beside", "{\"tdx\":{" QUOTE "},\"tpm\":{\"quote\":\"AAAA\"}}", true,
      VOUCH_E_UNSUPPORTED },
    { "SEV-SNP", "{\"sevsnp\":{\"report\":\"AAAA\"}}", true, VOUCH_E_UNSUPPORTED },
    { "user_data", "{" QUOTE ",\"user_data\":\"AAAA\"}", false, VOUCH_E_UNSUPPORTED },
    { "a nonce without val",
      "{" QUOTE ",\"verifier_nonce\":{\"iat\":\"aWF0\",\"signature\":\"c2ln\"}}", false,
      VOUCH_E_FORMAT },
    { "a nonce without iat",
      "{" QUOTE ",\"verifier_nonce\":{\"val\":\"dmFs\",\"signature\":\"c2ln\"}}", false,
      VOUCH_E_FORMAT },
    { "a nonce without signature",
      "{" QUOTE ",\"verifier_nonce\":{\"val\":\"dmFs\",\"iat\":\"aWF0\"}}", false, VOUCH_E_FORMAT },
    { "a nonce that is a string", "{" QUOTE ",\"verifier_nonce\":\"dmFs\"}", false,
      VOUCH_E_FORMAT },
    { "another algorithm", "{" QUOTE ",\"token_signing_alg\":\"HS256\"}", false,
      VOUCH_E_UNSUPPORTED },
    { "alg none", "{" QUOTE ",\"token_signing_alg\":\"none\"}", false, VOUCH_E_UNSUPPORTED },
    { "an algorithm that is a number", "{" QUOTE ",\"token_signing_alg\":1}", false,
      VOUCH_E_FORMAT },
    { "a policy id that is no UUID", "{" QUOTE ",\"policy_ids\":[\"x\"]}", false, VOUCH_E_FORMAT },
    { "a policy id that is a number", "{" QUOTE ",\"policy_ids\":[1]}", false, VOUCH_E_FORMAT },
    { "policy ids in a string", "{" QUOTE ",\"policy_ids\":\"" ID "\"}", false, VOUCH_E_FORMAT },
    { "must-match as a string", "{" QUOTE ",\"policy_must_match\":\"true\"}", false,
      VOUCH_E_FORMAT },
    { "an array", "[]", false, VOUCH_E_FORMAT },
    { "nothing", "", false, VOUCH_E_FORMAT },
    { "a member twice", "{" QUOTE "," QUOTE "}", false, VOUCH_E_FORMAT },
};

static void requests_are_lenient_where_clients_differ_and_strict_elsewhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        vch_attest_request r = { 0 };
        vouch_code got = parse(bodies[i].body, bodies[i].on_v2, &r);
        if (got != bodies[i].want)
            fail_msg("%s: %s", bodies[i].name, vouch_code_name(got));
        vch_attest_request_drop(&r);
    }
}

static vouch_code with_policy_ids(size_t count)
{
    vch_buffer body = vch_buffer_with_cap(8192);
    vch_buffer_append_str(&body, "{" QUOTE ",\"policy_ids\":[");
    for (size_t i = 0; i < count; i++)
        vch_buffer_append_str(&body, i == 0 ? "\"" ID "\"" : ",\"" ID "\"");
    vch_buffer_append_str(&body, "]}");
    vch_attest_request r = { 0 };
    vouch_code rc = parse(vch_buffer_text(&body), false, &r);
    vch_attest_request_drop(&r);
    vch_buffer_drop(&body);
    return rc;
}

static void ten_policies_are_accepted_and_eleven_are_not(void **state)
{
    (void)state;
    CHECK(with_policy_ids(9) == VOUCH_OK);
    CHECK(with_policy_ids(10) == VOUCH_OK);
    CHECK(with_policy_ids(11) == VOUCH_E_LIMIT);
}

static vouch_code with_data(const char *name, size_t size)
{
    vch_buffer body = vch_buffer_with_cap(VCH_ATTEST_BODY_MAX_SIZE);
    vch_buffer_append_fmt(&body, "{" QUOTE ",\"%s\":\"", name);
    for (size_t i = 0; i < size / 3; i++)
        vch_buffer_append_str(&body, "AAAA");
    vch_buffer_append_str(&body, size % 3 == 0 ? "\"}" : size % 3 == 1 ? "AA==\"}" : "AAA=\"}");
    vch_attest_request r = { 0 };
    vouch_code rc = parse(vch_buffer_text(&body), false, &r);
    vch_attest_request_drop(&r);
    vch_buffer_drop(&body);
    return rc;
}

static void data_has_a_limit(void **state)
{
    (void)state;
    CHECK(with_data("runtime_data", VCH_ATTEST_DATA_MAX_SIZE - 1) == VOUCH_OK);
    CHECK(with_data("runtime_data", VCH_ATTEST_DATA_MAX_SIZE) == VOUCH_OK);
    CHECK(with_data("runtime_data", VCH_ATTEST_DATA_MAX_SIZE + 1) == VOUCH_E_LIMIT);
}

static void uuids_have_one_form(void **state)
{
    (void)state;
    CHECK(vch_uuid_is_valid(ID));
    CHECK(vch_uuid_is_valid("abcdefAB-CDEF-4333-8444-555555555555"));
    CHECK(!vch_uuid_is_valid(""));
    CHECK(!vch_uuid_is_valid("11111111-2222-4333-8444-55555555555"));
    CHECK(!vch_uuid_is_valid("11111111-2222-4333-8444-5555555555555"));
    CHECK(!vch_uuid_is_valid("11111111222224333-8444-5555555555555"));
    CHECK(!vch_uuid_is_valid("g1111111-2222-4333-8444-555555555555"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_flat_request_is_read_whole),
        TEST(a_composite_request_names_its_tee),
        TEST(a_flat_body_on_the_v2_path_is_flat),
        TEST(requests_are_lenient_where_clients_differ_and_strict_elsewhere),
        TEST(ten_policies_are_accepted_and_eleven_are_not),
        TEST(data_has_a_limit),
        TEST(uuids_have_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
