#include "crypto/ecdsa.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "crypto/key.h"

typedef struct fixture {
    vch_key *private_key;
    vch_p256_key *key;
    uint8_t point[VCH_P256_POINT_SIZE];
    uint8_t signature[VCH_P256_SIGNATURE_SIZE];
} fixture;

static const uint8_t text[] = "a message";
static const vouch_span message = { text, sizeof text };

static int set_up(void **state)
{
    static fixture f;
    vouch_error err = { 0 };
    vch_buffer point = vch_buffer_with_cap(64);
    vch_buffer signature = vch_buffer_with_cap(64);
    CHECK_OK(vch_key_generate(VCH_KEY_P256, &f.private_key, &err), &err);
    CHECK_OK(vch_key_ec_point(f.private_key, &point, &err), &err);
    CHECK_OK(vch_key_sign(f.private_key, VCH_SIG_ECDSA_SHA256_RAW, message, &signature, &err),
             &err);
    CHECK(point.size == 64 && signature.size == 64);
    memcpy(f.point, point.data, 64);
    memcpy(f.signature, signature.data, 64);
    CHECK_OK(vch_p256_key_new(f.point, NULL, &f.key, &err), &err);
    vch_buffer_drop(&point);
    vch_buffer_drop(&signature);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vch_p256_key_free(f->key);
    vch_key_free(f->private_key);
    return 0;
}

static bool verifies(const vch_p256_key *key, vouch_span what, const uint8_t signature[static 64])
{
    bool valid = true;
    vouch_error err = { 0 };
    CHECK_OK(vch_p256_verify(key, what, signature, &valid, &err), &err);
    return valid;
}

static void a_signature_of_the_key_verifies(void **state)
{
    fixture *f = *state;
    CHECK(verifies(f->key, message, f->signature));
    CHECK(!verifies(f->key, (vouch_span) { text, sizeof text - 1 }, f->signature));
}

static void a_key_made_like_another_is_the_same_key(void **state)
{
    fixture *f = *state;
    vouch_error err = { 0 };
    vch_key *other_private = NULL;
    vch_p256_key *other = NULL;
    vch_p256_key *same = NULL;
    vch_buffer point = vch_buffer_with_cap(64);
    CHECK_OK(vch_key_generate(VCH_KEY_P256, &other_private, &err), &err);
    CHECK_OK(vch_key_ec_point(other_private, &point, &err), &err);
    CHECK_OK(vch_p256_key_new(point.data, f->key, &other, &err), &err);
    CHECK_OK(vch_p256_key_new(f->point, other, &same, &err), &err);
    CHECK(!verifies(other, message, f->signature));
    CHECK(verifies(same, message, f->signature));
    CHECK(verifies(f->key, message, f->signature)); /* the pattern is untouched */
    vch_p256_key_free(other);
    vch_p256_key_free(same);
    vch_key_free(other_private);
    vch_buffer_drop(&point);
}

static void a_signature_with_any_bit_flipped_does_not_verify(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < 8 * sizeof f->signature; i++) {
        uint8_t flipped[64];
        memcpy(flipped, f->signature, sizeof flipped);
        flipped[i / 8] ^= (uint8_t)(1U << (i % 8));
        CHECK(!verifies(f->key, message, flipped));
    }
}

