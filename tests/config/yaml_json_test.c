#include "config/yaml_json.h"

#include <string.h>

#include "base/bytes.h"

#include "check.h"

static const struct {
    const char *yaml, *json;
} same[] = {
    { "{a: 1, b: [x, 2.5, true, ~]}", "{\"a\":1,\"b\":[\"x\",2.5,true,null]}" },
    { "123456789012345678901234567890", "123456789012345678901234567890" },
    { "when: 2026-03-01T10:00:00Z", "{\"when\":\"2026-03-01T10:00:00Z\"}" },
    { "{1: one}", "{\"1\":\"one\"}" },
    { "[[], {}, [[{}]]]", "[[],{},[[{}]]]" },
    { "'a \"quoted\" text'", "\"a \\\"quoted\\\" text\"" },
    { "[.inf, .nan]", "[null,null]" },
    { "", "null" },
};

static void a_value_is_the_same_in_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        vouch_error err = { 0 };
        VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
        VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(1024);
        vch_json_writer w = vch_json_writer_over(&out, false);
        CHECK_OK(vch_yaml_parse("x", vch_span_str(same[i].yaml), NULL, &doc, &err), &err);
        vch_yaml_to_json(vch_yaml_root(doc), &w);
        CHECK_OK(vch_buffer_finish(&out, "json", &err), &err);
        if (strcmp(vch_buffer_text(&out), same[i].json) != 0)
            fail_msg("%s: %s", same[i].yaml, vch_buffer_text(&out));
    }
}

static void what_is_too_deep_for_json_fails_the_buffer(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(1024);
    vch_json_writer w = vch_json_writer_over(&out, false);
    char text[2 * VCH_YAML_MAX_DEPTH + 1] = { 0 };
    memset(text, '[', VCH_YAML_MAX_DEPTH);
    memset(text + VCH_YAML_MAX_DEPTH, ']', VCH_YAML_MAX_DEPTH);
    CHECK_OK(vch_yaml_parse("x", vch_span_str(text), NULL, &doc, &err), &err);
    vch_json_begin_array(&w); /* one level more than the writer has */
    vch_yaml_to_json(vch_yaml_root(doc), &w);
    CHECK(vch_buffer_finish(&out, "json", &err) != VOUCH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_is_the_same_in_json),
        TEST(what_is_too_deep_for_json_fails_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
