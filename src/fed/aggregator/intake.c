#include "fed/aggregator/intake.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "fed/aggregator/values_in.h"
#include "fed/wire/task_results.h"

#define METRIC_DATA_MAX 4 /* a metric is one float32 */
#define OPTIMIZER_SHARE 4 /* tensors that an optimiser may keep of each of the model's */

struct vch_receipt {
    const vch_intake *intake;
    const char *peer;
    vch_task_results_reader *reader;

    bool has_head;
    bool is_counted; /* in intake->arriving */
    size_t member;
    vch_round_ruling ruling;
    int32_t round;
    const vch_plan_task *task;
    size_t task_at;
    vch_result result;
    unsigned era; /* of the ledger when `result.update` was begun */
    bool *seen;   /* for each tensor of the model: has it come? */
    size_t seen_count;
    double square_sum; /* of all values of the update, as sent */

    /* the tensor in hand */
    const vch_named_tensor *metric_tensor; /* NULL: it is no metric; the reader's, until its end */
    const vch_pipeline *metric_pipeline;
    vch_shape metric_shape;
    size_t metric_size; /* bytes of it that have come */
    uint8_t metric_bytes[METRIC_DATA_MAX];
    vch_values_in *values; /* NULL: no model tensor in hand */
    bool is_dropped;       /* it goes nowhere */
};

static vouch_code expect(const char *what, vouch_span got, const char *want, vouch_error *err)
{
    if (vch_span_is(got, want))
        return VOUCH_OK;
    int size = got.size > 80 ? 80 : (int)got.size;
    return vouch_fail(err, VOUCH_E_REFUSED, "%s is '%.*s', not '%s': another federation or plan",
                      what, size, (const char *)got.data, want);
}

/* Who speaks: whom the certificate names, or where all have the same one, who the header says. */
static vouch_code find_member(const vch_plan *plan, const char *peer, vouch_span sender,
                              size_t *out, vouch_error *err)
{
    const char *shared = vch_plan_look(plan)->single_col_cert_common_name;
    if (shared[0] == '\0' && !vch_span_is(sender, peer))
        return vouch_fail(err, VOUCH_E_REFUSED, "the sender is not the admitted peer '%s'", peer);
    if (shared[0] != '\0' && strcmp(shared, peer) != 0)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the certificate is of '%s', not of '%s' as all collaborators' is", peer,
                          shared);
    ptrdiff_t member = vch_plan_member(plan, sender);
    if (member < 0) {
        int size = sender.size > 80 ? 80 : (int)sender.size;
        return vouch_fail(err, VOUCH_E_REFUSED, "'%.*s' is not in cols.yaml", size,
                          (const char *)sender.data);
    }
    *out = (size_t)member;
    return VOUCH_OK;
}

vouch_code vch_intake_check_header(const vch_plan *plan, const char *peer,
                                   const vch_wire_header *header, size_t *out_member,
                                   vouch_error *err)
{
    const vch_plan_view *view = vch_plan_look(plan);
    size_t member = 0;
    vouch_code rc = find_member(plan, peer, header->sender, &member, err);
    if (rc == VOUCH_OK)
        rc = expect("receiver", header->receiver, view->aggregator_uuid, err);
    if (rc == VOUCH_OK)
        rc = expect("federation_uuid", header->federation_uuid, view->federation_uuid, err);
    if (rc == VOUCH_OK)
        rc = expect("single_col_cert_common_name", header->single_col_cert_common_name,
                    view->single_col_cert_common_name, err);
    if (rc == VOUCH_OK)
        *out_member = member;
    return rc;
}

static vouch_code count(vch_receipt *r, vouch_error *err)
{
    unsigned *arriving = &r->intake->arriving[r->member];
    if (*arriving >= VCH_RECEIPTS_MAX)
        return vouch_fail(err, VOUCH_E_IO, "%d results of '%s' are arriving already",
                          VCH_RECEIPTS_MAX, vch_plan_look(r->intake->plan)->member[r->member]);
    r->is_counted = true;
    (*arriving)++;
    return VOUCH_OK;
}

/* Weights must be usable: a training task counts samples; nobody counts less than none. */
static vouch_code check_data_size(const vch_receipt *r, int32_t data_size, vouch_error *err)
{
    int32_t least = -1;
    if (r->task->validates)
        least = 0;
    if (r->task->trains)
        least = 1;
    if (data_size < least)
        return vouch_fail(err, VOUCH_E_REFUSED, "data_size %d for task '%s'; at least %d is needed",
                          data_size, r->task->name, least);
    int32_t most = vch_plan_look(r->intake->plan)->limits.data_size_max;
    if (data_size > most)
        return vouch_fail(err, VOUCH_E_REFUSED, "data_size %d; the plan's limit is %d", data_size,
                          most);
    return VOUCH_OK;
}