static const uint8_t order[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

static void numbers_outside_1_to_n_minus_1_do_not_verify(void **state)
{
    fixture *f = *state;
    for (size_t half = 0; half <= 32; half += 32) {
        uint8_t s[64];
        memcpy(s, f->signature, sizeof s);
        memset(s + half, 0, 32);
        CHECK(!verifies(f->key, message, s));
        memcpy(s + half, order, 32);
        CHECK(!verifies(f->key, message, s));
        memset(s + half, 0xff, 32);
        CHECK(!verifies(f->key, message, s));
    }
}

static void n_minus_s_verifies_as_ecdsa_says(void **state)
{
    fixture *f = *state;
    uint8_t s[64];
    int borrow = 0;
    memcpy(s, f->signature, sizeof s);
    for (size_t i = 32; i-- > 0;) {
        int digit = order[i] - f->signature[32 + i] - borrow;
        borrow = digit < 0;
        s[32 + i] = (uint8_t)(digit + (borrow ? 256 : 0));
    }
    CHECK(verifies(f->key, message, s));
}

static void a_point_off_the_curve_is_no_key(void **state)
{
    fixture *f = *state;
    uint8_t bad[4][64];
    memset(bad[0], 0, 64);    /* infinity has no affine form; (0, 0) is not on the curve */
    memset(bad[1], 0xff, 64); /* coordinates at least p */
    memcpy(bad[2], f->point, 64);
    bad[2][63] ^= 1;
    memcpy(bad[3], f->point, 64);
    bad[3][0] ^= 0x80;
    for (size_t i = 0; i < 4; i++) {
        vch_p256_key *key = NULL;
        vouch_error err = { 0 };
        CHECK(vch_p256_key_new(bad[i], NULL, &key, &err) == VOUCH_E_FORMAT);
        CHECK(vch_p256_key_new(bad[i], f->key, &key, &err) == VOUCH_E_FORMAT);
        CHECK(key == NULL && err.depth > 0);
    }
}

static const struct {
    const char *name;
    uint8_t der[12];
    size_t size;
    vouch_code want;
} encodings[] = {
    { "two small numbers", { 0x30, 6, 2, 1, 1, 2, 1, 2 }, 8, VOUCH_OK },
    { "a zero", { 0x30, 6, 2, 1, 0, 2, 1, 2 }, 8, VOUCH_E_FORMAT },
    { "a negative number", { 0x30, 6, 2, 1, 0x80, 2, 1, 2 }, 8, VOUCH_E_FORMAT },
    { "a padded number", { 0x30, 7, 2, 2, 0, 1, 2, 1, 2 }, 9, VOUCH_E_FORMAT },
    { "a long form of a short length", { 0x30, 0x81, 6, 2, 1, 1, 2, 1, 2 }, 9, VOUCH_E_FORMAT },
    { "a byte after the signature", { 0x30, 6, 2, 1, 1, 2, 1, 2, 0 }, 9, VOUCH_E_FORMAT },
    { "a third number", { 0x30, 9, 2, 1, 1, 2, 1, 2, 2, 1, 3 }, 11, VOUCH_E_FORMAT },
    { "one number", { 0x30, 3, 2, 1, 1 }, 5, VOUCH_E_TRUNCATED },
    { "nothing", { 0 }, 0, VOUCH_E_TRUNCATED },
};

static void only_canonical_der_signatures_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        uint8_t out[64];
        memset(out, 0xee, sizeof out);
        vouch_code rc = vch_p256_signature_from_der(
            (vouch_span) { encodings[i].der, encodings[i].size }, out, NULL);
        if (rc != encodings[i].want)
            fail_msg("%s: %s", encodings[i].name, vouch_code_name(rc));
        CHECK(rc == VOUCH_OK ? out[31] == 1 && out[63] == 2 && out[0] == 0 : out[31] == 0xee);
    }
}

static void a_number_of_33_bytes_is_refused(void **state)
{
    (void)state;
    uint8_t der[2 + 35 + 3 + 4] = { 0x30, 35 + 3, 2, 33, 1 };
    der[2 + 35] = 2;
    der[2 + 36] = 1;
    der[2 + 37] = 1;
    uint8_t out[64];
    CHECK(vch_p256_signature_from_der((vouch_span) { der, 2 + 38 }, out, NULL) == VOUCH_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signature_of_the_key_verifies),
        TEST(a_key_made_like_another_is_the_same_key),
        TEST(a_signature_with_any_bit_flipped_does_not_verify),
        TEST(numbers_outside_1_to_n_minus_1_do_not_verify),
        TEST(n_minus_s_verifies_as_ecdsa_says),
        TEST(a_point_off_the_curve_is_no_key),
        TEST(only_canonical_der_signatures_are_read),
        TEST(a_number_of_33_bytes_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
