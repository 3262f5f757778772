#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/file.h"

#define LOCK "lock"
#define JOURNAL "journal-"
#define JOURNAL_SIZE ((size_t)16) /* bytes of such a name: not of one that is half made */

struct vch_state {
    char directory[VCH_PATH_SIZE];
    int lock; /* -1: none */
    vch_journal *journal;
};

/* The kernel lets go of it when the process ends, however it ends. */
static vouch_code take_lock(vch_state *s, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    vouch_code rc = vch_path_join(s->directory, LOCK, path, err);
    if (rc != VOUCH_OK)
        return rc;
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock < 0)
        return vouch_fail(err, VOUCH_E_IO, "opening '%s': %s", path, strerror(errno));
    if (fcntl(s->lock, F_SETLK, &whole) == 0)
        return VOUCH_OK;
    if (errno == EACCES || errno == EAGAIN)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "another process is at work on '%s': the same participant runs already",
                          s->directory);
    return vouch_fail(err, VOUCH_E_IO, "locking '%s': %s", path, strerror(errno));
}

static vouch_code make_directory(vch_state *s, const vch_state_options *options, vouch_error *err)
{
    vouch_code rc = vch_path_join(options->parent, options->name, s->directory, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(options->parent, 0700, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(s->directory, 0700, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_sync(options->parent, err);
    return rc;
}

static vouch_code note(void *context, const char *name, vouch_error *err)
{
    (void)err;
    if (strcmp(name, LOCK) != 0)
        *(bool *)context = true;
    return VOUCH_OK;
}

/* Of a process whose key is gone with it. */
static vouch_code remove_void(vch_state *s, const vch_log *log, vouch_error *err)
{
    bool found = false;
    vouch_code rc = vch_dir_list(s->directory, note, &found, err);
    if (rc != VOUCH_OK || !found)
        return rc;
    vch_log(log, VCH_LOG_WARN, "state.void", VCH_STR("directory", s->directory),
            VCH_STR("reason",
                    "this TEE has no sealing key: what an earlier process wrote cannot be "
                    "opened by anybody, and all begins anew"));
    rc = vch_dir_remove_tree(s->directory, err);
    return rc == VOUCH_OK ? vch_dir_make(s->directory, 0700, err) : rc;
}

static vouch_code move_aside(vch_state *s, const vch_log *log, const vouch_error *why,
                             vouch_error *err)
{
    char aside[VCH_PATH_SIZE];
    char text[512];
    int n =
        snprintf(aside, sizeof aside, "%s.void-%lld", s->directory, (long long)vch_clock_unix_ms());
    if (n < 0 || (size_t)n >= sizeof aside)
        return vouch_fail(err, VOUCH_E_LIMIT, "'%s': the path is too long", s->directory);
    if (rename(s->directory, aside) != 0)
        return vouch_fail(err, VOUCH_E_IO, "moving '%s' aside: %s", s->directory, strerror(errno));
    vch_log(log, VCH_LOG_WARN, "state.void", VCH_STR("directory", aside),
            VCH_STR("reason", vouch_error_text(why, text, sizeof text)),
            VCH_STR("remedy",
                    "the TEE's sealing key is another one (microcode, measurement), or the "
                    "files were altered: all begins anew"));
    return vch_dir_make(s->directory, 0700, err);
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
        rc = move_aside(s, options->log, &why, err);
        if (rc == VOUCH_OK)
            rc = take_lock(s, err);
        return rc == VOUCH_OK ? vch_journal_open(&how, &s->journal, err) : rc;
    }
    if (rc != VOUCH_OK && err != NULL)
        *err = why;
    return rc;
}

vouch_code vch_state_open(const vch_state_options *options, vch_state **out, vouch_error *err)
{
    VCH_SCOPED(vch_state_drop) vch_state *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the state");
    s->lock = -1;
    vouch_code rc = make_directory(s, options, err);
    if (rc == VOUCH_OK)
        rc = take_lock(s, err);
    if (rc == VOUCH_OK && options->fleeting) {
        rc = remove_void(s, options->log, err);
        drop_lock(s);
        if (rc == VOUCH_OK)
            rc = take_lock(s, err);
    }
    if (rc == VOUCH_OK)
        rc = open_journal(s, options, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "state");
    *out = VCH_MOVE(s);
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
    bool is_journal = strncmp(name, JOURNAL, strlen(JOURNAL)) == 0 && strlen(name) == JOURNAL_SIZE;
    if (strcmp(name, LOCK) == 0 || is_journal || how->wanted(how->context, name))
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
