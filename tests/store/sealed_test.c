/* Files of state: what is read is what was written, or it is refused. */
#include "store/sealed.h"

#include <stdio.h>
#include <stdlib.h>

#include "roots.h"

static char directory[VCH_PATH_SIZE];

#define BIG ((size_t)3 * VCH_SEALED_CHUNK + 17)

static int setup(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "vouch-sealed-", directory, NULL) == VOUCH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return vch_dir_remove_tree(directory, NULL) == VOUCH_OK ? 0 : -1;
}

static const char *path_of(const char *name)
{
    static char path[VCH_PATH_SIZE];
    CHECK(vch_path_join(directory, name, path, NULL) == VOUCH_OK);
    return path;
}

static uint8_t *content(size_t size, unsigned seed)
{
    uint8_t *bytes = malloc(size + 1);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251 + seed);
    return bytes;
}

static vch_sealed_options options(const char *name, const vch_seal_root *root)
{
    return (vch_sealed_options) {
        .directory = directory, .name = name, .purpose = "spool", .root = root
    };
}

/* Written in pieces of `step` bytes, published. */
static vch_sealed_stamp make(const char *name, const vch_seal_root *root, size_t size, size_t step)
{
    vouch_error err = { 0 };
    vch_sealed *s = NULL;
    vch_sealed_options how = options(name, root);
    uint8_t *bytes = content(size, 1);
    CHECK_OK(vch_sealed_new(&how, size, &s, &err), &err);
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        CHECK_OK(vch_sealed_append(s, (vouch_span) { bytes + at, n }, &err), &err);
    }
    CHECK_OK(vch_sealed_finish(s, &err), &err);
    CHECK_OK(vch_sealed_sync(s, &err), &err);
    CHECK_OK(vch_sealed_publish(s, &err), &err);
    vch_sealed_stamp stamp = *vch_sealed_stamp_of(s);
    vch_sealed_free(s);
    free(bytes);
    return stamp;
}

static vouch_code open_whole(const char *name, const vch_seal_root *root,
                             const vch_sealed_stamp *stamp, vouch_error *err)
{
    VCH_SCOPED(vch_sealed_drop) vch_sealed *s = NULL;
    vch_sealed_options how = options(name, root);
    return vch_sealed_open(&how, stamp, true, &s, err);
}

static void check_reads(const vch_seal_root *root)
{
    static const size_t sizes[] = {
        0, 1, VCH_SEALED_CHUNK - 1, VCH_SEALED_CHUNK, VCH_SEALED_CHUNK + 1, BIG
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        vouch_error err = { 0 };
        size_t size = sizes[i];
        uint8_t *want = content(size, 1);
        uint8_t *got = content(size, 9);
        vch_sealed_stamp stamp = make("file", root, size, 1000);
        vch_sealed *s = NULL;
        vch_sealed_options how = options("file", root);
        CHECK_OK(vch_sealed_open(&how, &stamp, true, &s, &err), &err);
        CHECK_OK(vch_sealed_read(s, 0, got, size, &err), &err);
        CHECK(memcmp(want, got, size) == 0);
        for (size_t at = 0; at + 10 <= size; at += 4099) { /* from any place, back and forth */
            size_t from = (at * 13) % (size - 9);
            CHECK_OK(vch_sealed_read(s, from, got, 10, &err), &err);
            CHECK(memcmp(want + from, got, 10) == 0);
        }
        CHECK(vch_sealed_read(s, size, got, 1, &err) == VOUCH_E_INTERNAL);
        CHECK(vch_sealed_read(s, UINT64_MAX, got, 1, &err) == VOUCH_E_INTERNAL);
        vch_sealed_discard(s);
        CHECK(!vch_file_exists(path_of("file")));
        free(want);
        free(got);
    }
}

static void what_was_written_is_read_from_any_place_in_clear(void **state)
{
    (void)state;
    check_reads(NULL);
}

static void what_was_written_is_read_from_any_place_sealed(void **state)
{
    (void)state;
    vch_seal_root *root = test_root(7, "agg");
    check_reads(root);
    vch_seal_root_free(root);
}

static void what_is_in_memory_is_read_too(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t got[4];
    vch_sealed *s = NULL;
    const vch_sealed_options how = { .name = "x", .purpose = "spool" };
    CHECK_OK(vch_sealed_new(&how, 4, &s, &err), &err);
    CHECK_OK(vch_sealed_append(s, (vouch_span) { (const uint8_t *)"ab", 2 }, &err), &err);
    CHECK(vch_sealed_read(s, 0, got, 1, &err) == VOUCH_E_INTERNAL);
    CHECK(vch_sealed_finish(s, &err) == VOUCH_E_INTERNAL); /* two bytes are missing */
    CHECK(vch_sealed_append(s, (vouch_span) { (const uint8_t *)"cde", 3 }, &err)
          == VOUCH_E_INTERNAL); /* one too many */
    CHECK_OK(vch_sealed_append(s, (vouch_span) { (const uint8_t *)"cd", 2 }, &err), &err);
    CHECK_OK(vch_sealed_finish(s, &err), &err);
    CHECK_OK(vch_sealed_publish(s, &err), &err);
    CHECK_OK(vch_sealed_read(s, 0, got, 4, &err), &err);
    CHECK(memcmp(got, "abcd", 4) == 0);
    vch_sealed_free(s);
}

