#include "fed/aggregator/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "crypto/hash.h"
#include "fed/aggregator/commits.h"
#include "fed/aggregator/ledger_records.h"
#include "store/state.h"
#include "store/state_file.h"
#include "store/state_rules.h"

#define RECORD_MAX VCH_JOURNAL_RECORD_MAX
#define FEDERATION_MAX ((size_t)4096)

/* A change of rules; a worker's while it runs. */
typedef struct resealing {
    vch_ledger_rules rules;
    char name[VCH_STATE_NAME_SIZE];
    vouch_code rc;
    vouch_error err;
    bool spoilt;
} resealing;

struct vch_ledger {
    vch_ledger_options options;
    vch_state *state; /* NULL: nothing is kept */
    vch_commits *commits;
    vch_ledger_past past;
    vch_state_file model, previous;
    vch_ledger_record *result; /* of the present round */
    size_t result_count, result_room;
    bool *out; /* a value for each member: it was put out */
    uint8_t model_digest[VCH_SHA256_SIZE];
    uint8_t policy[VCH_SHA256_SIZE]; /* options.policy_digest: the caller's may go with a change */
    bool finished;                   /* told so; the rest of this process does not matter */
    unsigned era;
    bool resealing; /* what is new finds no place */
    resealing job;
};

static void forget_results(vch_ledger *l)
{
    for (size_t i = 0; i < l->result_count; i++)
        vch_ledger_record_done(&l->result[i]);
    l->result_count = 0;
}

