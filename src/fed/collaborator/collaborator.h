/*
 * A collaborator: connect, ask for tasks, fetch the model, run, send results, until told to quit.
 * It calls what every release of OpenFL's aggregator serves: GetTasks, GetAggregatedTensor,
 * SendLocalTaskResults. A connection that breaks is made anew, with jitter; a refusal ends it.
 * One thread. docs/openfl_interop.md sections 4 and 5.
 */
#ifndef VCH_FED_COLLABORATOR_COLLABORATOR_H
#define VCH_FED_COLLABORATOR_COLLABORATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/scope.h"
#include "fed/collaborator/keep.h"
#include "fed/plan/plan.h"
#include "fed/runner/runner.h"
#include "net/grpc_client.h"
#include "net/loop.h"
#include "vouch/error.h"

typedef struct vch_collaborator vch_collaborator;

typedef struct vch_collaborator_options {
    const vch_plan *plan; /* kept */
    const char *name;     /* kept; as in cols.yaml */
    vch_runner runner;    /* kept, not freed */
    vch_loop *loop;       /* kept; the connection must be on it */
    const vch_log *log;   /* kept; may be NULL */
    vch_keep *keep;       /* kept, not freed; NULL: what was done is forgotten at the end */

    /* A new connection that passed the gate; as vch_grpc_client_connect. */
    vouch_code (*connect)(void *context, vch_grpc_client **out, vouch_error *err);
    void *connect_context;

    /* Does the aggregator of that session still stand: not revoked, not due to be appraised anew?
     * NULL: as long as the connection does. */
    bool (*stands)(void *context, void *session);

    /* A metric of a task that was done just now, before it is sent. NULL: nobody asks. */
    void (*reported)(void *context, const vch_plan_task *task, int32_t round,
                     const vch_task_metric *metric);
    /* All tasks that were handed out at once are done; it took so long. NULL: nobody asks. */
    void (*turn_done)(void *context, int32_t round, int64_t took_ms);
    void *reported_context;

    /* A random number, for jitter only. */
    uint32_t (*random)(void *context);
    void *random_context;
} vch_collaborator_options;

/* Fails with what the runner's make_model fails with, VOUCH_E_UNSUPPORTED (pipeline), _MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_collaborator_new(const vch_collaborator_options *options,
                                                 vch_collaborator **out, vouch_error *err);
void vch_collaborator_free(vch_collaborator *c);
VCH_DEFINE_DROP(vch_collaborator_drop, vch_collaborator, vch_collaborator_free)

/*
 * Take part until the aggregator says quit or vch_collaborator_stop() is called (both VOUCH_OK), or
 * it cannot go on: VOUCH_E_REFUSED (the aggregator
 * refused us, or we refused it: a verdict, a wrong header, a round older than one that is done). A
 * task that fails is logged and tried again, ever more slowly; it ends nothing.
 */
VOUCH_MUST_CHECK vouch_code vch_collaborator_run(vch_collaborator *c, vouch_error *err);

/* From the loop: the aggregator is not to be talked to any more. The call in hand ends, and the
 * connection is made anew, which is to appraise it anew. */
void vch_collaborator_hang_up(vch_collaborator *c);

/* The session of the present connection, or NULL. */
void *vch_collaborator_session(const vch_collaborator *c);

/* From the loop, such as a signal: run() returns soon, at the latest after the task in hand. */
void vch_collaborator_stop(vch_collaborator *c);

#endif
