/*
 * Records are CBOR, an array each:
 *   [1, round, task, file or null, [[name, value]…]]   a result is made
 *   [2, round]                                         it is acknowledged
 *   [3]                                                the federation is over
 * A file is as store/state_file.h has it.
 */
#include "fed/collaborator/keep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "codec/cbor.h"
#include "host/file.h"
#include "store/sealed.h"
#include "store/state.h"
#include "store/state_file.h"
#include "store/state_rules.h"

#define PURPOSE "result"
#define FEDERATION_MAX ((size_t)8192)
#define RESULTS_MAX VCH_PLAN_TASK_MAX

enum { MADE = 1, ACKNOWLEDGED = 2, OVER = 3 };

typedef struct kept {
    int32_t round;
    const vch_plan_task *task;
    vch_state_file file; /* none: nothing was trained */
    size_t metric_count;
    vch_task_metric metric[VCH_TASK_METRIC_MAX];
} kept;

struct vch_keep {
    vch_keep_options options;
    vch_state *state; /* NULL: nothing is kept */
    int32_t finished;
    size_t count;
    kept *result; /* RESULTS_MAX of them, `count` in use */
    bool spoilt;
    bool outdated; /* the state is not yet that of the rules in force, which are: */
    const vch_seal_root *root;
    uint8_t policy[VCH_SHA256_SIZE];
};

static void remove_file(const vch_keep *k, const kept *result)
{
    char path[VCH_PATH_SIZE];
    if (k->state == NULL || result->file.name[0] == '\0')
        return;
    vouch_code rc = vch_path_join(vch_state_directory(k->state), result->file.name, path, NULL);
    if (rc == VOUCH_OK)
        rc = vch_file_remove(path, NULL);
    (void)rc; /* one that stays is removed at the next start */
}

/* Results of other rounds, and an earlier one of the same task, are not wanted any more. */
static void forget(vch_keep *k, int32_t round, const vch_plan_task *task)
{
    size_t left = 0;
    for (size_t i = 0; i < k->count; i++) {
        if (k->result[i].round == round && k->result[i].task != task)
            k->result[left++] = k->result[i];
        else
            remove_file(k, &k->result[i]);
    }
    k->count = left;
}

