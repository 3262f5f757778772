#include "cli/runner_file.h"

#include "base/buffer.h"
#include "base/scope.h"
#include "host/file.h"

vouch_code vch_runner_file_read(const char *path, vch_yaml **out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    if (path == NULL && !vch_file_exists(VCH_RUNNER_FILE))
        return VOUCH_OK;
    path = path == NULL ? VCH_RUNNER_FILE : path;
    vouch_code rc = vch_file_read(path, VCH_YAML_MAX_SIZE, &text, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, VOUCH_E_CONFIG, "the task runner's file");
    return vch_yaml_parse(path, vch_buffer_span(&text), NULL, out, err);
}
