#include "fed/aggregator/results.h"

#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "base/size.h"

struct vch_results {
    size_t member_count, task_count;
    vch_result **table; /* member * task_count + task; NULL: not reported */
};

void vch_result_drop(vch_result *r)
{
    vch_sealed_free(r->update);
    free(r->order);
    *r = (vch_result) { 0 };
}

void vch_result_discard(vch_result *r)
{
    vch_sealed_discard(r->update);
    r->update = NULL;
    vch_result_drop(r);
}

uint64_t vch_result_offset(const vch_result *r, const vch_model *model, size_t at)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < model->count; i++) {
        size_t tensor = r->order == NULL ? i : r->order[i];
        if (tensor == at)
            break;
        offset += model->tensor[tensor].shape.count * sizeof(float);
    }
    return offset;
}

vouch_code vch_results_new(size_t member_count, size_t task_count, vch_results **out,
                           vouch_error *err)
{
    size_t cells = 0;
    vch_results *r = calloc(1, sizeof *r);
    if (r == NULL || !vch_size_mul(member_count, task_count, &cells)
        || (r->table = calloc(cells, sizeof(vch_result *))) == NULL) {
        free(r);
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the results of %zu members",
                          member_count);
    }
    r->member_count = member_count;
    r->task_count = task_count;
    *out = r;
    return VOUCH_OK;
}

static void clear(vch_results *r, void (*drop)(vch_result *result))
{
    for (size_t i = 0; i < r->member_count * r->task_count; i++) {
        if (r->table[i] != NULL)
            drop(r->table[i]);
        free(r->table[i]);
        r->table[i] = NULL;
    }
}

void vch_results_clear(vch_results *r)
{
    clear(r, vch_result_discard);
}

bool vch_results_drop_member(vch_results *r, size_t member)
{
    bool dropped = false;
    for (size_t task = 0; task < r->task_count; task++) {
        vch_result **cell = &r->table[member * r->task_count + task];
        if (*cell == NULL)
            continue;
        vch_result_discard(*cell);
        free(*cell);
        *cell = NULL;
        dropped = true;
    }
    return dropped;
}

void vch_results_free(vch_results *r)
{
    if (r == NULL)
        return;
    clear(r, vch_result_drop); /* what is on disk stays there for the next start */
    free(r->table);
    free(r);
}

vouch_code vch_results_put(vch_results *r, size_t member, size_t task, vch_result *given,
                           vouch_error *err)
{
    vch_result *kept = malloc(sizeof *kept);
    if (kept == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a result");
    *kept = *given;
    *given = (vch_result) { 0 };
    vch_result **cell = &r->table[member * r->task_count + task];
    if (*cell != NULL)
        vch_result_discard(*cell);
    free(*cell);
    *cell = kept;
    return VOUCH_OK;
}

const vch_result *vch_results_look(const vch_results *r, size_t member, size_t task)
{
    return r->table[member * r->task_count + task];
}

ptrdiff_t vch_results_update_task(const vch_results *r)
{
    for (size_t i = 0; i < r->member_count * r->task_count; i++) {
        if (r->table[i] != NULL && r->table[i]->update != NULL)
            return (ptrdiff_t)(i % r->task_count);
    }
    return -1;
}

static const vch_metric *find_metric(const vch_result *result, const char *name)
{
    for (size_t i = 0; i < result->metric_count; i++) {
        if (strcmp(result->metric[i].name, name) == 0)
            return &result->metric[i];
    }
    return NULL;
}

/* A task that neither trains nor validates reports -1: each such member counts the same. */
static int32_t weight_of(const vch_result *result)
{
    return result->data_size < 0 ? 1 : result->data_size;
}

/* The members whose result is in and that count, in order; returns how many. */
static size_t select_members(const vch_results *r, const vch_results_selection *over,
                             const vch_result **out)
{
    size_t count = 0;
    for (size_t m = 0; m < r->member_count; m++) {
        const vch_result *result = vch_results_look(r, m, over->task);
        if (over->counts[m] && result != NULL)
            out[count++] = result;
    }
    return count;
}

typedef struct selection {
    size_t count;
    const vch_result **result;
    int32_t *size;
    double *weight;
} selection;

static void drop_selection(selection *s)
{
    free(s->result);
    free(s->size);
    free(s->weight);
    *s = (selection) { 0 };
}

static vouch_code selection_make(const vch_results *r, const vch_results_selection *over,
                                 selection *out, vouch_error *err)
{
    out->result = calloc(r->member_count, sizeof(const vch_result *));
    out->size = calloc(r->member_count, sizeof *out->size);
    out->weight = calloc(r->member_count, sizeof *out->weight);
    if (out->result == NULL || out->size == NULL || out->weight == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu members", r->member_count);
    out->count = select_members(r, over, out->result);
    return VOUCH_OK;
}

/* Leave out the members that `keep` says no to, then weigh the rest. */
static vouch_code selection_weigh(selection *s,
                                  bool (*keep)(const vch_result *result, const void *context),
                                  const void *context, vouch_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (keep(s->result[i], context))
            s->result[kept++] = s->result[i];
    }
    s->count = kept;
    if (s->count == 0)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "no collaborator reported it");
    for (size_t i = 0; i < kept; i++)
        s->size[i] = weight_of(s->result[i]);
    return vch_aggregate_weights(s->size, kept, s->weight, err);
}

