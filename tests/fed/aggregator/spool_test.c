#include "fed/aggregator/spool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/file.h"

#include "check.h"

static char directory[VCH_PATH_SIZE];

static int make_directory(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "vouch-spool-", directory, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return vch_dir_remove_tree(directory, NULL) == VOUCH_OK ? 0 : -1;
}

static void check_writes_and_reads(const char *where)
{
    vouch_error err = { 0 };
    vch_spool *s = NULL;
    CHECK_OK(vch_spool_new(where, 10, &s, &err), &err);
    CHECK(vch_spool_size(s) == 10);
    const uint8_t bytes[4] = { 1, 2, 3, 4 };
    CHECK_OK(vch_spool_write(s, 6, (vouch_span) { bytes, 4 }, &err), &err);
    uint8_t out[10] = { 9 };
    CHECK_OK(vch_spool_read(s, 0, out, 10, &err), &err);
    const uint8_t want[10] = { 0, 0, 0, 0, 0, 0, 1, 2, 3, 4 };
    CHECK(memcmp(out, want, 10) == 0);
    CHECK(vch_spool_write(s, 7, (vouch_span) { bytes, 4 }, NULL) == VOUCH_E_INTERNAL);
    CHECK(vch_spool_write(s, SIZE_MAX, (vouch_span) { bytes, 4 }, NULL) == VOUCH_E_INTERNAL);
    CHECK(vch_spool_read(s, 0, out, 11, NULL) == VOUCH_E_INTERNAL);
    vch_spool_free(s);
}

static void bytes_come_back_from_memory(void **state)
{
    (void)state;
    check_writes_and_reads(NULL);
}

static void bytes_come_back_from_disk(void **state)
{
    (void)state;
    check_writes_and_reads(directory);
}

static vouch_code count_name(void *context, const char *name, vouch_error *err)
{
    (void)name;
    (void)err;
    ++*(size_t *)context;
    return VOUCH_OK;
}

static void a_spool_on_disk_has_no_name_to_find_it_by(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_spool *s = NULL;
    size_t names = 0;
    CHECK_OK(vch_spool_new(directory, 10, &s, &err), &err);
    CHECK_OK(vch_dir_list(directory, count_name, &names, &err), &err);
    CHECK(names == 0);
    vch_spool_free(s);
}

static void a_directory_that_is_missing_is_told(void **state)
{
    (void)state;
    vch_spool *s = NULL;
    CHECK(vch_spool_new("/nonexistent/vouch", 10, &s, NULL) == VOUCH_E_IO);
    CHECK(s == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_come_back_from_memory),
        TEST(bytes_come_back_from_disk),
        TEST(a_spool_on_disk_has_no_name_to_find_it_by),
        TEST(a_directory_that_is_missing_is_told),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
