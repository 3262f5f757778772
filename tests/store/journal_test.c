/* The journal: what was committed is there after a crash, a half is cut off, damage is refused. */
#include "store/journal.h"

#include <stdio.h>
#include <stdlib.h>

#include "roots.h"

static char directory[VCH_PATH_SIZE];

typedef struct reader {
    size_t count;
    char text[32][16];
} reader;

static vouch_code replay(void *context, vouch_span record, vouch_error *err)
{
    reader *r = context;
    if (record.size >= sizeof r->text[0] || r->count == 32)
        return vouch_fail(err, VOUCH_E_FORMAT, "not a record of this test");
    memcpy(r->text[r->count], record.data, record.size);
    r->text[r->count++][record.size] = '\0';
    return VOUCH_OK;
}

static int setup(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "vouch-journal-", directory, NULL) == VOUCH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return vch_dir_remove_tree(directory, NULL) == VOUCH_OK ? 0 : -1;
}

static const char *file(unsigned number)
{
    static char path[VCH_PATH_SIZE + 32];
    (void)snprintf(path, sizeof path, "%s/journal-%08u", directory, number);
    return path;
}

static vouch_code open_journal(const vch_seal_root *root, reader *r, vch_journal **out,
                               vouch_error *err)
{
    const vch_journal_options how = {
        .directory = directory, .root = root, .replay = replay, .context = r
    };
    *r = (reader) { 0 };
    return vch_journal_open(&how, out, err);
}

static void add(vch_journal *j, const char *text)
{
    vouch_error err = { 0 };
    CHECK_OK(vch_journal_add(j, (vouch_span) { (const uint8_t *)text, strlen(text) }, &err), &err);
}

static void commit(vch_journal *j)
{
    vouch_error err = { 0 };
    CHECK_OK(vch_journal_commit(j, &err), &err);
}

/* A first file with the commits (a b) (c) (d). */
static void write_abcd(const vch_seal_root *root)
{
    vouch_error err = { 0 };
    reader r;
    vch_journal *j = NULL;
    CHECK_OK(open_journal(root, &r, &j, &err), &err);
    add(j, "a");
    add(j, "b");
    commit(j);
    add(j, "c");
    commit(j);
    add(j, "d");
    commit(j);
    add(j, "never committed");
    vch_journal_close(j);
}

static void expect(const vch_seal_root *root, const char *want)
{
    vouch_error err = { 0 };
    reader r;
    char got[256] = "";
    VCH_SCOPED(vch_journal_drop) vch_journal *j = NULL;
    CHECK_OK(open_journal(root, &r, &j, &err), &err);
    for (size_t i = 0; i < r.count; i++)
        (void)strcat(got, r.text[i]);
    assert_string_equal(got, want);
}

static void check_restart(const vch_seal_root *root)
{
    vouch_error err = { 0 };
    reader r;
    vch_journal *j = NULL;
    write_abcd(root);
    CHECK_OK(open_journal(root, &r, &j, &err), &err);
    CHECK(r.count == 4);
    add(j, "e");
    commit(j);
    uint8_t digest[VCH_SHA256_SIZE];
    memcpy(digest, vch_journal_digest(j), sizeof digest);
    vch_journal_close(j);
    CHECK_OK(open_journal(root, &r, &j, &err), &err);
    CHECK(memcmp(digest, vch_journal_digest(j), sizeof digest) == 0); /* nothing new happened */
    vch_journal_close(j);
    expect(root, "abcde");
}

static void commits_are_there_after_a_restart_and_nothing_else(void **state)
{
    (void)state;
    check_restart(NULL);
}

static void the_same_sealed_and_no_record_stands_in_the_file(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    reader r;
    vch_journal *j = NULL;
    vch_seal_root *root = test_root(7, "agg");
    check_restart(root);
    CHECK_OK(open_journal(root, &r, &j, &err), &err);
    add(j, "a-known-text");
    commit(j);
    vch_journal_close(j);
    for (unsigned n = 1; vch_file_exists(file(n)); n++) {
        vch_buffer bytes = test_read(file(n));
        CHECK(memmem(bytes.data, bytes.size, "a-known-text", 12) == NULL);
        vch_buffer_drop(&bytes);
    }
    vch_seal_root_free(root);
}

