#include "host/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "host/clock.h"

extern char **environ;

/* Everything the new process needs, made before the fork: after it only system calls happen. */
typedef struct plan {
    char **argv;
    char **environment;
    int ends[3]; /* what becomes descriptor 0, 1, 2; -1: inherited */
    int ours[3]; /* our ends of pipes; -1: none */
    bool owned[3];
    struct sock_fprog filter; /* len 0: none */
    int report[2];            /* the child writes errno here if it cannot start */
} plan;

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void plan_drop(plan *p)
{
    free(p->argv);
    free(p->environment);
    for (int i = 0; i < 3; i++) {
        if (p->owned[i])
            close_fd(&p->ends[i]);
        close_fd(&p->ours[i]);
    }
    close_fd(&p->report[0]);
    close_fd(&p->report[1]);
}

static size_t count_of(const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

static bool same_name(const char *a, const char *b)
{
    const char *equals = strchr(b, '=');
    size_t size = equals == NULL ? strlen(b) : (size_t)(equals - b) + 1;
    return strncmp(a, b, size) == 0;
}

static bool is_replaced(const char *entry, const char *const *added)
{
    for (size_t i = 0; added != NULL && added[i] != NULL; i++) {
        if (same_name(entry, added[i]))
            return true;
    }
    return false;
}

/* execve takes `char *const *`; it does not write through it. */
static char *unconst(const char *text)
{
    union {
        const char *in;
        char *out;
    } u = { .in = text };
    return u.out;
}

static char **list_copy(const char *const *from, const char *const *without,
                        const char *const *added)
{
    char **list = calloc(count_of(from) + count_of(added) + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; list != NULL && from != NULL && from[i] != NULL; i++) {
        if (!is_replaced(from[i], without))
            list[n++] = unconst(from[i]);
    }
    for (size_t i = 0; list != NULL && added != NULL && added[i] != NULL; i++)
        list[n++] = unconst(added[i]);
    return list;
}

static vouch_code plan_stdio(plan *p, int at, vch_child_stdio kind, int given, vouch_error *err)
{
    int pair[2] = { -1, -1 };
    switch (kind) {
    case VCH_CHILD_INHERIT:
        return VOUCH_OK;
    case VCH_CHILD_FD:
        p->ends[at] = given;
        return VOUCH_OK;
    case VCH_CHILD_NULL:
        p->ends[at] = open("/dev/null", (at == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
        p->owned[at] = true;
        if (p->ends[at] < 0)
            return vouch_fail(err, VOUCH_E_IO, "opening /dev/null: %s", strerror(errno));
        return VOUCH_OK;
    case VCH_CHILD_PIPE:
        if (pipe2(pair, O_CLOEXEC) != 0)
            return vouch_fail(err, VOUCH_E_IO, "making a pipe: %s", strerror(errno));
        p->ends[at] = pair[at == 0 ? 0 : 1];
        p->ours[at] = pair[at == 0 ? 1 : 0];
        p->owned[at] = true;
        return VOUCH_OK;
    }
    return vouch_fail(err, VOUCH_E_INTERNAL, "unknown kind of standard stream");
}

/* An unsigned short counts the instructions; the kernel reads them where they are. */
static vouch_code plan_filter(plan *p, vouch_span filter, vouch_error *err)
{
    size_t count = filter.size / sizeof(struct sock_filter);
    if (filter.size % sizeof(struct sock_filter) != 0 || count > BPF_MAXINSNS)
        return vouch_fail(err, VOUCH_E_LIMIT, "a system call filter of %zu bytes", filter.size);
    union {
        const uint8_t *in;
        struct sock_filter *out;
    } u = { .in = filter.data };
    p->filter = (struct sock_fprog) { (unsigned short)count, u.out };
    return VOUCH_OK;
}

static vouch_code plan_make(plan *p, const vch_child_options *o, vouch_error *err)
{
    if (o->argv == NULL || o->argv[0] == NULL)
        return vouch_fail(err, VOUCH_E_INTERNAL, "starting a program: no name given");
    const char *const *inherited = o->environment_cleared ? NULL : (const char *const *)environ;
    p->argv = list_copy(o->argv, NULL, NULL);
    p->environment = list_copy(inherited, o->environment, o->environment);
    if (p->argv == NULL || p->environment == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "starting '%s': out of memory", o->argv[0]);
    if (pipe2(p->report, O_CLOEXEC) != 0)
        return vouch_fail(err, VOUCH_E_IO, "making a pipe: %s", strerror(errno));
    vouch_code rc = plan_filter(p, o->system_call_filter, err);
    if (rc == VOUCH_OK)
        rc = plan_stdio(p, 0, o->input, o->input_fd, err);
    if (rc == VOUCH_OK)
        rc = plan_stdio(p, 1, o->output, o->output_fd, err);
    if (rc == VOUCH_OK)
        rc = plan_stdio(p, 2, o->errors, o->errors_fd, err);
    return rc;
}

/* Put the three streams in place. Sources below 3 are moved up first, so none is overwritten. */
static bool place_stdio(plan *p)
{
    for (int i = 0; i < 3; i++) {
        if (p->ends[i] >= 0 && p->ends[i] < 3)
            p->ends[i] = fcntl(p->ends[i], F_DUPFD_CLOEXEC, 3);
    }
    for (int i = 0; i < 3; i++) {
        if (p->ends[i] >= 0 && dup2(p->ends[i], i) < 0)
            return false;
    }
    return true;
}

static void reset_signals(void)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    struct sigaction usual = { .sa_handler = SIG_DFL };
    (void)sigaction(SIGPIPE, &usual, NULL);
}

/* Holds for this process, what it executes and all that it starts. */
static bool limit_calls(struct sock_fprog *filter)
{
    return filter->len == 0
           || (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
               && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter, 0, 0) == 0);
}

/* Private memory, not address space: libraries reserve much of that and use little. */
static bool limit_memory(size_t bytes)
{
    const struct rlimit limit = { bytes, bytes };
    return bytes == 0 || setrlimit(RLIMIT_DATA, &limit) == 0;
}

/* In the new process: only async-signal-safe calls. */
static void become(plan *p, const vch_child_options *o, pid_t parent)
{
    (void)setpgid(0, 0);
    reset_signals();
    if (!o->outlives_parent) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127); /* the parent went before the request stood */
    }
    int report = fcntl(p->report[1], F_DUPFD_CLOEXEC, 10); /* away from 0, 1 and 2 */
    int program = o->by_descriptor ? fcntl(o->program_fd, F_DUPFD_CLOEXEC, 10) : -1;
    bool placed = place_stdio(p) && (o->directory == NULL || chdir(o->directory) == 0);
    placed = placed && limit_memory(o->memory_limit) && limit_calls(&p->filter);
    if (placed && o->by_descriptor)
        (void)fexecve(program, p->argv, p->environment);
    else if (placed)
        (void)execvpe(p->argv[0], p->argv, p->environment);
    int reason = errno;
    ssize_t n = write(report, &reason, sizeof reason);
    _exit(n == (ssize_t)sizeof reason ? 127 : 126);
}

