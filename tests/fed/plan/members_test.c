#include "check.h"
#include "fed/plan/plan_text.h"

static void names_in_cols_yaml_must_be_names(void **state)
{
    (void)state;
    static const struct {
        const char *cols, *says;
    } cases[] = {
        { "collaborators: [a, a]\n", "listed twice" },
        { "collaborators: [a, 12]\n", "must be text" },
        { "collaborators: ['']\n", "1 to 256" },
        { "collaborators: a\n", "list" },
        { "colaborators: [a]\n", "unknown key" },
        { "- a\n- b\n", "a list of names" },
        { "a\n", "a list of names" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        CHECK(parse_plan(vch_span_str(good_plan), cases[i].cols, &faults, &p, &err)
              == VOUCH_E_CONFIG);
        CHECK(strstr(faults.item[0].text, cases[i].says) != NULL);
        CHECK(strncmp(faults.item[0].text, "plan/cols.yaml:1:", 17) == 0);
        vch_faults_done(&faults);
    }
}

static void an_empty_cols_yaml_authorises_nobody(void **state)
{
    (void)state;
    static const char *const texts[] = { "# nobody yet\n", "collaborators:\n",
                                         "collaborators: []\n" };
    for (size_t i = 0; i < 3; i++) {
        vouch_error err = { 0 };
        vch_faults faults = { 0 };
        vch_plan *p = NULL;
        CHECK_OK(parse_plan(vch_span_str(good_plan), texts[i], &faults, &p, &err), &err);
        CHECK(vch_plan_look(p)->member_count == 0);
        CHECK(vch_plan_member(p, vch_span_str("col1")) == -1);
        vch_plan_free(p);
        vch_faults_done(&faults);
    }
}

static void a_data_path_is_what_follows_the_first_comma(void **state)
{
    (void)state;
    static const char text[] = "# name,path\n\ncol1,data/one.csv\ncol2,a,b c#d  \r\ncol,1\n"
                               "col4,\ncol5,x\ncol5,y\n";
    static const struct {
        const char *name, *path;
        vouch_code want;
    } cases[] = {
        { "col1", "data/one.csv", VOUCH_OK },
        { "col2", "a,b c#d", VOUCH_OK },
        { "col", "1", VOUCH_OK },
        { "col3", NULL, VOUCH_E_NOT_FOUND },
        { "col4", NULL, VOUCH_E_CONFIG },
        { "col5", NULL, VOUCH_E_CONFIG },
        { "# name", NULL, VOUCH_E_NOT_FOUND },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vouch_span out = { 0 };
        CHECK(vch_data_path_find("data.yaml", vch_span_str(text), cases[i].name, &out, NULL)
              == cases[i].want);
        CHECK(cases[i].want != VOUCH_OK || vch_span_is(out, cases[i].path));
        CHECK(cases[i].want == VOUCH_OK || out.data == NULL);
    }
    vouch_span out = { 0 };
    vouch_error err = { 0 };
    CHECK(vch_data_path_find("data.yaml", vch_span_str("a,b\nnonsense\n"), "c", &out, &err)
          == VOUCH_E_CONFIG);
    CHECK(strncmp(err.frame[0], "data.yaml:2:1:", 14) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_in_cols_yaml_must_be_names),
        TEST(an_empty_cols_yaml_authorises_nobody),
        TEST(a_data_path_is_what_follows_the_first_comma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
