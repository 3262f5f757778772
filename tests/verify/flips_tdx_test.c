/* Every bit and every end of a genuine TDX quote (version 4, padded) and of its collateral. See flips.h. */
#include "flips.h"

static flips f;

static int set_up(void **state)
{
    (void)state;
    flips_begin(&f, corpus_tdx_parts(), corpus_read(CORPUS_TDX_QUOTE), CORPUS_TDX_TIME);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    flips_end(&f);
    return 0;
}

/* flips.c says what they are: letters among the hex digits of a document's signature, and the line end
 * after the last certificate of a chain. */
static const struct {
    size_t bits, cuts;
} spared[FLIPS_PARTS] = { { 49, 0 }, { 0, 1 }, { 44, 0 }, { 0, 1 }, { 0, 0 }, { 0, 0 } };

static void no_bit_of_the_quote_can_be_flipped(void **state)
{
    (void)state;
    flips_quote(&f, 1); /* the NUL after the chain becomes a blank */
}

static void the_quote_cannot_be_cut_short(void **state)
{
    (void)state;
    flips_cut_quote(&f, 70); /* padding */
}

static void no_bit_of_the_collateral_can_be_flipped(void **state)
{
    (void)state;
    for (size_t i = 0; i < FLIPS_PARTS; i++)
        flips_part(&f, i, spared[i].bits);
}

static void no_part_of_the_collateral_can_be_cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < FLIPS_PARTS; i++)
        flips_cut_part(&f, i, spared[i].cuts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_bit_of_the_quote_can_be_flipped),
        TEST(the_quote_cannot_be_cut_short),
        TEST(no_bit_of_the_collateral_can_be_flipped),
        TEST(no_part_of_the_collateral_can_be_cut_short),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
