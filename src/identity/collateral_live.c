#include "identity/collateral_live.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "codec/hex.h"
#include "crypto/rand.h"
#include "host/clock.h"
#include "host/file.h"
#include "identity/collateral_live_parts.h"
#include "net/workers.h"

#define DAY_S 86400
#define WAIT_DEFAULT_MS 8000
#define SLICE_MS 200 /* a wait notices so soon that the process ends */
#define LOOK_MS 1000 /* the injected clock is looked at so often: it may be set */
#define RETRY_FIRST_S 5
#define RETRY_LAST_S 3600
#define WHOLE 1000 /* jitter is counted in thousandths */

static void lock(vch_live *l)
{
    if (pthread_mutex_lock(&l->lock) != 0)
        abort(); /* only misuse of the mutex itself makes it fail */
}

static void unlock(vch_live *l)
{
    if (pthread_mutex_unlock(&l->lock) != 0)
        abort();
}

static void wait_on(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t ms)
{
    struct timespec until = { 0 };
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000 * 1000000);
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(cond, mutex, &until); /* the caller looks again either way */
}

/* --- when --- */

/* From four fifths of it to the whole: hosts that started together do not ask together. */
static int64_t jittered(int64_t seconds)
{
    uint32_t random = 0;
    if (vch_random_bytes(&random, sizeof random, NULL) != VOUCH_OK)
        return seconds;
    return seconds * (int64_t)(WHOLE - random % (WHOLE / 5)) / WHOLE;
}

int64_t vch_live_refresh_at(const vch_live *l, const vch_collateral_set *set, int64_t fetched)
{
    int64_t half = (set->expires_unix_s - fetched) / 2;
    int64_t age = half < l->refresh_s ? half : l->refresh_s;
    return fetched + jittered(age > 0 ? age : 0);
}

static int64_t backoff_s(unsigned failures)
{
    int64_t pause = RETRY_FIRST_S;
    for (unsigned i = 1; i < failures && pause < RETRY_LAST_S; i++)
        pause *= 2;
    return jittered(pause < RETRY_LAST_S ? pause : RETRY_LAST_S);
}

/* A moment that the clock has reached, or that it has been set back behind. */
static bool has_come(int64_t moment, int64_t now, int64_t at_most_ahead)
{
    return now >= moment || moment - now > at_most_ahead;
}

static bool is_in_force(const vch_live_family *f, int64_t now)
{
    return f->set != NULL && now <= f->set->expires_unix_s;
}

static bool may_retry(const vch_live_family *f, int64_t now)
{
    return f->failures == 0 || has_come(f->retry_unix_s, now, RETRY_LAST_S);
}

static bool is_due(const vch_live *l, const vch_live_family *f, int64_t now)
{
    if (f->flying)
        return false;
    return f->wanted
           || (f->set != NULL && has_come(f->refresh_unix_s, now, l->refresh_s)
               && may_retry(f, now));
}

/* --- fetching, on threads of our own --- */

static vch_live_family *next_due(const vch_live *l)
{
    int64_t now = l->now_unix_s(l->clock);
    vch_live_family *due = NULL;
    for (size_t i = 0; i < l->family_count; i++) {
        vch_live_family *f = l->families[i];
        if (is_due(l, f, now) && (due == NULL || (f->wanted && !due->wanted)))
            due = f; /* who is waited for goes first */
    }
    return due;
}

static void settle_good(vch_live *l, vch_live_family *f, const vch_collateral_set *set)
{
    int64_t now = l->now_unix_s(l->clock);
    const vch_collateral_set *old = f->set;
    f->set = set;
    l->generation++;
    f->failures = 0;
    f->refresh_unix_s = vch_live_refresh_at(l, set, now);
    vch_collateral_set_unref(old);
    vch_log(l->log, VCH_LOG_INFO, "collateral.fetched", VCH_STR("family", f->key),
            VCH_INT("expires", set->expires_unix_s),
            VCH_INT("refresh_in_s", f->refresh_unix_s - now));
}

static void settle_bad(vch_live *l, vch_live_family *f, vouch_code rc, const vouch_error *why)
{
    int64_t now = l->now_unix_s(l->clock);
    bool good = is_in_force(f, now);
    f->failures++;
    f->retry_unix_s = now + backoff_s(f->failures);
    f->why_code = rc;
    (void)vouch_error_text(why, f->why, sizeof f->why);
    if (atomic_load(&l->stopping))
        return;
    vch_log(l->log, good ? VCH_LOG_WARN : VCH_LOG_ERROR, "collateral.not_fetched",
            VCH_STR("family", f->key), VCH_STR("reason", f->why), VCH_BOOL("in_force", good),
            VCH_INT("retry_in_s", f->retry_unix_s - now));
}

