#include "fed/plan/random.h"

#include <stdbool.h>

#include "check.h"

/* The first outputs of SplitMix64 for the seed 1234567, as many libraries print them. */
static void the_stream_is_splitmix64(void **state)
{
    (void)state;
    static const uint64_t want[] = { UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                     UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
                                     UINT64_C(16408922859458223821) };
    vch_stream s = { .state = 1234567 };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        CHECK(vch_stream_next(&s) == want[i]);
}

static void streams_of_one_seed_differ(void **state)
{
    (void)state;
    vch_stream a = vch_stream_begin(1, 0, 0);
    vch_stream b = vch_stream_begin(1, 1, 0);
    vch_stream c = vch_stream_begin(1, 0, 1);
    vch_stream again = vch_stream_begin(1, 0, 0);
    uint64_t first = vch_stream_next(&a);
    CHECK(first == vch_stream_next(&again));
    CHECK(first != vch_stream_next(&b) && first != vch_stream_next(&c));
}

static void a_permutation_holds_each_index_once(void **state)
{
    (void)state;
    size_t order[100];
    bool seen[100] = { false };
    vch_stream s = vch_stream_begin(7, 0, 0);
    vch_stream_permute(&s, order, 100);
    size_t moved = 0;
    for (size_t i = 0; i < 100; i++) {
        CHECK(order[i] < 100 && !seen[order[i]]);
        seen[order[i]] = true;
        moved += order[i] != i;
    }
    CHECK(moved > 80);
}

static void uniform_numbers_stay_within_the_bound(void **state)
{
    (void)state;
    vch_stream s = vch_stream_begin(3, 0, 0);
    float least = 1.0F;
    float most = -1.0F;
    for (size_t i = 0; i < 10000; i++) {
        float x = vch_stream_uniform(&s, 0.5F);
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    CHECK(least >= -0.5F && least < -0.49F);
    CHECK(most < 0.5F && most > 0.49F);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_stream_is_splitmix64),
        TEST(streams_of_one_seed_differ),
        TEST(a_permutation_holds_each_index_once),
        TEST(uniform_numbers_stay_within_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