/* A crash may leave any part of the last commit: the commits before it are what happened. */
static void check_torn(const vch_seal_root *root)
{
    write_abcd(root);
    vch_buffer whole = test_read(file(1));
    CHECK(teardown(NULL) == 0 && setup(NULL) == 0);
    size_t commit_size = 16 + (4 + 1) + (root == NULL ? 0U : 16U) + 32;
    size_t last = whole.size - commit_size;
    for (size_t n = last; n < whole.size; n++) {
        test_write(file(1), whole.data, n);
        expect(root, "abc");
        CHECK(vch_file_remove(file(2), NULL) == VOUCH_OK);
        vch_buffer left = test_read(file(1));
        CHECK(left.size == last); /* it was cut, not only skipped */
        vch_buffer_drop(&left);
    }
    for (size_t n = last + 16; n < whole.size; n++) { /* length grew before the bytes came */
        uint8_t *half = malloc(whole.size);
        memcpy(half, whole.data, whole.size);
        memset(half + n, 0, whole.size - n);
        if (memcmp(half, whole.data, whole.size) != 0) {
            test_write(file(1), half, whole.size);
            expect(root, "abc");
            CHECK(vch_file_remove(file(2), NULL) == VOUCH_OK);
        }
        free(half);
    }
    memset(whole.data + last, 0, commit_size);
    test_write(file(1), whole.data, whole.size);
    expect(root, "abc");
    vch_buffer_drop(&whole);
}

static void a_torn_end_is_cut_off_wherever_it_tore(void **state)
{
    (void)state;
    check_torn(NULL);
}

static void a_torn_end_is_cut_off_sealed_too(void **state)
{
    (void)state;
    vch_seal_root *root = test_root(7, "agg");
    check_torn(root);
    vch_seal_root_free(root);
}

/* Every flipped byte before the last commit is damage, and the message says where. */
static void check_damage(const vch_seal_root *root)
{
    write_abcd(root);
    vch_buffer whole = test_read(file(1));
    CHECK(teardown(NULL) == 0 && setup(NULL) == 0);
    size_t last = whole.size - (16 + (4 + 1) + (root == NULL ? 0U : 16U) + 32);
    for (size_t i = 0; i < last; i++) {
        vouch_error err = { 0 };
        reader r;
        vch_journal *j = NULL;
        char text[1024];
        whole.data[i] ^= 0x20;
        test_write(file(1), whole.data, whole.size);
        vouch_code rc = open_journal(root, &r, &j, &err);
        CHECK(rc != VOUCH_OK);
        CHECK(strstr(vouch_error_text(&err, text, sizeof text), "journal-00000001") != NULL);
        CHECK(!vch_file_exists(file(2)));
        whole.data[i] ^= 0x20;
    }
    vch_buffer_drop(&whole);
}

static void damage_before_the_last_commit_is_refused_with_its_place(void **state)
{
    (void)state;
    check_damage(NULL);
}

static void damage_is_refused_sealed_too(void **state)
{
    (void)state;
    vch_seal_root *root = test_root(7, "agg");
    check_damage(root);
    vch_seal_root_free(root);
}

/* Somebody who can compute digests, but has no key: takes the second commit out. */
static void a_file_that_is_torn_or_exchanged_before_the_last_is_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    reader r;
    vch_journal *j = NULL;
    write_abcd(NULL);
    vch_buffer first = test_read(file(1));
    expect(NULL, "abcd");                            /* makes file 2 */
    test_write(file(1), first.data, first.size - 1); /* torn, but not the last */
    CHECK(open_journal(NULL, &r, &j, &err) == VOUCH_E_FORMAT);
    test_write(file(1), first.data, first.size - 53); /* whole, but the last commit is gone */
    CHECK(open_journal(NULL, &r, &j, &err) == VOUCH_E_FORMAT);
    CHECK(strstr(err.frame[0], "does not continue") != NULL);
    CHECK(vch_file_remove(file(1), NULL) == VOUCH_OK); /* gone altogether */
    CHECK(open_journal(NULL, &r, &j, &err) == VOUCH_E_NOT_FOUND);
    vch_buffer_drop(&first);
}

