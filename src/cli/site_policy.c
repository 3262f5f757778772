#include "cli/site_policy.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/moment.h"
#include "codec/hex.h"
#include "codec/json_writer.h"
#include "host/clock.h"
#include "host/file.h"

#define SUFFIX ".yaml"
#define ANSWER_CAP ((size_t)8 << 10)

/* What of a file tells that it is another one. */
typedef struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
} stamp;

/* A policy with everything that stands by it. */
typedef struct era {
    vch_attestation_file *file;
    vch_participant *participant;
    vch_roster *roster;
    struct era *before;
} era;

struct vch_site_policy {
    const vch_site_options *options;
    vch_site *site;
    char path[VCH_PATH_SIZE]; /* of the file in force */
    char next_path[VCH_PATH_SIZE];
    stamp seen, seen_next;
    era *next; /* loaded, waiting for its `from` */
    era *past; /* their connections and calls may still use them */
    int64_t switched_unix_s;

    pthread_t thread; /* loads `loading` */
    bool loads;
    atomic_bool loaded;
    const char *loading_path;
    era *loading;
    vouch_code rc;
    vouch_error why;
};

static void era_free(era *e)
{
    if (e == NULL)
        return;
    vch_participant_free(e->participant);
    vch_roster_free(e->roster);
    vch_attestation_file_free(e->file);
    free(e);
}
VCH_DEFINE_DROP(era_drop, era, era_free)

static bool look_at(const char *path, stamp *out)
{
    struct stat s;
    *out = (stamp) { 0 };
    if (stat(path, &s) != 0)
        return false;
    *out = (stamp) { s.st_dev, s.st_ino, s.st_size, s.st_mtim };
    return true;
}

static bool same_stamp(const stamp *a, const stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size
           && a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

vouch_code vch_site_policy_next_path(const char *path, char out[static VCH_PATH_SIZE],
                                     vouch_error *err)
{
    size_t size = strlen(path);
    size_t end = sizeof SUFFIX - 1;
    if (size > end && strcmp(path + size - end, SUFFIX) == 0)
        size -= end;
    int written = snprintf(out, VCH_PATH_SIZE, "%.*s.next.yaml", (int)size, path);
    if (written < 0 || written >= VCH_PATH_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "'%.60s...': the path is too long", path);
    return VOUCH_OK;
}

/* --- loading, in the thread --- */

static vouch_code load_era(const vch_site_policy *p, era *e, vouch_error *err)
{
    vch_site_pki pki;
    vch_participant_options o = { 0 };
    vouch_code rc = vch_site_attestation_load(p->options, p->loading_path, NULL, &e->file, err);
    if (rc == VOUCH_OK)
        rc = vch_site_participant_options(p->options, p->site, e->file, &pki, &o, err);
    o.predecessor = p->site->participant;
    if (rc == VOUCH_OK)
        rc = vch_participant_new(&o, &e->participant, err);
    if (rc == VOUCH_OK)
        rc = vch_roster_new(vch_attestation_file_federation(e->file), &e->roster, err);
    return rc == VOUCH_OK ? vch_participant_keep_fresh(e->participant, err) : rc;
}

static void *load(void *context)
{
    vch_site_policy *p = context;
    p->rc = load_era(p, p->loading, &p->why);
    atomic_store(&p->loaded, true);
    return NULL;
}

static void begin_load(vch_site_policy *p, const char *path)
{
    p->loading = calloc(1, sizeof *p->loading);
    p->loading_path = path;
    p->why = (vouch_error) { 0 };
    atomic_store(&p->loaded, false);
    p->loads = p->loading != NULL && pthread_create(&p->thread, NULL, load, p) == 0;
    if (!p->loads) {
        era_drop(&p->loading);
        vch_log(&p->options->rt->log, VCH_LOG_ERROR, "policy.not_loaded", VCH_STR("path", path));
    }
}

/* --- the operator's answer --- */

static void write_answer(const vch_site_policy *p, const era *e, const char *result,
                         const char *reason)
{
    char path[VCH_PATH_SIZE + VCH_PARTICIPANT_NAME_SIZE + 32];
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(ANSWER_CAP);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "name", p->site->name);
    vch_json_put_string(&w, "role", vch_role_name(p->options->role));
    vch_json_put_string(&w, "result", result);
    vch_json_put_string(&w, "reason", reason);
    if (e->file != NULL) {
        const vch_federation *f = vch_attestation_file_federation(e->file);
        vch_json_put_hex(&w, "policy", (vouch_span) { f->digest, sizeof f->digest });
        vch_json_put_moment(&w, "from", f->from_unix_s);
    }
    vch_json_end(&w);
    (void)snprintf(path, sizeof path, "%s.%s-%s.json", p->next_path,
                   vch_role_name(p->options->role), p->site->name);
    if (vch_file_write(path, vch_buffer_span(&out), 0644, NULL) != VOUCH_OK)
        vch_log(&p->options->rt->log, VCH_LOG_WARN, "policy.not_answered", VCH_STR("path", path));
}

