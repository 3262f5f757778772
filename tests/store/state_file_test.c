/* What a journal's record says of a file, and what it may not say. */
#include "store/state_file.h"

#include <string.h>

#include "check.h"

static const vch_state_file sample = { .name = "spool-1",
                                       .stamp = { .size = 7, .salt = { 1 }, .check = { 2 } } };

static vouch_code take(const vch_buffer *record, vch_state_file *out)
{
    vouch_error err = { 0 };
    vch_cbor c = vch_cbor_over(vch_buffer_span(record));
    vch_state_file_take(&c, out);
    return vch_cbor_finish(&c, "file", &err);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    vch_state_file back = { 0 };
    vch_buffer record = vch_buffer_with_cap(256);
    vch_state_file_put(&sample, &record);
    CHECK(take(&record, &back) == VOUCH_OK);
    assert_string_equal(back.name, sample.name);
    CHECK(back.stamp.size == 7);
    assert_memory_equal(back.stamp.salt, sample.stamp.salt, sizeof back.stamp.salt);
    assert_memory_equal(back.stamp.check, sample.stamp.check, sizeof back.stamp.check);
    vch_buffer_drop(&record);
}

static void no_file_is_null_and_forgets_the_one_before(void **state)
{
    (void)state;
    const vch_state_file none = { 0 };
    vch_state_file back = sample;
    vch_buffer record = vch_buffer_with_cap(256);
    vch_state_file_put(&none, &record);
    CHECK(vch_buffer_span(&record).size == 1);
    CHECK(take(&record, &back) == VOUCH_OK && back.name[0] == '\0');
    vch_buffer_drop(&record);
}

/* One that may hold a NUL. */
static void put_text(vouch_span text, vch_buffer *out)
{
    if (text.size < 24) {
        vch_buffer_u8(out, (uint8_t)(0x60 + text.size));
    } else {
        vch_buffer_u8(out, 0x78);
        vch_buffer_u8(out, (uint8_t)text.size);
    }
    vch_buffer_append(out, text);
}

/* An array of `count`: name, size, salt, check, of these lengths. */
static vouch_code take_odd(size_t count, vouch_span name, size_t salt, size_t check)
{
    static const uint8_t zero[128] = { 0 };
    vch_state_file back = { 0 };
    vch_buffer record = vch_buffer_with_cap(512);
    vch_cbor_put_array(&record, count);
    put_text(name, &record);
    vch_cbor_put_uint(&record, 7);
    vch_cbor_put_bytes(&record, (vouch_span) { zero, salt });
    if (count > 3)
        vch_cbor_put_bytes(&record, (vouch_span) { zero, check });
    vouch_code rc = take(&record, &back);
    vch_buffer_drop(&record);
    return rc;
}

static vouch_span text(const char *s, size_t size)
{
    return (vouch_span) { (const uint8_t *)s, size };
}

static void a_name_that_leaves_the_directory_or_is_none_is_refused(void **state)
{
    (void)state;
    const size_t salt = sizeof sample.stamp.salt;
    const size_t check = sizeof sample.stamp.check;
    char long_name[VCH_STATE_FILE_NAME_SIZE];
    memset(long_name, 'a', sizeof long_name);
    CHECK(take_odd(4, text("spool-1", 7), salt, check) == VOUCH_OK);
    CHECK(take_odd(4, text(long_name, sizeof long_name - 1), salt, check) == VOUCH_OK);
    CHECK(take_odd(4, text(long_name, sizeof long_name), salt, check) != VOUCH_OK);
    CHECK(take_odd(4, text("", 0), salt, check) != VOUCH_OK);
    CHECK(take_odd(4, text("../key", 6), salt, check) != VOUCH_OK);
    CHECK(take_odd(4, text("key\0x", 5), salt, check) != VOUCH_OK);
}

static void a_stamp_of_another_size_is_refused(void **state)
{
    (void)state;
    const size_t salt = sizeof sample.stamp.salt;
    const size_t check = sizeof sample.stamp.check;
    CHECK(take_odd(4, text("spool-1", 7), salt - 1, check) != VOUCH_OK);
    CHECK(take_odd(4, text("spool-1", 7), salt + 1, check) != VOUCH_OK);
    CHECK(take_odd(4, text("spool-1", 7), salt, check - 1) != VOUCH_OK);
    CHECK(take_odd(4, text("spool-1", 7), salt, check + 1) != VOUCH_OK);
    CHECK(take_odd(3, text("spool-1", 7), salt, check) != VOUCH_OK);
}

static void a_drawn_name_says_the_purpose_and_never_comes_again(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char one[VCH_STATE_FILE_NAME_SIZE];
    char other[VCH_STATE_FILE_NAME_SIZE];
    CHECK_OK(vch_state_file_draw("model", one, &err), &err);
    CHECK_OK(vch_state_file_draw("model", other, &err), &err);
    CHECK(strncmp(one, "model-", 6) == 0 && strlen(one) == 6 + 24);
    CHECK(strcmp(one, other) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read),
        TEST(no_file_is_null_and_forgets_the_one_before),
        TEST(a_name_that_leaves_the_directory_or_is_none_is_refused),
        TEST(a_stamp_of_another_size_is_refused),
        TEST(a_drawn_name_says_the_purpose_and_never_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
