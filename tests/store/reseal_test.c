/*
 * State that goes along with a change of policy. The calls that change a disk are ours here, so that
 * each of them can be the last of a process, or fail. docs/protocol.md sections 6 and 9.
 */
#include "store/reseal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "store/sealed.h"
#include "store/state.h"
#include "store/state_names.h"

#include "roots.h"

#define BIG ((size_t)2 * VCH_SEALED_CHUNK + 17)
#define KILLED 9
#define SURVIVED 7
#define FILES 3

static char parent[VCH_PATH_SIZE];
static vch_seal_root *first, *second, *third; /* of three policies, one after the other */
static vch_sealed_stamp stamp[FILES];

/* --- the disk --- */

static int kill_at, fail_at; /* 0: never */
static int calls;
static void (*meanwhile)(void); /* once, at the next call */

/* The next call: not made any more, fails, or 0. */
static bool fails(void)
{
    void (*happens)(void) = meanwhile;
    meanwhile = NULL;
    if (happens != NULL)
        happens();
    calls++;
    if (calls == kill_at)
        _exit(KILLED);
    if (calls != fail_at)
        return false;
    errno = ENOSPC;
    return true;
}

static int as_libc(long result)
{
    return (int)result; /* syscall() sets errno */
}

int rename(const char *from, const char *to)
{
    return fails() ? -1 : as_libc(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int mkdir(const char *path, mode_t mode)
{
    return fails() ? -1 : as_libc(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int unlink(const char *path)
{
    return fails() ? -1 : as_libc(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int unlinkat(int directory, const char *path, int flags)
{
    return fails() ? -1 : as_libc(syscall(SYS_unlinkat, directory, path, flags));
}

int fsync(int fd)
{
    return fails() ? -1 : as_libc(syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
    return fails() ? -1 : as_libc(syscall(SYS_fdatasync, fd));
}

int ftruncate(int fd, off_t size)
{
    return fails() ? -1 : as_libc(syscall(SYS_ftruncate, fd, size));
}

int posix_fallocate(int fd, off_t at, off_t size)
{
    return fails() ? ENOSPC : as_libc(syscall(SYS_fallocate, fd, 0, at, size));
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return fails() ? -1 : syscall(SYS_pwrite64, fd, bytes, size, at);
}

static void all_calls_succeed(void)
{
    kill_at = fail_at = calls = 0;
}

/* --- a state --- */

static int setup(void **state)
{
    (void)state;
    all_calls_succeed();
    first = test_root_under(1, "agg", 1);
    second = test_root_under(1, "agg", 2);
    third = test_root_under(1, "agg", 3);
    return vch_dir_make_temporary(NULL, "vouch-reseal-", parent, NULL) == VOUCH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    all_calls_succeed();
    vch_seal_root_free(first);
    vch_seal_root_free(second);
    vch_seal_root_free(third);
    return vch_dir_remove_tree(parent, NULL) == VOUCH_OK ? 0 : -1;
}

static const char *path_of(const char *directory, const char *name)
{
    static char path[VCH_PATH_SIZE];
    char middle[VCH_PATH_SIZE];
    CHECK(vch_path_join(parent, directory, middle, NULL) == VOUCH_OK);
    CHECK(vch_path_join(middle, name, path, NULL) == VOUCH_OK);
    return path;
}

static bool is_there(const char *directory)
{
    return vch_dir_exists(path_of(directory, ""));
}

static vouch_code count(void *context, vouch_span record, vouch_error *err)
{
    (void)err;
    CHECK(record.size == 9 && memcmp(record.data, "record", 6) == 0);
    ++*(size_t *)context;
    return VOUCH_OK;
}

typedef struct opening {
    const char *name;
    const vch_seal_root *root;
    vch_state_origin before[2];
    size_t before_count;
    bool fleeting;
} opening;

static vouch_code try_open(const opening *o, size_t *records, vch_state **out, vouch_error *err)
{
    const vch_state_options how = { .parent = parent,
                                    .name = o->name,
                                    .root = o->root,
                                    .fleeting = o->fleeting,
                                    .before = o->before,
                                    .before_count = o->before_count,
                                    .replay = count,
                                    .context = records };
    *records = 0;
    return vch_state_open(&how, out, err);
}

static vch_state *open_one(const opening *o, size_t *records)
{
    vouch_error err = { 0 };
    vch_state *s = NULL;
    CHECK_OK(try_open(o, records, &s, &err), &err);
    return s;
}

static void add(vch_state *s, const char *record)
{
    vouch_error err = { 0 };
    vch_journal *j = vch_state_journal(s);
    CHECK_OK(vch_journal_add(j, (vouch_span) { (const uint8_t *)record, strlen(record) }, &err),
             &err);
    CHECK_OK(vch_journal_commit(j, &err), &err);
}

static const char *name_of(size_t i)
{
    static const char *const names[FILES] = { "spool-a", "spool-b", "model-c" };
    return names[i];
}

static size_t size_of(size_t i)
{
    static const size_t sizes[FILES] = { 0, 100, BIG };
    return sizes[i];
}

static uint8_t byte_of(size_t file, size_t at)
{
    return (uint8_t)(at * 7 + at / 251 + file);
}

static vch_sealed_options options_of(const char *directory, size_t i, const vch_seal_root *root)
{
    static char path[VCH_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s", path_of(directory, ""));
    return (vch_sealed_options) {
        .directory = path, .name = name_of(i), .purpose = i == 2 ? "model" : "spool", .root = root
    };
}

static vch_sealed *write_file(const char *directory, size_t i, const vch_seal_root *root)
{
    vouch_error err = { 0 };
    vch_sealed *s = NULL;
    const vch_sealed_options how = options_of(directory, i, root);
    uint8_t *bytes = malloc(size_of(i) + 1);
    CHECK(bytes != NULL);
    for (size_t at = 0; at < size_of(i); at++)
        bytes[at] = byte_of(i, at);
    CHECK_OK(vch_sealed_new(&how, size_of(i), &s, &err), &err);
    CHECK_OK(vch_sealed_append(s, (vouch_span) { bytes, size_of(i) }, &err), &err);
    CHECK_OK(vch_sealed_finish(s, &err), &err);
    CHECK_OK(vch_sealed_sync(s, &err), &err);
    CHECK_OK(vch_sealed_publish(s, &err), &err);
    stamp[i] = *vch_sealed_stamp_of(s);
    free(bytes);
    return s;
}

/* `old`, with three files and five records in two journal files. */
static vch_state *make_state(const vch_seal_root *root)
{
    size_t records = 0;
    const opening o = { .name = "old", .root = root };
    vch_state *s = open_one(&o, &records);
    add(s, "record-01");
    add(s, "record-02");
    vch_state_close(s);
    s = open_one(&o, &records);
    CHECK(records == 2);
    for (size_t i = 0; i < FILES; i++)
        vch_sealed_free(write_file("old", i, root));
    add(s, "record-03");
    add(s, "record-04");
    add(s, "record-05");
    return s;
}

static void expect_content(vch_sealed *file, size_t i)
{
    vouch_error err = { 0 };
    uint8_t *bytes = malloc(size_of(i) + 1);
    CHECK(bytes != NULL);
    CHECK_OK(vch_sealed_read(file, 0, bytes, size_of(i), &err), &err);
    for (size_t at = 0; at < size_of(i); at++)
        CHECK(bytes[at] == byte_of(i, at));
    free(bytes);
}

/* The stamps of before hold, and the content is checked throughout. */
static void expect_files(const char *directory, const vch_seal_root *root)
{
    for (size_t i = 0; i < FILES; i++) {
        vouch_error err = { 0 };
        vch_sealed *file = NULL;
        const vch_sealed_options how = options_of(directory, i, root);
        CHECK_OK(vch_sealed_open(&how, &stamp[i], true, &file, &err), &err);
        expect_content(file, i);
        vch_sealed_free(file);
    }
}

static void expect_state(const opening *o, size_t want)
{
    size_t records = 0;
    vch_state *s = open_one(o, &records);
    CHECK(records == want);
    expect_files(o->name, o->root);
    CHECK(!is_there("new.partial"));
    vch_state_close(s);
}

static void reseal(vch_state *s, const char *name, const vch_seal_root *root)
{
    vouch_error err = { 0 };
    bool spoilt = false;
    CHECK_OK(vch_state_reseal(s, name, root, &spoilt, &err), &err);
    CHECK(!spoilt);
}

static opening new_of_old(void)
{
    return (opening) {
        .name = "new", .root = second, .before = { { "old", first } }, .before_count = 1
    };
}

static void what_was_kept_goes_along_and_the_old_directory_is_gone(void **state)
{
    (void)state;
    vch_state *s = make_state(first);
    reseal(s, "new", second);
    CHECK(!is_there("old") && !is_there("new.partial"));
    CHECK(strstr(vch_state_directory(s), "/new") != NULL);
    expect_files("new", second);
    add(s, "record-06");
    vch_state_close(s);
    expect_state(&(opening) { .name = "new", .root = second }, 6);
}

static void the_old_root_opens_nothing_of_it(void **state)
{
    (void)state;
    size_t records = 0;
    vch_state *s = make_state(first);
    reseal(s, "new", second);
    add(s, "record-06");
    vch_state_close(s);
    for (size_t i = 0; i < FILES; i++) {
        vch_sealed *file = NULL;
        const vch_sealed_options how = options_of("new", i, first);
        CHECK(vch_sealed_open(&how, &stamp[i], false, &file, NULL) == VOUCH_E_CRYPTO);
    }
    s = open_one(&(opening) { .name = "old", .root = first }, &records); /* as before the change */
    CHECK(records == 0);
    vch_state_close(s);
    CHECK(vch_dir_remove_tree(path_of("old", ""), NULL) == VOUCH_OK);
    char from[VCH_PATH_SIZE];
    CHECK(vch_path_join(parent, "new", from, NULL) == VOUCH_OK);
    char to[VCH_PATH_SIZE];
    CHECK(vch_path_join(parent, "old", to, NULL) == VOUCH_OK);
    CHECK(rename(from, to) == 0); /* the host gives it the name that the old policy looks for */
    s = open_one(&(opening) { .name = "old", .root = first }, &records);
    CHECK(records == 0); /* moved aside as what another key sealed */
    vch_state_close(s);
}

static void an_open_file_goes_on_as_its_copy(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_state *s = make_state(first);
    vch_sealed *file = write_file("old", 2, first);
    vch_sealed *owner = vch_sealed_ref(file);
    uint8_t byte = 0;
    CHECK_OK(vch_sealed_read(file, BIG - 1, &byte, 1, &err), &err);
    reseal(s, "new", second);
    const vch_sealed_place to = { vch_state_directory(s), second };
    CHECK_OK(vch_sealed_move(file, &to, &err), &err);
    vch_sealed_free(owner);
    expect_content(file, 2);
    CHECK(vch_file_exists(path_of("new", "model-c")));
    vch_sealed_discard(file);
    CHECK(!vch_file_exists(path_of("new", "model-c")));
    vch_state_close(s);
}

static void one_that_is_not_published_cannot_be_moved(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_sealed *file = NULL;
    vch_sealed *memory = NULL;
    vch_state *s = make_state(first);
    vch_sealed_options how = options_of("old", 0, first);
    how.name = "spool-d";
    CHECK_OK(vch_sealed_new(&how, 1, &file, &err), &err);
    how.directory = NULL;
    CHECK_OK(vch_sealed_new(&how, 1, &memory, &err), &err);
    reseal(s, "new", second);
    const vch_sealed_place to = { vch_state_directory(s), second };
    CHECK(vch_sealed_move(file, &to, NULL) == VOUCH_E_INTERNAL);
    CHECK(!vch_file_exists(path_of("new", "spool-d.tmp"))); /* nor does it come along */
    CHECK_OK(vch_sealed_move(memory, &to, &err), &err);     /* it lies where it did */
    vch_sealed_free(memory);
    vch_sealed_free(file);
    vch_state_close(s);
}

static void in_clear_it_goes_along_in_clear(void **state)
{
    (void)state;
    vch_state *s = make_state(NULL);
    reseal(s, "new", NULL);
    vch_state_close(s);
    CHECK(!is_there("old"));
    expect_state(&(opening) { .name = "new" }, 5);
}

static void with_the_same_root_only_the_name_changes(void **state)
{
    (void)state;
    vch_state *s = make_state(first); /* of a TEE that seals with a key of the process's */
    reseal(s, "new", first);
    expect_files("new", first);
    CHECK(!is_there("old"));
    vch_state_close(s);
}

static void a_start_takes_over_what_lies_under_the_policy_before(void **state)
{
    (void)state;
    const opening o = new_of_old();
    vch_state_close(make_state(first));
    expect_state(&o, 5);
    CHECK(!is_there("old"));
    expect_state(&o, 5);
}

static void the_newest_policy_before_counts_and_older_ones_are_removed(void **state)
{
    (void)state;
    size_t records = 0;
    const opening o = { .name = "newest",
                        .root = third,
                        .before = { { "new", second }, { "old", first } },
                        .before_count = 2 };
    vch_state *s = open_one(&(opening) { .name = "new", .root = second }, &records);
    add(s, "record-01");
    vch_state_close(s);
    vch_state_close(make_state(first));
    s = open_one(&o, &records);
    CHECK(records == 1);
    CHECK(!is_there("old") && !is_there("new"));
    vch_state_close(s);
}

static void a_policy_that_never_came_into_force_is_passed_over(void **state)
{
    (void)state;
    const opening o = { .name = "newest",
                        .root = third,
                        .before = { { "new", second }, { "old", first } },
                        .before_count = 2 };
    vch_state_close(make_state(first));
    expect_state(&o, 5);
}

static void where_the_present_one_is_there_the_old_one_is_a_leaving(void **state)
{
    (void)state;
    size_t records = 0;
    const opening o = new_of_old();
    vch_state_close(make_state(first));
    vch_state *s = open_one(&(opening) { .name = "new", .root = second }, &records);
    vch_state_close(s);
    s = open_one(&o, &records);
    CHECK(records == 0 && !is_there("old"));
    vch_state_close(s);
}

static void a_policy_that_nothing_leads_to_takes_over_nothing(void **state)
{
    (void)state;
    size_t records = 0;
    vch_state_close(make_state(first));
    CHECK(vch_dir_make(path_of("new.partial", ""), 0700, NULL)
          == VOUCH_OK); /* of a killed process */
    vch_state *s = open_one(&(opening) { .name = "new", .root = second }, &records);
    CHECK(records == 0 && is_there("old") && !is_there("new.partial"));
    vch_state_close(s);
}

static void where_the_old_one_does_not_open_all_begins_anew_and_it_stays(void **state)
{
    (void)state;
    size_t records = 0;
    opening o = new_of_old();
    o.before[0].root = third;
    vch_state_close(make_state(first));
    vch_state *s = open_one(&o, &records);
    CHECK(records == 0 && !is_there("old")); /* it is `old.void-<time>` */
    vch_state_close(s);
    o.before[0].root = first;
    s = open_one(&o, &records);
    CHECK(records == 0);
    vch_state_close(s);
}

static void a_fleeting_root_takes_over_nothing(void **state)
{
    (void)state;
    size_t records = 0;
    opening o = new_of_old();
    o.fleeting = true;
    o.before[0].root = NULL; /* it is not known */
    vch_state_close(make_state(first));
    vch_state *s = open_one(&o, &records);
    CHECK(records == 0 && !is_there("old"));
    vch_state_close(s);
}

/* What a start in another process comes to. */
static vouch_code started_elsewhere(const opening *o)
{
    int status = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        size_t records = 0;
        vch_state *s = NULL;
        _exit((int)try_open(o, &records, &s, NULL));
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    return (vouch_code)WEXITSTATUS(status);
}

static void while_another_process_works_on_it_a_start_is_refused(void **state)
{
    (void)state;
    vch_state *s = make_state(first);
    const opening o = new_of_old();
    CHECK(started_elsewhere(&o) == VOUCH_E_CONFIG);
    reseal(s, "new", second); /* and the lock goes along */
    CHECK(started_elsewhere(&o) == VOUCH_E_CONFIG);
    vch_state_close(s);
}

/* A process that has this directory until it is let go. */
typedef struct holder {
    pid_t pid;
    int pipe[2];
} holder;

static holder hold(const char *directory)
{
    holder h;
    int ready[2];
    char byte = 0;
    CHECK(pipe(h.pipe) == 0 && pipe(ready) == 0);
    h.pid = fork();
    CHECK(h.pid >= 0);
    if (h.pid == 0) {
        int lock = -1;
        (void)close(h.pipe[1]);
        if (vch_dir_make(path_of(directory, ""), 0700, NULL) != VOUCH_OK
            || vch_state_lock(path_of(directory, ""), &lock, NULL) != VOUCH_OK
            || write(ready[1], "", 1) != 1)
            _exit(1);
        _exit((int)read(h.pipe[0], &byte, 1)); /* 0: we are gone, too */
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    return h;
}

static void let_go(const holder *h)
{
    (void)close(h->pipe[0]);
    (void)close(h->pipe[1]);
    CHECK(waitpid(h->pid, NULL, 0) == h->pid);
}

static void waits_for(const char *directory)
{
    vouch_error err = { 0 };
    bool spoilt = false;
    vch_state *s = make_state(first);
    holder h = hold(directory);
    CHECK(vch_state_reseal(s, "new", second, &spoilt, &err) == VOUCH_E_IO && !spoilt);
    CHECK(is_there(directory) && is_there("old"));
    add(s, "record-06"); /* all is as it was */
    let_go(&h);
    reseal(s, "new", second);
    vch_state_close(s);
    expect_state(&(opening) { .name = "new", .root = second }, 6);
}

static void a_directory_at_work_under_the_new_name_is_not_moved_aside(void **state)
{
    (void)state;
    waits_for("new");
}

static void a_copy_that_another_process_makes_is_not_removed(void **state)
{
    (void)state;
    waits_for("new.partial");
    holder h = hold("next.partial");
    CHECK(started_elsewhere(&(opening) { .name = "next", .root = third }) == VOUCH_E_CONFIG);
    CHECK(is_there("next.partial"));
    let_go(&h);
    CHECK(started_elsewhere(&(opening) { .name = "next", .root = third }) == VOUCH_OK);
    CHECK(!is_there("next.partial"));
}

static bool at_work;

static void a_start_comes(void)
{
    at_work = is_there("new.partial")
              && started_elsewhere(&(opening) { .name = "new", .root = second }) == VOUCH_E_CONFIG;
    if (!at_work)
        meanwhile = a_start_comes; /* it has not begun */
}

static void a_start_that_comes_while_it_is_copied_is_refused(void **state)
{
    (void)state;
    vch_state *s = make_state(first);
    at_work = false;
    meanwhile = a_start_comes;
    reseal(s, "new", second);
    meanwhile = NULL;
    CHECK(at_work);
    vch_state_close(s);
    expect_state(&(opening) { .name = "new", .root = second }, 5);
}

static void one_that_lies_under_the_new_name_is_moved_aside(void **state)
{
    (void)state;
    size_t records = 0;
    vch_state *s = open_one(&(opening) { .name = "new", .root = second }, &records);
    add(s, "record-00");
    vch_state_close(s);
    s = make_state(first);
    reseal(s, "new", second);
    vch_state_close(s);
    expect_state(&(opening) { .name = "new", .root = second }, 5);
}

/* One byte of a file, from its end. */
static void flip(const char *path, size_t from_end)
{
    vch_buffer bytes = test_read(path);
    bytes.data[bytes.size - from_end] ^= 1;
    test_write(path, bytes.data, bytes.size);
    vch_buffer_drop(&bytes);
}

static void damage_is_not_copied(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t from_end;
    } damages[] = { { "model-c", 1 }, { "spool-b", 200 }, { "journal-00000001", 1 } };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        vouch_error err = { 0 };
        char text[1024];
        bool spoilt = false;
        size_t records = 0;
        vch_state *s = make_state(first);
        flip(path_of("old", damages[i].name), damages[i].from_end);
        vouch_code rc = vch_state_reseal(s, "new", second, &spoilt, &err);
        CHECK(rc == VOUCH_E_CRYPTO || rc == VOUCH_E_FORMAT);
        CHECK(!spoilt && is_there("old") && !is_there("new") && !is_there("new.partial"));
        CHECK(strstr(vouch_error_text(&err, text, sizeof text), damages[i].name) != NULL);
        vch_state_close(s);
        const opening o = new_of_old();
        s = NULL;
        rc = try_open(&o, &records, &s, NULL);
        CHECK(rc == VOUCH_E_CRYPTO || rc == VOUCH_E_FORMAT);
        CHECK(is_there("old") && !is_there("new"));
        CHECK(vch_dir_remove_tree(path_of("old", ""), NULL) == VOUCH_OK);
    }
}

static void a_commit_that_was_never_finished_stays_behind_untouched(void **state)
{
    (void)state;
    size_t records = 0;
    const opening o = new_of_old();
    vch_state *s = NULL;
    vch_state_close(make_state(first));
    vch_buffer whole = test_read(path_of("old", "journal-00000002"));
    vch_buffer_append(&whole, vch_span_str("half"));
    test_write(path_of("old", "journal-00000002"), whole.data, whole.size);
    flip(path_of("old", "model-c"), 1);
    CHECK(try_open(&o, &records, &s, NULL) == VOUCH_E_CRYPTO);
    vch_buffer after = test_read(path_of("old", "journal-00000002"));
    CHECK(vch_span_equal(vch_buffer_span(&whole), vch_buffer_span(&after)));
    vch_buffer_drop(&whole);
    vch_buffer_drop(&after);
    flip(path_of("old", "model-c"), 1);
    expect_state(&o, 5);
}

/* The n-th call that changes the disk is the last of the process. */
static int killed_at(int n, bool starts)
{
    int status = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        vouch_error err = { 0 };
        size_t records = 0;
        bool spoilt = false;
        vch_state *s = NULL;
        opening o = new_of_old();
        if (!starts)
            o = (opening) { .name = "old", .root = first };
        if (!starts && try_open(&o, &records, &s, &err) != VOUCH_OK)
            _exit(1);
        calls = 0;
        kill_at = n;
        vouch_code rc = starts ? try_open(&o, &records, &s, &err)
                               : vch_state_reseal(s, "new", second, &spoilt, &err);
        _exit(rc == VOUCH_OK ? SURVIVED : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void is_killed_at_every_call(bool starts)
{
    const opening o = new_of_old();
    int status = KILLED;
    int n = 0;
    while (status == KILLED) {
        vch_state_close(make_state(first));
        status = killed_at(++n, starts);
        CHECK(is_there("old") || is_there("new"));
        expect_state(&o, 5);
        CHECK(!is_there("old"));
        CHECK(vch_dir_remove_tree(path_of("new", ""), NULL) == VOUCH_OK);
    }
    CHECK(status == SURVIVED);
    CHECK(n > 20);
}

static void killed_at_any_call_of_a_change_one_state_is_left(void **state)
{
    (void)state;
    is_killed_at_every_call(false);
}

static void killed_at_any_call_of_a_start_one_state_is_left(void **state)
{
    (void)state;
    is_killed_at_every_call(true);
}

static void a_call_that_fails_leaves_the_state_as_it_was_or_ends_the_process(void **state)
{
    (void)state;
    const opening o = new_of_old();
    int failed = 0;
    int spoilt_count = 0;
    vouch_code rc = VOUCH_E_IO;
    for (int n = 1; rc != VOUCH_OK || calls >= n; n++) {
        bool spoilt = false;
        vouch_error err = { 0 };
        vch_state *s = make_state(first);
        calls = 0;
        fail_at = n;
        rc = vch_state_reseal(s, "new", second, &spoilt, &err);
        fail_at = 0;
        CHECK(rc == VOUCH_OK || rc == VOUCH_E_IO);
        failed += rc != VOUCH_OK;
        spoilt_count += spoilt;
        if (rc == VOUCH_E_IO && !spoilt) { /* as it was: it goes on, and may succeed later */
            expect_files("old", first);
            add(s, "record-06");
            reseal(s, "new", second);
        } else {
            CHECK(is_there("new"));
            if (!spoilt)
                add(s, "record-06");
        }
        vch_state_close(s);
        expect_state(&o, spoilt ? 5 : 6);
        CHECK(vch_dir_remove_tree(path_of("new", ""), NULL) == VOUCH_OK);
    }
    CHECK(failed > 15 && spoilt_count > 0 && spoilt_count < failed / 2);
}

/* Nobody knows what is on disk: that is the next start's to find out. */
static void what_a_spoilt_journal_says_is_not_copied(void **state)
{
    (void)state;
    bool spoilt = false;
    vch_state *s = make_state(first);
    vch_journal *j = vch_state_journal(s);
    CHECK(vch_journal_add(j, (vouch_span) { (const uint8_t *)"record-06", 9 }, NULL) == VOUCH_OK);
    calls = 0;
    fail_at = 2; /* the sync after the write */
    CHECK(vch_journal_commit(j, NULL) == VOUCH_E_IO && vch_journal_is_spoilt(j));
    CHECK(vch_state_reseal(s, "new", second, &spoilt, NULL) == VOUCH_E_IO && spoilt);
    CHECK(is_there("old") && !is_there("new"));
    vch_state_close(s);
}

#define ONE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(what_was_kept_goes_along_and_the_old_directory_is_gone),
        ONE(the_old_root_opens_nothing_of_it),
        ONE(an_open_file_goes_on_as_its_copy),
        ONE(one_that_is_not_published_cannot_be_moved),
        ONE(in_clear_it_goes_along_in_clear),
        ONE(with_the_same_root_only_the_name_changes),
        ONE(a_start_takes_over_what_lies_under_the_policy_before),
        ONE(the_newest_policy_before_counts_and_older_ones_are_removed),
        ONE(a_policy_that_never_came_into_force_is_passed_over),
        ONE(where_the_present_one_is_there_the_old_one_is_a_leaving),
        ONE(a_policy_that_nothing_leads_to_takes_over_nothing),
        ONE(where_the_old_one_does_not_open_all_begins_anew_and_it_stays),
        ONE(a_fleeting_root_takes_over_nothing),
        ONE(while_another_process_works_on_it_a_start_is_refused),
        ONE(a_directory_at_work_under_the_new_name_is_not_moved_aside),
        ONE(a_copy_that_another_process_makes_is_not_removed),
        ONE(a_start_that_comes_while_it_is_copied_is_refused),
        ONE(one_that_lies_under_the_new_name_is_moved_aside),
        ONE(damage_is_not_copied),
        ONE(a_commit_that_was_never_finished_stays_behind_untouched),
        ONE(what_a_spoilt_journal_says_is_not_copied),
        ONE(killed_at_any_call_of_a_change_one_state_is_left),
        ONE(killed_at_any_call_of_a_start_one_state_is_left),
        ONE(a_call_that_fails_leaves_the_state_as_it_was_or_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
