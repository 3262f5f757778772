/* configfs-tsm, on a file system that behaves like it. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attester/attester.h"
#include "base/scope.h"
#include "corpus.h"
#include "host/file.h"
#include "tsm_fs.h"

#define REPORT_DATA_AT 568 /* header 48, TD report 520 */
#define THREADS 6

static vouch_span genuine;
static tsm_fs fs;
static test_mount *mounted;

static void heal(void)
{
    memset(&fs, 0, sizeof fs);
    fs.provider = "tdx_guest";
    fs.quote = genuine;
    fs.report_data = REPORT_DATA_AT;
}

static int mount_device(void **state)
{
    (void)state;
    const char *why = NULL;
    genuine = corpus_read(CORPUS_TDX_QUOTE);
    heal();
    mounted = tsm_fs_start(&fs, &why);
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

/* A device in good health and its attester; counts start at zero. Or a counted skip. */
static vch_attester *begin(void)
{
    vch_attester *a = NULL;
    vouch_error err = { 0 };
    if (mounted == NULL)
        skip();
    heal();
    CHECK_OK(vch_tdx_tsm_new(test_mount_dir(mounted), 400, &a, &err), &err);
    CHECK(fs.made == 1 && fs.removed == 1);
    fs.made = fs.removed = fs.tried = 0;
    return a;
}

/* Whatever happened, nothing is left behind. */
static void end(vch_attester *a)
{
    CHECK(fs.made == fs.removed);
    vch_attester_free(a);
}

static vouch_code ask(vch_attester *a, uint8_t value, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer quote = vch_buffer_with_cap(VCH_ATTESTER_QUOTE_MAX_SIZE);
    uint8_t report_data[VCH_REPORT_DATA_SIZE];
    for (size_t i = 0; i < sizeof report_data; i++)
        report_data[i] = (uint8_t)(value + i);
    vouch_code rc = vch_attester_quote(a, report_data, &quote, err);
    CHECK(rc == VOUCH_OK || quote.size == 0);
    if (rc == VOUCH_OK)
        CHECK(memcmp(quote.data + REPORT_DATA_AT, report_data, sizeof report_data) == 0);
    return rc;
}

static void a_quote_takes_one_entry_which_is_removed(void **state)
{
    (void)state;
    vch_attester *a = begin();
    vouch_error err = { 0 };
    CHECK_OK(ask(a, 7, &err), &err);
    CHECK(fs.made == 1);
    end(a);
}

static void every_entry_has_a_new_name(void **state)
{
    (void)state;
    vch_attester *a = begin();
    vouch_error err = { 0 };
    for (uint8_t i = 0; i < 8; i++)
        CHECK_OK(ask(a, i, &err), &err);
    for (size_t i = 0; i < 8; i++) {
        CHECK(strlen(fs.names[i]) == strlen("vouch-") + 16);
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(fs.names[i], fs.names[j]) != 0);
    }
    end(a);
}

static void a_name_that_is_taken_is_not_shared(void **state)
{
    (void)state;
    vch_attester *a = begin();
    vouch_error err = { 0 };
    fs.mkdir_error = EEXIST;
    fs.mkdir_errors = 3;
    CHECK_OK(ask(a, 7, &err), &err);
    CHECK(fs.tried == 4 && fs.made == 1 && strcmp(fs.names[2], fs.names[3]) != 0);
    fs.mkdir_errors = 1000000;
    CHECK(ask(a, 7, &err) == VOUCH_E_IO);
    end(a);
}

static void an_entry_that_someone_else_wrote_is_thrown_away(void **state)
{
    (void)state;
    static const tsm_fs_intruder intruders[] = { TSM_FS_OTHER_BYTES, TSM_FS_SAME_BYTES };
    for (size_t i = 0; i < sizeof intruders / sizeof *intruders; i++) {
        vch_attester *a = begin();
        vouch_error err = { 0 };
        fs.intruder = intruders[i];
        fs.intrusions = 2;
        CHECK_OK(ask(a, 7, &err), &err);
        CHECK(fs.made == 3); /* also when the bytes were the same: only the generation tells */
        end(a);
    }
}

