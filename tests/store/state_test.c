/* The directory of a participant's state: one process at a time, and what no key opens is void. */
#include "store/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "roots.h"

static char parent[VCH_PATH_SIZE];

static int setup(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "vouch-state-", parent, NULL) == VOUCH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return vch_dir_remove_tree(parent, NULL) == VOUCH_OK ? 0 : -1;
}

static vouch_code count(void *context, vouch_span record, vouch_error *err)
{
    (void)record;
    (void)err;
    ++*(size_t *)context;
    return VOUCH_OK;
}

static vouch_code open_state(const vch_seal_root *root, bool fleeting, size_t *records,
                             vch_state **out, vouch_error *err)
{
    const vch_state_options how = { .parent = parent,
                                    .name = "one",
                                    .root = root,
                                    .fleeting = fleeting,
                                    .replay = count,
                                    .context = records };
    *records = 0;
    return vch_state_open(&how, out, err);
}

/* A state with one record, closed again. */
static void write_one(const vch_seal_root *root, bool fleeting)
{
    vouch_error err = { 0 };
    size_t records = 0;
    vch_state *s = NULL;
    CHECK_OK(open_state(root, fleeting, &records, &s, &err), &err);
    CHECK_OK(vch_journal_add(vch_state_journal(s), (vouch_span) { (const uint8_t *)"r", 1 }, &err),
             &err);
    CHECK_OK(vch_journal_commit(vch_state_journal(s), &err), &err);
    vch_state_close(s);
}

static void what_was_recorded_is_replayed(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    size_t records = 0;
    vch_state *s = NULL;
    write_one(NULL, false);
    CHECK_OK(open_state(NULL, false, &records, &s, &err), &err);
    CHECK(records == 1);
    vch_state_close(s);
}

static void a_second_process_is_refused_while_the_first_runs(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    size_t records = 0;
    vch_state *s = NULL;
    int status = 0;
    CHECK_OK(open_state(NULL, false, &records, &s, &err), &err);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        vch_state *second = NULL;
        vouch_code rc = open_state(NULL, false, &records, &second, &err);
        _exit(rc == VOUCH_E_CONFIG && strstr(err.frame[0], "another process") != NULL ? 7 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    vch_state_close(s);
    CHECK_OK(open_state(NULL, false, &records, &s, &err), &err);
    vch_state_close(s);
}

static vouch_code find_void(void *context, const char *name, vouch_error *err)
{
    (void)err;
    if (strncmp(name, "one.void-", 9) == 0)
        ++*(size_t *)context;
    return VOUCH_OK;
}

static void what_another_key_sealed_is_moved_aside_and_kept(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    size_t records = 0;
    size_t aside = 0;
    vch_state *s = NULL;
    vch_seal_root *old = test_root(1, "agg");
    vch_seal_root *now = test_root(2, "agg");
    write_one(old, false);
    CHECK_OK(open_state(now, false, &records, &s, &err), &err);
    CHECK(records == 0);
    vch_state_close(s);
    CHECK_OK(vch_dir_list(parent, find_void, &aside, &err), &err);
    CHECK(aside == 1);
    CHECK_OK(open_state(now, false, &records, &s, &err), &err);
    vch_state_close(s);
    vch_seal_root_free(old);
    vch_seal_root_free(now);
}

static void what_a_fleeting_key_sealed_is_void_at_the_next_start(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    size_t records = 0;
    size_t aside = 0;
    vch_state *s = NULL;
    vch_seal_root *root = test_root(1, "agg");
    write_one(root, true);
    CHECK_OK(open_state(root, true, &records, &s, &err), &err); /* not even with the same key */
    CHECK(records == 0);
    vch_state_close(s);
    CHECK_OK(vch_dir_list(parent, find_void, &aside, &err), &err);
    CHECK(aside == 0);
    vch_seal_root_free(root);
}

static bool is_kept(void *context, const char *name)
{
    return strcmp(name, context) == 0;
}

static void a_sweep_leaves_journal_lock_and_what_is_wanted(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    size_t records = 0;
    char path[VCH_PATH_SIZE];
    char kept[] = "spool-1";
    static const char *const names[] = { "spool-1", "spool-2", "spool-3.tmp",
                                         "journal-00000001.Ab12cd" };
    vch_state *s = NULL;
    write_one(NULL, false);
    CHECK_OK(open_state(NULL, false, &records, &s, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(vch_path_join(vch_state_directory(s), names[i], path, &err), &err);
        test_write(path, (const uint8_t *)"x", 1);
    }
    CHECK_OK(vch_state_sweep(s, is_kept, kept, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(vch_path_join(vch_state_directory(s), names[i], path, &err), &err);
        CHECK(vch_file_exists(path) == (i == 0));
    }
    vch_state_close(s);
    CHECK_OK(open_state(NULL, false, &records, &s, &err), &err);
    CHECK(records == 1);
    vch_state_close(s);
}

#define ONE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(what_was_recorded_is_replayed),
        ONE(a_second_process_is_refused_while_the_first_runs),
        ONE(what_another_key_sealed_is_moved_aside_and_kept),
        ONE(what_a_fleeting_key_sealed_is_void_at_the_next_start),
        ONE(a_sweep_leaves_journal_lock_and_what_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