static vouch_code remember(vch_keep *k, const kept *result, vouch_error *err)
{
    forget(k, result->round, result->task);
    if (k->count == RESULTS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d results in a round", RESULTS_MAX);
    k->result[k->count++] = *result;
    return VOUCH_OK;
}

static void take_bytes(vch_cbor *c, void *out, size_t size)
{
    vouch_span bytes = vch_cbor_bytes(c);
    if (bytes.size != size)
        vch_cbor_refuse(c, "a byte string of another size");
    else
        memcpy(out, bytes.data, size);
}

static void take_text(vch_cbor *c, char *out, size_t size)
{
    vouch_span text = vch_cbor_text(c);
    if (text.size == 0 || text.size >= size || memchr(text.data, 0, text.size) != NULL)
        vch_cbor_refuse(c, "a text of another size");
    else
        memcpy(out, text.data, text.size);
}

static void take_metrics(vch_cbor *c, kept *out)
{
    size_t count = vch_cbor_array_enter(c);
    if (count > VCH_TASK_METRIC_MAX)
        vch_cbor_refuse(c, "too many metrics");
    for (size_t i = 0; c->failed == VOUCH_OK && i < count; i++) {
        vch_task_metric *m = &out->metric[i];
        if (vch_cbor_array_enter(c) != 2)
            vch_cbor_refuse(c, "no metric");
        take_text(c, m->name, sizeof m->name);
        take_bytes(c, &m->value, sizeof m->value);
    }
    out->metric_count = c->failed == VOUCH_OK ? count : 0;
}

static int32_t take_round(vch_cbor *c)
{
    uint64_t round = vch_cbor_uint(c);
    if (round > INT32_MAX)
        vch_cbor_refuse(c, "no round");
    return round > INT32_MAX ? 0 : (int32_t)round;
}

static void take_made(vch_keep *k, vch_cbor *c, kept *out)
{
    out->round = take_round(c);
    out->task = vch_plan_task_find(k->options.plan, vch_cbor_text(c));
    if (out->task == NULL)
        vch_cbor_refuse(c, "a task that the plan does not have");
    vch_state_file_take(c, &out->file);
    take_metrics(c, out);
}

static vouch_code replay(void *context, vouch_span bytes, vouch_error *err)
{
    vch_keep *k = context;
    kept result = { 0 };
    int32_t round = VCH_KEEP_NO_ROUND;
    vch_cbor c = vch_cbor_over(bytes);
    size_t count = vch_cbor_array_enter(&c);
    uint64_t kind = vch_cbor_uint(&c);
    if (kind == MADE && count == 5)
        take_made(k, &c, &result);
    else if (kind == ACKNOWLEDGED && count == 2)
        round = take_round(&c);
    else if (kind != OVER || count != 1)
        vch_cbor_refuse(&c, "no record of a collaborator");
    vouch_code rc = vch_cbor_finish(&c, "record", err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, VOUCH_E_FORMAT, "a collaborator's journal");
    if (kind == MADE)
        return remember(k, &result, err);
    if (kind == OVER)
        forget(k, VCH_KEEP_NO_ROUND, NULL);
    k->finished = round;
    return VOUCH_OK;
}

static vouch_code identify(const vch_keep_options *options, vch_buffer *out,
                           vch_state_subject *subject, vouch_error *err)
{
    const vch_plan_view *view = vch_plan_look(options->plan);
    vch_buffer_append_str(out, view->federation_uuid);
    vch_buffer_u8(out, 0);
    vch_buffer_append_str(out, options->name);
    vch_buffer_u8(out, 0);
    vch_buffer_append(out, (vouch_span) { view->claim, sizeof view->claim });
    vouch_code rc = vch_buffer_finish(out, "federation", err);
    *subject = (vch_state_subject) { .role = "collaborator", .federation = vch_buffer_span(out) };
    return rc;
}

static bool is_wanted(void *context, const char *name)
{
    const vch_keep *k = context;
    for (size_t i = 0; i < k->count; i++) {
        if (strcmp(name, k->result[i].file.name) == 0)
            return true;
    }
    return false;
}

static vouch_code open_state(vch_keep *k, vouch_error *err)
{
    vch_state_subject subject = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer federation = vch_buffer_with_cap(FEDERATION_MAX);
    const vch_state_history rules = { .now = { k->options.policy_digest, k->options.root },
                                      .before = k->options.before,
                                      .before_count = k->options.before_count };
    const vch_state_options how = { .parent = k->options.parent,
                                    .fleeting = k->options.fleeting,
                                    .log = k->options.log,
                                    .replay = replay,
                                    .context = k };
    vouch_code rc = identify(&k->options, &federation, &subject, err);
    if (rc == VOUCH_OK)
        rc = vch_state_open_under(&subject, &rules, &how, &k->state, err);
    if (rc == VOUCH_OK)
        rc = vch_state_sweep(k->state, is_wanted, k, err);
    return rc;
}

vouch_code vch_keep_open(const vch_keep_options *options, vch_keep **out, vouch_error *err)
{
    VCH_SCOPED(vch_keep_drop) vch_keep *k = calloc(1, sizeof *k);
    if (k == NULL || (k->result = calloc(RESULTS_MAX, sizeof *k->result)) == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory to keep results");
    k->options = *options;
    k->finished = VCH_KEEP_NO_ROUND;
    vouch_code rc = options->parent == NULL ? VOUCH_OK : open_state(k, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(k);
    return rc;
}

void vch_keep_close(vch_keep *k)
{
    if (k == NULL)
        return;
    vch_state_close(k->state);
    free(k->result);
    free(k);
}

/* Before anything is written. */
static vouch_code settle(vch_keep *k, vouch_error *err)
{
    char name[VCH_STATE_NAME_SIZE];
    vch_state_subject subject = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer federation = vch_buffer_with_cap(FEDERATION_MAX);
    if (!k->outdated || k->state == NULL)
        return VOUCH_OK;
    vouch_code rc = identify(&k->options, &federation, &subject, err);
    if (rc == VOUCH_OK)
        rc = vch_state_name(&subject, k->policy, name, err);
    if (rc == VOUCH_OK)
        rc = vch_state_reseal(k->state, name, k->root, &k->spoilt, err);
    if (rc != VOUCH_OK)
        return rc;
    k->options.root = k->root;
    k->outdated = false;
    return VOUCH_OK;
}

vouch_code vch_keep_follow(vch_keep *k, const vch_seal_root *root,
                           const uint8_t policy_digest[static 32], vouch_error *err)
{
    k->root = root;
    memcpy(k->policy, policy_digest, sizeof k->policy);
    k->outdated = true;
    return settle(k, err);
}

bool vch_keep_is_spoilt(const vch_keep *k)
{
    return k->spoilt || (k->state != NULL && vch_journal_is_spoilt(vch_state_journal(k->state)));
}

int32_t vch_keep_finished(const vch_keep *k)
{
    return k->finished;
}

const char *vch_keep_directory(const vch_keep *k)
{
    return k->state == NULL ? "" : vch_state_directory(k->state);
}

static vch_sealed_options file_options(const vch_keep *k, const char *name)
{
    return (vch_sealed_options) { .directory = vch_state_directory(k->state),
                                  .name = name,
                                  .purpose = PURPOSE,
                                  .root = k->options.root };
}

static vouch_code write_model(vch_keep *k, const vch_model *model, kept *out, vouch_error *err)
{
    VCH_SCOPED(vch_sealed_drop) vch_sealed *file = NULL;
    vouch_code rc = vch_state_file_draw(PURPOSE, out->file.name, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_sealed_options how = file_options(k, out->file.name);
    rc = vch_sealed_new(&how, model->data_size, &file, err);
    for (size_t i = 0; rc == VOUCH_OK && i < model->count; i++)
        rc = vch_sealed_append(file, vch_tensor_bytes(&model->tensor[i]), err);
    if (rc == VOUCH_OK)
        rc = vch_sealed_finish(file, err);
    if (rc == VOUCH_OK)
        rc = vch_sealed_sync(file, err);
    if (rc == VOUCH_OK)
        rc = vch_sealed_publish(file, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_sync(vch_state_directory(k->state), err);
    if (rc == VOUCH_OK)
        out->file.stamp = *vch_sealed_stamp_of(file);
    return rc;
}

static void put_made(const kept *result, vch_buffer *out)
{
    vch_cbor_put_array(out, 5);
    vch_cbor_put_uint(out, MADE);
    vch_cbor_put_uint(out, (uint64_t)result->round);
    vch_cbor_put_text(out, result->task->name);
    vch_state_file_put(&result->file, out);
    vch_cbor_put_array(out, result->metric_count);
    for (size_t i = 0; i < result->metric_count; i++) {
        const vch_task_metric *m = &result->metric[i];
        vch_cbor_put_array(out, 2);
        vch_cbor_put_text(out, m->name);
        vch_cbor_put_bytes(out, (vouch_span) { (const uint8_t *)&m->value, sizeof m->value });
    }
}

static vouch_code commit(vch_keep *k, const vch_buffer *record, vouch_error *err)
{
    vouch_code rc = vch_buffer_finish(record, "record", err);
    if (rc == VOUCH_OK)
        rc = settle(k, err);
    if (rc == VOUCH_OK)
        rc = vch_journal_add(vch_state_journal(k->state), vch_buffer_span(record), err);
    if (rc == VOUCH_OK)
        rc = vch_journal_commit(vch_state_journal(k->state), err);
    return rc;
}

vouch_code vch_keep_result(vch_keep *k, int32_t round, const vch_plan_task *task,
                           const vch_task_outcome *outcome, const vch_model *model,
                           vouch_error *err)
{
    kept result = { .round = round, .task = task, .metric_count = outcome->metric_count };
    VCH_SCOPED(vch_buffer_drop) vch_buffer record = vch_buffer_with_cap(8192);
    if (k->state == NULL)
        return VOUCH_OK;
    vouch_code rc = settle(k, err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(result.metric, outcome->metric, sizeof result.metric);
    if (model != NULL)
        rc = write_model(k, model, &result, err);
    if (rc == VOUCH_OK) {
        put_made(&result, &record);
        rc = commit(k, &record, err);
    }
    if (rc != VOUCH_OK) {
        remove_file(k, &result);
        return vouch_wrap(err, rc, "keeping the result of task '%s'", task->name);
    }
    return remember(k, &result, err);
}

static vouch_code read_model(vch_keep *k, const kept *result, vch_model *model, vouch_error *err)
{
    uint64_t at = 0;
    VCH_SCOPED(vch_sealed_drop) vch_sealed *file = NULL;
    const vch_sealed_options how = file_options(k, result->file.name);
    if (result->file.stamp.size != model->data_size)
        return vouch_fail(err, VOUCH_E_FORMAT, "the kept model has another size");
    vouch_code rc = vch_sealed_open(&how, &result->file.stamp, true, &file, err);
    for (size_t i = 0; rc == VOUCH_OK && i < model->count; i++) {
        size_t size = vch_tensor_bytes(&model->tensor[i]).size;
        rc = vch_sealed_read(file, at, model->tensor[i].values, size, err);
        at += size;
    }
    return rc;
}

vouch_code vch_keep_find(vch_keep *k, int32_t round, const vch_plan_task *task,
                         vch_task_outcome *outcome, vch_model *model, bool *out_found,
                         vouch_error *err)
{
    const kept *found = NULL;
    *out_found = false;
    for (size_t i = 0; i < k->count; i++) {
        if (k->result[i].round == round && k->result[i].task == task)
            found = &k->result[i];
    }
    if (found == NULL)
        return VOUCH_OK;
    if (found->file.name[0] != '\0') {
        vouch_code rc = read_model(k, found, model, err);
        if (rc != VOUCH_OK)
            return rc;
        model->round = round;
    }
    outcome->trained = found->file.name[0] != '\0';
    outcome->metric_count = found->metric_count;
    memcpy(outcome->metric, found->metric, sizeof outcome->metric);
    *out_found = true;
    return VOUCH_OK;
}

vouch_code vch_keep_acknowledged(vch_keep *k, int32_t round, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer record = vch_buffer_with_cap(64);
    if (k->finished == round)
        return VOUCH_OK;
    if (k->state != NULL) {
        vch_cbor_put_array(&record, 2);
        vch_cbor_put_uint(&record, ACKNOWLEDGED);
        vch_cbor_put_uint(&record, (uint64_t)round);
        vouch_code rc = commit(k, &record, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "keeping that round %d has a result", round);
    }
    k->finished = round;
    return VOUCH_OK;
}

vouch_code vch_keep_over(vch_keep *k, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer record = vch_buffer_with_cap(64);
    if (k->state != NULL) {
        vch_cbor_put_array(&record, 1);
        vch_cbor_put_uint(&record, OVER);
        vouch_code rc = commit(k, &record, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "keeping that the federation is over");
    }
    forget(k, VCH_KEEP_NO_ROUND, NULL);
    k->finished = VCH_KEEP_NO_ROUND;
    return VOUCH_OK;
}
