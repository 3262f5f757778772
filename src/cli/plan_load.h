/* Plans at the prompt: the options that every command on a plan has, and one way to load it. */
#ifndef VCH_CLI_PLAN_LOAD_H
#define VCH_CLI_PLAN_LOAD_H

#include "fed/plan/plan.h"
#include "prompt/command.h"

typedef struct vch_plan_options {
    const char *plan;    /* -p */
    const char *cols;    /* -c, or NULL */
    const char *release; /* --openfl-release */
    const char *federation_uuid;
} vch_plan_options;

/*
 * Load the plan; every fault and warning is printed on rt->err, one line each. *out is set on
 * VOUCH_OK; free with vch_plan_free.
 */
VOUCH_MUST_CHECK vouch_code vch_cli_plan_load(const vch_runtime *rt,
                                              const vch_plan_options *options, vch_plan **out,
                                              vouch_error *err);

/* Write the merged plan beside `path`, where it came from, read-only and with the first eight digits
 * of its hash in its name, which is printed. One that is there is left as it is. */
VOUCH_MUST_CHECK vouch_code vch_cli_plan_freeze(const vch_runtime *rt, const vch_plan *plan,
                                                const char *path, vouch_error *err);

#endif
