/* SIGSTRUCTs: two that others signed, and some that are signed here. */
#include "evidence/sigstruct.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/scope.h"
#include "check.h"
#include "codec/hex.h"
#include "host/file.h"
#include "vouch/evidence.h"

#define HALF_AT 900

static EVP_PKEY *signer;

static int make_signer(void **state)
{
    (void)state;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *three = BN_new();
    CHECK(BN_set_word(three, 3) == 1 && EVP_PKEY_keygen_init(context) == 1);
    CHECK(EVP_PKEY_CTX_set_rsa_keygen_bits(context, 3072) == 1);
    CHECK(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, three) == 1);
    CHECK(EVP_PKEY_generate(context, &signer) == 1);
    BN_free(three);
    EVP_PKEY_CTX_free(context);
    return 0;
}

static int drop_signer(void **state)
{
    (void)state;
    EVP_PKEY_free(signer);
    return 0;
}

static void reverse(const uint8_t *from, uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = from[size - 1 - i];
}

/* False: they do not fit in their places. */
static bool put_quotients(uint8_t s[static VCH_SIGSTRUCT_SIZE])
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *n = BN_lebin2bn(s + 128, 384, NULL);
    BIGNUM *x = BN_lebin2bn(s + 516, 384, NULL);
    BIGNUM *t = BN_new();
    BIGNUM *q = BN_new();
    BIGNUM *r = BN_new();
    CHECK(BN_sqr(t, x, context) == 1 && BN_div(q, r, t, n, context) == 1);
    bool fits = BN_bn2lebinpad(q, s + 1040, 384) == 384;
    CHECK(BN_mul(t, r, x, context) == 1 && BN_div(q, r, t, n, context) == 1);
    fits = fits && BN_bn2lebinpad(q, s + 1424, 384) == 384;
    BN_free(n), BN_free(x), BN_free(t), BN_free(q), BN_free(r);
    BN_CTX_free(context);
    return fits;
}

/* Sign what stands in `s`, as gramine-sgx-sign would. */
static void sign(uint8_t s[static VCH_SIGSTRUCT_SIZE])
{
    uint8_t message[256];
    uint8_t big_endian[384];
    size_t size = sizeof big_endian;
    BIGNUM *n = NULL;
    memcpy(message, s, 128);
    memcpy(message + 128, s + HALF_AT, 128);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer) == 1);
    CHECK(EVP_DigestSign(context, big_endian, &size, message, sizeof message) == 1 && size == 384);
    EVP_MD_CTX_free(context);
    reverse(big_endian, s + 516, 384);
    CHECK(EVP_PKEY_get_bn_param(signer, OSSL_PKEY_PARAM_RSA_N, &n) == 1);
    CHECK(BN_bn2lebinpad(n, s + 128, 384) == 384);
    BN_free(n);
    CHECK(put_quotients(s));
}

static void make(uint8_t s[static VCH_SIGSTRUCT_SIZE])
{
    static const uint8_t header[] = { 6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1 };
    static const uint8_t header_2[] = { 1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1 };
    static const uint8_t date[] = { 0x31, 0x12, 0x26, 0x20 };
    memset(s, 0, VCH_SIGSTRUCT_SIZE);
    memcpy(s, header, sizeof header);
    memcpy(s + 20, date, sizeof date);
    memcpy(s + 24, header_2, sizeof header_2);
    s[512] = 3;
    s[928] = 4; /* MODE64 */
    s[944] = 0xff;
    memset(s + 960, 0xab, 32);
    s[1024] = 7;
    s[1026] = 9;
    sign(s);
}

static bool is_valid(const uint8_t s[static VCH_SIGSTRUCT_SIZE])
{
    vch_sigstruct parsed;
    bool valid = false;
    vouch_error err = { 0 };
    CHECK_OK(vch_sigstruct_parse((vouch_span) { s, VCH_SIGSTRUCT_SIZE }, &parsed, &err), &err);
    CHECK_OK(vch_sigstruct_verify(&parsed, &valid, &err), &err);
    return valid;
}

