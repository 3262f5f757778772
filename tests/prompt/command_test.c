/* What every command prints of what is wrong. */
#include "prompt/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* What is printed of these faults; free it. */
static char *printed(const vch_faults *faults)
{
    char *text = NULL;
    size_t size = 0;
    vch_runtime rt = { .program = "vouch", .err = open_memstream(&text, &size) };
    assert_non_null(rt.err);
    vch_command_faults(&rt, faults);
    CHECK(fclose(rt.err) == 0);
    return text;
}

static void expect(vch_faults *faults, const char *want)
{
    char *text = printed(faults);
    assert_string_equal(text, want);
    free(text);
    vch_faults_done(faults);
}

static void the_only_error_is_left_to_the_commands_last_line(void **state)
{
    (void)state;
    vch_faults faults = { 0 };
    vch_faults_add(&faults, false, "plan.yaml", 3, 1, "one");
    expect(&faults, "");
}

static void a_warning_is_always_told_as_one(void **state)
{
    (void)state;
    vch_faults faults = { 0 };
    vch_faults_add(&faults, true, "plan.yaml", 2, 1, "odd");
    vch_faults_add(&faults, false, "plan.yaml", 3, 1, "one");
    expect(&faults, "warning: plan.yaml:2:1: odd\n");
}

static void of_several_errors_each_is_told(void **state)
{
    (void)state;
    vch_faults faults = { 0 };
    vch_faults_add(&faults, false, "plan.yaml", 3, 1, "one");
    vch_faults_add(&faults, false, "plan.yaml", 4, 1, "two");
    expect(&faults, "plan.yaml:3:1: one\nplan.yaml:4:1: two\n");
}

static void an_error_that_the_last_line_would_cut_is_told_whole(void **state)
{
    (void)state;
    char long_text[VOUCH_ERROR_TEXT];
    char want[VOUCH_ERROR_TEXT + 32];
    vch_faults faults = { 0 };
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    vch_faults_add(&faults, false, "plan.yaml", 3, 1, "%s", long_text);
    (void)snprintf(want, sizeof want, "plan.yaml:3:1: %s\n", long_text);
    expect(&faults, want);
}

static void those_that_were_only_counted_are_told_by_their_number(void **state)
{
    (void)state;
    vch_faults faults = { 0 };
    for (size_t i = 0; i < VCH_FAULT_MAX + 2; i++)
        vch_faults_add(&faults, false, "plan.yaml", 3, 1, "one");
    char *text = printed(&faults);
    CHECK(strstr(text, "\n... and 2 more\n") != NULL);
    free(text);
    vch_faults_done(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_only_error_is_left_to_the_commands_last_line),
        TEST(a_warning_is_always_told_as_one),
        TEST(of_several_errors_each_is_told),
        TEST(an_error_that_the_last_line_would_cut_is_told_whole),
        TEST(those_that_were_only_counted_are_told_by_their_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
