#include "fed/wire/named_tensor_wire.h"

#include "base/bytes.h"
#include "check.h"
#include "fed/vector_file.h"

static void metadata_equals_openfls(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_metadata m = { 0 };
    vch_buffer bytes = vector_file("metadata_all.bin");
    CHECK_OK(vch_metadata_parse(vch_buffer_span(&bytes), &m, &err), &err);
    CHECK(m.int_count == 3 && m.ints[0] == 5 && m.ints[2] == -1);
    CHECK(m.pair_count == 1 && m.pairs[0].key == 7 && m.pairs[0].value == 0.5F);
    CHECK(m.bool_count == 2 && m.bools[0] && !m.bools[1]);
    vch_buffer out = vch_buffer_with_cap(256);
    vch_metadata_write(&m, &out);
    CHECK(vch_span_equal(vch_buffer_span(&out), vch_buffer_span(&bytes)));
    vch_buffer_drop(&out);
    vch_buffer_drop(&bytes);
    vch_metadata_done(&m);
}

static void numbers_are_read_packed_or_one_by_one(void **state)
{
    (void)state;
    vch_metadata m = { 0 };
    /* int_list 5, packed 3 4, then 6; bool_list true, packed false true */
    CHECK(vch_metadata_parse(vch_span_str("\x10\x05\x12\x02\x03\x04\x10\x06\x18\x01"), &m, NULL)
          == VOUCH_OK);
    CHECK(m.int_count == 4 && m.ints[0] == 5 && m.ints[1] == 3 && m.ints[2] == 4 && m.ints[3] == 6);
    CHECK(m.bool_count == 1 && m.bools[0]);
    vch_metadata_done(&m);
}

static void empty_metadata_is_there_and_stays_there(void **state)
{
    (void)state;
    vch_named_tensor t = { 0 };
    vch_named_tensor back = { 0 };
    vch_buffer out = vch_buffer_with_cap(256);
    t.metadata_count = 1;
    t.data = vch_span_str("abcd");
    vch_named_tensor_write_head(1, &t, &out);
    CHECK(vch_span_equal(vch_buffer_span(&out),
                         (vouch_span) { (const uint8_t *)"\x0A\x08\x32\x00\x3A\x04", 6 }));
    vch_buffer_append(&out, t.data);
    CHECK(vch_named_tensor_parse((vouch_span) { out.data + 2, out.size - 2 }, &back, NULL)
          == VOUCH_OK);
    CHECK(back.metadata_count == 1 && back.metadata[0].int_count == 0);
    CHECK(vch_span_is(back.data, "abcd"));
    vch_named_tensor_done(&back);
    vch_buffer_drop(&out);
}

static void malformed_metadata_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        vouch_code want;
    } cases[] = {
        { "\x12\x01\x80", 3, VOUCH_E_FORMAT },                /* a packed number cut short */
        { "\x12\x05\x80\x80\x80\x80\x08", 7, VOUCH_E_LIMIT }, /* beyond int32 */
        { "\x15\x01\x02\x03\x04", 5, VOUCH_E_FORMAT },        /* a fixed32 int_list */
        { "\x18\x02", 2, VOUCH_E_FORMAT },                    /* a truth value of 2 */
        { "\x0A\x02\x10\x01", 4, VOUCH_E_FORMAT },            /* a map's value as a varint */
        { "\x0A\x01\x08", 3, VOUCH_E_TRUNCATED },             /* a map entry cut short */
        { "\x08\x01", 2, VOUCH_E_FORMAT },                    /* a map as a varint */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_metadata m = { 0 };
        vouch_span in = { (const uint8_t *)cases[i].bytes, cases[i].size };
        CHECK(vch_metadata_parse(in, &m, NULL) == cases[i].want);
        CHECK(m.ints == NULL);
    }
}

static void a_tensor_with_too_much_about_it_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *repeated;
        size_t size, most;
    } cases[] = { { "\x32\x00", 2, VCH_METADATA_MAX } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_named_tensor t = { 0 };
        vch_buffer in = vch_buffer_with_cap(4096);
        for (size_t n = 0; n < cases[i].most; n++)
            vch_buffer_append(&in,
                              (vouch_span) { (const uint8_t *)cases[i].repeated, cases[i].size });
        CHECK(vch_named_tensor_parse(vch_buffer_span(&in), &t, NULL) == VOUCH_OK);
        vch_named_tensor_done(&t);
        vch_buffer_append(&in, (vouch_span) { (const uint8_t *)cases[i].repeated, cases[i].size });
        CHECK(vch_named_tensor_parse(vch_buffer_span(&in), &t, NULL) == VOUCH_E_LIMIT);
        CHECK(t.metadata_count == 0);
        vch_buffer_drop(&in);
    }
    vch_named_tensor t = { 0 };
    vch_buffer tags = vch_buffer_with_cap(4096);
    for (char c = 'a'; c <= 'a' + VCH_TAGS_MAX; c++)
        vch_buffer_append_fmt(&tags, "\x2A\x01%c", c);
    CHECK(vch_named_tensor_parse(vch_buffer_span(&tags), &t, NULL) == VOUCH_E_LIMIT);
    tags.size -= 3;
    CHECK(vch_named_tensor_parse(vch_buffer_span(&tags), &t, NULL) == VOUCH_OK);
    CHECK(t.tags.count == VCH_TAGS_MAX);
    vch_named_tensor_done(&t);
    vch_buffer_drop(&tags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(metadata_equals_openfls),
        TEST(numbers_are_read_packed_or_one_by_one),
        TEST(empty_metadata_is_there_and_stays_there),
        TEST(malformed_metadata_is_refused),
        TEST(a_tensor_with_too_much_about_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
