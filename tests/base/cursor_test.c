#include "base/cursor.h"

#include "check.h"

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void numbers_are_read_in_both_byte_orders(void **state)
{
    (void)state;
    vch_cursor c = vch_cursor_over((vouch_span) { bytes, sizeof bytes });
    CHECK(vch_cursor_u16le(&c) == 0x0201);
    CHECK(vch_cursor_u16be(&c) == 0x0304);
    CHECK(vch_cursor_u32be(&c) == 0x05060708);
    CHECK(vch_cursor_finish(&c, "numbers", NULL) == VOUCH_OK);
    c = vch_cursor_over((vouch_span) { bytes, sizeof bytes });
    CHECK(vch_cursor_u64le(&c) == 0x0807060504030201U);
    c = vch_cursor_over((vouch_span) { bytes, sizeof bytes });
    CHECK(vch_cursor_u64be(&c) == 0x0102030405060708U);
}

static void a_read_past_the_end_gives_zero_and_fails_for_good(void **state)
{
    (void)state;
    vch_cursor c = vch_cursor_over((vouch_span) { bytes, 3 });
    CHECK(vch_cursor_u32le(&c) == 0);
    CHECK(c.failed);
    CHECK(vch_cursor_u8(&c) == 0); /* a byte is there, but a failed cursor reads no more */
    CHECK(vch_cursor_take(&c, 1).data == NULL);
    uint8_t out[2] = { 9, 9 };
    vch_cursor_copy(&c, out, sizeof out);
    CHECK(out[0] == 0 && out[1] == 0);
    CHECK(vch_cursor_finish(&c, "x", NULL) == VOUCH_E_TRUNCATED);
}

static void a_size_near_the_maximum_does_not_wrap(void **state)
{
    (void)state;
    vch_cursor c = vch_cursor_over((vouch_span) { bytes, sizeof bytes });
    (void)vch_cursor_u8(&c);
    CHECK(vch_cursor_take(&c, SIZE_MAX).data == NULL);
    CHECK(c.failed);
}

static void bytes_left_over_are_a_format_error(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_cursor c = vch_cursor_over((vouch_span) { bytes, sizeof bytes });
    (void)vch_cursor_u8(&c);
    CHECK(vch_cursor_finish(&c, "the thing", &err) == VOUCH_E_FORMAT);
    assert_string_equal(err.frame[0], "the thing: 7 bytes left over");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_read_in_both_byte_orders),
        TEST(a_read_past_the_end_gives_zero_and_fails_for_good),
        TEST(a_size_near_the_maximum_does_not_wrap),
        TEST(bytes_left_over_are_a_format_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
