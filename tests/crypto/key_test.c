#include "crypto/key.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "crypto/secure_heap.h"
#include "test_hex.h"

/* RFC 6979 A.2.5: P-256, SHA-256, message "sample". */
#define RFC6979_SPKI                                                                               \
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004"                                       \
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"                             \
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
#define RFC6979_SIGNATURE                                                                          \
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"                             \
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"

static const vouch_span message = { (const uint8_t *)"the message", 11 };
static vch_key *p256, *p384, *rsa; /* made once: RSA is slow */

static int make_keys(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    CHECK_OK(vch_secure_heap_start(&err), &err);
    CHECK_OK(vch_secure_heap_start(&err), &err); /* a second call changes nothing */
    CHECK_OK(vch_key_generate(VCH_KEY_P256, &p256, &err), &err);
    CHECK_OK(vch_key_generate(VCH_KEY_P384, &p384, &err), &err);
    CHECK_OK(vch_key_generate(VCH_KEY_RSA3072, &rsa, &err), &err);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    vch_key_free(p256);
    vch_key_free(p384);
    vch_key_free(rsa);
    return 0;
}

static const struct {
    vch_sig_alg alg;
    vch_key **key;
    vch_key **other; /* of the wrong kind */
    size_t raw_size; /* 0: DER or RSA */
} algs[] = {
    { VCH_SIG_ECDSA_SHA256, &p256, &rsa, 0 },      { VCH_SIG_ECDSA_SHA384, &p384, &rsa, 0 },
    { VCH_SIG_ECDSA_SHA256_RAW, &p256, &rsa, 64 }, { VCH_SIG_ECDSA_SHA384_RAW, &p384, &rsa, 96 },
    { VCH_SIG_RSA_PSS_SHA256, &rsa, &p256, 0 },    { VCH_SIG_RSA_PSS_SHA384, &rsa, &p256, 0 },
    { VCH_SIG_RSA_PKCS1_SHA256, &rsa, &p256, 0 },  { VCH_SIG_RSA_PKCS1_SHA384, &rsa, &p256, 0 },
};

static bool verifies(const vch_key *key, vch_sig_alg alg, vouch_span text, vouch_span signature)
{
    vouch_error err = { 0 };
    bool valid = true;
    CHECK_OK(vch_key_verify(key, alg, text, signature, &valid, &err), &err);
    return valid;
}

static void a_signature_verifies_and_an_altered_one_does_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        vouch_error err = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer sig = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
        CHECK_OK(vch_key_sign(*algs[i].key, algs[i].alg, message, &sig, &err), &err);
        CHECK(algs[i].raw_size == 0 || sig.size == algs[i].raw_size);
        CHECK(verifies(*algs[i].key, algs[i].alg, message, vch_buffer_span(&sig)));
        CHECK(!verifies(*algs[i].key, algs[i].alg, vch_span_str("The message"),
                        vch_buffer_span(&sig)));
        for (size_t at = 0; at < sig.size; at += 7) {
            sig.data[at] ^= 1;
            CHECK(!verifies(*algs[i].key, algs[i].alg, message, vch_buffer_span(&sig)));
            sig.data[at] ^= 1;
        }
        CHECK(
            !verifies(*algs[i].key, algs[i].alg, message, (vouch_span) { sig.data, sig.size - 1 }));
        vch_buffer_u8(&sig, 0);
        CHECK(!verifies(*algs[i].key, algs[i].alg, message, vch_buffer_span(&sig)));
        CHECK(!verifies(*algs[i].key, algs[i].alg, message, (vouch_span) { 0 }));
    }
}

static void an_algorithm_of_the_other_family_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer sig = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
        CHECK(vch_key_sign(*algs[i].other, algs[i].alg, message, &sig, NULL) == VOUCH_E_CRYPTO);
        bool valid = true;
        CHECK(vch_key_verify(*algs[i].other, algs[i].alg, message, message, &valid, NULL)
              == VOUCH_E_CRYPTO);
        CHECK(!valid && sig.size == 0);
    }
    bool valid = true;
    CHECK(vch_key_verify(p256, (vch_sig_alg)0, message, message, &valid, NULL) == VOUCH_E_CRYPTO);
    CHECK(!valid);
}

static void a_pss_signature_is_no_pkcs1_signature(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer sig = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    CHECK(vch_key_sign(rsa, VCH_SIG_RSA_PSS_SHA384, message, &sig, NULL) == VOUCH_OK);
    CHECK(!verifies(rsa, VCH_SIG_RSA_PKCS1_SHA384, message, vch_buffer_span(&sig)));
    CHECK(!verifies(rsa, VCH_SIG_RSA_PSS_SHA256, message, vch_buffer_span(&sig)));
}

