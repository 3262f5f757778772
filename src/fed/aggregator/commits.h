/*
 * The way to the disk: files and journal records, gathered for one turn of the loop, made durable
 * together on a worker's thread, then each told. Order is kept. One thread at a time; see `done`.
 */
#ifndef VCH_FED_AGGREGATOR_COMMITS_H
#define VCH_FED_AGGREGATOR_COMMITS_H

#include <stdbool.h>

#include "base/buffer.h"
#include "net/loop.h"
#include "net/workers.h"
#include "store/sealed.h"
#include "store/state.h"
#include "vouch/error.h"

typedef struct vch_commits vch_commits;

/* state: kept, and nobody else's while vch_commits_is_busy(); NULL: nothing is kept, all succeeds.
 * loop, workers: kept; workers NULL: the loop's thread waits for the disk. */
VOUCH_MUST_CHECK vouch_code vch_commits_new(vch_state *state, vch_loop *loop, vch_workers *workers,
                                            vch_commits **out, vouch_error *err);
void vch_commits_free(vch_commits *c); /* after the workers; what is left is told that it failed */

typedef struct vch_commit {
    vch_sealed *file;  /* finished; borrowed until `done`; NULL: none */
    vch_buffer record; /* for the journal; given */
    void (*done)(void *context, vouch_code rc, const vouch_error *err); /* from the loop */
    void *context;
} vch_commit;

/* On failure (VOUCH_E_MEMORY) `done` never comes, and the record is freed. */
VOUCH_MUST_CHECK vouch_code vch_commits_put(vch_commits *c, vch_commit *commit, vouch_error *err);

/* Store what waits now, on this thread; nothing may be under way. */
void vch_commits_flush(vch_commits *c);

/*
 * Work on the state itself, alone with it: when what is under way is done `work` comes on a worker's
 * thread (or here), then `done` from the loop; `worked` false: the process is ending, it was not
 * called. Commits wait from now on, until vch_commits_go_on. Not twice before `done`.
 */
void vch_commits_alone(vch_commits *c, const vch_job *job);

/* Commits begin again. The state lies elsewhere now: those that wait with a file are told that it is
 * not wanted (VOUCH_E_IO); records alone are kept. */
void vch_commits_go_on(vch_commits *c);

/* Also while they wait. */
bool vch_commits_is_busy(const vch_commits *c);

/* A commit failed so that nobody knows what is on disk. Nothing more will succeed. */
bool vch_commits_is_spoilt(const vch_commits *c);

#endif
