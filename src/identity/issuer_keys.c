#include "identity/issuer_keys.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cert_chain.h"
#include "net/http_client.h"
#include "result/jwks.h"

#define URL_SIZE 512
#define CA_MAX_SIZE ((size_t)1 << 20)
#define FETCH_DEADLINE_MS 10000

typedef struct issuer {
    vouch_jwks *keys; /* NULL: not fetched yet */
    vch_issuer_text text;
} issuer;

static void drop_issuer(issuer *i)
{
    vouch_jwks_free(i->keys);
    vch_issuer_text_drop(&i->text);
    i->keys = NULL;
}

struct vch_issuer_keys {
    const vch_token_issuer *issuers;
    size_t count;
    issuer *held; /* under `lock` */
    pthread_rwlock_t lock;
    int64_t fetched_unix_s; /* under `lock`: last attempt */
    bool offline;           /* under `lock`: keys were put, none are fetched */
    vch_buffer ca_pem;
};

vouch_code vch_issuer_keys_new(const vch_token_issuer *issuers, size_t count, vouch_span ca_pem,
                               vch_issuer_keys **out, vouch_error *err)
{
    vch_issuer_keys *k = calloc(1, sizeof *k);
    if (k == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "issuer keys: out of memory");
    if (pthread_rwlock_init(&k->lock, NULL) != 0) {
        free(k);
        return vouch_fail(err, VOUCH_E_MEMORY, "issuer keys: no lock");
    }
    VCH_SCOPED(vch_issuer_keys_drop) vch_issuer_keys *built = k;
    k->issuers = issuers;
    k->held = calloc(count + 1, sizeof *k->held);
    if (k->held == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "issuer keys: out of memory");
    k->count = count;
    k->ca_pem = vch_buffer_with_cap(CA_MAX_SIZE);
    vch_buffer_append(&k->ca_pem, ca_pem);
    vouch_code rc = vch_buffer_finish(&k->ca_pem, "roots for the issuers", err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(built);
    return rc;
}

void vch_issuer_keys_free(vch_issuer_keys *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->count; i++)
        drop_issuer(&k->held[i]);
    free(k->held);
    vch_buffer_drop(&k->ca_pem);
    (void)pthread_rwlock_destroy(&k->lock);
    free(k);
}

void vch_issuer_text_drop(vch_issuer_text *text)
{
    vch_buffer_drop(&text->jwks);
    for (size_t i = 0; i < VCH_ISSUER_CRLS_MAX; i++)
        vch_buffer_drop(&text->crl[i]);
    text->crl_count = 0;
}

static vouch_code copy(vouch_span bytes, size_t cap, vch_buffer *out, vouch_error *err)
{
    *out = vch_buffer_with_cap(cap);
    vch_buffer_append(out, bytes);
    return vch_buffer_finish(out, "key set or CRL", err);
}

/* A bad answer leaves the old keys in place. */
static void replace(vch_issuer_keys *k, size_t index, issuer *fresh)
{
    (void)pthread_rwlock_wrlock(&k->lock);
    const issuer old = k->held[index];
    k->held[index] = *fresh;
    (void)pthread_rwlock_unlock(&k->lock);
    *fresh = old;
}

static vouch_code parse(vouch_span jwks, issuer *out, vouch_error *err)
{
    vouch_code rc = copy(jwks, VOUCH_JWKS_MAX_SIZE, &out->text.jwks, err);
    return rc == VOUCH_OK ? vouch_jwks_parse(jwks, &out->keys, err) : rc;
}

static vouch_code fetch(const vch_issuer_keys *k, const char *url, size_t cap, bool plain,
                        vch_buffer *out, vouch_error *err)
{
    const vch_http_call call = { .url = url,
                                 .ca_pem = vch_buffer_span(&k->ca_pem),
                                 .response_cap = cap,
                                 .plain_http = plain,
                                 .deadline_ms = FETCH_DEADLINE_MS };
    VCH_SCOPED(vch_http_answer_drop) vch_http_answer answer = { 0 };
    vouch_code rc = vch_http_fetch(&call, &answer, err);
    if (rc == VOUCH_OK && answer.status != 200)
        rc = vouch_fail(err, VOUCH_E_REFUSED, "status %d", answer.status);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "fetching '%s'", url);
    *out = answer.body;
    answer.body = (vch_buffer) { 0 };
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

static vouch_code fetch_crls(const vch_issuer_keys *k, issuer *out, vouch_error *err)
{
    addresses list = { 0 };
    vouch_code rc = find_addresses(out->keys, &list, err);
    for (size_t i = 0; i < list.count && rc == VOUCH_OK; i++) {
        rc = fetch(k, list.url[i], VCH_CERT_CHAIN_MAX_CRL_SIZE, true, &out->text.crl[i], err);
        out->text.crl_count = i + 1;
    }
    return rc;
}

