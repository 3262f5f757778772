#include "evidence/event_log.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "codec/hex.h"
#include "crypto/hash.h"
#include "host/file.h"

#define LOG_CAP ((size_t)1 << 16)
#define SHA256_ID 0x000b
#define SHA384_ID 0x000c

/* --- logs of our own --- */

static void put_header(vch_buffer *b, uint32_t algorithms)
{
    static const uint8_t zero[20];
    vch_buffer_u32le(b, 0);
    vch_buffer_u32le(b, 3);
    vch_buffer_append(b, (vouch_span) { zero, sizeof zero });
    vch_buffer_u32le(b, 16 + 4 + 4 + 4 + 4 * algorithms + 1 + 2);
    vch_buffer_append(b, (vouch_span) { (const uint8_t *)"Spec ID Event03", 16 });
    vch_buffer_u32le(b, 0);
    vch_buffer_u8(b, 0);
    vch_buffer_u8(b, 2);
    vch_buffer_u8(b, 0);
    vch_buffer_u8(b, 2);
    vch_buffer_u32le(b, algorithms);
    for (uint32_t i = 0; i < algorithms; i++) {
        vch_buffer_u16le(b, i == 0 ? SHA384_ID : SHA256_ID);
        vch_buffer_u16le(b, i == 0 ? 48 : 32);
    }
    vch_buffer_u8(b, 2);
    vch_buffer_append(b, (vouch_span) { (const uint8_t *)"us", 2 });
}

static void put_digest(vch_buffer *b, uint16_t id, uint8_t fill)
{
    uint8_t digest[48];
    memset(digest, fill, sizeof digest);
    vch_buffer_u16le(b, id);
    vch_buffer_append(b, (vouch_span) { digest, id == SHA384_ID ? 48 : 32 });
}

static void put_event(vch_buffer *b, uint32_t index, uint32_t type, uint8_t fill)
{
    vch_buffer_u32le(b, index);
    vch_buffer_u32le(b, type);
    vch_buffer_u32le(b, 1);
    put_digest(b, SHA384_ID, fill);
    vch_buffer_u32le(b, 5);
    vch_buffer_append(b, (vouch_span) { (const uint8_t *)"event", 5 });
}

static vouch_code replay(const vch_buffer *b, vch_rtmrs *out)
{
    CHECK(b->failed == VOUCH_OK);
    return vch_event_log_replay(vch_buffer_span(b), out, NULL);
}

static void is(const uint8_t have[static VCH_RTMR_SIZE], const char *want)
{
    char hex[2 * VCH_RTMR_SIZE + 1];
    assert_string_equal(vch_hex_encode((vouch_span) { have, VCH_RTMR_SIZE }, hex), want);
}

/* --- tests --- */

static void read_vector(const char *name, vch_buffer *out)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/measure/%s", VCH_TEST_VECTORS, name);
    vouch_error err = { 0 };
    CHECK_OK(vch_file_read(path, LOG_CAP, out, &err), &err);
}

static void a_real_log_replays_to_the_rtmrs_that_its_machine_had(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer log = { 0 };
    vch_rtmrs r = { 0 };
    read_vector("cos_113.ccel", &log);
    CHECK(replay(&log, &r) == VOUCH_OK);
    is(r.value[0], "3fa2f61f395b7f5feefb4ec2df61297f109ad8abcd6410c1b7df60f21f37b192"
                   "97fc35e544039c7e1edece752afd17f6");
    is(r.value[1], "f62dbc072bd5d3f3438b7b35c39a727f5aea2ffc2473f43723953f530daf6250"
                   "4f0a7944aa62c41a86e8a878c2b122c1");
    is(r.value[2], "4969684dc87381fc3b3134176c8d8806eaf0a901859f5f70cfae8d17714b46c1"
                   "0a8de219048c9fc09f11f381a6fbe7c1");
    CHECK(r.event_count == 43 && r.extended[3] == 0);
}

static void logs_of_ovmf_and_td_shim_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t events;
    } logs[] = { { "go_eventlog.ccel", 19 }, { "td_shim.ccel", 5 } };
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer log = { 0 };
        vch_rtmrs r = { 0 };
        read_vector(logs[i].name, &log);
        CHECK(replay(&log, &r) == VOUCH_OK);
        CHECK(r.event_count == logs[i].events);
    }
}

