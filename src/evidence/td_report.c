#include "evidence/td_report.h"

#include <string.h>

#include "base/cursor.h"

size_t vch_body_size(uint16_t body_type)
{
    switch (body_type) {
    case VCH_BODY_SGX:
        return VCH_SGX_REPORT_SIZE;
    case VCH_BODY_TD_10:
        return VCH_TD_REPORT_10_SIZE;
    case VCH_BODY_TD_15:
        return VCH_TD_REPORT_15_SIZE;
    case VCH_BODY_TD_15_EXTENDED:
        return VCH_TD_REPORT_15_EXTENDED_SIZE;
    default:
        return 0;
    }
}

vouch_code vch_td_report_parse(vouch_span in, uint16_t body_type, vouch_tdx_claims *out,
                               uint8_t report_data[static VCH_REPORT_DATA_SIZE], vouch_error *err)
{
    vch_cursor c = vch_cursor_over(in);
    vouch_tdx_claims r = { .body_type = body_type };
    uint8_t data[VCH_REPORT_DATA_SIZE];

    vch_cursor_copy(&c, r.tee_tcb_svn, sizeof r.tee_tcb_svn);
    vch_cursor_copy(&c, r.mrseam, sizeof r.mrseam);
    vch_cursor_copy(&c, r.mrsigner_seam, sizeof r.mrsigner_seam);
    vch_cursor_copy(&c, r.seam_attributes, sizeof r.seam_attributes);
    r.td_attributes = vch_cursor_u64le(&c);
    r.xfam = vch_cursor_u64le(&c);
    vch_cursor_copy(&c, r.mrtd, sizeof r.mrtd);
    vch_cursor_copy(&c, r.mrconfigid, sizeof r.mrconfigid);
    vch_cursor_copy(&c, r.mrowner, sizeof r.mrowner);
    vch_cursor_copy(&c, r.mrownerconfig, sizeof r.mrownerconfig);
    for (size_t i = 0; i < 4; i++)
        vch_cursor_copy(&c, r.rtmr[i], sizeof r.rtmr[i]);
    vch_cursor_copy(&c, data, sizeof data);
    if (body_type == VCH_BODY_TD_15 || body_type == VCH_BODY_TD_15_EXTENDED) {
        vch_cursor_copy(&c, r.tee_tcb_svn_2, sizeof r.tee_tcb_svn_2);
        vch_cursor_copy(&c, r.mrservicetd, sizeof r.mrservicetd);
    }
    if (body_type == VCH_BODY_TD_15_EXTENDED)
        vch_cursor_copy(&c, r.extended, sizeof r.extended);

    vouch_code rc = vch_cursor_finish(&c, "TD report", err);
    if (rc != VOUCH_OK)
        return rc;
    *out = r;
    memcpy(report_data, data, sizeof data);
    return VOUCH_OK;
}
