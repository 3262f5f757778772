#include "crypto/rand.h"

#include <limits.h>
#include <string.h>

#include "check.h"

static void two_draws_differ_and_fill_their_room(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t a[64] = { 0 };
    uint8_t b[64] = { 0 };
    CHECK_OK(vch_random_bytes(a, 63, &err), &err);
    CHECK_OK(vch_random_bytes(b, 63, &err), &err);
    CHECK(memcmp(a, b, 63) != 0);
    CHECK(a[63] == 0); /* not a byte more than asked for */
    CHECK(memcmp(a + 47, b + 47, 16) != 0);
}

static void nothing_can_be_drawn(void **state)
{
    (void)state;
    uint8_t a[1] = { 7 };
    CHECK(vch_random_bytes(a, 0, NULL) == VOUCH_OK);
    CHECK(a[0] == 7);
    CHECK(vch_random_bytes(a, (size_t)INT_MAX + 1, NULL) == VOUCH_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_draws_differ_and_fill_their_room),
        TEST(nothing_can_be_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
