#include "crypto/jws.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/base64.h"
#include "codec/hex.h"

#include "check.h"

/* Made with `openssl dgst -sign` (OpenSSL 3.0.19), RSA-3072, payload {"hello":"world"}. */
static const char spki_hex[] =
    "308201a2300d06092a864886f70d01010105000382018f003082018a0282018100b16a5aeb78e46e"
    "9d30ba503eab7a9e2cf2292595aff3dd3101eb7971901dd147345a6dd744818f4faf45e797df6a2f"
    "91d5264c94860f67695ffb9ec4e737771160616bf0f86e20c02c43e1c30442d04c973066205c83d9"
    "e45468272af46a09192bab7c6dfb5b39fb628e723ef6e5a1c9103ca2aed058da330b008dbf6beb3b"
    "eed21280e52a74aac18c57710b99015e49bb483c7eee67fac6a3d1c27738b55efb9e55bc96161646"
    "f98d9eb05badc8302e41b92d3a72ccce1d40b5b40c62aaa79560bcaea5401592296fc879ef53b393"
    "a39f8362babc832cf7e0123725b1923d0224688873ae40a3be71f27287e7ab666e1dacad9ae9d489"
    "658e0c150de3c4e5cf9845c87a39f808c66caee00966a2b216afff77859b8571954b5cf7cb50aaa1"
    "0bfde2adb27803534814f0722da6efc5fbbcd7503783d350ed0daf9b65019b134c99f00641c3709c"
    "3dbe7df358fc3e266c7ec0b7e2668facaaef5b25ad9c295829a81517dd475268cbbc460594e9cdbe"
    "d1e6ea776193a70afd77390ac74ec3df4b0203010001";

static const char ps384_token[] =
    "eyJhbGciOiJQUzM4NCIsImtpZCI6InRlc3Qta2V5IiwidHlwIjoiSldUIn0.eyJoZWxsbyI6Indvcmxk"
    "In0.BIvgTCMy0FWGM5aA0GC6ASse7OdFA9K6o4YhQFC4pKne-Ny8-pez58Ehsbc-KqA56F-YGBS962Y9"
    "3amJkkOTBPWtk3tiRqAk1yr4v5UwlWROpF-Bm7AQdmWsWq5SqWeQrgOgUnmJoClwiSQVyySSFvyfVZa5"
    "CdxVEvAC40aDSXYz8PxSbcwddqXJGYCL-FA1OEy9QV8h8fvU0M-VnwXwNOsZChABN1KOjd9HbxNlMVGh"
    "P9k1UWJQ9nD6YftJn6wCbyWFFYH44A7-Qw2O3Xf4tu2rs6C0F8gjunKCpaOOU4XF2j5VK3tlhVoomYf-"
    "XWYmgJ5CefuY3AfmDsRRCcc6iMOo5eaQvhymurrBq7V4tjiURhtKYiTy_pzrDc5zRg5UgJhgieEAyNzn"
    "3mntOLBAlVP_zmnz-gyzGgnW3dEhT_AQFaRTu-kKHjIats21MUzCtpLiWiRGtp3GeiA0_fa4lyNHq08k"
    "29_ZZHcVnCcmd1pcKmLI7HUMvhO9asYSEvQB";

static const char rs256_token[] =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InRlc3Qta2V5IiwidHlwIjoiSldUIn0.eyJoZWxsbyI6Indvcmxk"
    "In0.X1-LgGsPZr8JKS68i9v_sM210KfoODsUmIqykf5KFo8ebzfG1UGkAMdF96NBq-a4XmTy4YhKGa7y"
    "wBQN_ynnSMCoKRpaBTq_x8V8yaEVt4F4HCtORVkXQjYYJ8JPX7ILiVgl1ak27-jtuRQDXDkjd6OlhxrP"
    "3ksCEePBP8oc7BPn_yjrgLTurND-890byJXBya4FSIN7eBvnlww1EjWzFc77T9mNiGZTiqtGPy0jvJ-y"
    "z1HQ6ElFAux4SPt07LNa4zcOG15RMxPcLW_AwZiMkNvzBseQQgMiTKcTYgha72ZjwXvqHHLyE0ZlwLvI"
    "r3utekh4GN9Oqcu6Snrf8VW1RYApNsbM3uqR5Sjtl4gDWorbVomzE_cR3Ss8Wi-oaq6bVY0TtNL8EuG4"
    "o0KNPQ1KlMQwVqRIaMjM0RKNb7ydwYlQkgFbiJHiW-Bl7UPETZa6EAffuymcPK018AXHN8aQRJ4Eac9p"
    "8rywlsbLyAr2is54xIWvKZLYx1B9eaRvVGFN";

