#include "fed/workspace/participant.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"

static void a_name_is_lower_cased_and_fits_a_file_name(void **state)
{
    (void)state;
    static const struct {
        const char *given, *want;
    } cases[] = {
        { "Col1", "col1" },   { "agg.Example.org", "agg.example.org" },
        { "a_b-c", "a_b-c" }, { "::1", "::1" },
        { "", NULL },         { ".hidden", NULL },
        { "-n", NULL },       { "a/b", NULL },
        { "a b", NULL },      { "a\n", NULL },
        { "\xC3\xA9", NULL }, { "a,b", NULL },
        { "../x", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[VCH_PARTICIPANT_NAME_MAX + 1] = "untouched";
        vouch_code rc = vch_participant_name(cases[i].given, out, NULL);
        CHECK(rc == (cases[i].want == NULL ? VOUCH_E_CONFIG : VOUCH_OK));
        assert_string_equal(out, cases[i].want == NULL ? "untouched" : cases[i].want);
    }
    char longest[VCH_PARTICIPANT_NAME_MAX + 2];
    char out[VCH_PARTICIPANT_NAME_MAX + 1];
    memset(longest, 'a', sizeof longest);
    longest[VCH_PARTICIPANT_NAME_MAX + 1] = '\0';
    CHECK(vch_participant_name(longest, out, NULL) == VOUCH_E_CONFIG);
    longest[VCH_PARTICIPANT_NAME_MAX] = '\0';
    CHECK(vch_participant_name(longest, out, NULL) == VOUCH_OK);
}

static void a_collaborator_is_listed_once_and_last(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "collaborators:\n- one\n" },
        { "# a comment\ncollaborators:\n", "collaborators:\n- one\n" },
        { "collaborators: []\n", "collaborators:\n- one\n" },
        { "collaborators: [two, '3']\n", "collaborators:\n- two\n- '3'\n- one\n" },
        { "collaborators: [one, two]\n", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        bool added = true;
        vch_buffer out = vch_buffer_with_cap(1024);
        CHECK_OK(vch_cols_add("cols.yaml", vch_span_str(cases[i].text), "one", &out, &added, &err),
                 &err);
        CHECK(added == (cases[i].want != NULL));
        if (added)
            assert_string_equal(vch_buffer_text(&out), cases[i].want);
        vch_buffer_drop(&out);
    }
}

static void what_is_no_cols_yaml_is_not_replaced(void **state)
{
    (void)state;
    static const char *const texts[] = { "- one\n", "collaborators: one\n", "collaborators: [\n" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bool added = false;
        vch_buffer out = vch_buffer_with_cap(1024);
        CHECK(vch_cols_add("cols.yaml", vch_span_str(texts[i]), "one", &out, &added, NULL)
              == VOUCH_E_CONFIG);
        CHECK(!added && out.size == 0);
        vch_buffer_drop(&out);
    }
}

static void a_data_path_is_added_or_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "one,new\n" },
        { "# c\ntwo,2", "# c\ntwo,2\none,new\n" },
        { "one,old\ntwo,2\n", "one,new\ntwo,2\n" },
        { "one,old\none,older\nones,3\n", "one,new\nones,3\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_buffer out = vch_buffer_with_cap(1024);
        CHECK(vch_data_put(vch_span_str(cases[i].text), "one", "new", &out, NULL) == VOUCH_OK);
        assert_string_equal(vch_buffer_text(&out), cases[i].want);
        vch_buffer_drop(&out);
    }
    vch_buffer out = vch_buffer_with_cap(1024);
    CHECK(vch_data_put((vouch_span) { 0 }, "one", "a\ntwo,b", &out, NULL) == VOUCH_E_CONFIG);
    CHECK(vch_data_put((vouch_span) { 0 }, "one", "", &out, NULL) == VOUCH_E_CONFIG);
    vch_buffer_drop(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_lower_cased_and_fits_a_file_name),
        TEST(a_collaborator_is_listed_once_and_last),
        TEST(what_is_no_cols_yaml_is_not_replaced),
        TEST(a_data_path_is_added_or_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