static bool is_in_force(const vch_site_policy *p, const era *e)
{
    return e->file != NULL
           && memcmp(vch_attestation_file_federation(e->file)->digest,
                     vch_attestation_file_federation(p->site->attestation)->digest, 32)
                  == 0;
}

static void log_loaded(const vch_site_policy *p, const era *e)
{
    char from[VCH_MOMENT_TEXT_SIZE];
    const vch_federation *f = vch_attestation_file_federation(e->file);
    vch_log(&p->options->rt->log, VCH_LOG_INFO, "policy.loaded", VCH_STR("name", p->site->name),
            VCH_SPAN_HEX("policy", ((vouch_span) { f->digest, sizeof f->digest })),
            VCH_STR("from", vch_moment_format(f->from_unix_s, from)));
}

static void finish_load(vch_site_policy *p)
{
    char text[VOUCH_ERROR_TEXT * VOUCH_ERROR_DEPTH];
    (void)pthread_join(p->thread, NULL);
    p->loads = false;
    VCH_SCOPED(era_drop) era *e = VCH_MOVE(p->loading);
    if (is_in_force(p, e)) {
        write_answer(p, e, "in force", "");
        return;
    }
    if (p->rc != VOUCH_OK) {
        (void)vouch_error_text(&p->why, text, sizeof text);
        vch_log(&p->options->rt->log, VCH_LOG_WARN, "policy.refused",
                VCH_STR("name", p->site->name), VCH_STR("path", p->loading_path),
                VCH_STR("reason", text));
        write_answer(p, e, "refused", text);
        return;
    }
    log_loaded(p, e);
    write_answer(p, e, "loaded", "");
    era_free(p->next); /* never shown to anybody */
    p->next = VCH_MOVE(e);
}

/* --- the switch --- */

/* The file becomes the one in force for the next start, too; where we may not write, the operator
 * does it. */