static vouch_code on_head(void *context, const vch_task_results_head *head, vouch_error *err)
{
    vch_receipt *r = context;
    const vch_plan *plan = r->intake->plan;
    vouch_code rc = vch_intake_check_header(plan, r->peer, &head->header, &r->member, err);
    if (rc != VOUCH_OK)
        return rc;
    r->has_head = true;
    rc = count(r, err);
    if (rc != VOUCH_OK)
        return rc;
    r->round = head->round;
    r->task = vch_plan_task_find(plan, head->task_name);
    r->ruling = VCH_RESULT_NOT_OWED;
    if (r->task == NULL)
        return VOUCH_OK;
    r->task_at = (size_t)(r->task - vch_plan_look(plan)->task);
    r->ruling = vch_round_judge(r->intake->round, r->member, head->round, r->task_at);
    if (r->ruling != VCH_RESULT_TAKE)
        return VOUCH_OK;
    r->result.data_size = head->data_size;
    return check_data_size(r, head->data_size, err);
}

/* Which decoder: the plan's, but whatever a lossy one did not touch went through the plain one. */
static vouch_code choose_pipeline(const vch_receipt *r, bool lossy, const vch_pipeline **out,
                                  vouch_error *err)
{
    const vch_pipeline *plans = r->intake->pipeline;
    bool plan_is_lossy = vch_pipeline_is_lossy(plans);
    if (lossy && !plan_is_lossy)
        return vouch_fail(err, VOUCH_E_REFUSED, "lossy_compressed, but the plan's pipeline is not");
    *out = lossy || !plan_is_lossy ? plans : vch_pipeline_plain();
    return VOUCH_OK;
}

static vouch_code begin_metric(vch_receipt *r, const vch_named_tensor *t, size_t data_size,
                               vouch_error *err)
{
    vouch_code rc = choose_pipeline(r, false, &r->metric_pipeline, err);
    if (rc == VOUCH_OK)
        rc = vch_pipeline_shape(r->metric_pipeline, t, &r->metric_shape, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, VOUCH_E_REFUSED, "metric");
    if (r->metric_shape.count != 1 || data_size != METRIC_DATA_MAX)
        return vouch_fail(err, VOUCH_E_REFUSED, "a metric must be one number");
    if (r->result.metric_count == VCH_METRIC_MAX)
        return vouch_fail(err, VOUCH_E_REFUSED, "more than %d metrics", VCH_METRIC_MAX);
    vch_metric *m = &r->result.metric[r->result.metric_count];
    if (t->name.size == 0 || t->name.size >= sizeof m->name) /* the reader takes no NUL in it */
        return vouch_fail(err, VOUCH_E_REFUSED, "a metric's name must be 1 to %zu bytes",
                          sizeof m->name - 1);
    *m = (vch_metric) { .validates_global = vch_tags_has(&t->tags, VCH_TAG_VALIDATE_AGG) };
    memcpy(m->name, t->name.data, t->name.size);
    for (size_t i = 0; i < r->result.metric_count; i++) {
        if (strcmp(r->result.metric[i].name, m->name) == 0)
            return vouch_fail(err, VOUCH_E_REFUSED, "metric '%s' twice", m->name);
    }
    r->metric_tensor = t;
    r->metric_size = 0;
    return VOUCH_OK;
}

static ptrdiff_t find_tensor(const vch_model *model, vouch_span name)
{
    for (size_t i = 0; i < model->count; i++) {
        if (vch_span_is(name, model->tensor[i].name))
            return (ptrdiff_t)i;
    }
    return -1;
}

static unsigned era_of(const vch_receipt *r)
{
    return r->intake->ledger == NULL ? 0 : vch_ledger_era(r->intake->ledger);
}

/* Not a byte more to a file of the rules before: it can never be stored. */
static vouch_code check_era(const vch_receipt *r, vouch_error *err)
{
    if (r->result.update == NULL || r->era == era_of(r))
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_IO, "the rules have changed while it came: send it again");
}

