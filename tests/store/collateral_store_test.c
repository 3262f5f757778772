#include "store/collateral_store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "host/file.h"

#include "check.h"

#define BIG ((size_t)64 << 10)

static char dir[VCH_PATH_SIZE];
static char path[VCH_PATH_SIZE];
static uint8_t big[BIG];

static int make_dir(void **state)
{
    (void)state;
    memset(big, 0x5a, sizeof big);
    if (vch_dir_make_temporary(NULL, "vouch-collateral-store-", dir, NULL) != VOUCH_OK)
        return -1;
    return vch_path_join(dir, "c.db", path, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

/* A set whose parts begin with its number. */
static vouch_code put(const char *key, int64_t number, int64_t issued, vouch_error *err)
{
    vch_stored_set set = { .key = key, .fetched_unix_s = number };
    vch_stored_mark mark = { .document = "a list", .number = number, .issued_unix_s = issued };
    for (size_t i = 0; i < VCH_STORED_PARTS; i++)
        set.part[i] = (vouch_span) { big, 1000 + i };
    set.part[0] = (vouch_span) { (const uint8_t *)&number, sizeof number };
    set.part[5] = (vouch_span) { NULL, 0 };
    set.part[6] = (vouch_span) { big, sizeof big };
    return vch_collateral_store_put(path, &set, &mark, 1, err);
}

/* What was read, each compared with what `put` wrote. */
typedef struct seen {
    size_t count;
    int64_t last;
} seen;

static vouch_code look(void *context, const vch_stored_set *set, vouch_error *err)
{
    seen *s = context;
    int64_t number = 0;
    (void)err;
    CHECK(set->part[0].size == sizeof number);
    memcpy(&number, set->part[0].data, sizeof number);
    CHECK(number == set->fetched_unix_s);
    for (size_t i = 1; i < 5; i++)
        CHECK(vch_span_equal(set->part[i], (vouch_span) { big, 1000 + i }));
    CHECK(set->part[5].size == 0);
    CHECK(vch_span_equal(set->part[6], (vouch_span) { big, sizeof big }));
    s->count++;
    s->last = number;
    return VOUCH_OK;
}

static seen read_all(void)
{
    vouch_error err = { 0 };
    seen s = { 0 };
    CHECK_OK(vch_collateral_store_each(path, look, &s, &err), &err);
    return s;
}

static void sets_come_back_byte_for_byte_and_the_newest_of_a_key_counts(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    CHECK(read_all().count == 0);
    CHECK_OK(put("a", 1, 1, &err), &err);
    CHECK_OK(put("b", 1, 1, &err), &err);
    CHECK_OK(put("b", 2, 1, &err), &err);
    seen s = read_all();
    CHECK(s.count == 2 && s.last == 2);
    struct stat about;
    CHECK(stat(path, &about) == 0 && (about.st_mode & 0777) == 0600);
}

static void neither_number_nor_date_goes_back_whatever_the_key(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    CHECK_OK(put("a", 5, 500, &err), &err);
    CHECK(put("a", 4, 600, &err) == VOUCH_E_REFUSED);
    CHECK(put("a", 6, 499, &err) == VOUCH_E_REFUSED);
    CHECK(put("another", 4, 500, &err) == VOUCH_E_REFUSED);
    seen s = read_all();
    CHECK(s.count == 1 && s.last == 5); /* nothing of a refused set stays */
    CHECK_OK(put("a", 5, 500, &err), &err);
    CHECK_OK(put("a", 5, 501, &err), &err);
    CHECK(put("a", 5, 500, &err) == VOUCH_E_REFUSED);
}

static void a_full_store_takes_known_keys_only(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char key[16];
    for (int i = 0; i < VCH_STORED_SETS_MAX; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        vch_stored_set set = { .key = key };
        CHECK_OK(vch_collateral_store_put(path, &set, NULL, 0, &err), &err);
    }
    vch_stored_set more = { .key = "one more" };
    CHECK(vch_collateral_store_put(path, &more, NULL, 0, &err) == VOUCH_E_LIMIT);
    more.key = "7";
    CHECK_OK(vch_collateral_store_put(path, &more, NULL, 0, &err), &err);
}

/* A place in the middle of the big part, whose bytes are all alike. */
static long place_of_the_big_part(void)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
    CHECK(vch_file_read(path, (size_t)16 << 20, &bytes, NULL) == VOUCH_OK);
    for (size_t i = 0; i + 3000 < bytes.size; i++) {
        if (memcmp(bytes.data + i, big, 3000) == 0)
            return (long)i + 1500;
    }
    fail_msg("the part is not in the file");
    return 0;
}

static void overwrite(long at, uint8_t value)
{
    FILE *f = fopen(path, "r+be");
    CHECK(f != NULL && fseek(f, at, SEEK_SET) == 0 && fputc(value, f) != EOF && fclose(f) == 0);
}

static void damage_anywhere_is_noticed_and_a_new_store_is_made(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    CHECK_OK(put("a", 1, 1, &err), &err);
    overwrite(place_of_the_big_part(), 0xa5); /* SQLite does not notice */
    seen s = { 0 };
    CHECK(vch_collateral_store_each(path, look, &s, &err) == VOUCH_E_FORMAT && s.count == 0);
    overwrite(2, 'X'); /* its first words */
    CHECK(vch_collateral_store_each(path, look, &s, &err) == VOUCH_E_FORMAT);
    CHECK(put("a", 2, 2, &err) == VOUCH_E_FORMAT);
    CHECK_OK(vch_collateral_store_set_aside(path, &err), &err);
    char damaged[VCH_PATH_SIZE + 16];
    (void)snprintf(damaged, sizeof damaged, "%s.damaged", path);
    CHECK(vch_file_exists(damaged) && !vch_file_exists(path));
    CHECK_OK(put("a", 2, 2, &err), &err);
    CHECK(read_all().last == 2);
}

/* Writes until it is killed, and says what is on disk. */
static void write_for_ever(int say)
{
    for (int64_t n = 1;; n++) {
        if (put("a", n, n, NULL) != VOUCH_OK || write(say, &n, sizeof n) != (ssize_t)sizeof n)
            _exit(1);
    }
}

static void a_killed_writer_loses_nothing_that_it_had_written(void **state)
{
    (void)state;
    unsigned seed = 20;
    for (int round = 0; round < 20; round++) {
        int said[2];
        int64_t last = 0;
        int64_t n = 0;
        CHECK(unlink(path) == 0 || errno == ENOENT);
        CHECK(pipe(said) == 0);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            (void)close(said[0]);
            write_for_ever(said[1]);
        }
        (void)close(said[1]);
        int wanted = 1 + rand_r(&seed) % 4;
        for (int i = 0; i < wanted; i++)
            CHECK(read(said[0], &last, sizeof last) == (ssize_t)sizeof last);
        for (volatile int i = rand_r(&seed) % 3000000; i > 0; i--) {
        }
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
        while (read(said[0], &n, sizeof n) == (ssize_t)sizeof n)
            last = n;
        (void)close(said[0]);
        seen s = read_all();
        CHECK(s.count == 1 && s.last >= last);
        CHECK(put("a", last - 1, last - 1, NULL) == VOUCH_E_REFUSED);
    }
}

#define FRESH(function) cmocka_unit_test_setup_teardown(function, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(sets_come_back_byte_for_byte_and_the_newest_of_a_key_counts),
        FRESH(neither_number_nor_date_goes_back_whatever_the_key),
        FRESH(a_full_store_takes_known_keys_only),
        FRESH(damage_anywhere_is_noticed_and_a_new_store_is_made),
        FRESH(a_killed_writer_loses_nothing_that_it_had_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
