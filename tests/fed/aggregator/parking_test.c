#include "fed/aggregator/parking.h"

#include "check.h"

/* Calls are only ever compared: any address will do. */
static char places[4];

static struct vch_grpc_call *call(size_t i)
{
    return (struct vch_grpc_call *)(void *)&places[i];
}

typedef struct witness {
    size_t count;
    struct vch_grpc_call *released[8];
    vch_parking *park_again; /* NULL: no */
} witness;

static void release(void *context, struct vch_grpc_call *c, size_t member)
{
    witness *w = context;
    w->released[w->count++] = c;
    if (w->park_again == NULL)
        return;
    const vch_parking_ticket ticket = {
        .call = c, .member = member, .due_ms = 100, .until_wake = true, .release = release
    };
    CHECK(vch_parking_add(w->park_again, &ticket, NULL) == VOUCH_OK);
}

static void park(vch_parking *p, size_t i, int64_t due_ms, bool until_wake)
{
    const vch_parking_ticket ticket = {
        .call = call(i), .member = i, .due_ms = due_ms, .until_wake = until_wake, .release = release
    };
    CHECK(vch_parking_add(p, &ticket, NULL) == VOUCH_OK);
}

static vch_parking *make(void)
{
    vch_parking *p = NULL;
    CHECK(vch_parking_new(&p, NULL) == VOUCH_OK);
    return p;
}

static void a_call_is_released_when_it_is_due(void **state)
{
    (void)state;
    witness w = { 0 };
    vch_parking *p = make();
    park(p, 0, 100, false);
    park(p, 1, 200, false);
    CHECK(vch_parking_tick(p, 99, &w) == 100 && w.count == 0);
    CHECK(vch_parking_tick(p, 100, &w) == 200 && w.count == 1 && w.released[0] == call(0));
    CHECK(vch_parking_tick(p, 1000, &w) == INT64_MAX && w.count == 2);
    vch_parking_free(p);
}

static void waking_releases_what_waits_for_the_round_only(void **state)
{
    (void)state;
    witness w = { 0 };
    vch_parking *p = make();
    park(p, 0, 100, false);
    park(p, 1, 100, true);
    vch_parking_wake(p, &w);
    CHECK(w.count == 1 && w.released[0] == call(1));
    CHECK(vch_parking_count(p, 0) == 1 && vch_parking_count(p, 1) == 0);
    vch_parking_free(p);
}

static void a_call_that_parks_again_while_others_wake_stays_parked(void **state)
{
    (void)state;
    vch_parking *p = make();
    witness w = { .park_again = p };
    park(p, 0, 100, true);
    park(p, 1, 100, true);
    vch_parking_wake(p, &w);
    CHECK(w.count == 2);
    CHECK(vch_parking_count(p, 0) == 1 && vch_parking_count(p, 1) == 1);
    vch_parking_free(p);
}

static void a_call_that_ended_is_not_released(void **state)
{
    (void)state;
    witness w = { 0 };
    size_t member = 77;
    vch_parking *p = make();
    park(p, 2, 100, true);
    CHECK(!vch_parking_remove(p, call(1), &member) && member == 77);
    CHECK(vch_parking_remove(p, call(2), &member) && member == 2);
    vch_parking_wake(p, &w);
    CHECK(vch_parking_tick(p, 1000, &w) == INT64_MAX && w.count == 0);
    vch_parking_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_released_when_it_is_due),
        TEST(waking_releases_what_waits_for_the_round_only),
        TEST(a_call_that_parks_again_while_others_wake_stays_parked),
        TEST(a_call_that_ended_is_not_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