static vouch_code open_update(vch_receipt *r, vouch_error *err)
{
    if (r->result.update != NULL)
        return VOUCH_OK;
    ptrdiff_t other = vch_results_update_task(r->intake->results);
    if (other >= 0 && (size_t)other != r->task_at)
        return vouch_fail(err, VOUCH_E_REFUSED, "this round's updates come under another task");
    if (r->task->validates && !r->task->trains)
        return vouch_fail(err, VOUCH_E_REFUSED, "task '%s' validates, but came with an update",
                          r->task->name);
    r->seen = calloc(r->intake->model->count, sizeof *r->seen);
    r->result.order = calloc(r->intake->model->count, sizeof *r->result.order);
    if (r->seen == NULL || r->result.order == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu tensors",
                          r->intake->model->count);
    r->era = era_of(r);
    return vch_ledger_new_file(r->intake->ledger, VCH_LEDGER_SPOOL, r->intake->model->data_size,
                               &r->result.update, err);
}

static bool shares_optimizer(const vch_intake *intake)
{
    return vch_plan_look(intake->plan)->opt_treatment == VCH_OPT_CONTINUE_GLOBAL;
}

/* Until 1.8 OpenFL's task runners send their optimiser's state along where the plan keeps that at
 * its site, too: nobody asks for it. Only PyTorch's can be told by its names. */
static vouch_code begin_unknown(vch_receipt *r, vouch_span name, vouch_error *err)
{
    bool by_name = vch_tensor_is_optimizer(name);
    bool is_state = by_name || vch_plan_look(r->intake->plan)->release->sends_optimizer;
    r->is_dropped = is_state && !shares_optimizer(r->intake);
    if (r->is_dropped)
        return VOUCH_OK;
    if (!by_name)
        return vouch_fail(err, VOUCH_E_REFUSED, "the model has no such tensor");
    return vouch_fail(err, VOUCH_E_REFUSED,
                      "the initial model does not declare the optimiser's state: `vouch plan "
                      "initialize -i %s` adds it",
                      vch_plan_look(r->intake->plan)->init_state_path);
}

static vouch_code begin_update(vch_receipt *r, const vch_named_tensor *t, const vch_tags *tags,
                               bool lossy, size_t data_size, vouch_error *err)
{
    vch_values_options options = { .target = NULL };
    ptrdiff_t at = find_tensor(r->intake->model, t->name);
    if (at < 0)
        return begin_unknown(r, t->name, err);
    const vch_tensor *base = &r->intake->model->tensor[at];
    vouch_code rc = choose_pipeline(r, lossy, &options.pipeline, err);
    if (rc == VOUCH_OK)
        rc = open_update(r, err);
    if (rc != VOUCH_OK)
        return rc;
    if (r->seen[at])
        return vouch_fail(err, VOUCH_E_REFUSED, "the tensor came twice");
    options.base = vch_tags_has(tags, VCH_TAG_DELTA) ? base->values : NULL;
    options.expected = &base->shape;
    options.target = r->result.update;
    options.value_max = vch_plan_look(r->intake->plan)->limits.value_max;
    if (isfinite(vch_plan_look(r->intake->plan)->limits.update_norm_max))
        options.square_sum = &r->square_sum;
    rc = vch_values_in_new(&options, t, data_size, &r->values, err);
    if (rc != VOUCH_OK)
        return rc;
    r->seen[at] = true;
    r->result.order[r->seen_count++] = (uint32_t)at;
    return VOUCH_OK;
}

static bool are_update_tags(const vch_tags *tags)
{
    static const char *const whole[] = { VCH_TAG_TRAINED, NULL };
    static const char *const delta[] = { VCH_TAG_DELTA, VCH_TAG_TRAINED, NULL };
    vch_tags a = vch_tags_of(whole);
    vch_tags b = vch_tags_of(delta);
    return vch_tags_equal(tags, &a) || vch_tags_equal(tags, &b);
}

static vouch_code begin_tensor(vch_receipt *r, const vch_named_tensor *t, size_t data_size,
                               vouch_error *err)
{
    vch_tags tags = t->tags;
    bool lossy = false;
    vouch_code rc = vch_tags_strip_transport(&tags, &lossy, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, VOUCH_E_REFUSED, "tags");
    if (t->round != r->round)
        return vouch_fail(err, VOUCH_E_REFUSED, "it is of round %d, the result of round %d",
                          t->round, r->round);
    if (t->report && vch_tags_has(&tags, VCH_TAG_METRIC) && !lossy)
        return begin_metric(r, t, data_size, err);
    if (!t->report && are_update_tags(&tags))
        return begin_update(r, t, &tags, lossy, data_size, err);
    char text[256];
    return vouch_fail(err, VOUCH_E_REFUSED, "neither a metric nor an update: tags %s",
                      vch_tags_text(&tags, text, sizeof text));
}

