#include "fed/workspace/dataset_hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "host/file.h"

enum { FILES_MAX = 1000000, BLOCK = 1 << 16 };

/* One that two sources name counts once. */
typedef struct dataset_file {
    char digest[VCH_DATASET_HASH_SIZE];
    char *path;
} dataset_file;

typedef struct dataset {
    dataset_file *file;
    size_t count, capacity;
} dataset;

static void drop_dataset(dataset *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->file[i].path);
    free(d->file);
}

static void drop_file(FILE **f)
{
    if (*f != NULL)
        (void)fclose(*f);
}

static vouch_code hash_file(const char *path, char out[static VCH_DATASET_HASH_SIZE],
                            vouch_error *err)
{
    uint8_t block[BLOCK];
    uint8_t digest[VCH_SHA384_SIZE];
    VCH_SCOPED(vch_hash_drop) vch_hash *hash = NULL;
    VCH_SCOPED(drop_file) FILE *f = fopen(path, "rbe");
    if (f == NULL)
        return vouch_fail(err, VOUCH_E_IO, "cannot read '%s'", path);
    vouch_code rc = vch_hash_new(VCH_HASH_SHA384, &hash, err);
    for (size_t n = BLOCK; rc == VOUCH_OK && n == BLOCK;) {
        n = fread(block, 1, sizeof block, f);
        rc = vch_hash_update(hash, (vouch_span) { block, n }, err);
    }
    if (rc == VOUCH_OK && ferror(f) != 0)
        return vouch_fail(err, VOUCH_E_IO, "reading '%s'", path);
    if (rc == VOUCH_OK)
        rc = vch_hash_finish(hash, digest, sizeof digest, err);
    if (rc == VOUCH_OK)
        (void)vch_hex_encode((vouch_span) { digest, sizeof digest }, out);
    return rc;
}

static vouch_code add_file(dataset *d, const char *path, vouch_error *err)
{
    if (d->count == FILES_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d files", FILES_MAX);
    if (d->count == d->capacity) {
        size_t capacity = d->capacity == 0 ? 64 : d->capacity * 2;
        dataset_file *more = realloc(d->file, capacity * sizeof *more);
        if (more == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "the digests of %zu files", capacity);
        d->file = more;
        d->capacity = capacity;
    }
    dataset_file *file = &d->file[d->count];
    vouch_code rc = hash_file(path, file->digest, err);
    if (rc != VOUCH_OK)
        return rc;
    file->path = strdup(path);
    if (file->path == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a name");
    d->count++;
    return VOUCH_OK;
}

/* What is still to be looked at, so that a directory's depth is no recursion. */
typedef struct walk {
    dataset *set;
    char **path;
    size_t count, capacity;
    const char *parent;
} walk;

static void drop_walk(walk *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->path[i]);
    free(w->path);
}

static vouch_code push(walk *w, const char *path, vouch_error *err)
{
    if (w->count == w->capacity) {
        size_t capacity = w->capacity == 0 ? 16 : w->capacity * 2;
        char **more = realloc(w->path, capacity * sizeof *more);
        if (more == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "%zu names", capacity);
        w->path = more;
        w->capacity = capacity;
    }
    w->path[w->count] = strdup(path);
    if (w->path[w->count] == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a name");
    w->count++;
    return VOUCH_OK;
}

static vouch_code push_name(void *context, const char *name, vouch_error *err)
{
    walk *w = context;
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(w->parent, name, path, err);
    return rc == VOUCH_OK ? push(w, path, err) : rc;
}

/* As os.walk: a link to a directory is not followed, but one that a source names; one to a file is
 * read. */
static vouch_code look_at(walk *w, const char *path, bool is_source, vouch_error *err)
{
    struct stat entry;
    struct stat target;
    if (lstat(path, &entry) != 0 || stat(path, &target) != 0)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "there is no '%s'", path);
    if (S_ISREG(target.st_mode))
        return add_file(w->set, path, err);
    if (!S_ISDIR(target.st_mode))
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' is neither a file nor a directory", path);
    if (S_ISLNK(entry.st_mode) && !is_source)
        return VOUCH_OK;
    w->parent = path;
    return vch_dir_list(path, push_name, w, err);
}

static vouch_code add_tree(dataset *d, const char *path, vouch_error *err)
{
    VCH_SCOPED(drop_walk) walk w = { .set = d };
    vouch_code rc = look_at(&w, path, true, err);
    while (rc == VOUCH_OK && w.count > 0) {
        VCH_SCOPED(vch_free_drop) char *next = w.path[--w.count];
        rc = look_at(&w, next, false, err);
    }
    return rc;
}

/* The path without empty parts and "."; it must be relative, and no part of it "..". */
static vouch_code tidy_path(const char *path, char out[static VCH_PATH_SIZE], vouch_error *err)
{
    size_t used = 0;
    bool stays = path[0] != '/' && path[0] != '\0' && strlen(path) < VCH_PATH_SIZE;
    while (stays && *path != '\0') {
        size_t size = strcspn(path, "/");
        stays = size != 2 || strncmp(path, "..", 2) != 0;
        if (size > 0 && (size != 1 || *path != '.')) {
            if (used > 0)
                out[used++] = '/';
            memcpy(out + used, path, size);
            used += size;
        }
        path += size + strspn(path + size, "/");
    }
    if (!stays)
        return vouch_fail(err, VOUCH_E_CONFIG, "its path leaves this directory");
    if (used == 0)
        out[used++] = '.';
    out[used] = '\0';
    return VOUCH_OK;
}

static vouch_code add_source(void *context, const char *name, const vch_json *value,
                             vouch_error *err)
{
    const char *type = NULL;
    const char *path = NULL;
    char tidy[VCH_PATH_SIZE];
    const vch_json *params = NULL;
    vouch_code rc = vch_json_get_string(value, "type", &type, err);
    if (rc == VOUCH_OK && strcmp(type, "local") != 0)
        return vouch_fail(
            err, VOUCH_E_UNSUPPORTED,
            "source '%s' is of type '%.40s': only local files are hashed here; copy or "
            "mount it",
            name, type);
    if (rc == VOUCH_OK)
        rc = vch_json_get_object(value, "params", &params, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(params, "path", &path, err);
    if (rc == VOUCH_OK)
        rc = tidy_path(path, tidy, err);
    if (rc == VOUCH_OK)
        rc = add_tree(context, tidy, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "source '%.200s'", name);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const dataset_file *)a)->path, ((const dataset_file *)b)->path);
}

