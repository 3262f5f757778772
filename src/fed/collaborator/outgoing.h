/*
 * A task's result on its way out: metrics and, if it trained, the update, as the tensors that
 * OpenFL expects. docs/openfl_interop.md section 5. One thread at a time.
 */
#ifndef VCH_FED_COLLABORATOR_OUTGOING_H
#define VCH_FED_COLLABORATOR_OUTGOING_H

#include "base/scope.h"
#include "fed/plan/plan.h"
#include "fed/runner/runner.h"
#include "fed/tensor/pipeline.h"
#include "fed/wire/task_results.h"
#include "vouch/error.h"

typedef struct vch_outgoing vch_outgoing;

/* What was trained, if anything was. */
typedef struct vch_outgoing_update {
    const vch_model *model; /* NULL: metrics only */
    const vch_model *base; /* the round's model, of which the change is sent; NULL: send it whole */
    bool base_has_optimizer;      /* if not, the optimiser's state is sent whole all the same */
    const vch_pipeline *pipeline; /* for the change */
    const vch_pipeline *lossless; /* for what is sent whole, and for metrics */
} vch_outgoing_update;

/* All that is pointed to is kept until the object is freed. */
VOUCH_MUST_CHECK vouch_code vch_outgoing_new(const vch_task_results_head *head,
                                             const vch_plan_task *task,
                                             const vch_task_outcome *outcome,
                                             const vch_outgoing_update *update, vch_outgoing **out,
                                             vouch_error *err);
void vch_outgoing_free(vch_outgoing *o);
VCH_DEFINE_DROP(vch_outgoing_drop, vch_outgoing, vch_outgoing_free)

vch_task_results_writer *vch_outgoing_writer(const vch_outgoing *o); /* borrowed */

#endif
