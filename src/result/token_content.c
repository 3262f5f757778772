#include "result/token_content.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/moment.h"
#include "codec/base64.h"
#include "crypto/hash.h"
#include "evidence/claims.h"
#include "vouch/verifier.h"

#define TEE_TYPE_SGX 0u
#define TEE_TYPE_TDX 0x81u

void vch_token_content_drop(vch_token_content *content)
{
    vch_json_free(content->tree);
    vch_buffer_drop(&content->held_data);
    vch_buffer_drop(&content->nonce_val);
    vch_buffer_drop(&content->nonce_iat);
    *content = (vch_token_content) { 0 };
}

static vouch_code decode(const vch_json *object, const char *name, vch_buffer *out,
                         vouch_error *err)
{
    const char *text = NULL;
    vouch_code rc = vch_json_get_string(object, name, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = vch_buffer_with_cap(VOUCH_TOKEN_MAX_SIZE);
    rc = vch_base64_decode(vch_span_str(text), VCH_BASE64_STANDARD | VCH_BASE64_PADDED, out, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "'%s'", name);
}

/* An absent member and an explicit null are the same in these tokens. */
static const vch_json *present(const vch_json *object, const char *name)
{
    const vch_json *value = vch_json_member(object, name);
    return value != NULL && vch_json_kind_of(value) != VCH_JSON_NULL ? value : NULL;
}

static vouch_code read_seconds(const vch_json *tree, const char *name, int64_t *out,
                               vouch_error *err)
{
    uint64_t number = 0;
    vouch_code rc = vch_json_get_uint(tree, name, VCH_MOMENT_MAX_UNIX_S, &number, err);
    if (rc == VOUCH_OK)
        *out = (int64_t)number;
    return rc;
}

static vouch_code read_times(const vch_json *tree, vouch_token_claims *view, vouch_error *err)
{
    vouch_code rc = read_seconds(tree, "iat", &view->issued_at_unix_s, err);
    if (rc == VOUCH_OK)
        rc = read_seconds(tree, "nbf", &view->not_before_unix_s, err);
    if (rc == VOUCH_OK)
        rc = read_seconds(tree, "exp", &view->expires_at_unix_s, err);
    return rc;
}

static vouch_code read_policies(const vch_json *tree, const char *name, const char **out,
                                size_t *out_count, vouch_error *err)
{
    if (present(tree, name) == NULL)
        return VOUCH_OK;
    const vch_json *list = NULL;
    vouch_code rc = vch_json_get_array(tree, name, &list, err);
    if (rc != VOUCH_OK)
        return rc;
    size_t count = vch_json_count(list);
    if (count > VCH_TOKEN_POLICIES_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "'%s' holds %zu policies; at most %d are read", name,
                          count, VCH_TOKEN_POLICIES_MAX);
    for (size_t i = 0; i < count; i++) {
        const vch_json *entry = vch_json_at(list, i);
        if (vch_json_kind_of(entry) != VCH_JSON_OBJECT)
            return vouch_fail(err, VOUCH_E_FORMAT, "'%s' holds something that is not an object",
                              name);
        rc = vch_json_get_string(entry, "id", &out[i], err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "'%s'", name);
    }
    *out_count = count;
    return VOUCH_OK;
}

static vouch_code read_advisories(const vch_json *tee, vch_token_content *out, vouch_error *err)
{
    if (present(tee, "attester_advisory_ids") == NULL)
        return VOUCH_OK;
    const vch_json *list = NULL;
    vouch_code rc = vch_json_get_array(tee, "attester_advisory_ids", &list, err);
    if (rc != VOUCH_OK)
        return rc;
    size_t count = vch_json_count(list);
    if (count > VCH_TOKEN_ADVISORIES_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu advisories; at most %d are read", count,
                          VCH_TOKEN_ADVISORIES_MAX);
    for (size_t i = 0; i < count; i++) {
        out->advisories[i] = vch_json_text(vch_json_at(list, i));
        if (out->advisories[i] == NULL)
            return vouch_fail(err, VOUCH_E_FORMAT, "an advisory id is not a string");
    }
    out->view.advisory_ids = out->advisories;
    out->view.advisory_count = count;
    return VOUCH_OK;
}

static vouch_code read_tcb(const vch_json *tee, vch_token_content *out, vouch_error *err)
{
    vouch_code rc = vch_json_get_string(tee, "attester_tcb_status", &out->view.tcb_status, err);
    if (rc == VOUCH_OK && present(tee, "attester_tcb_date") != NULL)
        rc = vch_json_get_moment(tee, "attester_tcb_date", &out->view.tcb_date_unix_s, err);
    return rc == VOUCH_OK ? read_advisories(tee, out, err) : rc;
}

/* Two claims speak of debug; a token in which they differ says nothing. */
static vouch_code read_debug(const vch_json *tee, bool tdx, bool *out, vouch_error *err)
{
    bool debuggable = true;
    vouch_code rc =
        vch_json_get_bool(tee, tdx ? "tdx_is_debuggable" : "sgx_is_debuggable", &debuggable, err);
    if (rc != VOUCH_OK)
        return rc;
    if (present(tee, "dbgstat") != NULL) {
        const char *state = NULL;
        rc = vch_json_get_string(tee, "dbgstat", &state, err);
        if (rc != VOUCH_OK)
            return rc;
        if (strcmp(state, debuggable ? "enabled" : "disabled") != 0)
            return vouch_fail(err, VOUCH_E_FORMAT, "'dbgstat' contradicts the debug attribute");
    }
    *out = debuggable;
    return VOUCH_OK;
}

static vouch_code read_data(const vch_json *tee, vch_token_content *out, vouch_error *err)
{
    const vch_json *runtime = present(tee, "attester_runtime_data");
    out->has_runtime_json = runtime != NULL;
    out->has_held_data = present(tee, "attester_held_data") != NULL;
    if (out->has_runtime_json && out->has_held_data)
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "'attester_held_data' and 'attester_runtime_data' stand side by side");
    if (out->has_runtime_json && vch_json_kind_of(runtime) != VCH_JSON_OBJECT)
        return vouch_fail(err, VOUCH_E_FORMAT, "'attester_runtime_data' is not an object");
    if (!out->has_held_data)
        return VOUCH_OK;
    vouch_code rc = decode(tee, "attester_held_data", &out->held_data, err);
    out->view.held_data = vch_buffer_span(&out->held_data);
    return rc;
}

