#include "tsm_fs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONTENT_MAX ((size_t)64 << 10)

static tsm_fs *fs; /* FUSE's handlers: one file system a process */

/* One open file: what is collected for inblob, or what outblob gave at its first read. */
typedef struct handle {
    uint8_t bytes[CONTENT_MAX];
    size_t size;
    int ready;
} handle;

static handle *handle_of(const struct fuse_file_info *info)
{
    union {
        uint64_t number;
        handle *handle;
    } u = { .number = info->fh };
    return u.handle;
}

/* "/name" or "/name/file"; *file is empty for the entry itself. */
static tsm_fs_entry *find(const char *path, const char **file)
{
    static const char nothing[] = "";
    const char *name = path + 1;
    size_t size = strcspn(name, "/");
    *file = name[size] == '/' ? name + size + 1 : nothing;
    for (size_t i = 0; i < TSM_FS_ENTRIES; i++) {
        tsm_fs_entry *e = &fs->entries[i];
        if (strlen(e->name) == size && size > 0 && memcmp(e->name, name, size) == 0)
            return e;
    }
    return NULL;
}

static int get_attributes(const char *path, struct stat *s, struct fuse_file_info *info)
{
    (void)info;
    const char *file = NULL;
    memset(s, 0, sizeof *s);
    s->st_nlink = 1;
    s->st_mode = S_IFDIR | 0755;
    if (strcmp(path, "/") == 0)
        return 0;
    if (find(path, &file) == NULL)
        return -ENOENT;
    if (file[0] == '\0')
        return 0;
    s->st_mode = S_IFREG | (strcmp(file, "inblob") == 0 ? 0200U : 0400U);
    bool known = strcmp(file, "inblob") == 0 || strcmp(file, "outblob") == 0
                 || strcmp(file, "provider") == 0 || strcmp(file, "generation") == 0;
    return known ? 0 : -ENOENT;
}

static bool fails(int *times)
{
    if (*times == 0)
        return false;
    (*times)--;
    return true;
}

static int make_entry(const char *path, mode_t mode)
{
    (void)mode;
    (void)snprintf(fs->names[fs->tried % TSM_FS_ENTRIES], sizeof fs->names[0], "%s", path + 1);
    fs->tried++;
    if (fails(&fs->mkdir_errors))
        return -fs->mkdir_error;
    for (size_t i = 0; i < TSM_FS_ENTRIES; i++) {
        tsm_fs_entry *e = &fs->entries[i];
        if (e->name[0] != '\0')
            continue;
        *e = (tsm_fs_entry) { .write_generation = fs->first_generation,
                              .read_generation = fs->first_generation };
        (void)snprintf(e->name, sizeof e->name, "%s", path + 1);
        fs->made++;
        return 0;
    }
    return -ENOSPC;
}

static int remove_entry(const char *path)
{
    const char *file = NULL;
    tsm_fs_entry *e = find(path, &file);
    if (e == NULL)
        return -ENOENT;
    if (fails(&fs->rmdir_errors))
        return -fs->rmdir_error;
    e->name[0] = '\0';
    fs->removed++;
    return 0;
}

static int open_file(const char *path, struct fuse_file_info *info)
{
    (void)path;
    union {
        handle *handle;
        uint64_t number;
    } u = { 0 };
    u.handle = calloc(1, sizeof *u.handle);
    info->fh = u.number;
    return u.handle == NULL ? -ENOMEM : 0;
}

/* configfs collects what is written and hands it over when the file is closed. */
static int write_file(const char *path, const char *bytes, size_t size, off_t offset,
                      struct fuse_file_info *info)
{
    const char *file = NULL;
    handle *h = handle_of(info);
    if (find(path, &file) == NULL || strcmp(file, "inblob") != 0)
        return -EACCES;
    if ((size_t)offset + size > 64)
        return -EFBIG;
    memcpy(h->bytes + offset, bytes, size);
    if (h->size < (size_t)offset + size)
        h->size = (size_t)offset + size;
    return (int)size;
}

