/*
 * A task runner: what a collaborator trains with. The loop fetches models and sends results; the
 * runner turns a model into metrics or into a new model, and knows nothing of the network. There is
 * a built-in one (mlp_runner.c) and one in a child process (process_runner.c). One thread at a time.
 */
#ifndef VCH_FED_RUNNER_RUNNER_H
#define VCH_FED_RUNNER_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "fed/plan/plan.h"
#include "fed/tensor/tensor.h"
#include "vouch/error.h"

#define VCH_TASK_METRIC_MAX 8
#define VCH_TASK_METRIC_NAME_SIZE 64 /* bytes, with its NUL */

typedef struct vch_task_metric {
    char name[VCH_TASK_METRIC_NAME_SIZE];
    float value;
} vch_task_metric;

/* What a task gave. Free with vch_task_outcome_done(). */
typedef struct vch_task_outcome {
    size_t metric_count;
    vch_task_metric metric[VCH_TASK_METRIC_MAX];
    bool trained;    /* there is a new model */
    vch_model model; /* owned */
} vch_task_outcome;

static inline void vch_task_outcome_done(vch_task_outcome *o)
{
    vch_model_done(&o->model);
    *o = (vch_task_outcome) { 0 };
}

typedef struct vch_runner_ops {
    /* The model's tensors, names and shapes, with the values that training starts from. */
    vouch_code (*make_model)(void *self, vch_model *out, vouch_error *err);

    /* Samples that training, or validation, works on: the weight of a result. */
    int32_t (*sample_count)(void *self, bool training);

    /*
     * Run one task on a model: the global one, or for tasks with apply_local the one that this
     * collaborator trained. `model` is borrowed and has make_model's shapes. `out` is zeroed by the
     * caller and set on VOUCH_OK only. A failure is the task's, not the runner's: the same task may
     * be run again, and then succeed.
     */
    vouch_code (*run)(void *self, const vch_plan_task *task, int32_t round, const vch_model *model,
                      vch_task_outcome *out, vouch_error *err);

    void (*free)(void *self);
} vch_runner_ops;

typedef struct vch_runner {
    const vch_runner_ops *ops;
    void *self;
} vch_runner;

static inline void vch_runner_drop(vch_runner *r)
{
    if (r->ops != NULL)
        r->ops->free(r->self);
    *r = (vch_runner) { 0 };
}

/*
 * The program's turn while a runner waits for a child: connections are served, signals heard. A
 * failure ends the wait and the task with it. `call` may be NULL.
 */
typedef struct vch_runner_turn {
    void *context;
    vouch_code (*call)(void *context, vouch_error *err);
} vch_runner_turn;

typedef struct vch_runner_options {
    const vch_plan_view *plan; /* kept */
    const char *name;          /* of the collaborator; kept */
    vouch_span data_path;      /* its entry in data.yaml */
    bool attested;             /* a child is started only from files that the plan trusts */
    vch_runner_turn turn;
    const vch_log *log;                /* kept; may be NULL */
    const struct vch_yaml_node *local; /* this site's own way to run the plan's task runner, a
                                          mapping (process_settings.h); kept; NULL: the plan's */
} vch_runner_options;

/* Is it in a process of its own? Of the options only plan and local count. */
bool vch_runner_is_child(const vch_runner_options *options);

/*
 * The runner that the plan's task_runner names, with its data.
 *
 * faults  Faults in the plan's settings, each with its place.
 * Fails with VOUCH_E_CONFIG (settings), VOUCH_E_UNSUPPORTED (another template), VOUCH_E_REFUSED
 * (files of a child that are not trusted), or what reading the data fails with.
 */
VOUCH_MUST_CHECK vouch_code vch_runner_open(const vch_runner_options *options, vch_faults *faults,
                                            vch_runner *out, vouch_error *err);

/* The initial model of the plan's task_runner, without any data: for `plan initialize`. Of the
 * options only plan, turn, log and local count. */
VOUCH_MUST_CHECK vouch_code vch_runner_initial_model(const vch_runner_options *options,
                                                     vch_faults *faults, vch_model *out,
                                                     vouch_error *err);

/*
 * Let the plan's task_runner write a model in a form of its own (its framework's), without any data.
 * Of the options the same count.
 *
 * path       Absolute; a file or a directory of that name is what a good task runner leaves, which
 *            the caller looks at.
 * out_saved  False, and nothing was written: this task runner has no such form.
 * Fails with VOUCH_E_FORMAT (the model is another's), VOUCH_E_REFUSED (it says why not), or what
 * vch_runner_open fails with.
 */
VOUCH_MUST_CHECK vouch_code vch_runner_save(const vch_runner_options *options,
                                            const vch_model *model, const char *path,
                                            vch_faults *faults, bool *out_saved, vouch_error *err);

#endif
