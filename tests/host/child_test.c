#include "host/child.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"
#include "host/clock.h"

static vch_child_options shell(const char *const *argv)
{
    return (vch_child_options) { .argv = argv };
}

static void a_child_gets_its_input_arguments_and_environment(void **state)
{
    (void)state;
    const char *const argv[] = {
        "sh", "-c", "cat; pwd; printf %s \"$VCH_T$1\"; echo no >&2; exit 3", "sh", "a b", NULL
    };
    const char *const environment[] = { "VCH_T=set ", NULL };
    vch_child_options o = { .argv = argv, .environment = environment, .directory = "/" };
    vch_buffer output = vch_buffer_with_cap(100);
    vch_buffer errors = vch_buffer_with_cap(100);
    vouch_error err = { 0 };
    int status = -1;
    CHECK_OK(vch_child_run(&o, vch_span_str("in\n"), 20000, &output, &errors, &status, &err), &err);
    CHECK(status == 3);
    CHECK(vch_span_is(vch_buffer_span(&output), "in\n/\nset a b"));
    CHECK(vch_span_is(vch_buffer_span(&errors), "no\n"));
    vch_buffer_drop(&output);
    vch_buffer_drop(&errors);
}

static void a_program_can_be_run_by_its_descriptor(void **state)
{
    (void)state;
    const char *const argv[] = { "another-name", "-c", "printf %s \"$0\"", NULL };
    vch_child_options o = { .argv = argv, .by_descriptor = true };
    o.program_fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);
    vch_buffer output = vch_buffer_with_cap(100);
    vch_buffer errors = vch_buffer_with_cap(100);
    vouch_error err = { 0 };
    int status = -1;
    CHECK_OK(vch_child_run(&o, (vouch_span) { 0 }, 20000, &output, &errors, &status, &err), &err);
    CHECK(status == 0);
    CHECK(vch_span_is(vch_buffer_span(&output), "another-name"));
    o.program_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(vch_child_run(&o, (vouch_span) { 0 }, 20000, &output, &errors, &status, NULL)
          == VOUCH_E_IO);
    vch_buffer_drop(&output);
    vch_buffer_drop(&errors);
}

static void a_cleared_environment_is_empty(void **state)
{
    (void)state;
    const char *const argv[] = { "/usr/bin/env", NULL };
    vch_child_options o = { .argv = argv, .environment_cleared = true };
    vch_buffer output = vch_buffer_with_cap(100);
    vch_buffer errors = vch_buffer_with_cap(100);
    int status = -1;
    CHECK(vch_child_run(&o, (vouch_span) { 0 }, 20000, &output, &errors, &status, NULL)
          == VOUCH_OK);
    CHECK(status == 0 && output.size == 0);
    vch_buffer_drop(&output);
    vch_buffer_drop(&errors);
}

static void output_over_its_cap_ends_the_run(void **state)
{
    (void)state;
    const char *const argv[] = { "sh", "-c", "yes", NULL };
    vch_child_options o = shell(argv);
    vch_buffer output = vch_buffer_with_cap(1000);
    vch_buffer errors = vch_buffer_with_cap(100);
    int status = -1;
    CHECK(vch_child_run(&o, (vouch_span) { 0 }, 20000, &output, &errors, &status, NULL)
          == VOUCH_E_LIMIT);
    vch_buffer_drop(&output);
    vch_buffer_drop(&errors);
}

static void a_child_that_takes_too_long_is_killed(void **state)
{
    (void)state;
    const char *const argv[] = { "sh", "-c", "sleep 100 & wait", NULL };
    vch_child_options o = shell(argv);
    vch_buffer output = vch_buffer_with_cap(100);
    vch_buffer errors = vch_buffer_with_cap(100);
    int status = -1;
    int64_t began = vch_clock_monotonic_ms();
    CHECK(vch_child_run(&o, (vouch_span) { 0 }, 100, &output, &errors, &status, NULL)
          == VOUCH_E_TIMEOUT);
    CHECK(vch_clock_monotonic_ms() - began < 10000);
    vch_buffer_drop(&output);
    vch_buffer_drop(&errors);
}

static void a_program_that_is_not_there_is_said_to_be_missing(void **state)
{
    (void)state;
    const char *const argv[] = { "/nonexistent/program", NULL };
    vch_child_options o = shell(argv);
    vch_child child = { 0 };
    vouch_error err = { 0 };
    CHECK(vch_child_start(&o, &child, &err) == VOUCH_E_NOT_FOUND);
    CHECK(strstr(err.frame[0], "/nonexistent/program") != NULL);
    CHECK(child.pid == 0);
}

static void a_stopped_child_reports_its_signal(void **state)
{
    (void)state;
    const char *const argv[] = { "sleep", "100", NULL };
    vch_child_options o = shell(argv);
    o.output = VCH_CHILD_NULL;
    vch_child child = { 0 };
    vouch_error err = { 0 };
    int status = -1;
    CHECK_OK(vch_child_start(&o, &child, &err), &err);
    CHECK(vch_child_wait(&child, 0, &status, NULL) == VOUCH_E_TIMEOUT);
    vch_child_stop(&child, 10000);
    CHECK(child.ended && child.exit_status == 128 + SIGTERM);
    vch_child_drop(&child);
    vch_child_drop(&child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_child_gets_its_input_arguments_and_environment),
        TEST(a_program_can_be_run_by_its_descriptor),
        TEST(a_cleared_environment_is_empty),
        TEST(output_over_its_cap_ends_the_run),
        TEST(a_child_that_takes_too_long_is_killed),
        TEST(a_program_that_is_not_there_is_said_to_be_missing),
        TEST(a_stopped_child_reports_its_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
