/* Gramine's device, on a file system that behaves like it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attester/attester.h"
#include "base/scope.h"
#include "corpus.h"
#include "gramine_fs.h"
#include "host/file.h"
#include "vouch/evidence.h"

#define REPORT_DATA_AT 368 /* header 48, report body 320 */
#define THREADS 8
#define QUOTES_EACH 5

static const uint8_t sealing_key[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static vouch_span genuine;
static gramine_fs fs;
static test_mount *mounted;

static gramine_fs healthy(void)
{
    return (gramine_fs) { .type = "dcap",
                          .quote = genuine,
                          .report_data = REPORT_DATA_AT,
                          .key = { sealing_key, sizeof sealing_key } };
}

static int mount_device(void **state)
{
    (void)state;
    const char *why = NULL;
    genuine = corpus_read(CORPUS_SGX_QUOTE);
    fs = healthy();
    mounted = gramine_fs_start(&fs, &why);
    if (mounted == NULL)
        print_message("# no FUSE: %s\n", why);
    return 0;
}

static int unmount_device(void **state)
{
    (void)state;
    test_mount_stop(mounted);
    corpus_free(genuine);
    return 0;
}

/* The device in good health, or a counted skip. */
static void begin(void)
{
    if (mounted == NULL)
        skip();
    fs = healthy();
}

static vch_attester *device(void)
{
    vch_attester *a = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_sgx_gramine_new(test_mount_dir(mounted), 500, &a, &err), &err);
    return a;
}

static void fill(uint8_t out[static VCH_REPORT_DATA_SIZE], uint8_t value)
{
    for (size_t i = 0; i < VCH_REPORT_DATA_SIZE; i++)
        out[i] = (uint8_t)(value + i);
}

static vouch_code ask_into(vch_attester *a, uint8_t value, vch_buffer *quote, vouch_error *err)
{
    uint8_t report_data[VCH_REPORT_DATA_SIZE];
    fill(report_data, value);
    return vch_attester_quote(a, report_data, quote, err);
}

static vouch_code ask(vch_attester *a, uint8_t value, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(VCH_ATTESTER_QUOTE_MAX_SIZE);
    vouch_code rc = ask_into(a, value, &quote, err);
    CHECK(rc == VOUCH_OK || quote.size == 0);
    return rc;
}

static void the_64_bytes_are_written_in_one_call_and_the_quote_is_over_them(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(VCH_ATTESTER_QUOTE_MAX_SIZE);
    uint8_t want[VCH_REPORT_DATA_SIZE];
    vouch_error err = { 0 };
    fill(want, 7);
    CHECK_OK(ask_into(a, 7, &quote, &err), &err);
    CHECK(quote.size == genuine.size);
    CHECK(memcmp(quote.data + REPORT_DATA_AT, want, sizeof want) == 0);
    CHECK(fs.writes == 1 && fs.written_size == 64 && fs.opens == 1);
    vch_attester_free(a);
}

static void the_device_is_opened_anew_for_each_quote(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    vouch_error err = { 0 };
    for (uint8_t i = 0; i < 3; i++)
        CHECK_OK(ask(a, i, &err), &err);
    CHECK(fs.opens == 3 && fs.writes == 3);
    vch_attester_free(a);
}

/* The trap itself: what buffered or split writes would do here, as they do in Gramine. */
static void a_split_write_leaves_only_its_second_half(void **state)
{
    (void)state;
    begin();
    char path[VCH_PATH_SIZE];
    uint8_t half[32];
    uint8_t got[64];
    memset(half, 0xaa, sizeof half);
    CHECK_OK(vch_path_join(test_mount_dir(mounted), "user_report_data", path, NULL), NULL);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(write(fd, half, 32) == 32);
    half[0] = 0xbb;
    CHECK(write(fd, half, 32) == 32);
    CHECK(close(fd) == 0);
    CHECK(fs.current[0] == 0xbb && fs.current[31] == 0xaa && fs.current[32] == 0);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, got, sizeof got) == 0); /* and it cannot be read back */
    CHECK(close(fd) == 0);
}

