/*
 * What Vouch and a task runner in a child process tell each other, version 1: one JSON object a
 * line; where `bytes` is not 0 that many bytes follow it, the values of all tensors of the model in
 * their order, float32, little-endian. Written and read here, judged too: a message of another
 * type, with a member more or less, is VOUCH_E_FORMAT. docs/task-runners.md.
 */
#ifndef VCH_FED_RUNNER_PROCESS_MESSAGE_H
#define VCH_FED_RUNNER_PROCESS_MESSAGE_H

#include <stdint.h>

#include "base/buffer.h"
#include "fed/runner/process_settings.h"
#include "fed/runner/runner.h"
#include "vouch/error.h"

#define VCH_PROCESS_VERSION 1

typedef struct vch_process_start {
    const vch_process_settings *settings;
    const vch_plan_view *plan;
    const char *name; /* NULL: only the initial model is asked for */
    const char *data; /* NULL then */
    bool save;        /* will it write a model in its own form? */
} vch_process_start;

void vch_process_start_write(const vch_process_start *m, vch_buffer *out);

typedef struct vch_process_task {
    int64_t id;
    const vch_plan_task *task;
    int32_t round;
    size_t bytes;
} vch_process_task;

void vch_process_task_write(const vch_process_task *m, vch_buffer *out);

typedef struct vch_process_save {
    int64_t id;
    const char *path; /* where to, absolute */
    int32_t round;    /* of the model */
    size_t bytes;
} vch_process_save;

void vch_process_save_write(const vch_process_save *m, vch_buffer *out);

typedef struct vch_process_ready {
    int32_t training, validation; /* samples */
    bool saves;                   /* it has a form of its own */
    vch_model model;              /* owned; names and shapes, its values are still to come */
} vch_process_ready;

/* `out` is zeroed by the caller. Fails with VOUCH_E_FORMAT, _LIMIT, _UNSUPPORTED (another version),
 * _MEMORY, VOUCH_E_CONFIG (the child says that it cannot). */
VOUCH_MUST_CHECK vouch_code vch_process_ready_read(vouch_span line, vch_process_ready *out,
                                                   vouch_error *err);

typedef struct vch_process_answer {
    enum { VCH_ANSWER_RESULT = 1, VCH_ANSWER_ERROR, VCH_ANSWER_PROGRESS, VCH_ANSWER_SAVED } type;
    char text[256]; /* of an error or of progress */
    bool trained;
    size_t bytes;
    size_t metric_count;
    vch_task_metric metric[VCH_TASK_METRIC_MAX];
} vch_process_answer;

/* An answer to the task, or the save, `id`; of which kind it must be is the caller's to say. */
VOUCH_MUST_CHECK vouch_code vch_process_answer_read(vouch_span line, int64_t id,
                                                    vch_process_answer *out, vouch_error *err);

#endif
