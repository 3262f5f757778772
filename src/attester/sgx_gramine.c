#include "attester/attester.h"
#include "attester/backend.h"
#include "attester/device_file.h"
#include "base/bytes.h"
#include "base/scope.h"

#define TYPE_MAX_SIZE 16 /* "dcap", "none" */

static vouch_code gramine_quote(const char *dir,
                                const uint8_t report_data[static VCH_REPORT_DATA_SIZE],
                                int64_t deadline_ms, vch_buffer *out, vouch_error *err)
{
    vouch_code rc =
        vch_device_write(dir, "user_report_data",
                         (vouch_span) { report_data, VCH_REPORT_DATA_SIZE }, deadline_ms, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_device_read(dir, "quote", deadline_ms, out, err); /* generated when opened */
}

vouch_code vch_sgx_gramine_new(const char *dir, int64_t timeout_ms, vch_attester **out,
                               vouch_error *err)
{
    static const vch_attester_backend backend = { "gramine", gramine_quote, "keys/_sgx_mrenclave" };
    VCH_SCOPED(vch_buffer_drop) vch_buffer type = vch_buffer_with_cap(TYPE_MAX_SIZE);
    vouch_code rc =
        vch_device_read(dir, "attestation_type", vch_device_deadline_ms(timeout_ms), &type, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%s' is no attestation device", dir);
    if (!vch_span_is(vch_buffer_span(&type), "dcap"))
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "'%s': the attestation type is not 'dcap' (manifest: "
                          "sgx.remote_attestation = \"dcap\")",
                          dir);
    return vch_attester_new(&backend, dir, timeout_ms, out, err);
}
