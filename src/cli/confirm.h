/* Asking the person at the prompt before something is signed or overwritten. */
#ifndef VCH_CLI_CONFIRM_H
#define VCH_CLI_CONFIRM_H

#include "prompt/command.h"

/* Ask on rt->out, read one line of standard input: VOUCH_OK for "y" or "yes", VOUCH_E_REFUSED for
 * anything else, the end of input too. */
VOUCH_MUST_CHECK vouch_code vch_cli_confirm(const vch_runtime *rt, const char *question,
                                            vouch_error *err);

#endif
