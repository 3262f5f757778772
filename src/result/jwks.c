#include "result/jwks.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_writer.h"
#include "crypto/jws.h"

struct vouch_jwks {
    vch_jwks_key keys[VCH_JWKS_MAX_KEYS];
    size_t count;
};

VCH_DEFINE_DROP(drop_jwks, vouch_jwks, vouch_jwks_free)
VCH_DEFINE_DROP(drop_chain, vch_cert_chain, vch_cert_chain_free)

void vouch_jwks_free(vouch_jwks *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        free(keys->keys[i].kid);
        vch_cert_chain_free(keys->keys[i].chain);
        vch_key_free(keys->keys[i].key);
    }
    free(keys);
}

const vch_jwks_key *vch_jwks_find(const vouch_jwks *keys, const char *kid)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].kid, kid) == 0)
            return &keys->keys[i];
    }
    return NULL;
}

size_t vch_jwks_count(const vouch_jwks *keys)
{
    return keys->count;
}

const vch_jwks_key *vch_jwks_at(const vouch_jwks *keys, size_t index)
{
    return index < keys->count ? &keys->keys[index] : NULL;
}

typedef struct der_list {
    vch_buffer der[VCH_CERT_CHAIN_MAX_COUNT];
    vouch_span span[VCH_CERT_CHAIN_MAX_COUNT];
    size_t count;
} der_list;

static void drop_der_list(der_list *list)
{
    for (size_t i = 0; i < VCH_CERT_CHAIN_MAX_COUNT; i++)
        vch_buffer_drop(&list->der[i]);
}

static vouch_code read_chain(const vch_json *x5c, vch_cert_chain **out, vouch_error *err)
{
    VCH_SCOPED(drop_der_list) der_list list = { 0 };
    list.count = vch_json_count(x5c);
    if (list.count > VCH_CERT_CHAIN_MAX_COUNT)
        return vouch_fail(err, VOUCH_E_LIMIT, "x5c holds %zu certificates; at most %d are accepted",
                          list.count, VCH_CERT_CHAIN_MAX_COUNT);
    for (size_t i = 0; i < list.count; i++) {
        const char *text = vch_json_text(vch_json_at(x5c, i));
        if (text == NULL)
            return vouch_fail(err, VOUCH_E_FORMAT, "x5c holds something that is not a string");
        list.der[i] = vch_buffer_with_cap(VCH_CERT_CHAIN_MAX_DER_SIZE);
        vouch_code rc = vch_base64_decode(
            vch_span_str(text), VCH_BASE64_STANDARD | VCH_BASE64_PADDED, &list.der[i], err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "certificate %zu of x5c", i);
        list.span[i] = vch_buffer_span(&list.der[i]);
    }
    return vch_cert_chain_parse(list.span, list.count, out, err);
}

static vouch_code read_number(const vch_json *jwk, const char *name, vch_buffer *out,
                              vouch_error *err)
{
    const char *text = NULL;
    vouch_code rc = vch_json_get_string(jwk, name, &text, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = vch_buffer_with_cap(VCH_JWS_RSA_MAX_BITS / 8);
    rc = vch_base64_decode(vch_span_str(text), VCH_BASE64_URL | VCH_BASE64_UNPADDED, out, err);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "'%s'", name);
}

/* Intel's Go client takes n and e, the others the certificate: they must be one key. */
static vouch_code check_numbers(const vch_json *jwk, const vch_key *leaf_key, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer n = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer e = { 0 };
    vouch_code rc = read_number(jwk, "n", &n, err);
    if (rc == VOUCH_OK)
        rc = read_number(jwk, "e", &e, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_key_drop) vch_key *stated = NULL;
    rc = vch_key_from_rsa_numbers(vch_buffer_span(&n), vch_buffer_span(&e), &stated, err);
    if (rc != VOUCH_OK)
        return rc;
    if (!vch_key_same_public(stated, leaf_key))
        return vouch_fail(err, VOUCH_E_FORMAT, "n and e are not the leaf certificate's");
    return VOUCH_OK;
}

