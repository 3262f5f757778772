#include "fed/aggregator/round.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fed/vector_file.h"

enum { MEMBERS = 3, TASKS = 3, ALL = 7 };

static vch_round *make(vch_round_options options)
{
    vouch_error err = { 0 };
    vch_round *r = NULL;
    options.member_count = MEMBERS;
    options.task_count = TASKS;
    if (options.end_round == 0)
        options.end_round = 2;
    options.farewell_ms = 1000;
    CHECK_OK(vch_round_new(&options, &r, &err), &err);
    const uint64_t owed[MEMBERS] = { ALL, ALL, ALL };
    vch_round_assign(r, owed);
    return r;
}

static vch_round *make_waiting_for_all(void)
{
    return make((vch_round_options) { .policy = VCH_ROUND_WAIT_FOR_ALL, .cutoff_ms = -1 });
}

static void report_all(vch_round *r, size_t member)
{
    for (size_t task = 0; task < TASKS; task++)
        vch_round_report(r, member, task);
}

static void tasks_are_handed_out_until_they_are_reported(void **state)
{
    (void)state;
    vch_round *r = make_waiting_for_all();
    uint64_t tasks = 0;
    CHECK(vch_round_ask(r, 0, 0, &tasks) == VCH_ROUND_WORK && tasks == ALL);
    vch_round_report(r, 0, 1);
    CHECK(vch_round_ask(r, 0, 0, &tasks) == VCH_ROUND_WORK && tasks == 5);
    CHECK(!vch_round_is_done(r, 0));
    report_all(r, 0);
    CHECK(vch_round_ask(r, 0, 0, &tasks) == VCH_ROUND_WAIT);
    CHECK(vch_round_is_done(r, 0) && vch_round_done_count(r) == 1);
    vch_round_free(r);
}

static void without_a_policy_the_round_waits_for_all(void **state)
{
    (void)state;
    vch_round *r = make_waiting_for_all();
    uint64_t tasks = 0;
    (void)vch_round_ask(r, 0, 0, &tasks);
    report_all(r, 0);
    report_all(r, 1);
    CHECK(!vch_round_is_over(r, INT64_MAX));
    CHECK(vch_round_next_deadline_ms(r) == INT64_MAX);
    vch_round_report(r, 2, 0);
    vch_round_report(r, 2, 1);
    CHECK(!vch_round_is_over(r, INT64_MAX));
    vch_round_report(r, 2, 2);
    CHECK(vch_round_is_over(r, 0));
    vch_round_free(r);
}

static void after_the_cutoff_a_quorum_is_enough(void **state)
{
    (void)state;
    vch_round *r = make((vch_round_options) {
        .policy = VCH_ROUND_CUTOFF, .cutoff_ms = 100, .minimum_reporting = 2 });
    uint64_t tasks = 0;
    CHECK(vch_round_next_deadline_ms(r) == INT64_MAX); /* counted from the first hand-out */
    CHECK(vch_round_ask(r, 1, 1000, &tasks) == VCH_ROUND_WORK);
    CHECK(vch_round_ask(r, 0, 1050, &tasks) == VCH_ROUND_WORK);
    CHECK(vch_round_next_deadline_ms(r) == 1100);
    report_all(r, 1);
    CHECK(!vch_round_is_over(r, 5000)); /* one is no quorum, however late */
    report_all(r, 0);
    CHECK(!vch_round_is_over(r, 1099));
    CHECK(vch_round_is_over(r, 1100));
    report_all(r, 2);
    CHECK(vch_round_is_over(r, 1050)); /* all of them: no need to wait */
    vch_round_free(r);
}

static void a_member_that_comes_in_a_later_round_takes_part_from_there(void **state)
{
    (void)state;
    vch_round *r = make((vch_round_options) {
        .policy = VCH_ROUND_CUTOFF, .cutoff_ms = 100, .minimum_reporting = 2, .end_round = 3 });
    uint64_t tasks = 0;
    (void)vch_round_ask(r, 0, 0, &tasks);
    report_all(r, 0);
    report_all(r, 1);
    CHECK(vch_round_is_over(r, 100));
    vch_round_advance(r, 100);
    CHECK(vch_round_number(r) == 1);
    CHECK(vch_round_ask(r, 2, 110, &tasks) == VCH_ROUND_WAIT); /* nothing is assigned yet */
    const uint64_t owed[MEMBERS] = { ALL, ALL, ALL };
    vch_round_assign(r, owed);
    CHECK(vch_round_ask(r, 2, 120, &tasks) == VCH_ROUND_WORK && tasks == ALL);
    report_all(r, 0);
    report_all(r, 1);
    report_all(r, 2);
    CHECK(vch_round_is_over(r, 121)); /* all are here: the cutoff is not waited for */
    vch_round_free(r);
}

