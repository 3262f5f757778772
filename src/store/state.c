#include "store/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/file.h"
#include "store/reseal.h"
#include "store/state_names.h"

struct vch_state {
    char parent[VCH_PATH_SIZE];
    char directory[VCH_PATH_SIZE];
    const char *name; /* in `directory` */
    const vch_seal_root *root;
    const vch_log *log;
    int lock; /* -1: none */
    vch_journal *journal;
};

static vouch_code take_name(vch_state *s, const char *name, vouch_error *err)
{
    vouch_code rc = vch_path_join(s->parent, name, s->directory, err);
    if (rc == VOUCH_OK)
        s->name = s->directory + strlen(s->directory) - strlen(name);
    return rc;
}

static vouch_code make_directory(vch_state *s, vouch_error *err)
{
    vouch_code rc = vch_dir_make(s->directory, 0700, err);
    return rc == VOUCH_OK ? vch_dir_sync(s->parent, err) : rc;
}

static vouch_code note(void *context, const char *name, vouch_error *err)
{
    (void)err;
    if (strcmp(name, VCH_STATE_LOCK) != 0)
        *(bool *)context = true;
    return VOUCH_OK;
}

static void log_void(const vch_log *log, const char *directory)
{
    vch_log(log, VCH_LOG_WARN, "state.void", VCH_STR("directory", directory),
            VCH_STR("reason",
                    "this TEE has no sealing key: what an earlier process wrote cannot be "
                    "opened by anybody, and all begins anew"));
}

/* Of a process whose key is gone with it. */
static vouch_code remove_void(vch_state *s, const vch_log *log, vouch_error *err)
{
    bool found = false;
    vouch_code rc = vch_dir_list(s->directory, note, &found, err);
    if (rc != VOUCH_OK || !found)
        return rc;
    log_void(log, s->directory);
    rc = vch_dir_remove_tree(s->directory, err);
    return rc == VOUCH_OK ? vch_dir_make(s->directory, 0700, err) : rc;
}

static vouch_code set_aside(const char *path, const vch_log *log, const char *reason,
                            const char *remedy, vouch_error *err)
{
    char aside[VCH_PATH_SIZE];
    int n = snprintf(aside, sizeof aside, "%s.void-%lld", path, (long long)vch_clock_unix_ms());
    if (n < 0 || (size_t)n >= sizeof aside)
        return vouch_fail(err, VOUCH_E_LIMIT, "'%s': the path is too long", path);
    if (rename(path, aside) != 0)
        return vouch_fail(err, VOUCH_E_IO, "moving '%s' aside: %s", path, strerror(errno));
    vch_log(log, VCH_LOG_WARN, "state.void", VCH_STR("directory", aside), VCH_STR("reason", reason),
            VCH_STR("remedy", remedy));
    return VOUCH_OK;
}

static vouch_code move_aside(const char *path, const vch_log *log, const vouch_error *why,
                             vouch_error *err)
{
    char text[512];
    return set_aside(path, log, vouch_error_text(why, text, sizeof text),
                     "the TEE's sealing key is another one (microcode, measurement), or the "
                     "files were altered: all begins anew",
                     err);
}

static void drop_lock(vch_state *s)
{
    if (s->lock >= 0)
        (void)close(s->lock);
    s->lock = -1;
}

static vouch_code open_journal(vch_state *s, const vch_state_options *options, vouch_error *err)
{
    vouch_error why = { 0 };
    const vch_journal_options how = { .directory = s->directory,
                                      .root = options->root,
                                      .replay = options->replay,
                                      .context = options->context };
    vouch_code rc = vch_journal_open(&how, &s->journal, &why);
    if (rc == VOUCH_E_REFUSED) { /* nothing of it was replayed */
        drop_lock(s);
        rc = move_aside(s->directory, options->log, &why, err);
        if (rc == VOUCH_OK)
            rc = vch_dir_make(s->directory, 0700, err);
        if (rc == VOUCH_OK)
            rc = vch_state_lock(s->directory, &s->lock, err);
        return rc == VOUCH_OK ? vch_journal_open(&how, &s->journal, err) : rc;
    }
    if (rc != VOUCH_OK && err != NULL)
        *err = why;
    return rc;
}

