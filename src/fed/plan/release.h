/*
 * Releases of OpenFL, as far as they differ for us: default files, the settings' names, the
 * arithmetic. `--openfl-release`, default 1.9. openfl_interop.md sections 1, 7, 9.
 */
#ifndef VCH_FED_PLAN_RELEASE_H
#define VCH_FED_PLAN_RELEASE_H

#include <stdbool.h>
#include <stddef.h>

#include "vouch/error.h"

#define VCH_RELEASE_DEFAULT "1.9"

typedef struct vch_release {
    const char *name;   /* "1.9" */
    bool float32_sum;   /* the mean is summed in float32 */
    bool always_delta;  /* the new model is base + float32(mean - base) in any case */
    bool round_metrics; /* write_logs: the means of each round, in logs/aggregator_metrics.txt */
    bool round_metrics_numbered; /* ... with the round's number and seconds */
    bool metric_sentences;       /* METRIC lines are sentences, not Python dicts */
    bool metric_lines;   /* there are METRIC lines: at a collaborator and of the best model, too */
    bool last_is_result; /* last_state_path is what the round made, not what it started from */
    bool
        sends_optimizer; /* task runners send their optimiser's state, whatever opt_treatment says */
} vch_release;

/* "1.5", "1.5.1", "1.6", "1.7" ... "1.9"; a patch number may follow. VOUCH_E_UNSUPPORTED. */
VOUCH_MUST_CHECK vouch_code vch_release_find(const char *name, const vch_release **out,
                                             vouch_error *err);

/* The text of a default file as this release has it, by the name that stands in the plan
 * ("plan/defaults/network.yaml"); NULL if the release has none of that name. */
const char *vch_release_defaults(const vch_release *release, const char *path);

/* The names of a release's default files, for suggestions; how many were written to `paths`. */
size_t vch_release_default_paths(const vch_release *release, const char *paths[], size_t max);

#endif
