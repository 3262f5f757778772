#include "fed/wire/protobuf.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"

#define BYTES(...)                                                                                 \
    ((vouch_span) { (const uint8_t[]) { __VA_ARGS__ }, sizeof((uint8_t[]) { __VA_ARGS__ }) })

static void numbers_survive_writing_and_reading(void **state)
{
    (void)state;
    static const int32_t values[] = { 1, 127, 128, 300, INT32_MAX, -1, INT32_MIN };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        vch_buffer b = vch_buffer_with_cap(64);
        vch_pb_field f;
        vch_pb_put_int32(&b, 5, values[i]);
        vch_pb_reader r = vch_pb_read(vch_buffer_span(&b), "m");
        CHECK(vch_pb_next(&r, &f));
        CHECK(f.number == 5 && vch_pb_int32(&r, &f) == values[i]);
        CHECK(!vch_pb_next(&r, &f));
        CHECK(vch_pb_finish(&r, NULL) == VOUCH_OK);
        CHECK(b.size == 1 + vch_pb_varint_size((uint64_t)(int64_t)values[i]));
        vch_buffer_drop(&b);
    }
}

static void zero_and_empty_are_left_out(void **state)
{
    (void)state;
    vch_buffer b = vch_buffer_with_cap(64);
    vch_pb_put_int32(&b, 1, 0);
    vch_pb_put_bool(&b, 2, false);
    vch_pb_put_bytes(&b, 3, (vouch_span) { 0 });
    CHECK(b.size == 0);
    vch_pb_put_bytes_always(&b, 3, (vouch_span) { 0 });
    CHECK(b.size == 2);
    vch_buffer_drop(&b);
}

static vouch_code read_all(vouch_span message)
{
    vch_pb_field f;
    vch_pb_reader r = vch_pb_read(message, "m");
    while (vch_pb_next(&r, &f)) {
        if (f.number == 1)
            (void)vch_pb_int32(&r, &f);
        else if (f.number == 2)
            (void)vch_pb_text(&r, &f, 4);
        else if (f.number == 3)
            (void)vch_pb_bool(&r, &f);
        else if (f.number == 4)
            (void)vch_pb_uint32(&r, &f);
        else if (f.number == 5)
            (void)vch_pb_repeated_text(&r, &f, 4);
    }
    return vch_pb_finish(&r, NULL);
}

static void malformed_messages_are_refused(void **state)
{
    (void)state;
    const struct {
        const char *name;
        vouch_span bytes;
        vouch_code want;
    } cases[] = {
        { "an empty message is one", { 0 }, VOUCH_OK },
        { "an unknown field is skipped", BYTES(0x7A, 1, 'x'), VOUCH_OK },
        { "unknown fixed fields are skipped", BYTES(0x7D, 1, 2, 3, 4, 0x79, 1, 2, 3, 4, 5, 6, 7, 8),
          VOUCH_OK },
        { "a tag alone", BYTES(0x08), VOUCH_E_TRUNCATED },
        { "a text shorter than it says", BYTES(0x12, 3, 'a', 'b'), VOUCH_E_TRUNCATED },
        { "a fixed field cut short", BYTES(0x7D, 1, 2, 3), VOUCH_E_TRUNCATED },
        { "field number 0", BYTES(0x00, 1), VOUCH_E_FORMAT },
        { "a group", BYTES(0x0B, 0x0C), VOUCH_E_FORMAT },
        { "type 6", BYTES(0x0E, 0), VOUCH_E_FORMAT },
        { "a varint of 11 bytes",
          BYTES(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01),
          VOUCH_E_FORMAT },
        { "more than 64 bits",
          BYTES(0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02), VOUCH_E_FORMAT },
        { "an int32 beyond its range", BYTES(0x08, 0x80, 0x80, 0x80, 0x80, 0x08), VOUCH_E_LIMIT },
        { "a uint32 beyond its range", BYTES(0x20, 0x80, 0x80, 0x80, 0x80, 0x10), VOUCH_E_LIMIT },
        { "a truth value of 2", BYTES(0x18, 2), VOUCH_E_FORMAT },
        { "a number where a text should be", BYTES(0x10, 1), VOUCH_E_FORMAT },
        { "a text where a number should be", BYTES(0x0A, 0), VOUCH_E_FORMAT },
        { "a singular field given twice", BYTES(0x08, 1, 0x08, 1), VOUCH_E_FORMAT },
        { "a repeated field given twice", BYTES(0x2A, 1, 'a', 0x2A, 1, 'a'), VOUCH_OK },
        { "a text at its limit", BYTES(0x12, 4, 'a', 'b', 'c', 'd'), VOUCH_OK },
        { "a text beyond its limit", BYTES(0x12, 5, 'a', 'b', 'c', 'd', 'e'), VOUCH_E_LIMIT },
        { "a repeated text beyond its limit", BYTES(0x2A, 5, 'a', 'b', 'c', 'd', 'e'),
          VOUCH_E_LIMIT },
        { "a text with a NUL", BYTES(0x12, 1, 0), VOUCH_E_FORMAT },
        { "a length near the largest",
          BYTES(0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01),
          VOUCH_E_TRUNCATED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (read_all(cases[i].bytes) != cases[i].want)
            fail_msg("%s: %s", cases[i].name, vouch_code_name(read_all(cases[i].bytes)));
    }
}

static void only_utf8_is_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        { "plain", true },
        { "\xC3\xA9", true },
        { "\xE2\x82\xAC", true },
        { "\xF0\x9F\x98\x80", true },
        { "\xC3", false },
        { "\xC0\x80", false },
        { "\xE0\x80\xAF", false },
        { "\xED\xA0\x80", false },
        { "\xF4\x90\x80\x80", false },
        { "\xFF", false },
        { "\x80", false },
        { "\xF0\x80\x80\x80", false },
        { "\xC3(", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(vch_pb_is_text(vch_span_str(cases[i].text)) == cases[i].want);
    CHECK(vch_pb_is_text((vouch_span) { 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_survive_writing_and_reading),
        TEST(zero_and_empty_are_left_out),
        TEST(malformed_messages_are_refused),
        TEST(only_utf8_is_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