/* With the lock; it is let go while the network is asked. */
static void fly(vch_live *l, vch_live_family *f)
{
    const vch_collateral_set *made = NULL;
    const vch_collateral_set *seen = f->set == NULL ? NULL : vch_collateral_set_ref(f->set);
    const vch_pcs_query query = f->query; /* the family stays: it is flying */
    vouch_error err = { 0 };
    f->flying = true;
    unlock(l);
    vouch_code rc = vch_live_fetch(l, f->key, &query, seen, &made, &err);
    vch_collateral_set_unref(seen);
    lock(l);
    f->flying = f->wanted = false;
    if (rc == VOUCH_OK)
        settle_good(l, f, made);
    else
        settle_bad(l, f, rc, &err);
    (void)pthread_cond_broadcast(&l->settled);
}

static void *run(void *context)
{
    vch_live *l = context;
    lock(l);
    while (!atomic_load(&l->stopping)) {
        vch_live_family *f = next_due(l);
        if (f != NULL) {
            fly(l, f);
            continue;
        }
        l->idle++;
        wait_on(&l->work, &l->lock, LOOK_MS);
        l->idle--;
    }
    unlock(l);
    return NULL;
}

/* Somebody for the work that there is now; with the lock. */
static void call_thread(vch_live *l)
{
    if (l->idle == 0 && l->thread_count < VCH_LIVE_THREADS
        && pthread_create(&l->threads[l->thread_count], NULL, run, l) == 0)
        l->thread_count++;
    (void)pthread_cond_signal(&l->work);
}

/* --- asking --- */

static vch_live_family *find(const vch_live *l, const char *key)
{
    for (size_t i = 0; i < l->family_count; i++) {
        if (strcmp(l->families[i]->key, key) == 0)
            return l->families[i];
    }
    return NULL;
}

/* A family that nothing is known of gives way: invented ones must not shut out a real one. */
static void forget_one(vch_live *l)
{
    for (size_t i = 0; i < l->family_count; i++) {
        vch_live_family *f = l->families[i];
        if (f->set != NULL || f->flying || f->wanted || f->waiters > 0)
            continue;
        l->families[i] = l->families[--l->family_count];
        free(f);
        return;
    }
}

vch_live_family *vch_live_family_add(vch_live *l, const char *key, const vch_pcs_query *query)
{
    if (l->family_count == VCH_LIVE_FAMILIES)
        forget_one(l);
    if (l->family_count == VCH_LIVE_FAMILIES)
        return NULL;
    vch_live_family *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    (void)snprintf(f->key, sizeof f->key, "%s", key);
    f->query = *query;
    l->families[l->family_count++] = f;
    return f;
}

static bool is_awaited(const vch_live_family *f)
{
    return f->wanted || f->flying;
}

/* With the lock; it is let go meanwhile. */
static void wait_for(vch_live *l, vch_live_family *f, vch_live_patience patience)
{
    int64_t end_ms = vch_clock_monotonic_ms() + l->wait_ms;
    f->waiters++;
    l->waiter_count++;
    vch_worker_blocks();
    while (is_awaited(f) && !atomic_load(&l->stopping) && !vch_worker_is_stopping()
           && (patience == VCH_LIVE_LONG || vch_clock_monotonic_ms() < end_ms))
        wait_on(&l->settled, &l->lock, SLICE_MS);
    vch_worker_resumes();
    l->waiter_count--;
    f->waiters--;
}

/* With the lock. */
static vouch_code have(vch_live *l, vch_live_family *f, vch_live_patience patience,
                       vouch_error *err)
{
    int64_t now = l->now_unix_s(l->clock);
    if (is_in_force(f, now))
        return VOUCH_OK;
    if (!is_awaited(f) && (patience == VCH_LIVE_LONG || may_retry(f, now))) {
        f->wanted = true;
        call_thread(l);
    }
    if (is_awaited(f) && patience == VCH_LIVE_SHORT && l->waiter_count >= VCH_LIVE_WAITERS)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu appraisals wait for collateral already",
                          l->waiter_count);
    if (is_awaited(f))
        wait_for(l, f, patience);
    if (f->set != NULL)
        return VOUCH_OK; /* perhaps no longer in force: the appraisal names what has expired */
    if (is_awaited(f) || f->failures == 0)
        return vouch_fail(err, VOUCH_E_TIMEOUT, "collateral of %s is still being fetched", f->key);
    return vouch_fail(err, f->why_code, "collateral of %s: %s", f->key, f->why);
}

static void key_of(const vch_pcs_query *query, char out[static VCH_LIVE_KEY_SIZE])
{
    char family[VCH_FAMILY_SIZE];
    vch_family_name(query->fmspc, query->tdx, family);
    (void)snprintf(out, VCH_LIVE_KEY_SIZE, "%s-%s", family,
                   query->processor_ca ? "processor" : "platform");
}

bool vch_live_key_parse(const char *key, vch_pcs_query *out)
{
    char again[VCH_LIVE_KEY_SIZE];
    vch_pcs_query query = { 0 };
    if (strlen(key) < VCH_FAMILY_SIZE
        || vch_hex_decode((vouch_span) { (const uint8_t *)key, 12 }, query.fmspc, 6, NULL)
               != VOUCH_OK)
        return false;
    query.tdx = key[13] == 't';
    query.processor_ca = strcmp(key + VCH_FAMILY_SIZE, "processor") == 0;
    key_of(&query, again);
    *out = query;
    return strcmp(again, key) == 0;
}

