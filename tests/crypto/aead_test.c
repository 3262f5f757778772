#include "crypto/aead.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "test_hex.h"

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16 (AES-256). */
static const char *const key_hex =
    "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
static const char *const nonce_hex = "cafebabefacedbaddecaf888";
static const char *const associated_hex = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
static const char *const plain_hex =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
static const char *const sealed_hex =
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    "76fc6ece0f4e1768cddf8853bb2d551b";

static uint8_t key[32], nonce[12], associated_room[20], plain_room[60], sealed_room[76];
static vouch_span associated, plain, sealed;

static int read_vector(void **state)
{
    (void)state;
    (void)test_hex(key_hex, key);
    (void)test_hex(nonce_hex, nonce);
    associated = test_hex(associated_hex, associated_room);
    plain = test_hex(plain_hex, plain_room);
    sealed = test_hex(sealed_hex, sealed_room);
    return 0;
}

static void the_published_case_comes_out_both_ways(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(100);
    CHECK_OK(vch_aead_seal(key, nonce, associated, plain, &out, &err), &err);
    CHECK(vch_span_equal(vch_buffer_span(&out), sealed));
    uint8_t back[60];
    CHECK_OK(vch_aead_open(key, nonce, associated, sealed, back, sizeof back, &err), &err);
    CHECK(vch_span_equal((vouch_span) { back, sizeof back }, plain));
}

static void any_flipped_bit_is_refused_and_nothing_comes_out(void **state)
{
    (void)state;
    uint8_t back[60];
    struct {
        uint8_t *bytes;
        size_t size;
    } const parts[] = { { sealed_room, 76 }, { associated_room, 20 }, { key, 32 }, { nonce, 12 } };
    for (size_t i = 0; i < 4; i++) {
        for (size_t at = 0; at < parts[i].size; at++) {
            parts[i].bytes[at] ^= 0x40;
            memset(back, 9, sizeof back);
            CHECK(vch_aead_open(key, nonce, associated, sealed, back, sizeof back, NULL)
                  == VOUCH_E_CRYPTO);
            CHECK(vch_span_is_zero((vouch_span) { back, sizeof back }));
            parts[i].bytes[at] ^= 0x40;
        }
    }
}

static void sealed_bytes_cut_anywhere_are_refused(void **state)
{
    (void)state;
    uint8_t back[60];
    for (size_t size = 0; size < sealed.size; size++) {
        vouch_span cut = { sealed.data, size };
        size_t room = size < VCH_AEAD_TAG_SIZE ? 0 : size - VCH_AEAD_TAG_SIZE;
        vouch_code want = size < VCH_AEAD_TAG_SIZE ? VOUCH_E_TRUNCATED : VOUCH_E_CRYPTO;
        CHECK(vch_aead_open(key, nonce, associated, cut, back, room, NULL) == want);
    }
    CHECK(vch_aead_open(key, nonce, associated, sealed, back, 59, NULL) == VOUCH_E_INTERNAL);
}

static void nothing_can_be_sealed(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(16);
    CHECK(vch_aead_seal(key, nonce, associated, (vouch_span) { 0 }, &out, NULL) == VOUCH_OK);
    CHECK(out.size == VCH_AEAD_TAG_SIZE);
    uint8_t none[1];
    CHECK(vch_aead_open(key, nonce, associated, vch_buffer_span(&out), none, 0, NULL) == VOUCH_OK);
    CHECK(vch_aead_open(key, nonce, plain, vch_buffer_span(&out), none, 0, NULL) == VOUCH_E_CRYPTO);
    CHECK(vch_aead_seal(key, nonce, associated, plain, &out, NULL) == VOUCH_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_published_case_comes_out_both_ways),
        TEST(any_flipped_bit_is_refused_and_nothing_comes_out),
        TEST(sealed_bytes_cut_anywhere_are_refused),
        TEST(nothing_can_be_sealed),
    };
    return cmocka_run_group_tests(tests, read_vector, NULL);
}
