#include "codec/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"

static const vch_json_limits limits = { .size = 1000, .depth = 4 };

static vch_json *parse(const char *text)
{
    vch_json *value = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_json_parse(vch_span_str(text), &limits, &value, &err), &err);
    return value;
}

static const struct {
    const char *text;
    vouch_code want;
} texts[] = {
    { "{}", VOUCH_OK },
    { "[]", VOUCH_OK },
    { " {\"a\": [1, {\"b\": \"}\\\"]\"}]} ", VOUCH_OK },
    { "[[[[]]]]", VOUCH_OK },
    { "[[[[[]]]]]", VOUCH_E_LIMIT },
    { "[[[[]]],[[[]]]]", VOUCH_OK },
    { "\"[[[[[\"", VOUCH_E_FORMAT }, /* a value alone is not what is asked for */
    { "[\"[[[[[\"]", VOUCH_OK },
    { "", VOUCH_E_FORMAT },
    { "{", VOUCH_E_FORMAT },
    { "[\"a", VOUCH_E_TRUNCATED },
    { "[\"a\\\"", VOUCH_E_TRUNCATED },
    { "{\"a\":1,\"a\":1}", VOUCH_E_FORMAT },
    { "{\"a\":1,\"\\u0061\":1}", VOUCH_E_FORMAT }, /* the same key, written otherwise */
    { "{\"a\":{\"b\":1,\"b\":1}}", VOUCH_E_FORMAT },
    { "{} {}", VOUCH_E_FORMAT },
    { "{}x", VOUCH_E_FORMAT },
    { "[1,]", VOUCH_E_FORMAT },
    { "[01]", VOUCH_E_FORMAT },
    { "[NaN]", VOUCH_E_FORMAT },
    { "['a']", VOUCH_E_FORMAT },
    { "[99999999999999999999]", VOUCH_E_FORMAT },
    { "[\"\\u0000\"]", VOUCH_E_FORMAT },
    { "[\"\xff\"]", VOUCH_E_FORMAT },
    { "[\"\n\"]", VOUCH_E_FORMAT },
    { "// c\n{}", VOUCH_E_FORMAT },
};

static void strictness_is_this_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        vch_json *value = NULL;
        vouch_error err = { 0 };
        vouch_code got = vch_json_parse(vch_span_str(texts[i].text), &limits, &value, &err);
        if (got != texts[i].want)
            fail_msg("%s: %s", texts[i].text, vouch_code_name(got));
        CHECK((got == VOUCH_OK) == (value != NULL) && (got == VOUCH_OK) == (err.depth == 0));
        vch_json_free(value);
    }
}

static void a_nul_and_a_size_above_the_limit_are_refused(void **state)
{
    (void)state;
    vch_json *value = NULL;
    CHECK(vch_json_parse((vouch_span) { (const uint8_t *)"[1]\0", 4 }, &limits, &value, NULL)
          == VOUCH_E_FORMAT);
    CHECK(vch_json_parse((vouch_span) { (const uint8_t *)"[\"\0\"]", 5 }, &limits, &value, NULL)
          == VOUCH_E_FORMAT);
    char text[1001];
    memset(text, ' ', sizeof text);
    text[0] = '[';
    text[1] = ']';
    CHECK(vch_json_parse((vouch_span) { (uint8_t *)text, 1001 }, &limits, &value, NULL)
          == VOUCH_E_LIMIT);
    CHECK(vch_json_parse((vouch_span) { (uint8_t *)text, 1000 }, &limits, &value, NULL)
          == VOUCH_OK);
    vch_json_free(value);
}

static const struct {
    const char *text;
    const char *want; /* NULL: not found or refused */
} members[] = {
    { "{\"x\":{\"a\": [1, \"}\"] } ,\"y\":2}", "{\"a\": [1, \"}\"] }" },
    { "{ \"y\" : 1 , \"x\" : \"s\\\"t\" }", "\"s\\\"t\"" },
    { "{\"x\": 12 }", "12" },
    { "{\"x\":true}", "true" },
    { "{\"y\":{\"x\":1}}", NULL },
    { "{}", NULL },
    { " { } ", NULL },
    { "{\"x\":1,\"x\":1}", NULL },
    { "{\"\\u0078\":1}", NULL },
    { "{\"x\":1,\"\\u0078\":2}", NULL },
    { "[\"x\",1]", NULL },
    { "{\"x\":}", NULL },
    { "{\"x\":1", NULL },
    { "{\"x\":1}}", NULL },
    { "{\"x\":[1}", NULL },
    { "{\"x\":\"", NULL },
    { "{x:1}", NULL },
    { "{\"x\" 1}", NULL },
    { "", NULL },
};

static void the_bytes_of_an_outer_member_are_found_exactly(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        vouch_span got = { NULL, 0 };
        vouch_error err = { 0 };
        vouch_code rc = vch_json_member_span(vch_span_str(members[i].text), "x", &got, &err);
        if ((rc == VOUCH_OK) != (members[i].want != NULL))
            fail_msg("%s: %s", members[i].text, vouch_code_name(rc));
        if (rc == VOUCH_OK)
            CHECK(vch_span_is(got, members[i].want));
        else
            CHECK(got.data == NULL && err.depth == 1);
    }
}

