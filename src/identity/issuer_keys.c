#include "identity/issuer_keys.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_client.h"

#define URL_SIZE 512
#define CA_MAX_SIZE ((size_t)1 << 20)
#define FETCH_DEADLINE_MS 10000

typedef struct issuer {
    vouch_jwks *keys; /* NULL: not fetched yet */
    vch_buffer text;
} issuer;

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
    for (size_t i = 0; i < k->count; i++) {
        vouch_jwks_free(k->held[i].keys);
        vch_buffer_drop(&k->held[i].text);
    }
    free(k->held);
    vch_buffer_drop(&k->ca_pem);
    (void)pthread_rwlock_destroy(&k->lock);
    free(k);
}

/* Parse first, then replace: a bad answer leaves the old keys in place. */
static vouch_code replace(vch_issuer_keys *k, size_t index, vouch_span jwks, vouch_error *err)
{
    vouch_jwks *keys = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(VOUCH_JWKS_MAX_SIZE);
    vch_buffer_append(&text, jwks);
    vouch_code rc = vch_buffer_finish(&text, "key set", err);
    if (rc == VOUCH_OK)
        rc = vouch_jwks_parse(jwks, &keys, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)pthread_rwlock_wrlock(&k->lock);
    vouch_jwks *old_keys = k->held[index].keys;
    vch_buffer old_text = k->held[index].text;
    k->held[index].keys = keys;
    k->held[index].text = text;
    (void)pthread_rwlock_unlock(&k->lock);
    text = old_text;
    vouch_jwks_free(old_keys);
    return VOUCH_OK;
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
    const vch_http_call call = { .url = url,
                                 .ca_pem = vch_buffer_span(&k->ca_pem),
                                 .response_cap = VOUCH_JWKS_MAX_SIZE,
                                 .deadline_ms = FETCH_DEADLINE_MS };
    vch_http_answer answer = { 0 };
    vouch_code rc = vch_http_fetch(&call, &answer, err);
    if (rc == VOUCH_OK && answer.status != 200)
        rc = vouch_fail(err, VOUCH_E_REFUSED, "status %d", answer.status);
    if (rc == VOUCH_OK)
        rc = replace(k, index, vch_buffer_span(&answer.body), err);
    vch_http_answer_drop(&answer);
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "fetching the token keys from '%s'", url);
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

vouch_code vch_issuer_keys_put(vch_issuer_keys *k, vouch_span jwks, vouch_error *err)
{
    (void)pthread_rwlock_wrlock(&k->lock);
    k->offline = true;
    (void)pthread_rwlock_unlock(&k->lock);
    vouch_code rc = VOUCH_OK;
    for (size_t i = 0; i < k->count && rc == VOUCH_OK; i++)
        rc = replace(k, i, jwks, err);
    return rc;
}

vouch_code vch_issuer_keys_text(vch_issuer_keys *k, vch_buffer *out, vouch_error *err)
{
    (void)pthread_rwlock_rdlock(&k->lock);
    for (size_t i = 0; i < k->count; i++) {
        if (k->held[i].keys != NULL) {
            vch_buffer_append(out, vch_buffer_span(&k->held[i].text));
            break;
        }
    }
    (void)pthread_rwlock_unlock(&k->lock);
    return vch_buffer_finish(out, "key set", err);
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
