#include "identity/roster.h"

#include "check.h"

#define T INT64_C(1764579600)

static const vch_member members[] = {
    { .name = "agg", .role = VCH_ROLE_AGGREGATOR, .attested = true },
    { .name = "col1", .role = VCH_ROLE_COLLABORATOR, .attested = true },
};
static const vch_federation federation = { .members = members, .member_count = 2 };
static const uint8_t cert_a[32] = { 1 };
static const uint8_t cert_b[32] = { 2 };

static vch_roster_answer enter(vch_roster *r, const uint8_t *certificate, int64_t nbf,
                               vch_roster_seat **out)
{
    vouch_error err = { 0 };
    vch_roster_answer answer = VCH_ROSTER_UNKNOWN;
    const vch_roster_request request = { .name = "col1",
                                         .certificate = certificate,
                                         .nbf_unix_s = nbf,
                                         .now_unix_s = T,
                                         .skew_s = 120 };
    CHECK_OK(vch_roster_enter(r, &request, &answer, out, &err), &err);
    return answer;
}

static vch_roster *new_roster(void)
{
    vouch_error err = { 0 };
    vch_roster *r = NULL;
    CHECK_OK(vch_roster_new(&federation, &r, &err), &err);
    return r;
}

static void eight_connections_of_one_certificate_and_not_nine(void **state)
{
    (void)state;
    vch_roster *r = new_roster();
    vch_roster_seat *seats[VCH_ROSTER_CONNECTIONS_MAX] = { 0 };
    vch_roster_seat *ninth = NULL;
    for (size_t i = 0; i < VCH_ROSTER_CONNECTIONS_MAX; i++)
        CHECK(enter(r, cert_a, T, &seats[i]) == VCH_ROSTER_SEATED);
    CHECK(vch_roster_probe(r, "col1", cert_a, T) == VCH_ROSTER_FULL);
    CHECK(enter(r, cert_a, T, &ninth) == VCH_ROSTER_FULL && ninth == NULL);
    vch_roster_leave(seats[0]);
    CHECK(enter(r, cert_a, T, &ninth) == VCH_ROSTER_SEATED);
    CHECK(vch_roster_connections(r, "col1") == 8);
    for (size_t i = 1; i < VCH_ROSTER_CONNECTIONS_MAX; i++)
        vch_roster_leave(seats[i]);
    vch_roster_leave(ninth);
    CHECK(vch_roster_connections(r, "col1") == 0);
    vch_roster_free(r);
}

static void a_newer_certificate_of_a_name_replaces_the_older(void **state)
{
    (void)state;
    vch_roster *r = new_roster();
    vch_roster_seat *old = NULL;
    vch_roster_seat *new = NULL;
    vch_roster_seat *late = NULL;
    CHECK(enter(r, cert_a, T, &old) == VCH_ROSTER_SEATED);
    CHECK(!vch_roster_seat_replaced(old));
    CHECK(enter(r, cert_b, T, &new) == VCH_ROSTER_SEATED); /* not older: it takes over */
    CHECK(vch_roster_seat_replaced(old) && !vch_roster_seat_replaced(new));
    CHECK(vch_roster_connections(r, "col1") == 1);
    CHECK(enter(r, cert_a, T - 1, &late) == VCH_ROSTER_OLDER);
    vch_roster_leave(old); /* of an epoch that is over: counts nothing */
    CHECK(vch_roster_connections(r, "col1") == 1);
    vch_roster_leave(new);
    CHECK(enter(r, cert_a, T - 1, &late) == VCH_ROSTER_SEATED); /* nobody is there to protect */
    vch_roster_leave(late);
    vch_roster_free(r);
}

static void a_certificate_more_than_ten_minutes_older_is_a_replay(void **state)
{
    (void)state;
    vch_roster *r = new_roster();
    vch_roster_seat *seat = NULL;
    CHECK(enter(r, cert_a, T, &seat) == VCH_ROSTER_SEATED);
    vch_roster_leave(seat);
    CHECK(vch_roster_probe(r, "col1", cert_b, T - VCH_ROSTER_NBF_SLACK_S) == VCH_ROSTER_SEATED);
    CHECK(vch_roster_probe(r, "col1", cert_b, T - VCH_ROSTER_NBF_SLACK_S - 1) == VCH_ROSTER_REPLAY);
    vch_roster_free(r);
}

/* Else one certificate from the future would lock its name out for good. */
static void the_newest_beginning_is_never_recorded_beyond_our_own_time(void **state)
{
    (void)state;
    vch_roster *r = new_roster();
    vch_roster_seat *seat = NULL;
    CHECK(enter(r, cert_a, T + 1000000, &seat) == VCH_ROSTER_SEATED);
    vch_roster_leave(seat);
    CHECK(vch_roster_probe(r, "col1", cert_b, T) == VCH_ROSTER_SEATED);
    CHECK(vch_roster_probe(r, "col1", cert_b, T + 120 - VCH_ROSTER_NBF_SLACK_S - 1)
          == VCH_ROSTER_REPLAY);
    vch_roster_free(r);
}

static void a_probe_records_nothing_and_strangers_have_no_seat(void **state)
{
    (void)state;
    vch_roster *r = new_roster();
    CHECK(vch_roster_probe(r, "col1", cert_a, T) == VCH_ROSTER_SEATED);
    CHECK(vch_roster_probe(r, "col1", cert_b, T - 100000) == VCH_ROSTER_SEATED);
    CHECK(vch_roster_probe(r, "mallory", cert_a, T) == VCH_ROSTER_UNKNOWN);
    CHECK(vch_roster_connections(r, "mallory") == 0);
    vch_roster_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(eight_connections_of_one_certificate_and_not_nine),
        TEST(a_newer_certificate_of_a_name_replaces_the_older),
        TEST(a_certificate_more_than_ten_minutes_older_is_a_replay),
        TEST(the_newest_beginning_is_never_recorded_beyond_our_own_time),
        TEST(a_probe_records_nothing_and_strangers_have_no_seat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
