#include "fed/workspace/workspace.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "fed/workspace/template.h"
#include "host/file.h"

enum { DIRECTORY_MAX = 1024 };

static const char *const directories[] = { "cert", "data",        "logs", "save",
                                           "src",  "local_state", "plan" };

static vouch_code make_directories(const char *dir, vouch_error *err)
{
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        char path[VCH_PATH_SIZE];
        vouch_code rc = vch_path_join(dir, directories[i], path, err);
        if (rc == VOUCH_OK)
            rc = vch_dir_make(path, 0755, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

vouch_code vch_workspace_create(const char *dir, const char *template_name, vouch_error *err)
{
    VCH_SCOPED(vch_package_done) vch_package files = { 0 };
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_template_pack(template_name, &files, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(dir, "plan/plan.yaml", path, err);
    if (rc == VOUCH_OK && vch_file_exists(path))
        rc = vouch_fail(err, VOUCH_E_CONFIG, "'%s' is a workspace already", dir);
    if (rc == VOUCH_OK)
        rc = make_directories(dir, err);
    return rc == VOUCH_OK ? vch_package_unpack_into(&files, dir, err) : rc;
}

/* A walk over files: directories wait in a list, so that depth is no recursion. */
typedef struct packing {
    const char *dir;
    vch_package *package;
    size_t left; /* bytes that may still be packed */
    char *waiting[DIRECTORY_MAX];
    size_t waiting_count, done;
} packing;

static void packing_drop(packing **w)
{
    for (size_t i = 0; *w != NULL && i < (*w)->waiting_count; i++)
        free((*w)->waiting[i]);
    free(*w);
}

static bool stays_here(const char *name)
{
    static const char *const patterns[] = { "__pycache__", "*.crt", "*.key",  "*.csr", "*.srl",
                                            "*.pem",       "*.p12", "*.pbuf", "*.jwt" };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (fnmatch(patterns[i], name, FNM_CASEFOLD) == 0)
            return true;
    }
    return false;
}

static vouch_code pack_file(packing *w, const char *path, const char *name, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
    vouch_code rc = vch_file_read(path, w->left, &bytes, err);
    if (rc != VOUCH_OK)
        return rc;
    w->left -= bytes.size;
    return vch_package_add(w->package, name, vch_buffer_span(&bytes), err);
}

/* `name` is relative to the workspace. */
static vouch_code pack_path(packing *w, const char *name, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    struct stat s;
    vouch_code rc = vch_path_join(w->dir, name, path, err);
    if (rc != VOUCH_OK)
        return rc;
    if (lstat(path, &s) != 0)
        return VOUCH_OK; /* not every workspace has every part */
    if (S_ISREG(s.st_mode))
        return pack_file(w, path, name, err);
    if (!S_ISDIR(s.st_mode))
        return VOUCH_OK;
    if (w->waiting_count >= DIRECTORY_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d directories", DIRECTORY_MAX);
    char *copy = strdup(name);
    if (copy == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "packing '%s'", name);
    w->waiting[w->waiting_count++] = copy;
    return VOUCH_OK;
}

static vouch_code pack_name(void *context, const char *name, vouch_error *err)
{
    packing *w = context;
    char inner[VCH_PATH_SIZE];
    if (stays_here(name))
        return VOUCH_OK;
    vouch_code rc = vch_path_join(w->waiting[w->done], name, inner, err);
    return rc == VOUCH_OK ? pack_path(w, inner, err) : rc;
}

vouch_code vch_workspace_pack(const char *dir, vch_package *out, vouch_error *err)
{
    static const char *const parts[] = { "src", "plan", "requirements.txt", ".workspace" };
    VCH_SCOPED(vch_package_done) vch_package p = { 0 };
    VCH_SCOPED(packing_drop) packing *w = calloc(1, sizeof *w);
    vouch_code rc = VOUCH_OK;
    if (w == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "packing a workspace");
    w->dir = dir;
    w->package = &p;
    w->left = VCH_WORKSPACE_PACKAGE_MAX;
    for (size_t i = 0; rc == VOUCH_OK && i < sizeof parts / sizeof *parts; i++)
        rc = pack_path(w, parts[i], err);
    for (; rc == VOUCH_OK && w->done < w->waiting_count; w->done++) {
        char path[VCH_PATH_SIZE];
        rc = vch_path_join(dir, w->waiting[w->done], path, err);
        if (rc == VOUCH_OK)
            rc = vch_dir_list(path, pack_name, w, err);
    }
    if (rc == VOUCH_OK && vch_package_find(&p, "plan/plan.yaml") == NULL)
        rc = vouch_fail(err, VOUCH_E_NOT_FOUND, "'%s' holds no plan/plan.yaml", dir);
    if (rc != VOUCH_OK)
        return rc;
    *out = p;
    p = (vch_package) { 0 };
    return VOUCH_OK;
}

vouch_code vch_package_unpack_into(const vch_package *p, const char *dir, vouch_error *err)
{
    for (size_t i = 0; i < p->count; i++) {
        char path[VCH_PATH_SIZE];
        char parent[VCH_PATH_SIZE];
        vouch_code rc = vch_path_join(dir, p->entry[i].name, path, err);
        if (rc == VOUCH_OK)
            rc = vch_path_directory(path, parent, err);
        if (rc == VOUCH_OK)
            rc = vch_dir_make(parent, 0755, err);
        if (rc == VOUCH_OK)
            rc = vch_file_write(path, vch_buffer_span(&p->entry[i].bytes), 0644, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

vouch_code vch_workspace_unpack(const vch_package *p, const char *dir, vouch_error *err)
{
    if (vch_file_exists(dir))
        return vouch_fail(err, VOUCH_E_CONFIG, "'%s' is there already", dir);
    vouch_code rc = vch_dir_make(dir, 0755, err);
    if (rc == VOUCH_OK)
        rc = make_directories(dir, err);
    return rc == VOUCH_OK ? vch_package_unpack_into(p, dir, err) : rc;
}
