#include "config/schema.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"

typedef struct settings {
    bool flag;
    int64_t rounds;
    double ratio;
    const char *name;
    uint8_t digest[4];
    int64_t from_unix_s;
    int mode;
    const vch_yaml_node *list;
    const vch_yaml_node *map;
} settings;

static const vch_setting table[] = {
    { .key = "flag", .type = VCH_SETTING_BOOL, .offset = offsetof(settings, flag) },
    { .key = "rounds",
      .type = VCH_SETTING_INT,
      .offset = offsetof(settings, rounds),
      .min = 1,
      .max = 10000,
      .fallback = "10",
      .help = "how often" },
    { .key = "ratio",
      .type = VCH_SETTING_REAL,
      .offset = offsetof(settings, ratio),
      .min = 0,
      .max = 1,
      .fallback = "0.5" },
    { .key = "name",
      .type = VCH_SETTING_TEXT,
      .offset = offsetof(settings, name),
      .required = true,
      .min = 1,
      .max = 8 },
    { .key = "digest", .type = VCH_SETTING_HEX, .offset = offsetof(settings, digest), .max = 4 },
    { .key = "from", .type = VCH_SETTING_MOMENT, .offset = offsetof(settings, from_unix_s) },
    { .key = "mode",
      .type = VCH_SETTING_CHOICE,
      .offset = offsetof(settings, mode),
      .choices = "key|quote|off",
      .fallback = "quote" },
    { .key = "list",
      .type = VCH_SETTING_LIST,
      .offset = offsetof(settings, list),
      .min = 1,
      .max = 2 },
    { .key = "map", .type = VCH_SETTING_MAPPING, .offset = offsetof(settings, map) },
};
#define TABLE_COUNT (sizeof table / sizeof *table)

static bool read_text(const char *text, settings *out, vch_faults *faults)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_yaml_parse("f", vch_span_str(text), NULL, &doc, &err), &err);
    bool good = vch_schema_read(vch_yaml_root(doc), "the file", table, TABLE_COUNT, out, faults);
    out->name = NULL; /* belongs to the document */
    return good;
}

static void all_types_are_read_into_their_members(void **state)
{
    (void)state;
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    settings s = { 0 };
    CHECK(read_text("{flag: yes, rounds: 7, ratio: 1, name: abc, digest: 00001234,"
                    " from: 2027-01-01, mode: off, list: [1], map: {}}",
                    &s, &faults));
    CHECK(faults.count == 0);
    CHECK(s.flag && s.rounds == 7 && s.ratio == 1.0 && s.from_unix_s == 1798761600 && s.mode == 2);
    CHECK(memcmp(s.digest, "\x00\x00\x12\x34", 4) == 0);
    CHECK(s.list != NULL && s.map != NULL);
}

static void absent_keys_take_their_defaults(void **state)
{
    (void)state;
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    settings s = { .from_unix_s = 77 };
    CHECK(read_text("name: abc", &s, &faults));
    CHECK(s.rounds == 10 && s.ratio == 0.5 && s.mode == 1);
    CHECK(s.from_unix_s == 77 && s.list == NULL);
}

