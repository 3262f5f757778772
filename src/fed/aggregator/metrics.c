#include "fed/aggregator/metrics.h"

#include "base/scope.h"

#define REPORT_CAP ((size_t)16 << 10)

static void write_text(vch_buffer *out, const char *text)
{
    vch_buffer_u8(out, '"');
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            vch_buffer_append_fmt(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7F)
            vch_buffer_append_fmt(out, "\\u%04x", *c);
        else
            vch_buffer_u8(out, *c);
    }
    vch_buffer_u8(out, '"');
}

void vch_metric_report_write(const vch_metric_report *report, vch_buffer *out)
{
    vch_buffer_append_str(out, "{\"metric_origin\": ");
    write_text(out, report->origin);
    vch_buffer_append_str(out, ", \"task_name\": ");
    write_text(out, report->task);
    vch_buffer_append_str(out, ", \"metric_name\": ");
    write_text(out, report->metric);
    vch_buffer_append_fmt(out, ", \"metric_value\": %.9g, \"round\": %d}", report->value,
                          report->round);
}

vouch_code vch_metrics_put(vch_metrics *metrics, const vch_metric_report *report, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(REPORT_CAP);
    vch_metric_report_write(report, &text);
    const char *line = vch_buffer_text(&text);
    vouch_code rc = vch_buffer_finish(&text, "metric", err);
    if (rc != VOUCH_OK || line == NULL)
        return rc;
    if (metrics->lines != NULL
        && (fprintf(metrics->lines, "METRIC   %s\n", line) < 0 || fflush(metrics->lines) != 0))
        return vouch_fail(err, VOUCH_E_IO, "writing a METRIC line");
    if (metrics->json != NULL
        && (fprintf(metrics->json, "%s\n", line) < 0 || fflush(metrics->json) != 0))
        return vouch_fail(err, VOUCH_E_IO, "writing the metrics file");
    return VOUCH_OK;
}