static void an_absent_member_is_not_found(void **state)
{
    (void)state;
    vouch_span got = { NULL, 0 };
    CHECK(vch_json_member_span(vch_span_str("{ }"), "x", &got, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(vch_json_member_span(vch_span_str("{\"y\":1}"), "x", &got, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(vch_json_member_span(vch_span_str("[]"), "x", &got, NULL) == VOUCH_E_FORMAT);
}

static void members_are_given_in_their_type_and_range_only(void **state)
{
    (void)state;
    VCH_SCOPED(vch_json_drop)
    vch_json *o =
        parse("{\"s\":\"t\",\"n\":17,\"m\":-1,\"r\":1.5,\"b\":true,\"z\":null,\"o\":{},\"a\":[1,"
              "2],\"h\":\"00fF\",\"t\":\"2026-03-01T00:00:00Z\"}");
    vouch_error err = { 0 };
    const char *text = NULL;
    uint64_t number = 0;
    bool flag = false;
    const vch_json *child = NULL;
    uint8_t bytes[2] = { 7, 7 };
    int64_t moment = 0;
    CHECK(vch_json_get_string(o, "s", &text, NULL) == VOUCH_OK && strcmp(text, "t") == 0);
    CHECK(vch_json_get_string(o, "n", &text, &err) == VOUCH_E_FORMAT);
    assert_string_equal(err.frame[0], "'n' is not a string");
    CHECK(vch_json_get_string(o, "none", &text, &err) == VOUCH_E_FORMAT);
    assert_string_equal(err.frame[0], "'none' is missing");
    CHECK(vch_json_get_uint(o, "n", 17, &number, NULL) == VOUCH_OK && number == 17);
    CHECK(vch_json_get_uint(o, "n", 16, &number, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_json_get_uint(o, "m", 16, &number, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_json_get_uint(o, "r", 16, &number, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_json_get_bool(o, "b", &flag, NULL) == VOUCH_OK && flag);
    CHECK(vch_json_get_bool(o, "z", &flag, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_json_get_object(o, "o", &child, NULL) == VOUCH_OK);
    CHECK(vch_json_get_object(o, "a", &child, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_json_get_array(o, "a", &child, NULL) == VOUCH_OK && vch_json_count(child) == 2);
    int64_t item = 0;
    CHECK(vch_json_to_int(vch_json_at(child, 1), &item) && item == 2);
    CHECK(vch_json_at(child, 2) == NULL);
    CHECK(vch_json_get_array(o, "o", &child, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_json_get_hex(o, "h", bytes, 2, NULL) == VOUCH_OK && bytes[1] == 0xff);
    CHECK(vch_json_get_hex(o, "h", bytes, 1, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_json_get_hex(o, "s", bytes, 1, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_json_get_moment(o, "t", &moment, NULL) == VOUCH_OK && moment == 1772323200);
    CHECK(vch_json_get_moment(o, "s", &moment, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_json_kind_of(vch_json_member(o, "z")) == VCH_JSON_NULL);
    CHECK(vch_json_kind_of(vch_json_member(o, "r")) == VCH_JSON_REAL);
    CHECK(vch_json_count(o) == 10 && vch_json_count(vch_json_member(o, "s")) == 0);
}

static vouch_code collect(void *context, const char *name, const vch_json *value, vouch_error *err)
{
    (void)value;
    strcat(context, name);
    return strcmp(name, "stop") == 0 ? vouch_fail(err, VOUCH_E_REFUSED, "stop") : VOUCH_OK;
}

static void members_come_in_the_order_of_the_text(void **state)
{
    (void)state;
    VCH_SCOPED(vch_json_drop) vch_json *o = parse("{\"z\":1,\"a\":2,\"stop\":3,\"b\":4}");
    char names[32] = "";
    CHECK(vch_json_each(o, collect, names, NULL) == VOUCH_E_REFUSED);
    assert_string_equal(names, "zastop");
}

static void unlisted_members_are_refused(void **state)
{
    (void)state;
    static const char *const some[] = { "a", "b", NULL };
    VCH_SCOPED(vch_json_drop) vch_json *good = parse("{\"b\":1}");
    VCH_SCOPED(vch_json_drop) vch_json *bad = parse("{\"b\":1,\"c\":1}");
    vouch_error err = { 0 };
    CHECK(vch_json_only(good, some, &err) == VOUCH_OK);
    CHECK(vch_json_only(bad, some, &err) == VOUCH_E_FORMAT);
    assert_string_equal(err.frame[0], "unknown member 'c'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(strictness_is_this_table),
        TEST(a_nul_and_a_size_above_the_limit_are_refused),
        TEST(the_bytes_of_an_outer_member_are_found_exactly),
        TEST(an_absent_member_is_not_found),
        TEST(members_are_given_in_their_type_and_range_only),
        TEST(members_come_in_the_order_of_the_text),
        TEST(unlisted_members_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