static void those_of_others_are_read_and_verified(void **state)
{
    (void)state;
    static const struct {
        const char *name, *mrenclave, *mrsigner;
        uint16_t prod_id;
    } others[] = {
        { "fortanix_sig1.sig", "c50673624a6cb17c1c6c2a4e6906f47a170c4629b8723781d1017ef376f1a75d",
          "83d719e77deaca1470f6baf62a4d774303c899db69020f9c70ee1dfc08c7ce9e", 0 },
        { "fortanix_test_enclave.sig",
          "784acfd7d5096a8f0fbd3265760bff21b120f62407a9a9e5ba31aa3c8ed198fc",
          "fb4bab3d6036ac1d730fa83d7366df1dd2dfeac194ef335d6854d8a6c6475542", 65535 },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char path[512];
        char hex[65];
        vch_sigstruct s = { 0 };
        vouch_error err = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer file = { 0 };
        (void)snprintf(path, sizeof path, "%s/measure/%s", VCH_TEST_VECTORS, others[i].name);
        CHECK_OK(vch_file_read(path, VCH_SIGSTRUCT_SIZE, &file, &err), &err);
        CHECK_OK(vch_sigstruct_parse(vch_buffer_span(&file), &s, &err), &err);
        assert_string_equal(vch_hex_encode((vouch_span) { s.mrenclave, 32 }, hex),
                            others[i].mrenclave);
        assert_string_equal(vch_hex_encode((vouch_span) { s.mrsigner, 32 }, hex),
                            others[i].mrsigner);
        CHECK(s.isv_prod_id == others[i].prod_id);
        CHECK(is_valid(file.data));
    }
}

static void our_own_is_read_field_by_field(void **state)
{
    (void)state;
    uint8_t raw[VCH_SIGSTRUCT_SIZE];
    vch_sigstruct s = { 0 };
    make(raw);
    CHECK(vch_sigstruct_parse((vouch_span) { raw, sizeof raw }, &s, NULL) == VOUCH_OK);
    CHECK(s.isv_prod_id == 7 && s.isv_svn == 9 && s.date_bcd == 0x20261231);
    CHECK(s.attribute_flags == 4 && s.attribute_flags_mask == 0xff && s.mrenclave[31] == 0xab);
    CHECK(is_valid(raw));
}

static void a_bit_changed_anywhere_in_what_counts_breaks_it(void **state)
{
    (void)state;
    uint8_t raw[VCH_SIGSTRUCT_SIZE];
    static const size_t at[] = { 40,  128, 300,  516,  700,  899,  900,  928,  944,
                                 960, 991, 1008, 1024, 1026, 1040, 1300, 1424, 1807 };
    make(raw);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        raw[at[i]] ^= 1;
        CHECK(!is_valid(raw));
        raw[at[i]] ^= 1;
    }
    CHECK(is_valid(raw));
}

static void what_is_constant_or_reserved_is_demanded(void **state)
{
    (void)state;
    uint8_t raw[VCH_SIGSTRUCT_SIZE];
    static const size_t at[] = { 0,   15,  16,  24,  39,   44,   127, 512,
                                 515, 910, 911, 992, 1007, 1028, 1039 };
    make(raw);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        vch_sigstruct s = { .isv_svn = 77 };
        raw[at[i]] ^= 1;
        CHECK(vch_sigstruct_parse((vouch_span) { raw, sizeof raw }, &s, NULL) == VOUCH_E_FORMAT);
        CHECK(s.isv_svn == 77);
        raw[at[i]] ^= 1;
    }
}

