#include "identity/participant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/moment.h"
#include "host/clock.h"
#include "identity/participant_parts.h"
#include "identity/ratls_cert.h"

#define LOOK_S 1 /* the injected clock is looked at so often: it may be set */
#define RETRY_S 15
#define RELOAD_S 60 /* collateral in a directory: whoever lays it there need not tell us */

int64_t vch_participant_now(const vch_participant *p)
{
    return p->now_unix_s == NULL ? vch_clock_unix_s() : p->now_unix_s(p->clock);
}

vch_admission_rules vch_participant_rules(const vch_participant *p)
{
    return (vch_admission_rules) {
        .file = p->file,
        .plan_digest = p->plan_digest,
        .collateral = p->collateral,
        .issuers = p->issuers,
        .proven = p->proven,
    };
}

void vch_credentials_unref(const vch_credentials *c)
{
    if (c == NULL)
        return;
    vch_held_credentials *held = (vch_held_credentials *)(uintptr_t)c; /* made non-const by us */
    if (atomic_fetch_sub(&held->count, 1U) != 1U)
        return;
    vch_buffer_drop(&held->certificate);
    vch_buffer_drop(&held->stock);
    vch_buffer_drop(&held->claims);
    vch_buffer_drop(&held->quote);
    vch_buffer_drop(&held->token_quote);
    vch_buffer_drop(&held->token);
    free(held);
}

const vch_credentials *vch_participant_credentials(vch_participant *p)
{
    (void)pthread_mutex_lock(&p->lock);
    vch_held_credentials *held = p->current;
    (void)atomic_fetch_add(&held->count, 1U);
    (void)pthread_mutex_unlock(&p->lock);
    return &held->face;
}

uint64_t vch_participant_generation(vch_participant *p)
{
    (void)pthread_mutex_lock(&p->lock);
    uint64_t generation = p->current->face.generation;
    (void)pthread_mutex_unlock(&p->lock);
    return generation;
}

static void publish(vch_participant *p, vch_held_credentials *held)
{
    (void)pthread_mutex_lock(&p->lock);
    vch_held_credentials *old = p->current;
    p->current = held;
    (void)pthread_mutex_unlock(&p->lock);
    if (old != NULL)
        vch_credentials_unref(&old->face);
}

static bool certificate_is_due(const vch_credentials *c, int64_t now)
{
    return c->attested && now >= c->nbf_unix_s + (c->exp_unix_s - c->nbf_unix_s) * 2 / 3;
}

static bool token_is_due(const vch_participant *p, const vch_credentials *c, int64_t now)
{
    return p->verifier != NULL
           && now >= c->token_from_unix_s + (c->token_until_unix_s - c->token_from_unix_s) / 2;
}

/* The caller holds `renewing`. */
static vouch_code refresh(vch_participant *p, vouch_error *err)
{
    int64_t now = vch_participant_now(p);
    vch_held_credentials *made = NULL;
    (void)pthread_mutex_lock(&p->lock);
    bool asked = p->renew_asked && p->current->face.attested;
    p->renew_asked = false;
    (void)pthread_mutex_unlock(&p->lock);
    bool whole = asked || certificate_is_due(&p->current->face, now);
    if (!whole && !token_is_due(p, &p->current->face, now))
        return VOUCH_OK;
    vouch_code rc = vch_credentials_make(p, whole ? NULL : p->current, &made, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "renewing the %s", whole ? "certificate" : "token");
    publish(p, made);
    vch_log(p->log, VCH_LOG_INFO, whole ? "identity.certificate_renewed" : "identity.token_renewed",
            VCH_STR("name", p->name), VCH_BOOL("simulated", made->face.appraisal.simulated));
    return VOUCH_OK;
}

vouch_code vch_participant_refresh(vch_participant *p, vouch_error *err)
{
    (void)pthread_mutex_lock(&p->renewing);
    vouch_code rc = refresh(p, err);
    (void)pthread_mutex_unlock(&p->renewing);
    return rc;
}

/* Wait a little; true when the participant is being freed. */
static bool wait_or_stop(vch_participant *p, int seconds)
{
    struct timespec until = { 0 };
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    (void)pthread_mutex_lock(&p->lock);
    int rc = 0;
    while (!p->stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&p->wake, &p->lock, &until);
    bool stopping = p->stopping;
    (void)pthread_mutex_unlock(&p->lock);
    return stopping;
}

