/* Which directory a federation's state has, and whose it takes over when the rules have changed. */
#include "store/state_rules.h"

#include <string.h>

#include "base/bytes.h"

#include "roots.h"

static char parent[VCH_PATH_SIZE];
static const uint8_t first[32] = { 1 };
static const uint8_t second[32] = { 2 };
static const uint8_t third[32] = { 3 };

static int setup(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "vouch-state-", parent, NULL) == VOUCH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return vch_dir_remove_tree(parent, NULL) == VOUCH_OK ? 0 : -1;
}

static vch_state_subject subject_of(const char *federation)
{
    return (vch_state_subject) { .role = "aggregator", .federation = vch_span_str(federation) };
}

static void name_of(const char *federation, const uint8_t *rules,
                    char out[static VCH_STATE_NAME_SIZE])
{
    vouch_error err = { 0 };
    const vch_state_subject subject = subject_of(federation);
    CHECK_OK(vch_state_name(&subject, rules, out, &err), &err);
}

static void another_federation_or_other_rules_have_another_directory(void **state)
{
    (void)state;
    char name[4][VCH_STATE_NAME_SIZE];
    name_of("a", NULL, name[0]);
    name_of("a", first, name[1]);
    name_of("a", second, name[2]);
    name_of("b", first, name[3]);
    for (size_t i = 0; i < 4; i++) {
        CHECK(strncmp(name[i], "aggregator-", 11) == 0);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(name[i], name[k]) != 0);
    }
}

static vouch_code count(void *context, vouch_span record, vouch_error *err)
{
    (void)record;
    (void)err;
    ++*(size_t *)context;
    return VOUCH_OK;
}

/* Opens the state, counts its records, adds one, closes it. */
static vouch_code visit(const vch_state_history *rules, size_t *out_records, vouch_error *err)
{
    VCH_SCOPED(vch_state_drop) vch_state *s = NULL;
    const vch_state_subject subject = subject_of("a");
    const vch_state_options how = { .parent = parent, .replay = count, .context = out_records };
    *out_records = 0;
    vouch_code rc = vch_state_open_under(&subject, rules, &how, &s, err);
    if (rc == VOUCH_OK)
        rc = vch_journal_add(vch_state_journal(s), vch_span_str("r"), err);
    if (rc == VOUCH_OK)
        rc = vch_journal_commit(vch_state_journal(s), err);
    return rc;
}

static size_t records_under(const uint8_t *now, const vch_state_rules *before, size_t before_count)
{
    vouch_error err = { 0 };
    size_t records = 0;
    const vch_state_history rules = { { .digest = now }, before, before_count };
    CHECK_OK(visit(&rules, &records, &err), &err);
    return records;
}

static void what_the_rules_before_left_goes_along_and_what_other_rules_left_does_not(void **state)
{
    (void)state;
    const vch_state_rules before[] = { { .digest = first } };
    CHECK(records_under(first, NULL, 0) == 0);
    CHECK(records_under(third, NULL, 0) == 0);
    CHECK(records_under(second, before, 1) == 1);
    CHECK(records_under(first, NULL, 0) == 0);
    CHECK(records_under(second, NULL, 0) == 2);
}

static void each_of_the_rules_before_is_opened_with_its_own_root(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    size_t records = 0;
    vch_seal_root *old = test_root_under(1, "aggregator", 1);
    vch_seal_root *new = test_root_under(1, "aggregator", 2);
    const vch_state_rules before[] = { { first, old } };
    const vch_state_history at_first = { .now = { first, old } };
    const vch_state_history then = { .now = { second, new }, .before = before, .before_count = 1 };
    CHECK_OK(visit(&at_first, &records, &err), &err);
    CHECK_OK(visit(&then, &records, &err), &err);
    CHECK(records == 1);
    CHECK_OK(visit(&then, &records, &err), &err);
    CHECK(records == 2);
    vch_seal_root_free(old);
    vch_seal_root_free(new);
}

static void more_rules_before_than_are_kept_are_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    size_t records = 0;
    vch_state_rules before[VCH_STATE_BEFORE_MAX + 1];
    for (size_t i = 0; i < VCH_STATE_BEFORE_MAX + 1; i++)
        before[i] = (vch_state_rules) { .digest = first };
    CHECK(records_under(second, before, VCH_STATE_BEFORE_MAX) == 0);
    const vch_state_history rules = { { .digest = second }, before, VCH_STATE_BEFORE_MAX + 1 };
    CHECK(visit(&rules, &records, &err) == VOUCH_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(another_federation_or_other_rules_have_another_directory),
        cmocka_unit_test_setup_teardown(
            what_the_rules_before_left_goes_along_and_what_other_rules_left_does_not, setup,
            teardown),
        cmocka_unit_test_setup_teardown(each_of_the_rules_before_is_opened_with_its_own_root, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(more_rules_before_than_are_kept_are_refused, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
