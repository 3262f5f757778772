#include "sim/gramine_limits.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"

/* Offered whatever their arguments are. restart_syscall is the kernel's own, for stopped sleeps. */
static const char *const offered[] = {
    "restart_syscall",
    "accept",
    "accept4",
    "access",
    "alarm",
    "arch_prctl",
    "bind",
    "brk",
    "chdir",
    "chmod",
    "chown",
    "chroot",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "clone",
    "close",
    "close_range",
    "connect",
    "creat",
    "dup",
    "dup2",
    "dup3",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "eventfd",
    "eventfd2",
    "execve",
    "exit",
    "exit_group",
    "faccessat",
    "fadvise64",
    "fallocate",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fcntl",
    "fdatasync",
    "fgetxattr",
    "flistxattr",
    "fork",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "futex",
    "get_robust_list",
    "getcpu",
    "getcwd",
    "getdents",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getitimer",
    "getpeername",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getrlimit",
    "getsid",
    "getsockname",
    "getsockopt",
    "gettid",
    "gettimeofday",
    "getuid",
    "getxattr",
    "ioctl",
    "kill",
    "lgetxattr",
    "listen",
    "listxattr",
    "llistxattr",
    "lseek",
    "lstat",
    "mbind",
    "mincore",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "mlock",
    "mlock2",
    "mlockall",
    "mprotect",
    "msync",
    "munlock",
    "munlockall",
    "munmap",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "pause",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "pread64",
    "prlimit64",
    "pselect6",
    "pwrite64",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "rename",
    "renameat",
    "rmdir",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_setaffinity",
    "sched_setparam",
    "sched_setscheduler",
    "sched_yield",
    "select",
    "sendfile",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "set_robust_list",
    "set_tid_address",
    "setdomainname",
    "setgid",
    "setgroups",
    "sethostname",
    "setitimer",
    "setpgid",
    "setpriority",
    "setrlimit",
    "setsid",
    "setsockopt",
    "setuid",
    "shutdown",
    "sigaltstack",
    "socket",
    "socketpair",
    "stat",
    "statfs",
    "sysinfo",
    "tgkill",
    "time",
    "tkill",
    "truncate",
    "umask",
    "uname",
    "unlink",
    "unlinkat",
    "vfork",
    "wait4",
    "waitid",
    "write",
    "writev",
};

/* Gramine does these, or may ignore them; the others (DONTDUMP, DONTFORK, ...) answer ENOSYS. */
static const int advices[] = {
    MADV_NORMAL, MADV_RANDOM,    MADV_SEQUENTIAL,  MADV_WILLNEED, MADV_DONTNEED,
    MADV_FREE,   MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
};

typedef struct filter {
    scmp_filter_ctx context;
} filter;

static void filter_drop(filter *f)
{
    if (f->context != NULL)
        seccomp_release(f->context);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static vouch_code refuse(vouch_error *err, const char *what, int number)
{
    return vouch_fail(err, VOUCH_E_UNSUPPORTED, "Gramine's limits: %s: %s", what,
                      strerror(number < 0 ? -number : number));
}

static vouch_code allow(const filter *f, const char *name, unsigned count,
                        const struct scmp_arg_cmp *conditions, vouch_error *err)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return refuse(err, name, ENOSYS);
    int failed = seccomp_rule_add_array(f->context, SCMP_ACT_ALLOW, number, count, conditions);
    return failed == 0 ? VOUCH_OK : refuse(err, name, failed);
}

/* A shared mapping of a file needs memory that the host shares: not in an enclave. */
static vouch_code allow_mappings(const filter *f, vouch_error *err)
{
    const struct scmp_arg_cmp private = SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_TYPE, MAP_PRIVATE);
    const struct scmp_arg_cmp anonymous =
        SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_TYPE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS);
    vouch_code rc = allow(f, "mmap", 1, &private, err);
    return rc == VOUCH_OK ? allow(f, "mmap", 1, &anonymous, err) : rc;
}

static vouch_code add_rules(const filter *f, vouch_error *err)
{
    vouch_code rc = allow_mappings(f, err);
    for (size_t i = 0; rc == VOUCH_OK && i < sizeof offered / sizeof *offered; i++)
        rc = allow(f, offered[i], 0, NULL, err);
    for (size_t i = 0; rc == VOUCH_OK && i < sizeof advices / sizeof *advices; i++) {
        const struct scmp_arg_cmp advice = SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)advices[i]);
        rc = allow(f, "madvise", 1, &advice, err);
    }
    return rc;
}

/* libseccomp writes its program to a descriptor only. */
static vouch_code export_program(const filter *f, vch_buffer *out, vouch_error *err)
{
    uint8_t some[4096];
    VCH_SCOPED(close_fd) int fd = memfd_create("gramine-limits", MFD_CLOEXEC);
    int failed = fd < 0 ? -errno : seccomp_export_bpf(f->context, fd);
    if (failed != 0)
        return refuse(err, "making the filter", failed);
    if (lseek(fd, 0, SEEK_SET) != 0)
        return refuse(err, "reading the filter", errno);
    for (;;) {
        ssize_t got = read(fd, some, sizeof some);
        if (got < 0)
            return refuse(err, "reading the filter", errno);
        if (got == 0)
            return vch_buffer_finish(out, "the filter of system calls", err);
        vch_buffer_append(out, (vouch_span) { some, (size_t)got });
    }
}

vouch_code vch_gramine_limits_filter(vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(filter_drop) filter f = { .context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS)) };
    if (f.context == NULL)
        return refuse(err, "seccomp", ENOMEM);
    vouch_code rc = add_rules(&f, err);
    return rc == VOUCH_OK ? export_program(&f, out, err) : rc;
}