/* A directory of the policy before, if it is there; nobody else may be at work on it. */
static vouch_code visit(const vch_state *s, const vch_state_origin *origin, vch_state *out,
                        bool *out_there, vouch_error *err)
{
    vouch_code rc = vch_path_join(s->parent, origin->name, out->directory, err);
    out->lock = -1;
    *out_there = rc == VOUCH_OK && vch_dir_exists(out->directory);
    return *out_there ? vch_state_lock(out->directory, &out->lock, err) : rc;
}

static vouch_code take_over(const vch_state *s, const vch_state_origin *origin, const char *old,
                            vouch_error *err)
{
    bool renamed = false;
    vouch_error why = { 0 };
    const vch_reseal how = { .parent = s->parent,
                             .from = origin->name,
                             .to = s->name,
                             .old_root = origin->root,
                             .root = s->root };
    vouch_code rc = vch_reseal_copy(&how, &renamed, &why);
    if (rc == VOUCH_E_REFUSED) /* no more can be done with it than with one of our own */
        return move_aside(old, s->log, &why, err);
    if (rc != VOUCH_OK) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    vch_log(s->log, VCH_LOG_INFO, "state.resealed", VCH_STR("from", old),
            VCH_STR("to", s->directory));
    return VOUCH_OK;
}

/* The present directory counts if there is one, else the newest before it; what is older goes. */
static vouch_code settle(vch_state *s, const vch_state_options *options, vouch_error *err)
{
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; rc == VOUCH_OK && i < options->before_count; i++) {
        vch_state old = { .lock = -1 };
        bool there = false;
        rc = visit(s, &options->before[i], &old, &there, err);
        if (rc == VOUCH_OK && there && !options->fleeting && !vch_dir_exists(s->directory))
            rc = take_over(s, &options->before[i], old.directory, err);
        if (rc == VOUCH_OK && there && options->fleeting)
            log_void(s->log, old.directory);
        if (rc == VOUCH_OK && there)
            rc = vch_dir_remove_tree(old.directory, err);
        drop_lock(&old);
    }
    return rc == VOUCH_OK ? vch_reseal_clean(s->parent, s->name, err) : rc;
}

