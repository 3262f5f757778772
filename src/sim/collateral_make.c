#include "sim/collateral_make.h"

#include <string.h>

#include "codec/hex.h"
#include "codec/json_writer.h"
#include "crypto/crl_builder.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "sim/key_file.h"
#include "sim/svn.h"

#define PART_MAX_SIZE ((size_t)256 << 10)
#define TCB_DATE "2026-03-11T00:00:00Z"
#define OLD_TCB_DATE "2024-03-13T00:00:00Z"
#define ZERO_48_HEX                                                                                \
    "000000000000000000000000000000000000000000000000"                                             \
    "000000000000000000000000000000000000000000000000"

/* SHA-256("vouch-sim quoting enclave signer") */
const uint8_t vch_sim_qe_mrsigner[32] = { 0xdf, 0x40, 0xce, 0xa9, 0x6d, 0xdf, 0x18, 0xf4,
                                          0xf3, 0x2b, 0xcc, 0xf2, 0x1b, 0xa1, 0x09, 0x98,
                                          0x29, 0x0d, 0x69, 0xba, 0xf3, 0x86, 0x54, 0x7a,
                                          0xe5, 0x81, 0xe2, 0x17, 0xd2, 0x4b, 0x26, 0x36 };

static void write_components(vch_json_writer *w, const char *name, const uint8_t svns[static 16])
{
    vch_json_key(w, name);
    vch_json_begin_array(w);
    for (size_t i = 0; i < 16; i++) {
        vch_json_begin_object(w);
        vch_json_put_uint(w, "svn", svns[i]);
        vch_json_end(w);
    }
    vch_json_end(w);
}

static void write_level(vch_json_writer *w, const vch_sim_level *level, vouch_tee tee)
{
    static const uint8_t tdx_components[16] = VCH_SIM_TDX_COMPONENTS;
    uint8_t components[16];
    vch_sim_cpu_svn(level->svn, components);
    vch_json_begin_object(w);
    vch_json_key(w, "tcb");
    vch_json_begin_object(w);
    write_components(w, "sgxtcbcomponents", components);
    vch_json_put_uint(w, "pcesvn", VCH_SIM_PCE_SVN);
    if (tee == VOUCH_TEE_TDX)
        write_components(w, "tdxtcbcomponents", tdx_components);
    vch_json_end(w);
    vch_json_put_string(w, "tcbDate",
                        level->status == VOUCH_TCB_UP_TO_DATE ? TCB_DATE : OLD_TCB_DATE);
    vch_json_put_string(w, "tcbStatus", vouch_tcb_status_name(level->status));
    if (level->advisory_count > 0) {
        vch_json_key(w, "advisoryIDs");
        vch_json_begin_array(w);
        for (size_t i = 0; i < level->advisory_count; i++)
            vch_json_string(w, level->advisories[i]);
        vch_json_end(w);
    }
    vch_json_end(w);
}

/* Members of an enclave or module identity: levels by ISVSVN. */
static void write_isv_levels(vch_json_writer *w, unsigned good_svn)
{
    vch_json_key(w, "tcbLevels");
    vch_json_begin_array(w);
    for (unsigned i = 0; i < 2; i++) {
        vch_json_begin_object(w);
        vch_json_key(w, "tcb");
        vch_json_begin_object(w);
        vch_json_put_uint(w, "isvsvn", i == 0 ? good_svn : good_svn - 1);
        vch_json_end(w);
        vch_json_put_string(w, "tcbDate", i == 0 ? TCB_DATE : OLD_TCB_DATE);
        vch_json_put_string(w, "tcbStatus", i == 0 ? "UpToDate" : "OutOfDate");
        vch_json_end(w);
    }
    vch_json_end(w);
}