static vouch_code on_tensor_begin(void *context, const vch_named_tensor *t, size_t data_size,
                                  vouch_error *err)
{
    vch_receipt *r = context;
    if (r->ruling != VCH_RESULT_TAKE)
        return VOUCH_OK;
    vouch_code rc = begin_tensor(r, t, data_size, err);
    if (rc == VOUCH_OK)
        return rc;
    int size = t->name.size > 80 ? 80 : (int)t->name.size;
    return vouch_wrap(err, rc, "tensor '%.*s'", size, (const char *)t->name.data);
}

/* Held against the plan's limit as the values come, so that a mad update is not taken to its end. */
static vouch_code check_norm(const vch_receipt *r, vouch_error *err)
{
    double most = vch_plan_look(r->intake->plan)->limits.update_norm_max;
    double norm = sqrt(r->square_sum);
    if (norm > most)
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the update's norm is %g or more; the plan's limit is %g", norm, most);
    return VOUCH_OK;
}

static vouch_code on_tensor_data(void *context, vouch_span piece, vouch_error *err)
{
    vch_receipt *r = context;
    if (r->ruling != VCH_RESULT_TAKE || r->is_dropped)
        return VOUCH_OK;
    if (r->metric_tensor == NULL) {
        vouch_code rc = vch_values_in_feed(r->values, piece, err);
        return rc == VOUCH_OK ? check_norm(r, err) : rc;
    }
    if (piece.size > METRIC_DATA_MAX - r->metric_size) /* no more comes than was announced */
        return vouch_fail(err, VOUCH_E_INTERNAL, "a metric of more bytes than announced");
    memcpy(r->metric_bytes + r->metric_size, piece.data, piece.size);
    r->metric_size += piece.size;
    return VOUCH_OK;
}

static vouch_code end_metric(vch_receipt *r, vouch_error *err)
{
    vch_metric *m = &r->result.metric[r->result.metric_count];
    vch_named_tensor whole = *r->metric_tensor;
    whole.data = (vouch_span) { r->metric_bytes, r->metric_size };
    r->metric_tensor = NULL;
    vouch_code rc =
        vch_pipeline_decode_values(r->metric_pipeline, &whole, &r->metric_shape, &m->value, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, VOUCH_E_REFUSED, "metric '%s'", m->name);
    if (!isfinite(m->value))
        return vouch_fail(err, VOUCH_E_REFUSED, "metric '%s' is not finite", m->name);
    r->result.metric_count++;
    return VOUCH_OK;
}

static vouch_code on_tensor_end(void *context, vouch_error *err)
{
    vch_receipt *r = context;
    if (r->ruling != VCH_RESULT_TAKE)
        return VOUCH_OK;
    if (r->metric_tensor != NULL)
        return end_metric(r, err);
    if (r->is_dropped) {
        r->is_dropped = false;
        return VOUCH_OK;
    }
    vouch_code rc = vch_values_in_finish(r->values, err);
    vch_values_in_free(r->values);
    r->values = NULL;
    return rc == VOUCH_OK ? check_norm(r, err) : rc;
}

/* What a model's optimiser and the plan's pipeline need beside the tensors' own bytes. */
static vch_task_results_limits limits_for(const vch_intake *intake)
{
    const vch_model *model = intake->model;
    size_t dropped = shares_optimizer(intake) ? 0 : OPTIMIZER_SHARE;
    vch_task_results_limits limits =
        vch_task_results_limits_for(model->count * (1 + dropped), model->data_size);
    limits.total_size_max += (uint64_t)dropped * model->data_size;
    for (size_t i = 0; i < model->count; i++) {
        size_t count = model->tensor[i].shape.count;
        size_t metadata = vch_pipeline_metadata_max(intake->pipeline, count);
        limits.total_size_max += metadata;
        if (metadata > limits.metadata_size_max)
            limits.metadata_size_max = metadata;
    }
    return limits;
}

