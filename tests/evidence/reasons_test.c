#include "evidence/reasons.h"

#include <string.h>

#include "check.h"
#include "evidence/claims.h"

static void an_empty_list_speaks_against_nothing(void **state)
{
    (void)state;
    vch_reasons r = { 0 };
    CHECK(!vch_reasons_any(&r));
    vch_reasons_drop(&r);
    vch_reasons_drop(&r);
}

static void a_reason_keeps_step_code_message_and_values(void **state)
{
    (void)state;
    vch_reasons r = { 0 };
    vch_reasons_add_values(&r, "chain", "pck_revoked", NULL, NULL, "certificate %d is revoked", 7);
    vch_reasons_add_values(&r, "policy", "tcb_status", "UpToDate", NULL, "not accepted");
    const uint8_t bytes[] = { 0xab, 0x01 };
    vch_reasons_add_bytes(&r, "qe", "mrsigner", (vouch_span) { bytes, 2 }, (vouch_span) { NULL, 0 },
                          "differs");
    CHECK(vch_reasons_any(&r));
    assert_int_equal(r.count, 3);
    assert_string_equal(r.list[0].step, "chain");
    assert_string_equal(r.list[0].code, "pck_revoked");
    assert_string_equal(r.list[0].message, "certificate 7 is revoked");
    assert_string_equal(r.list[1].expected, "UpToDate");
    assert_string_equal(r.list[1].actual, "");
    assert_string_equal(r.list[2].expected, "ab01");
    vch_reasons_drop(&r);
}

static void a_full_list_still_refuses(void **state)
{
    (void)state;
    vch_reasons r = { 0 };
    for (int i = 0; i < VCH_REASONS_MAX + 10; i++)
        vch_reasons_add_values(&r, "tcb", "x", "e", "a", "%d", i);
    assert_int_equal(r.count, VCH_REASONS_MAX);
    CHECK(r.lost);
    CHECK(vch_reasons_any(&r));
    vch_reasons_drop(&r);
    r.lost = true;
    CHECK(vch_reasons_any(&r));
}

static void long_values_are_cut(void **state)
{
    (void)state;
    static const uint8_t bytes[400] = { 0x11 };
    vch_reasons r = { 0 };
    vch_reasons_add_bytes(&r, "tcb", "x", (vouch_span) { bytes, sizeof bytes },
                          (vouch_span) { bytes, 1 }, "m");
    CHECK(strlen(r.list[0].expected) < VCH_REASON_VALUE_SIZE);
    vch_reasons_drop(&r);
}

static void status_names_go_both_ways(void **state)
{
    (void)state;
    for (int i = VOUCH_TCB_UP_TO_DATE; i <= VOUCH_TCB_REVOKED; i++) {
        const char *name = vouch_tcb_status_name((vouch_tcb_status)i);
        CHECK(name[0] != '\0');
        vouch_span span = { (const uint8_t *)name, strlen(name) };
        CHECK(vch_tcb_status_from_name(span) == (vouch_tcb_status)i);
        span.size--;
        CHECK(vch_tcb_status_from_name(span) != (vouch_tcb_status)i);
    }
    CHECK(vch_tcb_status_from_name((vouch_span) { NULL, 0 }) == VOUCH_TCB_NONE);
    assert_string_equal(vouch_tcb_status_name((vouch_tcb_status)99), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_list_speaks_against_nothing),
        TEST(a_reason_keeps_step_code_message_and_values),
        TEST(a_full_list_still_refuses),
        TEST(long_values_are_cut),
        TEST(status_names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
