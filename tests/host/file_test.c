#include "host/file.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"

static char dir[VCH_PATH_SIZE];

static const char *in_dir(const char *name)
{
    static char path[VCH_PATH_SIZE];
    CHECK(vch_path_join(dir, name, path, NULL) == VOUCH_OK);
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "vouch-file-test-", dir, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK && !vch_file_exists(dir) ? 0 : -1;
}

static vouch_code nothing(void *context, const char *name, vouch_error *err)
{
    (void)name;
    (void)err;
    ++*(int *)context;
    return VOUCH_OK;
}

static void what_was_written_is_read_and_no_other_file_is_left(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_buffer got = { 0 };
    CHECK_OK(vch_file_write(in_dir("a"), vch_span_str("one"), 0600, &err), &err);
    CHECK_OK(vch_file_write(in_dir("a"), vch_span_str("second"), 0640, &err), &err);
    CHECK_OK(vch_file_read(in_dir("a"), 6, &got, &err), &err);
    CHECK(vch_span_is(vch_buffer_span(&got), "second"));
    struct stat about = { 0 };
    CHECK(stat(in_dir("a"), &about) == 0 && (about.st_mode & 07777) == 0640);
    int count = 0;
    CHECK_OK(vch_dir_list(dir, nothing, &count, &err), &err);
    CHECK(count == 1);
    vch_buffer_drop(&got);
}

static void a_file_one_byte_over_the_cap_is_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_buffer got = { 0 };
    CHECK_OK(vch_file_write(in_dir("cap"), vch_span_str("12345"), 0600, &err), &err);
    CHECK(vch_file_read(in_dir("cap"), 4, &got, &err) == VOUCH_E_LIMIT);
    CHECK(got.data == NULL);
    CHECK_OK(vch_file_read(in_dir("cap"), 5, &got, &err), &err);
    vch_buffer_drop(&got);
    vch_secret secret = { 0 };
    CHECK(vch_file_read_secret(in_dir("cap"), 4, &secret, &err) == VOUCH_E_LIMIT);
    CHECK_OK(vch_file_read_secret(in_dir("cap"), 5, &secret, &err), &err);
    CHECK(secret.size == 5 && memcmp(secret.data, "12345", 5) == 0);
    vch_secret_drop(&secret);
}

static void a_pipe_longer_than_the_cap_is_refused(void **state)
{
    (void)state;
    int ends[2];
    vch_buffer got = { 0 };
    CHECK(pipe(ends) == 0);
    CHECK(write(ends[1], "123456", 6) == 6);
    CHECK(close(ends[1]) == 0);
    char path[64];
    (void)snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    CHECK(vch_file_read(path, 5, &got, NULL) == VOUCH_E_LIMIT);
    CHECK(close(ends[0]) == 0);
}

static void what_cannot_be_read_says_why(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_buffer got = { 0 };
    vch_secret secret = { 0 };
    CHECK(vch_file_read(in_dir("none"), 5, &got, &err) == VOUCH_E_NOT_FOUND);
    CHECK(strstr(err.frame[0], "none': No such file") != NULL);
    CHECK(vch_file_read(dir, 5, &got, &err) == VOUCH_E_IO);
    CHECK_OK(vch_file_write(in_dir("empty"), (vouch_span) { 0 }, 0600, &err), &err);
    CHECK(vch_file_read_secret(in_dir("empty"), 5, &secret, &err) == VOUCH_E_TRUNCATED);
    CHECK_OK(vch_file_read(in_dir("empty"), 5, &got, &err), &err);
    CHECK(got.size == 0);
    vch_buffer_drop(&got);
    CHECK_OK(vch_file_remove(in_dir("empty"), &err), &err);
    CHECK_OK(vch_file_remove(in_dir("empty"), &err), &err);
}

