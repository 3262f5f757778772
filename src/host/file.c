#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "host/block_writer.h"

#define READ_STEP ((size_t)64 * 1024)

static void drop_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* a read, or already synced: nothing is lost */
    *fd = -1;
}

/* The descriptor; the variable's scope then closes nothing. */
static int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static vouch_code fail_errno(vouch_error *err, const char *doing, const char *path, int reason)
{
    vouch_code code = reason == ENOENT ? VOUCH_E_NOT_FOUND : VOUCH_E_IO;
    return vouch_fail(err, code, "%s '%s': %s", doing, path, strerror(reason));
}

static vouch_code open_to_read(const char *path, bool pipes, int *out, struct stat *about,
                               vouch_error *err)
{
    VCH_SCOPED(drop_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail_errno(err, "opening", path, errno);
    if (fstat(fd, about) != 0)
        return fail_errno(err, "reading", path, errno);
    if (!S_ISREG(about->st_mode) && !(pipes && S_ISFIFO(about->st_mode)))
        return vouch_fail(err, VOUCH_E_IO, "reading '%s': not a regular file", path);
    *out = take_fd(&fd);
    return VOUCH_OK;
}

/* Up to `size` bytes; fewer only at the end of the file. */
static vouch_code read_some(int fd, const char *path, uint8_t *to, size_t size, size_t *out_got,
                            vouch_error *err)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, to + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "reading", path, errno);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *out_got = got;
    return VOUCH_OK;
}

static vouch_code fail_cap(vouch_error *err, const char *path, size_t cap)
{
    return vouch_fail(err, VOUCH_E_LIMIT, "reading '%s': more than %zu bytes", path, cap);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Read to the end. Room for one byte beyond the cap tells "exactly cap" from "more". */
static vouch_code read_all(int fd, const char *path, size_t cap, vch_buffer *whole,
                           vouch_error *err)
{
    for (;;) {
        size_t before = whole->size;
        size_t room = smaller(READ_STEP, whole->cap - before);
        uint8_t *at = vch_buffer_extend(whole, room);
        if (at == NULL)
            return vch_buffer_finish(whole, path, err);
        size_t got = 0;
        vouch_code rc = read_some(fd, path, at, room, &got, err);
        if (rc != VOUCH_OK)
            return rc;
        whole->size = before + got;
        if (whole->size > cap)
            return fail_cap(err, path, cap);
        if (got < room)
            return VOUCH_OK;
    }
}

vouch_code vch_file_read(const char *path, size_t cap, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(drop_fd) int fd = -1;
    struct stat about = { 0 };
    vouch_code rc = open_to_read(path, true, &fd, &about, err);
    if (rc != VOUCH_OK)
        return rc;
    if (about.st_size > 0 && (uintmax_t)about.st_size > cap)
        return fail_cap(err, path, cap);
    VCH_SCOPED(vch_buffer_drop) vch_buffer whole = vch_buffer_with_cap(cap + 1);
    rc = read_all(fd, path, cap, &whole, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_drop(out);
    *out = whole;
    whole = (vch_buffer) { 0 };
    return VOUCH_OK;
}

vouch_code vch_file_read_secret(const char *path, size_t cap, vch_secret *out, vouch_error *err)
{
    VCH_SCOPED(drop_fd) int fd = -1;
    struct stat about = { 0 };
    vouch_code rc = open_to_read(path, false, &fd, &about, err);
    if (rc != VOUCH_OK)
        return rc;
    if (about.st_size <= 0)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "reading '%s': the file is empty", path);
    if ((uintmax_t)about.st_size > cap)
        return fail_cap(err, path, cap);
    VCH_SCOPED(vch_secret_drop) vch_secret secret = { 0 };
    rc = vch_secret_alloc(&secret, (size_t)about.st_size, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "reading '%s'", path);
    size_t got = 0;
    rc = read_some(fd, path, secret.data, secret.size, &got, err);
    if (rc != VOUCH_OK)
        return rc;
    if (got != secret.size)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "reading '%s': it became shorter", path);
    *out = secret;
    secret = (vch_secret) { 0 };
    return VOUCH_OK;
}

