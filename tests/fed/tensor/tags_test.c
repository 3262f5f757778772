#include "fed/tensor/tags.h"

#include "base/bytes.h"
#include "check.h"

static void tags_are_a_sorted_set(void **state)
{
    (void)state;
    static const char *const words[] = { "trained", "compressed", "delta", "trained", NULL };
    char text[64];
    vch_tags tags = vch_tags_of(words);
    assert_string_equal(vch_tags_text(&tags, text, sizeof text), "compressed,delta,trained");
    vch_tags_remove(&tags, "delta");
    vch_tags_remove(&tags, "delta");
    assert_string_equal(vch_tags_text(&tags, text, sizeof text), "compressed,trained");
    assert_string_equal(vch_tags_text(&tags, text, 4), "com");
}

static void a_tag_too_long_empty_or_too_many_is_refused(void **state)
{
    (void)state;
    vch_tags tags = { 0 };
    uint8_t bytes[VCH_TAG_SIZE_MAX + 1] = { 0 };
    CHECK(vch_tags_add(&tags, (vouch_span) { bytes, VCH_TAG_SIZE_MAX + 1 }, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_tags_add(&tags, (vouch_span) { 0 }, NULL) == VOUCH_E_LIMIT);
    CHECK(tags.count == 0);
    for (size_t i = 1; i <= VCH_TAGS_MAX; i++)
        CHECK(vch_tags_add(&tags, (vouch_span) { bytes, i }, NULL) == VOUCH_OK);
    CHECK(vch_tags_add(&tags, (vouch_span) { bytes, VCH_TAG_SIZE_MAX }, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_tags_add(&tags, (vouch_span) { bytes, 1 }, NULL) == VOUCH_OK); /* there already */
}

static void exactly_one_transport_tag_is_taken_off(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        vouch_code want;
        bool lossy;
    } cases[] = {
        { { "trained", "compressed", NULL }, VOUCH_OK, false },
        { { "trained", "lossy_compressed", NULL }, VOUCH_OK, true },
        { { "trained", NULL }, VOUCH_E_FORMAT, false },
        { { "trained", "compressed", "lossy_compressed", NULL }, VOUCH_E_FORMAT, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_tags tags = vch_tags_of(cases[i].words);
        bool lossy = false;
        CHECK(vch_tags_strip_transport(&tags, &lossy, NULL) == cases[i].want);
        CHECK(lossy == cases[i].lossy);
        if (cases[i].want == VOUCH_OK)
            CHECK(tags.count == 1 && vch_tags_has(&tags, "trained"));
    }
}

static void what_a_request_wants_is_told_by_tags_and_round(void **state)
{
    (void)state;
    static const char *const model[] = { "model", NULL };
    static const char *const delta[] = { "aggregated", "delta", NULL };
    static const char *const foreign[] = { "col2", "trained", NULL };
    vch_tags tags = vch_tags_of(model);
    CHECK(vch_tags_wanted(&tags, 0) == VCH_WANT_MODEL);
    tags = vch_tags_of(delta);
    CHECK(vch_tags_wanted(&tags, 1) == VCH_WANT_DELTA);
    CHECK(vch_tags_wanted(&tags, 0) == VCH_WANT_OTHER); /* there is no model before the first */
    tags = vch_tags_of(foreign);
    CHECK(vch_tags_wanted(&tags, 1) == VCH_WANT_OTHER);
}

static void sets_are_equal_in_any_order_of_adding(void **state)
{
    (void)state;
    static const char *const one[] = { "a", "b", NULL };
    static const char *const two[] = { "b", "a", NULL };
    static const char *const three[] = { "a", "c", NULL };
    vch_tags a = vch_tags_of(one);
    vch_tags b = vch_tags_of(two);
    vch_tags c = vch_tags_of(three);
    CHECK(vch_tags_equal(&a, &b));
    CHECK(!vch_tags_equal(&a, &c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tags_are_a_sorted_set),
        TEST(a_tag_too_long_empty_or_too_many_is_refused),
        TEST(exactly_one_transport_tag_is_taken_off),
        TEST(what_a_request_wants_is_told_by_tags_and_round),
        TEST(sets_are_equal_in_any_order_of_adding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
