/* What a collaborator keeps goes along with other rules, and nothing is kept under those before.
 * docs/protocol.md section 6, "Policy change". */
#include "fed/collaborator/keep.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "host/file.h"

#include "../aggregator/sample_plan.h"

static const uint8_t first[VCH_SHA256_SIZE] = { 1 };
static const uint8_t second[VCH_SHA256_SIZE] = { 2 };

typedef struct fixture {
    char directory[VCH_PATH_SIZE];
    vch_plan *plan;
    vch_keep *keep;
} fixture;

static void open_under(fixture *f, const uint8_t *now, const uint8_t *before)
{
    vouch_error err = { 0 };
    const vch_state_rules older = { .digest = before };
    const vch_keep_options how = { .parent = f->directory,
                                   .plan = f->plan,
                                   .name = "col1",
                                   .policy_digest = now,
                                   .before = &older,
                                   .before_count = before == NULL ? 0 : 1 };
    vch_keep_close(f->keep);
    f->keep = NULL;
    CHECK_OK(vch_keep_open(&how, &f->keep, &err), &err);
}

static const vch_plan_task *task_of(const fixture *f)
{
    return vch_plan_task_find(f->plan, vch_span_str("train"));
}

static vouch_code try_keep(fixture *f, int32_t round, vouch_error *err)
{
    const vch_task_outcome outcome = { .metric_count = 1,
                                       .metric = { { .name = "loss", .value = 0.25F } } };
    vch_model model = { .round = round };
    vch_tensor t = { 0 };
    const vch_shape shape = { .rank = 1, .dim = { 3 }, .count = 3 };
    CHECK(vch_tensor_init(&t, vch_span_str("w"), &shape, NULL) == VOUCH_OK);
    for (size_t i = 0; i < 3; i++)
        t.values[i] = (float)i + (float)round;
    CHECK(vch_model_add(&model, &t, NULL) == VOUCH_OK);
    vouch_code rc = vch_keep_result(f->keep, round, task_of(f), &outcome, &model, err);
    vch_tensor_done(&t);
    vch_model_done(&model);
    return rc;
}

static bool has_kept(fixture *f, int32_t round)
{
    vouch_error err = { 0 };
    bool found = false;
    vch_task_outcome outcome = { 0 };
    vch_model model = { 0 };
    vch_tensor t = { 0 };
    const vch_shape shape = { .rank = 1, .dim = { 3 }, .count = 3 };
    CHECK(vch_tensor_init(&t, vch_span_str("w"), &shape, NULL) == VOUCH_OK);
    CHECK(vch_model_add(&model, &t, NULL) == VOUCH_OK);
    vch_tensor_done(&t);
    CHECK_OK(vch_keep_find(f->keep, round, task_of(f), &outcome, &model, &found, &err), &err);
    if (found) {
        CHECK(outcome.trained && outcome.metric_count == 1);
        for (size_t i = 0; i < 3; i++)
            CHECK(model.tensor[0].values[i] == (float)i + (float)round);
    }
    vch_model_done(&model);
    return found;
}

static void begin(fixture *f)
{
    vouch_error err = { 0 };
    CHECK(vch_dir_make_temporary(NULL, "vouch-keep-", f->directory, &err) == VOUCH_OK);
    f->plan = sample_plan(SAMPLE_PLAN_HEAD, "collaborators: [col1, col2]\n");
    open_under(f, first, NULL);
    CHECK_OK(vch_keep_acknowledged(f->keep, 3, &err), &err);
    CHECK_OK(try_keep(f, 4, &err), &err);
}

static void end(fixture *f)
{
    vch_keep_close(f->keep);
    vch_plan_free(f->plan);
    CHECK(vch_dir_remove_tree(f->directory, NULL) == VOUCH_OK);
}

static void what_was_made_and_finished_goes_along(void **state)
{
    (void)state;
    fixture f = { 0 };
    vouch_error err = { 0 };
    begin(&f);
    CHECK_OK(vch_keep_follow(f.keep, NULL, second, &err), &err);
    CHECK(has_kept(&f, 4) && vch_keep_finished(f.keep) == 3);
    CHECK_OK(vch_keep_acknowledged(f.keep, 4, &err), &err);
    open_under(&f, first, NULL);
    CHECK(!has_kept(&f, 4) && vch_keep_finished(f.keep) == VCH_KEEP_NO_ROUND);
    open_under(&f, second, NULL);
    CHECK(has_kept(&f, 4) && vch_keep_finished(f.keep) == 4);
    end(&f);
}

static void a_start_takes_over_what_the_rules_before_left(void **state)
{
    (void)state;
    fixture f = { 0 };
    begin(&f);
    open_under(&f, second, first);
    CHECK(has_kept(&f, 4) && vch_keep_finished(f.keep) == 3);
    end(&f);
}

static vouch_code find_result(void *context, const char *name, vouch_error *err)
{
    (void)err;
    if (strncmp(name, "result-", 7) == 0)
        (void)snprintf(context, VCH_PATH_SIZE, "%s", name);
    return VOUCH_OK;
}

/* The first byte of what is kept becomes another, or what it was. */
static void spoil(const fixture *f)
{
    char name[VCH_PATH_SIZE];
    char path[VCH_PATH_SIZE];
    CHECK(vch_dir_list(vch_keep_directory(f->keep), find_result, name, NULL) == VOUCH_OK);
    CHECK(vch_path_join(vch_keep_directory(f->keep), name, path, NULL) == VOUCH_OK);
    FILE *file = fopen(path, "r+be");
    CHECK(file != NULL);
    int byte = fgetc(file);
    CHECK(fseek(file, 0, SEEK_SET) == 0 && fputc(byte ^ 1, file) != EOF && fclose(file) == 0);
}

static void until_it_succeeds_nothing_is_kept(void **state)
{
    (void)state;
    fixture f = { 0 };
    vouch_error err = { 0 };
    begin(&f);
    spoil(&f);
    CHECK(vch_keep_follow(f.keep, NULL, second, NULL) == VOUCH_E_FORMAT);
    CHECK(!vch_keep_is_spoilt(f.keep));
    CHECK(try_keep(&f, 5, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_keep_acknowledged(f.keep, 5, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_keep_over(f.keep, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_keep_finished(f.keep) == 3);
    spoil(&f); /* it is whole again */
    CHECK_OK(vch_keep_acknowledged(f.keep, 5, &err), &err);
    open_under(&f, second, NULL);
    CHECK(has_kept(&f, 4) && vch_keep_finished(f.keep) == 5);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_made_and_finished_goes_along),
        TEST(a_start_takes_over_what_the_rules_before_left),
        TEST(until_it_succeeds_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