static void a_write_that_the_kernel_lost_is_seen(void **state)
{
    (void)state;
    vch_attester *a = begin();
    vouch_error err = { 0 };
    fs.lost_writes = 1;
    CHECK_OK(ask(a, 7, &err), &err);
    CHECK(fs.made == 2);
    end(a);
}

static void an_intruder_who_never_stops_leaves_no_quote_and_no_entry(void **state)
{
    (void)state;
    vch_attester *a = begin();
    vouch_error err = { 0 };
    char text[1024];
    fs.intruder = TSM_FS_OTHER_BYTES;
    fs.intrusions = 1000000;
    CHECK(ask(a, 7, &err) == VOUCH_E_TIMEOUT);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "someone else changed") != NULL);
    CHECK(fs.made > 2);
    end(a);
}

static void a_quote_over_other_bytes_is_refused_whatever_the_generation_says(void **state)
{
    (void)state;
    vch_attester *a = begin();
    fs.intruder = TSM_FS_UNSEEN;
    fs.intrusions = 1;
    CHECK(ask(a, 7, NULL) == VOUCH_E_IO);
    end(a);
}

static void a_busy_device_is_asked_again_in_a_new_entry(void **state)
{
    (void)state;
    static const int busy[] = { EBUSY, EWOULDBLOCK, ETXTBSY, EINTR };
    for (size_t i = 0; i < sizeof busy / sizeof *busy; i++) {
        vch_attester *a = begin();
        vouch_error err = { 0 };
        fs.read_error = busy[i];
        fs.read_errors = 2;
        CHECK_OK(ask(a, 7, &err), &err);
        CHECK(fs.made == 3 && strcmp(fs.names[0], fs.names[1]) != 0);
        end(a);
    }
}

static void a_device_that_fails_is_not_asked_again(void **state)
{
    (void)state;
    static const int failures[] = { EIO, ETIMEDOUT, EINVAL, ENXIO };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        vch_attester *a = begin();
        fs.read_error = failures[i];
        fs.read_errors = 1;
        CHECK(ask(a, 7, NULL) == VOUCH_E_IO);
        CHECK(fs.made == 1);
        end(a);
    }
}

static void an_entry_that_cannot_be_removed_at_once_is_removed_later(void **state)
{
    (void)state;
    vch_attester *a = begin();
    vouch_error err = { 0 };
    fs.rmdir_error = EBUSY;
    fs.rmdir_errors = 3;
    CHECK_OK(ask(a, 7, &err), &err);
    end(a);
}

static void an_entry_that_stays_is_an_error(void **state)
{
    (void)state;
    vch_attester *a = begin();
    fs.rmdir_error = EPERM;
    fs.rmdir_errors = 1000000;
    CHECK(ask(a, 7, NULL) == VOUCH_E_IO);
    vch_attester_free(a);
}

static void a_provider_other_than_tdx_is_refused_by_name(void **state)
{
    (void)state;
    vch_attester *a = begin();
    vch_attester *none = NULL;
    vouch_error err = { 0 };
    char text[1024];
    fs.provider = "sev_guest";
    CHECK(ask(a, 7, NULL) == VOUCH_E_UNSUPPORTED); /* asked anew for each quote */
    CHECK(vch_tdx_tsm_new(test_mount_dir(mounted), 400, &none, &err) == VOUCH_E_UNSUPPORTED);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "SEV-SNP") != NULL);
    fs.provider = "arm_cca_guest";
    CHECK(vch_tdx_tsm_new(test_mount_dir(mounted), 400, &none, NULL) == VOUCH_E_UNSUPPORTED);
    fs.provider = "";
    CHECK(vch_tdx_tsm_new(test_mount_dir(mounted), 400, &none, NULL) == VOUCH_E_FORMAT);
    CHECK(none == NULL);
    end(a);
}

