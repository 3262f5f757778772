#include "crypto/hash.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "test_hex.h"

/* FIPS 180-4 examples, message "abc". */
static const char *const abc256 =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char *const abc384 = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
                                  "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7";
static const char *const abc512 =
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

static void the_published_examples_come_out(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t want[64];
    uint8_t got[64];
    CHECK_OK(vch_sha256(vch_span_str("abc"), got, &err), &err);
    CHECK(memcmp(got, test_hex(abc256, want).data, 32) == 0);
    CHECK_OK(vch_sha384(vch_span_str("abc"), got, &err), &err);
    CHECK(memcmp(got, test_hex(abc384, want).data, 48) == 0);
    CHECK_OK(vch_sha512(vch_span_str("abc"), got, &err), &err);
    CHECK(memcmp(got, test_hex(abc512, want).data, 64) == 0);
}

static void an_empty_span_has_the_digest_of_nothing(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t want[32];
    uint8_t got[32];
    CHECK_OK(vch_sha256((vouch_span) { 0 }, got, &err), &err);
    test_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", want);
    CHECK(memcmp(got, want, 32) == 0);
}

static void parts_hash_like_the_whole(void **state)
{
    (void)state;
    static const vch_hash_kind kinds[] = { VCH_HASH_SHA256, VCH_HASH_SHA384, VCH_HASH_SHA512 };
    const char *const wants[] = { abc256, abc384, abc512 };
    for (size_t i = 0; i < 3; i++) {
        vouch_error err = { 0 };
        VCH_SCOPED(vch_hash_drop) vch_hash *h = NULL;
        CHECK_OK(vch_hash_new(kinds[i], &h, &err), &err);
        CHECK_OK(vch_hash_update(h, vch_span_str("a"), &err), &err);
        CHECK_OK(vch_hash_update(h, (vouch_span) { 0 }, &err), &err);
        CHECK_OK(vch_hash_update(h, vch_span_str("bc"), &err), &err);
        uint8_t got[64] = { 0 };
        uint8_t want[64] = { 0 };
        size_t size = vch_hash_size(kinds[i]);
        CHECK_OK(vch_hash_finish(h, got, size, &err), &err);
        test_hex(wants[i], want);
        CHECK(memcmp(got, want, sizeof got) == 0);
    }
}

static void a_digest_is_only_written_whole(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_hash_drop) vch_hash *h = NULL;
    CHECK_OK(vch_hash_new(VCH_HASH_SHA256, &h, &err), &err);
    uint8_t got[64] = { 0 };
    CHECK(vch_hash_finish(h, got, 31, &err) == VOUCH_E_INTERNAL);
    CHECK(vch_hash_finish(h, got, 33, &err) == VOUCH_E_INTERNAL);
    CHECK(vch_span_is_zero((vouch_span) { got, sizeof got }));
    VCH_SCOPED(vch_hash_drop) vch_hash *none = NULL;
    CHECK(vch_hash_new((vch_hash_kind)9, &none, &err) == VOUCH_E_INTERNAL);
    CHECK(none == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_published_examples_come_out),
        TEST(an_empty_span_has_the_digest_of_nothing),
        TEST(parts_hash_like_the_whole),
        TEST(a_digest_is_only_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