vouch_code vch_receipt_new(const vch_intake *intake, const char *peer, vch_receipt **out,
                           vouch_error *err)
{
    static const vch_task_results_sink sink = { on_head, on_tensor_begin, on_tensor_data,
                                                on_tensor_end };
    VCH_SCOPED(vch_receipt_drop) vch_receipt *r = calloc(1, sizeof *r);
    if (r == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to receive a result");
    r->intake = intake;
    r->peer = peer;
    const vch_task_results_limits limits = limits_for(intake);
    vouch_code rc = vch_task_results_reader_new(&limits, &sink, r, &r->reader, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(r);
    return rc;
}

void vch_receipt_free(vch_receipt *r)
{
    if (r == NULL)
        return;
    if (r->is_counted)
        r->intake->arriving[r->member]--;
    vch_task_results_reader_free(r->reader);
    vch_values_in_free(r->values);
    vch_result_drop(&r->result);
    free(r->seen);
    free(r);
}

vouch_code vch_receipt_feed(vch_receipt *r, vouch_span bytes, vouch_error *err)
{
    vouch_code rc = check_era(r, err);
    if (rc == VOUCH_OK)
        rc = vch_task_results_reader_feed(r->reader, bytes, err);
    if (rc == VOUCH_E_LIMIT) /* it will be no less when it is sent again */
        return vouch_wrap(err, VOUCH_E_REFUSED, "more than is ever taken");
    return rc;
}

vouch_code vch_receipt_message_end(vch_receipt *r, vouch_error *err)
{
    return vch_task_results_reader_message_end(r->reader, err);
}

static vouch_code check_complete(const vch_receipt *r, vouch_error *err)
{
    if (r->result.update == NULL && r->task->trains)
        return vouch_fail(err, VOUCH_E_REFUSED, "task '%s' trains, but came without an update",
                          r->task->name);
    if (r->result.update == NULL || r->seen_count == r->intake->model->count)
        return VOUCH_OK;
    for (size_t i = 0; i < r->intake->model->count; i++) {
        if (!r->seen[i])
            return vouch_fail(err, VOUCH_E_REFUSED, "tensor '%s' is missing",
                              r->intake->model->tensor[i].name);
    }
    return vouch_fail(err, VOUCH_E_INTERNAL, "a tensor is missing");
}

/* Most send the tensors in the order in which they got them. */
static void forget_usual_order(vch_receipt *r)
{
    vch_result *result = &r->result;
    for (size_t i = 0; i < r->seen_count; i++) {
        if (result->order[i] != i) {
            result->order_count = r->seen_count;
            return;
        }
    }
    free(result->order);
    result->order = NULL;
}

vouch_code vch_receipt_finish(vch_receipt *r, vch_round_ruling *out_ruling, vouch_error *err)
{
    vouch_code rc = check_era(r, err);
    if (rc == VOUCH_OK)
        rc = vch_task_results_reader_finish(r->reader, err);
    if (rc != VOUCH_OK)
        return rc;
    if (r->ruling == VCH_RESULT_TAKE) /* meanwhile the round may be over, or another stream first */
        r->ruling = vch_round_judge(r->intake->round, r->member, r->round, r->task_at);
    if (r->ruling == VCH_RESULT_TAKE) {
        rc = check_complete(r, err);
        if (rc == VOUCH_OK && r->result.update != NULL)
            rc = vch_sealed_finish(r->result.update, err);
        if (rc != VOUCH_OK)
            return rc;
        forget_usual_order(r);
    }
    *out_ruling = r->ruling;
    return VOUCH_OK;
}

vch_ledger_result vch_receipt_result(vch_receipt *r)
{
    return (vch_ledger_result) {
        .round = r->round, .member = r->member, .task = r->task_at, .result = &r->result
    };
}

vouch_code vch_receipt_keep(vch_receipt *r, vch_round_ruling *out_ruling, vouch_error *err)
{
    *out_ruling = vch_round_judge(r->intake->round, r->member, r->round, r->task_at);
    if (*out_ruling != VCH_RESULT_TAKE) {
        vch_result_discard(&r->result);
        return VOUCH_OK;
    }
    vouch_code rc = vch_results_put(r->intake->results, r->member, r->task_at, &r->result, err);
    if (rc == VOUCH_OK)
        vch_round_report(r->intake->round, r->member, r->task_at);
    return rc;
}

void vch_receipt_discard(vch_receipt *r)
{
    vch_result_discard(&r->result);
}

ptrdiff_t vch_receipt_member(const vch_receipt *r)
{
    return r->has_head ? (ptrdiff_t)r->member : -1;
}

const vch_plan_task *vch_receipt_task(const vch_receipt *r)
{
    return r->task;
}