vouch_code vch_live_get(vch_live *l, const vch_pcs_query *platform, vch_live_patience patience,
                        const vch_collateral_set **out, vouch_error *err)
{
    char key[VCH_LIVE_KEY_SIZE];
    vch_pcs_query query = *platform;
    query.update = l->update;
    key_of(&query, key);
    lock(l);
    vch_live_family *f = find(l, key);
    if (f == NULL)
        f = vch_live_family_add(l, key, &query);
    vouch_code rc = f == NULL ? vouch_fail(err, VOUCH_E_LIMIT, "collateral of too many platforms")
                              : have(l, f, patience, err);
    if (rc == VOUCH_OK)
        *out = vch_collateral_set_ref(f->set);
    unlock(l);
    return rc;
}

uint64_t vch_live_generation(vch_live *l)
{
    lock(l);
    uint64_t generation = l->generation;
    unlock(l);
    return generation;
}

/* --- life --- */

void vch_live_free(vch_live *l)
{
    if (l == NULL)
        return;
    lock(l);
    atomic_store(&l->stopping, true);
    (void)pthread_cond_broadcast(&l->work);
    (void)pthread_cond_broadcast(&l->settled);
    unlock(l);
    for (size_t i = 0; i < l->thread_count; i++) /* no more are started: nobody asks any more */
        (void)pthread_join(l->threads[i], NULL);
    for (size_t i = 0; i < l->family_count; i++) {
        vch_collateral_set_unref(l->families[i]->set);
        free(l->families[i]);
    }
    for (size_t i = 0; i < l->services.url_count; i++)
        free(l->urls[i]);
    free(l->urls);
    free(l->roots);
    free(l->ca_file);
    free(l->store);
    (void)pthread_cond_destroy(&l->settled);
    (void)pthread_cond_destroy(&l->work);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}
VCH_DEFINE_DROP(live_drop, vch_live, vch_live_free)

static vch_live *make_empty(void)
{
    pthread_condattr_t monotonic;
    vch_live *l = calloc(1, sizeof *l);
    if (l == NULL || pthread_condattr_init(&monotonic) != 0) {
        free(l);
        return NULL;
    }
    /* With these attributes none of them can fail here. */
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->work, &monotonic);
    (void)pthread_cond_init(&l->settled, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    atomic_init(&l->stopping, false);
    return l;
}

static bool copy_texts(vch_live *l, const vch_live_options *o)
{
    l->urls = calloc(o->services.url_count + 1, sizeof *l->urls);
    for (size_t i = 0; l->urls != NULL && i < o->services.url_count; i++) {
        l->urls[i] = strdup(o->services.urls[i]);
        if (l->urls[i] == NULL)
            return false;
        l->services.url_count = i + 1;
    }
    if (o->services.ca_file != NULL)
        l->ca_file = strdup(o->services.ca_file);
    l->store = strdup(o->store);
    l->roots = calloc(o->pins->count + 1, sizeof *l->roots);
    return l->urls != NULL && l->store != NULL && l->roots != NULL
           && (o->services.ca_file == NULL || l->ca_file != NULL);
}

static vouch_code take_options(vch_live *l, const vch_live_options *o, vouch_error *err)
{
    if (o->services.url_count == 0)
        return vouch_fail(err, VOUCH_E_CONFIG, "no collateral service is named");
    if (!copy_texts(l, o))
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
    l->services.urls = (const char *const *)l->urls;
    l->services.ca_file = l->ca_file;
    l->services.deadline_ms = o->services.deadline_ms;
    l->services.cancel = &l->stopping;
    for (size_t i = 0; i < o->pins->count; i++)
        memcpy(l->roots[i], o->pins->sha256[i], sizeof l->roots[i]);
    l->pins = *o->pins;
    l->pins.sha256 = (const uint8_t(*)[32])l->roots;
    l->update = o->update;
    l->refresh_s = o->refresh_s > 0 ? o->refresh_s : DAY_S;
    l->wait_ms = o->wait_ms > 0 ? o->wait_ms : WAIT_DEFAULT_MS;
    l->now_unix_s = o->now_unix_s;
    l->clock = o->clock;
    l->log = o->log;
    l->fetch = o->fetch;
    l->fetcher = o->fetcher;
    return VOUCH_OK;
}

vouch_code vch_live_new(const vch_live_options *options, vch_live **out, vouch_error *err)
{
    VCH_SCOPED(live_drop) vch_live *l = make_empty();
    if (l == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "collateral: out of memory");
    vouch_code rc = take_options(l, options, err);
    if (rc == VOUCH_OK)
        rc = vch_live_load(l, err);
    if (rc != VOUCH_OK)
        return rc;
    lock(l);
    call_thread(l);
    bool started = l->thread_count > 0;
    unlock(l);
    if (!started)
        return vouch_fail(err, VOUCH_E_INTERNAL, "cannot start the thread that fetches collateral");
    *out = VCH_MOVE(l);
    return VOUCH_OK;
}
