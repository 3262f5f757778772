/* Commands' answers: passports and verdicts about them, as JSON or as text. Any thread. */
#ifndef VCH_CLI_PASSPORT_VIEW_H
#define VCH_CLI_PASSPORT_VIEW_H

#include <stdbool.h>

#include "identity/passport.h"
#include "prompt/command.h"
#include "vouch/evidence.h"

/* What it says, unproven; the exit status. */
int vch_passport_show(const vch_runtime *rt, const char *command, bool json,
                      const vch_passport_contents *c, const vouch_claims *quote);

/* The verdict with every check; the exit status is the verdict's. */
int vch_passport_verdict_show(const vch_runtime *rt, const char *command, bool json,
                              const vch_passport_verdict *v);

#endif