static int by_digest(const void *a, const void *b)
{
    return strcmp(((const dataset_file *)a)->digest, ((const dataset_file *)b)->digest);
}

static void drop_repeated(dataset *d)
{
    size_t kept = 0;
    if (d->count > 0)
        qsort(d->file, d->count, sizeof *d->file, by_path);
    for (size_t i = 0; i < d->count; i++) {
        if (kept > 0 && strcmp(d->file[kept - 1].path, d->file[i].path) == 0)
            free(d->file[i].path);
        else
            d->file[kept++] = d->file[i];
    }
    d->count = kept;
}

static vouch_code hash_dataset(dataset *d, char out[static VCH_DATASET_HASH_SIZE], vouch_error *err)
{
    uint8_t digest[VCH_SHA384_SIZE];
    VCH_SCOPED(vch_hash_drop) vch_hash *hash = NULL;
    drop_repeated(d);
    if (d->count > 0)
        qsort(d->file, d->count, sizeof *d->file, by_digest);
    vouch_code rc = vch_hash_new(VCH_HASH_SHA384, &hash, err);
    for (size_t i = 0; rc == VOUCH_OK && i < d->count; i++)
        rc = vch_hash_update(
            hash, (vouch_span) { (const uint8_t *)d->file[i].digest, VCH_DATASET_HASH_SIZE - 1 },
            err);
    if (rc == VOUCH_OK)
        rc = vch_hash_finish(hash, digest, sizeof digest, err);
    if (rc == VOUCH_OK)
        (void)vch_hex_encode((vouch_span) { digest, sizeof digest }, out);
    return rc;
}

vouch_code vch_dataset_hash_sources(vouch_span sources, vch_dataset_hash *out, vouch_error *err)
{
    static const vch_json_limits limits = { .size = VCH_DATASET_SOURCES_MAX, .depth = 16 };
    VCH_SCOPED(drop_dataset) dataset set = { 0 };
    VCH_SCOPED(vch_json_drop) vch_json *tree = NULL;
    vouch_code rc = vch_json_parse(sources, &limits, &tree, err);
    if (rc == VOUCH_OK && vch_json_kind_of(tree) == VCH_JSON_OBJECT && vch_json_count(tree) == 0)
        rc = vouch_fail(err, VOUCH_E_CONFIG, "it names no source");
    if (rc == VOUCH_OK)
        rc = vch_json_each(tree, add_source, &set, err);
    if (rc == VOUCH_OK)
        rc = hash_dataset(&set, out->hex, err);
    out->file_count = set.count;
    return rc;
}