static void padding_ends_a_log_and_bytes_after_it_do_not(void **state)
{
    (void)state;
    static const uint8_t pads[] = { 0x00, 0xff };
    for (size_t i = 0; i < sizeof pads; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
        vch_rtmrs r = { 0 };
        put_header(&log, 1);
        put_event(&log, 1, 4, 0x11);
        for (size_t n = 0; n < 1000; n++)
            vch_buffer_u8(&log, pads[i]);
        CHECK(replay(&log, &r) == VOUCH_OK && r.event_count == 1);
        put_event(&log, 1, 4, 0x11);
        r.event_count = 77;
        CHECK(replay(&log, &r) != VOUCH_OK && r.event_count == 77);
    }
}

static void a_log_cut_short_is_truncated_but_between_events(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer log = { 0 };
    size_t good = 0;
    read_vector("go_eventlog.ccel", &log);
    for (size_t n = 0; n < log.size; n++) {
        vch_rtmrs r = { .event_count = 77 };
        vouch_code rc = vch_event_log_replay((vouch_span) { log.data, n }, &r, NULL);
        CHECK(rc == VOUCH_OK || (rc == VOUCH_E_TRUNCATED && r.event_count == 77));
        good += rc == VOUCH_OK;
    }
    CHECK(good == 19); /* after the header and after each event but the last */
}

/* The header, with one algorithm of this id and size, or cut to so many bytes of its specification. */
static void a_header_names_known_algorithms_in_their_sizes(void **state)
{
    (void)state;
    static const struct {
        uint16_t id, size;
        vouch_code want;
    } second[] = {
        { SHA256_ID, 32, VOUCH_OK },       { SHA256_ID, 31, VOUCH_E_FORMAT },
        { 0x9999, 0, VOUCH_E_FORMAT },     { 0x9999, 32, VOUCH_E_FORMAT },
        { SHA384_ID, 48, VOUCH_E_FORMAT }, { SHA256_ID, 0, VOUCH_E_FORMAT },
    };
    for (size_t i = 0; i < sizeof second / sizeof *second; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
        vch_rtmrs r = { 0 };
        put_header(&log, 2);
        size_t at = log.size - 3 - 4;
        log.data[at] = (uint8_t)second[i].id;
        log.data[at + 1] = (uint8_t)(second[i].id >> 8);
        log.data[at + 2] = (uint8_t)second[i].size;
        if (replay(&log, &r) != second[i].want)
            fail_msg("algorithm %04x of %u bytes", second[i].id, second[i].size);
    }
    for (uint8_t size = 0; size < 16 + 4 + 4 + 4 + 4 + 1 + 2; size++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
        vch_rtmrs r = { 0 };
        put_header(&log, 1);
        log.data[28] = size; /* what follows it is not the specification's any more */
        log.size = 32 + (size_t)size;
        CHECK(replay(&log, &r) != VOUCH_OK);
    }
}

static void each_register_is_extended_by_its_own_events_in_order(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
    vch_rtmrs r = { 0 };
    uint8_t both[96] = { 0 };
    uint8_t want[48];
    put_header(&log, 1);
    put_event(&log, 4, 0x80000001, 0x11);
    put_event(&log, 2, 3, 0x55); /* EV_NO_ACTION extends nothing */
    put_event(&log, 0, 3, 0x55);
    put_event(&log, 4, 0x80000001, 0x22);
    CHECK(replay(&log, &r) == VOUCH_OK);
    memset(both + 48, 0x11, 48);
    CHECK_OK(vch_sha384((vouch_span) { both, 96 }, want, NULL), NULL);
    memcpy(both, want, 48);
    memset(both + 48, 0x22, 48);
    CHECK_OK(vch_sha384((vouch_span) { both, 96 }, want, NULL), NULL);
    CHECK(memcmp(r.value[3], want, 48) == 0);
    CHECK(r.extended[3] == 2 && r.extended[1] == 0 && r.event_count == 4);
    CHECK(vch_span_is_zero((vouch_span) { r.value[1], 48 }));
}

