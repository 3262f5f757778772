/*
 * The calls to an aggregator, one after the other but for tensors, each with its header made and its
 * answer's header checked. The connection is made when it is needed and dropped when it broke.
 */
#ifndef VCH_FED_COLLABORATOR_CALLS_H
#define VCH_FED_COLLABORATOR_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "fed/collaborator/collaborator.h"
#include "fed/tensor/named_tensor.h"
#include "fed/wire/message.h"
#include "fed/wire/task_results.h"

typedef struct vch_calls {
    const vch_collaborator_options *options; /* kept */
    const vch_plan_view *view;               /* kept */
    vch_grpc_client *client;                 /* NULL: not connected */
    bool stopping;
    bool hung_up;           /* the connection is to end now, whatever is under way */
    bool wake;              /* ends a wait on the loop */
    unsigned failures;      /* since a call succeeded */
    vch_grpc_code answered; /* the last status that came */
} vch_calls;

void vch_calls_done(vch_calls *c);

/*
 * All of these fail with
 *   VOUCH_E_NETWORK or _TIMEOUT  the connection broke, or the aggregator says UNAVAILABLE: wait,
 *                                then repeat
 *   VOUCH_E_NOT_FOUND            another status: the call is not repeated as it is; ask for tasks
 *   VOUCH_E_REFUSED              it never will
 * and when stopping with VOUCH_E_TIMEOUT.
 */

/* `out` borrows from `message`, which the caller drops. */
VOUCH_MUST_CHECK vouch_code vch_calls_get_tasks(vch_calls *c, vch_buffer *message,
                                                vch_wire_tasks *out, vouch_error *err);

/* Tensors, a call for each, several on their way at a time: `take` is called in whatever order they
 * come, and not any more once something has failed. */
typedef struct vch_calls_batch {
    void *context;
    size_t count;
    /* What to ask for; *out_size: bytes of its values. What it borrows is kept until the end. */
    vch_wire_tensor_spec (*ask)(void *context, size_t at, size_t *out_size);
    vouch_code (*take)(void *context, size_t at, const vch_named_tensor *tensor, vouch_error *err);
} vch_calls_batch;
VOUCH_MUST_CHECK vouch_code vch_calls_get_tensors(vch_calls *c, const vch_calls_batch *batch,
                                                  vouch_error *err);

/* Is it our aggregator, and does it take us? *out_served false: it is OpenFL's until 1.8, which is
 * reached and knows no Ping. */
VOUCH_MUST_CHECK vouch_code vch_calls_ping(vch_calls *c, bool *out_served, vouch_error *err);

/* `results` is rewound first. */
VOUCH_MUST_CHECK vouch_code vch_calls_send(vch_calls *c, vch_task_results_writer *results,
                                           vouch_error *err);

/* The header of every request. */
vch_wire_header vch_calls_header(const vch_calls *c);

/* Run the loop for some time, or until stopping. */
VOUCH_MUST_CHECK vouch_code vch_calls_wait(vch_calls *c, int64_t delay_ms, vouch_error *err);

/* How long to wait before the next attempt: longer after each failure, up to the plan's interval,
 * half to one and a half of it. */
int64_t vch_calls_delay_ms(vch_calls *c);

#endif
