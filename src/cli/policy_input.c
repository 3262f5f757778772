#include "cli/policy_input.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "config/yaml.h"
#include "host/file.h"
#include "policy/policy.h"

void vch_policy_input_drop(vch_policy_input *input)
{
    vch_attestation_file_free(input->file);
    vouch_policy_free(input->policy);
    *input = (vch_policy_input) { 0 };
}

static bool is_federation(const char *path, vouch_span text)
{
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    return vch_yaml_parse(path, text, NULL, &doc, NULL) == VOUCH_OK
           && vch_yaml_get(vch_yaml_root(doc), "federation") != NULL;
}

vouch_code vch_policy_input_parse(const char *path, vouch_span text, vch_faults *faults,
                                  vch_policy_input *out, vouch_error *err)
{
    vch_policy_input input = { 0 };
    vouch_code rc = VOUCH_OK;
    if (is_federation(path, text))
        rc = vch_attestation_file_parse(text, path, NULL, faults, &input.file, err);
    else
        rc = vch_policy_parse_all(path, text, faults, &input.policy, err);
    if (rc == VOUCH_OK)
        *out = input;
    return rc;
}

vouch_code vch_policy_input_read(const vch_runtime *rt, const char *path, vch_policy_input *out,
                                 vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    vouch_code rc = vch_file_read(path, VCH_ATTESTATION_FILE_MAX_SIZE, &text, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "--policy");
    rc = vch_policy_input_parse(path, vch_buffer_span(&text), &faults, out, err);
    vch_command_faults(rt, &faults);
    return rc;
}