static void commit(tsm_fs_entry *e, const void *bytes, size_t size)
{
    memcpy(e->inblob, bytes, size);
    e->inblob_size = size;
    e->write_generation++;
}

static void intrude(tsm_fs_entry *e)
{
    uint8_t other[64];
    if (fs->intruder == TSM_FS_NOBODY || !fails(&fs->intrusions))
        return;
    memset(other, 0x66, sizeof other);
    if (fs->intruder == TSM_FS_UNSEEN)
        memcpy(e->inblob, other, sizeof other);
    else
        commit(e, fs->intruder == TSM_FS_SAME_BYTES ? e->inblob : other, sizeof other);
}

/* On every close; what goes wrong in the kernel here reaches nobody. */
static int flush_file(const char *path, struct fuse_file_info *info)
{
    const char *file = NULL;
    handle *h = handle_of(info);
    tsm_fs_entry *e = find(path, &file);
    if (e == NULL || strcmp(file, "inblob") != 0 || h->size == 0)
        return 0;
    if (fails(&fs->lost_writes)) {
        memcpy(e->inblob, h->bytes, h->size); /* the bytes, but no commit that was counted */
        e->inblob_size = h->size;
        return 0;
    }
    if (e->write_generation != e->read_generation - 1) /* else EBUSY, lost */
        commit(e, h->bytes, h->size);
    intrude(e);
    return 0;
}

static int make_outblob(tsm_fs_entry *e, handle *h)
{
    if (fails(&fs->read_errors))
        return -fs->read_error;
    if (e->inblob_size != 64)
        return -EINVAL;
    memcpy(h->bytes, fs->quote.data, fs->quote.size);
    h->size = fs->quote.size;
    if (h->size >= fs->report_data + 64)
        memcpy(h->bytes + fs->report_data, e->inblob, 64);
    e->read_generation = e->write_generation;
    return 0;
}

static int make_text(handle *h, const char *text)
{
    h->size = strlen(text);
    memcpy(h->bytes, text, h->size);
    return 0;
}

static int make_content(tsm_fs_entry *e, const char *file, handle *h)
{
    char text[128];
    if (strcmp(file, "outblob") == 0)
        return make_outblob(e, h);
    if (strcmp(file, "provider") == 0)
        (void)snprintf(text, sizeof text, "%s\n", fs->provider);
    else if (fs->generation != NULL)
        (void)snprintf(text, sizeof text, "%s\n", fs->generation);
    else
        (void)snprintf(text, sizeof text, "%llu\n", (unsigned long long)e->write_generation);
    return make_text(h, text);
}

static int read_file(const char *path, char *to, size_t size, off_t offset,
                     struct fuse_file_info *info)
{
    const char *file = NULL;
    handle *h = handle_of(info);
    tsm_fs_entry *e = find(path, &file);
    if (e == NULL)
        return -ENOENT;
    if (!h->ready) {
        int failed = make_content(e, file, h);
        if (failed != 0)
            return failed;
        h->ready = 1;
    }
    size_t at = (size_t)offset;
    if (at >= h->size)
        return 0;
    if (size > h->size - at)
        size = h->size - at;
    memcpy(to, h->bytes + at, size);
    return (int)size;
}

static int release_file(const char *path, struct fuse_file_info *info)
{
    (void)path;
    free(handle_of(info));
    return 0;
}

test_mount *tsm_fs_start(tsm_fs *given, const char **why)
{
    static const struct fuse_operations operations = {
        .init = test_mount_uncached,
        .getattr = get_attributes,
        .mkdir = make_entry,
        .rmdir = remove_entry,
        .open = open_file,
        .read = read_file,
        .write = write_file,
        .flush = flush_file,
        .release = release_file,
    };
    fs = given;
    return test_mount_start(&operations, why);
}
