#include "sim/quote_make.h"

#include <string.h>

#include "crypto/hash.h"
#include "sim/collateral_make.h"
#include "sim/svn.h"

#define ATTESTATION_KEY_TYPE_P256 2
#define TEE_TYPE_SGX 0x00000000U
#define TEE_TYPE_TDX 0x00000081U
#define BODY_TYPE_TD_1_5 3
#define CERT_TYPE_PCK_CHAIN 5
#define CERT_TYPE_QE_REPORT 6
#define SGX_REPORT_SIZE ((size_t)384)
#define TD_REPORT_1_5_SIZE ((size_t)648)
#define SGX_FLAGS UINT64_C(0x05) /* INIT, MODE64BIT */
#define SGX_FLAG_DEBUG UINT64_C(0x02)
#define SGX_XFRM UINT64_C(0xe7)
#define TD_ATTRIBUTES UINT64_C(0x10000000) /* SEPT_VE_DISABLE */
#define TD_ATTRIBUTE_DEBUG UINT64_C(0x01)
#define TD_XFAM UINT64_C(0x000618e7)

const uint8_t vch_sim_mrsigner[32] = { 0xa3, 0x49, 0x9b, 0x9a, 0xec, 0x91, 0xc3, 0xb1,
                                       0x18, 0xea, 0x66, 0xbe, 0x30, 0x4b, 0x3d, 0xa2,
                                       0xe0, 0x15, 0x44, 0x36, 0xb5, 0xc8, 0xe7, 0x21,
                                       0x97, 0xf6, 0x63, 0x55, 0x26, 0x73, 0xdf, 0xaa };

