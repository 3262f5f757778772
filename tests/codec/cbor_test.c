#include "codec/cbor.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"

#define SPAN(text_) ((vouch_span) { (const uint8_t *)(text_), sizeof(text_) - 1 })
#define GOOD(text_)                                                                                \
    {                                                                                              \
        { (const uint8_t *)(text_), sizeof(text_) - 1 }, VOUCH_OK                                  \
    }
#define BAD(text_)                                                                                 \
    {                                                                                              \
        { (const uint8_t *)(text_), sizeof(text_) - 1 }, VOUCH_E_FORMAT                            \
    }
#define SHORT(text_)                                                                               \
    {                                                                                              \
        { (const uint8_t *)(text_), sizeof(text_) - 1 }, VOUCH_E_TRUNCATED                         \
    }
#define DEEP(text_)                                                                                \
    {                                                                                              \
        { (const uint8_t *)(text_), sizeof(text_) - 1 }, VOUCH_E_LIMIT                             \
    }

static const struct {
    vouch_span in;
    vouch_code want;
} items[] = {
    /* RFC 8949 appendix A, where its form is deterministic and of our types */
    GOOD("\x00"),
    GOOD("\x17"),
    GOOD("\x18\x18"),
    GOOD("\x18\xff"),
    GOOD("\x19\x01\x00"),
    GOOD("\x19\x03\xe8"),
    GOOD("\x1a\x00\x0f\x42\x40"),
    GOOD("\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00"),
    GOOD("\x1b\xff\xff\xff\xff\xff\xff\xff\xff"),
    GOOD("\x40"),
    GOOD("\x44\x01\x02\x03\x04"),
    GOOD("\x60"),
    GOOD("\x62\xc3\xbc"),
    GOOD("\x64\xf0\x90\x85\x91"),
    GOOD("\x80"),
    GOOD("\x83\x01\x82\x02\x03\x82\x04\x05"),
    GOOD("\xa0"),
    GOOD("\xa2\x01\x02\x03\x04"),
    GOOD("\xa2\x61\x61\x01\x61\x62\x82\x02\x03"),
    GOOD("\xd8\x20\x60"),
    GOOD("\xd9\xea\x60\x80"),
    GOOD("\xf4"),
    GOOD("\xf5"),
    GOOD("\xf6"),
    /* not in the shortest form */
    BAD("\x18\x17"),
    BAD("\x19\x00\xff"),
    BAD("\x1a\x00\x00\xff\xff"),
    BAD("\x1b\x00\x00\x00\x00\xff\xff\xff\xff"),
    BAD("\x58\x01\x00"),
    BAD("\x78\x01\x61"),
    BAD("\x98\x00"),
    BAD("\xb8\x00"),
    BAD("\xd8\x05\x00"),
    /* reserved and indefinite */
    BAD("\x1c"),
    BAD("\x1e"),
    BAD("\x1f"),
    BAD("\x5f\x40\xff"),
    BAD("\x7f\x60\xff"),
    BAD("\x9f\xff"),
    BAD("\xbf\xff"),
    /* kinds that have no place here */
    BAD("\x20"),
    BAD("\xf7"),
    BAD("\xf8\x20"),
    BAD("\xf9\x00\x00"),
    BAD("\xfa\x47\xc3\x50\x00"),
    BAD("\xff"),
    BAD("\x81\x20"),
    BAD("\xa1\x20\x00"),
    BAD("\xa1\x40\x00"),
    BAD("\xa1\x80\x00"),
    /* text */
    BAD("\x61\xff"),
    BAD("\x62\xc0\x80"),
    BAD("\x63\xed\xa0\x80"),
    BAD("\x64\xf4\x90\x80\x80"),
    BAD("\xa1\x61\xff\x00"),
    /* map keys */
    BAD("\xa2\x01\x00\x01\x00"),
    BAD("\xa2\x02\x00\x01\x00"),
    BAD("\xa2\x61\x62\x00\x61\x61\x00"),
    BAD("\xa2\x62\x61\x61\x00\x61\x62\x00"), /* longer before shorter */
    GOOD("\xa2\x61\x62\x00\x62\x61\x61\x00"),
    BAD("\xa2\x61\x61\x00\x01\x00"), /* text before a number */
    GOOD("\xa2\x01\x00\x61\x61\x00"),
    /* cut short */
    SHORT(""),
    SHORT("\x18"),
    SHORT("\x19\x01"),
    SHORT("\x41"),
    SHORT("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"),
    SHORT("\x81"),
    SHORT("\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
    SHORT("\xa1\x01"),
    SHORT("\xbb\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x01"),
    SHORT("\xd8\x20"),
    /* left over */
    BAD("\x00\x00"),
    /* depth 16 and 17 */
    GOOD("\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x80"),
    DEEP("\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x80"),
    DEEP("\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\x00"),
};

static void only_deterministic_items_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        vouch_error err = { 0 };
        vouch_code got = vch_cbor_check(items[i].in, "it", &err);
        if (got != items[i].want)
            fail_msg("row %zu: %s", i, vouch_code_name(got));
        CHECK((got == VOUCH_OK) == (err.depth == 0));
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {
        0, 23, 24, 255, 256, 65535, 65536, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX
    };
    vch_buffer out = vch_buffer_with_cap(1000);
    vch_cbor_put_tag(&out, 60000);
    vch_cbor_put_array(&out, 15);
    for (size_t i = 0; i < 10; i++)
        vch_cbor_put_uint(&out, numbers[i]);
    vch_cbor_put_bytes(&out, SPAN("\x00\xff"));
    vch_cbor_put_text(&out, "caf\xc3\xa9");
    vch_cbor_put_bool(&out, true);
    vch_cbor_put_null(&out);
    vch_cbor_put_map(&out, 1);
    vch_cbor_put_uint(&out, 3);
    vch_cbor_put_bool(&out, false);
    vouch_error err = { 0 };
    CHECK_OK(vch_cbor_check(vch_buffer_span(&out), "it", &err), &err);

    vch_cbor c = vch_cbor_over(vch_buffer_span(&out));
    CHECK(vch_cbor_tag(&c) == 60000);
    CHECK(vch_cbor_array_enter(&c) == 15);
    for (size_t i = 0; i < 10; i++)
        CHECK(vch_cbor_uint(&c) == numbers[i]);
    CHECK(vch_cbor_peek(&c) == VCH_CBOR_BYTES);
    CHECK(vch_span_equal(vch_cbor_bytes(&c), SPAN("\x00\xff")));
    CHECK(vch_span_is(vch_cbor_text(&c), "caf\xc3\xa9"));
    CHECK(vch_cbor_bool(&c));
    CHECK(vch_cbor_peek(&c) == VCH_CBOR_NULL);
    vch_cbor_null(&c);
    vch_cbor_map map = vch_cbor_map_enter(&c);
    uint64_t key = 0;
    CHECK(vch_cbor_map_uint(&c, &map, &key) && key == 3);
    CHECK(!vch_cbor_bool(&c));
    CHECK(!vch_cbor_map_uint(&c, &map, &key));
    CHECK_OK(vch_cbor_finish(&c, "it", &err), &err);
    vch_buffer_drop(&out);
}

