/* A model in its framework's own form, which the plan's task runner writes. */
#ifndef VCH_CLI_MODEL_NATIVE_H
#define VCH_CLI_MODEL_NATIVE_H

#include <stdbool.h>

#include "fed/runner/runner.h"
#include "prompt/command.h"

/*
 * Written whole or not at all: the task runner writes into a new directory beside `output`, and what
 * it leaves there, a file or a directory of that name and nothing else, takes its place.
 *
 * out_saved  False: it has no form of its own, and nothing was written.
 * Fails with VOUCH_E_CONFIG (`output` is a directory), VOUCH_E_FORMAT (it left something else), or
 * what vch_runner_save fails with.
 */
VOUCH_MUST_CHECK vouch_code vch_model_save_native(const vch_runtime *rt,
                                                  const vch_runner_options *runner,
                                                  const vch_model *model, const char *output,
                                                  bool *out_saved, vouch_error *err);

#endif
