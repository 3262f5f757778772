#include "codec/json_pull.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"

static vouch_code read_all(const char *text, size_t size)
{
    vch_json_pull p;
    vouch_error err = { 0 };
    vch_json_pull_start(&p, (vouch_span) { (const uint8_t *)text, size });
    vch_json_pull_skip(&p);
    vouch_code rc = vch_json_pull_finish(&p, "x", &err);
    CHECK((rc == VOUCH_OK) == (err.depth == 0));
    return rc;
}

static void an_object_is_read_member_by_member(void **state)
{
    (void)state;
    static const char text[] =
        " {\"a\" : 7, \"b\": [1, 2,3],\t\"c\":{\"d\":null},\"e\":\"text\"}\n";
    vch_json_pull p;
    uint64_t a = 0;
    uint64_t sum = 0;
    vouch_span e = { 0 };
    vch_json_pull_start(&p, vch_span_str(text));
    vch_json_pull_object(&p);
    for (vouch_span name; vch_json_pull_member(&p, &name);) {
        if (vch_span_is(name, "a")) {
            a = vch_json_pull_uint(&p, 255);
        } else if (vch_span_is(name, "b")) {
            vch_json_pull_array(&p);
            while (vch_json_pull_element(&p))
                sum += vch_json_pull_uint(&p, 255);
        } else if (vch_span_is(name, "e")) {
            e = vch_json_pull_string(&p);
        } else {
            vch_json_pull_skip(&p);
        }
    }
    vouch_error err = { 0 };
    CHECK_OK(vch_json_pull_finish(&p, "x", &err), &err);
    CHECK(a == 7 && sum == 6 && vch_span_is(e, "text"));
}

static const char *const good[] = {
    "{}",
    "[]",
    "0",
    "-0.5e+3",
    "\"\"",
    "true",
    "[[],{},null,false]",
    "{\"a\":{\"a\":{\"a\":1}}}",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00fF\"",
    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
    " [ 1 , 2 ] ",
};

static const char *const bad[] = {
    "",
    "{",
    "[",
    "[1",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\":1 \"b\":2}",
    "{a:1}",
    "{\"a\":1,\"a\":2}",
    "{\"x\":[{\"a\":1,\"b\":2,\"a\":3}]}",
    "{\"\\u0061\":1}",
    "01",
    "-",
    "1.",
    "1e",
    ".5",
    "+1",
    "tru",
    "nul",
    "truefalse",
    "1 2",
    "[1}",
    "{\"a\":1]",
    "\"",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\n\"",
    "\"\xff\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xe2\x82\"",
    "'a'",
    "{}{}",
    "[]x",
};

static void what_is_skipped_must_be_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (read_all(good[i], strlen(good[i])) != VOUCH_OK)
            fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (read_all(bad[i], strlen(bad[i])) == VOUCH_OK)
            fail_msg("accepted: %s", bad[i]);
    }
    CHECK(read_all("{}\0", 3) == VOUCH_E_FORMAT);
    CHECK(read_all("\"a\0b\"", 5) == VOUCH_E_FORMAT);
}

static void nesting_is_bounded_at_32(void **state)
{
    (void)state;
    char text[2 * VCH_JSON_PULL_DEPTH + 3];
    for (size_t depth = VCH_JSON_PULL_DEPTH; depth <= VCH_JSON_PULL_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        CHECK((read_all(text, 2 * depth) == VOUCH_OK) == (depth == VCH_JSON_PULL_DEPTH));
    }
}

static void open_members_are_bounded_at_256(void **state)
{
    (void)state;
    for (unsigned count = VCH_JSON_PULL_NAMES; count <= VCH_JSON_PULL_NAMES + 1; count++) {
        char text[16 * (VCH_JSON_PULL_NAMES + 2)];
        size_t size = 0;
        for (unsigned i = 0; i < count; i++)
            size += (size_t)snprintf(text + size, sizeof text - size, "%c\"m%u\":0",
                                     i == 0 ? '{' : ',', i);
        text[size++] = '}';
        CHECK((read_all(text, size) == VOUCH_OK) == (count == VCH_JSON_PULL_NAMES));
    }
}

