#include "config/yaml_dump.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "codec/json.h"
#include "vectors.h"

/* The dump of a text, or NULL if it is refused. Free it. */
static char *dump_of(const char *text)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    if (vch_yaml_parse("f", vch_span_str(text), NULL, &doc, NULL) != VOUCH_OK)
        return NULL;
    vch_buffer out = vch_buffer_with_cap((size_t)1 << 20);
    vouch_error err = { 0 };
    CHECK_OK(vch_yaml_dump(vch_yaml_root(doc), &out, &err), &err);
    char *copy = strdup(vch_buffer_text(&out));
    vch_buffer_drop(&out);
    return copy;
}

static void check_dump(const char *text, const char *want)
{
    VCH_SCOPED(vch_free_drop) char *got = dump_of(text);
    if (got == NULL)
        fail_msg("refused: %s", text);
    assert_string_equal(got, want);
}

static const struct {
    const char *text;
    const char *want;
} traps[] = {
    { "a: 1e-05", "a: 1e-05\n" }, /* text to YAML 1.1 ... */
    { "a: 1.0e-05", "a: 1.0e-05\n" },
    { "a: 0.00001", "a: 1.0e-05\n" }, /* ... but so a float is written */
    { "a: '0x10'", "a: '0x10'\n" },
    { "a: '010'", "a: '010'\n" },
    { "a: '12:30'", "a: '12:30'\n" },
    { "a: '2024-01-01'", "a: '2024-01-01'\n" },
    { "a: '1_000'", "a: '1_000'\n" },
    { "a: 'yes'", "a: 'yes'\n" },
    { "a: 'no'", "a: 'no'\n" },
    { "a: 'on'", "a: 'on'\n" },
    { "a: 'off'", "a: 'off'\n" },
    { "a: '~'", "a: '~'\n" },
    { "a: '='", "a: '='\n" },
    { "a: '<<'", "a: '<<'\n" },
    { "a: '?'", "a: '?'\n" },
    { "a: '-'", "a: '-'\n" },
    { "a: ' b'", "a: ' b'\n" },
    { "a: 'b '", "a: 'b '\n" },
    { "a: '1e3'", "a: 1e3\n" },
    { "a: '0o7'", "a: 0o7\n" },
    { "a: 'N'", "a: N\n" },
    { "a: 'a:b'", "a: a:b\n" },
    { "a: 'a,b'", "a: a,b\n" },
    { "a: 'x]'", "a: x]\n" },
    { "a: \"\\xe9\"", "a: \"\\xE9\"\n" },
    { "a: \"x\\ty\"", "a: \"x\\ty\"\n" },
    { "- [b]", "- - b\n" },
    { "b: {}\na: []", "a: []\nb: {}\n" },
    { "a:", "a: null\n" },
    { "a: yes", "a: true\n" },
    { "a: 010", "a: 8\n" },
    { "a: 0x1F", "a: 31\n" },
    { "a: 1:30", "a: 90\n" },
    { "a: 123456789012345678901234567890", "a: 123456789012345678901234567890\n" },
    { "a: 2026-12-01T09:00:00Z", "a: 2026-12-01 09:00:00+00:00\n" },
    { "x", "x\n...\n" },
    { "'x: '", "'x: '\n" },
};

static void the_traps_of_the_specification_come_out_as_pyyaml_writes_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof traps / sizeof *traps; i++)
        check_dump(traps[i].text, traps[i].want);
}

static vch_json *load_rows(const char *name)
{
    vouch_span text = vector_file(name);
    vch_json_limits limits = { .size = (size_t)4 << 20, .depth = 2 };
    vouch_error err = { 0 };
    vch_json *rows = NULL;
    CHECK_OK(vch_json_parse(text, &limits, &rows, &err), &err);
    void *data = NULL;
    memcpy(&data, &text.data, sizeof data);
    free(data);
    return rows;
}

