#include "cli/own_metrics.h"

#include "host/file.h"

vouch_code vch_own_metrics_open(const vch_runtime *rt, const vch_plan_view *view, const char *name,
                                vch_own_metrics *out, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    char file[VCH_PATH_SIZE];
    *out = (vch_own_metrics) { .rt = rt,
                               .name = name,
                               .lines = view->release->metric_lines ? rt->out : NULL };
    if (!view->collaborator_write_logs || !view->release->round_metrics)
        return VOUCH_OK;
    (void)snprintf(file, sizeof file, "%s_metrics.txt", name);
    vouch_code rc = vch_dir_make("logs", 0755, err);
    if (rc == VOUCH_OK)
        rc = vch_path_join("logs", file, path, err);
    if (rc != VOUCH_OK)
        return rc;
    out->rounds = fopen(path, "ae");
    if (out->rounds == NULL)
        return vouch_fail(err, VOUCH_E_IO, "cannot write '%s'", path);
    out->of_round = (vch_metrics) { .rounds = out->rounds,
                                    .is_numbered = view->release->round_metrics_numbered };
    return VOUCH_OK;
}

static void warn(const vch_own_metrics *metrics, const vouch_error *err)
{
    char text[512];
    vch_log(&metrics->rt->log, VCH_LOG_WARN, "metrics.not_written",
            VCH_STR("reason", vouch_error_text(err, text, sizeof text)));
}

void vch_own_metrics_put(void *context, const vch_plan_task *task, int32_t round,
                         const vch_task_metric *metric)
{
    vch_own_metrics *metrics = context;
    vouch_error err = { 0 };
    const vch_metric_report sent = { .origin = metrics->name,
                                     .task = task->name,
                                     .metric = metric->name,
                                     .round = round,
                                     .value = (double)metric->value };
    if (metrics->rounds != NULL)
        vch_metrics_note(&metrics->of_round, &sent);
    if (metrics->lines != NULL
        && vch_metric_report_sending(&sent, metrics->lines, &err) != VOUCH_OK)
        warn(metrics, &err);
}

void vch_own_metrics_end_turn(void *context, int32_t round, int64_t took_ms)
{
    vch_own_metrics *metrics = context;
    vouch_error err = { 0 };
    double seconds = (double)took_ms / 1000.0;
    if (metrics->rounds != NULL
        && vch_metrics_end_round(&metrics->of_round, round, seconds, &err) != VOUCH_OK)
        warn(metrics, &err);
}

void vch_own_metrics_drop(vch_own_metrics *metrics)
{
    if (metrics->rounds != NULL)
        (void)fclose(metrics->rounds);
    vch_buffer_drop(&metrics->of_round.round);
    *metrics = (vch_own_metrics) { 0 };
}
