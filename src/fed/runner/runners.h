/* The task runners there are, each behind runner.h. For the files of this folder only. */
#ifndef VCH_FED_RUNNER_RUNNERS_H
#define VCH_FED_RUNNER_RUNNERS_H

#include "fed/runner/runner.h"

/* As vch_runner_open and vch_runner_initial_model. */
VOUCH_MUST_CHECK vouch_code vch_mlp_runner_open(const vch_runner_options *options,
                                                vch_faults *faults, vch_runner *out,
                                                vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_mlp_initial_model(const vch_plan_view *plan, vch_faults *faults,
                                                  vch_model *out, vouch_error *err);

VOUCH_MUST_CHECK vouch_code vch_process_runner_open(const vch_runner_options *options,
                                                    vch_faults *faults, vch_runner *out,
                                                    vouch_error *err);
VOUCH_MUST_CHECK vouch_code vch_process_initial_model(const vch_runner_options *options,
                                                      vch_faults *faults, vch_model *out,
                                                      vouch_error *err);

/* As vch_runner_save. */
VOUCH_MUST_CHECK vouch_code vch_process_save_model(const vch_runner_options *options,
                                                   const vch_model *model, const char *path,
                                                   vch_faults *faults, bool *out_saved,
                                                   vouch_error *err);

#endif
