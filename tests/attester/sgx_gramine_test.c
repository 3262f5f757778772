/*
 * Gramine's files as ordinary ones: what is written and read, and what is refused. The FIFOs of a
 * simulated enclave are proven in tests/sim/enclave_test.c.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attester/attester.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "host/clock.h"
#include "host/file.h"
#include "sim/platform.h"
#include "sim/quote_make.h"

#define NOW INT64_C(1795000000)

static char dir[VCH_PATH_SIZE];
static char platform_dir[VCH_PATH_SIZE];
static vch_sim_platform *platform;

static void put(const char *name, vouch_span bytes)
{
    vouch_error err = { 0 };
    char path[VCH_PATH_SIZE];
    CHECK_OK(vch_path_join(dir, name, path, &err), &err);
    (void)unlink(path);
    CHECK_OK(vch_file_write(path, bytes, 0600, &err), &err);
}

static void put_quote_over(uint8_t fill)
{
    vouch_error err = { 0 };
    vch_sim_quote_options o = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(16384);
    memset(o.report_data, fill, sizeof o.report_data);
    CHECK_OK(vch_sim_quote_make(platform, &o, &quote, &err), &err);
    put("quote", vch_buffer_span(&quote));
}

static int set_up(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    const vch_sim_platform_options o = { .tee = VOUCH_TEE_SGX,
                                         .status = VOUCH_TCB_UP_TO_DATE,
                                         .now_unix_s = NOW };
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-device-", dir, &err), &err);
    CHECK_OK(vch_path_join(dir, "platform", platform_dir, &err), &err);
    CHECK_OK(vch_sim_platform_create(platform_dir, &o, &err), &err);
    CHECK_OK(vch_sim_platform_open(platform_dir, &platform, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vch_sim_platform_free(platform);
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

static int usual_files(void **state)
{
    (void)state;
    put("attestation_type", vch_span_str("dcap"));
    put("user_report_data", (vouch_span) { 0 });
    put_quote_over(7);
    return 0;
}

static vch_attester *open_device(int64_t timeout_ms)
{
    vouch_error err = { 0 };
    vch_attester *a = NULL;
    CHECK_OK(vch_sgx_gramine_new(dir, timeout_ms, &a, &err), &err);
    return a;
}

static vouch_code ask(vch_attester *a, uint8_t fill, vch_buffer *out)
{
    uint8_t report_data[64];
    memset(report_data, fill, sizeof report_data);
    return vch_attester_quote(a, report_data, out, NULL);
}

static void the_64_bytes_are_written_and_the_quote_read_whole(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(16384);
    VCH_SCOPED(vch_buffer_drop) vch_buffer written = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer whole = { 0 };
    vch_attester *a = open_device(1000);
    CHECK(ask(a, 7, &quote) == VOUCH_OK);
    CHECK_OK(vch_path_join(dir, "user_report_data", path, &err), &err);
    CHECK_OK(vch_file_read(path, 100, &written, &err), &err);
    CHECK(written.size == 64 && written.data[0] == 7 && written.data[63] == 7);
    CHECK_OK(vch_path_join(dir, "quote", path, &err), &err);
    CHECK_OK(vch_file_read(path, 16384, &whole, &err), &err);
    CHECK(vch_span_equal(vch_buffer_span(&whole), vch_buffer_span(&quote)));
    assert_string_equal(vch_attester_kind(a), "gramine");
    vch_attester_free(a);
}

static void a_quote_over_other_bytes_is_an_answer_to_somebody_else(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(16384);
    vch_attester *a = open_device(1000);
    CHECK(ask(a, 8, &quote) == VOUCH_E_IO && quote.size == 0);
    vch_attester_free(a);
}

static void an_empty_an_oversized_and_a_junk_quote_are_refused(void **state)
{
    (void)state;
    static uint8_t big[VCH_ATTESTER_QUOTE_MAX_SIZE + 1];
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(65536);
    vch_attester *a = open_device(1000);
    put("quote", (vouch_span) { 0 });
    CHECK(ask(a, 7, &quote) == VOUCH_E_TRUNCATED);
    put("quote", (vouch_span) { big, sizeof big });
    CHECK(ask(a, 7, &quote) == VOUCH_E_LIMIT);
    put("quote", vch_span_str("junk"));
    CHECK(ask(a, 7, &quote) != VOUCH_OK);
    CHECK(quote.size == 0);
    vch_attester_free(a);
}

static void only_dcap_is_taken_for_an_attestation_device(void **state)
{
    (void)state;
    static const char *const types[] = { "none", "epid", "dcap\n", "", "dcapx" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        vch_attester *a = NULL;
        put("attestation_type", vch_span_str(types[i]));
        CHECK(vch_sgx_gramine_new(dir, 1000, &a, NULL) == VOUCH_E_UNSUPPORTED && a == NULL);
    }
    vch_attester *a = NULL;
    put("attestation_type", vch_span_str("a text that is much longer than any type"));
    CHECK(vch_sgx_gramine_new(dir, 1000, &a, NULL) == VOUCH_E_LIMIT && a == NULL);
    CHECK(vch_sgx_gramine_new("/nonexistent", 1000, &a, NULL) == VOUCH_E_NOT_FOUND && a == NULL);
}

static void a_fifo_that_nobody_serves_ends_at_the_deadline(void **state)
{
    (void)state;
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(16384);
    vch_attester *a = open_device(100);
    CHECK(vch_path_join(dir, "quote", path, NULL) == VOUCH_OK);
    (void)unlink(path);
    CHECK(mkfifo(path, 0600) == 0);
    int64_t begun = vch_clock_monotonic_ms();
    CHECK(ask(a, 7, &quote) == VOUCH_E_TIMEOUT); /* the quote never comes */
    CHECK(vch_path_join(dir, "user_report_data", path, NULL) == VOUCH_OK);
    (void)unlink(path);
    CHECK(mkfifo(path, 0600) == 0);
    CHECK(ask(a, 7, &quote) == VOUCH_E_TIMEOUT); /* nobody takes the 64 bytes */
    CHECK(vch_clock_monotonic_ms() - begun < 5000);
    vch_attester_free(a);
}

/* A server that takes part of a write would leave the rest for the next request. */
static void a_write_that_is_not_taken_whole_is_a_failure(void **state)
{
    (void)state;
    char path[VCH_PATH_SIZE];
    static const uint8_t filler[65536];
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(16384);
    vch_attester *a = open_device(200);
    CHECK(vch_path_join(dir, "user_report_data", path, NULL) == VOUCH_OK);
    (void)unlink(path);
    CHECK(mkfifo(path, 0600) == 0);
    int fd = open(path, O_RDWR | O_NONBLOCK);
    CHECK(fd >= 0 && write(fd, filler, sizeof filler) > 0); /* full: nothing more is taken */
    CHECK(ask(a, 7, &quote) == VOUCH_E_IO);
    (void)close(fd);
    vch_attester_free(a);
}

#define WITH_FILES(function) cmocka_unit_test_setup(function, usual_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(the_64_bytes_are_written_and_the_quote_read_whole),
        WITH_FILES(a_quote_over_other_bytes_is_an_answer_to_somebody_else),
        WITH_FILES(an_empty_an_oversized_and_a_junk_quote_are_refused),
        WITH_FILES(only_dcap_is_taken_for_an_attestation_device),
        WITH_FILES(a_fifo_that_nobody_serves_ends_at_the_deadline),
        WITH_FILES(a_write_that_is_not_taken_whole_is_a_failure),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
