/*
 * What a program sees under the limits. The program is this test itself, started again under the
 * filter with the name of a scene.
 */
#include "sim/gramine_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/secret.h"
#include "check.h"
#include "crypto/key.h"
#include "crypto/secure_heap.h"
#include "host/child.h"
#include "host/process.h"

#define PAGE ((size_t)4096)

/* --- scenes: 0 if all is as the limits say; otherwise what is not stands on stderr --- */

static bool expect(const char *what, bool good)
{
    if (!good)
        (void)fprintf(stderr, "# %s: %s\n", what, strerror(errno));
    return good;
}

/* With arguments that Linux would refuse otherwise, where the call is there. */
static bool missing(const char *what, long number)
{
    errno = 0;
    return expect(what, syscall(number, -1L, 0L, 0L, 0L, 0L, 0L) == -1 && errno == ENOSYS);
}

static int scene_missing(void)
{
    bool good = missing("inotify_init1", SYS_inotify_init1) & missing("memfd", SYS_memfd_create)
                & missing("io_uring_setup", SYS_io_uring_setup) & missing("statx", SYS_statx)
                & missing("prctl", SYS_prctl) & missing("renameat2", SYS_renameat2)
                & missing("execveat", SYS_execveat) & missing("symlinkat", SYS_symlinkat)
                & missing("copy_file_range", SYS_copy_file_range)
                & missing("timerfd_create", SYS_timerfd_create)
                & missing("signalfd4", SYS_signalfd4) & missing("mremap", SYS_mremap)
                & missing("shmget", SYS_shmget) & missing("ptrace", SYS_ptrace)
                & missing("utimensat", SYS_utimensat) & missing("clone3", SYS_clone3)
                & missing("preadv", SYS_preadv) & missing("flock", SYS_flock)
                & missing("a call of tomorrow", 9999);
    return good ? 0 : 1;
}

static int scene_offered(void)
{
    uint8_t random[8];
    int pair[2];
    bool good = expect("getrandom", syscall(SYS_getrandom, random, sizeof random, 0) == 8)
                && expect("pipe2", pipe2(pair, O_CLOEXEC) == 0)
                && expect("eventfd2", syscall(SYS_eventfd2, 0, 0) >= 0)
                && expect("epoll_create1", syscall(SYS_epoll_create1, 0) >= 0)
                && expect("close_range", syscall(SYS_close_range, 900, 1000, 0) == 0);
    return good ? 0 : 1;
}

static bool no_mapping(int fd)
{
    errno = 0;
    void *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    return expect("a shared mapping of a file", at == MAP_FAILED && errno == ENOSYS);
}

static bool mapped(const char *what, int flags, int fd)
{
    return expect(what, mmap(NULL, PAGE, PROT_READ, flags, fd, 0) != MAP_FAILED);
}

static int scene_memory(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    void *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool good = fd >= 0 && at != MAP_FAILED && no_mapping(fd)
                && mapped("a private mapping of a file", MAP_PRIVATE, fd)
                && mapped("shared memory for children", MAP_SHARED | MAP_ANONYMOUS, -1)
                && expect("DONTNEED", madvise(at, PAGE, MADV_DONTNEED) == 0)
                && expect("DONTDUMP", madvise(at, PAGE, MADV_DONTDUMP) == -1 && errno == ENOSYS)
                && expect("DONTFORK", madvise(at, PAGE, MADV_DONTFORK) == -1 && errno == ENOSYS);
    return good ? 0 : 1;
}

/* What a participant does before it holds a key. */
static int scene_secrets(void)
{
    vouch_error err = { 0 };
    char text[512];
    VCH_SCOPED(vch_secret_drop) vch_secret secret = { 0 };
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    vouch_code rc = vch_process_harden(&err);
    if (rc == VOUCH_OK)
        rc = vch_secret_alloc(&secret, 100, &err);
    if (rc == VOUCH_OK)
        rc = vch_secure_heap_start(&err);
    if (rc == VOUCH_OK)
        rc = vch_key_generate(VCH_KEY_P384, &key, &err);
    if (rc != VOUCH_OK)
        (void)fprintf(stderr, "# %s\n", vouch_error_text(&err, text, sizeof text));
    return rc == VOUCH_OK ? 0 : 1;
}

static int scene_grandchild(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(scene_missing());
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

static const struct {
    const char *name;
    int (*play)(void);
} scenes[] = {
    { "missing", scene_missing }, { "offered", scene_offered },       { "memory", scene_memory },
    { "secrets", scene_secrets }, { "grandchild", scene_grandchild },
};

/* --- the tests --- */

static void play_limited(const char *scene)
{
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer filter = vch_buffer_with_cap(VCH_GRAMINE_FILTER_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer said = vch_buffer_with_cap(PAGE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer complained = vch_buffer_with_cap(16 * PAGE);
    vouch_error err = { 0 };
    int status = -1;
    const char *const argv[] = { "/proc/self/exe", scene, NULL };
    /* LeakSanitizer traces its own process, which nothing can under these limits */
    const char *const environment[] = { "ASAN_OPTIONS=detect_leaks=0", NULL };
    CHECK_OK(vch_gramine_limits_filter(&filter, &err), &err);
    const vch_child_options options = { .argv = argv,
                                        .environment = environment,
                                        .system_call_filter = vch_buffer_span(&filter) };
    CHECK_OK(vch_child_run(&options, (vouch_span) { 0 }, 20000, &said, &complained, &status, &err),
             &err);
    if (status != 0)
        fail_msg("%s: %s", scene, vch_buffer_text(&complained));
}

static void what_gramine_lacks_answers_enosys(void **state)
{
    (void)state;
    play_limited("missing");
}

static void what_gramine_has_still_works(void **state)
{
    (void)state;
    play_limited("offered");
}

static void memory_is_neither_shared_through_files_nor_kept_from_dumps(void **state)
{
    (void)state;
    play_limited("memory");
}

static void keys_can_be_made_and_locked_all_the_same(void **state)
{
    (void)state;
    play_limited("secrets");
}

static void the_limits_hold_for_children(void **state)
{
    (void)state;
    play_limited("grandchild");
}

static void without_the_filter_the_calls_are_there(void **state)
{
    (void)state;
    CHECK(syscall(SYS_memfd_create, "x", 0) >= 0);
    CHECK(!vch_secret_dumps_need_no_advice(PAGE)); /* Linux takes the advice: it is needed */
}

static void a_filter_that_is_no_whole_number_of_instructions_is_refused(void **state)
{
    (void)state;
    const char *const argv[] = { "/bin/true", NULL };
    static const uint8_t some[7];
    vch_child child = { 0 };
    const vch_child_options options = { .argv = argv, .system_call_filter = { some, sizeof some } };
    CHECK(vch_child_start(&options, &child, NULL) == VOUCH_E_LIMIT);
}

int main(int argc, char *argv[])
{
    for (size_t i = 0; argc == 2 && i < sizeof scenes / sizeof *scenes; i++) {
        if (strcmp(argv[1], scenes[i].name) == 0)
            return scenes[i].play();
    }
    const struct CMUnitTest tests[] = {
        TEST(what_gramine_lacks_answers_enosys),
        TEST(what_gramine_has_still_works),
        TEST(memory_is_neither_shared_through_files_nor_kept_from_dumps),
        TEST(keys_can_be_made_and_locked_all_the_same),
        TEST(the_limits_hold_for_children),
        TEST(without_the_filter_the_calls_are_there),
        TEST(a_filter_that_is_no_whole_number_of_instructions_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