static uint64_t number(const char *text, uint64_t max, bool *good_one)
{
    vch_json_pull p;
    vch_json_pull_start(&p, vch_span_str(text));
    uint64_t v = vch_json_pull_uint(&p, max);
    *good_one = vch_json_pull_finish(&p, "x", NULL) == VOUCH_OK;
    return v;
}

static void only_plain_integers_in_range_are_numbers(void **state)
{
    (void)state;
    bool ok = false;
    CHECK(number("255", 255, &ok) == 255 && ok);
    CHECK(number("0", 255, &ok) == 0 && ok);
    CHECK(number("18446744073709551615", UINT64_MAX, &ok) == UINT64_MAX && ok);
    static const char *const refused[] = { "256",
                                           "5.0",
                                           "5e0",
                                           "-1",
                                           "00",
                                           "05",
                                           "\"5\"",
                                           "",
                                           "x",
                                           "18446744073709551616",
                                           "99999999999999999999999" };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        CHECK(number(refused[i], i == 9 ? UINT64_MAX : 255, &ok) == 0);
        CHECK(!ok);
    }
}

static void hex_and_dates_have_exactly_their_form(void **state)
{
    (void)state;
    vch_json_pull p;
    uint8_t two[2];
    vch_json_pull_start(&p, vch_span_str("[\"aB01\",\"2025-02-28T00:00:01Z\"]"));
    vch_json_pull_array(&p);
    CHECK(vch_json_pull_element(&p));
    vch_json_pull_hex(&p, two, sizeof two);
    CHECK(two[0] == 0xab && two[1] == 0x01);
    CHECK(vch_json_pull_element(&p));
    CHECK(vch_json_pull_moment(&p) == 1740700801);
    CHECK(!vch_json_pull_element(&p));
    CHECK(vch_json_pull_finish(&p, "x", NULL) == VOUCH_OK);
    static const char *const refused[] = { "\"ab0\"", "\"ab012\"", "\"ab0g\"", "\"\"", "7" };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        vch_json_pull_start(&p, vch_span_str(refused[i]));
        two[0] = 9;
        vch_json_pull_hex(&p, two, sizeof two);
        CHECK(two[0] == 0 && vch_json_pull_finish(&p, "x", NULL) == VOUCH_E_FORMAT);
    }
}

static void the_place_of_a_value_is_known_to_the_byte(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": {\"b\":1} ,\"c\":2}";
    vch_json_pull p;
    vch_json_pull_start(&p, vch_span_str(text));
    vch_json_pull_object(&p);
    vouch_span name;
    CHECK(vch_json_pull_member(&p, &name));
    CHECK(vch_json_pull_position(&p) == 6);
    vch_json_pull_skip(&p);
    CHECK(p.at == 13);
}

static void the_first_fault_is_kept_and_nothing_is_read_after_it(void **state)
{
    (void)state;
    vch_json_pull p;
    vouch_span name;
    vch_json_pull_start(&p, vch_span_str("{\"a\":1}"));
    vch_json_pull_object(&p);
    vch_json_pull_refuse(&p, "first");
    vch_json_pull_refuse(&p, "second");
    CHECK(!vch_json_pull_member(&p, &name));
    CHECK(!vch_json_pull_element(&p));
    CHECK(vch_json_pull_string(&p).size == 0);
    vouch_error err = { 0 };
    CHECK(vch_json_pull_finish(&p, "x", &err) == VOUCH_E_FORMAT);
    CHECK(strstr(err.frame[0], "first") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_object_is_read_member_by_member),
        TEST(what_is_skipped_must_be_json),
        TEST(nesting_is_bounded_at_32),
        TEST(open_members_are_bounded_at_256),
        TEST(only_plain_integers_in_range_are_numbers),
        TEST(hex_and_dates_have_exactly_their_form),
        TEST(the_place_of_a_value_is_known_to_the_byte),
        TEST(the_first_fault_is_kept_and_nothing_is_read_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