static void another_key_or_none_is_told_apart_from_damage(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    reader r;
    vch_journal *j = NULL;
    vch_seal_root *root = test_root(7, "agg");
    vch_seal_root *other = test_root(7, "another name");
    write_abcd(root);
    CHECK(open_journal(other, &r, &j, &err) == VOUCH_E_REFUSED);
    CHECK(open_journal(NULL, &r, &j, &err) == VOUCH_E_CONFIG);
    CHECK(teardown(NULL) == 0 && setup(NULL) == 0);
    write_abcd(NULL);
    CHECK(open_journal(root, &r, &j, &err) == VOUCH_E_CONFIG); /* a host cannot put one in clear */
    vch_seal_root_free(root);
    vch_seal_root_free(other);
}

/* Under one key no number is ever used twice, also when a commit failed (here: was torn). */
static void each_start_seals_with_a_key_of_its_own(void **state)
{
    (void)state;
    vch_seal_root *root = test_root(7, "agg");
    write_abcd(root);
    expect(root, "abcd");
    expect(root, "abcd");
    vch_buffer two = test_read(file(2));
    vch_buffer three = test_read(file(3));
    CHECK(memcmp(two.data + 56, three.data + 56, 32) != 0); /* the salts */
    vch_buffer_drop(&two);
    vch_buffer_drop(&three);
    vch_seal_root_free(root);
}

static void a_record_that_the_reader_refuses_stops_the_opening(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    reader r;
    vch_journal *j = NULL;
    CHECK_OK(open_journal(NULL, &r, &j, &err), &err);
    add(j, "longer than this test's reader takes");
    commit(j);
    vch_journal_close(j);
    j = NULL;
    CHECK(open_journal(NULL, &r, &j, &err) == VOUCH_E_FORMAT);
    CHECK(j == NULL && strstr(err.frame[1], "byte 104") != NULL);
}

static void a_record_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    reader r;
    vch_journal *j = NULL;
    uint8_t *big = calloc(VCH_JOURNAL_RECORD_MAX + 1, 1);
    CHECK_OK(open_journal(NULL, &r, &j, &err), &err);
    CHECK(vch_journal_add(j, (vouch_span) { big, VCH_JOURNAL_RECORD_MAX + 1 }, &err)
          == VOUCH_E_LIMIT);
    for (size_t i = 0; i < 15; i++)
        CHECK_OK(vch_journal_add(j, (vouch_span) { big, VCH_JOURNAL_RECORD_MAX }, &err), &err);
    CHECK(vch_journal_add(j, (vouch_span) { big, VCH_JOURNAL_RECORD_MAX }, &err) == VOUCH_E_LIMIT);
    vch_journal_close(j);
    free(big);
}

#define ONE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(commits_are_there_after_a_restart_and_nothing_else),
        ONE(the_same_sealed_and_no_record_stands_in_the_file),
        ONE(a_torn_end_is_cut_off_wherever_it_tore),
        ONE(a_torn_end_is_cut_off_sealed_too),
        ONE(damage_before_the_last_commit_is_refused_with_its_place),
        ONE(damage_is_refused_sealed_too),
        ONE(a_file_that_is_torn_or_exchanged_before_the_last_is_refused),
        ONE(another_key_or_none_is_told_apart_from_damage),
        ONE(each_start_seals_with_a_key_of_its_own),
        ONE(a_record_that_the_reader_refuses_stops_the_opening),
        ONE(a_record_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
