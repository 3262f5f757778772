#include "fed/aggregator/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

#define REPORT_CAP ((size_t)16 << 10)
#define METRIC "METRIC   " /* the level, as wide as OpenFL's log has it */

/* Text between quotes, where nothing in it ends them. `control` is how a control character stands. */
static void quote_text(vch_buffer *out, const char *text, char quote, const char *control)
{
    vch_buffer_u8(out, (uint8_t)quote);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == (unsigned char)quote || *c == '\\')
            vch_buffer_append_fmt(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7F)
            vch_buffer_append_fmt(out, "\\%s%02x", control, *c);
        else
            vch_buffer_u8(out, *c);
    }
    vch_buffer_u8(out, (uint8_t)quote);
}

static void write_text(vch_buffer *out, const char *text)
{
    quote_text(out, text, '"', "u00");
}

/* Python's repr of text, but that a quote inside never changes the quotes around. */
static void say_text(vch_buffer *out, const char *text)
{
    quote_text(out, text, '\'', "x");
}

/* Python's repr of a finite float: the fewest digits that give it back. */
static void write_number(vch_buffer *out, double value)
{
    char text[32];
    int digits = 0; /* after the first */
    do
        (void)snprintf(text, sizeof text, "%.*e", digits, value);
    while (strtod(text, NULL) != value && ++digits < 17);
    const char *e = strchr(text, 'e');
    int exponent = e == NULL ? 0 : (int)strtol(e + 1, NULL, 10);
    int decimals = digits - exponent;
    if (exponent < -4 || exponent >= 16)
        vch_buffer_append_str(out, text);
    else
        vch_buffer_append_fmt(out, "%.*f", decimals < 1 ? 1 : decimals, value);
}

/* A mean in float32 may overflow, and JSON has no word for that. */
static void write_json_number(vch_buffer *out, double value)
{
    if (isfinite(value))
        write_number(out, value);
    else
        vch_buffer_append_str(out, "null");
}

void vch_metric_report_write(const vch_metric_report *report, vch_buffer *out)
{
    vch_buffer_append_str(out, "{\"metric_origin\": ");
    write_text(out, report->origin);
    vch_buffer_append_str(out, ", \"task_name\": ");
    write_text(out, report->task);
    vch_buffer_append_str(out, ", \"metric_name\": ");
    write_text(out, report->metric);
    vch_buffer_append_str(out, ", \"metric_value\": ");
    write_json_number(out, report->value);
    vch_buffer_append_fmt(out, ", \"round\": %d}", report->round);
}

static bool is_mean(const vch_metric_report *report)
{
    return strcmp(report->origin, VCH_METRIC_MEAN) == 0;
}

/* OpenFL begins a collaborator's with the round, and ends the aggregator's with it. */
void vch_metric_report_say(const vch_metric_report *report, vch_buffer *out)
{
    vch_buffer_u8(out, '{');
    if (!is_mean(report))
        vch_buffer_append_fmt(out, "'round': %d, ", report->round);
    vch_buffer_append_str(out, "'metric_origin': ");
    say_text(out, report->origin);
    vch_buffer_append_str(out, ", 'task_name': ");
    say_text(out, report->task);
    vch_buffer_append_str(out, ", 'metric_name': ");
    say_text(out, report->metric);
    vch_buffer_append_str(out, ", 'metric_value': ");
    write_number(out, report->value);
    if (is_mean(report))
        vch_buffer_append_fmt(out, ", 'round': %d", report->round);
    vch_buffer_u8(out, '}');
}

/* Text without quotes: what could end the line or steer a terminal is escaped. */
static void tell_text(vch_buffer *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c < 0x20 || *c == 0x7F)
            vch_buffer_append_fmt(out, "\\x%02x", *c);
        else
            vch_buffer_u8(out, *c);
    }
}

/* Python's name of the function's object, but for its address: metrics are always so aggregated. */
#define MEAN_OBJECT                                                                                \
    "<openfl.interface.aggregation_functions.weighted_average.WeightedAverage object at 0x0>"

