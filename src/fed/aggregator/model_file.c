#include "fed/aggregator/model_file.h"

#include <string.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "crypto/hash.h"
#include "fed/wire/model_proto.h"

static vouch_code check_digest(vouch_span bytes, const uint8_t sha256[static VCH_SHA256_SIZE],
                               vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_code rc = vch_sha256(bytes, digest, err);
    if (rc != VOUCH_OK)
        return rc;
    if (memcmp(digest, sha256, sizeof digest) != 0)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "it is not the initial_model that attestation.yaml names");
    return VOUCH_OK;
}

vouch_code vch_model_file_read(const char *directory, const char *path,
                               const vch_pipeline *pipeline, vch_model *out, vouch_error *err)
{
    return vch_model_file_read_agreed(directory, path, NULL, pipeline, out, err);
}

/* One read: a host that swaps the file between two would be believed. */
vouch_code vch_model_file_read_agreed(const char *directory, const char *path,
                                      const uint8_t *sha256, const vch_pipeline *pipeline,
                                      vch_model *out, vouch_error *err)
{
    char full[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = { 0 };
    vouch_code rc = vch_path_join(directory, path, full, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(full, VCH_MODEL_FILE_MAX, &bytes, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "model file");
    if (sha256 != NULL)
        rc = check_digest(vch_buffer_span(&bytes), sha256, err);
    if (rc == VOUCH_OK)
        rc = vch_model_parse(vch_buffer_span(&bytes), pipeline, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "model file '%s'", full);
}

vouch_code vch_model_file_write(const char *directory, const char *path,
                                const vch_pipeline *pipeline, const vch_model *model,
                                vouch_error *err)
{
    char full[VCH_PATH_SIZE];
    char parent[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = vch_buffer_with_cap(VCH_MODEL_FILE_MAX);
    vouch_code rc = vch_path_join(directory, path, full, err);
    if (rc == VOUCH_OK)
        rc = vch_path_directory(full, parent, err);
    if (rc == VOUCH_OK)
        rc = vch_dir_make(parent, 0755, err);
    if (rc == VOUCH_OK)
        rc = vch_model_write(model, pipeline, &bytes, err);
    if (rc == VOUCH_OK)
        rc = vch_file_write(full, vch_buffer_span(&bytes), 0644, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "saving the model to '%s'", path);
}

vouch_code vch_model_file_final_path(const vch_plan *plan, char out[static VCH_PATH_SIZE],
                                     vouch_error *err)
{
    char parent[VCH_PATH_SIZE];
    vouch_code rc = vch_path_directory(vch_plan_look(plan)->last_state_path, parent, err);
    return rc == VOUCH_OK ? vch_path_join(parent, "final.pbuf", out, err) : rc;
}