/* Ahead of need, so that no admission waits for an issuer. What is held goes on to count. */
static void refresh_issuers(vch_participant *p)
{
    vouch_error err = { 0 };
    char text[512];
    if (p->issuers != NULL
        && vch_issuer_keys_refresh(p->issuers, vch_participant_now(p), &err) != VOUCH_OK)
        vch_log(p->log, VCH_LOG_WARN, "identity.issuer_keys_stale", VCH_STR("name", p->name),
                VCH_STR("reason", vouch_error_text(&err, text, sizeof text)));
}

void vch_participant_reload_collateral(vch_participant *p)
{
    vouch_error err = { 0 };
    char text[512];
    bool changed = false;
    if (p->collateral == NULL)
        return;
    if (vch_collateral_cache_reload(p->collateral, &changed, &err) != VOUCH_OK)
        vch_log(p->log, VCH_LOG_WARN, "collateral.not_reloaded", VCH_STR("name", p->name),
                VCH_STR("reason", vouch_error_text(&err, text, sizeof text)));
    else if (changed)
        vch_log(p->log, VCH_LOG_INFO, "collateral.reloaded", VCH_STR("name", p->name));
}

static void *keep_fresh(void *context)
{
    vch_participant *p = context;
    int pause_s = LOOK_S;
    int64_t reload_ms = vch_clock_monotonic_ms() + (int64_t)RELOAD_S * 1000;
    while (!wait_or_stop(p, pause_s)) {
        vouch_error err = { 0 };
        pause_s = LOOK_S;
        if (vch_participant_refresh(p, &err) != VOUCH_OK) {
            char text[512];
            vch_log(p->log, VCH_LOG_WARN, "identity.renewal_failed", VCH_STR("name", p->name),
                    VCH_STR("reason", vouch_error_text(&err, text, sizeof text)));
            pause_s = RETRY_S;
        }
        refresh_issuers(p);
        if (vch_clock_monotonic_ms() >= reload_ms) {
            vch_participant_reload_collateral(p);
            reload_ms = vch_clock_monotonic_ms() + (int64_t)RELOAD_S * 1000;
        }
    }
    return NULL;
}

vouch_code vch_participant_keep_fresh(vch_participant *p, vouch_error *err)
{
    if (p->thread_runs || (p->attester == NULL && p->issuers == NULL && p->collateral == NULL))
        return VOUCH_OK; /* a PKI certificate is renewed by its site */
    if (pthread_create(&p->thread, NULL, keep_fresh, p) != 0)
        return vouch_fail(err, VOUCH_E_INTERNAL, "cannot start the thread that renews");
    p->thread_runs = true;
    return VOUCH_OK;
}

void vch_participant_ask_renewal(vch_participant *p)
{
    (void)pthread_mutex_lock(&p->lock);
    p->renew_asked = true;
    (void)pthread_mutex_unlock(&p->lock);
}

static void stop_thread(vch_participant *p)
{
    if (!p->thread_runs)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->thread, NULL);
    p->thread_runs = false;
}

void vch_participant_retire(
    vch_participant *p) /* its thread is joined by free: it may be at work */
{
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
}

void vch_participant_free(vch_participant *p)
{
    if (p == NULL)
        return;
    stop_thread(p);
    if (p->current != NULL)
        vch_credentials_unref(&p->current->face);
    vch_ita_client_free(p->verifier);
    vch_issuer_keys_free(p->issuers);
    vch_collateral_cache_free(p->collateral);
    vch_proven_free(p->proven);
    vch_tls_trust_free(p->pki);
    vch_sealed_identity_free(p->stored);
    vch_seal_root_free(p->root);
    for (size_t i = 0; i < p->previous_count; i++)
        vch_seal_root_free(p->previous[i]);
    vch_federation_ca_free(p->ca);
    vch_key_free(p->site_key);
    vch_key_free(p->key);
    vch_attester_free(p->attester);
    vch_buffer_drop(&p->pki_certificate);
    free(p->state);
    free(p->address);
    (void)pthread_cond_destroy(&p->wake);
    (void)pthread_mutex_destroy(&p->renewing);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

static vouch_code init_locks(vch_participant *p, vouch_error *err)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return vouch_fail(err, VOUCH_E_MEMORY, "participant: out of memory");
    bool good = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0
                && pthread_cond_init(&p->wake, &monotonic) == 0
                && pthread_mutex_init(&p->lock, NULL) == 0
                && pthread_mutex_init(&p->renewing, NULL) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    return good ? VOUCH_OK : vouch_fail(err, VOUCH_E_MEMORY, "participant: no locks");
}

