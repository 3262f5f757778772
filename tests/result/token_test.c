#include "vouch/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "codec/base64.h"
#include "codec/hex.h"
#include "crypto/jws.h"
#include "issuer.h"
#include "result/token_build.h"
#include "result/token_content.h"
#include "vouch/policy.h"

#include "check.h"

#define BASE_URL "https://avs.example"
#define HELD "\xa1 held data, no JSON"
#define NONCE_VAL "dmFsdWU="
#define NONCE_IAT "2027-01-15 08:00:00 +0000 UTC"
#define NONCE_VAL_BASE64 "ZG1Gc2RXVT0="
#define NONCE_IAT_BASE64 "MjAyNy0wMS0xNSAwODowMDowMCArMDAwMCBVVEM="

static issuer good;

static int make_issuer(void **state)
{
    (void)state;
    issuer_make(&good, NULL, NULL);
    return 0;
}

static int drop_issuer(void **state)
{
    (void)state;
    issuer_drop(&good);
    return 0;
}

/* An appraised platform and the statement of a token about it. */
typedef struct subject {
    vouch_claims claims;
    vch_token_statement statement;
    vch_token_policy policies[2];
} subject;

static void bind(subject *s)
{
    vouch_error err = { 0 };
    bool nonce = s->statement.nonce.val != NULL;
    CHECK_OK(vch_token_binding(s->claims.tee == VOUCH_TEE_TDX,
                               nonce ? vch_span_str(NONCE_VAL) : (vouch_span) { 0 },
                               nonce ? vch_span_str(NONCE_IAT) : (vouch_span) { 0 },
                               s->statement.held_data, s->claims.report_data, &err),
             &err);
}

static void prepare(subject *s, vouch_tee tee, unsigned version)
{
    static const uint8_t quote[] = { 3, 0 };
    *s = (subject) { .claims = { .tee = tee,
                                 .simulated = true,
                                 .tcb_status = VOUCH_TCB_UP_TO_DATE,
                                 .tcb_date_unix_s = ISSUER_NOW - 86400,
                                 .evaluation_number = 17 } };
    memset(s->claims.sgx.mrenclave, 0xe1, 32);
    memset(s->claims.sgx.mrsigner, 0x51, 32);
    s->claims.sgx.isv_prod_id = 7;
    s->claims.sgx.isv_svn = 3;
    memset(s->claims.tdx.mrtd, 0xd1, 48);
    memset(s->claims.tdx.mrsigner_seam, 0x52, 48);
    s->policies[0] =
        (vch_token_policy) { .id = "11111111-2222-4333-8444-555555555555", .matched = true };
    s->policies[1] = (vch_token_policy) { .id = "66666666-2222-4333-8444-555555555555" };
    s->statement = (vch_token_statement) {
        .version = version,
        .base_url = BASE_URL,
        .id = "59aeaed5-d127-420b-939d-b378ad4ac300",
        .instance_id = "d970fa2b-34bc-476d-ad8f-7a1b78f2885e",
        .issued_at_unix_s = ISSUER_NOW - 10,
        .lifetime_s = 300,
        .claims = &s->claims,
        .quote = { quote, sizeof quote },
        .held_data = vch_span_str(HELD),
        .nonce = { NONCE_VAL_BASE64, NONCE_IAT_BASE64, "c2ln" },
        .policies = s->policies,
        .policy_count = 2,
    };
    bind(s);
}

static vouch_token_expectation expect_subject(const subject *s)
{
    bool tdx = s->claims.tee == VOUCH_TEE_TDX;
    return (vouch_token_expectation) {
        .keys = good.keys,
        .root_sha256 = good.root_sha256,
        .root_count = 1,
        .crls = good.crls,
        .crl_count = 2,
        .base_url = BASE_URL,
        .now_unix_s = ISSUER_NOW,
        .nonce_val = vch_span_str(NONCE_VAL),
        .nonce_iat = vch_span_str(NONCE_IAT),
        .held_data = vch_span_str(HELD),
        .measurement = { tdx ? s->claims.tdx.mrtd : s->claims.sgx.mrenclave, tdx ? 48 : 32 },
        .accept_simulated = true,
    };
}

static void make_token(const subject *s, vch_buffer *out)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer payload = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    CHECK_OK(vch_token_payload_build(&s->statement, &payload, &err), &err);
    issuer_sign(&good, ISSUER_KID, vch_buffer_span(&payload), out);
}

static vouch_token_verdict *verdict_of(vouch_span token, const vouch_token_expectation *e)
{
    vouch_error err = { 0 };
    vouch_token_verdict *v = NULL;
    CHECK_OK(vouch_token_verify(token, e, &v, &err), &err);
    CHECK(vouch_token_verdict_admits(v) == (vouch_token_verdict_reason_count(v) == 0));
    return v;
}

/* 0 if it is admitted, else the first reason. */
static int first_reason(vouch_span token, const vouch_token_expectation *e)
{
    vouch_token_verdict *v = verdict_of(token, e);
    const char *sentence = NULL;
    int reason =
        vouch_token_verdict_admits(v) ? 0 : (int)vouch_token_verdict_reason(v, 0, &sentence);
    CHECK(reason == 0 || sentence[0] != '\0');
    vouch_token_verdict_free(v);
    return reason;
}