static vouch_code fetch_one(vch_issuer_keys *k, size_t index, vouch_error *err)
{
    const char *base = k->issuers[index].base_url;
    size_t size = strlen(base);
    char url[URL_SIZE];
    int written =
        snprintf(url, sizeof url, "%s%scerts", base, size > 0 && base[size - 1] == '/' ? "" : "/");
    if (written < 0 || (size_t)written >= sizeof url)
        return vouch_fail(err, VOUCH_E_CONFIG, "the issuer's address is too long");
    VCH_SCOPED(vch_buffer_drop) vch_buffer jwks = { 0 };
    VCH_SCOPED(drop_issuer) issuer fresh = { 0 };
    vouch_code rc = fetch(k, url, VOUCH_JWKS_MAX_SIZE, false, &jwks, err);
    if (rc == VOUCH_OK)
        rc = parse(vch_buffer_span(&jwks), &fresh, err);
    if (rc == VOUCH_OK)
        rc = fetch_crls(k, &fresh, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the token keys of '%s'", base);
    replace(k, index, &fresh);
    return VOUCH_OK;
}

vouch_code vch_issuer_keys_fetch(vch_issuer_keys *k, int64_t now_unix_s, vouch_error *err)
{
    size_t got = 0;
    vouch_code rc = VOUCH_OK;
    (void)pthread_rwlock_wrlock(&k->lock);
    k->fetched_unix_s = now_unix_s;
    (void)pthread_rwlock_unlock(&k->lock);
    for (size_t i = 0; i < k->count; i++) {
        vouch_error reason = { 0 };
        vouch_code one = fetch_one(k, i, &reason);
        if (one == VOUCH_OK) {
            got++;
            continue;
        }
        rc = one;
        if (err != NULL)
            *err = reason;
    }
    if (got > 0 && err != NULL)
        *err = (vouch_error) { 0 };
    return got > 0 ? VOUCH_OK : rc;
}

vouch_code vch_issuer_keys_refresh(vch_issuer_keys *k, int64_t now_unix_s, vouch_error *err)
{
    (void)pthread_rwlock_rdlock(&k->lock);
    int64_t age_s = now_unix_s - k->fetched_unix_s;
    bool due = !k->offline && (age_s >= VCH_ISSUER_REFRESH_S || age_s < 0);
    (void)pthread_rwlock_unlock(&k->lock);
    return due ? vch_issuer_keys_fetch(k, now_unix_s, err) : VOUCH_OK;
}

static vouch_code put_one(vch_issuer_keys *k, size_t index, vouch_span jwks, const vouch_span *crls,
                          size_t crl_count, vouch_error *err)
{
    VCH_SCOPED(drop_issuer) issuer fresh = { 0 };
    vouch_code rc = parse(jwks, &fresh, err);
    for (size_t i = 0; i < crl_count && rc == VOUCH_OK; i++) {
        rc = copy(crls[i], VCH_CERT_CHAIN_MAX_CRL_SIZE, &fresh.text.crl[i], err);
        fresh.text.crl_count = i + 1;
    }
    if (rc == VOUCH_OK)
        replace(k, index, &fresh);
    return rc;
}

vouch_code vch_issuer_keys_put(vch_issuer_keys *k, vouch_span jwks, const vouch_span *crls,
                               size_t crl_count, vouch_error *err)
{
    (void)pthread_rwlock_wrlock(&k->lock);
    k->offline = true;
    (void)pthread_rwlock_unlock(&k->lock);
    if (crl_count > VCH_ISSUER_CRLS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "at most %d CRLs of an issuer", VCH_ISSUER_CRLS_MAX);
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; i < k->count && rc == VOUCH_OK; i++)
        rc = put_one(k, i, jwks, crls, crl_count, err);
    return rc;
}

static vouch_code copy_text(const vch_issuer_text *from, vch_issuer_text *out, vouch_error *err)
{
    vouch_code rc = copy(vch_buffer_span(&from->jwks), VOUCH_JWKS_MAX_SIZE, &out->jwks, err);
    for (size_t i = 0; i < from->crl_count && rc == VOUCH_OK; i++)
        rc = copy(vch_buffer_span(&from->crl[i]), VCH_CERT_CHAIN_MAX_CRL_SIZE, &out->crl[i], err);
    out->crl_count = from->crl_count;
    return rc;
}

vouch_code vch_issuer_keys_text(vch_issuer_keys *k, vch_issuer_text *out, vouch_error *err)
{
    VCH_SCOPED(vch_issuer_text_drop) vch_issuer_text made = { 0 };
    vouch_code rc = VOUCH_OK;
    (void)pthread_rwlock_rdlock(&k->lock);
    size_t i = 0;
    while (i < k->count && k->held[i].keys == NULL)
        i++;
    if (i < k->count)
        rc = copy_text(&k->held[i].text, &made, err);
    (void)pthread_rwlock_unlock(&k->lock);
    if (rc != VOUCH_OK)
        return rc;
    *out = made;
    made = (vch_issuer_text) { 0 };
    return VOUCH_OK;
}

