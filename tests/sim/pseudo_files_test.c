/* The protocol of pseudo_files.h, seen from the reader's side, step by step. */
#include "sim/pseudo_files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"
#include "host/file.h"
#include "host/process.h"

static const uint8_t sealing_key[16] = { 5, 4, 3, 2, 1 };
static unsigned quotes_made;
static bool device_broken;

/* A "quote" that is recognisable: the report data and how many were made. */
static vouch_code make_quote(void *context, const uint8_t report_data[static 64], vch_buffer *out,
                             vouch_error *err)
{
    (void)context;
    if (device_broken)
        return vouch_fail(err, VOUCH_E_CRYPTO, "the device is broken");
    quotes_made++;
    for (unsigned i = 0; i < 100; i++) /* longer than PIPE_BUF */
        vch_buffer_append(out, (vouch_span) { report_data, 64 });
    return VOUCH_OK;
}

static int open_in(const vch_pseudo_files *f, const char *name, int flags)
{
    char path[VCH_PATH_SIZE];
    CHECK(vch_path_join(vch_pseudo_files_directory(f), name, path, NULL) == VOUCH_OK);
    return open(path, flags | O_NONBLOCK | O_CLOEXEC);
}

static vch_pseudo_files *make_files(void)
{
    vouch_error err = { 0 };
    vch_pseudo_files *f = NULL;
    vch_process_ignore_broken_pipes();
    device_broken = false;
    CHECK_OK(vch_pseudo_files_new((vouch_span) { sealing_key, 16 }, make_quote, NULL, &f, &err),
             &err);
    return f;
}

static void ask(const vch_pseudo_files *f, uint8_t fill, size_t size)
{
    uint8_t data[200];
    memset(data, fill, sizeof data);
    int fd = open_in(f, "user_report_data", O_WRONLY);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void serve(vch_pseudo_files *f, unsigned want_served, unsigned want_refused)
{
    vouch_error err = { 0 };
    unsigned served = 9, refused = 9;
    CHECK_OK(vch_pseudo_files_serve(f, &served, &refused, &err), &err);
    CHECK(served == want_served && refused == want_refused);
}

/* Everything until the end; 0 if the server came and went without a quote. Closes. */
static size_t read_all(int fd, uint8_t *first)
{
    uint8_t data[8192];
    size_t total = 0;
    for (;;) {
        ssize_t n = read(fd, data, sizeof data);
        CHECK(n >= 0);
        if (n == 0)
            break;
        if (total == 0)
            *first = data[0];
        total += (size_t)n;
    }
    close(fd);
    return total;
}

static void the_plain_files_are_as_gramine_has_them(void **state)
{
    (void)state;
    VCH_SCOPED(vch_pseudo_files_drop) vch_pseudo_files *f = make_files();
    uint8_t data[32];
    int fd = open_in(f, "attestation_type", O_RDONLY);
    CHECK(read(fd, data, sizeof data) == 4 && memcmp(data, "dcap", 4) == 0);
    close(fd);
    fd = open_in(f, "keys/_sgx_mrenclave", O_RDONLY);
    CHECK(read(fd, data, sizeof data) == 16 && memcmp(data, sealing_key, 16) == 0);
    close(fd);
    struct stat st;
    CHECK(stat(vch_pseudo_files_directory(f), &st) == 0 && (st.st_mode & 0777U) == 0700);
}

static void a_reader_gets_a_quote_over_its_64_bytes(void **state)
{
    (void)state;
    VCH_SCOPED(vch_pseudo_files_drop) vch_pseudo_files *f = make_files();
    for (uint8_t round = 1; round <= 3; round++) {
        uint8_t first = 0, byte = 0;
        serve(f, 0, 0); /* nobody waits */
        ask(f, round, 64);
        int fd = open_in(f, "quote", O_RDONLY);
        CHECK(read(fd, &byte, 1) == 0); /* no byte yet, and no end either */
        struct pollfd event = { vch_pseudo_files_fd(f), POLLIN, 0 };
        CHECK(poll(&event, 1, 0) == 1); /* the server hears of it */
        struct pollfd reader = { fd, POLLIN, 0 };
        CHECK(poll(&reader, 1, 0) == 0);
        serve(f, 1, 0);
        CHECK(poll(&reader, 1, 0) == 1 && (reader.revents & POLLIN) != 0);
        CHECK(read_all(fd, &first) == 6400 && first == round);
    }
}

static void any_other_total_than_64_bytes_is_turned_away_and_forgotten(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 32, 63, 65, 128 };
    VCH_SCOPED(vch_pseudo_files_drop) vch_pseudo_files *f = make_files();
    unsigned before = quotes_made;
    uint8_t first = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (sizes[i] > 0)
            ask(f, 7, sizes[i]);
        int fd = open_in(f, "quote", O_RDONLY);
        serve(f, 0, 1);
        struct pollfd reader = { fd, POLLIN, 0 };
        CHECK(poll(&reader, 1, 0) == 1 && (reader.revents & POLLHUP) != 0);
        CHECK(read_all(fd, &first) == 0);
    }
    CHECK(quotes_made == before);
    ask(f, 8, 32); /* two writes of 32 are 64 in total */
    ask(f, 8, 32);
    int fd = open_in(f, "quote", O_RDONLY);
    serve(f, 1, 0);
    CHECK(read_all(fd, &first) == 6400 && first == 8);
}

