/*
 * Metrics as OpenFL reports them, one by one: a METRIC line for people and log readers, and a JSON
 * object on a line of its own in a file. One thread at a time. docs/openfl_interop.md section 7.
 */
#ifndef VCH_FED_AGGREGATOR_METRICS_H
#define VCH_FED_AGGREGATOR_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"
#include "vouch/error.h"

typedef struct vch_metric_report {
    const char *origin; /* a collaborator's name, or "aggregator" */
    const char *task;
    const char *metric;
    int32_t round;
    double value;
} vch_metric_report;

/* The JSON object, without a line end: {"metric_origin":...,"task_name":...,"metric_name":...,
 * "metric_value":...,"round":...}. Control characters and quotes are escaped. */
void vch_metric_report_write(const vch_metric_report *report, vch_buffer *out);

typedef struct vch_metrics {
    FILE *lines; /* METRIC lines; may be NULL. Kept */
    FILE *json;  /* JSON lines; may be NULL. Kept */
} vch_metrics;

/* To both, at once (flushed). Fails with VOUCH_E_IO. */
VOUCH_MUST_CHECK vouch_code vch_metrics_put(vch_metrics *metrics, const vch_metric_report *report,
                                            vouch_error *err);

#endif
