#include "cli/token_inputs.h"

#include <string.h>

#include "base/scope.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "host/file.h"
#include "identity/ita_request.h"
#include "net/http_client.h"
#include "policy/policy.h"
#include "result/jwks.h"

#define FILE_MAX_SIZE ((size_t)1 << 20)
#define SHA256_SIZE 32

void vch_token_inputs_drop(vch_token_inputs *inputs)
{
    vch_buffer_drop(&inputs->token);
    vouch_jwks_free(inputs->keys);
    vouch_policy_free(inputs->policy);
    for (size_t i = 0; i < VCH_TOKEN_CRLS_MAX; i++)
        vch_buffer_drop(&inputs->crl_der[i]);
    vch_ita_nonce_drop(&inputs->nonce);
    vch_buffer_drop(&inputs->held_data);
    *inputs = (vch_token_inputs) { 0 };
}

static vouch_code read_token(const char *path, vch_token_inputs *out, vouch_error *err)
{
    vouch_code rc = vch_file_read(path, FILE_MAX_SIZE, &out->token, err);
    if (rc != VOUCH_OK)
        return rc;
    out->token_text = vch_buffer_span(&out->token);
    size_t *size = &out->token_text.size;
    if (*size > 0 && out->token_text.data[*size - 1] == '\n')
        --*size;
    if (*size > 0 && out->token_text.data[*size - 1] == '\r')
        --*size;
    return VOUCH_OK;
}

static vouch_code fetch(const vch_token_places *places, const char *url, size_t cap, bool plain,
                        vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    const vch_http_call call = {
        .url = url, .ca_file = places->ca, .response_cap = cap, .plain_http = plain
    };
    vouch_code rc = vch_http_fetch(&call, &answer, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "'%s'", url);
    if (answer.status != 200)
        return vouch_fail(err, VOUCH_E_NETWORK, "'%s' answered status %d", url, answer.status);
    *out = answer.body;
    answer.body = (vch_buffer) { 0 };
    return VOUCH_OK;
}

static bool is_url(const char *text)
{
    return strncmp(text, "https://", 8) == 0;
}

/* A CRL of each certificate that names one; the root names none. */
static vouch_code fetch_crls(const vch_token_places *places, vch_token_inputs *out,
                             vouch_error *err)
{
    for (size_t k = 0; k < vch_jwks_count(out->keys); k++) {
        const vch_cert_chain *chain = vch_jwks_at(out->keys, k)->chain;
        for (size_t i = 0; i < vch_cert_chain_count(chain); i++) {
            char url[VCH_CERT_CHAIN_URL_SIZE];
            if (out->crl_count == VCH_TOKEN_CRLS_MAX
                || vch_cert_chain_crl_url(chain, i, url, NULL) != VOUCH_OK)
                continue;
            vch_buffer *der = &out->crl_der[out->crl_count];
            vouch_code rc = fetch(places, url, VCH_CERT_CHAIN_MAX_CRL_SIZE, true, der, err);
            if (rc != VOUCH_OK)
                return rc;
            out->crls[out->crl_count++] = vch_buffer_span(der);
        }
    }
    return VOUCH_OK;
}

static vouch_code read_keys(const vch_token_places *places, vch_token_inputs *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = is_url(places->jwks)
                        ? fetch(places, places->jwks, VOUCH_JWKS_MAX_SIZE, false, &text, err)
                        : vch_file_read(places->jwks, FILE_MAX_SIZE, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vouch_jwks_parse(vch_buffer_span(&text), &out->keys, &out->keys_fault);
    if (rc == VOUCH_E_MEMORY)
        return vouch_fail(err, rc, "no memory for a key set");
    out->keys_malformed = rc != VOUCH_OK; /* a verdict, not a failure */
    return rc == VOUCH_OK && is_url(places->jwks) ? fetch_crls(places, out, err) : VOUCH_OK;
}

static vouch_code read_roots(const vch_texts *roots, vch_token_inputs *out, vouch_error *err)
{
    if (roots->count > VCH_TOKEN_ROOTS_MAX)
        return vouch_fail(err, VOUCH_E_CONFIG, "at most %d roots", VCH_TOKEN_ROOTS_MAX);
    for (size_t i = 0; i < roots->count; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(FILE_MAX_SIZE);
        vouch_code rc = vch_file_read(roots->item[i], FILE_MAX_SIZE, &pem, err);
        if (rc != VOUCH_OK)
            return rc;
        rc = vch_pem_decode_one(vch_buffer_span(&pem), VCH_PEM_CERTIFICATE, VCH_PEM_TEXT_BEFORE,
                                &der, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, VOUCH_E_CONFIG, "root '%s'", roots->item[i]);
        rc = vch_sha256(vch_buffer_span(&der), out->roots + i * SHA256_SIZE, err);
        if (rc != VOUCH_OK)
            return rc;
        out->root_count = i + 1;
    }
    return VOUCH_OK;
}

static vouch_code read_crls(const vch_texts *crls, vch_token_inputs *out, vouch_error *err)
{
    for (size_t i = 0; i < crls->count; i++) {
        if (out->crl_count == VCH_TOKEN_CRLS_MAX)
            return vouch_fail(err, VOUCH_E_CONFIG, "at most %d CRLs", VCH_TOKEN_CRLS_MAX);
        vch_buffer *der = &out->crl_der[out->crl_count];
        vouch_code rc = vch_file_read(crls->item[i], FILE_MAX_SIZE, der, err);
        if (rc != VOUCH_OK)
            return rc;
        out->crls[out->crl_count++] = vch_buffer_span(der);
    }
    return VOUCH_OK;
}

static vouch_code read_policy(const char *path, vch_token_inputs *out, vouch_error *err)
{
    if (path == NULL)
        return vch_policy_platform_only(&out->policy, err);
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    vouch_code rc = vch_file_read(path, FILE_MAX_SIZE, &text, err);
    return rc == VOUCH_OK ? vouch_policy_parse(path, vch_buffer_span(&text), &out->policy, err)
                          : rc;
}

static vouch_code read_nonce(const char *path, vch_token_inputs *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    if (path == NULL)
        return VOUCH_OK;
    vouch_code rc = vch_file_read(path, FILE_MAX_SIZE, &text, err);
    if (rc == VOUCH_OK)
        rc = vch_ita_nonce_parse(vch_buffer_span(&text), &out->nonce, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "'%s'", path);
}

vouch_code vch_token_inputs_read(const vch_token_places *places, vch_token_inputs *out,
                                 vouch_error *err)
{
    vouch_code rc = read_token(places->token, out, err);
    if (rc == VOUCH_OK)
        rc = read_roots(places->roots, out, err);
    if (rc == VOUCH_OK)
        rc = read_crls(places->crls, out, err);
    if (rc == VOUCH_OK)
        rc = read_policy(places->policy, out, err);
    if (rc == VOUCH_OK)
        rc = read_nonce(places->nonce, out, err);
    if (rc == VOUCH_OK && places->held_data != NULL)
        rc = vch_file_read(places->held_data, FILE_MAX_SIZE, &out->held_data, err);
    return rc == VOUCH_OK ? read_keys(places, out, err) : rc; /* last: it may be the network */
}