static void write_tdx_modules(vch_json_writer *w)
{
    static const uint8_t tdx_components[16] = VCH_SIM_TDX_COMPONENTS;
    vch_json_key(w, "tdxModule");
    vch_json_begin_object(w);
    vch_json_put_string(w, "mrsigner", ZERO_48_HEX);
    vch_json_put_string(w, "attributes", "0000000000000000");
    vch_json_put_string(w, "attributesMask", "FFFFFFFFFFFFFFFF");
    vch_json_end(w);
    vch_json_key(w, "tdxModuleIdentities");
    vch_json_begin_array(w);
    vch_json_begin_object(w);
    vch_json_put_string(w, "id", "TDX_01");
    vch_json_put_string(w, "mrsigner", ZERO_48_HEX);
    vch_json_put_string(w, "attributes", "0000000000000000");
    vch_json_put_string(w, "attributesMask", "FFFFFFFFFFFFFFFF");
    write_isv_levels(w, tdx_components[0]);
    vch_json_end(w);
    vch_json_end(w);
}

static void write_dates(vch_json_writer *w, const vch_sim_dates *dates)
{
    vch_json_put_moment(w, "issueDate", dates->issue_unix_s);
    vch_json_put_moment(w, "nextUpdate", dates->next_update_unix_s);
}

static void write_tcb_info(const vch_sim_vendor *v, vouch_tee tee, const vch_sim_dates *dates,
                           vch_buffer *out)
{
    vch_json_writer w = vch_json_writer_over(out, false);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "id", tee == VOUCH_TEE_TDX ? "TDX" : "SGX");
    vch_json_put_uint(&w, "version", 3);
    write_dates(&w, dates);
    vch_json_put_hex(&w, "fmspc", (vouch_span) { vch_sim_fmspc, sizeof vch_sim_fmspc });
    vch_json_put_hex(&w, "pceId", (vouch_span) { vch_sim_pceid, sizeof vch_sim_pceid });
    vch_json_put_uint(&w, "tcbType", 0);
    vch_json_put_uint(&w, "tcbEvaluationDataNumber", VCH_SIM_EVALUATION_NUMBER);
    if (tee == VOUCH_TEE_TDX)
        write_tdx_modules(&w);
    vch_json_key(&w, "tcbLevels");
    vch_json_begin_array(&w);
    for (unsigned svn = UINT8_MAX; svn > 0; svn--) { /* descending, as Intel lists them */
        for (size_t i = 0; i < v->level_count; i++) {
            if (v->levels[i].svn == svn)
                write_level(&w, &v->levels[i], tee);
        }
    }
    vch_json_end(&w);
    vch_json_end(&w);
}

static void write_qe_identity(vouch_tee tee, const vch_sim_dates *dates, vch_buffer *out)
{
    vch_json_writer w = vch_json_writer_over(out, false);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "id", tee == VOUCH_TEE_TDX ? "TD_QE" : "QE");
    vch_json_put_uint(&w, "version", 2);
    write_dates(&w, dates);
    vch_json_put_uint(&w, "tcbEvaluationDataNumber", VCH_SIM_EVALUATION_NUMBER);
    vch_json_put_string(&w, "miscselect", "00000000");
    vch_json_put_string(&w, "miscselectMask", "FFFFFFFF");
    vch_json_put_string(&w, "attributes", "11000000000000000000000000000000");
    vch_json_put_string(&w, "attributesMask", "FBFFFFFFFFFFFFFF0000000000000000");
    vch_json_put_hex(&w, "mrsigner",
                     (vouch_span) { vch_sim_qe_mrsigner, sizeof vch_sim_qe_mrsigner });
    vch_json_put_uint(&w, "isvprodid",
                      tee == VOUCH_TEE_TDX ? VCH_SIM_QE_PROD_ID_TDX : VCH_SIM_QE_PROD_ID_SGX);
    write_isv_levels(&w, VCH_SIM_QE_ISV_SVN);
    vch_json_end(&w);
}