static void two_algorithms_give_two_digests_each_once(void **state)
{
    (void)state;
    static const struct {
        uint16_t first, second;
        vouch_code want;
    } cases[] = { { SHA384_ID, SHA256_ID, VOUCH_OK },
                  { SHA256_ID, SHA384_ID, VOUCH_OK },
                  { SHA384_ID, SHA384_ID, VOUCH_E_FORMAT },
                  { SHA384_ID, 0x000d, VOUCH_E_FORMAT } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
        vch_rtmrs r = { 0 };
        put_header(&log, 2);
        vch_buffer_u32le(&log, 1);
        vch_buffer_u32le(&log, 4);
        vch_buffer_u32le(&log, 2);
        put_digest(&log, cases[i].first, 1);
        put_digest(&log, cases[i].second, 1);
        vch_buffer_u32le(&log, 0);
        CHECK(replay(&log, &r) == cases[i].want);
    }
    VCH_SCOPED(vch_buffer_drop) vch_buffer one = vch_buffer_with_cap(LOG_CAP);
    vch_rtmrs r = { 0 };
    put_header(&one, 2);
    put_event(&one, 1, 4, 1); /* one digest where the header names two */
    CHECK(replay(&one, &r) == VOUCH_E_FORMAT);
}

static void a_register_that_is_none_is_refused(void **state)
{
    (void)state;
    static const uint32_t bad[][2] = { { 5, 4 }, { 0, 4 }, { 0x80000001, 4 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
        vch_rtmrs r = { 0 };
        put_header(&log, 1);
        put_event(&log, bad[i][0], bad[i][1], 1);
        CHECK(replay(&log, &r) == VOUCH_E_FORMAT);
    }
}

/* Byte `at` of a good log becomes `value`. */
static void a_header_that_is_not_one_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        vouch_code want;
    } cases[] = {
        { 0, 2, VOUCH_E_FORMAT },    { 4, 4, VOUCH_E_FORMAT },       { 8, 1, VOUCH_E_FORMAT },
        { 32, 's', VOUCH_E_FORMAT }, { 32 + 21, 1, VOUCH_E_FORMAT }, { 56, 0, VOUCH_E_LIMIT },
        { 56, 9, VOUCH_E_LIMIT },    { 60, 0x0f, VOUCH_E_FORMAT },   { 60, 0x0b, VOUCH_E_FORMAT },
        { 62, 47, VOUCH_E_FORMAT },  { 64, 1, VOUCH_E_FORMAT },      { 64, 3, VOUCH_E_TRUNCATED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
        vch_rtmrs r = { 0 };
        put_header(&log, 1);
        put_event(&log, 1, 4, 1);
        CHECK(replay(&log, &r) == VOUCH_OK);
        log.data[cases[i].at] = cases[i].value;
        CHECK(replay(&log, &r) == cases[i].want);
    }
}

static void an_algorithm_that_is_named_twice_is_refused(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
    vch_rtmrs r = { 0 };
    put_header(&log, 2);
    CHECK(replay(&log, &r) == VOUCH_OK);
    log.data[64] = SHA384_ID;
    log.data[66] = 48;
    CHECK(replay(&log, &r) == VOUCH_E_FORMAT);
}

static void a_log_without_sha384_or_over_the_maximum_is_refused(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer log = vch_buffer_with_cap(LOG_CAP);
    vch_rtmrs r = { 0 };
    put_header(&log, 1);
    log.data[60] = SHA256_ID;
    log.data[62] = 32;
    CHECK(replay(&log, &r) == VOUCH_E_UNSUPPORTED);
    CHECK(vch_event_log_replay((vouch_span) { log.data, VCH_EVENT_LOG_MAX_SIZE + 1 }, &r, NULL)
          == VOUCH_E_LIMIT); /* before a byte of it is read */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_real_log_replays_to_the_rtmrs_that_its_machine_had),
        TEST(logs_of_ovmf_and_td_shim_are_read),
        TEST(padding_ends_a_log_and_bytes_after_it_do_not),
        TEST(a_log_cut_short_is_truncated_but_between_events),
        TEST(a_header_names_known_algorithms_in_their_sizes),
        TEST(each_register_is_extended_by_its_own_events_in_order),
        TEST(two_algorithms_give_two_digests_each_once),
        TEST(a_register_that_is_none_is_refused),
        TEST(a_header_that_is_not_one_is_refused),
        TEST(an_algorithm_that_is_named_twice_is_refused),
        TEST(a_log_without_sha384_or_over_the_maximum_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
