#include <string.h>

#include "cli_sim/commands.h"

vouch_code vch_cmd_check_tee(const char *tee, vouch_tee platform, vouch_error *err)
{
    const char *has = vouch_tee_name(platform);
    if (tee == NULL || strcmp(tee, has) == 0)
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_CONFIG,
                      "this platform simulates %s; make another with 'vouch-sim platform create "
                      "--tee %s'",
                      has, tee);
}
