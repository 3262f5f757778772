#include "config/options.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

typedef struct values {
    bool json;
    const char *policy;
    vch_texts roots;
    int64_t rounds;
    int64_t at;
    const char *format;
} values;

static const vch_option options[] = {
    { .name = "json", .kind = VCH_OPTION_FLAG, .offset = offsetof(values, json), .help = "json" },
    { .name = "policy",
      .letter = 'p',
      .kind = VCH_OPTION_TEXT,
      .offset = offsetof(values, policy),
      .argument = "FILE",
      .environment = "POLICY",
      .help = "the policy" },
    { .name = "root",
      .kind = VCH_OPTION_TEXTS,
      .offset = offsetof(values, roots),
      .argument = "PEM",
      .help = "a root" },
    { .name = "rounds",
      .kind = VCH_OPTION_INTEGER,
      .offset = offsetof(values, rounds),
      .argument = "N",
      .fallback = "10",
      .min = 1,
      .max = 100,
      .help = "rounds" },
    { .name = "at",
      .kind = VCH_OPTION_MOMENT,
      .offset = offsetof(values, at),
      .argument = "TIME",
      .help = "the moment" },
    { .name = "format",
      .kind = VCH_OPTION_CHOICE,
      .offset = offsetof(values, format),
      .argument = "F",
      .choices = "text|json",
      .fallback = "text",
      .help = "form" },
};

static const vch_usage usage = { .command = "vouch test",
                                 .operands = "FILE",
                                 .summary = "Test.",
                                 .options = options,
                                 .option_count = sizeof options / sizeof *options,
                                 .operands_min = 1,
                                 .operands_max = 2 };

static const char *environment(void *context, const char *name)
{
    return strcmp(name, "POLICY") == 0 ? context : NULL;
}

/* Parse a line of words separated by single blanks; `line` is cut up. */
static vouch_code parse(char *line, const char *policy_variable, values *v, vch_operands *operands,
                        vouch_error *err)
{
    static char *argv[16];
    int argc = 0;
    for (char *word = line; word != NULL && *word != '\0' && argc < 16;) {
        argv[argc++] = word;
        word = strchr(word, ' ');
        if (word != NULL)
            *word++ = '\0';
    }
    *v = (values) { 0 };
    return vch_options_parse(&usage, argc, argv, environment, (void *)(uintptr_t)policy_variable, v,
                             operands, err);
}

static void options_and_operands_mix_in_any_order(void **state)
{
    (void)state;
    char line[] = "one --json -p a.yaml --root=x --root y two --rounds 7 --at 1970-01-01T00:01:00Z";
    values v;
    vch_operands operands;
    vouch_error err = { 0 };
    CHECK_OK(parse(line, NULL, &v, &operands, &err), &err);
    CHECK(v.json && v.rounds == 7 && v.at == 60 && v.roots.count == 2);
    assert_string_equal(v.policy, "a.yaml");
    assert_string_equal(v.roots.item[1], "y");
    assert_string_equal(v.format, "text");
    CHECK(operands.count == 2);
    assert_string_equal(operands.item[1], "two");
}

static void the_option_wins_over_the_environment_which_wins_over_the_default(void **state)
{
    (void)state;
    values v;
    vch_operands operands;
    char given[] = "f --policy mine";
    CHECK(parse(given, "theirs", &v, &operands, NULL) == VOUCH_OK);
    assert_string_equal(v.policy, "mine");
    char absent[] = "f";
    CHECK(parse(absent, "theirs", &v, &operands, NULL) == VOUCH_OK);
    assert_string_equal(v.policy, "theirs");
    CHECK(v.rounds == 10);
}

static void a_required_option_that_is_missing_is_named_with_where_it_may_come_from(void **state)
{
    (void)state;
    static const vch_option needed[] = {
        { .name = "policy",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(values, policy),
          .argument = "FILE",
          .required = true,
          .environment = "POLICY" },
        { .name = "format",
          .kind = VCH_OPTION_TEXT,
          .offset = offsetof(values, format),
          .argument = "NAME",
          .required = true },
    };
    const vch_usage strict = { .command = "vouch test", .options = needed, .option_count = 2 };
    values v = { 0 };
    vch_operands operands;
    vouch_error err = { 0 };
    char *none[] = { NULL };
    CHECK(vch_options_parse(&strict, 0, none, NULL, NULL, &v, &operands, &err) == VOUCH_E_CONFIG);
    assert_string_equal(err.frame[0], "--policy FILE is missing; it may come from the environment "
                                      "as POLICY (see vouch test --help)");
    char option[] = "--policy";
    char file[] = "x";
    char *policy[] = { option, file, NULL };
    err = (vouch_error) { 0 };
    CHECK(vch_options_parse(&strict, 2, policy, NULL, NULL, &v, &operands, &err) == VOUCH_E_CONFIG);
    assert_string_equal(err.frame[0], "--format NAME is missing (see vouch test --help)");
}

static void wrong_words_are_refused_with_their_name_and_a_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *message;
    } wrong[] = {
        { "f --polcy x", "unknown option --polcy (did you mean --policy?)" },
        { "f --zzzzz", "unknown option --zzzzz (see vouch test --help)" },
        { "f -x", "unknown option -x (see vouch test --help)" },
        { "f --policy", "--policy needs a value: FILE" },
        { "f --json=1", "--json takes no value" },
        { "f --rounds 0", "--rounds is '0'; it must be a whole number from 1 to 100" },
        { "f --rounds 7x", "--rounds is '7x'; it must be a whole number from 1 to 100" },
        { "f --format xml", "--format is 'xml'; it must be one of text|json" },
        { "f --at noon", "--at is 'noon'; it must be like 2026-03-01T00:00:00Z, or Unix seconds" },
        { "", "FILE is missing (see vouch test --help)" },
        { "a b c", "unexpected 'c' (see vouch test --help)" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char line[64];
        values v;
        vch_operands operands;
        vouch_error err = { 0 };
        (void)snprintf(line, sizeof line, "%s", wrong[i].line);
        CHECK(parse(line, NULL, &v, &operands, &err) == VOUCH_E_CONFIG);
        assert_string_equal(err.frame[0], wrong[i].message);
    }
}

static void help_is_made_from_the_same_table(void **state)
{
    (void)state;
    vch_buffer out = vch_buffer_with_cap(4096);
    vch_options_help(&usage, &out);
    const char *text = vch_buffer_text(&out);
    CHECK(strstr(text, "-p, --policy FILE") != NULL);
    CHECK(strstr(text, "[environment: POLICY]") != NULL);
    CHECK(strstr(text, "(default 10)") != NULL);
    vch_buffer_drop(&out);
    char line[] = "--nonsense --help";
    values v;
    vch_operands operands = { 0 };
    CHECK(parse(line, NULL, &v, &operands, NULL) == VOUCH_OK && operands.help);
}

static void after_two_dashes_everything_is_an_operand(void **state)
{
    (void)state;
    char line[] = "-- --json -p";
    values v;
    vch_operands operands;
    CHECK(parse(line, NULL, &v, &operands, NULL) == VOUCH_OK);
    CHECK(operands.count == 2 && !v.json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(options_and_operands_mix_in_any_order),
        TEST(the_option_wins_over_the_environment_which_wins_over_the_default),
        TEST(a_required_option_that_is_missing_is_named_with_where_it_may_come_from),
        TEST(wrong_words_are_refused_with_their_name_and_a_remedy),
        TEST(help_is_made_from_the_same_table),
        TEST(after_two_dashes_everything_is_an_operand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
