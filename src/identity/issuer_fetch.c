#include "identity/issuer_fetch.h"

#include <string.h>

#include "base/scope.h"
#include "crypto/cert_chain.h"
#include "identity/issuer_cache.h"
#include "result/jwks.h"

void vch_issuer_text_drop(vch_issuer_text *text)
{
    vch_buffer_drop(&text->jwks);
    for (size_t i = 0; i < VCH_ISSUER_CRLS_MAX; i++)
        vch_buffer_drop(&text->crl[i]);
    text->crl_count = 0;
}

void vch_issuer_set_drop(vch_issuer_set *set)
{
    vouch_jwks_free(set->keys);
    set->keys = NULL;
    vch_issuer_text_drop(&set->text);
}

/* One thing that an issuer publishes. `sound`: may it be kept, and used from there? */
typedef struct thing {
    const vch_issuer_source *source;
    vch_issuer_way way;
    const char *url;
    size_t cap;
    bool plain_http;
    bool (*sound)(const vch_issuer_source *source, vouch_span bytes);
} thing;

static bool is_key_set(const vch_issuer_source *source, vouch_span bytes)
{
    (void)source;
    vouch_jwks *keys = NULL;
    bool is = vouch_jwks_parse(bytes, &keys, NULL) == VOUCH_OK;
    vouch_jwks_free(keys);
    return is;
}

static bool is_crl_in_force(const vch_issuer_source *source, vouch_span bytes)
{
    return vch_cert_chain_crl_holds(bytes, source->at_unix_s);
}

static vouch_code fetch(const thing *t, vch_buffer *out, vouch_error *err)
{
    const vch_issuer_source *s = t->source;
    const vch_http_call call = { .url = t->url,
                                 .ca_pem = s->ca_pem,
                                 .ca_file = s->ca_file,
                                 .response_cap = t->cap,
                                 .plain_http = t->plain_http,
                                 .deadline_ms = s->deadline_ms };
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    vouch_code rc = (s->fetch != NULL ? s->fetch : vch_http_fetch)(&call, &answer, err);
    if (rc == VOUCH_E_CRYPTO) /* its certificate: nobody whom we asked for answered */
        rc = VOUCH_E_NETWORK;
    if (rc == VOUCH_OK && answer.status != 200)
        rc = vouch_fail(err, VOUCH_E_NETWORK, "fetching '%s': status %d", t->url, answer.status);
    if (rc != VOUCH_OK)
        return rc;
    *out = answer.body;
    answer.body = (vch_buffer) { 0 };
    return VOUCH_OK;
}

static void keep(const thing *t, vouch_span bytes, vch_issuer_set *set)
{
    const vch_issuer_source *s = t->source;
    vouch_error fault = { 0 };
    if (s->cache == NULL || !t->sound(s, bytes)
        || vch_issuer_cache_put(s->cache, t->url, bytes, s->now_unix_s, &fault) == VOUCH_OK)
        return;
    set->not_kept = true;
    set->cache_fault = fault;
}

static vouch_code get(const thing *t, vch_buffer *out, vch_issuer_set *set, vouch_error *err)
{
    const vch_issuer_source *s = t->source;
    int64_t fetched_unix_s = 0;
    VCH_SCOPED(vch_buffer_drop) vch_buffer old = { 0 };
    bool has = t->way != VCH_ISSUER_FETCHED && s->cache != NULL
               && vch_issuer_cache_get(s->cache, t->url, t->cap, &old, &fetched_unix_s)
               && (t->way == VCH_ISSUER_KEPT_ONLY || t->sound(s, vch_buffer_span(&old)));
    int64_t age_s = s->now_unix_s - fetched_unix_s;
    bool fresh = age_s >= 0 && age_s < VCH_ISSUER_REFRESH_S;
    vouch_error fault = { 0 };
    if (t->way == VCH_ISSUER_KEPT_ONLY && !has)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "'%s' was not kept", t->url);
    if (t->way != VCH_ISSUER_KEPT_ONLY && !(has && fresh)) {
        vouch_code rc = fetch(t, out, &fault);
        if (rc == VOUCH_OK) {
            keep(t, vch_buffer_span(out), set);
            return VOUCH_OK;
        }
        if (!has) {
            if (err != NULL)
                *err = fault;
            return rc;
        }
        set->unreachable = true;
        set->fault = fault;
    }
    set->kept = true;
    *out = old;
    old = (vch_buffer) { 0 };
    return VOUCH_OK;
}

/* The addresses of CRLs that the certificates of a key set name, each once. */
typedef struct addresses {
    char url[VCH_ISSUER_CRLS_MAX][VCH_CERT_CHAIN_URL_SIZE];
    size_t count;
} addresses;

static vouch_code note_address(addresses *list, const char *url, vouch_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->url[i], url) == 0)
            return VOUCH_OK;
    }
    if (list->count == VCH_ISSUER_CRLS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "its certificates name more than %d CRLs",
                          VCH_ISSUER_CRLS_MAX);
    memcpy(list->url[list->count++], url, strlen(url) + 1);
    return VOUCH_OK;
}

static vouch_code find_addresses(const vouch_jwks *keys, addresses *out, vouch_error *err)
{
    for (size_t k = 0; k < vch_jwks_count(keys); k++) {
        const vch_cert_chain *chain = vch_jwks_at(keys, k)->chain;
        for (size_t i = 0; i < vch_cert_chain_count(chain); i++) {
            char url[VCH_CERT_CHAIN_URL_SIZE];
            if (vch_cert_chain_crl_url(chain, i, url, NULL) != VOUCH_OK)
                continue; /* a root names none */
            vouch_code rc = note_address(out, url, err);
            if (rc != VOUCH_OK)
                return rc;
        }
    }
    return VOUCH_OK;
}

static vouch_code get_crls(const vch_issuer_source *source, vch_issuer_way way, vch_issuer_set *set,
                           vouch_error *err)
{
    addresses list = { 0 };
    vouch_code rc = find_addresses(set->keys, &list, err);
    for (size_t i = 0; i < list.count && rc == VOUCH_OK; i++) {
        const thing crl = { source,         way, list.url[i], VCH_CERT_CHAIN_MAX_CRL_SIZE, true,
                            is_crl_in_force };
        rc = get(&crl, &set->text.crl[i], set, err);
        set->text.crl_count = i + 1;
    }
    return rc;
}

vouch_code vch_issuer_fetch(const vch_issuer_source *source, vch_issuer_way way,
                            vch_issuer_set *out, vouch_error *err)
{
    VCH_SCOPED(vch_issuer_set_drop) vch_issuer_set set = { 0 };
    const thing jwks = { source, way, source->url, VOUCH_JWKS_MAX_SIZE, false, is_key_set };
    vouch_code rc = get(&jwks, &set.text.jwks, &set, err);
    if (rc != VOUCH_OK)
        return rc;
    vouch_code parsed = vouch_jwks_parse(vch_buffer_span(&set.text.jwks), &set.keys, &set.fault);
    if (parsed == VOUCH_E_MEMORY)
        return vouch_fail(err, parsed, "no memory for a key set");
    if (parsed == VOUCH_OK)
        rc = get_crls(source, way, &set, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = set;
    set = (vch_issuer_set) { 0 };
    return VOUCH_OK;
}