static int judge(const subject *s, const vouch_token_expectation *e)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = { 0 };
    make_token(s, &token);
    return first_reason(vch_buffer_span(&token), e);
}

static void tokens_of_both_versions_and_tees_are_admitted_and_read(void **state)
{
    (void)state;
    static const vouch_tee tees[] = { VOUCH_TEE_SGX, VOUCH_TEE_TDX };
    for (unsigned i = 0; i < 4; i++) {
        subject s;
        prepare(&s, tees[i / 2], 1 + i % 2);
        VCH_SCOPED(vch_buffer_drop) vch_buffer token = { 0 };
        make_token(&s, &token);
        const vouch_token_expectation e = expect_subject(&s);
        vouch_token_verdict *v = verdict_of(vch_buffer_span(&token), &e);
        const char *sentence = "";
        (void)vouch_token_verdict_reason(v, 0, &sentence);
        assert_string_equal(sentence, "");
        CHECK(vouch_token_verdict_admits(v) && vouch_token_verdict_revocation_checked(v));
        const vouch_token_claims *c = vouch_token_verdict_claims(v);
        CHECK(c->version == 1 + i % 2 && c->tee_type == (i / 2 == 0 ? 0u : 0x81u));
        assert_string_equal(c->tcb_status, "UpToDate");
        assert_string_equal(c->key_id, ISSUER_KID);
        CHECK(c->tcb_date_unix_s == ISSUER_NOW - 86400);
        CHECK(c->simulated && !c->debug && c->policies_matched_count == 1);
        assert_string_equal(c->policies_unmatched[0], s.policies[1].id);
        CHECK(vch_span_equal(c->measurement, e.measurement));
        CHECK(i / 2 == 1 || (c->prod_id == 7 && c->svn == 3));
        vouch_token_verdict_free(v);
    }
}

static void a_zeroed_expectation_and_no_verdict_refuse(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    const vouch_token_expectation nothing = { 0 };
    CHECK(judge(&s, &nothing) != 0);
    CHECK(!vouch_token_verdict_admits(NULL));
}

/* What is expected differs from what the token says, one thing at a time. */
static void each_expectation_refuses_by_itself(void **state)
{
    (void)state;
    static const uint8_t other[48];
    static const uint8_t other_root[32];
    static const char *const unmatched[] = { "66666666-2222-4333-8444-555555555555" };
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    vouch_token_expectation e = expect_subject(&s);
    CHECK(judge(&s, &e) == 0);
    e.keys = NULL;
    CHECK(judge(&s, &e) == VOUCH_TOKEN_KEY_UNKNOWN);
    e = expect_subject(&s);
    e.root_count = 0;
    CHECK(judge(&s, &e) == VOUCH_TOKEN_ROOT);
    e = expect_subject(&s);
    e.root_sha256 = other_root;
    CHECK(judge(&s, &e) == VOUCH_TOKEN_ROOT);
    e = expect_subject(&s);
    e.nonce_val = vch_span_str("b3RoZXI=");
    CHECK(judge(&s, &e) == VOUCH_TOKEN_NONCE);
    e = expect_subject(&s);
    e.nonce_iat = vch_span_str("2027-01-15 08:00:01 +0000 UTC");
    CHECK(judge(&s, &e) == VOUCH_TOKEN_NONCE);
    e = expect_subject(&s);
    e.nonce_val = e.nonce_iat = (vouch_span) { 0 };
    CHECK(judge(&s, &e) == VOUCH_TOKEN_NONCE);
    e = expect_subject(&s);
    e.held_data = vch_span_str("other data");
    CHECK(judge(&s, &e) == VOUCH_TOKEN_HELD_DATA);
    e = expect_subject(&s);
    e.held_data = (vouch_span) { 0 };
    CHECK(judge(&s, &e) == VOUCH_TOKEN_HELD_DATA);
    e = expect_subject(&s);
    e.measurement = (vouch_span) { other, 32 };
    CHECK(judge(&s, &e) == VOUCH_TOKEN_MEASUREMENT);
    e = expect_subject(&s);
    e.measurement.size = 31;
    CHECK(judge(&s, &e) == VOUCH_TOKEN_MEASUREMENT);
    e = expect_subject(&s);
    e.accept_simulated = false;
    CHECK(judge(&s, &e) == VOUCH_TOKEN_SIMULATED);
    e = expect_subject(&s);
    e.policy_ids = unmatched;
    e.policy_id_count = 1;
    CHECK(judge(&s, &e) == VOUCH_TOKEN_POLICY);
}

static void the_issuer_is_compared(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 2);
    vouch_token_expectation e = expect_subject(&s);
    e.base_url = "https://avs.example/";
    CHECK(judge(&s, &e) == 0);
    e.base_url = "https://avs.exampl";
    CHECK(judge(&s, &e) == VOUCH_TOKEN_ISSUER);
    e.base_url = "https://avs.example.org";
    CHECK(judge(&s, &e) == VOUCH_TOKEN_ISSUER);
    e.base_url = "https://avs.examplf";
    CHECK(judge(&s, &e) == VOUCH_TOKEN_ISSUER);
    e.base_url = NULL;
    CHECK(judge(&s, &e) == 0);
    s.statement.base_url = "ftp://avs.example";
    CHECK(judge(&s, &e) == VOUCH_TOKEN_ISSUER);
}

