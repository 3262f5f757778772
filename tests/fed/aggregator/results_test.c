#include "fed/aggregator/results.h"

#include <stdio.h>

#include "base/bytes.h"
#include "fed/aggregator/ledger.h"

#include "check.h"

enum { MEMBERS = 3, TASKS = 2, VALIDATE = 0, TRAIN = 1 };

static vch_results *make(void)
{
    vouch_error err = { 0 };
    vch_results *r = NULL;
    CHECK_OK(vch_results_new(MEMBERS, TASKS, &r, &err), &err);
    return r;
}

static void put_metric(vch_results *r, size_t member, const char *name, float value, int32_t size)
{
    vouch_error err = { 0 };
    vch_result result = { .data_size = size, .metric_count = 1 };
    (void)snprintf(result.metric[0].name, sizeof result.metric[0].name, "%s", name);
    result.metric[0].value = value;
    result.metric[0].validates_global = true;
    CHECK_OK(vch_results_put(r, member, VALIDATE, &result, &err), &err);
    CHECK(result.metric_count == 0); /* given away */
}

static void put_update(vch_results *r, size_t member, const float *values, size_t count,
                       int32_t size)
{
    vouch_error err = { 0 };
    vch_result result = { .data_size = size };
    vouch_span bytes = { (const uint8_t *)values, count * sizeof *values };
    CHECK_OK(vch_ledger_new_file(NULL, VCH_LEDGER_SPOOL, bytes.size, &result.update, &err), &err);
    CHECK_OK(vch_sealed_append(result.update, bytes, &err), &err);
    CHECK_OK(vch_sealed_finish(result.update, &err), &err);
    CHECK_OK(vch_results_put(r, member, TRAIN, &result, &err), &err);
}

static void add_tensor(vch_model *m, const char *name, int32_t size)
{
    vouch_error err = { 0 };
    vch_shape shape;
    vch_tensor t = { 0 };
    CHECK_OK(vch_shape_make(&size, 1, &shape, &err), &err);
    CHECK_OK(vch_tensor_init(&t, vch_span_str(name), &shape, &err), &err);
    CHECK_OK(vch_model_add(m, &t, &err), &err);
}

static void a_metric_is_weighed_by_samples_over_those_that_count(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_results *r = make();
    put_metric(r, 0, "accuracy", 0.5F, 10);
    put_metric(r, 1, "accuracy", 1.0F, 30);
    put_metric(r, 2, "accuracy", 0.0F, 1000);
    const bool counts[MEMBERS] = { true, true, false };
    const vch_results_selection over = { .counts = counts, .task = VALIDATE };
    vch_metric_mean mean = { 0 };
    CHECK_OK(vch_results_mean(r, &over, "accuracy", &mean, &err), &err);
    CHECK(mean.value == 0.875 && mean.validates_global);
    CHECK(vch_results_mean(r, &over, "loss", &mean, NULL) == VOUCH_E_NOT_FOUND);
    vch_results_free(r);
}

static void a_metric_of_nobody_with_samples_has_no_mean(void **state)
{
    (void)state;
    vch_results *r = make();
    put_metric(r, 0, "accuracy", 0.5F, 0);
    const bool counts[MEMBERS] = { true, true, true };
    const vch_results_selection over = { .counts = counts, .task = VALIDATE };
    vch_metric_mean mean = { .value = 77.0 };
    CHECK(vch_results_mean(r, &over, "accuracy", &mean, NULL) == VOUCH_E_LIMIT);
    CHECK(mean.value == 77.0);
    vch_results_free(r);
}

static void the_model_becomes_the_weighted_mean_tensor_by_tensor(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_results *r = make();
    vch_model model = { 0 };
    add_tensor(&model, "a", 2);
    add_tensor(&model, "b", 1);
    const float first[] = { 1.0F, 2.0F, 3.0F };
    const float second[] = { 5.0F, 6.0F, 7.0F };
    const float third[] = { 1e9F, 1e9F, 1e9F };
    put_update(r, 0, first, 3, 1);
    put_update(r, 1, second, 3, 3);
    put_update(r, 2, third, 3, 100); /* not done with its other tasks: does not count */
    CHECK(vch_results_update_task(r) == TRAIN);
    const bool counts[MEMBERS] = { true, true, false };
    const vch_results_selection over = { .counts = counts, .task = TRAIN };
    const vch_results_recipe recipe = { .sum = VCH_SUM_FLOAT32 };
    CHECK_OK(vch_results_aggregate(r, &over, &recipe, &model, &err), &err);
    CHECK(model.tensor[0].values[0] == 4.0F && model.tensor[0].values[1] == 5.0F);
    CHECK(model.tensor[1].values[0] == 6.0F);
    vch_model_done(&model);
    vch_results_free(r);
}

static void without_an_update_there_is_no_next_model(void **state)
{
    (void)state;
    vch_results *r = make();
    vch_model model = { 0 };
    add_tensor(&model, "a", 1);
    put_metric(r, 0, "accuracy", 0.5F, 10);
    CHECK(vch_results_update_task(r) == -1);
    const bool counts[MEMBERS] = { true, true, true };
    const vch_results_selection over = { .counts = counts, .task = TRAIN };
    const vch_results_recipe recipe = { 0 };
    CHECK(vch_results_aggregate(r, &over, &recipe, &model, NULL) == VOUCH_E_NOT_FOUND);
    vch_model_done(&model);
    vch_results_free(r);
}

static void a_new_round_starts_empty(void **state)
{
    (void)state;
    vch_results *r = make();
    put_metric(r, 1, "accuracy", 0.5F, 10);
    CHECK(vch_results_look(r, 1, VALIDATE) != NULL && vch_results_look(r, 1, TRAIN) == NULL);
    vch_results_clear(r);
    CHECK(vch_results_look(r, 1, VALIDATE) == NULL);
    vch_results_free(r);
}

static void what_one_member_reported_can_be_forgotten(void **state)
{
    (void)state;
    vch_results *r = make();
    put_metric(r, 0, "accuracy", 0.5F, 10);
    put_metric(r, 1, "accuracy", 1.0F, 30);
    CHECK(vch_results_drop_member(r, 1));
    CHECK(!vch_results_drop_member(r, 1));
    CHECK(vch_results_look(r, 1, VALIDATE) == NULL && vch_results_look(r, 0, VALIDATE) != NULL);
    vch_results_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_metric_is_weighed_by_samples_over_those_that_count),
        TEST(a_metric_of_nobody_with_samples_has_no_mean),
        TEST(the_model_becomes_the_weighted_mean_tensor_by_tensor),
        TEST(without_an_update_there_is_no_next_model),
        TEST(a_new_round_starts_empty),
        TEST(what_one_member_reported_can_be_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
