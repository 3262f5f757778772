#include "codec/hex.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"

static void both_cases_are_read_and_lower_case_is_written(void **state)
{
    (void)state;
    uint8_t out[4] = { 0 };
    char text[9];
    CHECK(vch_hex_decode(vch_span_str("00aFb9Ff"), out, 4, NULL) == VOUCH_OK);
    assert_memory_equal(out, "\x00\xaf\xb9\xff", 4);
    assert_string_equal(vch_hex_encode((vouch_span) { out, 4 }, text), "00afb9ff");
    assert_string_equal(vch_hex_encode((vouch_span) { NULL, 0 }, text), "");
    CHECK(vch_hex_decode(vch_span_str(""), out, 0, NULL) == VOUCH_OK);
}

static void every_other_text_is_refused_and_nothing_written(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",         "00aFb9F",  "00aFb9Ff0", "00aFb9Ff00",
                                         "00aFb9Fg", "0x00aF",   " 0aFb9Ff",  "00aFb9F/",
                                         "00aFb9F:", "00aFb9F@", "00aFb9FG",  "00aFb9F`",
                                         "00 Fb9Ff" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t out[4] = { 7, 7, 7, 7 };
        vouch_error err = { 0 };
        CHECK(vch_hex_decode(vch_span_str(wrong[i]), out, 4, &err) == VOUCH_E_FORMAT);
        CHECK(err.depth == 1);
        assert_memory_equal(out, "\7\7\7\7", 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_cases_are_read_and_lower_case_is_written),
        TEST(every_other_text_is_refused_and_nothing_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
