#include "config/yaml.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "check.h"

static vch_yaml *parse(const char *text)
{
    vch_yaml *doc = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_yaml_parse("f.yaml", vch_span_str(text), NULL, &doc, &err), &err);
    return doc;
}

static void every_value_knows_its_place(void **state)
{
    (void)state;
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = parse("a: 1\nb:\n  - c\n  - {d: e}\n");
    const vch_yaml_node *b = vch_yaml_get(vch_yaml_root(doc), "b");
    const vch_yaml_node *e = vch_yaml_get(vch_yaml_at(b, 1), "d");
    vch_yaml_place at = vch_yaml_place_of(e);
    assert_string_equal(at.file, "f.yaml");
    CHECK(at.line == 4 && at.column == 9);
    assert_string_equal(vch_yaml_string(e), "e");
    CHECK(vch_yaml_place_of(vch_yaml_key_at(vch_yaml_root(doc), 1)).line == 2);
}

static void numbers_are_given_only_where_they_fit(void **state)
{
    (void)state;
    VCH_SCOPED(vch_yaml_drop)
    vch_yaml *doc =
        parse("[9223372036854775807, -9223372036854775808, 9223372036854775808, 0012, '5', 1.5]");
    const vch_yaml_node *list = vch_yaml_root(doc);
    int64_t v = 77;
    CHECK(vch_yaml_to_int(vch_yaml_at(list, 0), &v) && v == INT64_MAX);
    CHECK(vch_yaml_to_int(vch_yaml_at(list, 1), &v) && v == INT64_MIN);
    CHECK(!vch_yaml_to_int(vch_yaml_at(list, 2), &v) && v == INT64_MIN);
    CHECK(vch_yaml_to_int(vch_yaml_at(list, 3), &v) && v == 10);
    assert_string_equal(vch_yaml_written(vch_yaml_at(list, 3)), "0012");
    CHECK(!vch_yaml_to_int(vch_yaml_at(list, 4), &v));
    CHECK(!vch_yaml_to_int(vch_yaml_at(list, 5), &v));
    double real = 0;
    CHECK(vch_yaml_to_real(vch_yaml_at(list, 3), &real) && real == 10.0);
    CHECK(vch_yaml_to_real(vch_yaml_at(list, 5), &real) && real == 1.5);
    CHECK(!vch_yaml_to_real(vch_yaml_at(list, 4), &real));
    CHECK(vch_yaml_at(list, 6) == NULL);
}

static void a_moment_without_a_zone_is_none(void **state)
{
    (void)state;
    VCH_SCOPED(vch_yaml_drop)
    vch_yaml *doc =
        parse("[2027-01-01, 2026-12-01T09:00:00Z, 2026-12-01 10:00:00 +1, 2026-12-01 09:00:00]");
    const vch_yaml_node *list = vch_yaml_root(doc);
    int64_t a = 0;
    int64_t b = 0;
    CHECK(vch_yaml_to_moment(vch_yaml_at(list, 0), &a) && a == 1798761600);
    CHECK(vch_yaml_to_moment(vch_yaml_at(list, 1), &a) && a == 1796115600);
    CHECK(vch_yaml_to_moment(vch_yaml_at(list, 2), &b) && b == a);
    CHECK(!vch_yaml_to_moment(vch_yaml_at(list, 3), &b));
}

static const struct {
    const char *text;
    const char *want; /* the place and the beginning of the complaint */
} refused[] = {
    { "a: 1\na: 2\n", "f.yaml:2:1: key 'a' is there twice; first on line 1" },
    { "1: a\n0x1: b\n", "f.yaml:2:1: key '1' is there twice" },
    { "a: &x 1\n", "f.yaml:1:4: anchors" },
    { "a: &x [1]\n", "f.yaml:1:4: anchors" },
    { "a: &x {b: 1}\n", "f.yaml:1:4: anchors" },
    { "a: *x\n", "f.yaml:1:4: aliases" },
    { "a: !!str 1\n", "f.yaml:1:4: tags" },
    { "a: !x [1]\n", "f.yaml:1:4: tags" },
    { "a: !x {b: 1}\n", "f.yaml:1:4: tags" },
    { "%TAG !e! tag:e,2000:\n---\na: 1\n", "f.yaml:1:1: tags" },
    { "<<: {a: 1}\n", "f.yaml:1:1: '<<'" },
    { "a: =\n", "f.yaml:1:4: '<<' and '='" },
    { "a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document" },
    { "a: \"x\\0y\"\n", "f.yaml:1:4: text contains a NUL" },
    { "yes: 1\n", "f.yaml:1:1: a key must be" },
    { "~: 1\n", "f.yaml:1:1: a key must be" },
    { "[a]: 1\n", "f.yaml:1:1: a key must be" },
    { "a: [1\n", "f.yaml:2:1: did not find" },
    { "a: 2024-02-30\n", "f.yaml:1:4: there is no such date" },
    { "a: 2024-02-03 10:00:00 +24\n", "f.yaml:1:4: there is no such date" },
    { "a: 0x_\n", "f.yaml:1:4: the number has no digits" },
    { "a: \xff\n", "f.yaml:" },
};

