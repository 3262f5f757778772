/* A plan that is right, and the same with one line replaced. */
#ifndef VCH_TESTS_FED_PLAN_TEXT_H
#define VCH_TESTS_FED_PLAN_TEXT_H

#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "fed/plan/plan.h"

static const char good_plan[] =
    "aggregator:\n"                                                           /* 1 */
    "  template: openfl.component.Aggregator\n"                               /* 2 */
    "  settings:\n"                                                           /* 3 */
    "    init_state_path: save/init.pbuf\n"                                   /* 4 */
    "    best_state_path: save/best.pbuf\n"                                   /* 5 */
    "    last_state_path: save/last.pbuf\n"                                   /* 6 */
    "    rounds_to_train: 3\n"                                                /* 7 */
    "collaborator: {template: openfl.component.Collaborator, settings: {}}\n" /* 8 */
    "data_loader: {template: vouch.CsvLoader}\n"                              /* 9 */
    "task_runner: {template: vouch.Mlp, settings: {seed: 7}}\n"               /* 10 */
    "network:\n"                                                              /* 11 */
    "  template: openfl.federation.Network\n"                                 /* 12 */
    "  settings:\n"                                                           /* 13 */
    "    agg_addr: agg.example.org\n"                                         /* 14 */
    "    agg_port: 50051\n"                                                   /* 15 */
    "assigner:\n"                                                             /* 16 */
    "  template: openfl.component.RandomGroupedAssigner\n"                    /* 17 */
    "  settings:\n"                                                           /* 18 */
    "    task_groups: [{name: g, percentage: 1.0, tasks: [train]}]\n"         /* 19 */
    "tasks:\n"                                                                /* 20 */
    "  train: {function: train_task, kwargs: {epochs: 1}}\n";                 /* 21 */

static const char three_cols[] = "collaborators: [col1, col2, col3]\n";

/* `text` with `line` in place of line `number`. */
static inline vch_buffer with_line(const char *text, size_t number, const char *line)
{
    vch_buffer out = vch_buffer_with_cap(1 << 16);
    for (size_t n = 1; *text != '\0'; n++) {
        const char *end = strchr(text, '\n');
        if (n == number)
            vch_buffer_append_fmt(&out, "%s\n", line);
        else
            vch_buffer_append(&out,
                              (vouch_span) { (const uint8_t *)text, (size_t)(end - text) + 1 });
        text = end + 1;
    }
    return out;
}

static inline vouch_code parse_plan(vouch_span text, const char *cols, vch_faults *faults,
                                    vch_plan **out, vouch_error *err)
{
    const vch_plan_source source = { .plan_name = "plan/plan.yaml",
                                     .plan = text,
                                     .cols_name = cols == NULL ? NULL : "plan/cols.yaml",
                                     .cols = vch_span_str(cols == NULL ? "" : cols),
                                     .host_name = "host.example.org" };
    return vch_plan_parse(&source, faults, out, err);
}

#endif
