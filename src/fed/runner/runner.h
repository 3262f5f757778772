/*
 * A task runner: what a collaborator trains with. The loop fetches models and sends results; the
 * runner turns a model into metrics or into a new model, and knows nothing of the network. The
 * built-in one is mlp_runner.h; one in a child process has the same face. One thread at a time.
 */
#ifndef VCH_FED_RUNNER_RUNNER_H
#define VCH_FED_RUNNER_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
     * caller and set on VOUCH_OK only. Fails with VOUCH_E_UNSUPPORTED for a function that the
     * runner does not have.
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
 * The runner that the plan's task_runner names, with its data.
 *
 * data_path  The collaborator's entry in data.yaml. Borrowed.
 * faults     Faults in the plan's settings, each with its place.
 * Fails with VOUCH_E_CONFIG (settings), VOUCH_E_UNSUPPORTED (another template), or what reading the
 * data fails with.
 */
VOUCH_MUST_CHECK vouch_code vch_runner_open(const vch_plan_view *plan, vouch_span data_path,
                                            vch_faults *faults, vch_runner *out, vouch_error *err);

/* The initial model of the plan's task_runner, without any data: for `plan initialize`. */
VOUCH_MUST_CHECK vouch_code vch_runner_initial_model(const vch_plan_view *plan, vch_faults *faults,
                                                     vch_model *out, vouch_error *err);

#endif