static void a_kernel_without_a_provider_is_no_device(void **state)
{
    (void)state;
    vch_attester *a = begin();
    vch_attester *none = NULL;
    fs.mkdir_error = ENXIO;
    fs.mkdir_errors = 1;
    CHECK(vch_tdx_tsm_new(test_mount_dir(mounted), 400, &none, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(none == NULL);
    end(a);
}

static void a_generation_is_a_number_or_nothing(void **state)
{
    (void)state;
    vch_attester *a = begin();
    static const char *const bad[] = { "x", "01", "-1", "1 2", "18446744073709551616" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fs.generation = bad[i];
        CHECK(ask(a, 7, NULL) == VOUCH_E_FORMAT);
    }
    fs.generation = NULL;
    fs.first_generation = UINT64_MAX; /* the kernel's counter wraps, and so do we */
    vouch_error err = { 0 };
    CHECK_OK(ask(a, 7, &err), &err);
    end(a);
}

static void an_empty_or_overlong_quote_is_refused(void **state)
{
    (void)state;
    vch_attester *a = begin();
    static uint8_t huge[VCH_ATTESTER_QUOTE_MAX_SIZE + 1];
    fs.quote = (vouch_span) { huge, 0 };
    CHECK(ask(a, 7, NULL) == VOUCH_E_TRUNCATED);
    fs.quote = (vouch_span) { huge, sizeof huge };
    CHECK(ask(a, 7, NULL) == VOUCH_E_LIMIT);
    end(a);
}

typedef struct asker {
    vch_attester *attester;
    uint8_t value;
    vouch_code code;
} asker;

static void *ask_once(void *argument)
{
    asker *a = argument;
    a->code = ask(a->attester, a->value, NULL);
    return NULL;
}

static void threads_take_turns(void **state)
{
    (void)state;
    vch_attester *a = begin();
    pthread_t threads[THREADS];
    asker askers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = (asker) { a, (uint8_t)(i * 20), VOUCH_E_INTERNAL };
        CHECK(pthread_create(&threads[i], NULL, ask_once, &askers[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(askers[i].code == VOUCH_OK);
    end(a);
}

static void a_td_has_no_sealing_key(void **state)
{
    (void)state;
    vch_attester *a = begin();
    vch_secret key = { 0 };
    CHECK(vch_attester_sealing_key(a, &key, NULL) == VOUCH_E_UNSUPPORTED);
    CHECK(key.data == NULL);
    end(a);
}

static void the_directory_says_which_device_it_is(void **state)
{
    (void)state;
    vch_attester *a = begin();
    vch_attester *opened = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_attester_open(test_mount_dir(mounted), 400, &opened, &err), &err);
    CHECK(strcmp(vch_attester_kind(opened), "tsm") == 0);
    vch_attester_free(opened);
    end(a);
}

/* Needs no FUSE. */
static void an_ordinary_directory_is_no_device_and_stays_as_it_was(void **state)
{
    (void)state;
    char dir[VCH_PATH_SIZE];
    vch_attester *a = NULL;
    CHECK_OK(vch_dir_make_temporary(NULL, "vouch-plain-", dir, NULL), NULL);
    CHECK(vch_attester_open(dir, 100, &a, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(a == NULL);
    CHECK(rmdir(dir) == 0); /* so it is empty */
    CHECK(vch_attester_open(dir, 100, &a, NULL) == VOUCH_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_quote_takes_one_entry_which_is_removed),
        TEST(every_entry_has_a_new_name),
        TEST(a_name_that_is_taken_is_not_shared),
        TEST(an_entry_that_someone_else_wrote_is_thrown_away),
        TEST(a_write_that_the_kernel_lost_is_seen),
        TEST(an_intruder_who_never_stops_leaves_no_quote_and_no_entry),
        TEST(a_quote_over_other_bytes_is_refused_whatever_the_generation_says),
        TEST(a_busy_device_is_asked_again_in_a_new_entry),
        TEST(a_device_that_fails_is_not_asked_again),
        TEST(an_entry_that_cannot_be_removed_at_once_is_removed_later),
        TEST(an_entry_that_stays_is_an_error),
        TEST(a_provider_other_than_tdx_is_refused_by_name),
        TEST(a_kernel_without_a_provider_is_no_device),
        TEST(a_generation_is_a_number_or_nothing),
        TEST(an_empty_or_overlong_quote_is_refused),
        TEST(threads_take_turns),
        TEST(a_td_has_no_sealing_key),
        TEST(the_directory_says_which_device_it_is),
        TEST(an_ordinary_directory_is_no_device_and_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, mount_device, unmount_device);
}
