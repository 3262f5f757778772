/* From the plan to the arithmetic of a round's end. */
#ifndef VCH_FED_AGGREGATOR_RECIPE_H
#define VCH_FED_AGGREGATOR_RECIPE_H

#include "fed/aggregator/results.h"
#include "fed/plan/plan.h"

/* How the plan aggregates what task `task` brings; pipeline and deltas are left to the caller. */
vch_results_recipe vch_aggregator_recipe(const vch_plan_view *plan, size_t task,
                                         vch_aggregate_state *memory);

/* The state of the plan's one function that takes steps, before the first round; zeroed if none
 * does. The plan was checked to have one such at most. */
VOUCH_MUST_CHECK vouch_code vch_aggregator_remember(const vch_plan_view *plan,
                                                    const vch_model *initial,
                                                    vch_aggregate_state *out, vouch_error *err);

#endif