static void a_percentage_ends_the_round_as_soon_as_it_is_reached(void **state)
{
    (void)state;
    vch_round *r = make((vch_round_options) {
        .policy = VCH_ROUND_PERCENTAGE, .percentage = 0.5, .minimum_reporting = 1 });
    report_all(r, 2);
    CHECK(!vch_round_is_over(r, 0)); /* 1 of 3 */
    report_all(r, 0);
    CHECK(vch_round_is_over(r, 0));
    vch_round_free(r);
}

static void nobody_done_is_never_the_end_of_a_round(void **state)
{
    (void)state;
    vch_round *r = make((vch_round_options) { .policy = VCH_ROUND_PERCENTAGE, .percentage = 0.0 });
    CHECK(!vch_round_is_over(r, INT64_MAX));
    const uint64_t nothing[MEMBERS] = { 0, 0, 0 };
    vch_round_assign(r, nothing);
    CHECK(!vch_round_is_over(r, INT64_MAX));
    vch_round_free(r);
}

static void a_member_without_tasks_in_a_round_holds_nobody_up(void **state)
{
    (void)state;
    vch_round *r = make_waiting_for_all();
    const uint64_t owed[MEMBERS] = { ALL, 0, ALL };
    uint64_t tasks = 0;
    vch_round_assign(r, owed);
    CHECK(vch_round_ask(r, 1, 0, &tasks) == VCH_ROUND_WAIT);
    report_all(r, 0);
    report_all(r, 2);
    CHECK(vch_round_is_over(r, 0));
    CHECK(!vch_round_is_done(r, 1)); /* and it is not counted in the mean */
    vch_round_free(r);
}

static void results_are_ruled_by_round_task_and_number(void **state)
{
    (void)state;
    vch_round *r = make_waiting_for_all();
    const uint64_t owed[MEMBERS] = { ALL, 3, ALL };
    vch_round_assign(r, owed);
    CHECK(vch_round_judge(r, 0, 0, 0) == VCH_RESULT_TAKE);
    CHECK(vch_round_judge(r, 0, 1, 0) == VCH_RESULT_OTHER_ROUND);
    CHECK(vch_round_judge(r, 0, -1, 0) == VCH_RESULT_OTHER_ROUND);
    CHECK(vch_round_judge(r, 1, 0, 2) == VCH_RESULT_NOT_OWED);
    CHECK(vch_round_judge(r, 0, 0, TASKS) == VCH_RESULT_NOT_OWED);
    CHECK(vch_round_judge(r, 0, 0, SIZE_MAX) == VCH_RESULT_NOT_OWED);
    vch_round_report(r, 0, 0);
    CHECK(vch_round_judge(r, 0, 0, 0) == VCH_RESULT_DUPLICATE);
    CHECK(vch_round_judge(r, 1, 0, 0) == VCH_RESULT_TAKE);
    vch_round_advance(r, 0);
    vch_round_assign(r, owed);
    CHECK(vch_round_judge(r, 0, 0, 1) == VCH_RESULT_OTHER_ROUND); /* late */
    CHECK(vch_round_judge(r, 0, 1, 0) == VCH_RESULT_TAKE);
    vch_round_advance(r, 0);
    CHECK(vch_round_judge(r, 0, 2, 0) == VCH_RESULT_OVER);
    vch_round_free(r);
}

static void at_the_end_everybody_present_is_told_to_quit(void **state)
{
    (void)state;
    vch_round *r = make_waiting_for_all();
    uint64_t tasks = 0;
    CHECK(vch_round_ask(r, 0, 0, &tasks) == VCH_ROUND_WORK);
    CHECK(vch_round_ask(r, 1, 0, &tasks) == VCH_ROUND_WORK);
    vch_round_advance(r, 10);
    CHECK(!vch_round_finished(r) && !vch_round_may_exit(r, 10));
    vch_round_advance(r, 20);
    CHECK(vch_round_finished(r) && !vch_round_is_over(r, INT64_MAX));
    CHECK(vch_round_next_deadline_ms(r) == 1020);
    CHECK(!vch_round_may_exit(r, 20));
    CHECK(vch_round_ask(r, 0, 30, &tasks) == VCH_ROUND_QUIT);
    CHECK(!vch_round_may_exit(r, 30)); /* member 1 is connected; member 2 never came */
    vch_round_leave(r, 1);
    CHECK(vch_round_may_exit(r, 30));
    vch_round_free(r);
}