static void what_pyyaml_dumped_is_dumped_byte_for_byte(void **state)
{
    (void)state;
    VCH_SCOPED(vch_json_drop) vch_json *rows = load_rows("yaml/dump.json");
    CHECK(vch_json_count(rows) == 700);
    for (size_t i = 0; i < vch_json_count(rows); i++) {
        const vch_json *row = vch_json_at(rows, i);
        check_dump(vch_json_text(vch_json_at(row, 0)), vch_json_text(vch_json_at(row, 1)));
    }
}

static void a_plain_scalar_means_what_it_means_to_pyyaml(void **state)
{
    (void)state;
    VCH_SCOPED(vch_json_drop) vch_json *rows = load_rows("yaml/scalars.json");
    CHECK(vch_json_count(rows) > 2000);
    for (size_t i = 0; i < vch_json_count(rows); i++) {
        const vch_json *row = vch_json_at(rows, i);
        const char *want = vch_json_text(vch_json_at(row, 1));
        char text[256];
        (void)snprintf(text, sizeof text, "a: %s\n", vch_json_text(vch_json_at(row, 0)));
        VCH_SCOPED(vch_free_drop) char *got = dump_of(text);
        if ((got == NULL) != (want == NULL))
            fail_msg("%s %s", got == NULL ? "refused:" : "accepted:", text);
        if (got != NULL)
            assert_string_equal(got, want);
    }
}

static void a_tree_put_together_is_dumped_like_one_that_was_read(void **state)
{
    (void)state;
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_yaml_new("made", &doc, &err), &err);
    vch_yaml_node *map = vch_yaml_make_mapping(doc);
    vch_yaml_node *list = vch_yaml_make_sequence(doc);
    CHECK_OK(vch_yaml_append(doc, list, vch_yaml_make_real(doc, 0.5), &err), &err);
    CHECK_OK(vch_yaml_append(doc, list, vch_yaml_make_null(doc), &err), &err);
    CHECK_OK(vch_yaml_put(doc, map, "list", list, &err), &err);
    CHECK_OK(vch_yaml_put(doc, map, "gone", vch_yaml_make_bool(doc, true), &err), &err);
    CHECK_OK(vch_yaml_put(doc, map, "kept", vch_yaml_make_int(doc, -7), &err), &err);
    CHECK_OK(vch_yaml_put(doc, map, "kept", vch_yaml_make_string(doc, "7"), &err), &err);
    vch_yaml_node *copy = vch_yaml_copy_mapping(doc, map);
    vch_yaml_remove(map, "gone");
    vch_yaml_remove(map, "never there");
    vch_buffer out = vch_buffer_with_cap(1000);
    CHECK_OK(vch_yaml_dump(map, &out, &err), &err);
    assert_string_equal(vch_buffer_text(&out), "kept: '7'\nlist:\n- 0.5\n- null\n");
    CHECK(vch_yaml_count(copy) == 3);
    vch_buffer_drop(&out);
}

static void a_dump_stays_under_the_cap_of_its_buffer_and_its_depth(void **state)
{
    (void)state;
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    CHECK(vch_yaml_new("made", &doc, NULL) == VOUCH_OK);
    vch_yaml_node *list = vch_yaml_make_sequence(doc);
    CHECK(vch_yaml_append(doc, list, list, NULL) == VOUCH_OK); /* holds itself */
    vch_buffer out = vch_buffer_with_cap(100000);
    CHECK(vch_yaml_dump(list, &out, NULL) == VOUCH_E_LIMIT);
    vch_buffer_drop(&out);
    out = vch_buffer_with_cap(3);
    CHECK(vch_yaml_dump(vch_yaml_make_string(doc, "abcdef"), &out, NULL) == VOUCH_E_LIMIT);
    vch_buffer_drop(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_traps_of_the_specification_come_out_as_pyyaml_writes_them),
        TEST(what_pyyaml_dumped_is_dumped_byte_for_byte),
        TEST(a_plain_scalar_means_what_it_means_to_pyyaml),
        TEST(a_tree_put_together_is_dumped_like_one_that_was_read),
        TEST(a_dump_stays_under_the_cap_of_its_buffer_and_its_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
