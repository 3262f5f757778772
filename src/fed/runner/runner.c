#include "fed/runner/runner.h"

#include <string.h>

#include "fed/runner/process_settings.h"
#include "fed/runner/runners.h"

bool vch_runner_is_child(const vch_runner_options *options)
{
    const vch_plan_view *plan = options->plan;
    if (options->local != NULL)
        return true;
    return plan->task_runner_template != NULL
           && strcmp(plan->task_runner_template, VCH_PROCESS_TEMPLATE) == 0;
}

vouch_code vch_runner_open(const vch_runner_options *options, vch_faults *faults, vch_runner *out,
                           vouch_error *err)
{
    return vch_runner_is_child(options) ? vch_process_runner_open(options, faults, out, err)
                                        : vch_mlp_runner_open(options, faults, out, err);
}

vouch_code vch_runner_initial_model(const vch_runner_options *options, vch_faults *faults,
                                    vch_model *out, vouch_error *err)
{
    return vch_runner_is_child(options) ? vch_process_initial_model(options, faults, out, err)
                                        : vch_mlp_initial_model(options->plan, faults, out, err);
}

vouch_code vch_runner_save(const vch_runner_options *options, const vch_model *model,
                           const char *path, vch_faults *faults, bool *out_saved, vouch_error *err)
{
    if (vch_runner_is_child(options))
        return vch_process_save_model(options, model, path, faults, out_saved, err);
    *out_saved = false;
    return VOUCH_OK;
}
