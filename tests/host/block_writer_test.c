/* Files written in blocks hold what was put, in order, however it came. */
#include "host/block_writer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "check.h"
#include "host/file.h"

#define BIG ((size_t)5 * VCH_BLOCK_SIZE + 4097)

static char directory[VCH_PATH_SIZE];
static char path[VCH_PATH_SIZE];
static uint8_t bytes[BIG];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 13 + i / 509);
    return vch_dir_make_temporary(NULL, "vouch-blocks-", directory, NULL) == VOUCH_OK
                   && vch_path_join(directory, "file", path, NULL) == VOUCH_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    return vch_dir_remove_tree(directory, NULL) == VOUCH_OK ? 0 : -1;
}

static int open_new(void)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    return fd;
}

static void check_file(size_t size)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer got = { 0 };
    CHECK_OK(vch_file_read(path, BIG, &got, &err), &err);
    CHECK(got.size == size);
    CHECK(size == 0 || memcmp(got.data, bytes, size) == 0);
}

static void what_is_put_in_pieces_of_any_size_is_in_the_file(void **state)
{
    (void)state;
    static const size_t steps[] = {
        96, 1000, VCH_BLOCK_SIZE - 1, VCH_BLOCK_SIZE, VCH_BLOCK_SIZE + 1, BIG, 77777
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        vouch_error err = { 0 };
        vch_block_writer w;
        int fd = open_new();
        CHECK_OK(vch_block_writer_init(&w, fd, path, &err), &err);
        for (size_t at = 0; at < BIG; at += steps[i]) {
            size_t n = BIG - at < steps[i] ? BIG - at : steps[i];
            CHECK_OK(vch_block_writer_put(&w, (vouch_span) { bytes + at, n }, &err), &err);
        }
        CHECK_OK(vch_block_writer_flush(&w, &err), &err);
        vch_block_writer_drop(&w);
        CHECK(close(fd) == 0);
        check_file(BIG);
    }
}

static void what_is_made_in_its_room_is_in_the_file(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_block_writer w;
    int fd = open_new();
    CHECK_OK(vch_block_writer_init(&w, fd, path, &err), &err);
    for (size_t at = 0; at < BIG;) {
        size_t room = 0;
        uint8_t *to = vch_block_writer_room(&w, &room);
        CHECK(room > 0 && room <= VCH_BLOCK_SIZE);
        size_t n = at % 5 == 0 && room > 999 ? 999 : room;
        if (n > BIG - at)
            n = BIG - at;
        memcpy(to, bytes + at, n);
        CHECK_OK(vch_block_writer_commit(&w, n, &err), &err);
        at += n;
    }
    CHECK_OK(vch_block_writer_flush(&w, &err), &err);
    vch_block_writer_drop(&w);
    CHECK(close(fd) == 0);
    check_file(BIG);
}

static void every_write_but_the_last_is_of_whole_blocks(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_block_writer w;
    int fd = open_new();
    CHECK_OK(vch_block_writer_init(&w, fd, path, &err), &err);
    CHECK_OK(vch_block_writer_put(&w, (vouch_span) { bytes, 96 }, &err), &err);
    check_file(0);
    CHECK_OK(vch_block_writer_put(&w, (vouch_span) { bytes + 96, VCH_BLOCK_SIZE }, &err), &err);
    check_file(VCH_BLOCK_SIZE);
    CHECK_OK(vch_block_writer_put(
                 &w, (vouch_span) { bytes + 96 + VCH_BLOCK_SIZE, 3 * VCH_BLOCK_SIZE }, &err),
             &err);
    check_file(4 * VCH_BLOCK_SIZE);
    CHECK_OK(vch_block_writer_flush(&w, &err), &err);
    check_file(4 * VCH_BLOCK_SIZE + 96);
    vch_block_writer_drop(&w);
    CHECK(close(fd) == 0);
}

static void a_disk_that_takes_nothing_is_an_error_that_names_the_file(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char text[512];
    vch_block_writer w;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_OK(vch_block_writer_init(&w, fd, "/there/spool", &err), &err);
    CHECK_OK(vch_block_writer_put(&w, (vouch_span) { bytes, 100 }, &err), &err);
    CHECK(vch_block_writer_flush(&w, &err) == VOUCH_E_IO);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "/there/spool") != NULL);
    CHECK(vch_block_writer_put(&w, (vouch_span) { bytes, VCH_BLOCK_SIZE }, NULL) == VOUCH_E_IO);
    vch_block_writer_drop(&w);
    vch_block_writer_drop(&w);
    CHECK(close(fd) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_in_pieces_of_any_size_is_in_the_file),
        TEST(what_is_made_in_its_room_is_in_the_file),
        TEST(every_write_but_the_last_is_of_whole_blocks),
        TEST(a_disk_that_takes_nothing_is_an_error_that_names_the_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
