/* What an aggregator's journal says to the next start: who was put out stays out, whatever it had
 * reported. docs/durability.md; docs/protocol.md section 6, "Quarantine". */
#include "fed/aggregator/ledger.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "host/file.h"

#include "sample_plan.h"

static const uint8_t digest[VCH_SHA256_SIZE] = { 1 };

typedef struct fixture {
    char directory[VCH_PATH_SIZE];
    vch_plan *plan;
    vch_loop *loop;
    vch_ledger *ledger;
} fixture;

static void on_done(void *context, vouch_code rc, const vouch_error *err)
{
    (void)err;
    CHECK(rc == VOUCH_OK);
    (*(unsigned *)context)++;
}

static void open_ledger(fixture *f)
{
    vouch_error err = { 0 };
    const vch_ledger_options how = {
        .parent = f->directory, .plan = f->plan, .model_digest = digest, .loop = f->loop
    };
    CHECK_OK(vch_ledger_open(&how, &f->ledger, &err), &err);
}

/* The process is killed, and starts anew. */
static void restart(fixture *f)
{
    vch_ledger_close(f->ledger);
    open_ledger(f);
}

static void begin(fixture *f)
{
    vouch_error err = { 0 };
    unsigned done = 0;
    vch_sealed *file = NULL;
    CHECK(vch_dir_make_temporary(NULL, "vouch-ledger-", f->directory, &err) == VOUCH_OK);
    f->plan = sample_plan(SAMPLE_PLAN_HEAD, "collaborators: [col1, col2]\n");
    CHECK_OK(vch_loop_new(&f->loop, &err), &err);
    open_ledger(f);
    CHECK_OK(vch_ledger_new_file(f->ledger, VCH_LEDGER_MODEL, 5, &file, &err), &err);
    CHECK_OK(vch_sealed_append(file, vch_span_str("model"), &err), &err);
    CHECK_OK(vch_sealed_finish(file, &err), &err);
    const vch_ledger_note note = { .file = file, .done = on_done, .context = &done };
    CHECK_OK(vch_ledger_begin(f->ledger, &note, 0, &err), &err);
    vch_ledger_flush(f->ledger);
    CHECK(done == 1);
    vch_sealed_free(file);
}

static void end(fixture *f)
{
    vch_ledger_close(f->ledger);
    vch_loop_free(f->loop);
    vch_plan_free(f->plan);
    CHECK(vch_dir_remove_tree(f->directory, NULL) == VOUCH_OK);
}

static void accept_metrics(fixture *f, size_t member)
{
    vouch_error err = { 0 };
    unsigned done = 0;
    vch_result result = { .data_size = 7, .metric_count = 1 };
    result.metric[0] = (vch_metric) { .name = "accuracy", .value = 0.5F };
    const vch_ledger_note note = { .done = on_done, .context = &done };
    const vch_ledger_result one = { .round = 0, .member = member, .task = 0, .result = &result };
    CHECK_OK(vch_ledger_accept(f->ledger, &note, &one, &err), &err);
    vch_ledger_flush(f->ledger);
    CHECK(done == 1);
}

static void put_out(fixture *f, int32_t round, size_t member, bool out)
{
    vouch_error err = { 0 };
    unsigned done = 0;
    const vch_ledger_note note = { .done = on_done, .context = &done };
    CHECK_OK(vch_ledger_quarantine(f->ledger, &note, round, member, out, &err), &err);
    vch_ledger_flush(f->ledger);
    CHECK(done == 1);
}

static vouch_code count(void *context, size_t member, size_t task, vch_result *result,
                        vouch_error *err)
{
    (void)task;
    (void)err;
    vch_result_drop(result);
    ((unsigned *)context)[member]++;
    return VOUCH_OK;
}

static void count_results(fixture *f, unsigned out[static 2])
{
    vouch_error err = { 0 };
    out[0] = out[1] = 0;
    CHECK_OK(vch_ledger_each_result(f->ledger, count, out, &err), &err);
}

static void who_was_put_out_stays_out_over_a_restart(void **state)
{
    (void)state;
    fixture f = { 0 };
    unsigned found[2];
    begin(&f);
    accept_metrics(&f, 0);
    accept_metrics(&f, 1);
    restart(&f);
    count_results(&f, found);
    CHECK(found[0] == 1 && found[1] == 1);
    put_out(&f, 0, 1, true);
    restart(&f);
    count_results(&f, found);
    CHECK(found[0] == 1 && found[1] == 0); /* not even its metrics count */
    CHECK(vch_ledger_was_quarantined(f.ledger, 1) && !vch_ledger_was_quarantined(f.ledger, 0));
    restart(&f); /* and over one more */
    CHECK(vch_ledger_was_quarantined(f.ledger, 1));
    end(&f);
}

static void who_was_taken_back_in_reports_anew(void **state)
{
    (void)state;
    fixture f = { 0 };
    unsigned found[2];
    begin(&f);
    accept_metrics(&f, 1);
    put_out(&f, 0, 1, true);
    put_out(&f, 0, 1, false);
    accept_metrics(&f, 1);
    restart(&f);
    CHECK(!vch_ledger_was_quarantined(f.ledger, 1));
    count_results(&f, found);
    CHECK(found[1] == 1);
    end(&f);
}

