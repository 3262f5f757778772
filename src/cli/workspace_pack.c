#include "cli/workspace_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/plan_load.h"
#include "fed/workspace/workspace.h"

#define PLAN_FILE "plan/plan.yaml"

VCH_DEFINE_DROP(plan_drop, vch_plan, vch_plan_free)

vouch_code vch_cli_workspace_name(char out[static VCH_PATH_SIZE], vouch_error *err)
{
    VCH_SCOPED(vch_free_drop) char *here = getcwd(NULL, 0);
    const char *slash = here == NULL ? NULL : strrchr(here, '/');
    if (slash == NULL || slash[1] == '\0')
        return vouch_fail(err, VOUCH_E_CONFIG, "this directory has no name");
    int n = snprintf(out, VCH_PATH_SIZE, "%s", slash + 1);
    if (n < 0 || n >= VCH_PATH_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "this directory's name is too long");
    return VOUCH_OK;
}

static vouch_code freeze_initialized(const vch_runtime *rt, const char *release, vouch_error *err)
{
    VCH_SCOPED(plan_drop) vch_plan *plan = NULL;
    vouch_error why = { 0 };
    const vch_plan_options how = { .plan = PLAN_FILE, .release = release };
    if (!vch_file_exists(PLAN_FILE))
        return VOUCH_OK;
    if (vch_cli_plan_load(rt, &how, &plan, &why) != VOUCH_OK) {
        char text[1024];
        (void)fprintf(rt->err, "%s: not frozen, it is packed as it stands: %s\n", PLAN_FILE,
                      vouch_error_text(&why, text, sizeof text));
        return VOUCH_OK;
    }
    return vch_file_exists(vch_plan_look(plan)->init_state_path)
               ? vch_cli_plan_freeze(rt, plan, PLAN_FILE, err)
               : VOUCH_OK;
}

vouch_code vch_cli_workspace_pack(const vch_runtime *rt, const char *release, vch_package *out,
                                  vouch_error *err)
{
    vouch_code rc = freeze_initialized(rt, release, err);
    return rc == VOUCH_OK ? vch_workspace_pack(".", out, err) : rc;
}
