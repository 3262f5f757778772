#include "svc/attest_request.h"

#include <string.h>

#include "base/bytes.h"
#include "codec/base64.h"

#define ANY_BASE64 (VCH_BASE64_STANDARD | VCH_BASE64_URL | VCH_BASE64_PADDED | VCH_BASE64_UNPADDED)

void vch_attest_request_drop(vch_attest_request *request)
{
    vch_buffer_drop(&request->quote);
    vch_buffer_drop(&request->held_data);
    vch_buffer_drop(&request->nonce_val);
    vch_buffer_drop(&request->nonce_iat);
    vch_buffer_drop(&request->nonce_signature);
    vch_json_free(request->tree);
    *request = (vch_attest_request) { 0 };
}

bool vch_uuid_is_valid(const char *text)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    if (strlen(text) != VCH_UUID_TEXT_SIZE)
        return false;
    for (size_t i = 0; i < VCH_UUID_TEXT_SIZE; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : strchr(hex, text[i]) == NULL)
            return false;
    }
    return true;
}

/* Absent, null, "", [] and {} mean the same to these clients. */
static const vch_json *given(const vch_json *object, const char *name)
{
    const vch_json *value = vch_json_member(object, name);
    if (value == NULL)
        return NULL;
    switch (vch_json_kind_of(value)) {
    case VCH_JSON_NULL:
        return NULL;
    case VCH_JSON_STRING:
        return vch_json_text(value)[0] != '\0' ? value : NULL;
    case VCH_JSON_OBJECT:
    case VCH_JSON_ARRAY:
        return vch_json_count(value) > 0 ? value : NULL;
    case VCH_JSON_INTEGER:
    case VCH_JSON_REAL:
    case VCH_JSON_BOOL:
        return value;
    }
    return value;
}

static vouch_code decode(const vch_json *object, const char *name, size_t cap, vch_buffer *out,
                         vouch_error *err)
{
    const char *text = NULL;
    vouch_code rc = vch_json_get_string(object, name, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = vch_buffer_with_cap(cap);
    rc = vch_base64_decode(vch_span_str(text), ANY_BASE64, out, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "'%s'", name);
}

static vouch_code read_nonce(const vch_json *evidence, vch_attest_request *out, vouch_error *err)
{
    if (given(evidence, "verifier_nonce") == NULL)
        return VOUCH_OK;
    const vch_json *nonce = NULL;
    vouch_code rc = vch_json_get_object(evidence, "verifier_nonce", &nonce, err);
    if (rc == VOUCH_OK)
        rc = decode(nonce, "val", VCH_NONCE_PART_MAX_SIZE, &out->nonce_val, err);
    if (rc == VOUCH_OK)
        rc = decode(nonce, "iat", VCH_NONCE_PART_MAX_SIZE, &out->nonce_iat, err);
    if (rc == VOUCH_OK)
        rc = decode(nonce, "signature", VCH_SIGNATURE_MAX_SIZE, &out->nonce_signature, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'verifier_nonce'");
    out->has_nonce = true;
    return VOUCH_OK;
}

static vouch_code read_evidence(const vch_json *evidence, vch_attest_request *out, vouch_error *err)
{
    if (given(evidence, "quote") == NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "'quote' is missing");
    vouch_code rc = decode(evidence, "quote", VOUCH_QUOTE_MAX_SIZE, &out->quote, err);
    if (rc == VOUCH_OK && given(evidence, "runtime_data") != NULL)
        rc = decode(evidence, "runtime_data", VCH_ATTEST_DATA_MAX_SIZE, &out->held_data, err);
    if (rc == VOUCH_OK)
        rc = read_nonce(evidence, out, err);
    if (rc != VOUCH_OK)
        return rc;
    /* Bound to nothing that we compare: a token must not look as if it were. */
    if (given(evidence, "user_data") != NULL)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "'user_data' belongs to Azure's evidence");
    return VOUCH_OK;
}

static vouch_code read_policy_ids(const vch_json *tree, vch_attest_request *out, vouch_error *err)
{
    if (given(tree, "policy_ids") == NULL)
        return VOUCH_OK;
    const vch_json *list = NULL;
    vouch_code rc = vch_json_get_array(tree, "policy_ids", &list, err);
    if (rc != VOUCH_OK)
        return rc;
    size_t count = vch_json_count(list);
    if (count > VCH_ATTEST_POLICIES_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "'policy_ids' holds %zu ids; at most %d are accepted",
                          count, VCH_ATTEST_POLICIES_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *id = vch_json_text(vch_json_at(list, i));
        if (id == NULL || !vch_uuid_is_valid(id))
            return vouch_fail(err, VOUCH_E_FORMAT, "'policy_ids' holds something that is no UUID");
        out->policy_ids[i] = id;
    }
    out->policy_id_count = count;
    return VOUCH_OK;
}

static vouch_code read_wishes(const vch_json *tree, vch_attest_request *out, vouch_error *err)
{
    vouch_code rc = read_policy_ids(tree, out, err);
    if (rc == VOUCH_OK && given(tree, "policy_must_match") != NULL)
        rc = vch_json_get_bool(tree, "policy_must_match", &out->policy_must_match, err);
    if (rc != VOUCH_OK)
        return rc;
    out->alg = VCH_JWS_PS384;
    if (given(tree, "token_signing_alg") == NULL)
        return VOUCH_OK;
    const char *alg = NULL;
    rc = vch_json_get_string(tree, "token_signing_alg", &alg, err);
    if (rc != VOUCH_OK)
        return rc;
    out->alg = vch_jws_alg_from_name(vch_span_str(alg));
    if (out->alg == VCH_JWS_ALG_NONE)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "'token_signing_alg' must be PS384 or RS256");
    return VOUCH_OK;
}

static vouch_code read_composite(const vch_json *tree, vch_attest_request *out, vouch_error *err)
{
    static const char *const others[] = { "nvgpu", "tpm", "sevsnp" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (given(tree, others[i]) != NULL)
            return vouch_fail(err, VOUCH_E_UNSUPPORTED, "'%s' evidence is not appraised here",
                              others[i]);
    }
    bool sgx = given(tree, "sgx") != NULL;
    bool tdx = given(tree, "tdx") != NULL;
    if (sgx == tdx)
        return vouch_fail(err, VOUCH_E_FORMAT, "exactly one of 'sgx' and 'tdx' must be given");
    const vch_json *evidence = NULL;
    vouch_code rc = vch_json_get_object(tree, sgx ? "sgx" : "tdx", &evidence, err);
    if (rc != VOUCH_OK)
        return rc;
    out->composite = true;
    out->tee = sgx ? VOUCH_TEE_SGX : VOUCH_TEE_TDX;
    return read_evidence(evidence, out, err);
}

vouch_code vch_attest_request_parse(vouch_span body, bool on_v2, vch_attest_request *out,
                                    vouch_error *err)
{
    static const vch_json_limits limits = { VCH_ATTEST_BODY_MAX_SIZE, 16 };
    vouch_code rc = vch_json_parse(body, &limits, &out->tree, err);
    if (rc != VOUCH_OK)
        return rc;
    if (vch_json_kind_of(out->tree) != VCH_JSON_OBJECT)
        return vouch_fail(err, VOUCH_E_FORMAT, "the body is not a JSON object");
    rc = read_wishes(out->tree, out, err);
    if (rc != VOUCH_OK)
        return rc;
    if (on_v2 && given(out->tree, "quote") == NULL)
        return read_composite(out->tree, out, err);
    return read_evidence(out->tree, out, err);
}
