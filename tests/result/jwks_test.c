#include "result/jwks.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/base64.h"
#include "issuer.h"

#include "check.h"

static issuer good;
static vch_buffer json;

static int make(void **state)
{
    (void)state;
    issuer_make(&good, NULL, NULL);
    const vouch_span chain[] = { vch_buffer_span(&good.leaf), vch_buffer_span(&good.ca),
                                 vch_buffer_span(&good.root) };
    const vch_jwks_entry entry = { ISSUER_KID, chain, 3 };
    json = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    return vch_jwks_build(&entry, 1, &json, NULL) == VOUCH_OK ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    vch_buffer_drop(&json);
    issuer_drop(&good);
    return 0;
}

static void a_built_set_is_read_back(void **state)
{
    (void)state;
    vouch_jwks *keys = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vouch_jwks_parse(vch_buffer_span(&json), &keys, &err), &err);
    CHECK(vch_jwks_count(keys) == 1 && vch_jwks_at(keys, 1) == NULL);
    CHECK(vch_jwks_find(keys, "other") == NULL);
    const vch_jwks_key *key = vch_jwks_find(keys, ISSUER_KID);
    CHECK(key != NULL && vch_key_same_public(key->key, good.key));
    CHECK(vch_cert_chain_count(key->chain) == 3);
    vouch_jwks_free(keys);
    vouch_jwks_free(NULL);
}

static void the_certificates_name_their_crls(void **state)
{
    (void)state;
    char url[VCH_CERT_CHAIN_URL_SIZE];
    const vch_cert_chain *chain = vch_jwks_at(good.keys, 0)->chain;
    CHECK(vch_cert_chain_crl_url(chain, 0, url, NULL) == VOUCH_OK);
    assert_string_equal(url, "http://127.0.0.1/crl/ca.der");
    CHECK(vch_cert_chain_crl_url(chain, 1, url, NULL) == VOUCH_OK);
    assert_string_equal(url, "http://127.0.0.1/crl/root.der");
    CHECK(vch_cert_chain_crl_url(chain, 2, url, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(vch_cert_chain_crl_url(chain, 3, url, NULL) == VOUCH_E_NOT_FOUND);
}

static vouch_code parse_edited(const char *from, const char *to)
{
    const char *text = vch_buffer_text(&json);
    const char *at = strstr(text, from);
    if (at == NULL)
        fail_msg("no '%s'", from);
    vch_buffer edited = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    vch_buffer_append(&edited, (vouch_span) { json.data, (size_t)(at - text) });
    vch_buffer_append_str(&edited, to);
    vch_buffer_append_str(&edited, at + strlen(from));
    vouch_jwks *keys = NULL;
    vouch_error err = { 0 };
    vouch_code rc = vouch_jwks_parse(vch_buffer_span(&edited), &keys, &err);
    CHECK((rc == VOUCH_OK) == (err.depth == 0) && (rc == VOUCH_OK) == (keys != NULL));
    vouch_jwks_free(keys);
    vch_buffer_drop(&edited);
    return rc;
}

static const struct {
    const char *name, *from, *to;
    vouch_code want;
} edits[] = {
    { "another key kind alone", "\"kty\":\"RSA\"", "\"kty\":\"EC\"", VOUCH_E_FORMAT },
    { "a key for encryption alone", "\"kty\":", "\"use\":\"enc\",\"kty\":", VOUCH_E_FORMAT },
    { "a key for signatures", "\"kty\":", "\"use\":\"sig\",\"kty\":", VOUCH_OK },
    { "a key of another kind beside", "{\"keys\":[", "{\"keys\":[{\"kty\":\"EC\"},", VOUCH_OK },
    { "a member that is not known", "\"kty\":", "\"x\":1,\"kty\":", VOUCH_OK },
    { "a key of no kind beside", "{\"keys\":[", "{\"keys\":[{\"use\":\"sig\"},", VOUCH_OK },
    { "a key of no kind alone", "\"kty\":\"RSA\"", "\"ktx\":\"RSA\"", VOUCH_E_FORMAT },
    { "a use that is no text", "\"kty\":", "\"use\":7,\"kty\":", VOUCH_E_FORMAT },
    { "keys that are an object", "\"keys\":[", "\"keys\":{},\"x\":[", VOUCH_E_FORMAT },
    { "no JSON", "{\"keys\"", "\"keys\"", VOUCH_E_FORMAT },
    { "no kid", "\"kid\":", "\"kix\":", VOUCH_E_FORMAT },
    { "an empty kid", "\"kid\":\"" ISSUER_KID, "\"kid\":\"", VOUCH_E_LIMIT },
    { "no x5c", "\"x5c\":", "\"x5x\":", VOUCH_E_FORMAT },
    { "an x5c that is a string", "\"x5c\":[", "\"x5c\":\"\",\"y\":[", VOUCH_E_FORMAT },
    { "an x5c with a number", "\"x5c\":[", "\"x5c\":[1,", VOUCH_E_FORMAT },
    { "a certificate that is none", "\"x5c\":[", "\"x5c\":[\"MAA=\",", VOUCH_E_FORMAT },
    { "a certificate in base64url", "\"x5c\":[\"M", "\"x5c\":[\"-", VOUCH_E_FORMAT },
    { "no n", "\"n\":", "\"m\":", VOUCH_E_FORMAT },
    { "another n", "\"n\":\"", "\"n\":\"_____w", VOUCH_E_LIMIT },
    { "another e", "\"e\":\"AQAB\"", "\"e\":\"Aw\"", VOUCH_E_FORMAT },
    { "no keys", "\"keys\":", "\"kexs\":", VOUCH_E_FORMAT },
    { "a key that is a number", "{\"keys\":[", "{\"keys\":[1,", VOUCH_E_FORMAT },
    { "junk at the end", "]}]}", "]}]}x", VOUCH_E_FORMAT },
};

static void what_cannot_be_judged_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        vouch_code got = parse_edited(edits[i].from, edits[i].to);
        if ((got == VOUCH_OK) != (edits[i].want == VOUCH_OK))
            fail_msg("%s: %s", edits[i].name, vouch_code_name(got));
    }
}

