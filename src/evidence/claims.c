#include "evidence/claims.h"

#include "base/bytes.h"

static const char *const status_names[] = {
    [VOUCH_TCB_NONE] = "",
    [VOUCH_TCB_UP_TO_DATE] = "UpToDate",
    [VOUCH_TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
    [VOUCH_TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
    [VOUCH_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
    [VOUCH_TCB_OUT_OF_DATE] = "OutOfDate",
    [VOUCH_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
    [VOUCH_TCB_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
    [VOUCH_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
    [VOUCH_TCB_REVOKED] = "Revoked",
};

#define STATUS_COUNT (sizeof status_names / sizeof status_names[0])

const char *vouch_tcb_status_name(vouch_tcb_status status)
{
    return (size_t)status < STATUS_COUNT ? status_names[status] : "";
}

vouch_tcb_status vch_tcb_status_from_name(vouch_span name)
{
    for (size_t i = 1; i < STATUS_COUNT; i++) {
        if (vch_span_is(name, status_names[i]))
            return (vouch_tcb_status)i;
    }
    return VOUCH_TCB_NONE;
}

const char *vouch_tee_name(vouch_tee tee)
{
    switch (tee) {
    case VOUCH_TEE_NONE:
        return "";
    case VOUCH_TEE_SGX:
        return "sgx";
    case VOUCH_TEE_TDX:
        return "tdx";
    }
    return "";
}
