/*
 * A program run on a simulated platform. The program is this test itself, started again with words
 * that say what to do; it asks for quotes with the attester that real participants use.
 */
#include "sim/enclave.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attester/attester.h"
#include "base/bytes.h"
#include "check.h"
#include "host/file.h"
#include "sim/quote_make.h"
#include "vouch/evidence.h"

#define NOW INT64_C(1795000000)
#define QUOTES 5

static char dir[VCH_PATH_SIZE], sgx_dir[VCH_PATH_SIZE], tdx_dir[VCH_PATH_SIZE];
static char quote_path[VCH_PATH_SIZE], place_path[VCH_PATH_SIZE];

/* --- what the program does --- */

/* Five quotes in one run, each over other bytes; the last goes to a file. */
static int ask_for_quotes(const char *to)
{
    vch_attester *attester = NULL;
    vouch_error err = { 0 };
    char text[512];
    vouch_code rc = vch_sgx_gramine_new(getenv("VOUCH_ATTESTATION_DIR"), 10000, &attester, &err);
    for (uint8_t i = 1; rc == VOUCH_OK && i <= QUOTES; i++) {
        uint8_t report_data[64];
        vouch_claims claims;
        VCH_SCOPED(vch_buffer_drop)
        vch_buffer quote = vch_buffer_with_cap(VCH_ATTESTER_QUOTE_MAX_SIZE);
        memset(report_data, i, sizeof report_data);
        rc = vch_attester_quote(attester, report_data, &quote, &err);
        if (rc == VOUCH_OK)
            rc = vouch_quote_read(vch_buffer_span(&quote), &claims, &err);
        if (rc == VOUCH_OK && memcmp(claims.report_data, report_data, 64) != 0)
            rc = vouch_fail(&err, VOUCH_E_FORMAT, "a quote over other bytes");
        if (rc == VOUCH_OK && i == QUOTES)
            rc = vch_file_write(to, vch_buffer_span(&quote), 0644, &err);
    }
    vch_attester_free(attester);
    if (rc != VOUCH_OK)
        (void)fprintf(stderr, "# %s\n", vouch_error_text(&err, text, sizeof text));
    return rc == VOUCH_OK ? 23 : 1;
}

/* Where the files are, so that the test can look afterwards; then this process is killed. */
static int die_with_a_request_half_made(const char *to)
{
    const char *place = getenv("VOUCH_ATTESTATION_DIR");
    char path[VCH_PATH_SIZE];
    if (vch_file_write(to, vch_span_str(place), 0644, NULL) != VOUCH_OK
        || vch_path_join(place, "user_report_data", path, NULL) != VOUCH_OK)
        return 1;
    int fd = open(path, O_WRONLY | O_NONBLOCK);
    if (write(fd, "half", 4) != 4)
        return 1;
    if (vch_path_join(place, "quote", path, NULL) != VOUCH_OK
        || open(path, O_RDONLY | O_NONBLOCK) < 0)
        return 1;
    abort();
}

static int act(const char *what, const char *to)
{
    if (strcmp(what, "quotes") == 0)
        return ask_for_quotes(to);
    return die_with_a_request_half_made(to);
}

/* --- the tests --- */

static void make_platform(const char *name, vouch_tee tee, char *path)
{
    const vch_sim_platform_options o = { .tee = tee,
                                         .status = VOUCH_TCB_UP_TO_DATE,
                                         .now_unix_s = NOW };
    vouch_error err = { 0 };
    CHECK_OK(vch_path_join(dir, name, path, &err), &err);
    CHECK_OK(vch_sim_platform_create(path, &o, &err), &err);
}

static int make_platforms(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    CHECK_OK(vch_dir_make_temporary(NULL, "enclave-test-", dir, &err), &err);
    make_platform("sgx", VOUCH_TEE_SGX, sgx_dir);
    make_platform("tdx", VOUCH_TEE_TDX, tdx_dir);
    CHECK_OK(vch_path_join(dir, "quote", quote_path, &err), &err);
    CHECK_OK(vch_path_join(dir, "place", place_path, &err), &err);
    return 0;
}

