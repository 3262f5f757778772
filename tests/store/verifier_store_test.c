#include "store/verifier_store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/file.h"
#include "store/database.h"

#include "check.h"

static char dir[VCH_PATH_SIZE];
static char path[VCH_PATH_SIZE];

static int make_dir(void **state)
{
    (void)state;
    if (vch_dir_make_temporary(NULL, "vouch-store-", dir, NULL) != VOUCH_OK)
        return -1;
    return vch_path_join(dir, "s.db", path, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

static vch_verifier_store *opened(void)
{
    vch_verifier_store *store = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_verifier_store_open(path, &store, &err), &err);
    return store;
}

static void a_new_store_is_private(void **state)
{
    (void)state;
    vch_verifier_store_close(opened());
    struct stat s;
    CHECK(stat(path, &s) == 0 && (s.st_mode & 0777) == 0600);
}

static void an_api_key_is_found_by_its_digest_until_it_is_disabled(void **state)
{
    (void)state;
    static const uint8_t digest[32] = { 1 };
    static const uint8_t other[32] = { 2 };
    vouch_error err = { 0 };
    VCH_SCOPED(vch_verifier_store_drop) vch_verifier_store *store = opened();
    vch_store_api_key key = { 0 };
    CHECK_OK(vch_verifier_store_key_add(store, "site-1", digest, 1000, &err), &err);
    CHECK_OK(vch_verifier_store_key_find(store, digest, &key, &err), &err);
    assert_string_equal(key.name, "site-1");
    CHECK(key.active && key.id > 0);
    CHECK(vch_verifier_store_key_find(store, other, &key, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(vch_verifier_store_key_add(store, "site-1", other, 1000, NULL) == VOUCH_E_IO);
    CHECK(vch_verifier_store_key_add(store, "", other, 1000, NULL) == VOUCH_E_LIMIT);
    CHECK_OK(vch_verifier_store_key_disable(store, "site-1", &err), &err);
    CHECK_OK(vch_verifier_store_key_find(store, digest, &key, &err), &err);
    CHECK(!key.active);
    CHECK(vch_verifier_store_key_disable(store, "nobody", NULL) == VOUCH_E_NOT_FOUND);
}

static void a_nonce_is_fresh_once_also_after_a_restart(void **state)
{
    (void)state;
    static const uint8_t digest[32] = { 9 };
    vouch_error err = { 0 };
    bool fresh = false;
    vch_verifier_store *store = opened();
    CHECK_OK(vch_verifier_store_nonce_use(store, digest, 2000, &fresh, &err), &err);
    CHECK(fresh);
    CHECK_OK(vch_verifier_store_nonce_use(store, digest, 2000, &fresh, &err), &err);
    CHECK(!fresh);
    vch_verifier_store_close(store);
    store = opened();
    CHECK_OK(vch_verifier_store_nonce_use(store, digest, 2000, &fresh, &err), &err);
    CHECK(!fresh);
    CHECK_OK(vch_verifier_store_nonces_expire(store, 2000, &err), &err);
    CHECK_OK(vch_verifier_store_nonce_use(store, digest, 2000, &fresh, &err), &err);
    CHECK(!fresh); /* not before its end has passed */
    CHECK_OK(vch_verifier_store_nonces_expire(store, 2001, &err), &err);
    CHECK_OK(vch_verifier_store_nonce_use(store, digest, 3000, &fresh, &err), &err);
    CHECK(fresh);
    vch_verifier_store_close(store);
}

/* A process that is killed after its commit has not forgotten. */
static void what_was_committed_survives_a_kill(void **state)
{
    (void)state;
    static const uint8_t committed[32] = { 20 };
    static const uint8_t open_still[32] = { 21 };
    vouch_error err = { 0 };
    bool fresh = false;
    pid_t child = fork();
    if (child == 0) {
        vch_verifier_store *store = NULL;
        if (vch_verifier_store_open(path, &store, NULL) != VOUCH_OK
            || vch_verifier_store_begin(store, NULL) != VOUCH_OK
            || vch_verifier_store_nonce_use(store, committed, 2000, &fresh, NULL) != VOUCH_OK
            || vch_verifier_store_commit(store, NULL) != VOUCH_OK
            || vch_verifier_store_begin(store, NULL) != VOUCH_OK
            || vch_verifier_store_nonce_use(store, open_still, 2000, &fresh, NULL) != VOUCH_OK)
            _exit(1);
        (void)kill(getpid(), SIGKILL);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    VCH_SCOPED(vch_verifier_store_drop) vch_verifier_store *store = opened();
    CHECK_OK(vch_verifier_store_nonce_use(store, committed, 2000, &fresh, &err), &err);
    CHECK(!fresh);
    CHECK_OK(vch_verifier_store_nonce_use(store, open_still, 2000, &fresh, &err), &err);
    CHECK(fresh);
}

static void decisions_are_kept(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_verifier_store_drop) vch_verifier_store *store = opened();
    const vch_store_decision issued = { .at_unix_s = 1, .token_issued = true, .token_id = "x" };
    const vch_store_decision refused = { .at_unix_s = 2, .step = "quote", .code = "signature" };
    CHECK_OK(vch_verifier_store_decision_add(store, &issued, &err), &err);
    CHECK_OK(vch_verifier_store_decision_add(store, &refused, &err), &err);
    CHECK_OK(vch_verifier_store_decision_add(store, &refused, &err), &err);
    int64_t count = 0;
    CHECK_OK(vch_verifier_store_decision_count(store, true, &count, &err), &err);
    CHECK(count == 1);
    CHECK_OK(vch_verifier_store_decision_count(store, false, &count, &err), &err);
    CHECK(count == 2);
}

static void a_store_of_a_newer_program_is_refused(void **state)
{
    (void)state;
    static const char *const steps[] = { "SELECT 1", "SELECT 1", "SELECT 1" };
    vouch_error err = { 0 };
    char newer[VCH_PATH_SIZE];
    CHECK_OK(vch_path_join(dir, "newer.db", newer, &err), &err);
    vch_database *db = NULL;
    CHECK_OK(vch_database_open(newer, steps, 3, &db, &err), &err);
    vch_database_close(db);
    vch_verifier_store *store = NULL;
    CHECK(vch_verifier_store_open(newer, &store, NULL) == VOUCH_E_UNSUPPORTED);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char junk[VCH_PATH_SIZE];
    CHECK_OK(vch_path_join(dir, "junk.db", junk, &err), &err);
    CHECK_OK(vch_file_write(junk, (vouch_span) { (const uint8_t *)"not a database at all", 21 },
                            0600, &err),
             &err);
    vch_verifier_store *store = NULL;
    CHECK(vch_verifier_store_open(junk, &store, NULL) == VOUCH_E_FORMAT);
    CHECK(store == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_store_is_private),
        TEST(an_api_key_is_found_by_its_digest_until_it_is_disabled),
        TEST(a_nonce_is_fresh_once_also_after_a_restart),
        TEST(what_was_committed_survives_a_kill),
        TEST(decisions_are_kept),
        TEST(a_store_of_a_newer_program_is_refused),
        TEST(a_file_that_is_no_database_is_refused),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