/* {"<member>":<body>,"signature":"<r || s over the exact bytes of body>"} */
static vouch_code write_signed(const vch_sim_vendor *v, const char *member, const vch_buffer *body,
                               const char *dir, const char *name, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer signature = vch_buffer_with_cap(64);
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(PART_MAX_SIZE);
    vouch_code rc = vch_buffer_finish(body, name, err);
    if (rc == VOUCH_OK)
        rc = vch_key_sign(v->signing_key, VCH_SIG_ECDSA_SHA256_RAW, vch_buffer_span(body),
                          &signature, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_json_writer w = vch_json_writer_over(&text, false);
    vch_json_begin_object(&w);
    vch_json_key(&w, member);
    vch_json_raw(&w, vch_buffer_span(body));
    vch_json_put_hex(&w, "signature", vch_buffer_span(&signature));
    vch_json_end(&w);
    rc = vch_buffer_finish(&text, name, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_sim_file_write(dir, name, vch_buffer_span(&text), 0644, err);
}

static vouch_code write_signing_chain(const vch_sim_vendor *v, const char *dir, const char *name,
                                      vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = vch_buffer_with_cap(PART_MAX_SIZE);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&v->signing), &pem);
    vch_pem_encode(VCH_PEM_CERTIFICATE, vch_buffer_span(&v->root), &pem);
    vouch_code rc = vch_buffer_finish(&pem, name, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_sim_file_write(dir, name, vch_buffer_span(&pem), 0644, err);
}

static vouch_code write_crl(const vch_crl_options *options, const char *dir, const char *name,
                            vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(PART_MAX_SIZE);
    vouch_code rc = vch_crl_build(options, &der, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "%s", name);
    return vch_sim_file_write(dir, name, vch_buffer_span(&der), 0644, err);
}

static vouch_code write_pck_crl(const vch_sim_vendor *v, const vch_sim_dates *dates,
                                const char *dir, vouch_error *err)
{
    vch_crl_entry entries[VCH_SIM_MAX_REVOKED];
    for (size_t i = 0; i < v->revoked_pck_count; i++)
        entries[i] =
            (vch_crl_entry) { { v->revoked_pck[i], VCH_SIM_SERIAL_SIZE }, dates->issue_unix_s };
    const vch_crl_options options = {
        .issuer_cert = vch_buffer_span(&v->ca),
        .signer = v->ca_key,
        .number = v->crl_number,
        .this_update_unix_s = dates->issue_unix_s,
        .next_update_unix_s = dates->next_update_unix_s,
        .entries = entries,
        .entry_count = v->revoked_pck_count,
    };
    return write_crl(&options, dir, "pck_crl.der", err);
}

static vouch_code write_root_crl(const vch_sim_vendor *v, const vch_sim_dates *dates,
                                 const char *dir, vouch_error *err)
{
    uint8_t serial[VCH_CERT_SERIAL_MAX_SIZE];
    size_t size = 0;
    vouch_code rc = vch_cert_serial(vch_buffer_span(&v->ca), serial, &size, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_crl_entry revoked = { { serial, size }, dates->issue_unix_s };
    const vch_crl_options options = {
        .issuer_cert = vch_buffer_span(&v->root),
        .signer = v->root_key,
        .number = v->crl_number,
        .this_update_unix_s = dates->issue_unix_s,
        .next_update_unix_s = dates->root_crl_next_unix_s,
        .entries = &revoked,
        .entry_count = v->ca_revoked ? 1 : 0,
    };
    return write_crl(&options, dir, "root_ca_crl.der", err);
}

vouch_code vch_sim_collateral_write(const vch_sim_vendor *v, vouch_tee tee,
                                    const vch_sim_dates *dates, const char *dir, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer tcb_info = vch_buffer_with_cap(PART_MAX_SIZE);
    VCH_SCOPED(vch_buffer_drop) vch_buffer qe_identity = vch_buffer_with_cap(PART_MAX_SIZE);
    write_tcb_info(v, tee, dates, &tcb_info);
    write_qe_identity(tee, dates, &qe_identity);
    vouch_code rc = vch_dir_make(dir, 0755, err);
    if (rc == VOUCH_OK)
        rc = write_signed(v, "tcbInfo", &tcb_info, dir, "tcb_info.json", err);
    if (rc == VOUCH_OK)
        rc = write_signing_chain(v, dir, "tcb_info_issuer_chain.pem", err);
    if (rc == VOUCH_OK)
        rc = write_signed(v, "enclaveIdentity", &qe_identity, dir, "qe_identity.json", err);
    if (rc == VOUCH_OK)
        rc = write_signing_chain(v, dir, "qe_identity_issuer_chain.pem", err);
    if (rc == VOUCH_OK)
        rc = write_pck_crl(v, dates, dir, err);
    if (rc == VOUCH_OK)
        rc = write_root_crl(v, dates, dir, err);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "simulated collateral '%s'", dir);
}
