#include "identity/channel.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"

static void messages_are_read_back(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "token" };
    for (size_t t = 0; t < 2; t++) {
        for (size_t q = 0; q < 2; q++) {
            vouch_error err = { 0 };
            const vch_channel_message m = { vch_span_str(texts[t]), vch_span_str(texts[q]) };
            vch_channel_message back = { 0 };
            VCH_SCOPED(vch_buffer_drop) vch_buffer b = vch_buffer_with_cap(1024);
            CHECK_OK(vch_channel_message_build(&m, &b, &err), &err);
            CHECK_OK(vch_channel_message_parse(vch_buffer_span(&b), &back, &err), &err);
            CHECK(vch_span_equal(m.token, back.token) && vch_span_equal(m.quote, back.quote));
        }
    }
}

static void the_smallest_message_has_these_bytes(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    static const uint8_t want[] = { 0xa3, 1, 1, 2, 0x61, 't', 3, 0xf6 };
    const vch_channel_message m = { .token = vch_span_str("t") };
    VCH_SCOPED(vch_buffer_drop) vch_buffer b = vch_buffer_with_cap(64);
    CHECK_OK(vch_channel_message_build(&m, &b, &err), &err);
    CHECK(vch_span_equal(vch_buffer_span(&b), (vouch_span) { want, sizeof want }));
}

static const struct {
    const char *name;
    uint8_t bytes[16];
    size_t size;
    vouch_code want;
} bad[] = {
    { "nothing at all", { 0 }, 0, VOUCH_E_TRUNCATED },
    { "version 2", { 0xa3, 1, 2, 2, 0xf6, 3, 0xf6 }, 7, VOUCH_E_UNSUPPORTED },
    { "no version", { 0xa2, 2, 0xf6, 3, 0xf6 }, 5, VOUCH_E_FORMAT },
    { "no token member", { 0xa2, 1, 1, 3, 0xf6 }, 5, VOUCH_E_FORMAT },
    { "no quote member", { 0xa2, 1, 1, 2, 0xf6 }, 5, VOUCH_E_FORMAT },
    { "a fourth member", { 0xa4, 1, 1, 2, 0xf6, 3, 0xf6, 4, 0xf6 }, 9, VOUCH_E_FORMAT },
    { "out of order", { 0xa3, 2, 0xf6, 1, 1, 3, 0xf6 }, 7, VOUCH_E_FORMAT },
    { "a version twice", { 0xa3, 1, 1, 1, 1, 3, 0xf6 }, 7, VOUCH_E_FORMAT },
    { "a token of bytes", { 0xa3, 1, 1, 2, 0x41, 't', 3, 0xf6 }, 8, VOUCH_E_FORMAT },
    { "a quote of text", { 0xa3, 1, 1, 2, 0xf6, 3, 0x61, 'q' }, 8, VOUCH_E_FORMAT },
    { "an empty token", { 0xa3, 1, 1, 2, 0x60, 3, 0xf6 }, 7, VOUCH_E_FORMAT },
    { "an empty quote", { 0xa3, 1, 1, 2, 0xf6, 3, 0x40 }, 7, VOUCH_E_FORMAT },
    { "a long number", { 0xa3, 1, 0x18, 1, 2, 0xf6, 3, 0xf6 }, 8, VOUCH_E_FORMAT },
    { "an open map", { 0xbf, 1, 1, 2, 0xf6, 3, 0xf6, 0xff }, 8, VOUCH_E_FORMAT },
    { "a byte after it", { 0xa3, 1, 1, 2, 0xf6, 3, 0xf6, 0 }, 8, VOUCH_E_FORMAT },
};

static void bent_messages_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vch_channel_message m = { 0 };
        vouch_code rc =
            vch_channel_message_parse((vouch_span) { bad[i].bytes, bad[i].size }, &m, NULL);
        if (rc != bad[i].want)
            fail_msg("%s: %s", bad[i].name, vouch_code_name(rc));
    }
}

static void a_message_above_the_limit_is_refused_before_it_is_read(void **state)
{
    (void)state;
    static const uint8_t big[VCH_CHANNEL_MESSAGE_MAX_SIZE + 1];
    vch_channel_message m = { 0 };
    CHECK(vch_channel_message_parse((vouch_span) { big, sizeof big }, &m, NULL) == VOUCH_E_LIMIT);
}

static void channel_data_depends_on_each_part_and_on_who_sends(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    const uint8_t x[32] = { 1 };
    const uint8_t y[32] = { 2 };
    uint8_t ab[64];
    uint8_t ba[64];
    uint8_t other[64];
    CHECK_OK(vch_channel_report_data(x, vch_span_str("a"), vch_span_str("b"), ab, &err), &err);
    CHECK_OK(vch_channel_report_data(x, vch_span_str("b"), vch_span_str("a"), ba, &err), &err);
    CHECK_OK(vch_channel_report_data(y, vch_span_str("a"), vch_span_str("b"), other, &err), &err);
    CHECK(memcmp(ab, ba, 32) != 0 && memcmp(ab, other, 32) != 0);
    CHECK(vch_span_is_zero((vouch_span) { ab + 32, 32 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_are_read_back),
        TEST(the_smallest_message_has_these_bytes),
        TEST(bent_messages_are_refused),
        TEST(a_message_above_the_limit_is_refused_before_it_is_read),
        TEST(channel_data_depends_on_each_part_and_on_who_sends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