static void times_hold_to_the_second_with_the_leeway_given(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    vouch_token_expectation e = expect_subject(&s);
    const int64_t nbf = ISSUER_NOW - 10;
    const int64_t exp = nbf + 300;
    const struct {
        int64_t now;
        uint32_t leeway, max_age;
        bool admitted;
    } cases[] = {
        { nbf, 0, 0, true },           { nbf - 1, 0, 0, false },     { nbf - 60, 60, 0, true },
        { nbf - 61, 60, 0, false },    { exp - 1, 0, 0, true },      { exp, 0, 0, false },
        { exp + 59, 60, 0, true },     { exp + 60, 60, 0, false },   { exp + 299, 900, 0, true },
        { exp + 300, 900, 0, false }, /* capped at 300 */
        { nbf + 100, 0, 100, true },   { nbf + 101, 0, 100, false }, { nbf + 110, 10, 100, true },
        { nbf + 111, 10, 100, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        e.now_unix_s = cases[i].now;
        e.leeway_s = cases[i].leeway;
        e.max_age_s = cases[i].max_age;
        int got = judge(&s, &e);
        if (got != (cases[i].admitted ? 0 : VOUCH_TOKEN_TIME))
            fail_msg("case %zu: %d", i, got);
    }
}

static void debug_is_refused_unless_accepted(void **state)
{
    (void)state;
    static const vouch_tee tees[] = { VOUCH_TEE_SGX, VOUCH_TEE_TDX };
    for (unsigned i = 0; i < 4; i++) {
        subject s;
        prepare(&s, tees[i / 2], 1 + i % 2);
        s.claims.debug = true;
        s.claims.sgx.attribute_flags = VOUCH_SGX_ATTRIBUTE_DEBUG;
        s.claims.tdx.td_attributes = 2; /* a bit of the TUD group that is not DEBUG */
        vouch_token_expectation e = expect_subject(&s);
        CHECK(judge(&s, &e) == VOUCH_TOKEN_DEBUG);
        e.accept_debug = true;
        CHECK(judge(&s, &e) == 0);
    }
}

static void the_tcb_status_and_advisories_must_be_accepted(void **state)
{
    (void)state;
    static const char *const accept[] = { "UpToDate", "SWHardeningNeeded" };
    static const char *const advisories[] = { "INTEL-SA-00615", "INTEL-SA-00657" };
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 2);
    s.claims.tcb_status = VOUCH_TCB_SW_HARDENING_NEEDED;
    vouch_token_expectation e = expect_subject(&s);
    CHECK(judge(&s, &e) == VOUCH_TOKEN_TCB);
    e.tcb_accept = accept;
    e.tcb_accept_count = 2;
    CHECK(judge(&s, &e) == 0);
    s.claims.advisory_ids = advisories;
    s.claims.advisory_count = 2;
    CHECK(judge(&s, &e) == VOUCH_TOKEN_TCB);
    e.advisories_accept = advisories;
    e.advisories_accept_count = 1;
    CHECK(judge(&s, &e) == VOUCH_TOKEN_TCB);
    e.advisories_accept_count = 2;
    CHECK(judge(&s, &e) == 0);
    e.advisories_accept_count = 0;
    e.advisories_any = true;
    CHECK(judge(&s, &e) == 0);
    s.claims.tcb_status = VOUCH_TCB_OUT_OF_DATE;
    CHECK(judge(&s, &e) == VOUCH_TOKEN_TCB);
}

static vouch_policy *policy_of(const char *yaml)
{
    vouch_policy *policy = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vouch_policy_parse("p.yaml", vch_span_str(yaml), &policy, &err), &err);
    return policy;
}

static int judge_by_policy(const subject *s, const char *yaml)
{
    vouch_policy *policy = policy_of(yaml);
    vouch_token_expectation e = expect_subject(s);
    e.policy = policy;
    e.accept_simulated = false; /* the policy decides */
    e.accept_debug = false;
    int reason = judge(s, &e);
    vouch_policy_free(policy);
    return reason;
}

#define E1 "e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1"
#define D1 "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1"
#define ROOT "7777777777777777777777777777777777777777777777777777777777777777"

static void a_policy_judges_what_the_token_tells(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 2);
    memset(s.claims.root_sha256, 0x77, 32);
#define MEASURED "measurements: [{mrenclave: \"" E1 "\"}]\nroots: [\"" ROOT "\"]\n"
    CHECK(judge_by_policy(&s, MEASURED) == 0);
    CHECK(judge_by_policy(&s, "measurements: [{mrenclave: \"" E1 "\"}]\n")
          == VOUCH_TOKEN_SIMULATED);
    CHECK(judge_by_policy(&s, "measurements: [{mrenclave: \"" ROOT "\"}]\nroots: [\"" ROOT "\"]\n")
          == VOUCH_TOKEN_MEASUREMENT);
    CHECK(judge_by_policy(&s, MEASURED "tcb: {min_evaluation_number: 17}\n") == 0);
    CHECK(judge_by_policy(&s, MEASURED "tcb: {min_evaluation_number: 18}\n") == VOUCH_TOKEN_POLICY);
    CHECK(judge_by_policy(&s, MEASURED "platform: {fmspc: [\"00906ED50000\"]}\n")
          == VOUCH_TOKEN_POLICY); /* no token tells it for sure */
    s.claims.tcb_status = VOUCH_TCB_OUT_OF_DATE;
    CHECK(judge_by_policy(&s, MEASURED) == VOUCH_TOKEN_TCB);
    CHECK(judge_by_policy(&s, MEASURED "tcb: {accept: [OutOfDate]}\n") == 0);
    s.claims.debug = true;
    s.claims.sgx.attribute_flags = VOUCH_SGX_ATTRIBUTE_DEBUG;
    CHECK(judge_by_policy(&s, MEASURED "tcb: {accept: [OutOfDate]}\n") == VOUCH_TOKEN_DEBUG);
}

