#include "codec/utf8.h"

#include "base/bytes.h"
#include "check.h"

static const struct {
    const char *text;
    uint32_t want;
} first[] = {
    { "a", 'a' },
    { "\x7f", 0x7f },
    { "\xc2\x80", 0x80 },
    { "\xdf\xbf", 0x7ff },
    { "\xe0\xa0\x80", 0x800 },
    { "\xed\x9f\xbf", 0xd7ff },
    { "\xee\x80\x80", 0xe000 },
    { "\xef\xbf\xbf", 0xffff },
    { "\xf0\x90\x80\x80", 0x10000 },
    { "\xf4\x8f\xbf\xbf", 0x10ffff },
    { "\x80", UINT32_MAX },
    { "\xbf", UINT32_MAX },
    { "\xc0\x80", UINT32_MAX },
    { "\xc1\xbf", UINT32_MAX },
    { "\xc2", UINT32_MAX },
    { "\xc2"
      "a",
      UINT32_MAX },
    { "\xc2\xc0", UINT32_MAX },
    { "\xe0\x9f\xbf", UINT32_MAX },
    { "\xe0\xa0", UINT32_MAX },
    { "\xed\xa0\x80", UINT32_MAX },
    { "\xed\xbf\xbf", UINT32_MAX },
    { "\xf0\x8f\xbf\xbf", UINT32_MAX },
    { "\xf0\x90\x80", UINT32_MAX },
    { "\xf4\x90\x80\x80", UINT32_MAX },
    { "\xf5\x80\x80\x80", UINT32_MAX },
    { "\xf8\x80\x80\x80", UINT32_MAX },
    { "\xff", UINT32_MAX },
};

static void only_well_formed_sequences_are_code_points(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        vouch_span text = vch_span_str(first[i].text);
        vch_cursor c = vch_cursor_over(text);
        if (vch_utf8_next(&c) != first[i].want)
            fail_msg("row %zu", i);
        CHECK(c.rest.size == (first[i].want == UINT32_MAX ? text.size - 1 : 0));
        CHECK(vch_utf8_valid(text) == (first[i].want != UINT32_MAX));
    }
    CHECK(vch_utf8_valid(vch_span_str("")));
    CHECK(vch_utf8_valid(vch_span_str("a\xc3\xa9z")));
    CHECK(!vch_utf8_valid(vch_span_str("a\xc3z")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_well_formed_sequences_are_code_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
