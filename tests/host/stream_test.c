#include "host/stream.h"

#include <string.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/process.h"

#include "check.h"

typedef struct pair {
    int out, in;
} pair;

static pair new_pipe(void)
{
    int ends[2];
    vouch_error err = { 0 };
    CHECK(pipe(ends) == 0);
    CHECK_OK(vch_stream_unblock(ends[0], &err), &err);
    CHECK_OK(vch_stream_unblock(ends[1], &err), &err);
    return (pair) { ends[0], ends[1] };
}

static void an_empty_pipe_is_not_ready_and_gives_nothing(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    pair p = new_pipe();
    vch_stream s = { .fd = p.out, .ready = true };
    uint8_t byte = 0;
    size_t count = 7;
    bool ended = true;
    CHECK_OK(vch_stream_wait(&s, 1, 0, &err), &err);
    CHECK(!s.ready);
    CHECK_OK(vch_stream_read(p.out, &byte, 1, &count, &ended, &err), &err);
    CHECK(count == 0 && !ended);
    (void)close(p.in);
    (void)close(p.out);
}

static void bytes_come_out_as_they_went_in_and_then_the_end(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    pair p = new_pipe();
    size_t count = 0;
    bool ended = false;
    char got[8] = { 0 };
    CHECK_OK(
        vch_stream_write(p.in, (vouch_span) { (const uint8_t *)"abc", 3 }, &count, &ended, &err),
        &err);
    CHECK(count == 3 && !ended);
    vch_stream s[2] = { { .fd = -1 }, { .fd = p.out } };
    CHECK_OK(vch_stream_wait(s, 2, 1000, &err), &err);
    CHECK(!s[0].ready && s[1].ready);
    CHECK_OK(vch_stream_read(p.out, got, sizeof got, &count, &ended, &err), &err);
    CHECK(count == 3 && !ended && memcmp(got, "abc", 3) == 0);
    (void)close(p.in);
    CHECK_OK(vch_stream_read(p.out, got, sizeof got, &count, &ended, &err), &err);
    CHECK(count == 0 && ended);
    (void)close(p.out);
}

static void a_full_pipe_takes_nothing_and_one_without_a_reader_says_so(void **state)
{
    (void)state;
    static uint8_t much[1 << 20];
    vouch_error err = { 0 };
    pair p = new_pipe();
    size_t count = 0;
    bool ended = false;
    CHECK_OK(vch_stream_write(p.in, (vouch_span) { much, sizeof much }, &count, &ended, &err),
             &err);
    CHECK(count > 0 && count < sizeof much);
    CHECK_OK(vch_stream_write(p.in, (vouch_span) { much, sizeof much }, &count, &ended, &err),
             &err);
    CHECK(count == 0 && !ended);
    vch_stream s = { .fd = p.in, .writing = true };
    CHECK_OK(vch_stream_wait(&s, 1, 0, &err), &err);
    CHECK(!s.ready);
    vch_process_ignore_broken_pipes();
    (void)close(p.out);
    CHECK_OK(vch_stream_write(p.in, (vouch_span) { much, 1 }, &count, &ended, &err), &err);
    CHECK(count == 0 && ended);
    (void)close(p.in);
}

static void what_is_no_pipe_is_an_error(void **state)
{
    (void)state;
    size_t count = 0;
    bool ended = false;
    uint8_t byte = 0;
    vch_stream many[VCH_STREAM_WAIT_MAX + 1] = { 0 };
    CHECK(vch_stream_unblock(-1, NULL) == VOUCH_E_IO);
    CHECK(vch_stream_read(-1, &byte, 1, &count, &ended, NULL) == VOUCH_E_IO);
    CHECK(vch_stream_write(-1, (vouch_span) { &byte, 1 }, &count, &ended, NULL) == VOUCH_E_IO);
    CHECK(vch_stream_wait(many, VCH_STREAM_WAIT_MAX + 1, 0, NULL) == VOUCH_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_pipe_is_not_ready_and_gives_nothing),
        TEST(bytes_come_out_as_they_went_in_and_then_the_end),
        TEST(a_full_pipe_takes_nothing_and_one_without_a_reader_says_so),
        TEST(what_is_no_pipe_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
