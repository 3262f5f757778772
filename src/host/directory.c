/* The directory and path part of host/file.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "host/environment.h"
#include "host/file.h"

#define NAMES_MAX 100000

static vouch_code fail_errno(vouch_error *err, const char *doing, const char *path, int reason)
{
    vouch_code code = reason == ENOENT ? VOUCH_E_NOT_FOUND : VOUCH_E_IO;
    return vouch_fail(err, code, "%s '%s': %s", doing, path, strerror(reason));
}

static vouch_code copy_path(const char *path, size_t size, char out[static VCH_PATH_SIZE],
                            vouch_error *err)
{
    if (size >= VCH_PATH_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "a path exceeds %d bytes", VCH_PATH_SIZE - 1);
    memmove(out, path, size);
    out[size] = '\0';
    return VOUCH_OK;
}

static vouch_code make_one(const char *path, mode_t mode, vouch_error *err)
{
    if (mkdir(path, mode) == 0)
        return VOUCH_OK;
    int reason = errno;
    struct stat about = { 0 };
    if (reason == EEXIST && stat(path, &about) == 0 && S_ISDIR(about.st_mode))
        return VOUCH_OK;
    return fail_errno(err, "making directory", path, reason);
}

bool vch_dir_exists(const char *path)
{
    struct stat about = { 0 };
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

vouch_code vch_dir_make(const char *path, mode_t mode, vouch_error *err)
{
    char part[VCH_PATH_SIZE] = { 0 };
    vouch_code rc = copy_path(path, strlen(path), part, err);
    if (rc != VOUCH_OK)
        return rc;
    for (size_t i = 1; part[0] != '\0' && part[i] != '\0'; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = '\0';
        rc = make_one(part, mode, err);
        if (rc != VOUCH_OK)
            return rc;
        part[i] = '/';
    }
    return make_one(part, mode, err);
}

vouch_code vch_dir_make_temporary(const char *parent, const char *prefix,
                                  char out[static VCH_PATH_SIZE], vouch_error *err)
{
    if (parent == NULL)
        parent = vch_environment_get("TMPDIR");
    if (parent == NULL)
        parent = "/tmp";
    char path[VCH_PATH_SIZE];
    int n = snprintf(path, sizeof path, "%s/%sXXXXXX", parent, prefix);
    if (n < 0 || (size_t)n >= sizeof path)
        return vouch_fail(err, VOUCH_E_LIMIT, "a path exceeds %d bytes", VCH_PATH_SIZE - 1);
    if (mkdtemp(path) == NULL)
        return fail_errno(err, "making a directory in", parent, errno);
    return copy_path(path, strlen(path), out, err);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *at)
{
    (void)about;
    (void)type;
    (void)at;
    return remove(path) == 0 || errno == ENOENT ? 0 : errno;
}

vouch_code vch_dir_remove_tree(const char *path, vouch_error *err)
{
    int rc = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    if (rc < 0 && errno == ENOENT)
        return VOUCH_OK;
    if (rc != 0)
        return vouch_fail(err, VOUCH_E_IO, "removing '%s': %s", path,
                          strerror(rc > 0 ? rc : errno));
    return VOUCH_OK;
}

typedef struct name_list {
    struct dirent **names;
    int count;
} name_list;

static void name_list_drop(name_list *list)
{
    for (int i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (name_list) { 0 };
}

static int is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

vouch_code vch_dir_list(const char *path,
                        vouch_code (*each)(void *context, const char *name, vouch_error *err),
                        void *context, vouch_error *err)
{
    VCH_SCOPED(name_list_drop) name_list list = { 0 };
    int count = scandir(path, &list.names, is_entry, by_bytes);
    if (count < 0)
        return fail_errno(err, "listing", path, errno);
    list.count = count;
    if (count > NAMES_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "listing '%s': more than %d names", path, NAMES_MAX);
    for (int i = 0; i < count; i++) {
        vouch_code rc = each(context, list.names[i]->d_name, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

vouch_code vch_path_join(const char *dir, const char *name, char out[static VCH_PATH_SIZE],
                         vouch_error *err)
{
    if (dir == NULL || *dir == '\0' || *name == '/')
        return copy_path(name, strlen(name), out, err);
    char path[VCH_PATH_SIZE];
    bool slash = dir[strlen(dir) - 1] == '/';
    int n = snprintf(path, sizeof path, "%s%s%s", dir, slash ? "" : "/", name);
    if (n < 0 || (size_t)n >= sizeof path)
        return vouch_fail(err, VOUCH_E_LIMIT, "a path exceeds %d bytes", VCH_PATH_SIZE - 1);
    return copy_path(path, (size_t)n, out, err);
}

vouch_code vch_path_directory(const char *path, char out[static VCH_PATH_SIZE], vouch_error *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return copy_path(".", 1, out, err);
    return copy_path(path, slash == path ? 1 : (size_t)(slash - path), out, err);
}