static void a_reader_that_left_does_not_disturb_the_next(void **state)
{
    (void)state;
    VCH_SCOPED(vch_pseudo_files_drop) vch_pseudo_files *f = make_files();
    uint8_t first = 0;
    close(open_in(f, "quote", O_RDONLY)); /* left before it was served */
    serve(f, 0, 0);
    ask(f, 1, 64);
    int slow = open_in(f, "quote", O_RDONLY);
    serve(f, 1, 0); /* its quote lies in a FIFO of its own ... */
    ask(f, 2, 64);
    int next = open_in(f, "quote", O_RDONLY);
    serve(f, 1, 0);
    CHECK(read_all(next, &first) == 6400 && first == 2);
    CHECK(read_all(slow, &first) == 6400 && first == 1); /* ... and is still whole */
    serve(f, 0, 0);
}

static void a_broken_device_is_an_error_and_the_reader_sees_the_end(void **state)
{
    (void)state;
    VCH_SCOPED(vch_pseudo_files_drop) vch_pseudo_files *f = make_files();
    uint8_t first = 0;
    unsigned served = 0, refused = 0;
    device_broken = true;
    ask(f, 1, 64);
    int fd = open_in(f, "quote", O_RDONLY);
    CHECK(vch_pseudo_files_serve(f, &served, &refused, NULL) == VOUCH_E_CRYPTO);
    CHECK(served == 0);
    CHECK(read_all(fd, &first) == 0);
    device_broken = false;
    ask(f, 3, 64);
    fd = open_in(f, "quote", O_RDONLY);
    serve(f, 1, 0);
    CHECK(read_all(fd, &first) == 6400 && first == 3);
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    char dir[VCH_PATH_SIZE];
    vch_pseudo_files *f = make_files();
    memcpy(dir, vch_pseudo_files_directory(f), strlen(vch_pseudo_files_directory(f)) + 1);
    int fd = open_in(f, "user_report_data", O_WRONLY);
    CHECK(vch_file_exists(dir));
    vch_pseudo_files_free(f);
    CHECK(!vch_file_exists(dir));
    CHECK(write(fd, "x", 1) == -1 && errno == EPIPE);
    close(fd);
    vch_pseudo_files_free(NULL);
}

static void a_sealing_key_is_16_bytes_or_absent(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_pseudo_files_drop) vch_pseudo_files *f = NULL;
    CHECK(vch_pseudo_files_new((vouch_span) { sealing_key, 15 }, make_quote, NULL, &f, NULL)
          == VOUCH_E_INTERNAL);
    CHECK_OK(vch_pseudo_files_new((vouch_span) { 0 }, make_quote, NULL, &f, &err), &err);
    CHECK(open_in(f, "keys/_sgx_mrenclave", O_RDONLY) == -1 && errno == ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_plain_files_are_as_gramine_has_them),
        TEST(a_reader_gets_a_quote_over_its_64_bytes),
        TEST(any_other_total_than_64_bytes_is_turned_away_and_forgotten),
        TEST(a_reader_that_left_does_not_disturb_the_next),
        TEST(a_broken_device_is_an_error_and_the_reader_sees_the_end),
        TEST(nothing_is_left_behind),
        TEST(a_sealing_key_is_16_bytes_or_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
