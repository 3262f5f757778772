#include "evidence/quote_sig.h"

#include <string.h>

#include "base/buffer.h"
#include "corpus.h"

/* A version 3 section with the given certification data. */
static vouch_code parse(uint16_t type, size_t cert_size, size_t auth_size, vch_quote_sig *out)
{
    vch_buffer b = vch_buffer_with_cap(1 << 17);
    (void)memset(vch_buffer_extend(&b, 64 + 64 + 384 + 64), 0x11, 64 + 64 + 384 + 64);
    vch_buffer_u16le(&b, (uint16_t)auth_size);
    if (auth_size > 0)
        (void)memset(vch_buffer_extend(&b, auth_size), 0x22, auth_size);
    vch_buffer_u16le(&b, type);
    vch_buffer_u32le(&b, (uint32_t)cert_size);
    for (size_t i = 0; i < cert_size; i++)
        vch_buffer_u8(&b, (uint8_t)i);
    vouch_code rc = vch_quote_sig_parse(vch_buffer_span(&b), 3, out, NULL);
    vch_buffer_drop(&b);
    return rc;
}

static void types_1_to_3_have_exactly_their_size(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        size_t size;
    } sizes[] = { { 1, 36 }, { 2, 276 }, { 3, 404 } };
    for (size_t i = 0; i < 3; i++) {
        vch_quote_sig s;
        CHECK(parse(sizes[i].type, sizes[i].size, 32, &s) == VOUCH_OK);
        CHECK(s.cpu_svn[0] == (uint8_t)(sizes[i].size - 20));
        CHECK(s.pceid[1] == (uint8_t)(sizes[i].size - 1) && s.has_pceid);
        CHECK(parse(sizes[i].type, sizes[i].size + 1, 32, &s) == VOUCH_E_FORMAT);
        CHECK(parse(sizes[i].type, sizes[i].size - 1, 32, &s) == VOUCH_E_TRUNCATED);
    }
}

static void type_1_may_end_before_the_pceid(void **state)
{
    (void)state;
    vch_quote_sig s;
    CHECK(parse(1, 34, 32, &s) == VOUCH_OK);
    CHECK(!s.has_pceid && s.ppid[15] == 15 && s.cpu_svn[0] == 16);
    CHECK(parse(2, 274, 32, &s) == VOUCH_E_TRUNCATED);
}

static void authentication_data_may_have_any_length(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 32, 1000, 65535 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        vch_quote_sig s;
        CHECK(parse(1, 36, sizes[i], &s) == VOUCH_OK);
        CHECK(s.qe_auth.size == sizes[i]);
    }
}

static void unknown_types_are_refused(void **state)
{
    (void)state;
    static const uint16_t types[] = { 0, 6, 7, 8, 0x0101, 0xffff };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        vch_quote_sig s;
        CHECK(parse(types[i], 36, 32, &s) == VOUCH_E_UNSUPPORTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(types_1_to_3_have_exactly_their_size),
        TEST(type_1_may_end_before_the_pceid),
        TEST(authentication_data_may_have_any_length),
        TEST(unknown_types_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
