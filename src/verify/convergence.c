#include "verify/convergence.h"

#include <stdbool.h>

vouch_tcb_status vch_converge(vouch_tcb_status platform, vouch_tcb_status qe,
                              vouch_tcb_status module)
{
    if (platform == VOUCH_TCB_REVOKED || qe == VOUCH_TCB_REVOKED || module == VOUCH_TCB_REVOKED)
        return VOUCH_TCB_REVOKED;
    if (qe != VOUCH_TCB_OUT_OF_DATE && module != VOUCH_TCB_OUT_OF_DATE)
        return platform;
    if (platform == VOUCH_TCB_UP_TO_DATE || platform == VOUCH_TCB_SW_HARDENING_NEEDED)
        return VOUCH_TCB_OUT_OF_DATE;
    if (platform == VOUCH_TCB_CONFIGURATION_NEEDED
        || platform == VOUCH_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED)
        return VOUCH_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    return platform;
}

static bool is_current_enough(vouch_tcb_status s)
{
    return s == VOUCH_TCB_UP_TO_DATE || s == VOUCH_TCB_SW_HARDENING_NEEDED
           || s == VOUCH_TCB_CONFIGURATION_NEEDED
           || s == VOUCH_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
}

static bool is_configuration(vouch_tcb_status s)
{
    return s == VOUCH_TCB_CONFIGURATION_NEEDED
           || s == VOUCH_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED
           || s == VOUCH_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

vouch_tcb_status vch_relaunch(vouch_tcb_status launch, vouch_tcb_status current)
{
    if (launch != VOUCH_TCB_OUT_OF_DATE && launch != VOUCH_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED)
        return launch;
    if (!is_current_enough(current))
        return launch;
    return is_configuration(launch) || is_configuration(current)
               ? VOUCH_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
               : VOUCH_TCB_TD_RELAUNCH_ADVISED;
}
