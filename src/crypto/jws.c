#include "crypto/jws.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_writer.h"

static const struct {
    vch_jws_alg alg;
    const char *name;
    vch_sig_alg signature;
} algs[] = {
    { VCH_JWS_PS384, "PS384", VCH_SIG_RSA_PSS_SHA384 },
    { VCH_JWS_RS256, "RS256", VCH_SIG_RSA_PKCS1_SHA256 },
};

#define ALG_COUNT (sizeof algs / sizeof algs[0])

const char *vch_jws_alg_name(vch_jws_alg alg)
{
    for (size_t i = 0; i < ALG_COUNT; i++) {
        if (algs[i].alg == alg)
            return algs[i].name;
    }
    return NULL;
}

vch_jws_alg vch_jws_alg_from_name(vouch_span name)
{
    for (size_t i = 0; i < ALG_COUNT; i++) {
        if (vch_span_is(name, algs[i].name))
            return algs[i].alg;
    }
    return VCH_JWS_ALG_NONE;
}

static vouch_code signature_alg(vch_jws_alg alg, vch_sig_alg *out, vouch_error *err)
{
    for (size_t i = 0; i < ALG_COUNT; i++) {
        if (algs[i].alg == alg) {
            *out = algs[i].signature;
            return VOUCH_OK;
        }
    }
    return vouch_fail(err, VOUCH_E_UNSUPPORTED, "no signature algorithm is set");
}

void vch_jws_drop(vch_jws *jws)
{
    vch_buffer_drop(&jws->payload);
    vch_buffer_drop(&jws->signature);
    *jws = (vch_jws) { 0 };
}

/* The bytes before the next dot; the dot is eaten. Fails the cursor if there is none. */
static vouch_span take_part(vch_cursor *c)
{
    for (size_t i = 0; i < c->rest.size; i++) {
        if (c->rest.data[i] == '.') {
            vouch_span part = vch_cursor_take(c, i);
            (void)vch_cursor_take(c, 1);
            return part;
        }
    }
    return vch_cursor_take(c, SIZE_MAX);
}

static vouch_code decode_part(vouch_span part, const char *what, size_t cap, vch_buffer *out,
                              vouch_error *err)
{
    if (part.size == 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "the token's %s is empty", what);
    *out = vch_buffer_with_cap(cap);
    vouch_code rc = vch_base64_decode(part, VCH_BASE64_URL | VCH_BASE64_UNPADDED, out, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "the token's %s", what);
}

/* RFC 7515 s.4.1.11 and RFC 7797: what we do not understand and would have to is refused. An
 * embedded key must not even look as if it counted. */
static vouch_code refuse_members(const vch_json *header, vouch_error *err)
{
    static const char *const refused[] = { "crit", "b64", "jwk", "enc", "zip" };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (vch_json_member(header, refused[i]) != NULL)
            return vouch_fail(err, VOUCH_E_UNSUPPORTED, "the token's header holds '%s'",
                              refused[i]);
    }
    return VOUCH_OK;
}

static vouch_code read_kid(const vch_json *header, char *out, vouch_error *err)
{
    if (vch_json_member(header, "kid") == NULL)
        return VOUCH_OK;
    const char *kid = NULL;
    vouch_code rc = vch_json_get_string(header, "kid", &kid, err);
    if (rc != VOUCH_OK)
        return rc;
    size_t size = strlen(kid);
    if (size == 0 || size > VCH_JWS_KID_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "kid has %zu characters; 1 to %d are possible", size,
                          VCH_JWS_KID_MAX_SIZE);
    memcpy(out, kid, size + 1);
    return VOUCH_OK;
}

static vouch_code read_header(vouch_span text, vch_jws *out, vouch_error *err)
{
    static const vch_json_limits limits = { VCH_JWS_HEADER_MAX_SIZE, 4 };
    VCH_SCOPED(vch_json_drop) vch_json *header = NULL;
    vouch_code rc = vch_json_parse(text, &limits, &header, err);
    if (rc != VOUCH_OK)
        return rc;
    const char *alg = NULL;
    rc = vch_json_get_string(header, "alg", &alg, err);
    if (rc != VOUCH_OK)
        return rc;
    out->alg = vch_jws_alg_from_name(vch_span_str(alg));
    if (out->alg == VCH_JWS_ALG_NONE)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "alg '%.20s'; PS384 and RS256 are accepted",
                          alg);
    rc = refuse_members(header, err);
    if (rc != VOUCH_OK)
        return rc;
    if (vch_json_member(header, "typ") != NULL) {
        const char *typ = NULL;
        rc = vch_json_get_string(header, "typ", &typ, err);
        if (rc != VOUCH_OK)
            return rc;
        if (strcmp(typ, "JWT") != 0)
            return vouch_fail(err, VOUCH_E_UNSUPPORTED, "typ '%.20s'; JWT is accepted", typ);
    }
    return read_kid(header, out->kid, err);
}

