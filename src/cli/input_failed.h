/* CLI.md: what could not be read is said as a refusal of the step `input`, also with --json. */
#ifndef VCH_CLI_INPUT_FAILED_H
#define VCH_CLI_INPUT_FAILED_H

#include <stdbool.h>

#include "prompt/command.h"
#include "vouch/error.h"

/* Complain and give the exit status: 1 if the file could be read and is malformed, else what fits
 * the code. */
int vch_input_failed(const vch_runtime *rt, const char *command, bool json, vouch_code rc,
                     const vouch_error *err);

#endif