/* A verdict comes when it comes: also while a round is being closed, or before the run has begun. */
static void being_put_out_belongs_to_no_round(void **state)
{
    (void)state;
    fixture f = { 0 };
    begin(&f);
    put_out(&f, 6, 0, true);
    restart(&f);
    CHECK(vch_ledger_was_quarantined(f.ledger, 0));
    CHECK(vch_ledger_look(f.ledger)->begun && vch_ledger_look(f.ledger)->round == 0);
    end(&f);
}

static void a_run_that_is_over_takes_its_quarantine_along(void **state)
{
    (void)state;
    fixture f = { 0 };
    begin(&f);
    put_out(&f, 0, 0, true);
    CHECK(vch_ledger_finish(f.ledger, 0, NULL) == VOUCH_OK);
    restart(&f);
    CHECK(!vch_ledger_was_quarantined(f.ledger, 0));
    end(&f);
}

/* --- other rules --- */

static const uint8_t rules[VCH_SHA256_SIZE] = { 2 };

typedef struct told {
    unsigned count;
    vouch_code rc;
} told;

static void on_told(void *context, vouch_code rc, const vouch_error *err)
{
    told *t = context;
    CHECK((rc == VOUCH_OK) == (err == NULL));
    t->count++;
    t->rc = rc;
}

/* A result with an update, that is on its way to the disk. */
static vch_sealed *send(fixture *f, size_t member, told *t)
{
    vouch_error err = { 0 };
    vch_sealed *file = NULL;
    CHECK_OK(vch_ledger_new_file(f->ledger, VCH_LEDGER_SPOOL, 6, &file, &err), &err);
    CHECK_OK(vch_sealed_append(file, vch_span_str("update"), &err), &err);
    CHECK_OK(vch_sealed_finish(file, &err), &err);
    vch_result result = { .data_size = 7 };
    const vch_ledger_note note = { .file = file, .done = on_told, .context = t };
    const vch_ledger_result one = { .round = 0, .member = member, .task = 1, .result = &result };
    CHECK_OK(vch_ledger_accept(f->ledger, &note, &one, &err), &err);
    return file;
}

static void restart_under(fixture *f, const uint8_t *now, const uint8_t *before)
{
    vouch_error err = { 0 };
    const vch_state_rules older = { .digest = before };
    vch_ledger_close(f->ledger);
    const vch_ledger_options how = { .parent = f->directory,
                                     .plan = f->plan,
                                     .model_digest = digest,
                                     .policy_digest = now,
                                     .before = &older,
                                     .before_count = before == NULL ? 0 : 1,
                                     .loop = f->loop };
    CHECK_OK(vch_ledger_open(&how, &f->ledger, &err), &err);
}

static void follow(fixture *f, told *t)
{
    const vch_ledger_rules next = { .digest = rules, .done = on_told, .context = t };
    vch_ledger_reseal(f->ledger, &next);
}

static void what_is_accepted_goes_along_with_other_rules(void **state)
{
    (void)state;
    fixture f = { 0 };
    vouch_error err = { 0 };
    told stored = { 0 };
    told followed = { 0 };
    unsigned found[2];
    begin(&f);
    vch_sealed *file = send(&f, 0, &stored);
    vch_ledger_flush(f.ledger);
    CHECK(stored.count == 1 && stored.rc == VOUCH_OK);
    follow(&f, &followed);
    vch_ledger_flush(f.ledger);
    CHECK(followed.count == 1 && followed.rc == VOUCH_OK && !vch_ledger_is_busy(f.ledger));
    CHECK_OK(vch_ledger_move(f.ledger, file, &err), &err);
    vch_sealed_free(file);
    put_out(&f, 0, 1, true); /* and goes on */
    restart_under(&f, rules, NULL);
    count_results(&f, found);
    CHECK(found[0] == 1 && vch_ledger_was_quarantined(f.ledger, 1));
    restart_under(&f, NULL, NULL);
    CHECK(!vch_ledger_look(f.ledger)->begun); /* under the rules before there is nothing */
    end(&f);
}

static void what_is_on_its_way_is_not_stored_under_the_rules_before(void **state)
{
    (void)state;
    fixture f = { 0 };
    told stored = { 0 };
    told noted = { 0 };
    told followed = { 0 };
    unsigned found[2];
    vch_sealed *none = NULL;
    begin(&f);
    unsigned era = vch_ledger_era(f.ledger);
    vch_sealed *file = send(&f, 0, &stored);
    const vch_ledger_note note = { .done = on_told, .context = &noted };
    CHECK(vch_ledger_quarantine(f.ledger, &note, 0, 1, true, NULL) == VOUCH_OK);
    follow(&f, &followed);
    CHECK(vch_ledger_era(f.ledger) != era);
    CHECK(vch_ledger_new_file(f.ledger, VCH_LEDGER_SPOOL, 1, &none, NULL) == VOUCH_E_IO);
    CHECK(stored.count == 0 && noted.count == 0 && vch_ledger_is_busy(f.ledger));
    vch_ledger_flush(f.ledger);
    CHECK(followed.count == 1 && stored.count == 1 && stored.rc == VOUCH_E_IO);
    vch_sealed_discard(file);
    vch_ledger_flush(f.ledger);
    CHECK(noted.count == 1 && noted.rc == VOUCH_OK); /* a record alone is for any rules */
    restart_under(&f, rules, NULL);
    count_results(&f, found);
    CHECK(found[0] == 0 && vch_ledger_was_quarantined(f.ledger, 1));
    end(&f);
}

