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

/* All that is pointed to is kept until the object is freed. `update` NULL: metrics only. */
VOUCH_MUST_CHECK vouch_code vch_outgoing_new(const vch_task_results_head *head,
                                             const vch_plan_task *task,
                                             const vch_task_outcome *outcome,
                                             const vch_model *update, const vch_pipeline *pipeline,
                                             vch_outgoing **out, vouch_error *err);
void vch_outgoing_free(vch_outgoing *o);
VCH_DEFINE_DROP(vch_outgoing_drop, vch_outgoing, vch_outgoing_free)

vch_task_results_writer *vch_outgoing_writer(const vch_outgoing *o); /* borrowed */

#endif
