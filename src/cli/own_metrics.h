/*
 * A collaborator's own metrics, as the release of OpenFL that it keeps to has them: until 1.6 a METRIC line
 * of each that is sent, on standard output; since 1.7, with `write_logs: true` of the collaborator, a line of
 * JSON for each round in logs/NAME_metrics.txt. The log has them in any case. One thread.
 */
#ifndef VCH_CLI_OWN_METRICS_H
#define VCH_CLI_OWN_METRICS_H

#include "fed/aggregator/metrics.h"
#include "fed/plan/plan.h"
#include "fed/runner/runner.h"
#include "prompt/command.h"

typedef struct vch_own_metrics {
    const vch_runtime *rt;
    const char *name;
    FILE *lines, *rounds; /* NULL: none are wanted */
    vch_metrics of_round;
} vch_own_metrics;

/* rt and name are kept. Fails with VOUCH_E_IO; *out is to be dropped in any case. */
VOUCH_MUST_CHECK vouch_code vch_own_metrics_open(const vch_runtime *rt, const vch_plan_view *view,
                                                 const char *name, vch_own_metrics *out,
                                                 vouch_error *err);

/* As vch_collaborator_options wants them: `context` is a vch_own_metrics. What cannot be written is
 * logged, and training goes on. */
void vch_own_metrics_put(void *context, const vch_plan_task *task, int32_t round,
                         const vch_task_metric *metric);
void vch_own_metrics_end_turn(void *context, int32_t round, int64_t took_ms);

void vch_own_metrics_drop(vch_own_metrics *metrics);

#endif