static vch_key *public_key(void)
{
    uint8_t der[(sizeof spki_hex - 1) / 2];
    vouch_error err = { 0 };
    vch_key *key = NULL;
    CHECK_OK(vch_hex_decode(vch_span_str(spki_hex), der, sizeof der, &err), &err);
    CHECK_OK(vch_key_from_spki((vouch_span) { der, sizeof der }, &key, &err), &err);
    return key;
}

static bool verifies(const char *text, const vch_key *key)
{
    vch_jws jws = { 0 };
    vouch_error err = { 0 };
    bool valid = false;
    CHECK_OK(vch_jws_parse(vch_span_str(text), &jws, &err), &err);
    CHECK_OK(vch_jws_verify(&jws, key, &valid, &err), &err);
    vch_jws_drop(&jws);
    return valid;
}

static void signatures_made_by_openssl_verify(void **state)
{
    (void)state;
    VCH_SCOPED(vch_key_drop) vch_key *key = public_key();
    CHECK(verifies(ps384_token, key));
    CHECK(verifies(rs256_token, key));
}

static void the_header_and_payload_are_read(void **state)
{
    (void)state;
    vch_jws jws = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_jws_parse(vch_span_str(ps384_token), &jws, &err), &err);
    CHECK(jws.alg == VCH_JWS_PS384);
    assert_string_equal(jws.kid, "test-key");
    CHECK(vch_span_is(vch_buffer_span(&jws.payload), "{\"hello\":\"world\"}"));
    CHECK(jws.signature.size == 384);
    vch_jws_drop(&jws);
    vch_jws_drop(&jws); /* safe twice */
}

/* Change one character to its neighbour in the alphabet, where that keeps the text decodable. */
static void a_change_anywhere_makes_it_malformed_or_false(void **state)
{
    (void)state;
    VCH_SCOPED(vch_key_drop) vch_key *key = public_key();
    char text[sizeof rs256_token];
    for (size_t i = 0; i < sizeof rs256_token - 1; i++) {
        memcpy(text, rs256_token, sizeof text);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        vch_jws jws = { 0 };
        bool valid = true;
        if (vch_jws_parse(vch_span_str(text), &jws, NULL) != VOUCH_OK)
            continue;
        vouch_error err = { 0 };
        CHECK_OK(vch_jws_verify(&jws, key, &valid, &err), &err);
        CHECK(!valid);
        vch_jws_drop(&jws);
    }
}

static void a_token_cut_short_anywhere_does_not_verify(void **state)
{
    (void)state;
    VCH_SCOPED(vch_key_drop) vch_key *key = public_key();
    for (size_t n = 0; n < sizeof rs256_token - 1; n++) {
        vch_jws jws = { 0 };
        bool valid = false;
        if (vch_jws_parse((vouch_span) { (const uint8_t *)rs256_token, n }, &jws, NULL)
            == VOUCH_OK) {
            CHECK(vch_jws_verify(&jws, key, &valid, NULL) == VOUCH_OK);
            CHECK(!valid);
        }
        vch_jws_drop(&jws);
    }
}

/* The token of a header, with payload {} and a signature of one byte. */
static vouch_code parse_with_header(const char *header)
{
    vch_buffer text = vch_buffer_with_cap(8192);
    vch_base64url_encode(vch_span_str(header), &text);
    vch_buffer_append_str(&text, ".e30.AA");
    vch_jws jws = { .alg = VCH_JWS_ALG_NONE };
    vouch_error err = { 0 };
    vouch_code rc = vch_jws_parse(vch_buffer_span(&text), &jws, &err);
    CHECK((rc == VOUCH_OK) == (err.depth == 0));
    CHECK((rc == VOUCH_OK) == (jws.alg != VCH_JWS_ALG_NONE)); /* untouched on failure */
    vch_jws_drop(&jws);
    vch_buffer_drop(&text);
    return rc;
}