static void the_published_signature_verifies(void **state)
{
    (void)state;
    uint8_t spki[91];
    uint8_t sig[64];
    vouch_error err = { 0 };
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    CHECK_OK(vch_key_from_spki(test_hex(RFC6979_SPKI, spki), &key, &err), &err);
    CHECK(vch_key_kind_of(key) == VCH_KEY_P256 && !vch_key_is_private(key));
    vouch_span raw = test_hex(RFC6979_SIGNATURE, sig);
    CHECK(verifies(key, VCH_SIG_ECDSA_SHA256_RAW, vch_span_str("sample"), raw));
    CHECK(!verifies(key, VCH_SIG_ECDSA_SHA256_RAW, vch_span_str("simple"), raw));
    VCH_SCOPED(vch_buffer_drop) vch_buffer none = vch_buffer_with_cap(100);
    CHECK(vch_key_sign(key, VCH_SIG_ECDSA_SHA256, message, &none, NULL) == VOUCH_E_CRYPTO);
}

/* The RFC's signature as DER, then in encodings that BER would allow. */
static void only_der_is_accepted_as_an_ecdsa_signature(void **state)
{
    (void)state;
    uint8_t spki[91];
    uint8_t room[96];
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    CHECK(vch_key_from_spki(test_hex(RFC6979_SPKI, spki), &key, NULL) == VOUCH_OK);
#define R "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
#define S "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    CHECK(verifies(key, VCH_SIG_ECDSA_SHA256, vch_span_str("sample"),
                   test_hex("3046022100" R "022100" S, room)));
    static const char *const forms[] = {
        "308146022100" R "022100" S,      /* long form of a short length */
        "304702220000" R "022100" S,      /* a leading zero too many */
        "3048022100" R "022100" S "0500", /* a third element */
        "3080022100" R "022100" S "0000", /* indefinite length */
        "30440220" R "0220" S,            /* negative numbers */
        "3046022100" R "022100" S "00",   /* a byte left over */
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        CHECK(
            !verifies(key, VCH_SIG_ECDSA_SHA256, vch_span_str("sample"), test_hex(forms[i], room)));
}

static void zero_is_no_part_of_a_signature(void **state)
{
    (void)state;
    const uint8_t zeros[64] = { 0 };
    CHECK(!verifies(p256, VCH_SIG_ECDSA_SHA256_RAW, message, (vouch_span) { zeros, 64 }));
}

static void a_key_survives_its_pem_in_both_forms(void **state)
{
    (void)state;
    vch_key *const keys[] = { p256, p384, rsa };
    const char *const traditional[] = { "-----BEGIN EC PRIVATE KEY-----",
                                        "-----BEGIN EC PRIVATE KEY-----",
                                        "-----BEGIN RSA PRIVATE KEY-----" };
    for (size_t i = 0; i < 6; i++) {
        vouch_error err = { 0 };
        vch_key_form form = i < 3 ? VCH_KEY_FORM_PKCS8 : VCH_KEY_FORM_TRADITIONAL;
        const char *head = i < 3 ? "-----BEGIN PRIVATE KEY-----" : traditional[i % 3];
        VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
        CHECK_OK(vch_key_private_pem(keys[i % 3], form, &pem, &err), &err);
        CHECK(memcmp(pem.data, head, strlen(head)) == 0);
        VCH_SCOPED(vch_key_drop) vch_key *again = NULL;
        CHECK_OK(vch_key_from_private_pem((vouch_span) { pem.data, pem.size }, &again, &err), &err);
        CHECK(vch_key_same_public(keys[i % 3], again) && vch_key_is_private(again));
        CHECK(vch_key_kind_of(again) == vch_key_kind_of(keys[i % 3]));
    }
    CHECK(!vch_key_same_public(p256, p384));
}