static bool has_metric(const vch_result *result, const void *name)
{
    return find_metric(result, name) != NULL;
}

static bool has_update(const vch_result *result, const void *unused)
{
    (void)unused;
    return result->update != NULL;
}

vouch_code vch_results_mean(const vch_results *r, const vch_results_selection *over,
                            const char *metric, vch_metric_mean *out, vouch_error *err)
{
    VCH_SCOPED(drop_selection) selection s = { 0 };
    vouch_code rc = selection_make(r, over, &s, err);
    if (rc == VOUCH_OK)
        rc = selection_weigh(&s, has_metric, metric, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "metric '%s'", metric);
    VCH_SCOPED(vch_free_drop) float *values = calloc(s.count, sizeof *values);
    if (values == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a metric");
    vch_metric_mean mean = { 0 };
    for (size_t i = 0; i < s.count; i++) {
        const vch_metric *one = find_metric(s.result[i], metric);
        if (one == NULL)
            return vouch_fail(err, VOUCH_E_INTERNAL, "metric '%s' was there, and is not", metric);
        values[i] = one->value;
        mean.validates_global = one->validates_global;
    }
    rc = vch_aggregate_mean(over->sum, values, s.weight, s.count, &mean.value, err);
    if (rc == VOUCH_OK)
        *out = mean;
    return rc;
}

/* One tensor's place in a spool, as the aggregation reads it. */
typedef struct spool_view {
    const vch_result *result;
    uint64_t *offsets; /* of each tensor; NULL: they lie in the model's order */
    uint64_t offset;   /* of the tensor in hand, bytes */
} spool_view;

static vouch_code view_make(const vch_result *result, const vch_model *model, spool_view *out,
                            vouch_error *err)
{
    uint64_t at = 0;
    *out = (spool_view) { .result = result };
    if (result->order == NULL)
        return VOUCH_OK;
    out->offsets = calloc(model->count, sizeof *out->offsets);
    if (out->offsets == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu tensors", model->count);
    for (size_t i = 0; i < model->count; i++) {
        size_t tensor = result->order[i];
        out->offsets[tensor] = at;
        at += model->tensor[tensor].shape.count * sizeof(float);
    }
    return VOUCH_OK;
}

static vouch_code read_spool(void *context, size_t from, size_t count, float *out, vouch_error *err)
{
    const spool_view *view = context;
    return vch_sealed_read(view->result->update, view->offset + from * sizeof(float), out,
                           count * sizeof(float), err);
}

static vouch_code read_tensor(void *context, size_t from, size_t count, float *out,
                              vouch_error *err)
{
    (void)err;
    const vch_tensor *tensor = context;
    memcpy(out, tensor->values + from, count * sizeof(float));
    return VOUCH_OK;
}

/* The aggregate of one tensor, apart and whole: a pipeline takes no less. */
static vouch_code write_apart(void *context, size_t from, size_t count, const float *values,
                              vouch_error *err)
{
    (void)err;
    float *to = context;
    memcpy(to + from, values, count * sizeof *to);
    return VOUCH_OK;
}

static vouch_code check_finite(const float *values, size_t from, size_t count, vouch_error *err)
{
    size_t bad = 0;
    if (vch_values_finite(values, count, &bad))
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_LIMIT, "element %zu of the aggregate is not finite", from + bad);
}

/* In place, block by block: what was read of the model for it lies behind. */
static vouch_code write_in_place(void *context, size_t from, size_t count, const float *values,
                                 vouch_error *err)
{
    const vch_tensor *tensor = context;
    memcpy(tensor->values + from, values, count * sizeof *values);
    return check_finite(values, from, count, err);
}

typedef struct updates {
    const vch_results_recipe *recipe;
    const vch_pipeline *pipeline;
    vch_aggregate_member *members;
    spool_view *views;
    size_t count;
    int32_t round; /* that the model will be of */
} updates;

/* `apart`: room for the tensor, which gets the change, if that is what the recipe speaks of, else
 * the values; NULL: the tensor itself becomes its successor. */
static vouch_code aggregate_values(const updates *how, size_t at, vch_tensor *tensor, float *apart,
                                   vouch_error *err)
{
    const vch_results_recipe *recipe = how->recipe;
    vch_aggregate_member base = { .context = tensor, .read = read_tensor };
    vch_aggregate_memory memory = { 0 };
    if (recipe->state != NULL)
        memory = vch_aggregate_state_of(recipe->state, at);
    const vch_aggregate_options options = { .function = recipe->function,
                                            .sum = recipe->sum,
                                            .base = recipe->from_delta ? &base : NULL,
                                            .as_delta = apart != NULL && recipe->from_delta,
                                            .step = recipe->step,
                                            .tensor_name = tensor->name,
                                            .memory = recipe->state == NULL ? NULL : &memory };
    vch_aggregate_output output = { .context = tensor, .write = write_in_place };
    if (apart != NULL)
        output = (vch_aggregate_output) { .context = apart, .write = write_apart };
    return vch_aggregate_tensor(&options, how->members, how->count, tensor->shape.count, &output,
                                err);
}

/* The change travels, and the next model is the old one with what arrives. */
static vouch_code apply_delta(const updates *how, size_t at, vch_tensor *tensor, float *delta,
                              vouch_error *err)
{
    const vch_results_recipe *recipe = how->recipe;
    vouch_code rc =
        recipe->deltas == NULL
            ? vch_there_and_back(how->pipeline, tensor, how->round, delta, err)
            : vch_deltas_put(recipe->deltas, at, tensor, how->round, how->pipeline, delta, err);
    for (size_t i = 0; rc == VOUCH_OK && i < tensor->shape.count; i++)
        tensor->values[i] += delta[i];
    return rc;
}

/* The aggregate is the next model, through the pipeline too. */
static vouch_code replace(const updates *how, size_t at, vch_tensor *tensor, float *values,
                          vouch_error *err)
{
    const vch_results_recipe *recipe = how->recipe;
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; recipe->deltas != NULL && i < tensor->shape.count; i++)
        tensor->values[i] = values[i] - tensor->values[i];
    if (recipe->deltas != NULL)
        rc = vch_deltas_put(recipe->deltas, at, tensor, how->round, how->pipeline, tensor->values,
                            err);
    if (rc == VOUCH_OK)
        rc = vch_there_and_back(how->pipeline, tensor, how->round, values, err);
    if (rc == VOUCH_OK && tensor->shape.count > 0)
        memcpy(tensor->values, values, tensor->shape.count * sizeof *values);
    return rc;
}

