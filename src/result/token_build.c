#include "result/token_build.h"

#include <stdio.h>

#include "base/scope.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "crypto/hash.h"
#include "result/token_exports.h"

#define SPAN(array) ((vouch_span) { (array), sizeof(array) })

/* Numbers that the quote holds little-endian are shown in the quote's byte order. */
static void put_u64_bytes(vch_json_writer *w, const char *name, uint64_t v)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = vch_buffer_with_cap(8);
    vch_buffer_u32le(&bytes, (uint32_t)(v & UINT32_MAX));
    vch_buffer_u32le(&bytes, (uint32_t)(v >> 32));
    vch_json_put_hex(w, name, vch_buffer_span(&bytes));
    if (bytes.failed != VOUCH_OK)
        w->out->failed = bytes.failed;
}

static void put_policy_list(vch_json_writer *w, const vch_token_statement *s, bool matched)
{
    size_t count = 0;
    for (size_t i = 0; i < s->policy_count; i++)
        count += s->policies[i].matched == matched ? 1 : 0;
    if (count == 0) /* absent when there is none, as in real tokens */
        return;
    vch_json_key(w, matched ? "policy_ids_matched" : "policy_ids_unmatched");
    vch_json_begin_array(w);
    for (size_t i = 0; i < s->policy_count; i++) {
        if (s->policies[i].matched != matched)
            continue;
        vch_json_begin_object(w);
        vch_json_put_string(w, "id", s->policies[i].id);
        vch_json_put_string(w, "version", "v1");
        vch_json_key(w, "hash");
        vch_json_base64(w, SPAN(s->policies[i].sha384));
        vch_json_end(w);
    }
    vch_json_end(w);
}

static void put_common(vch_json_writer *w, const vch_token_statement *s)
{
    char profile[512];
    (void)snprintf(profile, sizeof profile, "%s/eat_profile.html", s->base_url);
    if (s->version == 2) {
        vch_json_key(w, "appraisal");
        vch_json_begin_object(w);
        vch_json_put_string(w, "method", "default");
        vch_json_put_uint(w, "ver", 2);
        vch_json_end(w);
    }
    vch_json_put_string(w, "eat_profile", profile);
    vch_json_put_int(w, "exp", s->issued_at_unix_s + (int64_t)s->lifetime_s);
    vch_json_put_int(w, "iat", s->issued_at_unix_s);
    vch_json_put_string(w, "intuse", "generic");
    vch_json_put_string(w, "iss", s->version == 2 ? s->base_url : VCH_TOKEN_V1_ISSUER);
    vch_json_put_string(w, "jti", s->id);
    vch_json_put_int(w, "nbf", s->issued_at_unix_s);
    vch_json_key(w, "policy_defined_claims");
    vch_json_begin_object(w);
    if (s->claims->simulated) {
        vch_json_put_hex(w, "root_sha256", SPAN(s->claims->root_sha256));
        vch_json_put_bool(w, "simulated", true);
    }
    vch_token_put_exports(w, s);
    vch_json_end(w);
    put_policy_list(w, s, true);
    put_policy_list(w, s, false);
    vch_json_put_string(w, "ver", s->version == 2 ? "2.0.0" : "1.0.0");
    vch_json_key(w, "verifier_instance_ids");
    vch_json_begin_array(w);
    vch_json_string(w, s->instance_id);
    vch_json_end(w);
}

static vouch_code put_data(vch_json_writer *w, vouch_span data, vouch_error *err)
{
    static const vch_json_limits limits = { VOUCH_TOKEN_MAX_SIZE, VCH_TOKEN_DATA_JSON_DEPTH };
    if (data.size == 0)
        return VOUCH_OK;
    VCH_SCOPED(vch_json_drop) vch_json *tree = NULL;
    vouch_code rc = vch_json_parse(data, &limits, &tree, NULL);
    if (rc == VOUCH_E_MEMORY)
        return vouch_fail(err, rc, "no memory to read the held data");
    if (rc == VOUCH_OK && vch_json_kind_of(tree) == VCH_JSON_OBJECT) {
        vch_json_key(w, "attester_runtime_data");
        vch_json_value(w, tree);
    } else {
        vch_json_key(w, "attester_held_data");
        vch_json_base64(w, data);
    }
    return VOUCH_OK;
}