static vouch_code begin(vch_state *s, const vch_state_options *options, vouch_error *err)
{
    s->lock = -1;
    s->root = options->root;
    s->log = options->log;
    vouch_code rc = vch_path_join(NULL, options->parent, s->parent, err);
    if (rc == VOUCH_OK)
        rc = take_name(s, options->name, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(s->parent, 0700, err);
    if (rc == VOUCH_OK)
        rc = settle(s, options, err);
    if (rc == VOUCH_OK)
        rc = make_directory(s, err);
    return rc == VOUCH_OK ? vch_state_lock(s->directory, &s->lock, err) : rc;
}

vouch_code vch_state_open(const vch_state_options *options, vch_state **out, vouch_error *err)
{
    VCH_SCOPED(vch_state_drop) vch_state *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the state");
    vouch_code rc = begin(s, options, err);
    if (rc == VOUCH_OK && options->fleeting) {
        rc = remove_void(s, options->log, err);
        drop_lock(s);
        if (rc == VOUCH_OK)
            rc = vch_state_lock(s->directory, &s->lock, err);
    }
    if (rc == VOUCH_OK)
        rc = open_journal(s, options, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "state");
    *out = VCH_MOVE(s);
    return VOUCH_OK;
}

static vouch_code skip(void *context, vouch_span record, vouch_error *err)
{
    (void)context;
    (void)record;
    (void)err;
    return VOUCH_OK;
}

/* From here on only the new directory counts. */
static vouch_code enter(vch_state *s, const char *name, vouch_error *err)
{
    vch_journal_close(s->journal);
    s->journal = NULL;
    drop_lock(s);
    vouch_code rc = take_name(s, name, err);
    if (rc == VOUCH_OK)
        rc = vch_state_lock(s->directory, &s->lock, err);
    const vch_journal_options how = { .directory = s->directory, .root = s->root, .replay = skip };
    return rc == VOUCH_OK ? vch_journal_open(&how, &s->journal, err) : rc;
}

/* One that lies there is of a run that did not go on: what is in memory counts. */
static vouch_code make_room(const vch_state *s, const char *name, vouch_error *err)
{
    vch_state there = { .lock = -1 };
    vouch_code rc = vch_path_join(s->parent, name, there.directory, err);
    if (rc != VOUCH_OK || !vch_dir_exists(there.directory))
        return rc;
    rc = vch_state_lock(there.directory, &there.lock, err);
    if (rc == VOUCH_OK)
        rc = set_aside(there.directory, s->log, "a run under this policy goes on elsewhere",
                       "it can be removed", err);
    drop_lock(&there);
    return rc;
}

vouch_code vch_state_reseal(vch_state *s, const char *name, const vch_seal_root *root,
                            bool *out_spoilt, vouch_error *err)
{
    char old[VCH_PATH_SIZE];
    const vch_reseal how = {
        .parent = s->parent, .from = s->name, .to = name, .old_root = s->root, .root = root
    };
    *out_spoilt = s->journal == NULL || vch_journal_is_spoilt(s->journal);
    if (*out_spoilt)
        return vouch_fail(err, VOUCH_E_IO, "the journal is spoilt: a write to it failed before");
    vouch_code rc = make_room(s, name, err);
    if (rc == VOUCH_OK)
        rc = vch_reseal_copy(&how, out_spoilt, err);
    if (rc == VOUCH_E_CONFIG) /* started by mistake; it may end, while this one has a run to lose */
        rc = vouch_wrap(err, VOUCH_E_IO, "sealing '%s' anew", s->directory);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(old, s->directory, sizeof old);
    s->root = root;
    if (vch_dir_remove_tree(old, NULL) != VOUCH_OK)
        vch_log(s->log, VCH_LOG_WARN, "state.not_removed", VCH_STR("directory", old));
    rc = enter(s, name, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "going on with what was sealed anew");
    *out_spoilt = false;
    vch_log(s->log, VCH_LOG_INFO, "state.resealed", VCH_STR("from", old),
            VCH_STR("to", s->directory));
    return VOUCH_OK;
}

void vch_state_close(vch_state *s)
{
    if (s == NULL)
        return;
    vch_journal_close(s->journal);
    drop_lock(s);
    free(s);
}

const char *vch_state_directory(const vch_state *s)
{
    return s->directory;
}

vch_journal *vch_state_journal(vch_state *s)
{
    return s->journal;
}

typedef struct sweep {
    const char *directory;
    bool (*wanted)(void *context, const char *name);
    void *context;
} sweep;

static vouch_code sweep_one(void *context, const char *name, vouch_error *err)
{
    const sweep *how = context;
    char path[VCH_PATH_SIZE];
    if (strcmp(name, VCH_STATE_LOCK) == 0 || vch_state_is_journal(name)
        || how->wanted(how->context, name))
        return VOUCH_OK;
    vouch_code rc = vch_path_join(how->directory, name, path, err);
    return rc == VOUCH_OK ? vch_file_remove(path, err) : rc;
}

vouch_code vch_state_sweep(vch_state *s, bool (*wanted)(void *context, const char *name),
                           void *context, vouch_error *err)
{
    sweep how = { s->directory, wanted, context };
    return vch_dir_list(s->directory, sweep_one, &how, err);
}
