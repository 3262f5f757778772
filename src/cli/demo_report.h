/* What `vouch demo` shows: progress while it plays, then tables, or one JSON object. One thread. */
#ifndef VCH_CLI_DEMO_REPORT_H
#define VCH_CLI_DEMO_REPORT_H

#include "cli/demo_play.h"

/* Progress lines on rt->err with --json, on rt->out without. */
typedef struct vch_demo_reporter {
    FILE *to;
    int64_t rounds; /* to come in all */
} vch_demo_reporter;

/* A line about the making of the stage: "3 simulated SGX platforms under one vendor". */
VOUCH_PRINTF(2, 3) void vch_demo_say(const vch_demo_reporter *r, const char *fmt, ...);

/* The functions for vch_demo_play_run; `r` is kept. */
vch_demo_watcher vch_demo_reporter_watcher(vch_demo_reporter *r);

/* The tables at the end. */
void vch_demo_report_tables(const vch_demo_reporter *r, const vch_demo_scene *scene,
                            const vch_demo_federation *f, const vch_demo_play *play);

/* The object that CLI.md describes. */
VOUCH_MUST_CHECK vouch_code vch_demo_report_json(const vch_demo_scene *scene,
                                                 const vch_demo_federation *f,
                                                 const vch_demo_play *play, vch_buffer *out,
                                                 vouch_error *err);

#endif