static vouch_code find_model(void *context, const char *name, vouch_error *err)
{
    (void)err;
    if (strncmp(name, VCH_LEDGER_MODEL "-", 6) == 0)
        (void)snprintf(context, VCH_PATH_SIZE, "%s", name);
    return VOUCH_OK;
}

static vouch_code find_directory(void *context, const char *name, vouch_error *err)
{
    (void)err;
    (void)snprintf(context, VCH_PATH_SIZE, "%s", name);
    return VOUCH_OK;
}

/* The first byte of the one model that there is becomes another, or what it was. */
static void spoil_model(const fixture *f)
{
    char directory[VCH_PATH_SIZE];
    char name[VCH_PATH_SIZE];
    char path[VCH_PATH_SIZE];
    CHECK(vch_dir_list(f->directory, find_directory, name, NULL) == VOUCH_OK);
    CHECK(vch_path_join(f->directory, name, directory, NULL) == VOUCH_OK);
    CHECK(vch_dir_list(directory, find_model, name, NULL) == VOUCH_OK);
    CHECK(vch_path_join(directory, name, path, NULL) == VOUCH_OK);
    FILE *file = fopen(path, "r+be");
    CHECK(file != NULL);
    int first = fgetc(file);
    CHECK(fseek(file, 0, SEEK_SET) == 0 && fputc(first ^ 1, file) != EOF && fclose(file) == 0);
}

static void until_it_succeeds_nothing_is_stored(void **state)
{
    (void)state;
    fixture f = { 0 };
    told noted = { 0 };
    told followed = { 0 };
    vch_sealed *none = NULL;
    begin(&f);
    spoil_model(&f);
    follow(&f, &followed);
    vch_ledger_flush(f.ledger);
    CHECK(followed.count == 1 && followed.rc == VOUCH_E_FORMAT && !vch_ledger_is_spoilt(f.ledger));
    const vch_ledger_note note = { .done = on_told, .context = &noted };
    CHECK(vch_ledger_quarantine(f.ledger, &note, 0, 1, true, NULL) == VOUCH_OK);
    vch_ledger_flush(f.ledger);
    CHECK(noted.count == 0 && vch_ledger_is_busy(f.ledger));
    CHECK(vch_ledger_new_file(f.ledger, VCH_LEDGER_SPOOL, 1, &none, NULL) == VOUCH_E_IO);
    spoil_model(&f); /* it is whole again */
    follow(&f, &followed);
    vch_ledger_flush(f.ledger);
    CHECK(followed.count == 2 && followed.rc == VOUCH_OK);
    vch_ledger_flush(f.ledger);
    CHECK(noted.count == 1 && noted.rc == VOUCH_OK);
    restart_under(&f, rules, NULL);
    CHECK(vch_ledger_was_quarantined(f.ledger, 1));
    end(&f);
}

static void a_start_takes_over_what_the_rules_before_left(void **state)
{
    (void)state;
    fixture f = { 0 };
    begin(&f);
    put_out(&f, 0, 1, true);
    restart_under(&f, rules, digest); /* that are not those before */
    CHECK(!vch_ledger_look(f.ledger)->begun);
    vch_ledger_close(f.ledger);
    CHECK(vch_dir_remove_tree(f.directory, NULL) == VOUCH_OK);
    vch_loop_free(f.loop);
    vch_plan_free(f.plan);
    begin(&f);
    restart_under(&f, rules, NULL);
    vch_sealed *file = NULL;
    CHECK(vch_ledger_new_file(f.ledger, VCH_LEDGER_MODEL, 0, &file, NULL) == VOUCH_OK);
    CHECK(vch_sealed_finish(file, NULL) == VOUCH_OK);
    told begun = { 0 };
    const vch_ledger_note note = { .file = file, .done = on_told, .context = &begun };
    CHECK(vch_ledger_begin(f.ledger, &note, 5, NULL) == VOUCH_OK);
    vch_ledger_flush(f.ledger);
    vch_sealed_free(file);
    restart_under(&f, digest, rules);
    CHECK(vch_ledger_look(f.ledger)->begun && vch_ledger_look(f.ledger)->round == 5);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_was_put_out_stays_out_over_a_restart),
        TEST(who_was_taken_back_in_reports_anew),
        TEST(being_put_out_belongs_to_no_round),
        TEST(a_run_that_is_over_takes_its_quarantine_along),
        TEST(what_is_accepted_goes_along_with_other_rules),
        TEST(what_is_on_its_way_is_not_stored_under_the_rules_before),
        TEST(until_it_succeeds_nothing_is_stored),
        TEST(a_start_takes_over_what_the_rules_before_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