static void what_is_not_plain_yaml_is_refused_at_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        vch_yaml *doc = NULL;
        vouch_error err = { 0 };
        CHECK(vch_yaml_parse("f.yaml", vch_span_str(refused[i].text), NULL, &doc, &err)
              == VOUCH_E_CONFIG);
        CHECK(doc == NULL);
        if (strncmp(err.frame[0], refused[i].want, strlen(refused[i].want)) != 0)
            fail_msg("'%s' said '%s'", refused[i].text, err.frame[0]);
    }
}

static void all_faults_are_reported_in_one_run(void **state)
{
    (void)state;
    vch_faults faults = { 0 };
    vch_yaml *doc = NULL;
    vouch_error err = { 0 };
    CHECK(vch_yaml_parse("f", vch_span_str("a: 1\na: !x 2\nb: &y 3\n"), &faults, &doc, &err)
          == VOUCH_E_CONFIG);
    CHECK(faults.errors == 3 && faults.count == 3);
    assert_string_equal(err.frame[0], "f:2:4: tags are not supported (and 2 more)");
    vch_faults_done(&faults);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char text[2 * VCH_YAML_MAX_DEPTH + 3] = { 0 };
    vch_yaml *doc = NULL;
    for (size_t depth = VCH_YAML_MAX_DEPTH; depth <= VCH_YAML_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        vouch_code want = depth > VCH_YAML_MAX_DEPTH ? VOUCH_E_CONFIG : VOUCH_OK;
        CHECK(vch_yaml_parse("f", (vouch_span) { (uint8_t *)text, 2 * depth }, NULL, &doc, NULL)
              == want);
        vch_yaml_free(doc);
        doc = NULL;
    }
}

static void size_and_number_of_values_are_bounded(void **state)
{
    (void)state;
    vch_yaml *doc = NULL;
    size_t size = VCH_YAML_MAX_SIZE;
    char *text = malloc(size + 1);
    memset(text, ' ', size + 1);
    CHECK(vch_yaml_parse("f", (vouch_span) { (uint8_t *)text, size }, NULL, &doc, NULL)
          == VOUCH_OK);
    vch_yaml_free(doc);
    doc = NULL;
    CHECK(vch_yaml_parse("f", (vouch_span) { (uint8_t *)text, size + 1 }, NULL, &doc, NULL)
          == VOUCH_E_LIMIT);
    for (size_t i = 0; i < size; i++)
        text[i] = i % 2 == 1 ? '1' : ',';
    text[0] = '[';
    text[size - 1] = ']';
    vouch_error err = { 0 };
    CHECK(vch_yaml_parse("f", (vouch_span) { (uint8_t *)text, size }, NULL, &doc, &err)
          == VOUCH_E_CONFIG);
    CHECK(strstr(err.frame[0], "too many values") != NULL);
    CHECK(doc == NULL);
    free(text);
}

static void a_number_of_more_than_256_characters_is_refused(void **state)
{
    (void)state;
    char text[264];
    for (size_t digits = 256; digits <= 257; digits++) {
        for (int real = 0; real < 2; real++) {
            vch_yaml *doc = NULL;
            memset(text, '7', sizeof text);
            if (real == 1)
                text[1] = '.';
            vouch_code rc =
                vch_yaml_parse("f", (vouch_span) { (uint8_t *)text, digits }, NULL, &doc, NULL);
            CHECK(rc == (digits == 256 ? VOUCH_OK : VOUCH_E_CONFIG));
            vch_yaml_free(doc);
        }
    }
}

static void what_is_almost_a_moment_is_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "2024-01-01 00:00:00 x5",   "2024-01-01 00:00",   "2024-1-1", "2024-01-01T", "24-01-01",
        "2024-01-01 00:00:00 +1:5", "2024-01-01x00:00:00"
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = parse(texts[i]);
        CHECK(vch_yaml_kind_of(vch_yaml_root(doc)) == VCH_YAML_STRING);
    }
}

static void an_empty_text_is_a_null(void **state)
{
    (void)state;
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = parse("");
    CHECK(vch_yaml_kind_of(vch_yaml_root(doc)) == VCH_YAML_NULL);
    CHECK(vch_yaml_get(vch_yaml_root(doc), "a") == NULL);
    CHECK(vch_yaml_count(NULL) == 0);
    CHECK(vch_yaml_string(NULL) == NULL);
}

static void a_text_cut_short_anywhere_is_read_or_refused_but_never_half_given(void **state)
{
    (void)state;
    const char *text = "a: [1, {b: 'c', d: \"e\\x41\"}]\nf: |\n  g\n";
    for (size_t size = 0; size < strlen(text); size++) {
        vch_yaml *doc = NULL;
        vouch_error err = { 0 };
        vouch_code rc =
            vch_yaml_parse("f", (vouch_span) { (const uint8_t *)text, size }, NULL, &doc, &err);
        CHECK((rc == VOUCH_OK) == (doc != NULL));
        CHECK((rc == VOUCH_OK) == (err.depth == 0));
        vch_yaml_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_value_knows_its_place),
        TEST(numbers_are_given_only_where_they_fit),
        TEST(a_moment_without_a_zone_is_none),
        TEST(what_is_not_plain_yaml_is_refused_at_its_place),
        TEST(all_faults_are_reported_in_one_run),
        TEST(nesting_is_bounded),
        TEST(size_and_number_of_values_are_bounded),
        TEST(a_number_of_more_than_256_characters_is_refused),
        TEST(what_is_almost_a_moment_is_text),
        TEST(an_empty_text_is_a_null),
        TEST(a_text_cut_short_anywhere_is_read_or_refused_but_never_half_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