static const struct {
    const char *text;
    const char *want;
} wrong[] = {
    { "name: a\nrounds: 0", "f:2:9: rounds is 0; it must be from 1 to 10000" },
    { "name: a\nrounds: 10001", "f:2:9: rounds is 10001; it must be from 1 to 10000" },
    { "name: a\nrounds: 99999999999999999999", "f:2:9: rounds is 99999999999999999999; it must" },
    { "name: a\nrounds: '7'", "f:2:9: rounds must be a whole number, not text" },
    { "name: a\nroudns: 7", "f:2:1: unknown key 'roudns' in the file (did you mean 'rounds'?)" },
    { "name: a\nzzzzzzzz: 7", "f:2:1: unknown key 'zzzzzzzz' in the file" },
    { "name: a\n7: 7", "f:2:1: unknown key '7' in the file" },
    { "name: a\nflag: 1", "f:2:7: flag must be true or false, not a whole number" },
    { "name: a\nratio: 1.5", "f:2:8: ratio is 1.5; it must be from 0 to 1" },
    { "name: a\nratio: .nan", "f:2:8: ratio is .nan; it must be from 0 to 1" },
    { "name: a\nratio: x", "f:2:8: ratio must be a number, not text" },
    { "name: 12", "f:1:7: name must be text, not a whole number" },
    { "name: ''", "f:1:7: name has 0 bytes" },
    { "name: abcdefghi", "f:1:7: name has 9 bytes" },
    { "name:", "f:1:6: name must be text, not nothing" },
    { "flag: no", "f:1:1: the file has no 'name'" },
    { "name: a\ndigest: 123", "f:2:9: digest must be exactly 8 hexadecimal digits" },
    { "name: a\ndigest: 1234567g", "f:2:9: digest must be exactly 8 hexadecimal digits" },
    { "name: a\ndigest: [1]", "f:2:9: digest must be exactly 8 hexadecimal digits" },
    { "name: a\nfrom: 2027-01-01 10:00:00", "f:2:7: from must be a date" },
    { "name: a\nmode: keys", "f:2:7: mode must be one of key|quote|off" },
    { "name: a\nmode: key|quote", "f:2:7: mode must be one of key|quote|off" },
    { "name: a\nlist: []", "f:2:7: list has 0 items" },
    { "name: a\nlist: [1, 2, 3]", "f:2:7: list has 3 items" },
    { "name: a\nlist: {}", "f:2:7: list must be a list, not a mapping" },
    { "name: a\nmap: []", "f:2:6: map must be a mapping, not a list" },
    { "- a", "f:1:1: the file must be a mapping, not a list" },
};

static void a_wrong_value_is_refused_at_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        settings s = { 0 };
        CHECK(!read_text(wrong[i].text, &s, &faults));
        CHECK(faults.errors == 1);
        if (strncmp(faults.item[0].text, wrong[i].want, strlen(wrong[i].want)) != 0)
            fail_msg("'%s' said '%s'", wrong[i].text, faults.item[0].text);
    }
}

static void every_fault_of_a_file_is_in_the_list(void **state)
{
    (void)state;
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    settings s = { 0 };
    CHECK(!read_text("rounds: 0\nroudns: 1\nflag: 3\n", &s, &faults));
    CHECK(faults.errors == 4);
}

static void faults_beyond_the_cap_are_counted(void **state)
{
    (void)state;
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    vouch_error err = { 0 };
    vch_faults_add(&faults, true, "f", 0, 0, "only a %s", "warning");
    assert_string_equal(faults.item[0].text, "f: only a warning");
    CHECK(vch_faults_check(&faults, &err) == VOUCH_OK);
    for (size_t i = 0; i < VCH_FAULT_MAX + 4; i++)
        vch_faults_add(&faults, false, "f", i + 1, 2, "fault");
    CHECK(faults.count == VCH_FAULT_MAX && faults.more == 5 && faults.errors == VCH_FAULT_MAX + 4);
    CHECK(vch_faults_check(&faults, &err) == VOUCH_E_CONFIG);
    assert_string_equal(err.frame[0], "f:1:2: fault (and 67 more)");
}

static void a_default_of_text_is_text_whatever_it_looks_like(void **state)
{
    (void)state;
    static const vch_setting word = { .key = "name",
                                      .type = VCH_SETTING_TEXT,
                                      .offset = offsetof(settings, name),
                                      .fallback = "off" };
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    settings s = { 0 };
    CHECK(vch_yaml_parse("f", vch_span_str("{}"), NULL, &doc, NULL) == VOUCH_OK);
    CHECK(vch_schema_read(vch_yaml_root(doc), "it", &word, 1, &s, &faults));
    assert_string_equal(s.name, "off");
}

static void the_table_describes_itself(void **state)
{
    (void)state;
    vch_buffer out = vch_buffer_with_cap(10000);
    vch_schema_describe(table + 1, 1, &out);
    assert_string_equal(vch_buffer_text(&out), "rounds  (1 to 10000, default 10)\n    how often\n");
    vch_buffer_drop(&out);
    vch_schema_describe(table + 3, 1, &out);
    assert_string_equal(vch_buffer_text(&out), "name  (text, required)\n    \n");
    vch_buffer_drop(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_types_are_read_into_their_members),
        TEST(absent_keys_take_their_defaults),
        TEST(a_wrong_value_is_refused_at_its_place),
        TEST(every_fault_of_a_file_is_in_the_list),
        TEST(faults_beyond_the_cap_are_counted),
        TEST(a_default_of_text_is_text_whatever_it_looks_like),
        TEST(the_table_describes_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
