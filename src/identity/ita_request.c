#include "identity/ita_request.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_writer.h"

#define TEE_TYPE_SGX 0u
#define TEE_TYPE_TDX 0x81u

void vch_ita_nonce_drop(vch_ita_nonce *nonce)
{
    vch_buffer_drop(&nonce->val);
    vch_buffer_drop(&nonce->iat);
    vch_buffer_drop(&nonce->signature);
    *nonce = (vch_ita_nonce) { 0 };
}

static void put_base64(vch_json_writer *w, const char *name, vouch_span bytes)
{
    vch_json_key(w, name);
    vch_json_base64(w, bytes);
}

static void put_evidence(vch_json_writer *w, const vch_ita_request *request)
{
    put_base64(w, "quote", request->quote);
    if (request->nonce != NULL) {
        vch_json_key(w, "verifier_nonce");
        vch_json_begin_object(w);
        put_base64(w, "val", vch_buffer_span(&request->nonce->val));
        put_base64(w, "iat", vch_buffer_span(&request->nonce->iat));
        put_base64(w, "signature", vch_buffer_span(&request->nonce->signature));
        vch_json_end(w);
    }
    if (request->held_data.size > 0)
        put_base64(w, "runtime_data", request->held_data);
}

static void put_wishes(vch_json_writer *w, const vch_ita_request *request)
{
    if (request->policy_id_count > 0) {
        vch_json_key(w, "policy_ids");
        vch_json_begin_array(w);
        for (size_t i = 0; i < request->policy_id_count; i++)
            vch_json_string(w, request->policy_ids[i]);
        vch_json_end(w);
    }
    if (request->policy_must_match)
        vch_json_put_bool(w, "policy_must_match", true);
    vch_json_put_string(w, "token_signing_alg", request->rs256 ? "RS256" : "PS384");
}

/* The quote header's tee_type, bytes 4 to 7: in a v3 quote they are zero, which means SGX, too. */
static vouch_code tee_name(vouch_span quote, const char **out, vouch_error *err)
{
    vch_cursor c = vch_cursor_over(quote);
    (void)vch_cursor_take(&c, 4);
    uint32_t tee_type = vch_cursor_u32le(&c);
    if (c.failed)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "the quote has no header");
    if (tee_type != TEE_TYPE_SGX && tee_type != TEE_TYPE_TDX)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "a quote of TEE type 0x%x", tee_type);
    *out = tee_type == TEE_TYPE_TDX ? "tdx" : "sgx";
    return VOUCH_OK;
}

vouch_code vch_ita_request_build(const vch_ita_request *request, unsigned version, vch_buffer *out,
                                 vouch_error *err)
{
    const char *tee = NULL;
    vouch_code rc = tee_name(request->quote, &tee, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_json_writer w = vch_json_writer_over(out, false);
    vch_json_begin_object(&w);
    put_wishes(&w, request);
    if (version == 2) {
        vch_json_key(&w, tee);
        vch_json_begin_object(&w);
        put_evidence(&w, request);
        vch_json_end(&w);
    } else {
        put_evidence(&w, request);
    }
    vch_json_end(&w);
    return vch_buffer_finish(out, "attestation request", err);
}

static vouch_code decode(const vch_json *tree, const char *name, vch_buffer *out, vouch_error *err)
{
    const char *text = NULL;
    vouch_code rc = vch_json_get_string(tree, name, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = vch_buffer_with_cap(VCH_ITA_NONCE_MAX_SIZE);
    rc = vch_base64_decode(vch_span_str(text), VCH_BASE64_STANDARD | VCH_BASE64_PADDED, out, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "'%s'", name);
}

vouch_code vch_ita_nonce_parse(vouch_span json, vch_ita_nonce *out, vouch_error *err)
{
    static const vch_json_limits limits = { VCH_ITA_NONCE_MAX_SIZE, 4 };
    VCH_SCOPED(vch_json_drop) vch_json *tree = NULL;
    vch_ita_nonce made = { 0 };
    vouch_code rc = vch_json_parse(json, &limits, &tree, err);
    if (rc == VOUCH_OK)
        rc = decode(tree, "val", &made.val, err);
    if (rc == VOUCH_OK)
        rc = decode(tree, "iat", &made.iat, err);
    if (rc == VOUCH_OK)
        rc = decode(tree, "signature", &made.signature, err);
    if (rc != VOUCH_OK) {
        vch_ita_nonce_drop(&made);
        return vouch_wrap(err, rc, "the nonce");
    }
    *out = made;
    return VOUCH_OK;
}

static bool is_compact_jws(const char *text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789-_.";
    return text[0] != '\0' && text[strspn(text, alphabet)] == '\0';
}

vouch_code vch_ita_token_parse(vouch_span json, vch_buffer *out, vouch_error *err)
{
    static const vch_json_limits limits = { VCH_ITA_TOKEN_MAX_SIZE + 1024, 4 };
    VCH_SCOPED(vch_json_drop) vch_json *tree = NULL;
    const char *token = NULL;
    vouch_code rc = vch_json_parse(json, &limits, &tree, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_string(tree, "token", &token, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the token answer");
    if (!is_compact_jws(token))
        return vouch_fail(err, VOUCH_E_FORMAT, "the token answer holds no compact JWS");
    vch_buffer_append_str(out, token);
    return vch_buffer_finish(out, "token", err);
}

void vch_ita_fault_text(vouch_span body, char out[static VCH_ITA_FAULT_TEXT_SIZE])
{
    static const vch_json_limits limits = { 64 << 10, 8 };
    VCH_SCOPED(vch_json_drop) vch_json *tree = NULL;
    out[0] = '\0';
    if (vch_json_parse(body, &limits, &tree, NULL) != VOUCH_OK)
        return;
    const char *text = vch_json_text(vch_json_member(tree, "error"));
    if (text == NULL)
        text = vch_json_text(vch_json_member(tree, "message"));
    if (text == NULL)
        return;
    size_t n = 0;
    for (; text[n] != '\0' && n + 1 < VCH_ITA_FAULT_TEXT_SIZE; n++)
        out[n] = text[n];
    out[n] = '\0';
    for (size_t i = 0; i < n; i++) { /* it ends on terminals and in logs */
        if (out[i] < 0x20 || out[i] > 0x7e)
            out[i] = '?';
    }
}
