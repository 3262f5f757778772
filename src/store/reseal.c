#include "store/reseal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "host/file.h"
#include "store/journal.h"
#include "store/sealed.h"
#include "store/state_names.h"

#define COMMIT_SIZE ((size_t)1 << 20) /* bytes of records that are waited for at a time */

typedef struct copying {
    vch_sealed_place from, to;
    vch_journal *journal; /* of the copy */
    size_t added;         /* bytes since its last commit */
} copying;

static vouch_code partial_path(const char *parent, const char *name, char out[static VCH_PATH_SIZE],
                               vouch_error *err)
{
    char partial[VCH_PATH_SIZE];
    int n = snprintf(partial, sizeof partial, "%s" VCH_RESEAL_PARTIAL, name);
    if (n < 0 || (size_t)n >= sizeof partial)
        return vouch_fail(err, VOUCH_E_LIMIT, "'%.60s...': the name is too long", name);
    return vch_path_join(parent, partial, out, err);
}

static void drop_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/* Unless it is another process's that is making it. */
static vouch_code remove_partial(const char *partial, vouch_error *err)
{
    VCH_SCOPED(drop_fd) int lock = -1;
    if (!vch_dir_exists(partial))
        return VOUCH_OK;
    vouch_code rc = vch_state_lock(partial, &lock, err);
    return rc == VOUCH_OK ? vch_dir_remove_tree(partial, err) : rc;
}

vouch_code vch_reseal_clean(const char *parent, const char *name, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = partial_path(parent, name, path, err);
    return rc == VOUCH_OK ? remove_partial(path, err) : rc;
}

static bool is_half(const char *name)
{
    size_t size = strlen(name);
    size_t end = sizeof VCH_SEALED_TEMPORARY - 1;
    return size > end && strcmp(name + size - end, VCH_SEALED_TEMPORARY) == 0;
}

/* What is not a file of state is the journal's, the lock, or was never finished. One that is gone
 * meanwhile is not wanted any more. */
static vouch_code copy_file(void *context, const char *name, vouch_error *err)
{
    const copying *c = context;
    vouch_error why = { 0 };
    if (strcmp(name, VCH_STATE_LOCK) == 0 || vch_state_is_journal(name) || is_half(name))
        return VOUCH_OK;
    vouch_code rc = vch_sealed_copy(&c->from, &c->to, name, &why);
    if (rc == VOUCH_E_NOT_FOUND)
        return VOUCH_OK;
    if (rc != VOUCH_OK && err != NULL)
        *err = why;
    return rc;
}

static vouch_code commit(copying *c, vouch_error *err)
{
    c->added = 0;
    return vch_journal_commit(c->journal, err);
}

static vouch_code copy_record(void *context, vouch_span record, vouch_error *err)
{
    copying *c = context;
    vouch_code rc = vch_journal_add(c->journal, record, err);
    c->added += record.size;
    return rc == VOUCH_OK && c->added >= COMMIT_SIZE ? commit(c, err) : rc;
}

static vouch_code no_record(void *context, vouch_span record, vouch_error *err)
{
    (void)context;
    (void)record;
    return vouch_fail(err, VOUCH_E_INTERNAL, "a new journal has records");
}

static vouch_code copy_journal(copying *c, vouch_error *err)
{
    VCH_SCOPED(vch_journal_drop) vch_journal *journal = NULL;
    const vch_journal_options to = { .directory = c->to.directory,
                                     .root = c->to.root,
                                     .replay = no_record };
    const vch_journal_options from = {
        .directory = c->from.directory, .root = c->from.root, .replay = copy_record, .context = c
    };
    vouch_code rc = vch_journal_open(&to, &journal, err);
    c->journal = journal;
    if (rc == VOUCH_OK)
        rc = vch_journal_look(&from, err);
    return rc == VOUCH_OK ? commit(c, err) : rc;
}

/* The journal first: where it does not open, nothing does. */
static vouch_code copy_all(const vch_reseal *how, const char *old, const char *partial,
                           vouch_error *err)
{
    copying c = { .from = { old, how->old_root }, .to = { partial, how->root } };
    vouch_code rc = copy_journal(&c, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_list(old, copy_file, &c, err);
    return rc == VOUCH_OK ? vch_dir_sync(partial, err) : rc;
}

static vouch_code give_name(const char *partial, const char *path, vouch_error *err)
{
    if (rename(partial, path) != 0)
        return vouch_fail(err, VOUCH_E_IO, "renaming to '%s': %s", path, strerror(errno));
    return VOUCH_OK;
}

vouch_code vch_reseal_copy(const vch_reseal *how, bool *out_renamed, vouch_error *err)
{
    char old[VCH_PATH_SIZE];
    char path[VCH_PATH_SIZE];
    char partial[VCH_PATH_SIZE];
    *out_renamed = false;
    vouch_code rc = vch_path_join(how->parent, how->from, old, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join(how->parent, how->to, path, err);
    if (rc == VOUCH_OK)
        rc = partial_path(how->parent, how->to, partial, err);
    if (rc == VOUCH_OK)
        rc = remove_partial(partial, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(partial, 0700, err);
    VCH_SCOPED(drop_fd) int lock = -1; /* until it has its name: it is nobody's leaving */
    if (rc == VOUCH_OK)
        rc = vch_state_lock(partial, &lock, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = copy_all(how, old, partial, err);
    if (rc == VOUCH_OK)
        rc = give_name(partial, path, err);
    if (rc != VOUCH_OK) { /* it takes room on a disk that may be full */
        if (vch_dir_remove_tree(partial, NULL) != VOUCH_OK)
            return vouch_wrap(err, rc, "sealing anew (and '%s' stays)", partial);
        return vouch_wrap(err, rc, "sealing '%s' anew", old);
    }
    *out_renamed = true;
    return vch_dir_sync(how->parent, err);
}
