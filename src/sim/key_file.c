#include "sim/key_file.h"

#include <sys/types.h>

#include "base/secret.h"
#include "crypto/cert_builder.h"
#include "crypto/pem.h"
#include "host/file.h"

#define CERT_FILE_MAX_SIZE (2 * VCH_CERT_MAX_SIZE)

vouch_code vch_sim_file_write(const char *dir, const char *name, vouch_span bytes, unsigned mode,
                              vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    vouch_code rc = vch_path_join(dir, name, path, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_file_write(path, bytes, (mode_t)mode, err);
}

vouch_code vch_sim_key_write(const char *dir, const char *name, const vch_key *key,
                             vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    vouch_code rc = vch_key_private_pem(key, VCH_KEY_FORM_PKCS8, &pem, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_sim_file_write(dir, name, (vouch_span) { pem.data, pem.size }, 0600, err);
}

vouch_code vch_sim_key_read(const char *dir, const char *name, vch_key **out, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_secret_drop) vch_secret pem = { 0 };
    vouch_code rc = vch_path_join(dir, name, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read_secret(path, VCH_KEY_PEM_MAX_SIZE, &pem, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vch_key_from_private_pem((vouch_span) { pem.data, pem.size }, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s'", path);
}

vouch_code vch_sim_cert_write(const char *dir, const char *name, vouch_span der, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(CERT_FILE_MAX_SIZE);
    vch_pem_encode(VCH_PEM_CERTIFICATE, der, &pem);
    vouch_code rc = vch_buffer_finish(&pem, name, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_sim_file_write(dir, name, vch_buffer_span(&pem), 0644, err);
}

vouch_code vch_sim_cert_read(const char *dir, const char *name, vch_buffer *out, vouch_error *err)
{
    char path[VCH_PATH_SIZE];
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(CERT_FILE_MAX_SIZE);
    vouch_code rc = vch_path_join(dir, name, path, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(path, CERT_FILE_MAX_SIZE, &pem, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_NO_TEXT, out, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "'%s'", path);
}