static const uint8_t qe_vendor_id[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                          0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
static const uint8_t mrseam[48] = "simulated TDX module";
static const char qe_auth_data[] = "simulated quoting enclave!!!!!!"; /* 32 bytes with its NUL */

static void put(vch_buffer *out, const void *data, size_t size)
{
    vch_buffer_append(out, (vouch_span) { data, size });
}

static void put_zeros(vch_buffer *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        vch_buffer_u8(out, 0);
}

static void put_u64le(vch_buffer *out, uint64_t v)
{
    vch_buffer_u32le(out, (uint32_t)v);
    vch_buffer_u32le(out, (uint32_t)(v >> 32));
}

static void put_header(vch_buffer *out, const vch_sim_platform *p, uint16_t version)
{
    vch_buffer_u16le(out, version);
    vch_buffer_u16le(out, ATTESTATION_KEY_TYPE_P256);
    vch_buffer_u32le(out, version == 3 ? TEE_TYPE_SGX : TEE_TYPE_TDX);
    vch_buffer_u16le(out, version == 3 ? VCH_SIM_QE_ISV_SVN : 0);
    vch_buffer_u16le(out, version == 3 ? VCH_SIM_PCE_SVN : 0);
    put(out, qe_vendor_id, sizeof qe_vendor_id);
    put(out, p->qe_id, sizeof p->qe_id);
    put_zeros(out, 4);
}

typedef struct sgx_report {
    uint8_t svn;
    uint64_t flags;
    const uint8_t *mrenclave;
    const uint8_t *mrsigner;
    uint16_t prod_id;
    uint16_t isv_svn;
    const uint8_t *report_data;
} sgx_report;

static void put_sgx_report(vch_buffer *out, const sgx_report *r)
{
    uint8_t cpu_svn[16];
    vch_sim_cpu_svn(r->svn, cpu_svn);
    put(out, cpu_svn, sizeof cpu_svn);
    put_zeros(out, 4 + 28); /* MISCSELECT, reserved */
    put_u64le(out, r->flags);
    put_u64le(out, SGX_XFRM);
    put(out, r->mrenclave, 32);
    put_zeros(out, 32);
    put(out, r->mrsigner, 32);
    put_zeros(out, 96);
    vch_buffer_u16le(out, r->prod_id);
    vch_buffer_u16le(out, r->isv_svn);
    put_zeros(out, 60);
    put(out, r->report_data, 64);
}

static void put_td_report(vch_buffer *out, const vch_sim_quote_options *o)
{
    uint8_t tee_tcb_svn[16] = VCH_SIM_TDX_COMPONENTS;
    tee_tcb_svn[1] = VCH_SIM_TDX_MODULE_VERSION;
    put(out, tee_tcb_svn, sizeof tee_tcb_svn);
    put(out, mrseam, sizeof mrseam);
    put_zeros(out, 48 + 8); /* MRSIGNERSEAM and SEAMATTRIBUTES: Intel's module has zeros */
    put_u64le(out, TD_ATTRIBUTES | (o->debug ? TD_ATTRIBUTE_DEBUG : 0));
    put_u64le(out, TD_XFAM);
    put(out, o->measurement.mrtd, sizeof o->measurement.mrtd);
    put_zeros(out, (size_t)3 * 48 + (size_t)4 * 48); /* MRCONFIGID, MROWNER, MROWNERCONFIG, RTMRs */
    put(out, o->report_data, sizeof o->report_data);
    if (o->td_report_1_5) {
        put(out, tee_tcb_svn, sizeof tee_tcb_svn); /* TEE_TCB_SVN_2: nothing loaded since */
        put_zeros(out, 48);                        /* MRSERVICETD */
    }
}

/* Header and body: what the attestation key signs. */
static void put_signed_part(vch_buffer *out, const vch_sim_platform *p,
                            const vch_sim_quote_options *o)
{
    if (p->tee == VOUCH_TEE_TDX) {
        put_header(out, p, o->td_report_1_5 ? 5 : 4);
        if (o->td_report_1_5) {
            vch_buffer_u16le(out, BODY_TYPE_TD_1_5);
            vch_buffer_u32le(out, (uint32_t)TD_REPORT_1_5_SIZE);
        }
        put_td_report(out, o);
        return;
    }
    const sgx_report report = { p->svn,
                                SGX_FLAGS | (o->debug ? SGX_FLAG_DEBUG : 0),
                                o->measurement.mrenclave,
                                vch_sim_mrsigner,
                                VCH_SIM_ISV_PROD_ID,
                                VCH_SIM_ISV_SVN,
                                o->report_data };
    put_header(out, p, 3);
    put_sgx_report(out, &report);
}

/* REPORTDATA of the QE report: SHA-256(attestation key || auth data) || zeros. */
static vouch_code qe_report_data(vouch_span attestation_key, uint8_t out[static 64],
                                 vouch_error *err)
{
    uint8_t message[64 + sizeof qe_auth_data];
    memcpy(message, attestation_key.data, 64);
    memcpy(message + 64, qe_auth_data, sizeof qe_auth_data);
    memset(out, 0, 64);
    return vch_sha256((vouch_span) { message, sizeof message }, out, err);
}

/* QE report, its signature, auth data, PCK chain. */
static vouch_code put_qe_part(vch_buffer *out, const vch_sim_platform *p,
                              vouch_span attestation_key, vouch_error *err)
{
    static const uint8_t qe_mrenclave[32] = "simulated quoting enclave";
    uint8_t report_data[64];
    vouch_code rc = qe_report_data(attestation_key, report_data, err);
    if (rc != VOUCH_OK)
        return rc;
    const sgx_report report = {
        p->svn,
        VCH_SIM_QE_ATTRIBUTE_FLAGS,
        qe_mrenclave,
        vch_sim_qe_mrsigner,
        p->tee == VOUCH_TEE_TDX ? VCH_SIM_QE_PROD_ID_TDX : VCH_SIM_QE_PROD_ID_SGX,
        VCH_SIM_QE_ISV_SVN,
        report_data,
    };
    VCH_SCOPED(vch_buffer_drop) vch_buffer body = vch_buffer_with_cap(SGX_REPORT_SIZE);
    put_sgx_report(&body, &report);
    rc = vch_buffer_finish(&body, "QE report", err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_append(out, vch_buffer_span(&body));
    rc = vch_key_sign(p->pck_key, VCH_SIG_ECDSA_SHA256_RAW, vch_buffer_span(&body), out, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_u16le(out, sizeof qe_auth_data);
    put(out, qe_auth_data, sizeof qe_auth_data);
    vch_buffer_u16le(out, CERT_TYPE_PCK_CHAIN);
    vch_buffer_u32le(out, (uint32_t)p->pck_chain.size);
    vch_buffer_append(out, vch_buffer_span(&p->pck_chain));
    return vch_buffer_finish(out, "QE part of a quote", err);
}

static vouch_code put_signature_section(vch_buffer *out, const vch_sim_platform *p,
                                        vouch_span signed_part, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer key = vch_buffer_with_cap(64);
    VCH_SCOPED(vch_buffer_drop) vch_buffer qe = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    vouch_code rc =
        vch_key_sign(p->attestation_key, VCH_SIG_ECDSA_SHA256_RAW, signed_part, out, err);
    if (rc == VOUCH_OK)
        rc = vch_key_ec_point(p->attestation_key, &key, err);
    if (rc == VOUCH_OK)
        rc = put_qe_part(&qe, p, vch_buffer_span(&key), err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_append(out, vch_buffer_span(&key));
    if (p->tee == VOUCH_TEE_TDX) { /* v4 on: the rest is wrapped as certification data */
        vch_buffer_u16le(out, CERT_TYPE_QE_REPORT);
        vch_buffer_u32le(out, (uint32_t)qe.size);
    }
    vch_buffer_append(out, vch_buffer_span(&qe));
    return vch_buffer_finish(out, "signature section of a quote", err);
}

vouch_code vch_sim_quote_make(const vch_sim_platform *p, const vch_sim_quote_options *o,
                              vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer head = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer section = vch_buffer_with_cap(VCH_SIM_QUOTE_MAX_SIZE);
    put_signed_part(&head, p, o);
    vouch_code rc = vch_buffer_finish(&head, "simulated quote", err);
    if (rc == VOUCH_OK)
        rc = put_signature_section(&section, p, vch_buffer_span(&head), err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "simulated quote");
    vch_buffer_append(out, vch_buffer_span(&head));
    vch_buffer_u32le(out, (uint32_t)section.size);
    vch_buffer_append(out, vch_buffer_span(&section));
    return vch_buffer_finish(out, "simulated quote", err);
}