static void a_token_of_intels_platforms_needs_intels_root_in_the_policy(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_TDX, 1);
    s.claims.simulated = false;
    s.claims.tdx.td_attributes = VOUCH_TD_ATTRIBUTE_SEPT_VE_DISABLE;
    CHECK(judge_by_policy(&s, "measurements: [{mrtd: \"" D1 D1 "\"}]\n") == 0);
    CHECK(judge_by_policy(&s, "measurements: [{mrtd: \"" D1 D1 "\"}]\nroots: [\"" ROOT "\"]\n")
          == VOUCH_TOKEN_SIMULATED);
    s.claims.tdx.td_attributes = 0;
    CHECK(judge_by_policy(&s, "measurements: [{mrtd: \"" D1 D1 "\"}]\n") == VOUCH_TOKEN_POLICY);
}

static void without_nonce_and_data_a_token_is_accepted_only_where_none_is_expected(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    s.statement.nonce = (vch_token_nonce) { 0 };
    s.statement.held_data = (vouch_span) { 0 };
    memset(s.claims.report_data, 0x77, 64);
    vouch_token_expectation e = expect_subject(&s);
    CHECK(judge(&s, &e) == VOUCH_TOKEN_NONCE);
    e.nonce_val = e.nonce_iat = (vouch_span) { 0 };
    CHECK(judge(&s, &e) == VOUCH_TOKEN_HELD_DATA);
    e.held_data = (vouch_span) { 0 };
    CHECK(judge(&s, &e) == 0);
}

static void report_data_that_is_not_bound_is_refused_whatever_the_service_says(void **state)
{
    (void)state;
    static const vouch_tee tees[] = { VOUCH_TEE_SGX, VOUCH_TEE_TDX };
    static const size_t bytes[] = { 0, 31, 32, 63 };
    for (size_t i = 0; i < 8; i++) {
        subject s;
        prepare(&s, tees[i / 4], 1);
        s.claims.report_data[bytes[i % 4]] ^= 1;
        const vouch_token_expectation e = expect_subject(&s);
        CHECK(judge(&s, &e) == VOUCH_TOKEN_HELD_DATA);
    }
}

static void runtime_data_that_is_json_is_compared_by_its_digest(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_TDX, 2);
    s.statement.held_data = vch_span_str("{\"b\": 1,  \"a\":[]}");
    bind(&s);
    vouch_token_expectation e = expect_subject(&s);
    e.held_data = s.statement.held_data;
    CHECK(judge(&s, &e) == 0);
    e.held_data = vch_span_str("{\"b\":1,\"a\":[]}"); /* the same JSON, other bytes */
    CHECK(judge(&s, &e) == VOUCH_TOKEN_HELD_DATA);
}

/* The key's chain. */
static void each_fault_of_the_chain_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        issuer_spoil spoil;
        vouch_token_reason want;
    } cases[] = {
        { "signing CA that is none", { .ca_is_leaf = true }, VOUCH_TOKEN_CHAIN },
        { "signing CA without constraints", { .ca_no_constraints = true }, VOUCH_TOKEN_CHAIN },
        { "signing CA that may not sign", { .ca_no_sign = true }, VOUCH_TOKEN_CHAIN },
        { "leaf that is a CA", { .leaf_is_ca = true }, VOUCH_TOKEN_CHAIN },
        { "leaf that may not sign", { .leaf_no_sign = true }, VOUCH_TOKEN_CHAIN },
        { "leaf that expired", { .leaf_expired = true }, VOUCH_TOKEN_CHAIN },
        { "leaf that is not valid yet", { .leaf_future = true }, VOUCH_TOKEN_CHAIN },
        { "signing CA that expired", { .ca_expired = true }, VOUCH_TOKEN_CHAIN },
        { "leaf that another key signed", { .leaf_by_root_key = true }, VOUCH_TOKEN_CHAIN },
        { "leaf revoked", { .leaf_revoked = true }, VOUCH_TOKEN_REVOKED },
        { "signing CA revoked", { .ca_revoked = true }, VOUCH_TOKEN_REVOKED },
        { "root CRL out of date", { .crl_stale = true }, VOUCH_TOKEN_REVOKED },
    };
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        issuer bad = { 0 };
        issuer_make(&bad, &cases[i].spoil, &good);
        vouch_token_expectation e = expect_subject(&s);
        e.keys = bad.keys;
        e.root_sha256 = bad.root_sha256;
        e.crls = bad.crls;
        int got = judge(&s, &e);
        if (got != (int)cases[i].want)
            fail_msg("%s: %d", cases[i].name, got);
        issuer_drop(&bad);
    }
}

