#include "fed/aggregator/recipe.h"

static vch_aggregate_function function_of(vch_aggregation plans)
{
    switch (plans) {
    case VCH_AGGREGATION_WEIGHTED_AVERAGE:
        return VCH_AGGREGATE_WEIGHTED_AVERAGE;
    case VCH_AGGREGATION_MEDIAN:
        return VCH_AGGREGATE_MEDIAN;
    case VCH_AGGREGATION_GEOMETRIC_MEDIAN:
        return VCH_AGGREGATE_GEOMETRIC_MEDIAN;
    case VCH_AGGREGATION_ADAGRAD:
        return VCH_AGGREGATE_ADAGRAD;
    case VCH_AGGREGATION_ADAM:
        return VCH_AGGREGATE_ADAM;
    case VCH_AGGREGATION_YOGI:
        return VCH_AGGREGATE_YOGI;
    case VCH_AGGREGATION_FEDCURV:
        return VCH_AGGREGATE_FEDCURV;
    }
    return VCH_AGGREGATE_WEIGHTED_AVERAGE;
}

static vch_aggregate_step step_of(const vch_plan_aggregation *plans)
{
    return (vch_aggregate_step) { .learning_rate = plans->learning_rate,
                                  .beta_1 = plans->beta_1,
                                  .beta_2 = plans->beta_2,
                                  .initial_accumulator = plans->initial_accumulator,
                                  .epsilon = plans->epsilon };
}

vch_results_recipe vch_aggregator_recipe(const vch_plan_view *plan, size_t task,
                                         vch_aggregate_state *memory)
{
    const vch_plan_aggregation *plans = &plan->task[task].aggregation;
    vch_aggregate_function function = function_of(plans->function);
    return (vch_results_recipe) {
        .function = function,
        .step = step_of(plans),
        .state = vch_aggregate_slot_count(function) > 0 ? memory : NULL,
        .sum = plan->release->float32_sum ? VCH_SUM_FLOAT32 : VCH_SUM_FLOAT64,
        .from_delta = plan->model_from_delta,
    };
}

vouch_code vch_aggregator_remember(const vch_plan_view *plan, const vch_model *initial,
                                   vch_aggregate_state *out, vouch_error *err)
{
    for (size_t t = 0; t < plan->task_count; t++) {
        const vch_plan_aggregation *plans = &plan->task[t].aggregation;
        vch_aggregate_function function = function_of(plans->function);
        vch_aggregate_step step = step_of(plans);
        if (vch_aggregate_slot_count(function) > 0)
            return vch_aggregate_state_make(function, &step, initial, out, err);
    }
    *out = (vch_aggregate_state) { 0 };
    return VOUCH_OK;
}
