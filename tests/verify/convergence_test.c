#include "verify/convergence.h"

#include "check.h"

#define UP VOUCH_TCB_UP_TO_DATE
#define SW VOUCH_TCB_SW_HARDENING_NEEDED
#define CFG VOUCH_TCB_CONFIGURATION_NEEDED
#define CFG_SW VOUCH_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED
#define OLD VOUCH_TCB_OUT_OF_DATE
#define OLD_CFG VOUCH_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED
#define RELAUNCH VOUCH_TCB_TD_RELAUNCH_ADVISED
#define RELAUNCH_CFG VOUCH_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
#define REVOKED VOUCH_TCB_REVOKED

/* Spec section 4, step 16: the platform's status alone, and with a part that is OutOfDate. */
static const struct {
    vouch_tcb_status platform;
    vouch_tcb_status with_old_part;
} merges[] = {
    { UP, OLD },  { SW, OLD },          { CFG, OLD_CFG },     { CFG_SW, OLD_CFG },
    { OLD, OLD }, { OLD_CFG, OLD_CFG }, { REVOKED, REVOKED },
};

static void an_outdated_part_converges_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        vouch_tcb_status p = merges[i].platform;
        vouch_tcb_status want = merges[i].with_old_part;
        CHECK(vch_converge(p, UP, UP) == p);
        CHECK(vch_converge(p, OLD, UP) == want);
        CHECK(vch_converge(p, UP, OLD) == want);
        CHECK(vch_converge(p, OLD, OLD) == want);
        CHECK(vch_converge(p, REVOKED, UP) == REVOKED);
        CHECK(vch_converge(p, UP, REVOKED) == REVOKED);
        CHECK(vch_converge(p, OLD, REVOKED) == REVOKED);
    }
}

static void a_configuration_status_of_the_enclave_changes_nothing(void **state)
{
    (void)state;
    CHECK(vch_converge(UP, CFG, UP) == UP);
    CHECK(vch_converge(UP, OLD_CFG, UP) == UP);
}

/* Step 17, every pair: relaunch is advised only if it would help. */
static void relaunch_is_advised_when_the_present_is_better_than_the_launch(void **state)
{
    (void)state;
    static const vouch_tcb_status all[] = { UP, SW, CFG, CFG_SW, OLD, OLD_CFG, REVOKED };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
            vouch_tcb_status launch = all[i];
            vouch_tcb_status current = all[k];
            bool old = launch == OLD || launch == OLD_CFG;
            bool better = current == UP || current == SW || current == CFG || current == CFG_SW;
            bool config = launch == OLD_CFG || current == CFG || current == CFG_SW;
            vouch_tcb_status want = !old || !better ? launch : config ? RELAUNCH_CFG : RELAUNCH;
            CHECK(vch_relaunch(launch, current) == want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_outdated_part_converges_as_the_table_says),
        TEST(a_configuration_status_of_the_enclave_changes_nothing),
        TEST(relaunch_is_advised_when_the_present_is_better_than_the_launch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