static void a_missing_or_unreadable_crl_refuses(void **state)
{
    (void)state;
    static const uint8_t junk[] = { 0x30, 0x00 };
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    vouch_token_expectation e = expect_subject(&s);
    e.crl_count = 1; /* the signing CA's is missing */
    CHECK(judge(&s, &e) == VOUCH_TOKEN_REVOKED);
    const vouch_span bad[] = { good.crls[0], { junk, sizeof junk } };
    e.crls = bad;
    e.crl_count = 2;
    CHECK(judge(&s, &e) == VOUCH_TOKEN_REVOKED);
}

static void without_crls_the_verdict_says_that_revocation_was_not_checked(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    vouch_token_expectation e = expect_subject(&s);
    e.crl_count = 0;
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = { 0 };
    make_token(&s, &token);
    vouch_token_verdict *v = verdict_of(vch_buffer_span(&token), &e);
    CHECK(vouch_token_verdict_admits(v) && !vouch_token_verdict_revocation_checked(v));
    vouch_token_verdict_free(v);
}

static void a_flipped_bit_anywhere_refuses_and_shows_no_claims(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    const vouch_token_expectation e = expect_subject(&s);
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = { 0 };
    make_token(&s, &token);
    for (size_t i = 0; i < token.size; i += 13) {
        token.data[i] ^= 1;
        vouch_token_verdict *v = verdict_of(vch_buffer_span(&token), &e);
        CHECK(!vouch_token_verdict_admits(v));
        CHECK(vouch_token_verdict_claims(v) == NULL);
        vouch_token_verdict_free(v);
        token.data[i] ^= 1;
    }
}

static void a_token_of_an_unknown_root_says_nothing(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    vouch_token_expectation e = expect_subject(&s);
    e.root_count = 0;
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = { 0 };
    make_token(&s, &token);
    vouch_token_verdict *v = verdict_of(vch_buffer_span(&token), &e);
    CHECK(vouch_token_verdict_claims(v) == NULL);
    vouch_token_verdict_free(v);
}

static void a_token_of_another_kid_is_refused(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = { 0 };
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    issuer_sign(&good, "other", vch_span_str("{}"), &token);
    const vouch_token_expectation e = expect_subject(&s);
    CHECK(first_reason(vch_buffer_span(&token), &e) == VOUCH_TOKEN_KEY_UNKNOWN);
}

/* Replace `from` by `to` in a good payload; the result is signed properly. */
static void edit(subject *s, vouch_tee tee, unsigned version, const char *from, const char *to,
                 vch_buffer *out)
{
    vouch_error err = { 0 };
    prepare(s, tee, version);
    VCH_SCOPED(vch_buffer_drop) vch_buffer payload = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer edited = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    CHECK_OK(vch_token_payload_build(&s->statement, &payload, &err), &err);
    const char *text = vch_buffer_text(&payload);
    const char *at = strstr(text, from);
    if (at == NULL)
        fail_msg("no '%s' in %s", from, text);
    vch_buffer_append(&edited, (vouch_span) { payload.data, (size_t)(at - text) });
    vch_buffer_append_str(&edited, to);
    vch_buffer_append_str(&edited, at + strlen(from));
    issuer_sign(&good, ISSUER_KID, vch_buffer_span(&edited), out);
}

static int judge_edited_of(vouch_tee tee, unsigned version, const char *from, const char *to)
{
    subject s;
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = { 0 };
    edit(&s, tee, version, from, to, &token);
    const vouch_token_expectation e = expect_subject(&s);
    return first_reason(vch_buffer_span(&token), &e);
}

static int judge_edited_with(unsigned version, const char *from, const char *to,
                             const char *base_url, uint32_t leeway_s)
{
    subject s;
    VCH_SCOPED(vch_buffer_drop) vch_buffer token = { 0 };
    edit(&s, VOUCH_TEE_SGX, version, from, to, &token);
    vouch_token_expectation e = expect_subject(&s);
    e.base_url = base_url;
    e.leeway_s = leeway_s;
    return first_reason(vch_buffer_span(&token), &e);
}

static int judge_edited(unsigned version, const char *from, const char *to)
{
    return judge_edited_of(VOUCH_TEE_SGX, version, from, to);
}

