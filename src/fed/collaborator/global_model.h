/*
 * The federation's model at a collaborator: fetched whole, or, where the plan has delta updates and
 * the model of the round before is here, moved by what changed. One thread at a time.
 * docs/federation.md; openfl_interop.md section 5.
 */
#ifndef VCH_FED_COLLABORATOR_GLOBAL_MODEL_H
#define VCH_FED_COLLABORATOR_GLOBAL_MODEL_H

#include "fed/collaborator/calls.h"
#include "fed/tensor/pipeline.h"

typedef struct vch_global_model {
    vch_pipeline pipeline; /* the plan's */
    vch_model model;       /* the task runner's tensors; their values once `has_values` */
    bool has_values;       /* of round model.round */
} vch_global_model;

/*
 * Is the optimiser's state, tensors "__opt_…", in what the aggregator serves as that round's model? It
 * is from the second round on, and only where the plan shares it: OpenFL's aggregator has none before
 * somebody has trained. Where it is not, its values are the task runner's own.
 */
bool vch_global_model_has_optimizer(const vch_plan_view *view, int32_t round);

/* The pipeline for what must lose nothing: the plan's if it does not, else the plain one. */
const vch_pipeline *vch_global_model_lossless(const vch_global_model *g);

/*
 * Have the model of `round`, whole and finite. Fails with VOUCH_E_REFUSED if what comes is not the
 * task runner's model, or as vch_calls_get_tensors does; then there are no values.
 */
VOUCH_MUST_CHECK vouch_code vch_global_model_need(vch_global_model *g, vch_calls *calls,
                                                  int32_t round, vouch_error *err);

#endif