static void entries_are_written_in_the_order_of_their_encoding(void **state)
{
    (void)state;
    const vch_cbor_entry entries[] = {
        { "pubkey-hash", SPAN("1") },
        { "b", SPAN("2") },
        { "nonce", SPAN("3") },
        { "a", SPAN("") },
    };
    vch_buffer out = vch_buffer_with_cap(1000);
    vch_cbor_put_entries(&out, entries, 4);
    CHECK(vch_span_equal(vch_buffer_span(&out), SPAN("\xa4\x61"
                                                     "a\x40\x61"
                                                     "b\x41"
                                                     "2\x65nonce\x41"
                                                     "3\x6bpubkey-hash\x41"
                                                     "1")));
    CHECK(vch_cbor_check(vch_buffer_span(&out), "it", NULL) == VOUCH_OK);
    vch_buffer_drop(&out);
    const vch_cbor_entry twice[] = { { "a", SPAN("1") }, { "a", SPAN("2") } };
    vch_cbor_put_entries(&out, twice, 2);
    CHECK(out.failed != VOUCH_OK);
    vch_buffer_drop(&out);
}

static void a_wrong_type_fails_for_good(void **state)
{
    (void)state;
    vch_cbor c = vch_cbor_over(SPAN("\x01\x02"));
    CHECK(vch_cbor_bytes(&c).data == NULL);
    CHECK(vch_cbor_uint(&c) == 0);
    CHECK(vch_cbor_peek(&c) == VCH_CBOR_END);
    vouch_error err = { 0 };
    CHECK(vch_cbor_finish(&c, "it", &err) == VOUCH_E_FORMAT);
    assert_string_equal(err.frame[0], "it: an item has another type than expected");
    c = vch_cbor_over(SPAN("\x01"));
    vch_cbor_null(&c);
    CHECK(vch_cbor_finish(&c, "it", NULL) == VOUCH_E_FORMAT);
    c = vch_cbor_over(SPAN("\x01"));
    (void)vch_cbor_bool(&c);
    CHECK(vch_cbor_finish(&c, "it", NULL) == VOUCH_E_FORMAT);
    c = vch_cbor_over(SPAN("\x01"));
    CHECK(vch_cbor_skip(&c).size == 1);
    vch_cbor_refuse(&c, "a rule of the caller's");
    CHECK(vch_cbor_finish(&c, "it", NULL) == VOUCH_E_FORMAT);
}

static void a_count_is_never_more_than_the_bytes_could_hold(void **state)
{
    (void)state;
    vch_cbor c = vch_cbor_over(SPAN("\x83\x00\x00"));
    CHECK(vch_cbor_array_enter(&c) == 0 && c.failed == VOUCH_E_TRUNCATED);
    c = vch_cbor_over(SPAN("\xa2\x00\x00\x01"));
    CHECK(vch_cbor_map_enter(&c).left == 0 && c.failed == VOUCH_E_TRUNCATED);
    c = vch_cbor_over(SPAN("\x83\x00\x00\x00"));
    CHECK(vch_cbor_array_enter(&c) == 3);
}

static void other_products_maps_may_come_in_any_order(void **state)
{
    (void)state;
    vouch_span in = SPAN("\xa2\x61\x62\x00\x61\x61\x00");
    vch_cbor c = vch_cbor_over_unsorted(in);
    vch_cbor_map map = vch_cbor_map_enter(&c);
    vouch_span key;
    size_t count = 0;
    while (vch_cbor_map_text(&c, &map, &key)) {
        (void)vch_cbor_uint(&c);
        count++;
    }
    CHECK(count == 2 && vch_cbor_finish(&c, "it", NULL) == VOUCH_OK);
    c = vch_cbor_over(in);
    map = vch_cbor_map_enter(&c);
    while (vch_cbor_map_text(&c, &map, &key))
        (void)vch_cbor_uint(&c);
    CHECK(vch_cbor_finish(&c, "it", NULL) == VOUCH_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_deterministic_items_are_taken),
        TEST(what_is_written_is_read_back),
        TEST(entries_are_written_in_the_order_of_their_encoding),
        TEST(a_wrong_type_fails_for_good),
        TEST(a_count_is_never_more_than_the_bytes_could_hold),
        TEST(other_products_maps_may_come_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