/* A well-formed number that is another key's. */
static void n_must_be_the_leafs(void **state)
{
    (void)state;
    char *n = strstr((char *)json.data, "\"n\":\"");
    CHECK(n != NULL);
    char *digit = n + 200;
    char was = *digit;
    vouch_jwks *keys = NULL;
    vouch_error err = { 0 };
    *digit = was == 'A' ? 'B' : 'A';
    CHECK(vouch_jwks_parse(vch_buffer_span(&json), &keys, &err) == VOUCH_E_FORMAT);
    assert_string_equal(err.frame[0], "n and e are not the leaf certificate's");
    *digit = was;
}

static void two_keys_of_one_id_are_refused(void **state)
{
    (void)state;
    const vouch_span chain[] = { vch_buffer_span(&good.leaf), vch_buffer_span(&good.ca) };
    vch_jwks_entry entries[] = { { "a", chain, 2 }, { "a", chain, 2 } };
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    vouch_jwks *keys = NULL;
    CHECK(vch_jwks_build(entries, 2, &text, NULL) == VOUCH_OK);
    CHECK(vouch_jwks_parse(vch_buffer_span(&text), &keys, NULL) == VOUCH_E_FORMAT);
    entries[1].kid = "b";
    text.size = 0;
    CHECK(vch_jwks_build(entries, 2, &text, NULL) == VOUCH_OK);
    CHECK(vouch_jwks_parse(vch_buffer_span(&text), &keys, NULL) == VOUCH_OK);
    CHECK(vch_jwks_count(keys) == 2);
    vouch_jwks_free(keys);
}

/* There is a place for so many and no more. */
static void more_keys_or_certificates_than_are_read_are_refused(void **state)
{
    (void)state;
    static const size_t others[] = { VCH_JWKS_MAX_KEYS - 1, VCH_JWKS_MAX_KEYS };
    static const size_t certificates[] = { VCH_CERT_CHAIN_MAX_COUNT - 3,
                                           VCH_CERT_CHAIN_MAX_COUNT - 2,
                                           VCH_CERT_CHAIN_MAX_COUNT + 30 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    vch_base64_encode(vch_buffer_span(&good.leaf), &der);
    for (size_t i = 0; i < 2; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer to = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
        vch_buffer_append_str(&to, "{\"keys\":[");
        for (size_t j = 0; j < others[i]; j++)
            vch_buffer_append_str(&to, "{\"kty\":\"EC\"},");
        CHECK(parse_edited("{\"keys\":[", vch_buffer_text(&to))
              == (i == 0 ? VOUCH_OK : VOUCH_E_LIMIT));
    }
    for (size_t i = 0; i < 3; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer to = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
        vch_buffer_append_str(&to, "\"x5c\":[");
        for (size_t j = 0; j < certificates[i]; j++)
            vch_buffer_append_fmt(&to, "\"%s\",", vch_buffer_text(&der));
        CHECK(parse_edited("\"x5c\":[", vch_buffer_text(&to))
              == (i == 0 ? VOUCH_OK : VOUCH_E_LIMIT));
    }
}

static void a_chain_has_two_to_ten_certificates(void **state)
{
    (void)state;
    vouch_span ders[VCH_CERT_CHAIN_MAX_COUNT + 1];
    for (size_t i = 0; i < sizeof ders / sizeof ders[0]; i++)
        ders[i] = vch_buffer_span(&good.ca);
    const struct {
        size_t count;
        vouch_code want;
    } cases[] = { { 1, VOUCH_E_LIMIT },
                  { 2, VOUCH_OK },
                  { VCH_CERT_CHAIN_MAX_COUNT, VOUCH_OK },
                  { VCH_CERT_CHAIN_MAX_COUNT + 1, VOUCH_E_LIMIT } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vch_cert_chain *chain = NULL;
        CHECK(vch_cert_chain_parse(ders, cases[i].count, &chain, NULL) == cases[i].want);
        vch_cert_chain_free(chain);
    }
}

static void a_certificate_cut_short_or_with_bytes_behind_is_refused(void **state)
{
    (void)state;
    vouch_span ders[] = { vch_buffer_span(&good.leaf), vch_buffer_span(&good.ca) };
    vch_cert_chain *chain = NULL;
    for (size_t n = 0; n < good.leaf.size; n++) {
        ders[0].size = n;
        CHECK(vch_cert_chain_parse(ders, 2, &chain, NULL) != VOUCH_OK && chain == NULL);
    }
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer longer = vch_buffer_with_cap(VCH_CERT_CHAIN_MAX_DER_SIZE);
    vch_buffer_append(&longer, vch_buffer_span(&good.leaf));
    vch_buffer_u8(&longer, 0);
    ders[0] = vch_buffer_span(&longer);
    CHECK(vch_cert_chain_parse(ders, 2, &chain, NULL) == VOUCH_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_built_set_is_read_back),
        TEST(the_certificates_name_their_crls),
        TEST(what_cannot_be_judged_is_refused),
        TEST(n_must_be_the_leafs),
        TEST(two_keys_of_one_id_are_refused),
        TEST(more_keys_or_certificates_than_are_read_are_refused),
        TEST(a_chain_has_two_to_ten_certificates),
        TEST(a_certificate_cut_short_or_with_bytes_behind_is_refused),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
