#include "host/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "check.h"
#include "host/clock.h"
#include "host/environment.h"
#include "host/log_sink.h"

static void a_hardened_process_cannot_be_dumped(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    CHECK_OK(vch_process_harden(&err), &err);
    struct rlimit limit = { 1, 1 };
    CHECK(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
    CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void an_empty_variable_counts_as_unset(void **state)
{
    (void)state;
    CHECK(setenv("VCH_TEST_SETTING", "", 1) == 0);
    CHECK(vch_environment_get("VCH_TEST_SETTING") == NULL);
    CHECK(setenv("VCH_TEST_SETTING", "x", 1) == 0);
    assert_string_equal(vch_environment_get("VCH_TEST_SETTING"), "x");
    char name[256];
    vouch_error err = { 0 };
    CHECK_OK(vch_environment_host_name(name, sizeof name, &err), &err);
    CHECK(vch_environment_host_name(name, 1, &err) == VOUCH_E_LIMIT);
}

static void clocks_agree_and_do_not_run_back(void **state)
{
    (void)state;
    int64_t before = vch_clock_monotonic_ms();
    CHECK(vch_clock_monotonic_ms() >= before);
    CHECK(vch_clock_unix_s() > INT64_C(1700000000));
    CHECK(vch_clock_unix_ms() / 1000 - vch_clock_unix_s() <= 1);
}

static void log_levels_have_names(void **state)
{
    (void)state;
    vch_log_level level = VCH_LOG_ERROR;
    CHECK(vch_log_sink_level("debug", &level) && level == VCH_LOG_DEBUG);
    CHECK(!vch_log_sink_level("loud", &level) && level == VCH_LOG_DEBUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hardened_process_cannot_be_dumped),
        TEST(an_empty_variable_counts_as_unset),
        TEST(clocks_agree_and_do_not_run_back),
        TEST(log_levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
