#include <math.h>
#include <string.h>

#include "base/scope.h"
#include "fed/plan/plan.h"

#include "check.h"
#include "plan_text.h"

static vouch_code read(const char *line, vch_plan **out, vch_faults *faults, vouch_error *err)
{
    vch_buffer text = with_line(good_plan, 21, line);
    const vch_plan_source source = { .plan_name = "plan.yaml",
                                     .plan = vch_buffer_span(&text),
                                     .cols_name = "cols.yaml",
                                     .cols = vch_span_str(three_cols) };
    vouch_code rc = vch_plan_parse(&source, faults, out, err);
    vch_buffer_drop(&text);
    return rc;
}

#define TASK "  train: {function: train_task, kwargs: {epochs: 1}}\n"

static void without_the_section_any_finite_update_may_come(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_plan *p = NULL;
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    CHECK_OK(read(TASK, &p, &faults, &err), &err);
    const vch_plan_limits *l = &vch_plan_look(p)->limits;
    CHECK(l->value_max == 1e30F && isinf(l->update_norm_max) && l->data_size_max == INT32_MAX);
    vch_plan_free(p);
}

static void the_plan_sets_limits(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_plan *p = NULL;
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    CHECK_OK(
        read(TASK
             "limits: {settings: {value_max: 100, update_norm_max: 12.5, data_size_max: 5000}}",
             &p, &faults, &err),
        &err);
    const vch_plan_limits *l = &vch_plan_look(p)->limits;
    CHECK(l->value_max == 100.0F && l->update_norm_max == 12.5 && l->data_size_max == 5000);
    vch_plan_free(p);
}

static void limits_that_are_wrong_are_told_with_their_place(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "limits: {settings: {value_max: -1}}", "limits: {settings: {update_norm_max: 0}}",
        "limits: {settings: {value_max: 0}}",  "limits: {settings: {data_size_max: 0}}",
        "limits: {settings: {norm: 1}}",       "limits: [1]"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[256] = TASK;
        vch_plan *p = NULL;
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        (void)strncat(line, bad[i], sizeof line - strlen(line) - 1);
        if (read(line, &p, &faults, NULL) != VOUCH_E_CONFIG || faults.count == 0
            || strncmp(faults.item[0].text, "plan.yaml:22:", 13) != 0)
            fail_msg("%s: %s", bad[i], faults.count == 0 ? "" : faults.item[0].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_the_section_any_finite_update_may_come),
        TEST(the_plan_sets_limits),
        TEST(limits_that_are_wrong_are_told_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
