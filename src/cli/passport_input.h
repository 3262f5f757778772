/*
 * A passport and what it is held to, from files: for `vouch passport verify` and for the import of a
 * federation's root. One thread.
 */
#ifndef VCH_CLI_PASSPORT_INPUT_H
#define VCH_CLI_PASSPORT_INPUT_H

#include "base/scope.h"
#include "cli/policy_input.h"
#include "fed/plan/plan.h"
#include "identity/passport.h"
#include "prompt/command.h"

typedef struct vch_passport_input {
    vch_policy_input policy;
    vch_plan *plan; /* NULL: not compared */
    vch_passport *passport;
} vch_passport_input;

typedef struct vch_passport_question {
    const char *passport; /* paths */
    const char *policy;
    const char *plan;    /* NULL: the passport's plan is not compared */
    const char *release; /* of OpenFL, whose defaults the plan has */
    bool at_given;
    int64_t at_unix_s;
    bool current; /* its certificate must still be in force */
} vch_passport_question;

/* The error names the file. */
VOUCH_MUST_CHECK vouch_code vch_passport_file_read(const char *path, vch_passport **out,
                                                   vouch_error *err);

/* Read all; faults in policy and plan are printed on rt->err. */
VOUCH_MUST_CHECK vouch_code vch_passport_input_read(const vch_runtime *rt,
                                                    const vch_passport_question *q,
                                                    vch_passport_input *out, vouch_error *err);
/* Without a network. VOUCH_OK: the verdict is in `out`. */
VOUCH_MUST_CHECK vouch_code vch_passport_input_judge(const vch_passport_input *input,
                                                     const vch_passport_question *q,
                                                     vch_passport_verdict *out, vouch_error *err);
void vch_passport_input_drop(vch_passport_input *input); /* safe twice */

/* The federation's root that a passport holds, as PEM, to `path`. VOUCH_E_REFUSED if it holds none:
 * only an attested aggregator's does. For a passport whose verdict admits. */
VOUCH_MUST_CHECK vouch_code vch_passport_root_write(const vch_passport *p, const char *path,
                                                    vouch_error *err);

#endif
