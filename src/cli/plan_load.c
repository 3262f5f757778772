#include "cli/plan_load.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "host/environment.h"
#include "host/file.h"

enum { HOST_NAME_SIZE = 256 };

vouch_code vch_cli_plan_load(const vch_runtime *rt, const vch_plan_options *options, vch_plan **out,
                             vouch_error *err)
{
    char host[HOST_NAME_SIZE];
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    vch_plan_source source = { .federation_uuid = options->federation_uuid };
    vouch_code rc = vch_release_find(options->release, &source.release, err);
    if (rc != VOUCH_OK)
        return rc;
    source.host_name = vch_environment_get("FQDN");
    if (source.host_name == NULL) {
        rc = vch_environment_host_name(host, sizeof host, err);
        if (rc != VOUCH_OK)
            return rc;
        source.host_name = host;
    }
    rc = vch_plan_load(options->plan, options->cols, &source, &faults, out, err);
    vch_command_faults(rt, &faults);
    return rc;
}

vouch_code vch_cli_plan_freeze(const vch_runtime *rt, const vch_plan *plan, const char *path,
                               vouch_error *err)
{
    char frozen[VCH_PATH_SIZE];
    vouch_code rc = VOUCH_OK;
    const char *name = strrchr(path, '/');
    const char *dot = strrchr(name == NULL ? path : name, '.');
    size_t stem = dot == NULL ? strlen(path) : (size_t)(dot - path);
    int n = snprintf(frozen, sizeof frozen, "%.*s_%.8s.yaml", (int)stem, path,
                     vch_plan_look(plan)->hash_hex);
    if (n < 0 || (size_t)n >= sizeof frozen)
        return vouch_fail(err, VOUCH_E_LIMIT, "the plan's path is too long");
    if (!vch_file_exists(frozen))
        rc = vch_file_write(frozen, vch_plan_dump(plan), 0400, err);
    if (rc == VOUCH_OK)
        (void)fprintf(rt->out, "%s\n", frozen);
    return rc;
}