static void a_date_is_a_date(void **state)
{
    (void)state;
    uint8_t raw[VCH_SIGSTRUCT_SIZE];
    static const struct {
        uint8_t day, month;
        vouch_code want;
    } dates[] = { { 0x31, 0x12, VOUCH_OK },       { 0x01, 0x01, VOUCH_OK },
                  { 0x00, 0x12, VOUCH_E_FORMAT }, { 0x32, 0x12, VOUCH_E_FORMAT },
                  { 0x0a, 0x12, VOUCH_E_FORMAT }, { 0x31, 0x13, VOUCH_E_FORMAT },
                  { 0x31, 0x00, VOUCH_E_FORMAT } };
    make(raw);
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        vch_sigstruct s;
        raw[20] = dates[i].day;
        raw[21] = dates[i].month;
        CHECK(vch_sigstruct_parse((vouch_span) { raw, sizeof raw }, &s, NULL) == dates[i].want);
    }
}

static void one_cut_short_or_too_long_is_refused(void **state)
{
    (void)state;
    uint8_t raw[VCH_SIGSTRUCT_SIZE + 1] = { 0 };
    vch_sigstruct s = { .isv_svn = 77 };
    make(raw);
    for (size_t n = 0; n < VCH_SIGSTRUCT_SIZE; n++)
        CHECK(vch_sigstruct_parse((vouch_span) { raw, n }, &s, NULL) == VOUCH_E_TRUNCATED);
    CHECK(vch_sigstruct_parse((vouch_span) { raw, sizeof raw }, &s, NULL) == VOUCH_E_FORMAT);
    CHECK(s.isv_svn == 77);
}

static void whether_it_may_be_debugged_is_said(void **state)
{
    (void)state;
    vch_sigstruct s = { 0 };
    assert_string_equal(vch_sigstruct_debug(&s), "possible");
    s.attribute_flags_mask = VOUCH_SGX_ATTRIBUTE_DEBUG;
    assert_string_equal(vch_sigstruct_debug(&s), "never");
    s.attribute_flags = VOUCH_SGX_ATTRIBUTE_DEBUG;
    assert_string_equal(vch_sigstruct_debug(&s), "always");
}

/* 2^1024-sized, even, or with the signature not below it: an answer, not an accident. */
static void a_modulus_of_another_size_is_no_signature(void **state)
{
    (void)state;
    uint8_t raw[VCH_SIGSTRUCT_SIZE];
    make(raw);
    memset(raw + 128 + 128, 0, 256);
    CHECK(!is_valid(raw));
    memset(raw + 128, 0, 384);
    CHECK(!is_valid(raw));
    make(raw);
    memset(raw + 516, 0xff, 384);
    CHECK(!is_valid(raw));
}

/* The same cube: without the bound, a second signature for everything that is signed. */
static void a_signature_plus_the_modulus_is_none(void **state)
{
    (void)state;
    uint8_t raw[VCH_SIGSTRUCT_SIZE];
    bool fits = false;
    make(raw);
    for (uint16_t i = 0; !fits && i < 500; i++) { /* until there is room: one of about six */
        raw[1026] = (uint8_t)i;
        raw[1027] = (uint8_t)(i >> 8);
        sign(raw);
        BIGNUM *n = BN_lebin2bn(raw + 128, 384, NULL);
        BIGNUM *s = BN_lebin2bn(raw + 516, 384, NULL);
        CHECK(BN_add(s, s, n) == 1);
        fits = BN_bn2lebinpad(s, raw + 516, 384) == 384 && put_quotients(raw);
        BN_free(n), BN_free(s);
    }
    CHECK(fits);
    CHECK(!is_valid(raw));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(those_of_others_are_read_and_verified),
        TEST(our_own_is_read_field_by_field),
        TEST(a_bit_changed_anywhere_in_what_counts_breaks_it),
        TEST(what_is_constant_or_reserved_is_demanded),
        TEST(a_date_is_a_date),
        TEST(one_cut_short_or_too_long_is_refused),
        TEST(whether_it_may_be_debugged_is_said),
        TEST(a_modulus_of_another_size_is_no_signature),
        TEST(a_signature_plus_the_modulus_is_none),
    };
    return cmocka_run_group_tests(tests, make_signer, drop_signer);
}
