/*
 * A disk that fails, for tests: preloaded (LD_PRELOAD) into a real program, it looks at the calls
 * that write, sync and name files below a directory `state/`, and does what the environment says:
 *
 *   FAULT_COUNT=FILE   append a byte for each such call: how many there are
 *   FAULT_KILL=N       SIGKILL in place of the N-th
 *   FAULT_HALF=N       half of the N-th (of a write), then SIGKILL; after it for the others
 *   FAULT_FULL=FILE    while FILE exists there is no space left
 *   FAULT_NOSPACE=N    the N-th finds no space left, if it writes; none after it
 *   FAULT_READ=FILE    while FILE exists every read fails with EIO
 *   FAULT_SYNC=FILE    while FILE exists fsync and fdatasync fail with EIO
 *   FAULT_SHORT=1      no read or write moves more than 7 bytes at a time
 *   FAULT_CLOCK=FILE   seconds in FILE are added to the calendar clock
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SHORT_SIZE 7
#define EXPORT __attribute__((visibility("default")))

static atomic_long calls;

/* dlsym gives objects, POSIX wants functions of it. */
static void (*original(const char *name))(void)
{
    void (*function)(void) = NULL;
    void *object = dlsym(RTLD_NEXT, name);
    memcpy(&function, &object, sizeof function);
    if (function == NULL)
        abort();
    return function;
}
#define CALL(type, name) ((type)original(name))

typedef ssize_t transfer(int fd, void *bytes, size_t size, off_t at);
typedef ssize_t transfer_out(int fd, const void *bytes, size_t size, off_t at);

static int is_set(const char *name)
{
    const char *path = getenv(name);
    return path != NULL && access(path, F_OK) == 0;
}

static int is_state_path(const char *path)
{
    return strstr(path, "state/") != NULL;
}

static int is_state(int fd)
{
    char link[64];
    char path[4096];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return 0;
    path[n] = '\0';
    return is_state_path(path) || (n > 6 && strcmp(path + n - 6, "/state") == 0);
}

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

/* One more call: is it the one? Then half of it is done first if `*out_half`. Is there space for it? */
static int count(int *out_half)
{
    const char *log = getenv("FAULT_COUNT");
    const char *kill_at = getenv("FAULT_KILL");
    const char *half_at = getenv("FAULT_HALF");
    const char *full_at = getenv("FAULT_NOSPACE");
    long n = atomic_fetch_add(&calls, 1) + 1;
    *out_half = half_at != NULL && atol(half_at) == n;
    if (kill_at != NULL && atol(kill_at) == n)
        die();
    if (log != NULL) {
        int fd = CALL(int (*)(const char *, int, ...), "open64")(log, O_WRONLY | O_APPEND | O_CREAT,
                                                                 0600);
        (void)CALL(ssize_t(*)(int, const void *, size_t), "write")(fd, ".", 1);
        (void)close(fd);
    }
    return !is_set("FAULT_FULL") && (full_at == NULL || atol(full_at) != n);
}

static ssize_t put(int fd, const void *bytes, size_t size, off_t at)
{
    if (at < 0)
        return CALL(ssize_t(*)(int, const void *, size_t), "write")(fd, bytes, size);
    return CALL(transfer_out *, "pwrite64")(fd, bytes, size, at);
}

static ssize_t fault_write(int fd, const void *bytes, size_t size, off_t at)
{
    int half = 0;
    if (!is_state(fd))
        return put(fd, bytes, size, at);
    int has_space = count(&half);
    if (half) {
        (void)put(fd, bytes, size / 2, at);
        die();
    }
    if (!has_space) {
        errno = ENOSPC;
        return -1;
    }
    if (getenv("FAULT_SHORT") != NULL && size > SHORT_SIZE)
        size = SHORT_SIZE;
    return put(fd, bytes, size, at);
}

EXPORT ssize_t write(int fd, const void *bytes, size_t size);
EXPORT ssize_t write(int fd, const void *bytes, size_t size)
{
    return fault_write(fd, bytes, size, -1);
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at);
EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at)
{
    return fault_write(fd, bytes, size, at);
}

static ssize_t fault_pread(int fd, void *bytes, size_t size, off_t at)
{
    if (is_state(fd) && is_set("FAULT_READ")) {
        errno = EIO;
        return -1;
    }
    if (getenv("FAULT_SHORT") != NULL && size > SHORT_SIZE && is_state(fd))
        size = SHORT_SIZE;
    return CALL(transfer *, "pread64")(fd, bytes, size, at);
}

EXPORT ssize_t pread64(int fd, void *bytes, size_t size, off_t at);
EXPORT ssize_t pread64(int fd, void *bytes, size_t size, off_t at)
{
    return fault_pread(fd, bytes, size, at);
}

EXPORT ssize_t __pread64_chk(int fd, void *bytes, size_t size, off_t at, size_t room);
EXPORT ssize_t __pread64_chk(int fd, void *bytes, size_t size, off_t at, size_t room)
{
    (void)room;
    return fault_pread(fd, bytes, size, at);
}

static int fault_sync(int fd, const char *name)
{
    int half = 0;
    if (is_state(fd)) {
        (void)count(&half);
        if (is_set("FAULT_SYNC")) {
            errno = EIO;
            return -1;
        }
    }
    int rc = CALL(int (*)(int), name)(fd);
    if (half)
        die();
    return rc;
}

EXPORT int fsync(int fd);
EXPORT int fsync(int fd)
{
    return fault_sync(fd, "fsync");
}

EXPORT int fdatasync(int fd);
EXPORT int fdatasync(int fd)
{
    return fault_sync(fd, "fdatasync");
}

EXPORT int rename(const char *from, const char *to);
EXPORT int rename(const char *from, const char *to)
{
    int half = 0;
    if (is_state_path(to))
        (void)count(&half);
    int rc = CALL(int (*)(const char *, const char *), "rename")(from, to);
    if (half)
        die();
    return rc;
}

EXPORT int unlink(const char *path);
EXPORT int unlink(const char *path)
{
    int half = 0;
    if (is_state_path(path))
        (void)count(&half);
    int rc = CALL(int (*)(const char *), "unlink")(path);
    if (half)
        die();
    return rc;
}

EXPORT int ftruncate64(int fd, off_t size);
EXPORT int ftruncate64(int fd, off_t size)
{
    int half = 0;
    if (is_state(fd))
        (void)count(&half);
    int rc = CALL(int (*)(int, off_t), "ftruncate64")(fd, size);
    if (half)
        die();
    return rc;
}

EXPORT int posix_fallocate64(int fd, off_t at, off_t size);
EXPORT int posix_fallocate64(int fd, off_t at, off_t size)
{
    int half = 0;
    if (is_state(fd) && !count(&half))
        return ENOSPC;
    int rc = CALL(int (*)(int, off_t, off_t), "posix_fallocate64")(fd, at, size);
    if (half)
        die();
    return rc;
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *out);
EXPORT int clock_gettime(clockid_t clock, struct timespec *out)
{
    const char *path = getenv("FAULT_CLOCK");
    int rc = CALL(int (*)(clockid_t, struct timespec *), "clock_gettime")(clock, out);
    if (rc != 0 || clock != CLOCK_REALTIME || path == NULL)
        return rc;
    char text[32] = "";
    int fd = CALL(int (*)(const char *, int, ...), "open64")(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        (void)close(fd);
    }
    out->tv_sec += atol(text);
    return rc;
}