/* The same bytes made in the file's own room, `step` at a time. */
static void check_room(const vch_seal_root *root, const char *where, size_t step)
{
    vouch_error err = { 0 };
    vch_sealed *s = NULL;
    vch_sealed_options how = options("room", root);
    how.directory = where;
    uint8_t *want = content(BIG, 1);
    uint8_t *got = content(BIG, 9);
    CHECK_OK(vch_sealed_new(&how, BIG, &s, &err), &err);
    for (size_t at = 0; at < BIG;) {
        size_t most = 0;
        uint8_t *room = vch_sealed_room(s, &most);
        CHECK(most > 0 && most <= BIG - at);
        size_t n = most < step ? most : step;
        memcpy(room, want + at, n);
        CHECK_OK(vch_sealed_commit(s, n, &err), &err);
        at += n;
        if (at == 3 * step) { /* the two ways in between */
            CHECK_OK(vch_sealed_append(s, (vouch_span) { want + at, 5 }, &err), &err);
            at += 5;
        }
    }
    CHECK(vch_sealed_commit(s, 1, &err) == VOUCH_E_INTERNAL);
    CHECK_OK(vch_sealed_finish(s, &err), &err);
    CHECK_OK(vch_sealed_publish(s, &err), &err);
    CHECK_OK(vch_sealed_read(s, 0, got, BIG, &err), &err);
    CHECK(memcmp(want, got, BIG) == 0);
    vch_sealed_stamp stamp = *vch_sealed_stamp_of(s);
    vch_sealed_free(s);
    if (where != NULL)
        CHECK_OK(open_whole("room", root, &stamp, &err), &err);
    free(want);
    free(got);
}

static void what_is_made_in_the_room_is_what_is_read(void **state)
{
    (void)state;
    static const size_t steps[] = { 1001, 16384, VCH_SEALED_CHUNK, BIG };
    vch_seal_root *root = test_root(7, "agg");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        check_room(NULL, directory, steps[i]);
        check_room(root, directory, steps[i]);
        check_room(NULL, NULL, steps[i]);
    }
    vch_seal_root_free(root);
}

static void more_than_the_room_is_not_taken(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    size_t most = 0;
    vch_sealed *s = NULL;
    vch_sealed_options how = options("room", NULL);
    CHECK_OK(vch_sealed_new(&how, BIG, &s, &err), &err);
    (void)vch_sealed_room(s, &most);
    CHECK(vch_sealed_commit(s, most + 1, &err) == VOUCH_E_INTERNAL);
    vch_sealed_free(s);
}

static void one_that_was_not_published_leaves_nothing_and_cannot_be_opened(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_sealed *s = NULL;
    vch_sealed_options how = options("half", NULL);
    CHECK_OK(vch_sealed_new(&how, 3, &s, &err), &err);
    CHECK(vch_file_exists(path_of("half.tmp")) && !vch_file_exists(path_of("half")));
    CHECK(vch_sealed_publish(s, &err) == VOUCH_E_INTERNAL);
    vch_sealed_stamp stamp = *vch_sealed_stamp_of(s);
    CHECK(open_whole("half", NULL, &stamp, &err) == VOUCH_E_NOT_FOUND);
    vch_sealed_free(s);
    CHECK(!vch_file_exists(path_of("half.tmp")));
}

/* Every byte of the file, and its end, matter. */
static void check_flips(const vch_seal_root *root)
{
    vouch_error err = { 0 };
    vch_sealed_stamp stamp = make("flip", root, 300, 300);
    vch_buffer bytes = test_read(path_of("flip"));
    for (size_t i = 0; i < bytes.size; i++) {
        bytes.data[i] ^= 0x10;
        test_write(path_of("flip"), bytes.data, bytes.size);
        CHECK(open_whole("flip", root, &stamp, &err) != VOUCH_OK);
        bytes.data[i] ^= 0x10;
    }
    for (size_t n = 0; n < bytes.size; n += 7) {
        test_write(path_of("flip"), bytes.data, n);
        CHECK(open_whole("flip", root, &stamp, &err) == VOUCH_E_TRUNCATED);
    }
    uint8_t *longer = calloc(bytes.size + 1, 1);
    memcpy(longer, bytes.data, bytes.size);
    test_write(path_of("flip"), longer, bytes.size + 1);
    CHECK(open_whole("flip", root, &stamp, &err) == VOUCH_E_TRUNCATED);
    test_write(path_of("flip"), bytes.data, bytes.size);
    CHECK_OK(open_whole("flip", root, &stamp, &err), &err);
    free(longer);
    vch_buffer_drop(&bytes);
}

