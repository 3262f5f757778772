/* Show passports and verdicts about them, as JSON or as text. Any thread. */
#ifndef VCH_CLI_PASSPORT_VIEW_H
#define VCH_CLI_PASSPORT_VIEW_H

#include <stdio.h>

#include "codec/json_writer.h"
#include "identity/passport.h"
#include "vouch/evidence.h"

/* What it says, unproven. */
void vch_passport_show_json(vch_json_writer *w, const vch_passport_contents *c,
                            const vouch_claims *quote);
void vch_passport_show_print(FILE *out, const vch_passport_contents *c, const vouch_claims *quote);

/* The verdict with every check. */
void vch_passport_verdict_json(vch_json_writer *w, const vch_passport_verdict *v);
void vch_passport_verdict_print(FILE *out, const vch_passport_verdict *v);

#endif
