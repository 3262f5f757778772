#include "cli/quarantine.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

typedef struct told {
    size_t count;
    char name[64];
    char reason[320]; /* "-": admitted */
} told;

static void note(void *context, const char *name, const char *reason)
{
    told *t = context;
    t->count++;
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    (void)snprintf(t->reason, sizeof t->reason, "%s", reason == NULL ? "-" : reason);
}

static vch_admission verdict(vch_admission_code code)
{
    return (vch_admission) { .code = code,
                             .name = "col1",
                             .role = VCH_ROLE_COLLABORATOR,
                             .enrolled = true,
                             .message = "not wanted" };
}

static told after(const vch_admission *first, const vch_admission *second)
{
    vch_quarantine *q = NULL;
    told t = { 0 };
    CHECK(vch_quarantine_new(&q, NULL) == VOUCH_OK);
    vch_quarantine_note(q, first);
    if (second != NULL)
        vch_quarantine_note(q, second);
    vch_quarantine_drain(q, note, &t);
    told again = { 0 };
    vch_quarantine_drain(q, note, &again);
    CHECK(again.count == 0);
    vch_quarantine_free(q);
    return t;
}

static void evidence_that_speaks_against_an_enrolled_peer_puts_it_out(void **state)
{
    (void)state;
    static const vch_admission_code codes[] = { VCH_REFUSED_MEASUREMENT, VCH_REFUSED_TCB,
                                                VCH_REFUSED_PLATFORM, VCH_REFUSED_QUOTE };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        vch_admission v = verdict(codes[i]);
        told t = after(&v, NULL);
        CHECK(t.count == 1 && strcmp(t.name, "col1") == 0 && strstr(t.reason, "not wanted"));
    }
}

static void nobody_is_put_out_by_who_only_uses_its_name(void **state)
{
    (void)state;
    vch_admission v = verdict(VCH_REFUSED_MEASUREMENT);
    v.enrolled = false;
    CHECK(after(&v, NULL).count == 0);
}

static void what_says_nothing_of_the_evidence_puts_nobody_out(void **state)
{
    (void)state;
    static const vch_admission_code codes[] = { VCH_REFUSED_TOKEN,  VCH_REFUSED_NO_COLLATERAL,
                                                VCH_REFUSED_REPLAY, VCH_REFUSED_CONNECTIONS,
                                                VCH_REFUSED_POLICY, VCH_REFUSED_FAULT };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        vch_admission v = verdict(codes[i]);
        CHECK(after(&v, NULL).count == 0);
    }
}

static void an_aggregators_verdict_concerns_no_round(void **state)
{
    (void)state;
    vch_admission v = verdict(VCH_REFUSED_TCB);
    v.role = VCH_ROLE_AGGREGATOR;
    CHECK(after(&v, NULL).count == 0);
}

static void the_newest_word_on_a_name_counts(void **state)
{
    (void)state;
    vch_admission refused = verdict(VCH_REFUSED_TCB);
    vch_admission admitted = verdict(VCH_ADMITTED);
    told t = after(&refused, &admitted);
    CHECK(t.count == 1 && strcmp(t.reason, "-") == 0);
    t = after(&admitted, &refused);
    CHECK(t.count == 1 && strcmp(t.reason, "-") != 0);
}

static void who_was_admitted_and_is_refused_now_is_put_out(void **state)
{
    (void)state;
    vch_admission v = verdict(VCH_REFUSED_NAME); /* not among the participants any more */
    v.enrolled = false;
    CHECK(after(&v, NULL).count == 0);
    v.revoked = true;
    CHECK(after(&v, NULL).count == 1);
}

static void the_ten_minutes_after_a_change_are_over_in_time(void **state)
{
    (void)state;
    CHECK(!vch_change_is_over(&(vch_change) { .switched_unix_s = 0, .now_unix_s = 5000 }));
    CHECK(!vch_change_is_over(&(vch_change) { .switched_unix_s = 1000, .now_unix_s = 1599 }));
    CHECK(vch_change_is_over(&(vch_change) { .switched_unix_s = 1000, .now_unix_s = 1600 }));
}

static void name_laggard(void *context, const char *name)
{
    (void)snprintf((char *)context + strlen(context), 64, "%s ", name);
}

static void who_has_not_come_back_is_a_laggard(void **state)
{
    (void)state;
    static vch_member members[] = {
        { .name = "agg", .role = VCH_ROLE_AGGREGATOR, .attested = true },
        { .name = "back", .role = VCH_ROLE_COLLABORATOR, .attested = true },
        { .name = "late", .role = VCH_ROLE_COLLABORATOR, .attested = true },
        { .name = "stock", .role = VCH_ROLE_COLLABORATOR, .attested = false },
    };
    static const char *const plan[] = { "back", "late", "removed", "stock" };
    const vch_federation f = { .members = members, .member_count = 4 };
    const uint8_t certificate[32] = { 7 };
    vch_roster *roster = NULL;
    vch_roster_seat *seat = NULL;
    vch_roster_answer answer = VCH_ROSTER_UNKNOWN;
    char named[256] = "";
    CHECK(vch_roster_new(&f, &roster, NULL) == VOUCH_OK);
    const vch_roster_request comes = {
        .name = "back", .certificate = certificate, .nbf_unix_s = 1000, .now_unix_s = 1000
    };
    CHECK(vch_roster_enter(roster, &comes, &answer, &seat, NULL) == VOUCH_OK);
    vch_roster_leave(seat); /* it came back, and is away at the moment: the round waits as usual */
    vch_quarantine_laggards(&f, roster, &(vch_members) { plan, 4 }, name_laggard, named);
    CHECK(strcmp(named, "late removed ") == 0);
    vch_roster_free(roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(evidence_that_speaks_against_an_enrolled_peer_puts_it_out),
        TEST(nobody_is_put_out_by_who_only_uses_its_name),
        TEST(what_says_nothing_of_the_evidence_puts_nobody_out),
        TEST(an_aggregators_verdict_concerns_no_round),
        TEST(the_newest_word_on_a_name_counts),
        TEST(who_was_admitted_and_is_refused_now_is_put_out),
        TEST(the_ten_minutes_after_a_change_are_over_in_time),
        TEST(who_has_not_come_back_is_a_laggard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