static void an_altered_or_cut_file_is_refused_in_clear(void **state)
{
    (void)state;
    check_flips(NULL);
}

static void an_altered_or_cut_file_is_refused_sealed(void **state)
{
    (void)state;
    vch_seal_root *root = test_root(7, "agg");
    check_flips(root);
    vch_seal_root_free(root);
}

/* Without reading the whole first, as the aggregation does: the tags alone must find it. */
static void chunks_put_in_another_order_are_refused_when_they_are_read(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t got[8];
    vch_seal_root *root = test_root(7, "agg");
    const size_t step = VCH_SEALED_CHUNK + 16;
    vch_sealed_stamp stamp = make("order", root, BIG, 5000);
    vch_buffer bytes = test_read(path_of("order"));
    uint8_t *first = bytes.data + VCH_SEALED_HEADER_SIZE;
    uint8_t *keep = malloc(step);
    memcpy(keep, first, step);
    memcpy(first, first + step, step);
    memcpy(first + step, keep, step);
    test_write(path_of("order"), bytes.data, bytes.size);
    vch_sealed *s = NULL;
    vch_sealed_options how = options("order", root);
    CHECK_OK(vch_sealed_open(&how, &stamp, false, &s, &err), &err);
    CHECK(vch_sealed_read(s, 5, got, 8, &err) == VOUCH_E_CRYPTO);
    CHECK(vch_sealed_read(s, VCH_SEALED_CHUNK + 5, got, 8, &err) == VOUCH_E_CRYPTO);
    CHECK_OK(vch_sealed_read(s, 2 * VCH_SEALED_CHUNK + 5, got, 8, &err), &err);
    vch_sealed_free(s);
    free(keep);
    vch_buffer_drop(&bytes);
    vch_seal_root_free(root);
}

static void check_not(const char *name, const vch_seal_root *root, const vch_sealed_stamp *stamp,
                      const char *purpose, vouch_code want)
{
    vouch_error err = { 0 };
    vch_sealed *s = NULL;
    vch_sealed_options how = options(name, root);
    how.purpose = purpose;
    CHECK(vch_sealed_open(&how, stamp, false, &s, &err) == want);
    CHECK(s == NULL);
}

static void another_file_key_purpose_or_participant_opens_nothing(void **state)
{
    (void)state;
    vch_seal_root *root = test_root(7, "agg");
    vch_seal_root *other_key = test_root(8, "agg");
    vch_seal_root *other_name = test_root(7, "agg2");
    vch_sealed_stamp a = make("a", root, 100, 100);
    vch_sealed_stamp b = make("b", root, 100, 100);
    vch_sealed_stamp clear = make("clear", NULL, 100, 100);
    check_not("a", root, &b, "spool", VOUCH_E_FORMAT); /* one file in the other's place */
    check_not("a", root, &a, "model", VOUCH_E_FORMAT);
    check_not("a", other_key, &a, "spool", VOUCH_E_CRYPTO);
    check_not("a", other_name, &a, "spool", VOUCH_E_CRYPTO);
    check_not("a", NULL, &a, "spool", VOUCH_E_FORMAT);
    check_not("clear", root, &clear, "spool",
              VOUCH_E_FORMAT); /* a host cannot put clear bytes in */
    vch_seal_root_free(root);
    vch_seal_root_free(other_key);
    vch_seal_root_free(other_name);
}

static void two_versions_share_no_byte_that_depends_on_the_key(void **state)
{
    (void)state;
    vch_seal_root *root = test_root(7, "agg");
    (void)make("one", root, 4096, 4096);
    (void)make("two", root, 4096, 4096);
    vch_buffer one = test_read(path_of("one"));
    vch_buffer two = test_read(path_of("two"));
    uint8_t *plain = content(4096, 1);
    CHECK(memcmp(one.data + 48, two.data + 48, 32) != 0); /* the salts */
    for (size_t i = VCH_SEALED_HEADER_SIZE; i + 16 <= one.size; i += 16)
        CHECK(memcmp(one.data + i, two.data + i, 16) != 0);
    CHECK(memmem(one.data, one.size, plain, 16) == NULL);
    free(plain);
    vch_buffer_drop(&one);
    vch_buffer_drop(&two);
    vch_seal_root_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read_from_any_place_in_clear),
        TEST(what_was_written_is_read_from_any_place_sealed),
        TEST(what_is_in_memory_is_read_too),
        TEST(what_is_made_in_the_room_is_what_is_read),
        TEST(more_than_the_room_is_not_taken),
        TEST(one_that_was_not_published_leaves_nothing_and_cannot_be_opened),
        TEST(an_altered_or_cut_file_is_refused_in_clear),
        TEST(an_altered_or_cut_file_is_refused_sealed),
        TEST(chunks_put_in_another_order_are_refused_when_they_are_read),
        TEST(another_file_key_purpose_or_participant_opens_nothing),
        TEST(two_versions_share_no_byte_that_depends_on_the_key),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