static void one_that_took_part_in_the_last_round_is_waited_for_until_the_farewell(void **state)
{
    (void)state;
    vch_round *r = make_waiting_for_all();
    uint64_t tasks = 0;
    vch_round_advance(r, 0);
    const uint64_t owed[MEMBERS] = { ALL, ALL, ALL };
    vch_round_assign(r, owed);
    CHECK(vch_round_ask(r, 1, 0, &tasks) == VCH_ROUND_WORK);
    vch_round_leave(r, 1); /* a connection for each call, as OpenFL until 1.6 has */
    vch_round_advance(r, 20);
    CHECK(!vch_round_may_exit(r, 1019));
    CHECK(vch_round_may_exit(r, 1020));
    vch_round_free(r);
}

/* Killed in the last round with all results on disk: the round ends before anybody is back. */
static void after_a_restart_everybody_is_waited_for_until_the_farewell(void **state)
{
    (void)state;
    vch_round *r = make_waiting_for_all();
    uint64_t tasks = 0;
    vch_round_advance(r, 0);
    const uint64_t owed[MEMBERS] = { ALL, ALL, ALL };
    vch_round_assign(r, owed);
    for (size_t m = 0; m < MEMBERS; m++)
        report_all(r, m);
    vch_round_resume(r, 5);
    vch_round_advance(r, 20);
    CHECK(!vch_round_may_exit(r, 30));
    CHECK(vch_round_ask(r, 0, 30, &tasks) == VCH_ROUND_QUIT);
    CHECK(vch_round_ask(r, 1, 30, &tasks) == VCH_ROUND_QUIT);
    CHECK(!vch_round_may_exit(r, 1019));
    CHECK(vch_round_may_exit(r, 1020));
    vch_round_free(r);
}

static void a_federation_without_a_round_ends_at_once(void **state)
{
    (void)state;
    vch_round *r = make(
        (vch_round_options) { .policy = VCH_ROUND_WAIT_FOR_ALL, .first_round = 5, .end_round = 5 });
    CHECK(vch_round_finished(r) && vch_round_may_exit(r, 0));
    vch_round_free(r);
}

static const struct {
    const char *name;
    vch_round_options options;
} impossible[] = {
    { "no member", { .member_count = 0, .task_count = 1, .policy = VCH_ROUND_WAIT_FOR_ALL } },
    { "no task", { .member_count = 1, .task_count = 0, .policy = VCH_ROUND_WAIT_FOR_ALL } },
    { "65 tasks", { .member_count = 1, .task_count = 65, .policy = VCH_ROUND_WAIT_FOR_ALL } },
    { "a quorum of more than all",
      { .member_count = 2, .task_count = 1, .policy = VCH_ROUND_CUTOFF, .minimum_reporting = 3 } },
    { "more than 100 percent",
      { .member_count = 2, .task_count = 1, .policy = VCH_ROUND_PERCENTAGE, .percentage = 1.5 } },
    { "a negative round",
      { .member_count = 2, .task_count = 1, .policy = VCH_ROUND_WAIT_FOR_ALL, .first_round = -1 } },
};

static void settings_under_which_no_round_can_end_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        vch_round *r = NULL;
        if (vch_round_new(&impossible[i].options, &r, NULL) != VOUCH_E_LIMIT || r != NULL)
            fail_msg("accepted: %s", impossible[i].name);
    }
}