void vch_metric_report_tell(const vch_metric_report *report, vch_buffer *out)
{
    vch_buffer_append_fmt(out, "Round %d, ", report->round);
    if (is_mean(report)) {
        vch_buffer_append_str(out, "aggregator: ");
        tell_text(out, report->task);
        vch_buffer_append_str(out, " " MEAN_OBJECT " ");
    } else {
        vch_buffer_append_str(out, "collaborator ");
        tell_text(out, report->origin);
        vch_buffer_u8(out, ' ');
        tell_text(out, report->task);
        vch_buffer_append_str(out, " result ");
    }
    tell_text(out, report->metric);
    vch_buffer_append_fmt(out, ":\t%f", report->value);
}

static vouch_code put_line(FILE *to, const char *before, vch_buffer *text, const char *what,
                           vouch_error *err)
{
    const char *line = vch_buffer_text(text);
    vouch_code rc = vch_buffer_finish(text, "metric", err);
    if (rc != VOUCH_OK || line == NULL)
        return rc;
    if (fprintf(to, "%s%s\n", before, line) < 0 || fflush(to) != 0)
        return vouch_fail(err, VOUCH_E_IO, "writing %s", what);
    return VOUCH_OK;
}

vouch_code vch_metric_report_sending(const vch_metric_report *report, FILE *lines, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(REPORT_CAP);
    vch_buffer_append_fmt(&text, "Round %d, collaborator ", report->round);
    tell_text(&text, report->origin);
    vch_buffer_append_str(&text, " is sending metric for task ");
    tell_text(&text, report->task);
    vch_buffer_append_str(&text, ": ");
    tell_text(&text, report->metric);
    vch_buffer_append_fmt(&text, "\t%f", report->value);
    return put_line(lines, METRIC, &text, "a METRIC line", err);
}

vouch_code vch_metrics_best(const vch_metrics *metrics, int32_t round, double score,
                            vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(REPORT_CAP);
    if (metrics->lines == NULL || !metrics->best)
        return VOUCH_OK;
    vch_buffer_append_fmt(&text, "Round %d: saved the best model with score %f", round, score);
    return put_line(metrics->lines, METRIC, &text, "a METRIC line", err);
}

void vch_metrics_note(vch_metrics *metrics, const vch_metric_report *report)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer key = vch_buffer_with_cap(REPORT_CAP);
    if (metrics->round.cap == 0)
        metrics->round = vch_buffer_with_cap(VCH_METRICS_ROUND_CAP);
    vch_buffer_append_fmt(&key, "%s/%s/%s", report->origin, report->task, report->metric);
    const char *text = vch_buffer_text(&key);
    vch_buffer_append_str(&metrics->round, metrics->round.size == 0 ? "" : ", ");
    write_text(&metrics->round, text == NULL ? "" : text);
    vch_buffer_append_str(&metrics->round, ": ");
    write_json_number(&metrics->round, report->value);
}

vouch_code vch_metrics_put(vch_metrics *metrics, const vch_metric_report *report, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer said = vch_buffer_with_cap(REPORT_CAP);
    VCH_SCOPED(vch_buffer_drop) vch_buffer json = vch_buffer_with_cap(REPORT_CAP);
    vouch_code rc = VOUCH_OK;
    if (metrics->sentences)
        vch_metric_report_tell(report, &said);
    else
        vch_metric_report_say(report, &said);
    vch_metric_report_write(report, &json);
    if (metrics->lines != NULL)
        rc = put_line(metrics->lines, METRIC, &said, "a METRIC line", err);
    if (rc == VOUCH_OK && metrics->json != NULL)
        rc = put_line(metrics->json, "", &json, "the metrics file", err);
    if (rc == VOUCH_OK && metrics->rounds != NULL && is_mean(report))
        vch_metrics_note(metrics, report);
    return rc;
}

vouch_code vch_metrics_end_round(vch_metrics *metrics, int32_t round, double seconds,
                                 vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer line = vch_buffer_with_cap(VCH_METRICS_ROUND_CAP + 256);
    if (metrics->rounds == NULL)
        return VOUCH_OK;
    vch_buffer_u8(&line, '{');
    if (metrics->is_numbered) {
        vch_buffer_append_fmt(&line, "\"round_number\": %d, \"elapsed_seconds\": ", round);
        write_number(&line, seconds);
        vch_buffer_append_str(&line, metrics->round.size == 0 ? "" : ", ");
    }
    vch_buffer_append(&line, vch_buffer_span(&metrics->round));
    vch_buffer_u8(&line, '}');
    vch_buffer_drop(&metrics->round);
    metrics->round = (vch_buffer) { 0 };
    return put_line(metrics->rounds, "", &line, "the rounds' metrics", err);
}