/* A refusal over what the token says tells more than one over whose it is. */
static bool tells_more(const vouch_token_verdict *a, const vouch_token_verdict *b)
{
    return b == NULL
           || (vouch_token_verdict_claims(a) != NULL && vouch_token_verdict_claims(b) == NULL);
}

static vouch_code judge_held(vch_issuer_keys *k, vouch_span token,
                             const vouch_token_expectation *expected, vouch_token_verdict **best,
                             vouch_error *err)
{
    for (size_t i = 0; i < k->count; i++) {
        if (k->held[i].keys == NULL)
            continue;
        vouch_token_expectation e = *expected;
        vouch_span crls[VCH_ISSUER_CRLS_MAX];
        for (size_t j = 0; j < k->held[i].text.crl_count; j++)
            crls[j] = vch_buffer_span(&k->held[i].text.crl[j]);
        e.crls = crls;
        e.crl_count = k->held[i].text.crl_count;
        e.revocation_required = true;
        e.keys = k->held[i].keys;
        e.root_sha256 = k->issuers[i].root;
        e.root_count = 1;
        e.base_url = k->issuers[i].base_url;
        vouch_token_verdict *verdict = NULL;
        vouch_code rc = vouch_token_verify(token, &e, &verdict, err);
        if (rc != VOUCH_OK)
            return rc;
        bool admits = vouch_token_verdict_admits(verdict);
        if (admits || tells_more(verdict, *best)) {
            vouch_token_verdict_free(*best);
            *best = verdict;
        } else {
            vouch_token_verdict_free(verdict);
        }
        if (admits)
            return VOUCH_OK;
    }
    return VOUCH_OK;
}

/* Might newer keys change the answer? Not if the token's signature was verified already. */
static bool wants_fetch(vch_issuer_keys *k, const vouch_token_verdict *verdict, int64_t now_unix_s)
{
    if (verdict != NULL && vouch_token_verdict_claims(verdict) != NULL)
        return false;
    (void)pthread_rwlock_rdlock(&k->lock);
    bool due =
        !k->offline
        && (k->fetched_unix_s == 0 || now_unix_s - k->fetched_unix_s >= VCH_ISSUER_REFETCH_S);
    (void)pthread_rwlock_unlock(&k->lock);
    return due;
}

vouch_code vch_issuer_keys_judge(vch_issuer_keys *k, vouch_span token,
                                 const vouch_token_expectation *expected,
                                 vouch_token_verdict **out_verdict, vouch_error *err)
{
    vouch_token_verdict *best = NULL;
    vouch_code rc = VOUCH_OK;
    for (unsigned round = 0; round < 2 && rc == VOUCH_OK; round++) {
        (void)pthread_rwlock_rdlock(&k->lock);
        rc = judge_held(k, token, expected, &best, err);
        (void)pthread_rwlock_unlock(&k->lock);
        if (rc != VOUCH_OK || round == 1 || !wants_fetch(k, best, expected->now_unix_s))
            break;
        if (vch_issuer_keys_fetch(k, expected->now_unix_s, NULL) != VOUCH_OK)
            break; /* the refusal stands as it was */
    }
    if (rc != VOUCH_OK) {
        vouch_token_verdict_free(best);
        return rc;
    }
    *out_verdict = best;
    return VOUCH_OK;
}

vouch_code vch_issuer_keys_check_echo(vch_issuer_keys *k, vouch_span token, vouch_span nonce_val,
                                      vouch_span nonce_iat, int64_t now_unix_s, vouch_error *err)
{
    vouch_token_verdict *verdict = NULL;
    const vouch_token_expectation expected = { .now_unix_s = now_unix_s,
                                               .nonce_val = nonce_val,
                                               .nonce_iat = nonce_iat,
                                               .held_data_any = true };
    vouch_code rc = vch_issuer_keys_judge(k, token, &expected, &verdict, err);
    if (rc != VOUCH_OK)
        return rc;
    bool echoes = verdict != NULL && vouch_token_verdict_claims(verdict) != NULL;
    for (size_t i = 0; echoes && i < vouch_token_verdict_reason_count(verdict); i++) {
        const char *sentence = "";
        echoes = vouch_token_verdict_reason(verdict, i, &sentence) != VOUCH_TOKEN_NONCE;
    }
    vouch_token_verdict_free(verdict);
    return echoes ? VOUCH_OK
                  : vouch_fail(err, VOUCH_E_REFUSED,
                               "the token does not name the nonce of this request");
}
