#include "sim/measure.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"
#include "crypto/hash.h"
#include "host/file.h"

static char dir[VCH_PATH_SIZE];
static char program[VCH_PATH_SIZE], script[VCH_PATH_SIZE], a[VCH_PATH_SIZE], b[VCH_PATH_SIZE];

static void write_text(const char *name, const char *text, mode_t mode, char *path)
{
    vouch_error err = { 0 };
    CHECK_OK(vch_path_join(dir, name, path, &err), &err);
    CHECK_OK(vch_file_write(path, vch_span_str(text), mode, &err), &err);
}

static int make_files(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    CHECK_OK(vch_dir_make_temporary(NULL, "measure-test-", dir, &err), &err);
    write_text("program", "abc", 0755, program);
    write_text("script", "#!/bin/sh\n", 0755, script);
    write_text("a", "one", 0644, a);
    write_text("b", "two", 0644, b);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

static vch_sim_measurement measure(const char *const *files, size_t count)
{
    vouch_error err = { 0 };
    vch_sim_measurement m = { 0 };
    int fd = -1;
    CHECK_OK(vch_sim_program_open(program, NULL, &fd, &err), &err);
    CHECK_OK(vch_sim_measure(fd, files, count, &m, &err), &err);
    close(fd);
    return m;
}

/* The message as the header describes it, built here anew. */
static void the_measurement_is_the_documented_hash(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t digest[32];
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(10000);
    vch_buffer_append(&message, (vouch_span) { (const uint8_t *)"vouch-sim-measure-1", 20 });
    CHECK_OK(vch_sha256(vch_span_str("abc"), digest, &err), &err);
    vch_buffer_append(&message, (vouch_span) { digest, 32 });
    CHECK_OK(vch_sha256(vch_span_str("one"), digest, &err), &err);
    vch_buffer_u64be(&message, strlen(a));
    vch_buffer_append_str(&message, a);
    vch_buffer_append(&message, (vouch_span) { digest, 32 });
    vch_sim_measurement want;
    CHECK_OK(vch_sha256(vch_buffer_span(&message), want.mrenclave, &err), &err);
    CHECK_OK(vch_sha384(vch_buffer_span(&message), want.mrtd, &err), &err);
    const char *const files[] = { a };
    vch_sim_measurement got = measure(files, 1);
    CHECK(memcmp(&got, &want, sizeof got) == 0);
}

static void one_byte_of_the_program_or_a_file_changes_it(void **state)
{
    (void)state;
    const char *const files[] = { a, b };
    vch_sim_measurement before = measure(files, 2);
    write_text("b", "tvo", 0644, b);
    vch_sim_measurement file_changed = measure(files, 2);
    write_text("b", "two", 0644, b);
    write_text("program", "abd", 0755, program);
    vch_sim_measurement program_changed = measure(files, 2);
    write_text("program", "abc", 0755, program);
    vch_sim_measurement again = measure(files, 2);
    vch_sim_measurement fewer = measure(files, 1);
    CHECK(memcmp(before.mrenclave, file_changed.mrenclave, 32) != 0);
    CHECK(memcmp(before.mrenclave, program_changed.mrenclave, 32) != 0);
    CHECK(memcmp(before.mrtd, program_changed.mrtd, 48) != 0);
    CHECK(memcmp(before.mrenclave, fewer.mrenclave, 32) != 0);
    CHECK(memcmp(&before, &again, sizeof again) == 0);
}

static void the_order_of_the_files_does_not_matter_but_a_name_twice_is_refused(void **state)
{
    (void)state;
    const char *const forth[] = { a, b };
    const char *const back[] = { b, a };
    const char *const twice[] = { a, b, a };
    vch_sim_measurement x = measure(forth, 2);
    vch_sim_measurement y = measure(back, 2);
    CHECK(memcmp(&x, &y, sizeof x) == 0);
    int fd = open(program, O_RDONLY);
    CHECK(vch_sim_measure(fd, twice, 3, &x, NULL) == VOUCH_E_CONFIG);
    close(fd);
}

static void what_cannot_be_measured_is_refused(void **state)
{
    (void)state;
    int fd = -1;
    CHECK(vch_sim_program_open(script, NULL, &fd, NULL) == VOUCH_E_CONFIG);
    CHECK(vch_sim_program_open(a, NULL, &fd, NULL) == VOUCH_E_NOT_FOUND); /* not executable */
    CHECK(vch_sim_program_open(dir, NULL, &fd, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(vch_sim_program_open("/no/such/program", NULL, &fd, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(fd == -1);
    fd = open(program, O_RDONLY);
    vch_sim_measurement m = { 0 };
    const char *const missing[] = { "/no/such/file" };
    const char *const not_a_file[] = { dir };
    CHECK(vch_sim_measure(fd, missing, 1, &m, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(vch_sim_measure(fd, not_a_file, 1, &m, NULL) == VOUCH_E_CONFIG);
    const char *many[VCH_SIM_MAX_MEASURED + 1] = { 0 };
    CHECK(vch_sim_measure(fd, many, VCH_SIM_MAX_MEASURED + 1, &m, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_span_is_zero((vouch_span) { m.mrenclave, 32 }));
    close(fd);
}

static void a_program_is_found_along_the_path(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char path[VCH_PATH_SIZE + 32];
    (void)snprintf(path, sizeof path, "/no/such/dir:%s:/bin", dir);
    int fd = -1;
    CHECK_OK(vch_sim_program_open("program", path, &fd, &err), &err);
    close(fd);
    CHECK(vch_sim_program_open("program", "/bin", &fd, NULL) == VOUCH_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_measurement_is_the_documented_hash),
        TEST(one_byte_of_the_program_or_a_file_changes_it),
        TEST(the_order_of_the_files_does_not_matter_but_a_name_twice_is_refused),
        TEST(what_cannot_be_measured_is_refused),
        TEST(a_program_is_found_along_the_path),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