static const struct {
    const char *name;
    const char *header;
    vouch_code want;
} headers[] = {
    { "PS384 alone is read", "{\"alg\":\"PS384\"}", VOUCH_OK },
    { "RS256 alone is read", "{\"alg\":\"RS256\"}", VOUCH_OK },
    { "jku and x5c are ignored", "{\"alg\":\"PS384\",\"jku\":\"https://evil\",\"x5c\":[]}",
      VOUCH_OK },
    { "alg none is refused", "{\"alg\":\"none\"}", VOUCH_E_UNSUPPORTED },
    { "HS256 is refused", "{\"alg\":\"HS256\"}", VOUCH_E_UNSUPPORTED },
    { "PS256 is refused", "{\"alg\":\"PS256\"}", VOUCH_E_UNSUPPORTED },
    { "ps384 in small letters is refused", "{\"alg\":\"ps384\"}", VOUCH_E_UNSUPPORTED },
    { "an absent alg is refused", "{\"typ\":\"JWT\"}", VOUCH_E_FORMAT },
    { "an alg that is no string is refused", "{\"alg\":[\"PS384\"]}", VOUCH_E_FORMAT },
    { "alg twice is refused", "{\"alg\":\"none\",\"alg\":\"PS384\"}", VOUCH_E_FORMAT },
    { "crit is refused", "{\"alg\":\"PS384\",\"crit\":[\"exp\"]}", VOUCH_E_UNSUPPORTED },
    { "b64 is refused", "{\"alg\":\"PS384\",\"b64\":false}", VOUCH_E_UNSUPPORTED },
    { "an embedded key is refused", "{\"alg\":\"PS384\",\"jwk\":{}}", VOUCH_E_UNSUPPORTED },
    { "compression is refused", "{\"alg\":\"PS384\",\"zip\":\"DEF\"}", VOUCH_E_UNSUPPORTED },
    { "another typ is refused", "{\"alg\":\"PS384\",\"typ\":\"JWE\"}", VOUCH_E_UNSUPPORTED },
    { "an empty kid is refused", "{\"alg\":\"PS384\",\"kid\":\"\"}", VOUCH_E_LIMIT },
    { "a kid that is a number is refused", "{\"alg\":\"PS384\",\"kid\":1}", VOUCH_E_FORMAT },
    { "a header that is no object is refused", "[]", VOUCH_E_FORMAT },
    { "junk after the header is refused", "{\"alg\":\"PS384\"}x", VOUCH_E_FORMAT },
};

static void headers_are_strict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        vouch_code got = parse_with_header(headers[i].header);
        if (got != headers[i].want)
            fail_msg("%s: %s", headers[i].name, vouch_code_name(got));
    }
}

static void a_kid_has_at_most_128_characters(void **state)
{
    (void)state;
    char header[256];
    for (int size = VCH_JWS_KID_MAX_SIZE - 1; size <= VCH_JWS_KID_MAX_SIZE + 1; size++) {
        (void)snprintf(header, sizeof header, "{\"alg\":\"PS384\",\"kid\":\"%0*d\"}", size, 7);
        CHECK(parse_with_header(header)
              == (size <= VCH_JWS_KID_MAX_SIZE ? VOUCH_OK : VOUCH_E_LIMIT));
    }
}

static const struct {
    const char *name;
    const char *text;
} shapes[] = {
    { "nothing", "" },
    { "one part", "eyJhbGciOiJQUzM4NCJ9" },
    { "two parts", "eyJhbGciOiJQUzM4NCJ9.e30" },
    { "four parts", "eyJhbGciOiJQUzM4NCJ9.e30.AA.AA" },
    { "an empty header", ".e30.AA" },
    { "an empty payload", "eyJhbGciOiJQUzM4NCJ9..AA" },
    { "an empty signature", "eyJhbGciOiJQUzM4NCJ9.e30." },
    { "padding", "eyJhbGciOiJQUzM4NCJ9.e30=.AA" },
    { "the standard alphabet", "eyJhbGciOiJQUzM4NCJ9.e30.+/" },
    { "a line end", "eyJhbGciOiJQUzM4NCJ9.e30.AA\n" },
    { "a blank", "eyJhbGciOiJQUzM4NCJ9.e30. AA" },
    { "trailing bits", "eyJhbGciOiJQUzM4NCJ9.e30.AB" },
};