static vouch_code take_options(vch_participant *p, const vch_participant_options *o,
                               vouch_error *err)
{
    int size = snprintf(p->name, sizeof p->name, "%s", o->name);
    if (size <= 0 || (size_t)size >= sizeof p->name)
        return vouch_fail(err, VOUCH_E_CONFIG, "'%.40s' cannot be a name", o->name);
    if (o->address != NULL && strcmp(o->address, "auto") != 0) {
        p->address = strdup(o->address);
        if (p->address == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "participant: out of memory");
    }
    if (o->state != NULL) {
        p->state = strdup(o->state);
        if (p->state == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "participant: out of memory");
    }
    p->role = o->role;
    p->now_unix_s = o->now_unix_s;
    p->clock = o->clock;
    p->log = o->log;
    p->file = o->file;
    p->pki_certificate = vch_buffer_with_cap(VCH_RATLS_CERT_MAX_SIZE);
    if (o->plan_digest != NULL)
        memcpy(p->plan_digest, o->plan_digest, sizeof p->plan_digest);
    else if (o->file != NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "the plan's digest is not known");
    if (o->file != NULL) {
        p->federation = vch_attestation_file_federation(o->file);
        p->local = vch_attestation_file_local(o->file);
    }
    return VOUCH_OK;
}

static vouch_code check_begun(const vch_participant *p, vouch_error *err)
{
    if (p->file == NULL
        || vch_participant_now(p) + (int64_t)p->local->clock_skew_s >= p->federation->from_unix_s)
        return VOUCH_OK;
    char from[VCH_MOMENT_TEXT_SIZE];
    return vouch_fail(err, VOUCH_E_CONFIG, "the federation's policy holds only from %s",
                      vch_moment_format(p->federation->from_unix_s, from));
}

/* The predecessor's identity, or the sealed one if there is one that opens, else a new one. */
static vouch_code enter(vch_participant *p, const vch_participant *predecessor,
                        vch_held_credentials **made, vouch_error *err)
{
    vouch_error why = { 0 };
    char text[VOUCH_ERROR_TEXT * VOUCH_ERROR_DEPTH];
    vouch_code rc = VOUCH_OK;
    if (predecessor != NULL)
        rc = vch_identity_inherit(p, predecessor, err);
    if (rc != VOUCH_OK || predecessor != NULL || p->attester == NULL)
        return rc == VOUCH_OK ? vch_credentials_make(p, NULL, made, err) : rc;
    rc = vch_identity_find(p, &why);
    if (rc == VOUCH_OK)
        rc = vch_credentials_make(p, NULL, made, &why);
    if (rc == VOUCH_OK || p->key != NULL) { /* unsealed: what fails now is not the seal */
        if (err != NULL)
            *err = why;
        return rc;
    }
    vch_log(p->log, p->state == NULL ? VCH_LOG_DEBUG : VCH_LOG_WARN, "identity.new",
            VCH_STR("name", p->name), VCH_BOOL("new_ca", p->role == VCH_ROLE_AGGREGATOR),
            VCH_STR("reason", vouch_error_text(&why, text, sizeof text)));
    rc = vch_identity_renew(p, err);
    return rc == VOUCH_OK ? vch_credentials_make(p, NULL, made, err) : rc;
}

vouch_code vch_participant_new(const vch_participant_options *options, vch_participant **out,
                               vouch_error *err)
{
    vch_held_credentials *made = NULL;
    vch_participant *raw = calloc(1, sizeof *raw);
    if (raw == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "participant: out of memory");
    vouch_code rc = init_locks(raw, err);
    if (rc != VOUCH_OK) {
        free(raw);
        return rc;
    }
    VCH_SCOPED(vch_participant_drop) vch_participant *p = raw;
    rc = take_options(p, options, err);
    if (rc == VOUCH_OK && options->predecessor == NULL)
        rc = check_begun(p, err);
    if (rc == VOUCH_OK)
        rc = vch_participant_set_up(p, options, err);
    if (rc == VOUCH_OK)
        rc = enter(p, options->predecessor, &made, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "starting as %s '%s'", vch_role_name(options->role),
                          options->name);
    publish(p, made);
    vch_identity_keep(p);
    *out = VCH_MOVE(p);
    return VOUCH_OK;
}