/* 0 if the program runs now, else the errno of what stopped it. */
static int read_report(int fd)
{
    int reason = 0;
    ssize_t n = -1;
    do {
        n = read(fd, &reason, sizeof reason);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof reason ? reason : 0;
}

vouch_code vch_child_start(const vch_child_options *options, vch_child *out, vouch_error *err)
{
    VCH_SCOPED(plan_drop)
    plan p = { .ends = { -1, -1, -1 }, .ours = { -1, -1, -1 }, .report = { -1, -1 } };
    vouch_code rc = plan_make(&p, options, err);
    if (rc != VOUCH_OK)
        return rc;
    assert(p.argv != NULL && p.environment != NULL);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return vouch_fail(err, VOUCH_E_IO, "starting '%s': %s", options->argv[0], strerror(errno));
    if (pid == 0)
        become(&p, options, parent);
    (void)setpgid(pid, pid); /* in both processes, so that it holds whoever runs first */
    close_fd(&p.report[1]);
    int reason = read_report(p.report[0]);
    if (reason != 0) {
        (void)waitpid(pid, NULL, 0);
        return vouch_fail(err, reason == ENOENT ? VOUCH_E_NOT_FOUND : VOUCH_E_IO,
                          "starting '%s': %s", options->argv[0], strerror(reason));
    }
    *out = (vch_child) { pid, p.ours[0], p.ours[1], p.ours[2], false, 0 };
    p.ours[0] = p.ours[1] = p.ours[2] = -1;
    return VOUCH_OK;
}

/* One look; true once it is reaped. */
static bool reap(vch_child *child, int flags)
{
    int status = 0;
    if (child->ended)
        return true;
    pid_t pid = waitpid(child->pid, &status, flags);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return false;
    child->ended = true;
    if (pid < 0)
        child->exit_status = 255; /* someone else reaped it: its status is lost */
    else
        child->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

static void pause_ms(long ms)
{
    const struct timespec t = { 0, ms * 1000000 };
    (void)nanosleep(&t, NULL); /* shorter is fine: the caller looks at the clock */
}

vouch_code vch_child_wait(vch_child *child, int64_t timeout_ms, int *out_exit_status,
                          vouch_error *err)
{
    if (child->pid <= 0)
        return vouch_fail(err, VOUCH_E_INTERNAL, "waiting for a program that was not started");
    int64_t until = vch_clock_monotonic_ms() + timeout_ms;
    /* A portable wait with a deadline: look, and sleep a little longer each time. */
    for (long step = 1; !reap(child, timeout_ms < 0 ? 0 : WNOHANG);
         step = step < 16 ? step * 2 : 16) {
        if (timeout_ms >= 0 && vch_clock_monotonic_ms() >= until)
            return vouch_fail(err, VOUCH_E_TIMEOUT, "process %ld still runs", (long)child->pid);
        if (timeout_ms >= 0)
            pause_ms(step);
    }
    *out_exit_status = child->exit_status;
    return VOUCH_OK;
}

void vch_child_signal(const vch_child *child, int signal)
{
    if (child->pid > 0 && !child->ended)
        (void)kill(-child->pid, signal); /* ESRCH: it is a zombie, waiting to be reaped */
}

void vch_child_stop(vch_child *child, int64_t grace_ms)
{
    int status = 0;
    if (child->pid <= 0)
        return;
    vch_child_signal(child, SIGTERM);
    if (vch_child_wait(child, grace_ms, &status, NULL) == VOUCH_OK)
        return;
    vch_child_signal(child, SIGKILL);
    (void)!vch_child_wait(child, -1, &status, NULL);
}

void vch_child_drop(vch_child *child)
{
    if (child->pid <= 0)
        return;
    vch_child_signal(child, SIGKILL);
    while (!reap(child, 0)) {
    }
    close_fd(&child->input);
    close_fd(&child->output);
    close_fd(&child->errors);
    *child = (vch_child) { 0, -1, -1, -1, false, 0 };
}
