#include "fed/aggregator/commits.h"

#include <stdlib.h>

#include "host/file.h"

typedef struct entry {
    struct entry *next;
    vch_commit commit;
    vouch_code rc;
    vouch_error err;
} entry;

typedef struct entries {
    entry *first, *last;
} entries;

struct vch_commits {
    vch_state *state;
    vch_workers *workers;
    vch_timer *turn; /* fires when the present callbacks of the loop have returned */
    entries waiting;
    entries running; /* the worker's while `is_running` */
    bool is_running;
    bool spoilt; /* the journal */
    bool waits;  /* nothing of `waiting` is begun */
    vch_job alone;
    enum { ALONE_NOT = 0, ALONE_WANTED, ALONE_RUNS } stage;
};

static void push(entries *list, entry *e)
{
    e->next = NULL;
    if (list->last == NULL)
        list->first = e;
    else
        list->last->next = e;
    list->last = e;
}

static entry *pop(entries *list)
{
    entry *e = list->first;
    if (e == NULL)
        return NULL;
    list->first = e->next;
    if (list->first == NULL)
        list->last = NULL;
    return e;
}

static void free_entry(entry *e)
{
    vch_buffer_drop(&e->commit.record);
    free(e);
}

static void fail_all(const entries *list, vouch_code rc, const vouch_error *err)
{
    for (entry *e = list->first; e != NULL; e = e->next) {
        if (e->rc != VOUCH_OK)
            continue;
        e->rc = rc;
        e->err = *err;
    }
}

/* Bytes first, then names: a file that the journal speaks of is whole. */
static bool store_files(const entries *list)
{
    bool any = false;
    for (entry *e = list->first; e != NULL; e = e->next) {
        if (e->commit.file == NULL)
            continue;
        e->rc = vch_sealed_sync(e->commit.file, &e->err);
        if (e->rc == VOUCH_OK)
            e->rc = vch_sealed_publish(e->commit.file, &e->err);
        any = any || e->rc == VOUCH_OK;
    }
    return any;
}

static vouch_code store_records(vch_journal *journal, const entries *list, vouch_error *err)
{
    for (entry *e = list->first; e != NULL; e = e->next) {
        if (e->rc == VOUCH_OK)
            e->rc = vch_journal_add(journal, vch_buffer_span(&e->commit.record), &e->err);
    }
    return vch_journal_commit(journal, err);
}

static void work(void *context)
{
    const vch_commits *c = context;
    vouch_error err = { 0 };
    vouch_code rc = VOUCH_OK;
    if (store_files(&c->running))
        rc = vch_dir_sync(vch_state_directory(c->state), &err);
    if (rc == VOUCH_OK)
        rc = store_records(vch_state_journal(c->state), &c->running, &err);
    if (rc != VOUCH_OK)
        fail_all(&c->running, rc, &err);
}

static void work_alone(void *context)
{
    const vch_commits *c = context;
    c->alone.work(c->alone.context);
}

static void tell(entries *list)
{
    entry *e = NULL;
    while ((e = pop(list)) != NULL) {
        e->commit.done(e->commit.context, e->rc, e->rc == VOUCH_OK ? NULL : &e->err);
        free_entry(e);
    }
}

static void worked(void *context, bool was_run)
{
    vch_commits *c = context;
    if (!was_run) {
        vouch_error err = { 0 };
        vouch_code rc = vouch_fail(&err, VOUCH_E_IO, "the process is ending");
        fail_all(&c->running, rc, &err);
    }
    entries done = c->running;
    c->running = (entries) { 0 };
    c->is_running = false;
    c->spoilt = c->state != NULL && vch_journal_is_spoilt(vch_state_journal(c->state));
    if (c->waiting.first != NULL || c->stage == ALONE_WANTED)
        vch_timer_start(c->turn, 0);
    tell(&done);
}

static void worked_alone(void *context, bool was_run)
{
    vch_commits *c = context;
    c->stage = ALONE_NOT;
    c->is_running = false;
    c->alone.done(c->alone.context, was_run);
}

