#include "fed/workspace/package.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <zip.h>

#include "base/bytes.h"
#include "check.h"
#include "host/file.h"

static char directory[VCH_PATH_SIZE];

static const char *inside(const char *name)
{
    static char path[VCH_PATH_SIZE + 64];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int make_directory(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "package-test-", directory, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return vch_dir_remove_tree(directory, NULL) == VOUCH_OK ? 0 : -1;
}

static void what_is_packed_is_unpacked(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_package p = { 0 };
    vch_package q = { 0 };
    CHECK_OK(vch_package_add(&p, "client/col_one.crt", vch_span_str("certificate"), &err), &err);
    CHECK_OK(vch_package_add(&p, "empty", (vouch_span) { 0 }, &err), &err);
    CHECK_OK(vch_package_write(&p, inside("a.zip"), &err), &err);
    CHECK_OK(vch_package_read(inside("a.zip"), 4096, &q, &err), &err);
    CHECK(q.count == 2);
    const vch_package_entry *e = vch_package_find(&q, "client/col_one.crt");
    CHECK(e != NULL && vch_span_is(vch_buffer_span(&e->bytes), "certificate"));
    e = vch_package_find(&q, "empty");
    CHECK(e != NULL && e->bytes.size == 0);
    vch_package_done(&p);
    vch_package_done(&q);
}

static void names_that_leave_the_directory_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "",    "/etc/passwd", "../x", "a/../../x", "a//b", "a/",
                                         "./a", "a\\b",        "a\nb", "..",        "a/.." };
    vch_package p = { 0 };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK(vch_package_add(&p, names[i], (vouch_span) { 0 }, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_package_add(&p, "..a/b..", (vouch_span) { 0 }, NULL) == VOUCH_OK);
    CHECK(vch_package_add(&p, "..a/b..", (vouch_span) { 0 }, NULL) == VOUCH_E_FORMAT); /* twice */
    vch_package_done(&p);
}

/* A zip file as somebody else may make it. */
static void make_zip(const char *path, const char *name, size_t size, zip_uint32_t attributes)
{
    static uint8_t zeros[1 << 16];
    int code = 0;
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    CHECK(z != NULL);
    zip_source_t *s = zip_source_buffer(z, zeros, size, 0);
    zip_int64_t index = zip_file_add(z, name, s, 0);
    CHECK(index >= 0);
    if (attributes != 0)
        CHECK(zip_file_set_external_attributes(z, (zip_uint64_t)index, 0, ZIP_OPSYS_UNIX,
                                               attributes << 16)
              == 0);
    CHECK(zip_close(z) == 0);
}

static void a_package_from_elsewhere_is_judged(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t size;
        zip_uint32_t mode;
        vouch_code want;
    } cases[] = {
        { "good", 4096, 0, VOUCH_OK },
        { "good", 4096, S_IFREG | 0644, VOUCH_OK },
        { "link", 10, S_IFLNK | 0777, VOUCH_E_FORMAT },
        { "../out", 10, 0, VOUCH_E_FORMAT },
        { "/out", 10, 0, VOUCH_E_FORMAT },
        { "bomb", 4097, 0, VOUCH_E_LIMIT }, /* packs to a few bytes */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_package p = { 0 };
        make_zip(inside("b.zip"), cases[i].name, cases[i].size, cases[i].mode);
        CHECK(vch_package_read(inside("b.zip"), 4096, &p, NULL) == cases[i].want);
        CHECK(p.count == (cases[i].want == VOUCH_OK ? 1 : 0));
        vch_package_done(&p);
    }
}

static void what_is_no_zip_file_is_refused(void **state)
{
    (void)state;
    vch_package p = { 0 };
    vch_buffer whole = { 0 };
    make_zip(inside("c.zip"), "file", 1000, 0);
    CHECK(vch_file_read(inside("c.zip"), 4096, &whole, NULL) == VOUCH_OK);
    for (size_t cut = 0; cut < whole.size; cut++) {
        CHECK(vch_file_write(inside("d.zip"), (vouch_span) { whole.data, cut }, 0644, NULL)
              == VOUCH_OK);
        CHECK(vch_package_read(inside("d.zip"), 4096, &p, NULL) == VOUCH_E_FORMAT);
        CHECK(p.entry == NULL);
    }
    CHECK(vch_package_read(inside("none.zip"), 4096, &p, NULL) == VOUCH_E_NOT_FOUND);
    vch_buffer_drop(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_packed_is_unpacked),
        TEST(names_that_leave_the_directory_are_refused),
        TEST(a_package_from_elsewhere_is_judged),
        TEST(what_is_no_zip_file_is_refused),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