static void a_public_key_survives_its_spki_and_numbers(void **state)
{
    (void)state;
    vch_key *const keys[] = { p256, p384, rsa };
    for (size_t i = 0; i < 3; i++) {
        vouch_error err = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_KEY_SPKI_MAX_SIZE);
        CHECK_OK(vch_key_spki(keys[i], &der, &err), &err);
        VCH_SCOPED(vch_key_drop) vch_key *again = NULL;
        CHECK_OK(vch_key_from_spki(vch_buffer_span(&der), &again, &err), &err);
        CHECK(vch_key_same_public(keys[i], again) && !vch_key_is_private(again));
        VCH_SCOPED(vch_secret_drop) vch_secret none = { 0 };
        CHECK(vch_key_private_pem(again, VCH_KEY_FORM_PKCS8, &none, NULL) == VOUCH_E_CRYPTO);
        for (size_t size = 0; size < der.size; size++) {
            VCH_SCOPED(vch_key_drop) vch_key *cut = NULL;
            CHECK(vch_key_from_spki((vouch_span) { der.data, size }, &cut, NULL) != VOUCH_OK);
        }
        vch_buffer_u8(&der, 0);
        VCH_SCOPED(vch_key_drop) vch_key *longer = NULL;
        CHECK(vch_key_from_spki(vch_buffer_span(&der), &longer, NULL) == VOUCH_E_FORMAT);
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer n = vch_buffer_with_cap(1024);
    VCH_SCOPED(vch_buffer_drop) vch_buffer e = vch_buffer_with_cap(16);
    VCH_SCOPED(vch_key_drop) vch_key *again = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_key_rsa_numbers(rsa, &n, &e, &err), &err);
    CHECK(n.size == 384 && e.size == 3);
    CHECK_OK(vch_key_from_rsa_numbers(vch_buffer_span(&n), vch_buffer_span(&e), &again, &err),
             &err);
    CHECK(vch_key_same_public(rsa, again));
}

static void weak_or_odd_rsa_numbers_are_refused(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer n = vch_buffer_with_cap(1024);
    VCH_SCOPED(vch_buffer_drop) vch_buffer e = vch_buffer_with_cap(16);
    CHECK(vch_key_rsa_numbers(rsa, &n, &e, NULL) == VOUCH_OK);
    const vouch_span good_n = vch_buffer_span(&n);
    const vouch_span good_e = vch_buffer_span(&e);
    static const uint8_t three[] = { 3 };
    static const uint8_t even[] = { 1, 0, 2 };
    static const uint8_t zero_led[] = { 0, 1, 0, 1 };
    const vouch_span bad_e[] = { { three, 1 }, { even, 3 }, { zero_led, 4 }, { NULL, 0 } };
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    for (size_t i = 0; i < 4; i++)
        CHECK(vch_key_from_rsa_numbers(good_n, bad_e[i], &key, NULL) != VOUCH_OK);
    CHECK(vch_key_from_rsa_numbers((vouch_span) { n.data, 255 }, good_e, &key, NULL)
          == VOUCH_E_UNSUPPORTED);
    n.data[0] = 0;
    CHECK(vch_key_from_rsa_numbers(good_n, good_e, &key, NULL) == VOUCH_E_FORMAT);
    CHECK(key == NULL);
}

static const struct {
    const char *name;
    const char *spki;
    vouch_code want;
} bad_keys[] = {
    { "a point off the curve", /* the last byte of Y differs */
      "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
      "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
      "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462298",
      VOUCH_E_FORMAT },
    { "a compressed point",
      "3039301306072a8648ce3d020106082a8648ce3d030107032200"
      "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
      VOUCH_E_FORMAT },
    { "Ed25519",
      "302a300506032b6570032100"
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      VOUCH_E_UNSUPPORTED },
};

static void public_keys_of_other_kinds_or_shapes_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_keys / sizeof bad_keys[0]; i++) {
        uint8_t room[128];
        VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
        vouch_code rc = vch_key_from_spki(test_hex(bad_keys[i].spki, room), &key, NULL);
        if (rc != bad_keys[i].want || key != NULL)
            fail_msg("%s: %s", bad_keys[i].name, vouch_code_name(rc));
    }
    static const uint8_t big[VCH_KEY_SPKI_MAX_SIZE + 1] = { 0x30 };
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    CHECK(vch_key_from_spki((vouch_span) { big, sizeof big }, &key, NULL) == VOUCH_E_LIMIT);
}

static void an_ec_point_is_the_end_of_the_spki(void **state)
{
    (void)state;
    uint8_t spki[91];
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    vouch_span der = test_hex(RFC6979_SPKI, spki);
    CHECK(vch_key_from_spki(der, &key, NULL) == VOUCH_OK);
    VCH_SCOPED(vch_buffer_drop) vch_buffer point = vch_buffer_with_cap(96);
    CHECK(vch_key_ec_point(key, &point, NULL) == VOUCH_OK);
    CHECK(vch_span_equal(vch_buffer_span(&point), (vouch_span) { spki + 27, 64 }));
    CHECK(vch_key_ec_point(rsa, &point, NULL) == VOUCH_E_UNSUPPORTED);
    CHECK(vch_key_rsa_numbers(p256, &point, &point, NULL) == VOUCH_E_UNSUPPORTED);
}

