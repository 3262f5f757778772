#include "fed/plan/release.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "config/yaml.h"

static void releases_are_found_by_their_first_two_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *want;
    } cases[] = {
        { "1.5", "1.5" },  { "1.5.1", "1.5" }, { "1.6", "1.6" }, { "1.7.1", "1.7" },
        { "1.9", "1.9" },  { "1.4", NULL },    { "1.90", NULL }, { "1.9.", NULL },
        { "1.9.x", NULL }, { "", NULL },       { "2.0", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const vch_release *r = NULL;
        vouch_code rc = vch_release_find(cases[i].name, &r, NULL);
        CHECK(rc == (cases[i].want == NULL ? VOUCH_E_UNSUPPORTED : VOUCH_OK));
        CHECK((r == NULL) == (cases[i].want == NULL));
        if (r != NULL)
            assert_string_equal(r->name, cases[i].want);
    }
}

static void arithmetic_changed_with_1_7_and_1_9(void **state)
{
    (void)state;
    static const char *const names[] = { "1.5", "1.6", "1.7", "1.8", "1.9" };
    for (size_t i = 0; i < 5; i++) {
        const vch_release *r = NULL;
        CHECK(vch_release_find(names[i], &r, NULL) == VOUCH_OK);
        CHECK(r->always_delta == (i < 2));
        CHECK(r->last_is_result == (i < 2));
        CHECK(r->round_metrics == (i >= 2) && r->round_metrics_numbered == (i == 4));
        CHECK(r->float32_sum == (i == 4));
    }
}

static void every_default_file_is_a_mapping(void **state)
{
    (void)state;
    static const char *const names[] = { "1.5", "1.6", "1.7", "1.8", "1.9" };
    for (size_t i = 0; i < 5; i++) {
        const vch_release *r = NULL;
        const char *paths[32];
        CHECK(vch_release_find(names[i], &r, NULL) == VOUCH_OK);
        size_t count = vch_release_default_paths(r, paths, 32);
        CHECK(count >= 10);
        for (size_t k = 0; k < count; k++) {
            vouch_error err = { 0 };
            vch_yaml *doc = NULL;
            vouch_span text = vch_span_str(vch_release_defaults(r, paths[k]));
            CHECK_OK(vch_yaml_parse(paths[k], text, NULL, &doc, &err), &err);
            CHECK(vch_yaml_kind_of(vch_yaml_root(doc)) == VCH_YAML_MAPPING);
            vch_yaml_free(doc);
        }
        CHECK(vch_release_defaults(r, "plan/defaults/nothing.yaml") == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(releases_are_found_by_their_first_two_numbers),
        TEST(arithmetic_changed_with_1_7_and_1_9),
        TEST(every_default_file_is_a_mapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
