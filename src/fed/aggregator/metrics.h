/*
 * Metrics as OpenFL reports them, one by one: a METRIC line for people and log readers, a JSON object
 * on a line of its own in a file, and the means of each round together on one, as its MetricWriter.
 * One thread at a time. docs/openfl_interop.md section 7.
 */
#ifndef VCH_FED_AGGREGATOR_METRICS_H
#define VCH_FED_AGGREGATOR_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"
#include "vouch/error.h"

#define VCH_METRIC_MEAN "aggregator" /* the origin of a mean */

typedef struct vch_metric_report {
    const char *origin; /* a collaborator's name, or VCH_METRIC_MEAN */
    const char *task;
    const char *metric;
    int32_t round;
    double value;
} vch_metric_report;

/* The JSON object, without a line end: {"metric_origin":...,"task_name":...,"metric_name":...,
 * "metric_value":...,"round":...}. Control characters and quotes are escaped. */
void vch_metric_report_write(const vch_metric_report *report, vch_buffer *out);

/* The text of OpenFL's METRIC lines (1.6): the same as Python prints a dict. */
void vch_metric_report_say(const vch_metric_report *report, vch_buffer *out);

/* The same of 1.5: a sentence with six decimals. */
void vch_metric_report_tell(const vch_metric_report *report, vch_buffer *out);

/* What a collaborator of 1.5 or 1.6 says of a metric that it is about to send, a line of its own. Fails
 * with VOUCH_E_IO. */
VOUCH_MUST_CHECK vouch_code vch_metric_report_sending(const vch_metric_report *report, FILE *lines,
                                                      vouch_error *err);

#define VCH_METRICS_ROUND_CAP ((size_t)1 << 20) /* bytes of a round's line */

typedef struct vch_metrics {
    FILE *lines;      /* METRIC lines; may be NULL. Kept */
    bool sentences;   /* ... in the words of OpenFL 1.5 */
    bool best;        /* ... of each best model too, as until OpenFL 1.6 */
    FILE *json;       /* JSON lines; may be NULL. Kept */
    FILE *rounds;     /* the means of a round as one JSON object; may be NULL. Kept */
    bool is_numbered; /* with round_number and elapsed_seconds, as since OpenFL 1.9 */
    vch_buffer round; /* the means so far; dropped by the caller */
} vch_metrics;

/* To all, at once (flushed); a mean waits for the end of its round. Fails with VOUCH_E_IO. */
VOUCH_MUST_CHECK vouch_code vch_metrics_put(vch_metrics *metrics, const vch_metric_report *report,
                                            vouch_error *err);

/* Into the round's line alone: a collaborator's own, under its name. */
void vch_metrics_note(vch_metrics *metrics, const vch_metric_report *report);

/* A model was better than all before and is kept, which round `round` began with. VOUCH_E_IO. */
VOUCH_MUST_CHECK vouch_code vch_metrics_best(const vch_metrics *metrics, int32_t round,
                                             double score, vouch_error *err);

/* The round is over: its line. Fails with VOUCH_E_IO. */
VOUCH_MUST_CHECK vouch_code vch_metrics_end_round(vch_metrics *metrics, int32_t round,
                                                  double seconds, vouch_error *err);

#endif