static vouch_code put_in_force(const vch_site_policy *p, vouch_error *err)
{
    char aside[VCH_PATH_SIZE + 16];
    char directory[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer old = { 0 };
    (void)snprintf(aside, sizeof aside, "%s.previous", p->path);
    vouch_code rc = vch_path_directory(p->path, directory, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(p->path, VCH_ATTESTATION_FILE_MAX_SIZE, &old, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(aside, vch_buffer_span(&old), 0644, err);
    if (rc == VOUCH_OK && rename(p->next_path, p->path) != 0)
        rc = vouch_fail(err, VOUCH_E_IO, "renaming to '%s': %s", p->path, strerror(errno));
    return rc == VOUCH_OK ? vch_dir_sync(directory, err) : rc;
}

/* At every moment there is one that is whole: a process that is killed here starts under one of the
 * two. On disk before the state is that of the next policy. */
static void promote(vch_site_policy *p)
{
    vouch_error err = { 0 };
    char text[512];
    if (!vch_file_exists(p->next_path)) /* edited in place, or another participant was faster */
        return;
    if (put_in_force(p, &err) != VOUCH_OK)
        vch_log(&p->options->rt->log, VCH_LOG_WARN, "policy.not_promoted",
                VCH_STR("path", p->next_path),
                VCH_STR("reason", vouch_error_text(&err, text, sizeof text)));
    (void)look_at(p->path, &p->seen);
}

static bool switch_over(vch_site_policy *p)
{
    vouch_error err = { 0 };
    vch_site *site = p->site;
    const vch_runtime *rt = p->options->rt;
    era *next = VCH_MOVE(p->next);
    vch_gate_switch(site->gate, next->participant, next->roster);
    vch_participant_retire(site->participant);
    era now = *next;
    *next = (era) { site->attestation, site->participant, site->roster, p->past };
    p->past = next;
    site->attestation = now.file;
    site->participant = now.participant;
    site->roster = now.roster;
    p->switched_unix_s = vch_clock_unix_s();
    vouch_code rc = vch_gate_renew(site->gate, site->tls, &err);
    if (rc == VOUCH_OK)
        rc = vch_site_write_documents(p->options, site, &err);
    if (rc != VOUCH_OK)
        vch_log(&rt->log, VCH_LOG_ERROR, "policy.switch_incomplete",
                VCH_STR("reason", vouch_error_text(&err, (char[1024]) { 0 }, 1024)));
    const vch_federation *f = vch_attestation_file_federation(site->attestation);
    vch_log(&rt->log, VCH_LOG_INFO, "policy.switched", VCH_STR("name", site->name),
            VCH_SPAN_HEX("policy", ((vouch_span) { f->digest, sizeof f->digest })));
    promote(p);
    return true;
}

static void look_for_files(vch_site_policy *p)
{
    stamp now;
    if (look_at(p->next_path, &now) && !same_stamp(&now, &p->seen_next)) {
        p->seen_next = now;
        begin_load(p, p->next_path);
    } else if (look_at(p->path, &now) && !same_stamp(&now, &p->seen)) {
        p->seen = now;
        begin_load(p, p->path);
    }
}

bool vch_site_policy_turn(vch_site_policy *p)
{
    if (p->site->attestation == NULL)
        return false;
    if (p->loads && !atomic_load(&p->loaded))
        return false;
    if (p->loads)
        finish_load(p);
    if (p->next != NULL
        && vch_clock_unix_s() >= vch_attestation_file_federation(p->next->file)->from_unix_s)
        return switch_over(p);
    look_for_files(p);
    return false;
}

void vch_site_policy_hurry(vch_site_policy *p)
{
    if (p->site->attestation == NULL)
        return;
    p->seen_next = (stamp) { 0 };
    vch_participant_reload_collateral(p->site->participant);
    vch_participant_ask_renewal(p->site->participant);
}

static bool is_near(int64_t from_unix_s)
{
    int64_t away = vch_clock_unix_s() - from_unix_s;
    return away <= VCH_POLICY_CHANGE_S && away >= -VCH_POLICY_CHANGE_S;
}

bool vch_site_policy_is_changing(const vch_site_policy *p)
{
    if (p->site->attestation == NULL)
        return false;
    const vch_federation *f = vch_attestation_file_federation(p->site->attestation);
    return (f->has_replaces && is_near(f->from_unix_s)) || is_near(p->switched_unix_s)
           || (p->next != NULL
               && is_near(vch_attestation_file_federation(p->next->file)->from_unix_s));
}

int64_t vch_site_policy_switched_unix_s(const vch_site_policy *p)
{
    return p->switched_unix_s;
}

vouch_code vch_site_policy_new(const vch_site_options *options, vch_site *site,
                               vch_site_policy **out, vouch_error *err)
{
    VCH_SCOPED(vch_free_drop) vch_site_policy *p = calloc(1, sizeof *p);
    if (p == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the next policy");
    p->options = options;
    p->site = site;
    const char *path =
        options->attestation_path == NULL ? VCH_SITE_ATTESTATION : options->attestation_path;
    vouch_code rc = vch_path_join(NULL, path, p->path, err);
    if (rc == VOUCH_OK)
        rc = vch_site_policy_next_path(path, p->next_path, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)look_at(p->path, &p->seen);
    *out = VCH_MOVE(p);
    return VOUCH_OK;
}

void vch_site_policy_free(vch_site_policy *p)
{
    if (p == NULL)
        return;
    if (p->loads)
        (void)pthread_join(p->thread, NULL);
    era_free(p->loading);
    era_free(p->next);
    while (p->past != NULL) {
        era *e = p->past;
        p->past = e->before;
        era_free(e);
    }
    free(p);
}
