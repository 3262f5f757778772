/* What an aggregator's journal says to the next start: who was put out stays out, whatever it had
 * reported. docs/durability.md; docs/protocol.md section 6, "Quarantine". */
#include "fed/aggregator/ledger.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_was_put_out_stays_out_over_a_restart),
        TEST(who_was_taken_back_in_reports_anew),
        TEST(being_put_out_belongs_to_no_round),
        TEST(a_run_that_is_over_takes_its_quarantine_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