static vouch_code put_attester(vch_json_writer *w, const vch_token_statement *s, vouch_error *err)
{
    const vouch_claims *c = s->claims;
    if (c->advisory_count > 0) {
        vch_json_key(w, "attester_advisory_ids");
        vch_token_put_advisories(w, c);
    }
    vouch_code rc = put_data(w, s->held_data, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_json_put_moment(w, "attester_tcb_date", c->tcb_date_unix_s);
    vch_json_put_string(w, "attester_tcb_status", vouch_tcb_status_name(c->tcb_status));
    vch_json_put_string(w, "attester_type", c->tee == VOUCH_TEE_TDX ? "TDX" : "SGX");
    vch_json_put_string(w, "dbgstat", c->debug ? "enabled" : "disabled");
    if (s->nonce.val != NULL) {
        vch_json_key(w, "verifier_nonce");
        vch_json_begin_object(w);
        vch_json_put_string(w, "iat", s->nonce.iat);
        vch_json_put_string(w, "signature", s->nonce.signature);
        vch_json_put_string(w, "val", s->nonce.val);
        vch_json_end(w);
    }
    return VOUCH_OK;
}

static vouch_code put_collateral(vch_json_writer *w, const char *name, const vch_token_statement *s,
                                 vouch_error *err)
{
    uint8_t quote[VCH_SHA256_SIZE];
    vouch_code rc = vch_sha256(s->quote, quote, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_token_collateral *c = &s->collateral;
    vch_json_key(w, name);
    vch_json_begin_object(w);
    if (s->version == 2)
        vch_json_put_hex(w, "fmspc", SPAN(s->claims->fmspc));
    vch_json_put_hex(w, "qeidcerthash", SPAN(c->qe_identity_chain));
    vch_json_put_hex(w, "qeidcrlhash", SPAN(c->root_ca_crl));
    vch_json_put_hex(w, "qeidhash", SPAN(c->qe_identity));
    vch_json_put_hex(w, "quotehash", SPAN(quote));
    if (s->version == 2)
        vch_json_put_uint(w, "tcbevaluationdatanumber", s->claims->evaluation_number);
    vch_json_put_hex(w, "tcbinfocerthash", SPAN(c->tcb_info_chain));
    vch_json_put_hex(w, "tcbinfocrlhash", SPAN(c->root_ca_crl));
    vch_json_put_hex(w, "tcbinfohash", SPAN(c->tcb_info));
    vch_json_end(w);
    return VOUCH_OK;
}

static vouch_code put_sgx(vch_json_writer *w, const vch_token_statement *s, vouch_error *err)
{
    const vouch_sgx_claims *q = &s->claims->sgx;
    vouch_code rc = put_collateral(w, "sgx_collateral", s, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_json_put_hex(w, "sgx_config_id", SPAN(q->config_id));
    vch_json_put_bool(w, "sgx_is_debuggable",
                      (q->attribute_flags & VOUCH_SGX_ATTRIBUTE_DEBUG) != 0);
    vch_json_put_uint(w, "sgx_isvprodid", q->isv_prod_id);
    vch_json_put_uint(w, "sgx_isvsvn", q->isv_svn);
    vch_json_put_hex(w, "sgx_mrenclave", SPAN(q->mrenclave));
    vch_json_put_hex(w, "sgx_mrsigner", SPAN(q->mrsigner));
    vch_json_put_hex(w, "sgx_report_data", SPAN(s->claims->report_data));
    return VOUCH_OK;
}

static void put_td_measurements(vch_json_writer *w, const vouch_tdx_claims *q)
{
    static const char *const rtmr_names[] = { "tdx_rtmr0", "tdx_rtmr1", "tdx_rtmr2", "tdx_rtmr3" };
    vch_json_put_hex(w, "tdx_mrconfigid", SPAN(q->mrconfigid));
    vch_json_put_hex(w, "tdx_mrowner", SPAN(q->mrowner));
    vch_json_put_hex(w, "tdx_mrownerconfig", SPAN(q->mrownerconfig));
    vch_json_put_hex(w, "tdx_mrseam", SPAN(q->mrseam));
    vch_json_put_hex(w, "tdx_mrsignerseam", SPAN(q->mrsigner_seam));
    vch_json_put_hex(w, "tdx_mrtd", SPAN(q->mrtd));
    for (size_t i = 0; i < 4; i++)
        vch_json_put_hex(w, rtmr_names[i], SPAN(q->rtmr[i]));
}

/* `tdx_is_debuggable` is true for every bit of the TUD group: a debugged TD must never look like a
 * production one. `tdx_td_attributes_debug` is bit 0 alone, as its name says. */
static vouch_code put_tdx(vch_json_writer *w, const vch_token_statement *s, vouch_error *err)
{
    const vouch_tdx_claims *q = &s->claims->tdx;
    const uint64_t td = q->td_attributes;
    vouch_code rc = put_collateral(w, "tdx_collateral", s, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_json_put_bool(w, "tdx_is_debuggable", s->claims->debug);
    put_td_measurements(w, q);
    vch_json_put_hex(w, "tdx_report_data", SPAN(s->claims->report_data));
    vch_json_put_hex(w, "tdx_seam_attributes", SPAN(q->seam_attributes));
    vch_json_put_uint(w, "tdx_seamsvn",
                      (uint64_t)(q->tee_tcb_svn[0] | (unsigned)q->tee_tcb_svn[1] << 8));
    put_u64_bytes(w, "tdx_td_attributes", td);
    vch_json_put_bool(w, "tdx_td_attributes_debug", (td & 1) != 0);
    vch_json_put_bool(w, "tdx_td_attributes_key_locker", (td & VOUCH_TD_ATTRIBUTE_KL) != 0);
    vch_json_put_bool(w, "tdx_td_attributes_perfmon", (td & VOUCH_TD_ATTRIBUTE_PERFMON) != 0);
    vch_json_put_bool(w, "tdx_td_attributes_protection_keys", (td & VOUCH_TD_ATTRIBUTE_PKS) != 0);
    vch_json_put_bool(w, "tdx_td_attributes_septve_disable",
                      (td & VOUCH_TD_ATTRIBUTE_SEPT_VE_DISABLE) != 0);
    vch_json_put_hex(w, "tdx_tee_tcb_svn", SPAN(q->tee_tcb_svn));
    put_u64_bytes(w, "tdx_xfam", q->xfam);
    return VOUCH_OK;
}

vouch_code vch_token_payload_build(const vch_token_statement *statement, vch_buffer *out,
                                   vouch_error *err)
{
    const vch_token_statement *s = statement;
    bool tdx = s->claims->tee == VOUCH_TEE_TDX;
    if (!tdx && s->claims->tee != VOUCH_TEE_SGX)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "a token about no known TEE");
    vch_json_writer w = vch_json_writer_over(out, false);
    vch_json_begin_object(&w);
    put_common(&w, s);
    if (s->version == 2) {
        vch_json_key(&w, tdx ? "tdx" : "sgx");
        vch_json_begin_object(&w);
    }
    vouch_code rc = put_attester(&w, s, err);
    if (rc == VOUCH_OK)
        rc = tdx ? put_tdx(&w, s, err) : put_sgx(&w, s, err);
    if (rc != VOUCH_OK)
        return rc;
    if (s->version == 2)
        vch_json_end(&w);
    vch_json_end(&w);
    return vch_buffer_finish(out, "token", err);
}