/* Made with openssl 3.0: ecparam -genkey -name prime256v1 (with its parameter block). */
#define EC_BODY                                                                                    \
    "-----BEGIN EC PRIVATE KEY-----\n"                                                             \
    "MHcCAQEEICRcFEtK/6t4TOlsFiUOBbgzg3AOSXnE6Ogn7VSJn+AXoAoGCCqGSM49\n"                           \
    "AwEHoUQDQgAEqRlaoQxv6eZrX1qvtEPKRcF2UDwHKkxEwIxxENkeKXUFslD2Ur8O\n"                           \
    "ye8HOExm8LkG1qjhcCDN5ABp0HIgi4ZSqg==\n"                                                       \
    "-----END EC PRIVATE KEY-----\n"
#define EC_PARAMETERS                                                                              \
    "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"

static void private_keys_are_read_as_openssl_writes_them(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    CHECK_OK(vch_key_from_private_pem(vch_span_str(EC_PARAMETERS EC_BODY), &key, &err), &err);
    CHECK(vch_key_kind_of(key) == VCH_KEY_P256);
}

static const struct {
    const char *name;
    const char *pem;
    vouch_code want;
} bad_pems[] = {
    { "nothing", "", VOUCH_E_LIMIT },
    { "only blanks", "\n\n", VOUCH_E_FORMAT },
    { "parameters only", EC_PARAMETERS, VOUCH_E_FORMAT },
    { "two keys", EC_BODY EC_BODY, VOUCH_E_FORMAT },
    { "text around the key", "my key\n" EC_BODY, VOUCH_E_FORMAT },
    { "an encrypted key",
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAQID\n-----END ENCRYPTED PRIVATE KEY-----\n",
      VOUCH_E_UNSUPPORTED },
    { "a certificate", "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
      VOUCH_E_UNSUPPORTED },
    { "junk", "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n", VOUCH_E_FORMAT },
    { "the wrong label", "-----BEGIN RSA PRIVATE KEY-----\nMAMCAQA=\n-----END RSA PRIVATE KEY-----",
      VOUCH_E_FORMAT },
};

static void files_that_are_not_one_plain_private_key_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_pems / sizeof bad_pems[0]; i++) {
        VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
        vouch_code rc = vch_key_from_private_pem(vch_span_str(bad_pems[i].pem), &key, NULL);
        if (rc != bad_pems[i].want || key != NULL)
            fail_msg("%s: %s", bad_pems[i].name, vouch_code_name(rc));
    }
}

/* The private number of one key beside the public point of another. */
static void a_private_key_whose_halves_do_not_fit_is_refused(void **state)
{
    (void)state;
    static const char swapped[] =
        "-----BEGIN EC PRIVATE KEY-----\n"
        "MHcCAQEEICRcFEtK/6t4TOlsFiUOBbgzg3AOSXnE6Ogn7VSJn+AXoAoGCCqGSM49\n"
        "AwEHoUQDQgAEB3riFTmDhdtrWLs+BuHhIrrARLo7yd9aEMCWZvUjjITZ3xu1Ztw4\n"
        "ANmQDKzHPG8G07A8bc4ZD/1sZbal7+BfkQ==\n"
        "-----END EC PRIVATE KEY-----\n";
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    CHECK(vch_key_from_private_pem(vch_span_str(swapped), &key, NULL) == VOUCH_E_FORMAT);
    CHECK(key == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signature_verifies_and_an_altered_one_does_not),
        TEST(an_algorithm_of_the_other_family_is_an_error),
        TEST(a_pss_signature_is_no_pkcs1_signature),
        TEST(the_published_signature_verifies),
        TEST(only_der_is_accepted_as_an_ecdsa_signature),
        TEST(zero_is_no_part_of_a_signature),
        TEST(a_key_survives_its_pem_in_both_forms),
        TEST(a_public_key_survives_its_spki_and_numbers),
        TEST(weak_or_odd_rsa_numbers_are_refused),
        TEST(public_keys_of_other_kinds_or_shapes_are_refused),
        TEST(an_ec_point_is_the_end_of_the_spki),
        TEST(private_keys_are_read_as_openssl_writes_them),
        TEST(files_that_are_not_one_plain_private_key_are_refused),
        TEST(a_private_key_whose_halves_do_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
