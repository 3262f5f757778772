#include "cli/token_inputs.h"

#include <string.h>

#include "base/scope.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "host/clock.h"
#include "host/file.h"
#include "identity/ita_request.h"
#include "policy/policy.h"

#define FILE_MAX_SIZE ((size_t)1 << 20)
#define SHA256_SIZE 32

void vch_token_inputs_drop(vch_token_inputs *inputs)
{
    vch_buffer_drop(&inputs->token);
    vch_issuer_set_drop(&inputs->issuer);
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

static bool is_url(const char *text)
{
    return strncmp(text, "https://", 8) == 0;
}

/* The issuer's CRLs stand behind those that were given. */
static void point_at_crls(vch_token_inputs *in)
{
    in->crl_count = 0;
    for (size_t i = 0; i < in->crl_der_count; i++)
        in->crls[in->crl_count++] = vch_buffer_span(&in->crl_der[i]);
    for (size_t i = 0; i < in->issuer.text.crl_count; i++)
        in->crls[in->crl_count++] = vch_buffer_span(&in->issuer.text.crl[i]);
}

static void say(const vch_token_places *places, vch_log_level level, const char *event,
                const vouch_error *fault)
{
    char text[1024];
    vch_log(places->log, level, event, VCH_STR("jwks", places->jwks),
            VCH_STR("reason", vouch_error_text(fault, text, sizeof text)));
}

static vouch_code get_issuer(const vch_token_places *places, vch_issuer_way way,
                             vch_token_inputs *in, vouch_error *err)
{
    const vch_issuer_source source = { .url = places->jwks,
                                       .ca_file = places->ca,
                                       .cache = places->cache,
                                       .now_unix_s = vch_clock_unix_s(),
                                       .at_unix_s = places->at_unix_s };
    vch_issuer_set set = { 0 };
    vouch_code rc = vch_issuer_fetch(&source, way, &set, err);
    if (rc != VOUCH_OK)
        return rc;
    if (set.unreachable)
        say(places, VCH_LOG_WARN, "token.issuer_unreachable", &set.fault);
    if (set.not_kept)
        say(places, VCH_LOG_INFO, "token.not_kept", &set.cache_fault);
    vch_issuer_set_drop(&in->issuer);
    in->issuer = set;
    point_at_crls(in);
    return VOUCH_OK;
}

static vouch_code read_keys(const vch_token_places *places, vch_token_inputs *out, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = { 0 };
    if (is_url(places->jwks))
        return get_issuer(places, places->offline ? VCH_ISSUER_KEPT_ONLY : VCH_ISSUER_KEPT_FIRST,
                          out, err);
    if (strstr(places->jwks, "://") != NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "--jwks '%s': a file or an https:// URL is expected",
                          places->jwks);
    vouch_code rc = vch_file_read(places->jwks, FILE_MAX_SIZE, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = vouch_jwks_parse(vch_buffer_span(&text), &out->issuer.keys, &out->issuer.fault);
    if (rc == VOUCH_E_MEMORY)
        return vouch_fail(err, rc, "no memory for a key set");
    point_at_crls(out);
    return VOUCH_OK; /* what is no key set gives a verdict */
}

bool vch_token_inputs_may_be_old(const vch_token_places *places, const vch_token_inputs *inputs,
                                 const vouch_token_verdict *verdict)
{
    const char *sentence = NULL;
    if (places->offline || !inputs->issuer.kept || vouch_token_verdict_reason_count(verdict) == 0)
        return false;
    switch (vouch_token_verdict_reason(verdict, 0, &sentence)) { /* the first one stopped it */
    case VOUCH_TOKEN_KEY_UNKNOWN:
    case VOUCH_TOKEN_ROOT:
    case VOUCH_TOKEN_CHAIN:
    case VOUCH_TOKEN_REVOKED:
        return true;
    case VOUCH_TOKEN_MALFORMED:
    case VOUCH_TOKEN_SIGNATURE:
    case VOUCH_TOKEN_ISSUER:
    case VOUCH_TOKEN_TIME:
    case VOUCH_TOKEN_NONCE:
    case VOUCH_TOKEN_HELD_DATA:
    case VOUCH_TOKEN_MEASUREMENT:
    case VOUCH_TOKEN_DEBUG:
    case VOUCH_TOKEN_TCB:
    case VOUCH_TOKEN_SIMULATED:
    case VOUCH_TOKEN_POLICY:
        return false; /* the token's own fault */
    }
    return false;
}

vouch_code vch_token_inputs_renew(const vch_token_places *places, vch_token_inputs *inputs,
                                  vouch_error *err)
{
    return get_issuer(places, VCH_ISSUER_FETCHED, inputs, err);
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
        if (i == VCH_TOKEN_CRLS_MAX)
            return vouch_fail(err, VOUCH_E_CONFIG, "at most %d CRLs", VCH_TOKEN_CRLS_MAX);
        vouch_code rc = vch_file_read(crls->item[i], FILE_MAX_SIZE, &out->crl_der[i], err);
        if (rc != VOUCH_OK)
            return rc;
        out->crl_der_count = i + 1;
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