static void directories_are_made_with_their_parents_and_removed_whole(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    CHECK_OK(vch_dir_make(in_dir("x/y//z/"), 0700, &err), &err);
    CHECK_OK(vch_dir_make(in_dir("x/y/z"), 0700, &err), &err);
    CHECK_OK(vch_file_write(in_dir("x/y/z/f"), vch_span_str("1"), 0600, &err), &err);
    CHECK(vch_dir_make(in_dir("x/y/z/f/g"), 0700, &err) != VOUCH_OK);
    CHECK(symlink("/etc", in_dir("x/link")) == 0);
    CHECK_OK(vch_dir_remove_tree(in_dir("x"), &err), &err);
    CHECK(!vch_file_exists(in_dir("x")) && vch_file_exists("/etc/passwd"));
    CHECK_OK(vch_dir_remove_tree(in_dir("x"), &err), &err);
}

static void paths_join_and_split(void **state)
{
    (void)state;
    char out[VCH_PATH_SIZE];
    CHECK(vch_path_join("a/", "b", out, NULL) == VOUCH_OK && strcmp(out, "a/b") == 0);
    CHECK(vch_path_join("a", "/b", out, NULL) == VOUCH_OK && strcmp(out, "/b") == 0);
    CHECK(vch_path_join(NULL, "b", out, NULL) == VOUCH_OK && strcmp(out, "b") == 0);
    CHECK(vch_path_directory("/b", out, NULL) == VOUCH_OK && strcmp(out, "/") == 0);
    CHECK(vch_path_directory("a/b", out, NULL) == VOUCH_OK && strcmp(out, "a") == 0);
    CHECK(vch_path_directory("b", out, NULL) == VOUCH_OK && strcmp(out, ".") == 0);
    char lengthy[VCH_PATH_SIZE + 1] = { 0 };
    memset(lengthy, 'a', sizeof lengthy - 1);
    CHECK(vch_path_join(NULL, lengthy, out, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_path_join("d", lengthy, out, NULL) == VOUCH_E_LIMIT);
}

/* `from` in the test's directory gets the name "there/to". */
static vouch_code put_in_place(const char *from)
{
    char to[VCH_PATH_SIZE];
    CHECK(vch_path_join(dir, "there/to", to, NULL) == VOUCH_OK);
    return vch_path_put_in_place(in_dir(from), to, NULL);
}

static void a_file_or_a_directory_takes_its_place(void **state)
{
    (void)state;
    vch_buffer got = { 0 };
    CHECK(vch_dir_make(in_dir("there"), 0700, NULL) == VOUCH_OK);
    CHECK(vch_file_write(in_dir("there/to"), vch_span_str("old"), 0600, NULL) == VOUCH_OK);
    CHECK(symlink("from", in_dir("link")) == 0 && mkfifo(in_dir("fifo"), 0600) == 0);
    CHECK(put_in_place("link") == VOUCH_E_IO);
    CHECK(put_in_place("fifo") == VOUCH_E_IO);
    CHECK(put_in_place("from") == VOUCH_E_NOT_FOUND);
    CHECK(vch_file_read(in_dir("there/to"), 9, &got, NULL) == VOUCH_OK && got.size == 3);
    CHECK(vch_file_write(in_dir("from"), vch_span_str("newer"), 0600, NULL) == VOUCH_OK);
    CHECK(put_in_place("link") == VOUCH_E_IO && put_in_place("from") == VOUCH_OK);
    CHECK(vch_file_read(in_dir("there/to"), 9, &got, NULL) == VOUCH_OK && got.size == 5);
    CHECK(!vch_file_exists(in_dir("from")));
    vch_buffer_drop(&got);
    CHECK(vch_dir_make(in_dir("tree/in"), 0700, NULL) == VOUCH_OK);
    CHECK(put_in_place("tree") == VOUCH_E_IO); /* a file is there */
    CHECK(vch_file_remove(in_dir("there/to"), NULL) == VOUCH_OK
          && put_in_place("tree") == VOUCH_OK);
    CHECK(vch_dir_exists(in_dir("there/to/in")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read_and_no_other_file_is_left),
        TEST(a_file_one_byte_over_the_cap_is_refused),
        TEST(a_pipe_longer_than_the_cap_is_refused),
        TEST(what_cannot_be_read_says_why),
        TEST(directories_are_made_with_their_parents_and_removed_whole),
        TEST(paths_join_and_split),
        TEST(a_file_or_a_directory_takes_its_place),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
