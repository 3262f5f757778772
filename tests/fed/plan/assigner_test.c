#include "check.h"
#include "fed/plan/plan_text.h"

static vch_plan *plan_with(const char *template_line, const char *groups, const char *cols)
{
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *p = NULL;
    vch_buffer one = with_line(good_plan, 21,
                               "  train: {function: f}\n  valid: {function: f}\n"
                               "  local_valid: {function: f}");
    vch_buffer two = with_line(vch_buffer_text(&one), 19, groups);
    vch_buffer three = with_line(vch_buffer_text(&two), 17, template_line);
    CHECK_OK(parse_plan(vch_buffer_span(&three), cols, &faults, &p, &err), &err);
    vch_faults_done(&faults);
    vch_buffer_drop(&one);
    vch_buffer_drop(&two);
    vch_buffer_drop(&three);
    return p;
}

static size_t tasks_of(const vch_plan *p, size_t member, uint32_t round, size_t *out)
{
    size_t count = 0;
    CHECK(vch_plan_assign(p, member, round, out, &count, NULL) == VOUCH_OK);
    return count;
}

static const char random_template[] = "  template: openfl.component.RandomGroupedAssigner";
static const char static_template[] = "  template: openfl.component.StaticGroupedAssigner";

static void tasks_come_in_the_order_of_the_group(void **state)
{
    (void)state;
    vch_plan *p = plan_with(random_template,
                            "    task_groups: [{name: g, percentage: 1.0, tasks: [valid, train, "
                            "local_valid]}, {name: e, percentage: 0, tasks: [valid]}]",
                            three_cols);
    for (uint32_t round = 0; round < 4; round++) {
        for (size_t m = 0; m < 3; m++) {
            size_t out[VCH_PLAN_TASK_MAX];
            CHECK(tasks_of(p, m, round, out) == 3);
            assert_string_equal(vch_plan_look(p)->task[out[0]].name, "valid");
            assert_string_equal(vch_plan_look(p)->task[out[1]].name, "train");
            assert_string_equal(vch_plan_look(p)->task[out[2]].name, "local_valid");
        }
    }
    size_t out[VCH_PLAN_TASK_MAX];
    size_t count = 77;
    CHECK(vch_plan_assign(p, 3, 0, out, &count, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(count == 77);
    vch_plan_free(p);
}

static void shares_are_drawn_anew_each_round_and_the_same_each_time(void **state)
{
    (void)state;
    vch_plan *p = plan_with(random_template,
                            "    task_groups: [{name: a, percentage: 0.5, tasks: [train]}, "
                            "{name: b, percentage: 0.5, tasks: [valid, local_valid]}]",
                            "collaborators: [a, b, c, d, e, f, g, h]\n");
    bool moved = false;
    size_t first[8];
    for (uint32_t round = 0; round < 10; round++) {
        size_t training = 0;
        for (size_t m = 0; m < 8; m++) {
            size_t out[VCH_PLAN_TASK_MAX];
            size_t again[VCH_PLAN_TASK_MAX];
            size_t count = tasks_of(p, m, round, out);
            CHECK(tasks_of(p, m, round, again) == count && again[0] == out[0]);
            training += count == 1;
            if (round == 0)
                first[m] = count;
            moved = moved || first[m] != count;
        }
        CHECK(training == 4);
    }
    CHECK(moved);
    vch_plan_free(p);
}

static void a_static_assigner_gives_each_its_own(void **state)
{
    (void)state;
    vch_plan *p = plan_with(static_template,
                            "    task_groups: [{name: a, tasks: [train], collaborators: [col3, "
                            "col1]}, {name: b, tasks: [valid], collaborators: [col2]}]",
                            three_cols);
    for (size_t m = 0; m < 3; m++) {
        size_t out[VCH_PLAN_TASK_MAX];
        CHECK(tasks_of(p, m, 5, out) == 1);
        assert_string_equal(vch_plan_look(p)->task[out[0]].name, m == 1 ? "valid" : "train");
    }
    vch_plan_free(p);
}

static void a_selected_group_is_for_all(void **state)
{
    (void)state;
    vch_plan *p =
        plan_with(random_template,
                  "    selected_task_group: e\n    task_groups: [{name: g, percentage: 1.0, "
                  "tasks: [train]}, {name: e, percentage: 0, tasks: [valid]}]",
                  three_cols);
    size_t out[VCH_PLAN_TASK_MAX];
    CHECK(tasks_of(p, 2, 0, out) == 1);
    assert_string_equal(vch_plan_look(p)->task[out[0]].name, "valid");
    vch_plan_free(p);
}

static void a_group_named_at_the_start_takes_the_place_of_the_plans(void **state)
{
    (void)state;
    vch_faults faults = { 0 };
    vouch_error err = { 0 };
    vch_plan *p = NULL;
    size_t out[VCH_PLAN_TASK_MAX];
    vch_buffer text = with_line(good_plan, 19,
                                "    task_groups: [{name: g, percentage: 1.0, tasks: [train]}, "
                                "{name: evaluation, percentage: 0, tasks: [valid]}]");
    vch_buffer_append_str(&text, "  valid: {function: validate, kwargs: {apply: global}}\n");
    vch_plan_source source = { .plan_name = "plan/plan.yaml",
                               .plan = vch_buffer_span(&text),
                               .cols_name = "plan/cols.yaml",
                               .cols = vch_span_str(three_cols) };
    CHECK_OK(vch_plan_parse(&source, &faults, &p, &err), &err);
    char hash[97] = "";
    memcpy(hash, vch_plan_look(p)->hash_hex, sizeof hash);
    CHECK(!vch_plan_look(p)->evaluates);
    CHECK(vch_plan_look(p)->rounds == 3);
    vch_plan_free(p);
    source.task_group = "evaluation";
    CHECK_OK(vch_plan_parse(&source, &faults, &p, &err), &err);
    CHECK(vch_plan_look(p)->evaluates);
    CHECK(vch_plan_look(p)->rounds == 1); /* whatever rounds_to_train says */
    assert_string_equal(vch_plan_look(p)->hash_hex,
                        hash); /* collaborators have the plan as it is */
    CHECK(tasks_of(p, 2, 0, out) == 1);
    assert_string_equal(vch_plan_look(p)->task[out[0]].name, "valid");
    vch_plan_free(p);
    source.task_group = "learning";
    CHECK(vch_plan_parse(&source, &faults, &p, &err) == VOUCH_E_CONFIG);
    CHECK(strstr(faults.item[0].text, "0 groups are called 'learning'") != NULL);
    vch_faults_done(&faults);
    vch_buffer_drop(&text);
}

static void groups_that_do_not_cover_all_exactly_once_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *template_line, *groups, *says;
    } cases[] = {
        { static_template,
          "    task_groups: [{name: a, tasks: [train], collaborators: [col1, col2]}]",
          "'col3' is in 0 groups" },
        { static_template,
          "    task_groups: [{name: a, tasks: [train], collaborators: [col1, col2, col3, col1]}]",
          "'col1' is in 2 groups" },
        { static_template, "    task_groups: [{name: a, tasks: [train], collaborators: [col9]}]",
          "no collaborator 'col9'" },
        { static_template, "    task_groups: [{name: a, tasks: [train]}]",
          "lists no collaborators" },
        { random_template, "    task_groups: [{name: a, tasks: [train]}]", "no percentage" },
        { random_template, "    task_groups: [{name: a, percentage: 1.0, tasks: [train, train]}]",
          "twice" },
        { random_template, "    task_groups: []", "" },
        { random_template,
          "    selected_task_group: x\n    task_groups: [{name: a, percentage: 1.0, "
          "tasks: [train]}]",
          "0 groups are called 'x'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        vch_buffer one = with_line(good_plan, 17, cases[i].template_line);
        vch_buffer two = with_line(vch_buffer_text(&one), 19, cases[i].groups);
        CHECK(parse_plan(vch_buffer_span(&two), three_cols, &faults, &p, &err) == VOUCH_E_CONFIG);
        if (strstr(faults.item[0].text, cases[i].says) == NULL)
            fail_msg("%zu: %s", i, faults.item[0].text);
        vch_faults_done(&faults);
        vch_buffer_drop(&one);
        vch_buffer_drop(&two);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tasks_come_in_the_order_of_the_group),
        TEST(shares_are_drawn_anew_each_round_and_the_same_each_time),
        TEST(a_static_assigner_gives_each_its_own),
        TEST(a_selected_group_is_for_all),
        TEST(a_group_named_at_the_start_takes_the_place_of_the_plans),
        TEST(groups_that_do_not_cover_all_exactly_once_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