static void run_alone(vch_commits *c, vch_workers *workers)
{
    const vch_job job = { .context = c, .work = work_alone, .done = worked_alone };
    c->stage = ALONE_RUNS;
    c->is_running = true;
    if (workers != NULL && vch_workers_submit(workers, job, NULL) == VOUCH_OK)
        return;
    work_alone(c);
    worked_alone(c, true);
}

static void run(vch_commits *c, vch_workers *workers)
{
    if (c->is_running)
        return;
    if (c->stage == ALONE_WANTED) {
        run_alone(c, workers);
        return;
    }
    if (c->waits || c->waiting.first == NULL)
        return;
    c->running = c->waiting;
    c->waiting = (entries) { 0 };
    c->is_running = true;
    const vch_job job = { .context = c, .work = work, .done = worked };
    if (c->state != NULL && workers != NULL && vch_workers_submit(workers, job, NULL) == VOUCH_OK)
        return;
    if (c->state != NULL) /* no worker, or none has time */
        work(c);
    worked(c, true);
}

void vch_commits_alone(vch_commits *c, const vch_job *job)
{
    c->alone = *job;
    c->stage = ALONE_WANTED;
    c->waits = true;
    if (!c->is_running)
        vch_timer_start(c->turn, 0);
}

void vch_commits_go_on(vch_commits *c)
{
    entries all = c->waiting;
    entries gone = { 0 };
    entry *e = NULL;
    vouch_error err = { 0 };
    vouch_code rc = vouch_fail(&err, VOUCH_E_IO,
                               "the rules have changed while it was being stored: send it again");
    c->waiting = (entries) { 0 };
    c->waits = false;
    while ((e = pop(&all)) != NULL)
        push(e->commit.file == NULL ? &c->waiting : &gone, e);
    if (c->waiting.first != NULL)
        vch_timer_start(c->turn, 0);
    fail_all(&gone, rc, &err);
    tell(&gone);
}

static void start(void *context)
{
    vch_commits *c = context;
    run(c, c->workers);
}

void vch_commits_flush(vch_commits *c)
{
    run(c, NULL);
}

vouch_code vch_commits_new(vch_state *state, vch_loop *loop, vch_workers *workers,
                           vch_commits **out, vouch_error *err)
{
    vch_commits *c = calloc(1, sizeof *c);
    if (c == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for commits");
    c->state = state;
    c->workers = workers;
    vouch_code rc = vch_timer_new(loop, start, c, &c->turn, err);
    if (rc != VOUCH_OK) {
        free(c);
        return rc;
    }
    *out = c;
    return VOUCH_OK;
}

void vch_commits_free(vch_commits *c)
{
    entry *e = NULL;
    vouch_error err = { 0 };
    if (c == NULL)
        return;
    vch_timer_free(c->turn);
    c->turn = NULL;
    vouch_code rc = vouch_fail(&err, VOUCH_E_IO, "the process is ending");
    while ((e = pop(&c->waiting)) != NULL) {
        e->commit.done(e->commit.context, rc, &err);
        free_entry(e);
    }
    free(c);
}

vouch_code vch_commits_put(vch_commits *c, vch_commit *commit, vouch_error *err)
{
    entry *e = calloc(1, sizeof *e);
    if (e == NULL || vch_buffer_finish(&commit->record, "journal record", err) != VOUCH_OK) {
        vch_buffer_drop(&commit->record);
        free(e);
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to write a record");
    }
    e->commit = *commit;
    *commit = (vch_commit) { 0 };
    push(&c->waiting, e);
    if (!c->is_running)
        vch_timer_start(c->turn, 0);
    return VOUCH_OK;
}

bool vch_commits_is_spoilt(const vch_commits *c)
{
    return c->spoilt;
}

bool vch_commits_is_busy(const vch_commits *c)
{
    return c->is_running || c->waits || c->waiting.first != NULL;
}