static void a_member_that_is_left_out_holds_nobody_up_and_counts_for_nothing(void **state)
{
    (void)state;
    vch_round *r = make_waiting_for_all();
    uint64_t tasks = 0;
    report_all(r, 0);
    report_all(r, 1);
    CHECK(!vch_round_is_over(r, 0));
    vch_round_exclude(r, 2);
    CHECK(vch_round_is_excluded(r, 2) && vch_round_is_over(r, 0));
    vch_round_exclude(r, 1); /* though it has reported */
    CHECK(!vch_round_is_done(r, 1) && vch_round_done_count(r) == 1 && vch_round_is_over(r, 0));
    report_all(r, 1); /* what was on its way to the disk */
    CHECK(!vch_round_is_done(r, 1));
    CHECK(vch_round_judge(r, 1, 0, 0) == VCH_RESULT_NOT_OWED);
    CHECK(vch_round_ask(r, 1, 0, &tasks) == VCH_ROUND_WAIT);
    vch_round_exclude(r, 0);
    CHECK(!vch_round_is_over(r, INT64_MAX)); /* of nobody's updates no model is made */
    vch_round_readmit(r, 1);
    CHECK(vch_round_ask(r, 1, 0, &tasks) == VCH_ROUND_WORK && tasks == ALL);
    report_all(r, 1);
    CHECK(vch_round_is_over(r, 0));
    vch_round_advance(r, 0);
    const uint64_t owed[MEMBERS] = { ALL, ALL, ALL };
    vch_round_assign(r, owed);
    CHECK(vch_round_is_excluded(r, 2)); /* until it is readmitted */
    vch_round_free(r);
}

/* tests/vectors/openfl/make_round_vectors.py */
static bool is_over_by(const char *policy, double number, size_t minimum, size_t members,
                       size_t done, double elapsed)
{
    vouch_error err = { 0 };
    vch_round *r = NULL;
    uint64_t owed[100];
    uint64_t tasks = 0;
    bool cutoff = strcmp(policy, "cutoff") == 0;
    bool never = !(number < 1e9);
    const vch_round_options options = { .member_count = members,
                                        .task_count = 1,
                                        .end_round = 2,
                                        .policy = cutoff ? VCH_ROUND_CUTOFF : VCH_ROUND_PERCENTAGE,
                                        .cutoff_ms =
                                            cutoff && !never ? (int64_t)(number * 1000) : -1,
                                        .percentage = cutoff ? 0 : number,
                                        .minimum_reporting = minimum };
    CHECK_OK(vch_round_new(&options, &r, &err), &err);
    for (size_t m = 0; m < members; m++)
        owed[m] = 1;
    vch_round_assign(r, owed);
    CHECK(vch_round_ask(r, members - 1, 5000, &tasks) == VCH_ROUND_WORK);
    for (size_t m = 0; m < done; m++)
        vch_round_report(r, m, 0);
    bool over = vch_round_is_over(r, 5000 + (int64_t)(elapsed * 1000));
    vch_round_free(r);
    return over;
}

static void rounds_are_over_when_openfls_policies_say_so(void **state)
{
    (void)state;
    vch_buffer file = vector_file("stragglers.txt");
    char *rest = NULL;
    size_t count = 0;
    char *line = strtok_r((char *)(uintptr_t)vch_buffer_text(&file), "\n", &rest);
    for (; line != NULL; line = strtok_r(NULL, "\n", &rest), count++) {
        char policy[16] = "";
        double number = 0;
        double elapsed = 0;
        unsigned minimum = 0;
        unsigned members = 0;
        unsigned done = 0;
        int over = -1;
        CHECK(sscanf(line, "%15s %lf %u %u %u %lf %d", policy, &number, &minimum, &members, &done,
                     &elapsed, &over)
              == 7);
        if (is_over_by(policy, number, minimum, members, done, elapsed) != (over == 1))
            fail_msg("%s", line);
    }
    CHECK(count == 1344);
    vch_buffer_drop(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tasks_are_handed_out_until_they_are_reported),
        TEST(without_a_policy_the_round_waits_for_all),
        TEST(after_the_cutoff_a_quorum_is_enough),
        TEST(a_member_that_comes_in_a_later_round_takes_part_from_there),
        TEST(a_percentage_ends_the_round_as_soon_as_it_is_reached),
        TEST(rounds_are_over_when_openfls_policies_say_so),
        TEST(nobody_done_is_never_the_end_of_a_round),
        TEST(a_member_without_tasks_in_a_round_holds_nobody_up),
        TEST(results_are_ruled_by_round_task_and_number),
        TEST(at_the_end_everybody_present_is_told_to_quit),
        TEST(one_that_took_part_in_the_last_round_is_waited_for_until_the_farewell),
        TEST(after_a_restart_everybody_is_waited_for_until_the_farewell),
        TEST(a_federation_without_a_round_ends_at_once),
        TEST(settings_under_which_no_round_can_end_are_refused),
        TEST(a_member_that_is_left_out_holds_nobody_up_and_counts_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