struct vch_file_part {
    vch_block_writer out;
};

vouch_code vch_file_put(vch_file_part *to, vouch_span bytes, vouch_error *err)
{
    return vch_block_writer_put(&to->out, bytes, err);
}

void vch_file_expect(const vch_file_part *to, uint64_t size)
{
#ifdef FALLOC_FL_KEEP_SIZE
    (void)fallocate(to->out.fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
#else
    (void)to;
    (void)size;
#endif
}

vouch_code vch_dir_sync(const char *path, vouch_error *err)
{
    VCH_SCOPED(drop_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "opening", path, errno);
    /* EINVAL: a file system (Gramine's, some network ones) that cannot sync directories */
    if (fsync(fd) != 0 && errno != EINVAL)
        return fail_errno(err, "syncing", path, errno);
    return VOUCH_OK;
}

static vouch_code sync_directory_of(const char *path, vouch_error *err)
{
    char dir[VCH_PATH_SIZE];
    vouch_code rc = vch_path_directory(path, dir, err);
    return rc == VOUCH_OK ? vch_dir_sync(dir, err) : rc;
}

vouch_code vch_file_write_parts(const char *path, mode_t mode,
                                vouch_code (*parts)(void *context, vch_file_part *to,
                                                    vouch_error *err),
                                void *context, vouch_error *err)
{
    char temporary[VCH_PATH_SIZE];
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary)
        return vouch_fail(err, VOUCH_E_LIMIT, "writing '%.64s…': the path is too long", path);
    VCH_SCOPED(drop_fd) int fd = mkostemp(temporary, O_CLOEXEC); /* exclusive, mode 0600 */
    if (fd < 0)
        return fail_errno(err, "writing", path, errno);
    vch_file_part to;
    vouch_code rc = vch_block_writer_init(&to.out, fd, path, err);
    if (rc == VOUCH_OK)
        rc = parts(context, &to, err);
    if (rc == VOUCH_OK)
        rc = vch_block_writer_flush(&to.out, err);
    vch_block_writer_drop(&to.out);
    if (rc == VOUCH_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        rc = fail_errno(err, "writing", path, errno);
    if (rc == VOUCH_OK && rename(temporary, path) != 0)
        rc = fail_errno(err, "renaming to", path, errno);
    if (rc != VOUCH_OK) {
        (void)unlink(temporary); /* the failure that counts is already in `err` */
        return rc;
    }
    return sync_directory_of(path, err);
}

static vouch_code put_whole(void *context, vch_file_part *to, vouch_error *err)
{
    const vouch_span *bytes = context;
    return vch_file_put(to, *bytes, err);
}

vouch_code vch_file_write(const char *path, vouch_span bytes, mode_t mode, vouch_error *err)
{
    return vch_file_write_parts(path, mode, put_whole, &bytes, err);
}

vouch_code vch_path_put_in_place(const char *from, const char *to, vouch_error *err)
{
    VCH_SCOPED(drop_fd) int fd = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat about = { 0 };
    if (fd < 0)
        return fail_errno(err, "opening", from, errno);
    if (fstat(fd, &about) != 0 || (!S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)))
        return vouch_fail(err, VOUCH_E_IO, "'%s' is neither a file nor a directory", from);
    if (syncfs(fd) != 0) /* a directory's files are many, and this knows them all */
        return fail_errno(err, "syncing", from, errno);
    if (rename(from, to) != 0)
        return fail_errno(err, "renaming to", to, errno);
    return sync_directory_of(to, err);
}

bool vch_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

vouch_code vch_file_remove(const char *path, vouch_error *err)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return fail_errno(err, "removing", path, errno);
    return VOUCH_OK;
}