vouch_code vch_jws_parse(vouch_span text, vch_jws *out, vouch_error *err)
{
    if (text.size > VCH_JWS_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "a token of %zu bytes; at most %zu are accepted",
                          text.size, VCH_JWS_MAX_SIZE);
    vch_cursor c = vch_cursor_over(text);
    vouch_span header = take_part(&c);
    vouch_span payload = take_part(&c);
    if (c.failed)
        return vouch_fail(err, VOUCH_E_FORMAT, "a token has three parts with a dot between them");
    vouch_span signature = vch_cursor_take(&c, c.rest.size);

    VCH_SCOPED(vch_buffer_drop) vch_buffer header_json = { 0 };
    VCH_SCOPED(vch_jws_drop) vch_jws made = { 0 };
    vouch_code rc = decode_part(header, "header", VCH_JWS_HEADER_MAX_SIZE, &header_json, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = read_header(vch_buffer_span(&header_json), &made, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the token's header");
    rc = decode_part(payload, "payload", VCH_JWS_MAX_SIZE, &made.payload, err);
    if (rc != VOUCH_OK)
        return rc;
    rc = decode_part(signature, "signature", VCH_JWS_SIGNATURE_MAX_SIZE, &made.signature, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_cursor again = vch_cursor_over(text);
    made.signed_text = vch_cursor_take(&again, header.size + 1 + payload.size);
    *out = made;
    made = (vch_jws) { 0 };
    return VOUCH_OK;
}

vouch_code vch_jws_verify(const vch_jws *jws, const vch_key *key, bool *out_valid, vouch_error *err)
{
    vch_sig_alg alg = VCH_SIG_RSA_PSS_SHA384;
    vouch_code rc = signature_alg(jws->alg, &alg, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_key_verify(key, alg, jws->signed_text, vch_buffer_span(&jws->signature), out_valid,
                          err);
}

static vouch_code append_header(vch_jws_alg alg, const char *kid, const char *jku, vch_buffer *out,
                                vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer header = vch_buffer_with_cap(VCH_JWS_HEADER_MAX_SIZE);
    vch_json_writer w = vch_json_writer_over(&header, false);
    vch_json_begin_object(&w);
    vch_json_put_string(&w, "alg", vch_jws_alg_name(alg));
    if (jku != NULL)
        vch_json_put_string(&w, "jku", jku);
    vch_json_put_string(&w, "kid", kid);
    vch_json_put_string(&w, "typ", "JWT");
    vch_json_end(&w);
    vouch_code rc = vch_buffer_finish(&header, "token header", err);
    if (rc == VOUCH_OK)
        vch_base64url_encode(vch_buffer_span(&header), out);
    return rc;
}

vouch_code vch_jws_sign(vch_jws_alg alg, const vch_key *key, const char *kid, const char *jku,
                        vouch_span payload, vch_buffer *out, vouch_error *err)
{
    vch_sig_alg signature_kind = VCH_SIG_RSA_PSS_SHA384;
    vouch_code rc = signature_alg(alg, &signature_kind, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(VCH_JWS_MAX_SIZE);
    rc = append_header(alg, kid, jku, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_append_str(&text, ".");
    vch_base64url_encode(payload, &text);
    rc = vch_buffer_finish(&text, "token", err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer signature = vch_buffer_with_cap(VCH_JWS_SIGNATURE_MAX_SIZE);
    rc = vch_key_sign(key, signature_kind, vch_buffer_span(&text), &signature, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "signing a token");
    vch_buffer_append_str(&text, ".");
    vch_base64url_encode(vch_buffer_span(&signature), &text);
    rc = vch_buffer_finish(&text, "token", err);
    if (rc != VOUCH_OK)
        return rc;
    vch_buffer_append(out, vch_buffer_span(&text));
    return vch_buffer_finish(out, "token", err);
}