static vouch_code read_nonce(const vch_json *tee, vch_token_content *out, vouch_error *err)
{
    if (present(tee, "verifier_nonce") == NULL)
        return VOUCH_OK;
    const vch_json *nonce = NULL;
    vouch_code rc = vch_json_get_object(tee, "verifier_nonce", &nonce, err);
    if (rc == VOUCH_OK)
        rc = decode(nonce, "val", &out->nonce_val, err);
    if (rc == VOUCH_OK)
        rc = decode(nonce, "iat", &out->nonce_iat, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'verifier_nonce'");
    out->has_nonce = true;
    out->view.nonce_val = vch_buffer_span(&out->nonce_val);
    out->view.nonce_iat = vch_buffer_span(&out->nonce_iat);
    return VOUCH_OK;
}

/* Numbers stand in the quote's byte order, which is little-endian. */
static vouch_code read_u64(const vch_json *tee, const char *name, uint64_t *out, vouch_error *err)
{
    uint8_t bytes[8];
    vouch_code rc = vch_json_get_hex(tee, name, bytes, sizeof bytes, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_cursor c = vch_cursor_over((vouch_span) { bytes, sizeof bytes });
    *out = vch_cursor_u64le(&c);
    return VOUCH_OK;
}

static vouch_code read_sgx(const vch_json *tee, vch_token_content *out, vouch_error *err)
{
    uint64_t prod_id = 0;
    uint64_t svn = 0;
    vouch_code rc = vch_json_get_hex(tee, "sgx_mrenclave", out->measurement, 32, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_hex(tee, "sgx_mrsigner", out->signer, 32, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(tee, "sgx_isvprodid", UINT16_MAX, &prod_id, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_uint(tee, "sgx_isvsvn", UINT16_MAX, &svn, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_hex(tee, "sgx_report_data", out->report_data, 64, err);
    if (rc != VOUCH_OK)
        return rc;
    out->view.tee_type = TEE_TYPE_SGX;
    out->view.measurement = (vouch_span) { out->measurement, 32 };
    out->view.signer = (vouch_span) { out->signer, 32 };
    out->view.prod_id = (uint32_t)prod_id;
    out->view.svn = (uint32_t)svn;
    vouch_sgx_claims *sgx = &out->claims.sgx;
    out->claims.tee = VOUCH_TEE_SGX;
    memcpy(sgx->mrenclave, out->measurement, sizeof sgx->mrenclave);
    memcpy(sgx->mrsigner, out->signer, sizeof sgx->mrsigner);
    sgx->isv_prod_id = (uint16_t)prod_id;
    sgx->isv_svn = (uint16_t)svn;
    sgx->attribute_flags = VOUCH_SGX_ATTRIBUTE_INIT; /* a quote is of nothing else */
    return VOUCH_OK;
}

static vouch_code read_tdx(const vch_json *tee, vch_token_content *out, vouch_error *err)
{
    static const char *const rtmr_names[] = { "tdx_rtmr0", "tdx_rtmr1", "tdx_rtmr2", "tdx_rtmr3" };
    vouch_tdx_claims *tdx = &out->claims.tdx;
    vouch_code rc = vch_json_get_hex(tee, "tdx_mrtd", out->measurement, 48, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_hex(tee, "tdx_mrsignerseam", out->signer, 48, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_hex(tee, "tdx_report_data", out->report_data, 64, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_hex(tee, "tdx_mrconfigid", tdx->mrconfigid, 48, err);
    if (rc == VOUCH_OK)
        rc = read_u64(tee, "tdx_td_attributes", &tdx->td_attributes, err);
    for (size_t i = 0; i < 4 && rc == VOUCH_OK; i++)
        rc = vch_json_get_hex(tee, rtmr_names[i], tdx->rtmr[i], 48, err);
    if (rc != VOUCH_OK)
        return rc;
    out->claims.tee = VOUCH_TEE_TDX;
    memcpy(tdx->mrtd, out->measurement, sizeof tdx->mrtd);
    out->view.tee_type = TEE_TYPE_TDX;
    out->view.measurement = (vouch_span) { out->measurement, 48 };
    out->view.signer = (vouch_span) { out->signer, 48 };
    return VOUCH_OK;
}

static vouch_code read_tee(const vch_json *tee, vch_token_content *out, vouch_error *err)
{
    const char *kind = NULL;
    vouch_code rc = vch_json_get_string(tee, "attester_type", &kind, err);
    if (rc != VOUCH_OK)
        return rc;
    bool tdx = strcmp(kind, "TDX") == 0;
    if (!tdx && strcmp(kind, "SGX") != 0)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "attester_type '%.20s'; SGX and TDX are known",
                          kind);
    rc = tdx ? read_tdx(tee, out, err) : read_sgx(tee, out, err);
    if (rc == VOUCH_OK)
        rc = read_debug(tee, tdx, &out->view.debug, err);
    if (rc == VOUCH_OK)
        rc = read_tcb(tee, out, err);
    if (rc == VOUCH_OK)
        rc = read_data(tee, out, err);
    if (rc == VOUCH_OK)
        rc = read_nonce(tee, out, err);
    out->view.report_data = (vouch_span) { out->report_data, 64 };
    if (tdx && (out->claims.tdx.td_attributes & VOUCH_TD_ATTRIBUTE_TUD_MASK) != 0)
        out->view.debug = true; /* the service looks at one bit of eight */
    return rc;
}

static vouch_code find_tee(const vch_json *tree, unsigned version, const vch_json **out,
                           vouch_error *err)
{
    if (version == 1) {
        *out = tree;
        return VOUCH_OK;
    }
    bool sgx = present(tree, "sgx") != NULL;
    bool tdx = present(tree, "tdx") != NULL;
    if (sgx == tdx)
        return vouch_fail(err, VOUCH_E_FORMAT, "exactly one of 'sgx' and 'tdx' is expected");
    return vch_json_get_object(tree, sgx ? "sgx" : "tdx", out, err);
}

static vouch_code read_version(const vch_json *tree, uint32_t *out, vouch_error *err)
{
    const char *version = NULL;
    vouch_code rc = vch_json_get_string(tree, "ver", &version, err);
    if (rc != VOUCH_OK)
        return rc;
    if (strcmp(version, "1.0.0") == 0)
        *out = 1;
    else if (strcmp(version, "2.0.0") == 0)
        *out = 2;
    else
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "ver '%.20s'; 1.0.0 and 2.0.0 are known",
                          version);
    return VOUCH_OK;
}

/* Our own service says of a simulated platform under which root it is. Else it is Intel's: the
 * service has no other. */
static vouch_code read_root(const vch_json *tree, vch_token_content *out, vouch_error *err)
{
    const vch_json *defined = present(tree, "policy_defined_claims");
    if (defined != NULL && vch_json_member(defined, "simulated") != NULL) {
        vouch_code rc = vch_json_get_bool(defined, "simulated", &out->view.simulated, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    if (!out->view.simulated)
        return vch_sha256(vouch_intel_root(), out->claims.root_sha256, err);
    if (vch_json_member(defined, "root_sha256") == NULL)
        return VOUCH_OK;
    return vch_json_get_hex(defined, "root_sha256", out->claims.root_sha256,
                            sizeof out->claims.root_sha256, err);
}

static vouch_code read_evaluation_number(const vch_json *tee, bool tdx, vouch_claims *out,
                                         vouch_error *err)
{
    const vch_json *collateral = present(tee, tdx ? "tdx_collateral" : "sgx_collateral");
    if (collateral == NULL || present(collateral, "tcbevaluationdatanumber") == NULL)
        return VOUCH_OK;
    uint64_t number = 0;
    vouch_code rc =
        vch_json_get_uint(collateral, "tcbevaluationdatanumber", UINT32_MAX, &number, err);
    if (rc == VOUCH_OK)
        out->evaluation_number = (uint32_t)number;
    return rc;
}

/* What is in both views. */
static void complete_claims(vch_token_content *out)
{
    const vouch_token_claims *view = &out->view;
    vouch_claims *claims = &out->claims;
    memcpy(claims->report_data, out->report_data, sizeof claims->report_data);
    claims->debug = view->debug;
    claims->simulated = view->simulated;
    claims->tcb_status = vch_tcb_status_from_name(vch_span_str(view->tcb_status));
    claims->current_tcb_status = claims->tcb_status;
    claims->tcb_date_unix_s = view->tcb_date_unix_s;
    claims->advisory_ids = view->advisory_ids;
    claims->advisory_count = view->advisory_count;
}

static vouch_code read_common(const vch_json *tree, vch_token_content *out, vouch_error *err)
{
    vouch_token_claims *view = &out->view;
    vouch_code rc = read_version(tree, &view->version, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(tree, "iss", &view->issuer, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(tree, "jti", &view->id, err);
    if (rc == VOUCH_OK)
        rc = read_times(tree, view, err);
    if (rc == VOUCH_OK)
        rc = read_root(tree, out, err);
    if (rc == VOUCH_OK)
        rc = read_policies(tree, "policy_ids_matched", out->matched, &view->policies_matched_count,
                           err);
    if (rc == VOUCH_OK)
        rc = read_policies(tree, "policy_ids_unmatched", out->unmatched,
                           &view->policies_unmatched_count, err);
    view->policies_matched = out->matched;
    view->policies_unmatched = out->unmatched;
    return rc;
}

vouch_code vch_token_content_parse(vouch_span payload, vch_token_content *out, vouch_error *err)
{
    static const vch_json_limits limits = { VOUCH_TOKEN_MAX_SIZE, 32 };
    vouch_code rc = vch_json_parse(payload, &limits, &out->tree, err);
    const vch_json *tee = NULL;
    if (rc == VOUCH_OK)
        rc = read_common(out->tree, out, err);
    if (rc == VOUCH_OK)
        rc = find_tee(out->tree, out->view.version, &tee, err);
    if (rc == VOUCH_OK)
        rc = read_tee(tee, out, err);
    if (rc == VOUCH_OK)
        rc = read_evaluation_number(tee, out->claims.tee == VOUCH_TEE_TDX, &out->claims, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the token's claims");
    complete_claims(out);
    return VOUCH_OK;
}

vouch_code vch_token_binding(bool tdx, vouch_span nonce_val, vouch_span nonce_iat, vouch_span data,
                             uint8_t out[static 64], vouch_error *err)
{
    VCH_SCOPED(vch_hash_drop) vch_hash *hash = NULL;
    uint8_t made[64] = { 0 };
    vouch_code rc = vch_hash_new(tdx ? VCH_HASH_SHA512 : VCH_HASH_SHA256, &hash, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, nonce_val, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, nonce_iat, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_update(hash, data, err);
    if (rc == VOUCH_OK)
        rc = vch_hash_finish(hash, made, tdx ? VCH_SHA512_SIZE : VCH_SHA256_SIZE, err);
    if (rc == VOUCH_OK)
        memcpy(out, made, sizeof made);
    return rc;
}
