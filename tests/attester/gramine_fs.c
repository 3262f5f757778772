#include "gramine_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static gramine_fs *fs; /* FUSE's handlers: one file system a process */

/* What one open of a file gives. */
typedef struct content {
    size_t size;
    uint8_t bytes[];
} content;

static content *content_of(const struct fuse_file_info *info)
{
    union {
        uint64_t handle;
        content *content;
    } u = { .handle = info->fh };
    return u.content;
}

static int keep(struct fuse_file_info *info, const void *bytes, size_t size)
{
    union {
        content *content;
        uint64_t handle;
    } u = { 0 };
    u.content = calloc(1, sizeof(content) + size);
    if (u.content == NULL)
        return -ENOMEM;
    u.content->size = size;
    if (size > 0)
        memcpy(u.content->bytes, bytes, size);
    info->fh = u.handle;
    return 0;
}

static int get_attributes(const char *path, struct stat *s, struct fuse_file_info *info)
{
    (void)info;
    memset(s, 0, sizeof *s);
    s->st_nlink = 1;
    s->st_mode = S_IFREG | 0444;
    if (strcmp(path, "/") == 0 || strcmp(path, "/keys") == 0)
        s->st_mode = S_IFDIR | 0555;
    else if (strcmp(path, "/user_report_data") == 0)
        s->st_mode = S_IFREG | 0644;
    else if (strcmp(path, "/attestation_type") == 0)
        return fs->type == NULL ? -ENOENT : 0;
    else if (strcmp(path, "/keys/_sgx_mrenclave") == 0)
        return fs->key.data == NULL ? -ENOENT : 0;
    else if (strcmp(path, "/quote") != 0)
        return -ENOENT;
    return 0;
}

/* Made at open(): a second quote needs a second open. */
static int open_quote(struct fuse_file_info *info)
{
    fs->opens++;
    if (fs->busy_opens > 0) {
        fs->busy_opens--;
        return -EINTR;
    }
    if (fs->open_error != 0)
        return -fs->open_error;
    int failed = keep(info, fs->quote.data, fs->quote.size);
    if (failed == 0 && fs->quote.size >= fs->report_data + sizeof fs->current)
        memcpy(content_of(info)->bytes + fs->report_data, fs->current, sizeof fs->current);
    return failed;
}

static int open_file(const char *path, struct fuse_file_info *info)
{
    if (strcmp(path, "/quote") == 0)
        return open_quote(info);
    if (strcmp(path, "/attestation_type") == 0)
        return keep(info, fs->type, strlen(fs->type));
    if (strcmp(path, "/keys/_sgx_mrenclave") == 0)
        return keep(info, fs->key.data, fs->key.size);
    return keep(info, NULL, 0); /* user_report_data cannot be read back */
}

static int read_file(const char *path, char *to, size_t size, off_t offset,
                     struct fuse_file_info *info)
{
    (void)path;
    const content *c = content_of(info);
    size_t at = (size_t)offset;
    if (at >= c->size)
        return 0;
    if (fs->piece_size != 0 && size > fs->piece_size)
        size = fs->piece_size;
    if (size > c->size - at)
        size = c->size - at;
    memcpy(to, c->bytes + at, size);
    return (int)size;
}

static void replace(const void *bytes, size_t size)
{
    memset(fs->current, 0, sizeof fs->current);
    memcpy(fs->current, bytes, size < sizeof fs->current ? size : sizeof fs->current);
}

static int write_file(const char *path, const char *bytes, size_t size, off_t offset,
                      struct fuse_file_info *info)
{
    (void)offset; /* a second write does not continue the first: it replaces it */
    (void)info;
    if (strcmp(path, "/user_report_data") != 0)
        return -EACCES;
    replace(bytes, size);
    fs->writes++;
    fs->written_size = size;
    if (fs->intruder_writes > 0) {
        fs->intruder_writes--;
        replace("intruder", 8);
    }
    const struct timespec pause = { 0, fs->pause_ms * 1000000L };
    (void)nanosleep(&pause, NULL);
    return (int)size;
}

static int truncate_file(const char *path, off_t size, struct fuse_file_info *info)
{
    (void)path;
    (void)size;
    (void)info;
    return 0;
}

static int release_file(const char *path, struct fuse_file_info *info)
{
    (void)path;
    free(content_of(info));
    return 0;
}

test_mount *gramine_fs_start(gramine_fs *given, const char **why)
{
    static const struct fuse_operations operations = {
        .init = test_mount_uncached,
        .getattr = get_attributes,
        .open = open_file,
        .read = read_file,
        .write = write_file,
        .truncate = truncate_file,
        .release = release_file,
    };
    fs = given;
    return test_mount_start(&operations, why);
}