/* Where nobody asks what changed, and nothing is lost on the way. */
static bool is_in_place(const updates *how)
{
    return how->recipe->deltas == NULL && vch_pipeline_streams(how->pipeline);
}

static vouch_code aggregate_apart(const updates *how, size_t at, vch_tensor *tensor,
                                  vouch_error *err)
{
    VCH_SCOPED(vch_free_drop) float *values = malloc((tensor->shape.count + 1) * sizeof *values);
    if (values == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to aggregate a tensor");
    vouch_code rc = aggregate_values(how, at, tensor, values, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = how->recipe->from_delta ? apply_delta(how, at, tensor, values, err)
                                 : replace(how, at, tensor, values, err);
    return rc == VOUCH_OK ? check_finite(tensor->values, 0, tensor->shape.count, err) : rc;
}

static vouch_code aggregate_one(updates *how, size_t at, vch_tensor *tensor, vouch_error *err)
{
    size_t count = tensor->shape.count;
    for (size_t i = 0; i < how->count; i++) {
        if (how->views[i].offsets != NULL)
            how->views[i].offset = how->views[i].offsets[at];
    }
    vouch_code rc = is_in_place(how) ? aggregate_values(how, at, tensor, NULL, err)
                                     : aggregate_apart(how, at, tensor, err);
    for (size_t i = 0; i < how->count; i++)
        how->views[i].offset += count * sizeof(float);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "aggregating tensor '%s'", tensor->name);
}

vouch_code vch_results_aggregate(const vch_results *r, const vch_results_selection *over,
                                 const vch_results_recipe *recipe, vch_model *model,
                                 vouch_error *err)
{
    VCH_SCOPED(drop_selection) selection s = { 0 };
    vouch_code rc = selection_make(r, over, &s, err);
    if (rc == VOUCH_OK)
        rc = selection_weigh(&s, has_update, NULL, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the round's updates");
    VCH_SCOPED(vch_free_drop) vch_aggregate_member *members = calloc(s.count, sizeof *members);
    VCH_SCOPED(vch_free_drop) spool_view *views = calloc(s.count, sizeof *views);
    if (members == NULL || views == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu members", s.count);
    for (size_t i = 0; rc == VOUCH_OK && i < s.count; i++) {
        rc = view_make(s.result[i], model, &views[i], err);
        members[i] = (vch_aggregate_member) { .context = &views[i],
                                              .read = read_spool,
                                              .weight = s.weight[i] };
    }
    updates how = { .recipe = recipe,
                    .pipeline = recipe->pipeline != NULL ? recipe->pipeline : vch_pipeline_plain(),
                    .members = members,
                    .views = views,
                    .count = s.count,
                    .round = model->round + 1 };
    for (size_t t = 0; rc == VOUCH_OK && t < model->count; t++)
        rc = aggregate_one(&how, t, &model->tensor[t], err);
    for (size_t i = 0; i < s.count; i++)
        free(views[i].offsets);
    if (rc == VOUCH_OK && recipe->state != NULL)
        recipe->state->steps++;
    return rc;
}
