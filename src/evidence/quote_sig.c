#include "evidence/quote_sig.h"

#include "base/cursor.h"

#define CERT_DATA_QE_REPORT 6
#define PPID_RSA2048_SIZE 256
#define PPID_RSA3072_SIZE 384

/* Types 1 to 3: PPID, plain or encrypted, then CPUSVN, PCESVN and PCEID. */
static vouch_code read_pck_id(vch_quote_sig *s, vouch_error *err)
{
    vch_cursor c = vch_cursor_over(s->cert_data);
    if (s->cert_type == VCH_CERT_DATA_PPID_PLAIN)
        vch_cursor_copy(&c, s->ppid, sizeof s->ppid);
    else
        (void)vch_cursor_take(&c, s->cert_type == VCH_CERT_DATA_PPID_RSA2048 ? PPID_RSA2048_SIZE
                                                                             : PPID_RSA3072_SIZE);
    vch_cursor_copy(&c, s->cpu_svn, sizeof s->cpu_svn);
    s->pce_svn = vch_cursor_u16le(&c);
    /* Type 1 exists without PCEID: Intel's own sample quote has it so. */
    s->has_pceid = s->cert_type != VCH_CERT_DATA_PPID_PLAIN || c.rest.size > 0;
    if (s->has_pceid)
        vch_cursor_copy(&c, s->pceid, sizeof s->pceid);
    return vch_cursor_finish(&c, "certification data", err);
}

static vouch_code check_cert_data(vch_quote_sig *s, vouch_error *err)
{
    switch (s->cert_type) {
    case VCH_CERT_DATA_PPID_PLAIN:
    case VCH_CERT_DATA_PPID_RSA2048:
    case VCH_CERT_DATA_PPID_RSA3072:
        return read_pck_id(s, err);
    case VCH_CERT_DATA_PCK_LEAF:
    case VCH_CERT_DATA_PCK_CHAIN:
        return VOUCH_OK;
    default:
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "certification data type %u; 1 to 5 can name a PCK certificate",
                          s->cert_type);
    }
}

/* QE report, its signature, authentication data and the inner certification data: all of `c`. */
static vouch_code read_qe_part(vch_cursor *c, vch_quote_sig *s, vouch_error *err)
{
    s->qe_report = vch_cursor_take(c, VCH_SGX_REPORT_SIZE);
    vch_cursor_copy(c, s->qe_signature, sizeof s->qe_signature);
    s->qe_auth = vch_cursor_take(c, vch_cursor_u16le(c));
    s->cert_type = vch_cursor_u16le(c);
    s->cert_data = vch_cursor_take(c, vch_cursor_u32le(c));
    vouch_code rc = vch_cursor_finish(c, "QE certification", err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vch_sgx_report_parse(s->qe_report, &s->qe, s->qe_report_data, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "quoting enclave");
    return check_cert_data(s, err);
}

/* v4 and v5: the rest of the section is one certification data of type 6. */
static vouch_code open_type_6(vch_cursor *c, vch_cursor *out, vouch_error *err)
{
    uint16_t type = vch_cursor_u16le(c);
    vouch_span content = vch_cursor_take(c, vch_cursor_u32le(c));
    vouch_code rc = vch_cursor_finish(c, "certification data", err);
    if (rc != VOUCH_OK)
        return rc;
    if (type != CERT_DATA_QE_REPORT)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED,
                          "outer certification data type %u; it must be 6", type);
    *out = vch_cursor_over(content);
    return VOUCH_OK;
}

vouch_code vch_quote_sig_parse(vouch_span in, uint16_t version, vch_quote_sig *out,
                               vouch_error *err)
{
    vch_cursor c = vch_cursor_over(in);
    vch_quote_sig s = { 0 };
    vch_cursor_copy(&c, s.signature, sizeof s.signature);
    s.platform = c.rest;
    vch_cursor_copy(&c, s.attestation_key, sizeof s.attestation_key);
    if (c.failed)
        return vouch_fail(err, VOUCH_E_TRUNCATED,
                          "signature section: no room for signature and key");
    vouch_code rc = version == 3 ? VOUCH_OK : open_type_6(&c, &c, err);
    if (rc == VOUCH_OK)
        rc = read_qe_part(&c, &s, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "signature section");
    *out = s;
    return VOUCH_OK;
}