static vouch_code keep_result(vch_ledger *l, vch_ledger_record *record, vouch_error *err)
{
    if (l->result_count == l->result_room) {
        size_t room = l->result_room == 0 ? 16 : l->result_room * 2;
        vch_ledger_record *grown = realloc(l->result, room * sizeof *grown);
        if (grown == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu results", room);
        l->result = grown;
        l->result_room = room;
    }
    l->result[l->result_count++] = *record;
    *record = (vch_ledger_record) { 0 };
    return VOUCH_OK;
}

/* Whoever was put out is not asked what it had reported before. */
static void put_out(vch_ledger *l, size_t member, bool out)
{
    size_t left = 0;
    if (member == VCH_LEDGER_NOBODY)
        return;
    l->out[member] = out;
    for (size_t i = 0; i < l->result_count; i++) {
        if (out && l->result[i].member == member)
            vch_ledger_record_done(&l->result[i]);
        else
            l->result[left++] = l->result[i];
    }
    l->result_count = left;
}

static void forget_run(vch_ledger *l)
{
    forget_results(l);
    l->past = (vch_ledger_past) { 0 };
    l->model = (vch_state_file) { 0 };
    l->previous = (vch_state_file) { 0 };
    memset(l->out, 0, vch_plan_look(l->options.plan)->member_count * sizeof *l->out);
}

static bool is_of_a_round(const vch_ledger_record *record)
{
    return record->kind == VCH_LEDGER_RESULT || record->kind == VCH_LEDGER_ROUND
           || record->kind == VCH_LEDGER_FINISH;
}

static vouch_code apply(vch_ledger *l, vch_ledger_record *record, vouch_error *err)
{
    if (is_of_a_round(record) && (!l->past.begun || record->round != l->past.round))
        return vouch_fail(err, VOUCH_E_FORMAT, "a record of round %d where round %d was",
                          record->round, l->past.begun ? l->past.round : -1);
    switch (record->kind) {
    case VCH_LEDGER_BEGIN:
        forget_results(l);
        l->past = (vch_ledger_past) { .begun = true, .round = record->round };
        l->model = record->file;
        l->previous = (vch_state_file) { 0 };
        return VOUCH_OK;
    case VCH_LEDGER_RESULT:
        return keep_result(l, record, err);
    case VCH_LEDGER_ROUND:
        forget_results(l);
        l->past.round++;
        l->past.steps = record->steps;
        l->past.has_best = record->has_best;
        l->past.best = record->best;
        l->previous = l->model;
        l->model = record->file;
        return VOUCH_OK;
    case VCH_LEDGER_FINISH:
        forget_run(l);
        return VOUCH_OK;
    case VCH_LEDGER_QUARANTINE:
        put_out(l, record->member, true);
        return VOUCH_OK;
    case VCH_LEDGER_READMIT:
        put_out(l, record->member, false);
        return VOUCH_OK;
    }
    return vouch_fail(err, VOUCH_E_FORMAT, "a record of no kind");
}

static vouch_code replay(void *context, vouch_span bytes, vouch_error *err)
{
    vch_ledger *l = context;
    vch_ledger_record record = { 0 };
    vouch_code rc = vch_ledger_record_read(l->options.plan, bytes, &record, err);
    if (rc == VOUCH_OK)
        rc = apply(l, &record, err);
    vch_ledger_record_done(&record);
    return rc;
}

/* What tells this federation's state from any other's that lies beside it. */
static vouch_code identify(const vch_ledger *l, vch_buffer *out, vch_state_subject *subject,
                           vouch_error *err)
{
    const vch_plan_view *view = vch_plan_look(l->options.plan);
    vch_buffer_append_str(out, view->federation_uuid);
    vch_buffer_u8(out, 0);
    vch_buffer_append(out, (vouch_span) { view->claim, sizeof view->claim });
    vch_buffer_append(out, (vouch_span) { l->model_digest, sizeof l->model_digest });
    vouch_code rc = vch_buffer_finish(out, "federation", err);
    *subject = (vch_state_subject) { .role = "aggregator", .federation = vch_buffer_span(out) };
    return rc;
}

static bool is_wanted(void *context, const char *name)
{
    const vch_ledger *l = context;
    if (strcmp(name, l->model.name) == 0 || strcmp(name, l->previous.name) == 0)
        return true;
    for (size_t i = 0; i < l->result_count; i++) {
        if (strcmp(name, l->result[i].file.name) == 0)
            return true;
    }
    return false;
}

static vouch_code open_state(vch_ledger *l, vouch_error *err)
{
    vch_state_subject subject = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer federation = vch_buffer_with_cap(FEDERATION_MAX);
    const vch_state_history rules = { .now = { l->options.policy_digest, l->options.root },
                                      .before = l->options.before,
                                      .before_count = l->options.before_count };
    const vch_state_options how = { .parent = l->options.parent,
                                    .fleeting = l->options.fleeting,
                                    .log = l->options.log,
                                    .replay = replay,
                                    .context = l };
    vouch_code rc = identify(l, &federation, &subject, err);
    if (rc == VOUCH_OK)
        rc = vch_state_open_under(&subject, &rules, &how, &l->state, err);
    if (rc == VOUCH_OK)
        rc = vch_state_sweep(l->state, is_wanted, l, err);
    return rc;
}

vouch_code vch_ledger_open(const vch_ledger_options *options, vch_ledger **out, vouch_error *err)
{
    vch_ledger *l = calloc(1, sizeof *l);
    vouch_code rc = VOUCH_OK;
    if (l == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a ledger");
    l->options = *options;
    memcpy(l->model_digest, options->model_digest, sizeof l->model_digest);
    if (options->policy_digest != NULL) {
        memcpy(l->policy, options->policy_digest, sizeof l->policy);
        l->options.policy_digest = l->policy;
    }
    l->out = calloc(vch_plan_look(options->plan)->member_count + 1, sizeof *l->out);
    if (l->out == NULL)
        rc = vouch_fail(err, VOUCH_E_MEMORY, "no memory for a ledger");
    if (rc == VOUCH_OK && options->parent != NULL)
        rc = open_state(l, err);
    if (rc == VOUCH_OK)
        rc = vch_commits_new(l->state, options->loop, options->workers, &l->commits, err);
    if (rc != VOUCH_OK) {
        vch_ledger_close(l);
        return rc;
    }
    *out = l;
    return VOUCH_OK;
}

void vch_ledger_close(vch_ledger *l)
{
    if (l == NULL)
        return;
    vch_commits_free(l->commits);
    vch_state_close(l->state);
    forget_results(l);
    free(l->result);
    free(l->out);
    free(l);
}

const vch_ledger_past *vch_ledger_look(const vch_ledger *l)
{
    return &l->past;
}

static vouch_code open_file(const vch_ledger *l, const vch_state_file *file, const char *purpose,
                            vch_sealed **out, vouch_error *err)
{
    const vch_sealed_options how = { .directory = vch_state_directory(l->state),
                                     .name = file->name,
                                     .purpose = purpose,
                                     .root = l->options.root };
    return vch_sealed_open(&how, &file->stamp, true, out, err);
}

vouch_code vch_ledger_open_model(const vch_ledger *l, bool previous, vch_sealed **out,
                                 vouch_error *err)
{
    const vch_state_file *file = previous ? &l->previous : &l->model;
    *out = NULL;
    if (file->name[0] == '\0' && previous)
        return VOUCH_OK;
    vouch_code rc = open_file(l, file, VCH_LEDGER_MODEL, out, err);
    return rc == VOUCH_OK
               ? rc
               : vouch_wrap(err, rc, "the model of round %d", l->past.round - (previous ? 1 : 0));
}

vouch_code vch_ledger_each_result(const vch_ledger *l, vch_ledger_take *take, void *context,
                                  vouch_error *err)
{
    const vch_plan_view *view = vch_plan_look(l->options.plan);
    for (size_t i = 0; i < l->result_count; i++) {
        const vch_ledger_record *r = &l->result[i];
        vouch_error why = { 0 };
        vouch_code rc = VOUCH_OK;
        if (r->member == VCH_LEDGER_NOBODY) {
            vch_log(l->options.log, VCH_LOG_WARN, "result.dropped", VCH_INT("round", r->round),
                    VCH_STR("task", view->task[r->task].name),
                    VCH_STR("ruling", "its sender is not in cols.yaml any more"));
            continue;
        }
        if (r->file.name[0] != '\0')
            rc = open_file(l, &r->file, VCH_LEDGER_SPOOL, &r->result->update, &why);
        if (rc != VOUCH_OK) {
            char text[512];
            vch_log(l->options.log, VCH_LOG_ERROR, "result.damaged",
                    VCH_STR("collaborator", view->member[r->member]),
                    VCH_STR("task", view->task[r->task].name), VCH_INT("round", r->round),
                    VCH_STR("reason", vouch_error_text(&why, text, sizeof text)));
            continue;
        }
        rc = take(context, r->member, r->task, r->result, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    return VOUCH_OK;
}

vouch_code vch_ledger_new_file(const vch_ledger *l, const char *purpose, uint64_t size,
                               vch_sealed **out, vouch_error *err)
{
    char name[VCH_STATE_FILE_NAME_SIZE];
    if (l != NULL && l->resealing)
        return vouch_fail(err, VOUCH_E_IO,
                          "the rules have changed: the state is being sealed anew");
    vouch_code rc = vch_state_file_draw(purpose, name, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_sealed_options how = { .name = name, .purpose = purpose };
    if (l != NULL && l->state != NULL) {
        how.directory = vch_state_directory(l->state);
        how.root = l->options.root;
    }
    return vch_sealed_new(&how, size, out, err);
}

static void describe(vch_sealed *file, vch_state_file *out)
{
    if (file == NULL)
        return;
    (void)snprintf(out->name, sizeof out->name, "%s", vch_sealed_name(file));
    out->stamp = *vch_sealed_stamp_of(file);
}

static vouch_code put(vch_ledger *l, const vch_ledger_note *note, vch_ledger_record *record,
                      vouch_error *err)
{
    vch_commit commit = { .file = note->file,
                          .record = vch_buffer_with_cap(RECORD_MAX),
                          .done = note->done,
                          .context = note->context };
    describe(note->file, &record->file);
    vch_ledger_record_write(l->options.plan, l->options.policy_digest, record, &commit.record);
    return vch_commits_put(l->commits, &commit, err);
}

vouch_code vch_ledger_begin(vch_ledger *l, const vch_ledger_note *note, int32_t round,
                            vouch_error *err)
{
    vch_ledger_record record = { .kind = VCH_LEDGER_BEGIN, .round = round };
    return put(l, note, &record, err);
}

vouch_code vch_ledger_accept(vch_ledger *l, const vch_ledger_note *note,
                             const vch_ledger_result *result, vouch_error *err)
{
    vch_ledger_record record = { .kind = VCH_LEDGER_RESULT,
                                 .round = result->round,
                                 .member = result->member,
                                 .task = result->task,
                                 .result = result->result };
    return put(l, note, &record, err);
}

vouch_code vch_ledger_quarantine(vch_ledger *l, const vch_ledger_note *note, int32_t round,
                                 size_t member, bool out, vouch_error *err)
{
    vch_ledger_record record = { .kind = out ? VCH_LEDGER_QUARANTINE : VCH_LEDGER_READMIT,
                                 .round = round,
                                 .member = member };
    return put(l, note, &record, err);
}

bool vch_ledger_was_quarantined(const vch_ledger *l, size_t member)
{
    return l->out[member];
}

vouch_code vch_ledger_end_round(vch_ledger *l, const vch_ledger_note *note,
                                const vch_ledger_end *end, vouch_error *err)
{
    vch_ledger_record record = { .kind = VCH_LEDGER_ROUND,
                                 .round = end->round,
                                 .steps = end->steps,
                                 .has_best = end->has_best,
                                 .best = end->best,
                                 .counts = end->counts };
    return put(l, note, &record, err);
}

static bool is_no_file_wanted(void *context, const char *name)
{
    (void)context;
    (void)name;
    return false;
}

vouch_code vch_ledger_finish(vch_ledger *l, int32_t round, vouch_error *err)
{
    if (l->state == NULL || l->finished)
        return VOUCH_OK;
    if (vch_commits_is_busy(l->commits))
        return vouch_fail(err, VOUCH_E_INTERNAL, "something is still being written");
    vch_ledger_record record = { .kind = VCH_LEDGER_FINISH, .round = round };
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = vch_buffer_with_cap(RECORD_MAX);
    vch_ledger_record_write(l->options.plan, l->options.policy_digest, &record, &bytes);
    vouch_code rc = vch_buffer_finish(&bytes, "record", err);
    if (rc == VOUCH_OK)
        rc = vch_journal_add(vch_state_journal(l->state), vch_buffer_span(&bytes), err);
    if (rc == VOUCH_OK)
        rc = vch_journal_commit(vch_state_journal(l->state), err);
    if (rc == VOUCH_OK) /* what a kill leaves here the next start removes */
        rc = vch_state_sweep(l->state, is_no_file_wanted, NULL, err);
    l->finished = rc == VOUCH_OK;
    return rc;
}

static void reseal(void *context)
{
    vch_ledger *l = context;
    resealing *job = &l->job;
    job->rc = vch_state_reseal(l->state, job->name, job->rules.root, &job->spoilt, &job->err);
}

static void on_resealed(void *context, bool worked)
{
    vch_ledger *l = context;
    resealing job = l->job; /* `done` may ask for the next */
    if (!worked)            /* the process is ending */
        return;
    if (job.rc == VOUCH_OK) {
        l->options.root = job.rules.root;
        l->resealing = false;
    }
    job.rules.done(job.rules.context, job.rc, job.rc == VOUCH_OK ? NULL : &job.err);
    if (!l->resealing)
        vch_commits_go_on(l->commits);
}

void vch_ledger_reseal(vch_ledger *l, const vch_ledger_rules *rules)
{
    vouch_error err = { 0 };
    const vch_job alone = { .context = l, .work = reseal, .done = on_resealed };
    memcpy(l->policy, rules->digest, sizeof l->policy);
    l->options.policy_digest = l->policy;
    l->job = (resealing) { .rules = *rules };
    if (l->state == NULL) {
        rules->done(rules->context, VOUCH_OK, NULL);
        return;
    }
    vch_state_subject subject = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer federation = vch_buffer_with_cap(FEDERATION_MAX);
    vouch_code rc = identify(l, &federation, &subject, &err);
    if (rc == VOUCH_OK)
        rc = vch_state_name(&subject, l->policy, l->job.name, &err);
    l->resealing = true;
    l->era++;
    if (rc == VOUCH_OK)
        vch_commits_alone(l->commits, &alone);
    else
        rules->done(rules->context, rc, &err);
}

vouch_code vch_ledger_move(const vch_ledger *l, vch_sealed *file, vouch_error *err)
{
    if (l->state == NULL || file == NULL)
        return VOUCH_OK;
    const vch_sealed_place to = { vch_state_directory(l->state), l->options.root };
    return vch_sealed_move(file, &to, err);
}

unsigned vch_ledger_era(const vch_ledger *l)
{
    return l->era;
}

void vch_ledger_flush(vch_ledger *l)
{
    vch_commits_flush(l->commits);
}

bool vch_ledger_is_busy(const vch_ledger *l)
{
    return vch_commits_is_busy(l->commits);
}

bool vch_ledger_is_spoilt(const vch_ledger *l)
{
    return vch_commits_is_spoilt(l->commits) || l->job.spoilt;
}
