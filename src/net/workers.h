/*
 * A bounded pool of threads for work that would hold up a loop: appraisals, device quotes, sums
 * over tensors. A job is a value: `work` runs on a thread, then `done` runs on the loop's thread,
 * always, also when the pool is being freed (then without `work` if that had not begun).
 */
#ifndef VCH_NET_WORKERS_H
#define VCH_NET_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/loop.h"
#include "vouch/error.h"

typedef struct vch_workers vch_workers;

typedef struct vch_job {
    void *context;
    void (*work)(void *context);              /* on a worker's thread */
    void (*done)(void *context, bool worked); /* on the loop's thread; worked: `work` was run */
} vch_job;

/* threads: 1 to 64 that work at a time; as many more may wait. queue_size: jobs that may wait. The loop is kept. */
VOUCH_MUST_CHECK vouch_code vch_workers_new(vch_loop *loop, unsigned threads, size_t queue_size,
                                            vch_workers **out, vouch_error *err);

/* Waits for running jobs, then calls `done` for all. Before the loop is freed. */
void vch_workers_free(vch_workers *workers);

/* From the loop's thread. VOUCH_E_LIMIT if the queue is full: then `done` is not called. */
VOUCH_MUST_CHECK vouch_code vch_workers_submit(vch_workers *workers, vch_job job, vouch_error *err);

/*
 * On a worker's thread, around a wait for anything but the processor: the pool gives the thread's
 * place to another, so that no other job waits along. On other threads they do nothing.
 */
void vch_worker_blocks(void);
void vch_worker_resumes(void);
/* The pool is being freed: end such a wait early. */
bool vch_worker_is_stopping(void);

#endif
