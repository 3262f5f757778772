#include "crypto/hkdf.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "test_hex.h"

/* RFC 5869, test case 1 and, with empty salt and info, test case 3. */
static void the_rfc_cases_come_out(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t secret[22], salt[13], info[10], want[42], got[42];
    vouch_span ikm = test_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", secret);
    CHECK_OK(vch_hkdf(VCH_HASH_SHA256, ikm, test_hex("000102030405060708090a0b0c", salt),
                      test_hex("f0f1f2f3f4f5f6f7f8f9", info), got, sizeof got, &err),
             &err);
    test_hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
             "34007208d5b887185865",
             want);
    CHECK(memcmp(got, want, sizeof got) == 0);
    CHECK_OK(vch_hkdf(VCH_HASH_SHA256, ikm, (vouch_span) { 0 }, (vouch_span) { 0 }, got, sizeof got,
                      &err),
             &err);
    test_hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
             "9d201395faa4b61a96c8",
             want);
    CHECK(memcmp(got, want, sizeof got) == 0);
}

static void the_size_has_both_bounds(void **state)
{
    (void)state;
    uint8_t got[255 * 32 + 1];
    vouch_span ikm = vch_span_str("secret");
    vouch_span none = { 0 };
    CHECK(vch_hkdf(VCH_HASH_SHA256, ikm, none, none, got, 0, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_hkdf(VCH_HASH_SHA256, ikm, none, none, got, sizeof got, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_hkdf(VCH_HASH_SHA256, ikm, none, none, got, sizeof got - 1, NULL) == VOUCH_OK);
    CHECK(vch_hkdf((vch_hash_kind)0, ikm, none, none, got, 32, NULL) == VOUCH_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_rfc_cases_come_out),
        TEST(the_size_has_both_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
