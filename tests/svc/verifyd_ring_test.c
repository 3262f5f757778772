#include "svc/verifyd_ring.h"

#include <string.h>

#include "base/bytes.h"
#include "host/file.h"

#include "check.h"

static char dir[VCH_PATH_SIZE];
static char path[VCH_PATH_SIZE];

static int make_dir(void **state)
{
    (void)state;
    if (vch_dir_make_temporary(NULL, "vouch-ring-", dir, NULL) != VOUCH_OK)
        return -1;
    return vch_path_join(dir, "ring.yaml", path, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

static vouch_code read_text(const char *text, vch_ring *out, char fault[static 512])
{
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    CHECK_OK(vch_file_write(path, vch_span_str(text), 0600, &err), &err);
    vouch_code rc = vch_ring_read(path, &faults, out, &err);
    fault[0] = '\0';
    if (faults.count > 0)
        memcpy(fault, faults.item[0].text, 512);
    vch_faults_done(&faults);
    return rc;
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_ring got = { 0 };
    const vch_ring want = { .key = { { "a.key", "a.pem", 1000, 3000 },
                                     { "b.key", "b.pem", 2000, VCH_RING_NO_END } },
                            .count = 2 };
    vch_faults faults = { 0 };
    CHECK_OK(vch_ring_write(path, &want, &err), &err);
    CHECK_OK(vch_ring_read(path, &faults, &got, &err), &err);
    vch_faults_done(&faults);
    CHECK(got.count == 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(got.key[i].key, want.key[i].key);
        assert_string_equal(got.key[i].chain, want.key[i].chain);
        CHECK(got.key[i].signs_from_unix_s == want.key[i].signs_from_unix_s);
        CHECK(got.key[i].until_unix_s == want.key[i].until_unix_s);
    }
}

#define A "{key: a, chain: c, signs_from: 2026-01-01T00:00:00Z"
#define B "{key: b, chain: d, signs_from: 2026-02-01T00:00:00Z"

static const struct {
    const char *text, *word;
} bad[] = {
    { "keys: [" A "}]\n", "version" },
    { "version: 2\nkeys: [" A "}]\n", "version" },
    { "version: 1\nkeys: []\n", "keys" },
    { "version: 1\nkeys: [" A "}]\nmore: 1\n", "more" },
    { "version: 1\nkeys: [" A ", x: 1}]\n", "x" },
    { "version: 1\nkeys: [{chain: c, signs_from: 2026-01-01T00:00:00Z}]\n", "key" },
    { "version: 1\nkeys: [{key: a, signs_from: 2026-01-01T00:00:00Z}]\n", "chain" },
    { "version: 1\nkeys: [{key: a, chain: c}]\n", "signs_from" },
    { "version: 1\nkeys: [{key: ../a, chain: c, signs_from: 2026-01-01T00:00:00Z}]\n", "names" },
    { "version: 1\nkeys: [{key: a, chain: /c, signs_from: 2026-01-01T00:00:00Z}]\n", "names" },
    { "version: 1\nkeys: [{key: .., chain: c, signs_from: 2026-01-01T00:00:00Z}]\n", "names" },
    { "version: 1\nkeys: [{key: a, chain: ., signs_from: 2026-01-01T00:00:00Z}]\n", "names" },
    { "version: 1\nkeys: [" A ", until: 2026-03-01T00:00:00Z}]\n", "last key has an end" },
    { "version: 1\nkeys: [" A ", until: 2026-01-01T00:00:00Z}, " B "}]\n", "not after signs_from" },
    { "version: 1\nkeys: [" B ", until: 2026-03-01T00:00:00Z}, " A "}]\n", "order" },
    { "version: 1\nkeys: [" A "}, " B "}]\n", "ends before" },
    { "version: 1\nkeys: [" A ", until: 2026-01-31T00:00:00Z}, " B "}]\n", "ends before" },
};

static void each_fault_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char fault[512];
        vch_ring ring = { .count = 77 };
        if (read_text(bad[i].text, &ring, fault) != VOUCH_E_CONFIG
            || strstr(fault, bad[i].word) == NULL || strstr(fault, "ring.yaml:") == NULL)
            fail_msg("'%s': %s", bad[i].text, fault);
        CHECK(ring.count == 77);
    }
}

static void overlapping_keys_are_good(void **state)
{
    (void)state;
    char fault[512];
    vch_ring ring = { 0 };
    CHECK(
        read_text("version: 1\nkeys: [" A ", until: 2026-02-01T00:00:00Z}, " B "}]\n", &ring, fault)
        == VOUCH_OK);
    CHECK(ring.count == 2);
}

static void nine_keys_are_too_many(void **state)
{
    (void)state;
    char fault[512];
    vch_ring ring = { 0 };
    vch_buffer text = vch_buffer_with_cap(8192);
    vch_buffer_append_str(&text, "version: 1\nkeys:\n");
    for (size_t i = 0; i <= VCH_RING_KEYS_MAX; i++)
        vch_buffer_append_str(&text, "  - " A ", until: 2026-03-01T00:00:00Z}\n");
    CHECK(read_text(vch_buffer_text(&text), &ring, fault) == VOUCH_E_CONFIG);
    CHECK(strstr(fault, "keys") != NULL);
    vch_buffer_drop(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_again),
        TEST(each_fault_is_told_with_its_place),
        TEST(overlapping_keys_are_good),
        TEST(nine_keys_are_too_many),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
