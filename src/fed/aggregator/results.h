/*
 * What the members have reported in the present round: for each member and task at most one result,
 * complete and checked. And what is made of them at the round's end: the mean metrics, and the next
 * model, tensor by tensor, over the members that are done, in cols.yaml's order. One thread at a
 * time. docs/openfl_interop.md section 7.
 */
#ifndef VCH_FED_AGGREGATOR_RESULTS_H
#define VCH_FED_AGGREGATOR_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fed/aggregate/aggregate.h"
#include "fed/aggregator/deltas.h"
#include "fed/tensor/tensor.h"
#include "store/sealed.h"
#include "vouch/error.h"

#define VCH_METRIC_NAME_SIZE 128 /* bytes, with its NUL */
#define VCH_METRIC_MAX 32        /* metrics in one result */

typedef struct vch_metric {
    char name[VCH_METRIC_NAME_SIZE];
    bool validates_global; /* tag validate_agg: it judges the round's model */
    float value;           /* finite */
} vch_metric;

typedef struct vch_result {
    int32_t data_size; /* the weight */
    size_t metric_count;
    vch_metric metric[VCH_METRIC_MAX];
    uint8_t certificate[32]; /* SHA-256 of what its sender showed */
    vch_sealed *update; /* all tensors of the model, one after the other, as float32; or NULL */
    uint32_t *order;    /* which tensor of the model each of them is; NULL: the model's own order */
    size_t order_count; /* in `order` */
} vch_result;

void vch_result_drop(vch_result *r);    /* frees; safe twice and on a zeroed result */
void vch_result_discard(vch_result *r); /* the same, and its file is removed */

/* Where tensor `at` of a model begins in the update, in bytes. */
uint64_t vch_result_offset(const vch_result *r, const vch_model *model, size_t at);

typedef struct vch_results vch_results;

VOUCH_MUST_CHECK vouch_code vch_results_new(size_t member_count, size_t task_count,
                                            vch_results **out, vouch_error *err);
void vch_results_free(vch_results *r);

/* Give a result (zeroed here on success). A second one of the same member and task replaces the
 * first. Fails with VOUCH_E_MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_results_put(vch_results *r, size_t member, size_t task,
                                            vch_result *given, vouch_error *err);

/* NULL if there is none. Borrowed until the next put or clear. */
const vch_result *vch_results_look(const vch_results *r, size_t member, size_t task);

/* The task under which updates came in this round, or -1. */
ptrdiff_t vch_results_update_task(const vch_results *r);

/* Forget what one member reported, its file too; false if there was nothing. */
bool vch_results_drop_member(vch_results *r, size_t member);

void vch_results_clear(vch_results *r); /* the next round begins: files are removed */

/*
 * The weighted mean of one metric of a task over the members that `counts` says true for and that
 * report it. Fails with VOUCH_E_NOT_FOUND if nobody does, VOUCH_E_LIMIT if all weights are 0.
 */
typedef struct vch_results_selection {
    const bool *counts; /* a value for each member */
    size_t task;
    vch_aggregate_sum sum; /* of a metric's mean; 0: float64 */
} vch_results_selection;

typedef struct vch_metric_mean {
    double value;
    bool validates_global;
} vch_metric_mean;
VOUCH_MUST_CHECK vouch_code vch_results_mean(const vch_results *r,
                                             const vch_results_selection *over, const char *metric,
                                             vch_metric_mean *out, vouch_error *err);

/*
 * Replace the values of `model` by the aggregate of the updates. After a failure the model is
 * partly replaced: the process must not go on with it.
 * Fails with VOUCH_E_NOT_FOUND (no update), VOUCH_E_IO, VOUCH_E_LIMIT.
 */
typedef struct vch_results_recipe {
    vch_aggregate_function function; /* of the task's plan */
    vch_aggregate_step step;
    vch_aggregate_state *state; /* of the function; NULL if it has no slots */
    vch_aggregate_sum sum;      /* of the release */
    bool from_delta;            /* model + float32(mean - model), see vch_aggregate_options */
    /* The plan's, which the change (or the model) goes through; NULL: the plain one. */
    const vch_pipeline *pipeline;
    vch_deltas *deltas; /* filled with what each tensor changed; NULL: not wanted */
} vch_results_recipe;
VOUCH_MUST_CHECK vouch_code vch_results_aggregate(const vch_results *r,
                                                  const vch_results_selection *over,
                                                  const vch_results_recipe *recipe,
                                                  vch_model *model, vouch_error *err);

#endif
