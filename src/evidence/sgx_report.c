#include "evidence/sgx_report.h"

#include <string.h>

#include "base/cursor.h"

vouch_code vch_sgx_report_parse(vouch_span in, vouch_sgx_claims *out,
                                uint8_t report_data[static VCH_REPORT_DATA_SIZE], vouch_error *err)
{
    vch_cursor c = vch_cursor_over(in);
    vouch_sgx_claims r = { 0 };
    uint8_t data[VCH_REPORT_DATA_SIZE];

    vch_cursor_copy(&c, r.cpu_svn, sizeof r.cpu_svn);
    r.misc_select = vch_cursor_u32le(&c);
    (void)vch_cursor_take(&c, 12);
    vch_cursor_copy(&c, r.isv_ext_prod_id, sizeof r.isv_ext_prod_id);
    r.attribute_flags = vch_cursor_u64le(&c);
    r.xfrm = vch_cursor_u64le(&c);
    vch_cursor_copy(&c, r.mrenclave, sizeof r.mrenclave);
    (void)vch_cursor_take(&c, 32);
    vch_cursor_copy(&c, r.mrsigner, sizeof r.mrsigner);
    (void)vch_cursor_take(&c, 32);
    vch_cursor_copy(&c, r.config_id, sizeof r.config_id);
    r.isv_prod_id = vch_cursor_u16le(&c);
    r.isv_svn = vch_cursor_u16le(&c);
    r.config_svn = vch_cursor_u16le(&c);
    (void)vch_cursor_take(&c, 42);
    vch_cursor_copy(&c, r.isv_family_id, sizeof r.isv_family_id);
    vch_cursor_copy(&c, data, sizeof data);

    vouch_code rc = vch_cursor_finish(&c, "SGX enclave report", err);
    if (rc != VOUCH_OK)
        return rc;
    *out = r;
    memcpy(report_data, data, sizeof data);
    return VOUCH_OK;
}