static void a_payload_of_another_shape_is_malformed(void **state)
{
    (void)state;
    static const struct {
        unsigned version;
        const char *from, *to;
    } edits[] = {
        { 1, "\"ver\":\"1.0.0\"", "\"ver\":\"1.0.1\"" },
        { 1, "\"ver\":", "\"var\":" },
        { 1, "\"iss\":", "\"isx\":" },
        { 1, "\"jti\":", "\"jtx\":" },
        { 1, "\"exp\":", "\"exx\":" },
        { 1, "\"nbf\":", "\"nbx\":" },
        { 1, "\"iat\":1", "\"iax\":1" },
        { 1, "\"exp\":1", "\"exp\":-1" },
        { 1, "\"exp\":1", "\"exp\":1.5e1" },
        { 1, "\"attester_type\":\"SGX\"", "\"attester_type\":\"SEV\"" },
        { 1, "\"attester_tcb_status\":", "\"attester_tcb_statux\":" },
        { 1, "\"dbgstat\":\"disabled\"", "\"dbgstat\":\"enabled\"" },
        { 1, "\"sgx_is_debuggable\":false", "\"sgx_is_debuggable\":\"false\"" },
        { 1, "\"sgx_is_debuggable\":", "\"sgx_is_debuggablx\":" },
        { 1, "\"sgx_mrenclave\":\"e1", "\"sgx_mrenclave\":\"e" },
        { 1, "\"sgx_mrsigner\":", "\"sgx_mrsignex\":" },
        { 1, "\"sgx_report_data\":", "\"sgx_report_datx\":" },
        { 1, "\"sgx_isvsvn\":3", "\"sgx_isvsvn\":65536" },
        { 1, "\"attester_held_data\":\"", "\"attester_held_data\":\"!" },
        { 1, "\"attester_held_data\":", "\"attester_runtime_data\":{},\"attester_held_data\":" },
        { 1, "\"intuse\":", "\"iss\":\"Intel Trust Authority\",\"intuse\":" },
        { 1, "\"simulated\":true", "\"simulated\":1" },
        { 1, "\"sgx_isvprodid\":7", "\"sgx_isvprodid\":65536" },
        { 1, "\"attester_type\":", "\"attester_typx\":" },
        { 1, "\"attester_held_data\":\"", "\"attester_held_data\":7,\"x\":\"" },
        { 1, "\"attester_held_data\":\"", "\"attester_runtime_data\":\"" },
        { 1, "\"dbgstat\":\"disabled\"", "\"dbgstat\":7" },
        { 1, "\"verifier_nonce\":{", "\"verifier_nonce\":7,\"x\":{" },
        { 1, "\"verifier_nonce\":{\"", "\"verifier_nonce\":{\"x\":7},\"x\":{\"" },
        { 1, "\"val\":\"", "\"val\":7,\"x\":\"" },
        { 1, "\"iat\":\"", "\"iat\":\"!" },
        { 1, "\"policy_ids_matched\":[", "\"policy_ids_matched\":7,\"x\":[" },
        { 1, "\"policy_ids_matched\":[", "\"policy_ids_matched\":[7," },
        { 1, "\"policy_ids_unmatched\":[", "\"policy_ids_unmatched\":[{\"id\":7}," },
        { 1, "\"dbgstat\":", "\"attester_advisory_ids\":7,\"dbgstat\":" },
        { 1, "\"dbgstat\":", "\"attester_advisory_ids\":[\"INTEL-SA-00001\",7],\"dbgstat\":" },
        { 1, "\"attester_tcb_date\":\"", "\"attester_tcb_date\":\"x" },
        { 2, "\"tcbevaluationdatanumber\":17", "\"tcbevaluationdatanumber\":-1" },
        { 2, "\"sgx\":{", "\"sgx\":7,\"x\":{" },
        { 2, "\"sgx\":{", "\"sgxx\":{" },
        { 2, "\"sgx\":{", "\"tdx\":{},\"sgx\":{" },
    };
    CHECK(judge_edited(1, "\"ver\":", "\"ver\":") == 0);
    CHECK(judge_edited(2, "\"ver\":", "\"ver\":") == 0);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        int got = judge_edited(edits[i].version, edits[i].from, edits[i].to);
        if (got != VOUCH_TOKEN_MALFORMED)
            fail_msg("%s: %d", edits[i].to, got);
    }
}

static void a_td_of_another_shape_is_malformed(void **state)
{
    (void)state;
    static const char *const names[] = { "tdx_mrtd",          "tdx_mrsignerseam", "tdx_report_data",
                                         "tdx_mrconfigid",    "tdx_rtmr0",        "tdx_rtmr3",
                                         "tdx_td_attributes", "tdx_is_debuggable" };
    CHECK(judge_edited_of(VOUCH_TEE_TDX, 1, "\"ver\":", "\"ver\":") == 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char from[64];
        (void)snprintf(from, sizeof from, "\"%s\":", names[i]);
        if (judge_edited_of(VOUCH_TEE_TDX, 1, from, "\"x\":") != VOUCH_TOKEN_MALFORMED)
            fail_msg("without %s", names[i]);
    }
}

/* What is read has a place for so many and no more. */
static int judge_with_many(const char *from, const char *begin, const char *each, size_t count)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer to = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    vch_buffer_append_str(&to, begin);
    for (size_t i = 0; i < count; i++)
        vch_buffer_append_fmt(&to, "%s%s", i > 0 ? "," : "", each);
    vch_buffer_append_fmt(&to, "],%s", from);
    return judge_edited(1, from, vch_buffer_text(&to));
}