static void only_three_strict_parts_are_a_token(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        vch_jws jws = { 0 };
        if (vch_jws_parse(vch_span_str(shapes[i].text), &jws, NULL) != VOUCH_E_FORMAT)
            fail_msg("%s is not refused", shapes[i].name);
    }
}

static void a_text_over_the_limit_is_refused_before_it_is_read(void **state)
{
    (void)state;
    vch_buffer text = vch_buffer_with_cap(VCH_JWS_MAX_SIZE + 1);
    vch_buffer_append_str(&text, "eyJhbGciOiJQUzM4NCJ9.e30.");
    while (text.size < VCH_JWS_MAX_SIZE + 1)
        vch_buffer_u8(&text, 'A');
    vch_jws jws = { 0 };
    CHECK(vch_jws_parse(vch_buffer_span(&text), &jws, NULL) == VOUCH_E_LIMIT);
    vch_buffer_drop(&text);
}

static void what_is_signed_here_verifies_here(void **state)
{
    (void)state;
    static const vch_jws_alg algs[] = { VCH_JWS_PS384, VCH_JWS_RS256 };
    vouch_error err = { 0 };
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    CHECK_OK(vch_key_generate(VCH_KEY_RSA3072, &key, &err), &err);
    for (size_t i = 0; i < 2; i++) {
        vch_buffer text = vch_buffer_with_cap(VCH_JWS_MAX_SIZE);
        CHECK_OK(
            vch_jws_sign(algs[i], key, "k1", "https://v/certs", vch_span_str("{}"), &text, &err),
            &err);
        vch_jws jws = { 0 };
        bool valid = false;
        CHECK_OK(vch_jws_parse(vch_buffer_span(&text), &jws, &err), &err);
        CHECK(jws.alg == algs[i]);
        CHECK_OK(vch_jws_verify(&jws, key, &valid, &err), &err);
        CHECK(valid);
        VCH_SCOPED(vch_key_drop) vch_key *other = public_key();
        CHECK_OK(vch_jws_verify(&jws, other, &valid, &err), &err);
        CHECK(!valid);
        jws.alg = algs[1 - i]; /* the same bytes under the other scheme */
        CHECK_OK(vch_jws_verify(&jws, key, &valid, &err), &err);
        CHECK(!valid);
        vch_jws_drop(&jws);
        vch_buffer_drop(&text);
    }
}

static void without_an_algorithm_nothing_is_signed_or_verified(void **state)
{
    (void)state;
    VCH_SCOPED(vch_key_drop) vch_key *key = public_key();
    vch_jws jws = { 0 };
    bool valid = false;
    CHECK(vch_jws_verify(&jws, key, &valid, NULL) == VOUCH_E_UNSUPPORTED);
    CHECK(!valid);
    vch_buffer text = vch_buffer_with_cap(VCH_JWS_MAX_SIZE);
    CHECK(vch_jws_sign(VCH_JWS_ALG_NONE, key, "k", NULL, vch_span_str("{}"), &text, NULL)
          == VOUCH_E_UNSUPPORTED);
    vch_buffer_drop(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(signatures_made_by_openssl_verify),
        TEST(the_header_and_payload_are_read),
        TEST(a_change_anywhere_makes_it_malformed_or_false),
        TEST(a_token_cut_short_anywhere_does_not_verify),
        TEST(headers_are_strict),
        TEST(a_kid_has_at_most_128_characters),
        TEST(only_three_strict_parts_are_a_token),
        TEST(a_text_over_the_limit_is_refused_before_it_is_read),
        TEST(what_is_signed_here_verifies_here),
        TEST(without_an_algorithm_nothing_is_signed_or_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