static vouch_code read_key(const vch_json *jwk, vouch_jwks *set, vouch_error *err)
{
    const char *kid = NULL;
    const vch_json *x5c = NULL;
    vouch_code rc = vch_json_get_string(jwk, "kid", &kid, err);
    if (rc == VOUCH_OK)
        rc = vch_json_get_array(jwk, "x5c", &x5c, err);
    if (rc != VOUCH_OK)
        return rc;
    if (kid[0] == '\0' || strlen(kid) > VCH_JWS_KID_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "kid must have 1 to %d characters",
                          VCH_JWS_KID_MAX_SIZE);
    if (vch_jwks_find(set, kid) != NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "two keys have the same kid");
    VCH_SCOPED(drop_chain) vch_cert_chain *chain = NULL;
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    rc = read_chain(x5c, &chain, err);
    if (rc == VOUCH_OK)
        rc = vch_cert_chain_leaf_key(chain, &key, err);
    if (rc == VOUCH_OK)
        rc = check_numbers(jwk, key, err);
    if (rc != VOUCH_OK)
        return rc;
    char *copy = strdup(kid);
    if (copy == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a key set");
    set->keys[set->count] = (vch_jwks_key) { copy, VCH_MOVE(chain), VCH_MOVE(key) };
    set->count++;
    return VOUCH_OK;
}

/* A key of another kind or use is not ours to judge and is passed over (RFC 7517 s.5). */
static bool is_for_us(const vch_json *jwk)
{
    const char *kty = vch_json_text(vch_json_member(jwk, "kty"));
    const vch_json *use = vch_json_member(jwk, "use");
    if (kty == NULL || strcmp(kty, "RSA") != 0)
        return false;
    return use == NULL || (vch_json_text(use) != NULL && strcmp(vch_json_text(use), "sig") == 0);
}

vouch_code vouch_jwks_parse(vouch_span json, vouch_jwks **out, vouch_error *err)
{
    static const vch_json_limits limits = { VOUCH_JWKS_MAX_SIZE, 8 };
    VCH_SCOPED(vch_json_drop) vch_json *tree = NULL;
    vouch_code rc = vch_json_parse(json, &limits, &tree, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "key set");
    const vch_json *list = NULL;
    rc = vch_json_get_array(tree, "keys", &list, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "key set");
    if (vch_json_count(list) > VCH_JWKS_MAX_KEYS)
        return vouch_fail(err, VOUCH_E_LIMIT, "key set: %zu keys; at most %d are accepted",
                          vch_json_count(list), VCH_JWKS_MAX_KEYS);
    VCH_SCOPED(drop_jwks) vouch_jwks *set = calloc(1, sizeof *set);
    if (set == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a key set");
    for (size_t i = 0; i < vch_json_count(list); i++) {
        const vch_json *jwk = vch_json_at(list, i);
        if (vch_json_kind_of(jwk) != VCH_JSON_OBJECT)
            return vouch_fail(err, VOUCH_E_FORMAT, "key set: key %zu is not an object", i);
        if (!is_for_us(jwk))
            continue;
        rc = read_key(jwk, set, err);
        if (rc != VOUCH_OK)
            return vouch_wrap(err, rc, "key set: key %zu", i);
    }
    if (set->count == 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "key set: no RSA key for signatures in it");
    *out = VCH_MOVE(set);
    return VOUCH_OK;
}

static vouch_code write_key(const vch_jwks_entry *entry, vch_json_writer *w, vouch_error *err)
{
    VCH_SCOPED(drop_chain) vch_cert_chain *chain = NULL;
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer n = vch_buffer_with_cap(VCH_JWS_RSA_MAX_BITS / 8);
    VCH_SCOPED(vch_buffer_drop) vch_buffer e = vch_buffer_with_cap(VCH_JWS_RSA_MAX_BITS / 8);
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(VCH_JWS_RSA_MAX_BITS);
    vouch_code rc = vch_cert_chain_parse(entry->chain_ders, entry->chain_count, &chain, err);
    if (rc == VOUCH_OK)
        rc = vch_cert_chain_leaf_key(chain, &key, err);
    if (rc == VOUCH_OK)
        rc = vch_key_rsa_numbers(key, &n, &e, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "key set: key '%s'", entry->kid);
    vch_json_begin_object(w);
    vch_json_put_string(w, "kty", "RSA");
    vch_json_put_string(w, "alg", "PS384");
    vch_json_put_string(w, "kid", entry->kid);
    vch_base64url_encode(vch_buffer_span(&n), &text);
    vch_json_key(w, "n");
    vch_json_string_span(w, vch_buffer_span(&text));
    text.size = 0;
    vch_base64url_encode(vch_buffer_span(&e), &text);
    vch_json_key(w, "e");
    vch_json_string_span(w, vch_buffer_span(&text));
    vch_json_key(w, "x5c");
    vch_json_begin_array(w);
    for (size_t i = 0; i < entry->chain_count; i++)
        vch_json_base64(w, entry->chain_ders[i]);
    vch_json_end(w);
    vch_json_end(w);
    return vch_buffer_finish(&text, "key set", err);
}

vouch_code vch_jwks_build(const vch_jwks_entry *entries, size_t count, vch_buffer *out,
                          vouch_error *err)
{
    vch_json_writer w = vch_json_writer_over(out, false);
    vch_json_begin_object(&w);
    vch_json_key(&w, "keys");
    vch_json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        vouch_code rc = write_key(&entries[i], &w, err);
        if (rc != VOUCH_OK)
            return rc;
    }
    vch_json_end(&w);
    vch_json_end(&w);
    return vch_buffer_finish(out, "key set", err);
}
