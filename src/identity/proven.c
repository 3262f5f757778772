#include "identity/proven.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CERTIFICATES 4096 /* 128 KiB */
#define PLATFORMS 256

struct vch_proven {
    pthread_mutex_t certificates_lock;
    uint8_t certificate[CERTIFICATES][32];
    size_t count; /* in use */
    size_t next;  /* where the next goes: the oldest, once all are in use */
    pthread_mutex_t cache_lock;
    vouch_cache *cache;
};

vouch_code vch_proven_new(vch_proven **out, vouch_error *err)
{
    vch_proven *p = calloc(1, sizeof *p);
    if (p == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for what is proven");
    vouch_code rc = vouch_cache_new(PLATFORMS, &p->cache, err);
    if (rc != VOUCH_OK) {
        free(p);
        return rc;
    }
    (void)pthread_mutex_init(&p->certificates_lock, NULL);
    (void)pthread_mutex_init(&p->cache_lock, NULL);
    *out = p;
    return VOUCH_OK;
}

void vch_proven_free(vch_proven *p)
{
    if (p == NULL)
        return;
    vouch_cache_free(p->cache);
    (void)pthread_mutex_destroy(&p->certificates_lock);
    (void)pthread_mutex_destroy(&p->cache_lock);
    free(p);
}

static bool find(const vch_proven *p, const uint8_t certificate[static 32])
{
    for (size_t i = 0; i < p->count; i++) {
        if (memcmp(p->certificate[i], certificate, sizeof p->certificate[i]) == 0)
            return true;
    }
    return false;
}

bool vch_proven_has(vch_proven *p, const uint8_t certificate[static 32])
{
    if (p == NULL)
        return false;
    (void)pthread_mutex_lock(&p->certificates_lock);
    bool has = find(p, certificate);
    (void)pthread_mutex_unlock(&p->certificates_lock);
    return has;
}

void vch_proven_add(vch_proven *p, const uint8_t certificate[static 32])
{
    if (p == NULL)
        return;
    (void)pthread_mutex_lock(&p->certificates_lock);
    if (!find(p, certificate)) {
        memcpy(p->certificate[p->next], certificate, sizeof p->certificate[p->next]);
        p->next = (p->next + 1) % CERTIFICATES;
        p->count += p->count < CERTIFICATES ? 1 : 0;
    }
    (void)pthread_mutex_unlock(&p->certificates_lock);
}

vouch_code vch_proven_appraise(vch_proven *p, const vouch_verifier *verifier,
                               const vouch_request *request, vouch_appraisal **out,
                               vouch_error *err)
{
    vouch_request cached = *request;
    cached.cache = NULL;
    bool locked = p != NULL && pthread_mutex_trylock(&p->cache_lock) == 0;
    if (locked)
        cached.cache = p->cache;
    vouch_code rc = vouch_verifier_appraise(verifier, &cached, out, err);
    if (locked)
        (void)pthread_mutex_unlock(&p->cache_lock);
    return rc;
}
