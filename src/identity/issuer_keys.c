#include "identity/issuer_keys.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cert_chain.h"

#define URL_SIZE 512
#define CA_MAX_SIZE ((size_t)1 << 20)
#define FETCH_DEADLINE_MS 10000

typedef struct issuer {
    vouch_jwks *keys; /* NULL: not fetched yet */
    vch_issuer_text text;
    bool kept; /* from the cache: nobody answered */
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
    char *cache; /* NULL: nothing is kept */
};

vouch_code vch_issuer_keys_new(const vch_token_issuer *issuers, size_t count, vouch_span ca_pem,
                               const char *cache, vch_issuer_keys **out, vouch_error *err)
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
    k->cache = cache != NULL ? strdup(cache) : NULL;
    if (k->held == NULL || (cache != NULL && k->cache == NULL))
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
    free(k->cache);
    vch_buffer_drop(&k->ca_pem);
    (void)pthread_rwlock_destroy(&k->lock);
    free(k);
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

/* Nothing is held of it yet: what was kept is better than nothing, and judged all the same. */
static bool wants_kept(vch_issuer_keys *k, size_t index)
{
    (void)pthread_rwlock_rdlock(&k->lock);
    bool wants = k->cache != NULL && k->held[index].keys == NULL;
    (void)pthread_rwlock_unlock(&k->lock);
    return wants;
}

static vouch_code fetch_one(vch_issuer_keys *k, size_t index, int64_t now_unix_s, vouch_error *err)
{
    const char *base = k->issuers[index].base_url;
    size_t size = strlen(base);
    char url[URL_SIZE];
    int written =
        snprintf(url, sizeof url, "%s%scerts", base, size > 0 && base[size - 1] == '/' ? "" : "/");
    if (written < 0 || (size_t)written >= sizeof url)
        return vouch_fail(err, VOUCH_E_CONFIG, "the issuer's address is too long");
    const vch_issuer_source source = { .url = url,
                                       .ca_pem = vch_buffer_span(&k->ca_pem),
                                       .cache = k->cache,
                                       .now_unix_s = now_unix_s,
                                       .at_unix_s = now_unix_s,
                                       .deadline_ms = FETCH_DEADLINE_MS };
    VCH_SCOPED(vch_issuer_set_drop) vch_issuer_set set = { 0 };
    vouch_code rc = vch_issuer_fetch(&source, VCH_ISSUER_FETCHED, &set, err);
    if (rc != VOUCH_OK && wants_kept(k, index)
        && vch_issuer_fetch(&source, VCH_ISSUER_KEPT_ONLY, &set, NULL) == VOUCH_OK)
        rc = VOUCH_OK;
    if (rc == VOUCH_OK && set.keys == NULL) {
        rc = set.fault.code;
        if (err != NULL)
            *err = set.fault;
    }
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the token keys of '%s'", base);
    VCH_SCOPED(drop_issuer) issuer fresh = { set.keys, set.text, set.kept };
    set = (vch_issuer_set) { 0 };
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
        vouch_code one = fetch_one(k, i, now_unix_s, &reason);
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
    int64_t due_s = VCH_ISSUER_REFRESH_S;
    for (size_t i = 0; i < k->count; i++)
        due_s = k->held[i].kept ? VCH_ISSUER_REFETCH_S : due_s;
    bool due = !k->offline && (age_s >= due_s || age_s < 0);
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
