#include "cli/endpoint.h"

#include <string.h>

#include "check.h"

static const struct {
    const char *text, *host;
    uint16_t port;
} good[] = {
    { "127.0.0.1:50051", "127.0.0.1", 50051 },
    { "localhost:0", "localhost", 0 },
    { "[::1]:443", "::1", 443 },
    { "[::]:65535", "::", 65535 },
};

static void an_address_and_a_port_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        vouch_error err = { 0 };
        char text[VCH_ENDPOINT_TEXT_SIZE];
        vch_endpoint e = { 0 };
        CHECK_OK(vch_endpoint_parse(good[i].text, &e, &err), &err);
        assert_string_equal(e.host, good[i].host);
        CHECK(e.port == good[i].port);
        assert_string_equal(vch_endpoint_text(&e, text), good[i].text);
    }
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",        "127.0.0.1", ":50051",   "host:",    "host:65536", "host:-1", "host:12x",
        "::1:443", "[::1]",     "[::1]443", "[::1:443", "[]:443",     "a:b:1",   "h:0000001"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        vch_endpoint e = { .port = 77 };
        if (vch_endpoint_parse(wrong[i], &e, NULL) != VOUCH_E_CONFIG)
            fail_msg("accepted: %s", wrong[i]);
        CHECK(e.port == 77);
    }
}

static void what_is_said_wins_over_the_plan(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char far[VCH_ENDPOINT_HOST_SIZE + 1] = { 0 };
    vch_endpoint e = { 0 };
    CHECK_OK(vch_endpoint_choose("[::1]:5", "agg.example.org", 50051, &e, &err), &err);
    CHECK(e.port == 5);
    CHECK_OK(vch_endpoint_choose(NULL, "agg.example.org", 50051, &e, &err), &err);
    assert_string_equal(e.host, "agg.example.org");
    CHECK(e.port == 50051);
    memset(far, 'a', VCH_ENDPOINT_HOST_SIZE);
    CHECK(vch_endpoint_choose(NULL, far, 50051, &e, &err) == VOUCH_E_CONFIG);
    assert_string_equal(e.host, "agg.example.org");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_address_and_a_port_are_read_and_written),
        TEST(anything_else_is_refused),
        TEST(what_is_said_wins_over_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