static void a_quote_that_comes_in_pieces_is_read_to_its_end(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    vouch_error err = { 0 };
    fs.piece_size = 1000;
    CHECK_OK(ask(a, 3, &err), &err);
    vch_attester_free(a);
}

static void a_write_of_someone_else_between_ours_and_the_open_is_seen(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    vouch_error err = { 0 };
    char text[512];
    fs.intruder_writes = 1;
    CHECK(ask(a, 3, &err) == VOUCH_E_IO);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "other data than asked for") != NULL);
    CHECK_OK(ask(a, 3, &err), &err);
    vch_attester_free(a);
}

typedef struct asker {
    vch_attester *attester;
    uint8_t value;
    vouch_code code;
} asker;

static void *ask_often(void *argument)
{
    asker *a = argument;
    for (uint8_t i = 0; a->code == VOUCH_OK && i < QUOTES_EACH; i++)
        a->code = ask(a->attester, (uint8_t)(a->value + i), NULL);
    return NULL;
}

static void threads_never_get_each_others_quotes(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    pthread_t threads[THREADS];
    asker askers[THREADS];
    fs.pause_ms = 2; /* without the lock the others' writes would be next in the queue */
    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = (asker) { a, (uint8_t)(i * 20), VOUCH_OK };
        CHECK(pthread_create(&threads[i], NULL, ask_often, &askers[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(askers[i].code == VOUCH_OK);
    vch_attester_free(a);
}

static void an_interrupted_open_is_made_again_from_the_write_on(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    vouch_error err = { 0 };
    fs.busy_opens = 2;
    CHECK_OK(ask(a, 3, &err), &err);
    CHECK(fs.writes == 3 && fs.opens == 3);
    vch_attester_free(a);
}

static void a_device_that_is_busy_for_good_is_given_up_at_the_deadline(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    fs.busy_opens = 1000000;
    CHECK(ask(a, 3, NULL) == VOUCH_E_TIMEOUT);
    vch_attester_free(a);
}

static void a_quote_that_the_platform_denies_is_an_error_at_once(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    vouch_error err = { 0 };
    char text[512];
    fs.open_error = EACCES;
    CHECK(ask(a, 3, &err) == VOUCH_E_IO);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "Permission denied") != NULL);
    CHECK(fs.opens == 1);
    vch_attester_free(a);
}

static void an_empty_or_overlong_quote_is_refused(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    static uint8_t huge[VCH_ATTESTER_QUOTE_MAX_SIZE + 1];
    vouch_error err = { 0 };
    char text[512];
    fs.quote = (vouch_span) { NULL, 0 };
    CHECK(ask(a, 3, &err) == VOUCH_E_TRUNCATED);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "empty quote") != NULL);
    fs.quote = (vouch_span) { huge, sizeof huge };
    CHECK(ask(a, 3, NULL) == VOUCH_E_LIMIT);
    vch_attester_free(a);
}