static void more_policies_or_advisories_than_are_read_are_malformed(void **state)
{
    (void)state;
    static const char matched[] = "\"policy_ids_matched\":";
    for (size_t more = 0; more < 2; more++) {
        int want = more == 0 ? 0 : VOUCH_TOKEN_MALFORMED;
        VCH_SCOPED(vch_buffer_drop) vch_buffer to = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
        vch_buffer_append_fmt(&to, "%s[", matched);
        for (size_t i = 0; i < VCH_TOKEN_POLICIES_MAX + more; i++)
            vch_buffer_append_fmt(&to, "%s{\"id\":\"a\"}", i > 0 ? "," : "");
        vch_buffer_append_str(&to, "],\"x\":");
        CHECK(judge_edited(1, matched, vch_buffer_text(&to)) == want);
        want = more == 0 ? VOUCH_TOKEN_TCB : VOUCH_TOKEN_MALFORMED; /* read, and not accepted */
        CHECK(judge_with_many("\"dbgstat\":", "\"attester_advisory_ids\":[", "\"INTEL-SA-00001\"",
                              VCH_TOKEN_ADVISORIES_MAX + more)
              == want);
    }
}

static void a_flat_token_in_a_nested_ones_name_is_malformed(void **state)
{
    (void)state;
    CHECK(judge_edited(1, "\"ver\":\"1.0.0\"", "\"ver\":\"2.0.0\"") == VOUCH_TOKEN_MALFORMED);
    CHECK(judge_edited(2, "\"ver\":\"2.0.0\"", "\"ver\":\"1.0.0\"") == VOUCH_TOKEN_MALFORMED);
}

static void an_issuer_of_version_2_is_none_of_version_1(void **state)
{
    (void)state;
    CHECK(judge_edited_with(1, "\"iss\":\"Intel Trust Authority\"", "\"iss\":\"https://other\"",
                            NULL, 0)
          == VOUCH_TOKEN_ISSUER);
    CHECK(judge_edited_with(2, "\"iss\":\"https://avs.example\"", "\"iss\":\"https://other\"", NULL,
                            0)
          == 0);
}

static void each_of_the_times_is_looked_at(void **state)
{
    (void)state;
    static const char *const edits[][2] = {
        { "\"nbf\":1799999990", "\"nbf\":1800000001" },
        { "\"iat\":1799999990", "\"iat\":1800000001" },
    };
    for (size_t i = 0; i < 2; i++) {
        CHECK(judge_edited_with(1, edits[i][0], edits[i][1], BASE_URL, 0) == VOUCH_TOKEN_TIME);
        CHECK(judge_edited_with(1, edits[i][0], edits[i][1], BASE_URL, 1) == 0);
    }
    /* with a leeway, in which both its begin and its end lie: it holds at no time */
    CHECK(judge_edited_with(1, "\"exp\":1800000290", "\"exp\":1799999990", BASE_URL, 60)
          == VOUCH_TOKEN_TIME);
    CHECK(judge_edited_with(1, "\"exp\":1800000290", "\"exp\":1799999991", BASE_URL, 60) == 0);
}

static void of_no_tee_there_is_no_token(void **state)
{
    (void)state;
    subject s;
    prepare(&s, VOUCH_TEE_SGX, 1);
    s.claims.tee = (vouch_tee)0;
    VCH_SCOPED(vch_buffer_drop) vch_buffer payload = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    CHECK(vch_token_payload_build(&s.statement, &payload, NULL) != VOUCH_OK);
}

/* Claims of a real SGX token of 2024-04-30, from Intel's public tutorial: val, iat and held data
 * give the first half of its report data. */
static const char real_val[] =
    "VVJTM1duVXBGbS9XVEc1cG82WXl3MlVpWGRSM3VJL20wUnUrZ3UvSVBKbGN4bUZjd0Z2e"
    "kxvNjlUcy9VZHIvQjEvRzRhSXFLY3Z5QjhraFNrc3RlS3c9PQ==";
static const char real_iat[] = "MjAyNC0wNC0zMCAwMjoxNjoxMiArMDAwMCBVVEM=";
static const char real_held[] =
    "AQABADlv1PbS1x7IfABDWhiRefEW3gL/2sh7jDxJPwpTFIpEjgbNTkmSAPC/oT/3hhKI5PERYnpC4fwZycYWl9vYyv4Y"
    "C4Ogjy7xjMmOuE3Eizqothe/Gb4nHa0KhVgq2vLYAd6O/jvvDD1X3MKtJs/wJDVBFWzt++ndN9bxdG12cjida5TBihJy"
    "ACdDwbwDLV3fTGtPaHCIT6f/FV5C3dwqUwkE/hfHR2ykImp7kKGldPkQt3XRlv/Ot4fgU2seWqv6uJ0EDf6dWrdyFYum"
    "F3RvrzFEhz2Xf0pQyXCJjKEFTJTdhktDd1qLmyccyz0NBz5SVbh/sk4WzUllhsSrmYmpGxClNZRn84sv8JRGMxYM6FZz"
    "SgiPO67HPkg5+S/My4+AaRvaqyZgiqADzQkE61IRpyFGk+KePGKuS9/jwe3/6i6/8SM0aXRyE3E2CwjorfIZ0As5VhdM"
    "zH/duvIuAoyzVOSy+Qj1+cC64g3t6sAAonC87V9c3w+4nhPbj/lslGTp1Q==";
static const char real_report_data[] =
    "5446be95dcffa3c875fd6f5611122241c2997bf1fafa575ce7bc9ad26d52d4b8"
    "0000000000000000000000000000000000000000000000000000000000000000";