static int remove_platforms(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

static void keep_measurement(void *context, const vch_sim_measurement *m)
{
    *(vch_sim_measurement *)context = *m;
}

static int run(const char *platform_dir, const char *const *argv, vch_sim_measurement *measured)
{
    vouch_error err = { 0 };
    int status = -1;
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *platform = NULL;
    CHECK_OK(vch_sim_platform_open(platform_dir, &platform, &err), &err);
    const vch_sim_enclave_options o = {
        .platform = platform,
        .argv = argv,
        .search_path = "/usr/bin:/bin",
        .measured_as = keep_measurement,
        .context = measured,
    };
    CHECK_OK(vch_sim_enclave_run(&o, &status, &err), &err);
    return status;
}

static void read_quote(vouch_claims *out)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    CHECK_OK(vch_file_read(quote_path, VCH_SIM_QUOTE_MAX_SIZE, &quote, &err), &err);
    CHECK_OK(vouch_quote_read(vch_buffer_span(&quote), out, &err), &err);
}

static void the_attester_gets_several_quotes_in_one_run(void **state)
{
    (void)state;
    const char *const argv[] = { "/proc/self/exe", "quotes", quote_path, NULL };
    vch_sim_measurement measured = { 0 };
    vouch_claims claims = { 0 };
    CHECK(run(sgx_dir, argv, &measured) == 23);
    read_quote(&claims);
    CHECK(claims.tee == VOUCH_TEE_SGX && claims.quote_version == 3);
    CHECK(memcmp(claims.sgx.mrenclave, measured.mrenclave, 32) == 0);
    CHECK(claims.report_data[0] == QUOTES && claims.report_data[63] == QUOTES);
}

static void a_tdx_platform_carries_the_measurement_in_mrtd(void **state)
{
    (void)state;
    const char *const argv[] = { "/proc/self/exe", "quotes", quote_path, NULL };
    vch_sim_measurement measured = { 0 };
    vouch_claims claims = { 0 };
    CHECK(run(tdx_dir, argv, &measured) == 23);
    read_quote(&claims);
    CHECK(claims.tee == VOUCH_TEE_TDX && claims.quote_version == 4);
    CHECK(memcmp(claims.tdx.mrtd, measured.mrtd, 48) == 0);
}

static void a_program_that_dies_leaves_no_files(void **state)
{
    (void)state;
    const char *const argv[] = { "/proc/self/exe", "die", place_path, NULL };
    vch_sim_measurement measured;
    vouch_error err = { 0 };
    CHECK(run(sgx_dir, argv, &measured) == 128 + 6); /* SIGABRT */
    VCH_SCOPED(vch_buffer_drop) vch_buffer place = vch_buffer_with_cap(VCH_PATH_SIZE);
    CHECK_OK(vch_file_read(place_path, VCH_PATH_SIZE - 1, &place, &err), &err);
    CHECK(place.size > 10 && !vch_file_exists(vch_buffer_text(&place)));
}

static void signals_are_passed_on_to_the_program(void **state)
{
    (void)state;
    const char *const argv[] = { "sh", "-c",
                                 "trap 'exit 42' TERM; kill -TERM $PPID; while :; do sleep 1; done",
                                 NULL };
    vch_sim_measurement measured;
    CHECK(run(sgx_dir, argv, &measured) == 42);
}

static void a_program_that_is_not_there_is_not_run(void **state)
{
    (void)state;
    const char *const argv[] = { "no-such-program", NULL };
    const char *const measured[] = { "/no/such/file" };
    const char *const shell[] = { "sh", "-c", "exit 0", NULL };
    vouch_error err = { 0 };
    int status = -1;
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *platform = NULL;
    CHECK_OK(vch_sim_platform_open(sgx_dir, &platform, &err), &err);
    vch_sim_enclave_options o = { .platform = platform, .argv = argv, .search_path = "/bin" };
    CHECK(vch_sim_enclave_run(&o, &status, NULL) == VOUCH_E_NOT_FOUND);
    o.argv = shell;
    o.measured = measured;
    o.measured_count = 1;
    CHECK(vch_sim_enclave_run(&o, &status, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(status == -1);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        TEST(the_attester_gets_several_quotes_in_one_run),
        TEST(a_tdx_platform_carries_the_measurement_in_mrtd),
        TEST(a_program_that_dies_leaves_no_files),
        TEST(signals_are_passed_on_to_the_program),
        TEST(a_program_that_is_not_there_is_not_run),
    };
    if (argc == 3)
        return act(argv[1], argv[2]);
    return cmocka_run_group_tests(tests, make_platforms, remove_platforms);
}