static void only_the_type_dcap_is_a_device(void **state)
{
    (void)state;
    begin();
    vch_attester *a = NULL;
    static const char *const others[] = { "none", "dcap\n", "dca", "epid", "" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        fs.type = others[i];
        CHECK(vch_sgx_gramine_new(test_mount_dir(mounted), 500, &a, NULL) == VOUCH_E_UNSUPPORTED);
        CHECK(vch_attester_open(test_mount_dir(mounted), 500, &a, NULL) == VOUCH_E_UNSUPPORTED);
        CHECK(a == NULL);
    }
    fs.type = NULL;
    CHECK(vch_sgx_gramine_new(test_mount_dir(mounted), 500, &a, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(a == NULL);
}

static void a_directory_with_an_attestation_type_is_opened_as_gramines(void **state)
{
    (void)state;
    begin();
    vch_attester *a = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_attester_open(test_mount_dir(mounted), 500, &a, &err), &err);
    CHECK(strcmp(vch_attester_kind(a), "gramine") == 0);
    vch_attester_free(a);
}

static void the_sealing_key_is_the_one_bound_to_the_enclave(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    vouch_error err = { 0 };
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    CHECK_OK(vch_attester_sealing_key(a, &key, &err), &err);
    CHECK(key.size == 16 && memcmp(key.data, sealing_key, 16) == 0);
    vch_attester_free(a);
}

static void a_sealing_key_that_is_absent_short_long_or_zero_is_refused(void **state)
{
    (void)state;
    begin();
    vch_attester *a = device();
    static const uint8_t zero[17];
    static const struct {
        vouch_span key;
        vouch_code want;
    } cases[] = {
        { { NULL, 0 }, VOUCH_E_NOT_FOUND },      { { zero, 0 }, VOUCH_E_FORMAT },
        { { sealing_key, 15 }, VOUCH_E_FORMAT }, { { zero, 17 }, VOUCH_E_FORMAT },
        { { zero, 16 }, VOUCH_E_CRYPTO },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_secret key = { 0 };
        fs.key = cases[i].key;
        CHECK(vch_attester_sealing_key(a, &key, NULL) == cases[i].want);
        CHECK(key.data == NULL);
    }
    vch_attester_free(a);
}

/* Needs no FUSE: a directory of the host's that points into another device's. */
static void a_symbolic_link_in_a_files_place_is_refused(void **state)
{
    (void)state;
    char dir[VCH_PATH_SIZE];
    char type[VCH_PATH_SIZE];
    char path[VCH_PATH_SIZE];
    vch_attester *a = NULL;
    vouch_span dcap = { (const uint8_t *)"dcap", 4 };
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-link-", dir, NULL), NULL);
    CHECK_OK(vch_path_join(dir, "attestation_type", type, NULL), NULL);
    CHECK_OK(vch_file_write(type, dcap, 0644, NULL), NULL);
    CHECK_OK(vch_sgx_gramine_new(dir, 500, &a, NULL), NULL);
    CHECK_OK(vch_path_join(dir, "keys", path, NULL), NULL);
    CHECK_OK(vch_dir_make(path, 0700, NULL), NULL);
    CHECK_OK(vch_path_join(dir, "keys/_sgx_mrenclave", path, NULL), NULL);
    CHECK(symlink(type, path) == 0);
    CHECK(vch_attester_sealing_key(a, &key, NULL) == VOUCH_E_IO);
    CHECK_OK(vch_path_join(dir, "user_report_data", path, NULL), NULL);
    CHECK(symlink(type, path) == 0);
    CHECK(ask(a, 3, NULL) == VOUCH_E_IO);
    VCH_SCOPED(vch_buffer_drop) vch_buffer untouched = { 0 };
    CHECK_OK(vch_file_read(type, 64, &untouched, NULL), NULL);
    CHECK(untouched.size == 4);
    vch_attester_free(a);
    CHECK_OK(vch_dir_remove_tree(dir, NULL), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_64_bytes_are_written_in_one_call_and_the_quote_is_over_them),
        TEST(the_device_is_opened_anew_for_each_quote),
        TEST(a_split_write_leaves_only_its_second_half),
        TEST(a_quote_that_comes_in_pieces_is_read_to_its_end),
        TEST(a_write_of_someone_else_between_ours_and_the_open_is_seen),
        TEST(threads_never_get_each_others_quotes),
        TEST(an_interrupted_open_is_made_again_from_the_write_on),
        TEST(a_device_that_is_busy_for_good_is_given_up_at_the_deadline),
        TEST(a_quote_that_the_platform_denies_is_an_error_at_once),
        TEST(an_empty_or_overlong_quote_is_refused),
        TEST(only_the_type_dcap_is_a_device),
        TEST(a_directory_with_an_attestation_type_is_opened_as_gramines),
        TEST(the_sealing_key_is_the_one_bound_to_the_enclave),
        TEST(a_sealing_key_that_is_absent_short_long_or_zero_is_refused),
        TEST(a_symbolic_link_in_a_files_place_is_refused),
    };
    return cmocka_run_group_tests(tests, mount_device, unmount_device);
}