static void the_binding_is_that_of_a_real_token(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    const char *const texts[] = { real_val, real_iat, real_held };
    vch_buffer parts[3];
    for (size_t i = 0; i < 3; i++) {
        parts[i] = vch_buffer_with_cap(1024);
        CHECK_OK(vch_base64_decode(vch_span_str(texts[i]), VCH_BASE64_STANDARD | VCH_BASE64_PADDED,
                                   &parts[i], &err),
                 &err);
    }
    uint8_t made[64];
    uint8_t want[64];
    CHECK_OK(vch_token_binding(false, vch_buffer_span(&parts[0]), vch_buffer_span(&parts[1]),
                               vch_buffer_span(&parts[2]), made, &err),
             &err);
    CHECK_OK(vch_hex_decode(vch_span_str(real_report_data), want, sizeof want, &err), &err);
    assert_memory_equal(made, want, sizeof want);
    for (size_t i = 0; i < 3; i++)
        vch_buffer_drop(&parts[i]);
}

static void a_real_tokens_claims_are_read(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer payload = vch_buffer_with_cap(16384);
    vch_buffer_append_fmt(
        &payload,
        "{\"attester_advisory_ids\":[\"INTEL-SA-00615\"],\"attester_held_data\":\"%s\","
        "\"attester_tcb_date\":\"2023-08-09T00:00:00Z\",\"attester_tcb_status\":"
        "\"SWHardeningNeeded\","
        "\"attester_type\":\"SGX\",\"dbgstat\":\"disabled\",\"eat_profile\":"
        "\"https://portal.trustauthority.intel.com/eat_profile.html\",\"exp\":1714443672,"
        "\"iat\":1714443372,\"intuse\":\"generic\",\"iss\":\"Intel Trust Authority\","
        "\"jti\":\"59aeaed5-d127-420b-939d-b378ad4ac300\",\"nbf\":1714443372,"
        "\"policy_ids_unmatched\":[{\"hash\":\"RHdQVDZw\",\"id\":"
        "\"d970fa2b-34bc-476d-ad8f-7a1b78f2885e\",\"version\":\"v1\"}],"
        "\"sgx_is_debuggable\":false,\"sgx_isvprodid\":0,\"sgx_isvsvn\":0,\"sgx_mrenclave\":"
        "\"69a8788a94e77a4d0cb91a5974022c4fa3422fb6fad96d576af38ff42a7a9f3d\",\"sgx_mrsigner\":"
        "\"d412a4f07ef83892a5915fb2ab584be31e186e5a4f95ab5f6950fd4eb8694d7b\",\"sgx_report_data\":"
        "\"%s\",\"ver\":\"1.0.0\",\"verifier_nonce\":{\"iat\":\"%s\",\"signature\":\"c2ln\","
        "\"val\":\"%s\"}}",
        real_held, real_report_data, real_iat, real_val);
    vch_token_content content = { 0 };
    CHECK_OK(vch_token_content_parse(vch_buffer_span(&payload), &content, &err), &err);
    CHECK(content.view.expires_at_unix_s - content.view.issued_at_unix_s == 300);
    assert_string_equal(content.view.advisory_ids[0], "INTEL-SA-00615");
    CHECK(vch_span_is(content.view.nonce_iat, "2024-04-30 02:16:12 +0000 UTC"));
    CHECK(content.view.nonce_val.size == 88 && content.view.held_data.size == 388);
    CHECK(content.view.policies_unmatched_count == 1 && !content.view.simulated);
    vch_token_content_drop(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tokens_of_both_versions_and_tees_are_admitted_and_read),
        TEST(a_zeroed_expectation_and_no_verdict_refuse),
        TEST(each_expectation_refuses_by_itself),
        TEST(the_issuer_is_compared),
        TEST(times_hold_to_the_second_with_the_leeway_given),
        TEST(debug_is_refused_unless_accepted),
        TEST(the_tcb_status_and_advisories_must_be_accepted),
        TEST(a_policy_judges_what_the_token_tells),
        TEST(a_token_of_intels_platforms_needs_intels_root_in_the_policy),
        TEST(without_nonce_and_data_a_token_is_accepted_only_where_none_is_expected),
        TEST(report_data_that_is_not_bound_is_refused_whatever_the_service_says),
        TEST(runtime_data_that_is_json_is_compared_by_its_digest),
        TEST(each_fault_of_the_chain_refuses),
        TEST(a_missing_or_unreadable_crl_refuses),
        TEST(without_crls_the_verdict_says_that_revocation_was_not_checked),
        TEST(a_flipped_bit_anywhere_refuses_and_shows_no_claims),
        TEST(a_token_of_an_unknown_root_says_nothing),
        TEST(a_token_of_another_kid_is_refused),
        TEST(a_payload_of_another_shape_is_malformed),
        TEST(a_td_of_another_shape_is_malformed),
        TEST(an_issuer_of_version_2_is_none_of_version_1),
        TEST(each_of_the_times_is_looked_at),
        TEST(of_no_tee_there_is_no_token),
        TEST(more_policies_or_advisories_than_are_read_are_malformed),
        TEST(a_flat_token_in_a_nested_ones_name_is_malformed),
        TEST(the_binding_is_that_of_a_real_token),
        TEST(a_real_tokens_claims_are_read),
    };
    return cmocka_run_group_tests(tests, make_issuer, drop_issuer);
}
