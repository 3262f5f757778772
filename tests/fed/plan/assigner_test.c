#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fed/plan/plan_text.h"
#include "fed/vector_file.h"

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

/* What tests/vectors/openfl/make_round_vectors.py asked OpenFL, as a plan; NULL: it is refused. */
static vch_plan *plan_of(bool is_static, unsigned members, char *groups, const char *selected)
{
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *p = NULL;
    vch_buffer list = vch_buffer_with_cap(1 << 14);
    vch_buffer tasks = vch_buffer_with_cap(1 << 14);
    vch_buffer cols = vch_buffer_with_cap(1 << 14);
    char *rest = NULL;
    size_t i = 0;
    if (selected != NULL)
        vch_buffer_append_fmt(&list, "    selected_task_group: g%s\n", selected);
    vch_buffer_append_str(&list, "    task_groups:\n");
    for (char *one = strtok_r(groups, is_static ? ";" : ",", &rest); one != NULL;
         one = strtok_r(NULL, is_static ? ";" : ",", &rest), i++) {
        vch_buffer_append_fmt(&list, "    - {name: g%zu, tasks: [t%zu], ", i, i);
        char *inner = NULL;
        if (!is_static)
            vch_buffer_append_fmt(&list, "percentage: %s}\n", one);
        else
            vch_buffer_append_str(&list, "collaborators: [");
        for (char *who = is_static ? strtok_r(one, ",", &inner) : NULL; who != NULL;
             who = strtok_r(NULL, ",", &inner))
            vch_buffer_append_fmt(&list, "col%s, ", who);
        if (is_static)
            vch_buffer_append_str(&list, "]}\n");
        vch_buffer_append_fmt(&tasks, "  t%zu: {function: train, kwargs: {}}\n", i);
    }
    vch_buffer_append_str(&cols, "collaborators:\n");
    for (unsigned m = 0; m < members; m++)
        vch_buffer_append_fmt(&cols, "- col%u\n", m);
    vch_buffer one = with_line(good_plan, 17, is_static ? static_template : random_template);
    vch_buffer two = with_line(vch_buffer_text(&one), 19, vch_buffer_text(&list));
    vch_buffer_append(&two, vch_buffer_span(&tasks));
    vouch_code rc = parse_plan(vch_buffer_span(&two), vch_buffer_text(&cols), &faults, &p, &err);
    CHECK(rc == VOUCH_OK || rc == VOUCH_E_CONFIG);
    vch_faults_done(&faults);
    vch_buffer_drop(&list);
    vch_buffer_drop(&tasks);
    vch_buffer_drop(&cols);
    vch_buffer_drop(&one);
    vch_buffer_drop(&two);
    return p;
}

static size_t group_of(const vch_plan *p, size_t member, uint32_t round)
{
    size_t out[VCH_PLAN_TASK_MAX];
    CHECK(tasks_of(p, member, round, out) == 1);
    return (size_t)strtoul(vch_plan_look(p)->task[out[0]].name + 1, NULL, 10);
}

/* Of a random assigner the members of each group; of a static one the group of each member. */
static void answer(const vch_plan *p, bool is_static, size_t groups, uint32_t round,
                   vch_buffer *out)
{
    size_t members = vch_plan_look(p)->member_count;
    for (size_t i = 0; i < (is_static ? members : groups); i++) {
        size_t value = is_static ? group_of(p, i, round) : 0;
        for (size_t m = 0; !is_static && m < members; m++)
            value += group_of(p, m, round) == i ? 1 : 0;
        vch_buffer_append_fmt(out, i == 0 ? "%zu" : ",%zu", value);
    }
}

static void check_assigners(const char *name, size_t wanted_count)
{
    vch_buffer file = vector_file(name);
    char *rest = NULL;
    size_t count = 0;
    char *line = strtok_r((char *)(uintptr_t)vch_buffer_text(&file), "\n", &rest);
    for (; line != NULL; line = strtok_r(NULL, "\n", &rest), count++) {
        char kind[16] = "";
        char groups[256] = "";
        char last[2][512] = { "", "" };
        unsigned members = 0;
        int fields =
            sscanf(line, "%15s %u %255s %511s %511s", kind, &members, groups, last[0], last[1]);
        CHECK(fields >= 4);
        bool is_static = strcmp(kind, "static") == 0;
        size_t group_count = 1;
        for (const char *c = groups; *c != '\0'; c++)
            group_count += *c == (is_static ? ';' : ',') ? 1 : 0;
        const char *wanted = last[fields - 4];
        vch_plan *p = plan_of(is_static, members, groups, fields == 5 ? last[0] : NULL);
        if ((p == NULL) != (strcmp(wanted, "refused") == 0))
            fail_msg("%s", line);
        for (uint32_t round = 0; p != NULL && round < 3; round++) {
            vch_buffer text = vch_buffer_with_cap(4096);
            answer(p, is_static, group_count, round, &text);
            assert_string_equal(vch_buffer_text(&text), wanted);
            vch_buffer_drop(&text);
        }
        vch_plan_free(p);
    }
    CHECK(count == wanted_count);
    vch_buffer_drop(&file);
}

static void who_does_what_is_as_openfls_assigners_say(void **state)
{
    (void)state;
    check_assigners("assigners.txt", 75);
    check_assigners("selected_groups.txt", 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tasks_come_in_the_order_of_the_group),
        TEST(shares_are_drawn_anew_each_round_and_the_same_each_time),
        TEST(a_static_assigner_gives_each_its_own),
        TEST(a_selected_group_is_for_all),
        TEST(who_does_what_is_as_openfls_assigners_say),
        TEST(a_group_named_at_the_start_takes_the_place_of_the_plans),
        TEST(groups_that_do_not_cover_all_exactly_once_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
