#include "identity/issuer_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"

#define URL "https://avs.example/certs"
#define FETCHED INT64_C(1800000000)

static char dir[VCH_PATH_SIZE];
static char file[VCH_PATH_SIZE]; /* the last that was listed */
static size_t files;

static int make_dir(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "vouch-issuer-cache-", dir, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

static vouch_code note(void *context, const char *name, vouch_error *err)
{
    (void)context;
    files++;
    return vch_path_join(dir, name, file, err);
}

static size_t list(void)
{
    files = 0;
    CHECK(vch_dir_list(dir, note, NULL, NULL) == VOUCH_OK);
    return files;
}

static void put(const char *url, const char *text)
{
    vouch_error err = { 0 };
    CHECK_OK(vch_issuer_cache_put(dir, url, vch_span_str(text), FETCHED, &err), &err);
}

static bool has(const char *url, const char *text)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer got = { 0 };
    int64_t fetched = 0;
    if (!vch_issuer_cache_get(dir, url, 100, &got, &fetched)) {
        CHECK(got.data == NULL && fetched == 0);
        return false;
    }
    CHECK(fetched == FETCHED);
    return vch_span_is(vch_buffer_span(&got), text);
}

static void what_was_put_comes_back_under_its_address_only(void **state)
{
    (void)state;
    CHECK(!has(URL, "one"));
    put(URL, "one");
    put("http://avs.example/crl", "two");
    CHECK(has(URL, "one") && has("http://avs.example/crl", "two"));
    CHECK(!has(URL "/", "one"));
    put(URL, "three");
    CHECK(has(URL, "three") && list() == 2);
    struct stat about = { 0 };
    CHECK(stat(file, &about) == 0 && (about.st_mode & 07777) == 0600);
}

static void a_cache_that_cannot_be_written_is_an_error_and_reads_as_empty(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer got = { 0 };
    int64_t fetched = 0;
    put(URL, "one");
    CHECK(list() == 1); /* a file where a directory should be */
    CHECK(vch_issuer_cache_put(file, URL, vch_span_str("x"), FETCHED, &err) != VOUCH_OK);
    CHECK(!vch_issuer_cache_get(file, URL, 100, &got, &fetched));
}

static void more_than_the_cap_counts_as_absent(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer got = { 0 };
    int64_t fetched = 0;
    put(URL, "12345");
    CHECK(!vch_issuer_cache_get(dir, URL, 4, &got, &fetched) && got.data == NULL);
    CHECK(vch_issuer_cache_get(dir, URL, 5, &got, &fetched));
}

static void each_flipped_bit_and_each_cut_counts_as_absent(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer whole = { 0 };
    put(URL, "bytes");
    CHECK(list() == 1 && vch_file_read(file, 4096, &whole, NULL) == VOUCH_OK);
    for (size_t i = 0; i < whole.size; i++) {
        whole.data[i] ^= 1;
        CHECK(vch_file_write(file, vch_buffer_span(&whole), 0600, NULL) == VOUCH_OK);
        CHECK(!has(URL, "bytes"));
        whole.data[i] ^= 1;
        CHECK(vch_file_write(file, (vouch_span) { whole.data, i }, 0600, NULL) == VOUCH_OK);
        CHECK(!has(URL, "bytes"));
    }
    put(URL, "bytes"); /* what is damaged is replaced */
    CHECK(has(URL, "bytes") && list() == 1);
}

static void a_file_of_another_address_counts_as_absent(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer foreign = { 0 };
    put("https://other.example/certs", "foreign");
    CHECK(list() == 1 && vch_file_read(file, 4096, &foreign, NULL) == VOUCH_OK);
    CHECK(vch_file_remove(file, NULL) == VOUCH_OK);
    put(URL, "own");
    CHECK(list() == 1);
    CHECK(vch_file_write(file, vch_buffer_span(&foreign), 0600, NULL) == VOUCH_OK);
    CHECK(!has(URL, "own") && !has(URL, "foreign"));
}

static void a_full_cache_lets_one_go_and_nothing_that_is_not_its_own(void **state)
{
    (void)state;
    char name[VCH_PATH_SIZE];
    char url[64];
    CHECK(vch_path_join(dir, "0-not-ours", name, NULL) == VOUCH_OK);
    CHECK(vch_file_write(name, vch_span_str("x"), 0600, NULL) == VOUCH_OK);
    for (int i = 0; i < VCH_ISSUER_CACHE_FILES_MAX + 3; i++) {
        (void)snprintf(url, sizeof url, "https://%d.example/certs", i);
        put(url, "keys");
        CHECK(has(url, "keys"));
    }
    CHECK(list() == VCH_ISSUER_CACHE_FILES_MAX + 1 && vch_file_exists(name));
    put(url, "other"); /* one that is there already costs none */
    CHECK(list() == VCH_ISSUER_CACHE_FILES_MAX + 1);
}

static void the_users_place_is_xdgs_and_never_a_relative_one(void **state)
{
    (void)state;
    char place[VCH_PATH_SIZE];
    CHECK(setenv("XDG_CACHE_HOME", "/x/cache", 1) == 0 && setenv("HOME", "/h/u", 1) == 0);
    CHECK(vch_issuer_cache_place(place) && strcmp(place, "/x/cache/vouch") == 0);
    CHECK(setenv("XDG_CACHE_HOME", "cache", 1) == 0);
    CHECK(vch_issuer_cache_place(place) && strcmp(place, "/h/u/.cache/vouch") == 0);
    CHECK(unsetenv("XDG_CACHE_HOME") == 0);
    CHECK(vch_issuer_cache_place(place) && strcmp(place, "/h/u/.cache/vouch") == 0);
    CHECK(setenv("HOME", "u", 1) == 0);
    CHECK(!vch_issuer_cache_place(place));
    CHECK(unsetenv("HOME") == 0);
    CHECK(!vch_issuer_cache_place(place));
}

#define IN_DIR(function) cmocka_unit_test_setup_teardown(function, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(what_was_put_comes_back_under_its_address_only),
        IN_DIR(a_cache_that_cannot_be_written_is_an_error_and_reads_as_empty),
        IN_DIR(more_than_the_cap_counts_as_absent),
        IN_DIR(each_flipped_bit_and_each_cut_counts_as_absent),
        IN_DIR(a_file_of_another_address_counts_as_absent),
        IN_DIR(a_full_cache_lets_one_go_and_nothing_that_is_not_its_own),
        TEST(the_users_place_is_xdgs_and_never_a_relative_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
