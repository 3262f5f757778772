#include "crypto/gmac.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "crypto/aead.h"
#include "test_hex.h"

#define LONG ((size_t)100003)

static uint8_t key[VCH_GMAC_KEY_SIZE];

static void check_in_parts(vouch_span bytes, size_t step, uint8_t out[static VCH_GMAC_SIZE])
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_gmac_drop) vch_gmac *m = NULL;
    CHECK_OK(vch_gmac_new(key, &m, &err), &err);
    for (size_t at = 0; at < bytes.size; at += step) {
        size_t n = bytes.size - at < step ? bytes.size - at : step;
        CHECK_OK(vch_gmac_update(m, (vouch_span) { bytes.data + at, n }, &err), &err);
        CHECK_OK(vch_gmac_update(m, (vouch_span) { NULL, 0 }, &err), &err);
    }
    CHECK_OK(vch_gmac_finish(m, out, &err), &err);
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test case 13: all of it zeroes. */
static void the_published_check_of_nothing_comes_out(void **state)
{
    (void)state;
    uint8_t got[VCH_GMAC_SIZE];
    uint8_t want[VCH_GMAC_SIZE];
    memset(key, 0, sizeof key);
    check_in_parts((vouch_span) { NULL, 0 }, 1, got);
    (void)test_hex("530f8afbc74536b9a963b4f1c4cb738b", want);
    CHECK(memcmp(got, want, sizeof got) == 0);
}

static void it_is_the_tag_of_associated_data_in_whatever_parts(void **state)
{
    (void)state;
    static const uint8_t nonce[VCH_AEAD_NONCE_SIZE] = { 0 };
    static const size_t steps[] = { LONG, 7, 16, 4096, 65536 };
    static uint8_t bytes[LONG];
    vouch_error err = { 0 };
    uint8_t got[VCH_GMAC_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer tag = vch_buffer_with_cap(VCH_AEAD_TAG_SIZE);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 257);
    memset(key, 0x42, sizeof key);
    const vouch_span all = { bytes, sizeof bytes };
    CHECK_OK(vch_aead_seal(key, nonce, all, (vouch_span) { NULL, 0 }, &tag, &err), &err);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        check_in_parts(all, steps[i], got);
        CHECK(vch_span_equal((vouch_span) { got, sizeof got }, vch_buffer_span(&tag)));
    }
}

static void any_other_byte_or_length_gives_another(void **state)
{
    (void)state;
    uint8_t bytes[64] = { 0 };
    uint8_t want[VCH_GMAC_SIZE];
    uint8_t got[VCH_GMAC_SIZE];
    memset(key, 0x42, sizeof key);
    check_in_parts((vouch_span) { bytes, sizeof bytes }, 64, want);
    for (size_t i = 0; i < sizeof bytes; i++) {
        check_in_parts((vouch_span) { bytes, i }, 64, got); /* zeroes are cut off */
        CHECK(memcmp(got, want, sizeof got) != 0);
        bytes[i] ^= 1;
        check_in_parts((vouch_span) { bytes, sizeof bytes }, 64, got);
        CHECK(memcmp(got, want, sizeof got) != 0);
        bytes[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_published_check_of_nothing_comes_out),
        TEST(it_is_the_tag_of_associated_data_in_whatever_parts),
        TEST(any_other_byte_or_length_gives_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
