#include "svc/verifyd.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/cert_chain.h"
#include "crypto/pem.h"
#include "host/clock.h"
#include "identity/ratls_cert.h"
#include "svc/verifyd_paths.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define DRAIN_MAX_MS 10000
#define DRAIN_LOOK_MS 20
#define CHORES_EVERY_MS INT64_C(60000) /* forget old nonces, renew CRLs */

static void do_chores(void *context)
{
    vch_verifyd *s = context;
    vouch_error err = { 0 };
    vouch_code rc = vch_verifier_store_nonces_expire(s->store, s->now_unix_s(), &err);
    if (rc == VOUCH_OK)
        rc = vch_verifyd_keys_renew(s->tables->keys, s->now_unix_s(), &err);
    if (rc != VOUCH_OK) {
        char text[512];
        vch_log(s->log, VCH_LOG_ERROR, "verifyd.chores",
                VCH_STR("error", vouch_error_text(&err, text, sizeof text)));
    }
    vch_timer_start(s->chores, CHORES_EVERY_MS);
}

static void drop_tables(vch_verifyd_tables **tables)
{
    vch_verifyd_tables_unref(*tables);
}

static void drop_tls(vch_verifyd_tls *tls)
{
    vch_key_free(tls->key);
    for (size_t i = 0; i < VCH_VERIFYD_TLS_CHAIN_MAX; i++)
        vch_buffer_drop(&tls->der[i]);
}

static vouch_code check_tls(const vch_verifyd_tls *tls, vouch_error *err)
{
    vch_ratls_cert leaf = { 0 };
    VCH_SCOPED(vch_key_drop) vch_key *key = NULL;
    vouch_code rc = vch_ratls_cert_parse(tls->chain[0], &leaf, err);
    if (rc == VOUCH_OK)
        rc = vch_key_from_spki(leaf.spki, &key, err);
    if (rc == VOUCH_OK && !vch_key_same_public(key, tls->key))
        return vouch_fail(err, VOUCH_E_CONFIG, "key and certificate do not belong together");
    return rc;
}

static vouch_code load_tls(const vch_verifyd_config *config, vch_verifyd_tls *out, vouch_error *err)
{
    VCH_SCOPED(vch_secret_drop) vch_secret key = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    vouch_code rc = vch_file_read_secret(config->tls_key, VCH_KEY_PEM_MAX_SIZE, &key, err);
    if (rc == VOUCH_OK)
        rc = vch_key_from_private_pem((vouch_span) { key.data, key.size }, &out->key, err);
    if (rc == VOUCH_OK)
        rc = vch_file_read(config->tls_certificate, VCH_PEM_MAX_SIZE, &pem, err);
    vch_pem_reader reader = { vch_buffer_span(&pem), VCH_PEM_TEXT_BEFORE };
    while (rc == VOUCH_OK && out->count < VCH_VERIFYD_TLS_CHAIN_MAX) {
        vch_buffer *der = &out->der[out->count];
        *der = vch_buffer_with_cap(VCH_CERT_CHAIN_MAX_DER_SIZE);
        rc = vch_pem_next_der(&reader, VCH_PEM_CERTIFICATE, der, err);
        if (rc == VOUCH_OK)
            out->chain[out->count++] = vch_buffer_span(der);
    }
    if (rc == VOUCH_E_NOT_FOUND && out->count > 0) {
        if (err != NULL)
            *err = (vouch_error) { 0 };
        rc = check_tls(out, err);
    }
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "TLS identity of the service");
}

static vouch_code listen_plain(vch_loop *loop, const vch_verifyd_listen *at,
                               vch_http_server_options *o, vch_http_server **out, vouch_error *err)
{
    if (at->address[0] == '\0')
        return VOUCH_OK;
    o->loop = loop;
    o->address = at->address;
    o->port = at->port;
    return vch_http_server_new(o, out, err);
}

static vch_tls_identity identity_of(const vch_verifyd_tls *tls)
{
    return (vch_tls_identity) { .certificate = tls->chain[0],
                                .chain = tls->chain + 1,
                                .chain_count = tls->count - 1,
                                .key = tls->key };
}

static vouch_code listen_on(vch_verifyd *s, const vch_verifyd_config *config, vouch_error *err)
{
    const vch_tls_identity identity = identity_of(&s->tls);
    vch_http_server_options options = { .loop = s->loop,
                                        .address = config->listen.address,
                                        .port = config->listen.port,
                                        .connections_max = (size_t)config->connections_max,
                                        .tls = &identity };
    vch_http_server_options crl = { 0 };
    vch_http_server_options operations = { 0 };
    vch_verifyd_paths_https(s, &options);
    vch_verifyd_paths_crl(s, &crl);
    vch_verifyd_paths_operations(s, &operations);
    vouch_code rc = vch_http_server_new(&options, &s->https, err);
    if (rc == VOUCH_OK)
        rc = listen_plain(s->loop, &config->crl_listen, &crl, &s->crl, err);
    if (rc == VOUCH_OK)
        rc = listen_plain(s->loop, &config->operations, &operations, &s->operations, err);
    return rc;
}

static vouch_code copy_rules(vch_verifyd_tables *t, const vch_verifyd_config *config,
                             vouch_error *err)
{
    t->rate = config->rate;
    if (config->key_rule_count == 0)
        return VOUCH_OK;
    t->rules = calloc(config->key_rule_count, sizeof *t->rules);
    if (t->rules == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the rules of API keys");
    t->rule_count = config->key_rule_count;
    for (size_t i = 0; i < t->rule_count; i++)
        t->rules[i] = config->key_rules[i];
    return VOUCH_OK;
}

static int64_t clock_of(void *service)
{
    return ((const vch_verifyd *)service)->now_unix_s();
}

static vouch_code make_tables(vch_verifyd *s, const vch_verifyd_config *config,
                              vch_verifyd_tables **out, vouch_error *err)
{
    VCH_SCOPED(drop_tables) vch_verifyd_tables *t = calloc(1, sizeof *t);
    if (t == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the service");
    t->users = 1;
    const vch_collateral_surroundings around = { .log = s->log,
                                                 .now_unix_s = clock_of,
                                                 .clock = s };
    vouch_code rc = vch_verifyd_keys_load(config, s->now_unix_s(), &t->keys, err);
    if (rc == VOUCH_OK)
        rc = vch_appraiser_new(config, &around, &t->appraiser, err);
    if (rc == VOUCH_OK)
        rc = copy_rules(t, config, err);
    if (rc != VOUCH_OK)
        return rc;
    memcpy(t->base_url, config->base_url, sizeof t->base_url);
    memcpy(t->instance_id, config->instance_id, sizeof t->instance_id);
    t->desk = (vch_attest_desk) { .appraiser = t->appraiser,
                                  .keys = t->keys,
                                  .base_url = t->base_url,
                                  .instance_id = t->instance_id,
                                  .token_lifetime_s = config->token_lifetime_s,
                                  .nonce_lifetime_s = config->nonce_lifetime_s,
                                  .refuse_issued_until_unix_s = s->forgotten_until_unix_s };
    *out = VCH_MOVE(t);
    return VOUCH_OK;
}

/* After a stop of the host under the service the last uses of nonces may be lost. */
static vouch_code start_store(vch_verifyd *s, vouch_error *err)
{
    char boot_id[64] = "";
    VCH_SCOPED(vch_buffer_drop) vch_buffer file = { 0 };
    if (vch_file_read(BOOT_ID_FILE, sizeof boot_id, &file, NULL) == VOUCH_OK
        && file.size < sizeof boot_id)
        memcpy(boot_id, file.data, file.size);
    vouch_code rc = vch_verifier_store_start(s->store, boot_id, s->now_unix_s(),
                                             &s->forgotten_until_unix_s, err);
    s->started = rc == VOUCH_OK;
    return rc;
}

static void look_drained(void *context)
{
    vch_verifyd *s = context;
    bool done = vch_http_server_connection_count(s->https) == 0 && s->metrics.working == 0;
    if (done || vch_clock_monotonic_ms() >= s->drain_until_ms)
        vch_loop_stop(s->loop);
    else
        vch_timer_start(s->drain, DRAIN_LOOK_MS);
}

void vch_verifyd_drain(vch_verifyd *s)
{
    s->draining = true;
    s->drain_until_ms = vch_clock_monotonic_ms() + DRAIN_MAX_MS;
    vch_http_server_drain(s->https);
    if (s->crl != NULL)
        vch_http_server_drain(s->crl);
    vch_timer_start(s->drain, 0);
}

static vouch_code start(vch_verifyd *s, const vch_verifyd_config *config, vouch_error *err)
{
    const vch_verifyd_jobs_options jobs = { .loop = s->loop,
                                            .store = s->store,
                                            .metrics = &s->metrics,
                                            .log = s->log,
                                            .put_nonce = vch_verifyd_put_nonce,
                                            .put_answer = vch_verifyd_put_answer,
                                            .put_fault = vch_verifyd_put_fault };
    vouch_code rc = vch_timer_new(s->loop, do_chores, s, &s->chores, err);
    if (rc == VOUCH_OK)
        rc = vch_timer_new(s->loop, look_drained, s, &s->drain, err);
    if (rc == VOUCH_OK)
        rc = vch_verifyd_jobs_new(&jobs, &s->jobs, err);
    if (rc == VOUCH_OK)
        rc = listen_on(s, config, err);
    if (rc == VOUCH_OK)
        vch_timer_start(s->chores, CHORES_EVERY_MS);
    return rc;
}

vouch_code vch_verifyd_new(const vch_verifyd_options *options, vch_verifyd **out, vouch_error *err)
{
    const vch_verifyd_config *config = options->config;
    VCH_SCOPED(vch_verifyd_drop) vch_verifyd *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the service");
    s->log = options->log;
    s->loop = options->loop;
    s->now_unix_s = options->now_unix_s;
    s->fixed = *config;
    s->fixed.policies = NULL;
    s->fixed.key_rules = NULL;
    vouch_code rc = vch_verifier_store_open(config->state, &s->store, err);
    if (rc == VOUCH_OK && s->loop != NULL)
        rc = start_store(s, err);
    if (rc == VOUCH_OK)
        rc = make_tables(s, config, &s->tables, err);
    if (rc == VOUCH_OK)
        rc = load_tls(config, &s->tls, err);
    if (rc == VOUCH_OK && s->loop != NULL)
        rc = start(s, config, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(s);
    return VOUCH_OK;
}

static bool same_place(const vch_verifyd_listen *a, const vch_verifyd_listen *b)
{
    return a->port == b->port && strcmp(a->address, b->address) == 0;
}

vouch_code vch_verifyd_reload(vch_verifyd *s, const vch_verifyd_config *config, vouch_error *err)
{
    const vch_verifyd_config *f = &s->fixed;
    VCH_SCOPED(drop_tables) vch_verifyd_tables *tables = NULL;
    VCH_SCOPED(drop_tls) vch_verifyd_tls tls = { 0 };
    if (!same_place(&f->listen, &config->listen) || !same_place(&f->crl_listen, &config->crl_listen)
        || !same_place(&f->operations, &config->operations) || strcmp(f->state, config->state) != 0
        || f->connections_max != config->connections_max)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "addresses, state and limits.connections change only with a restart");
    vouch_code rc = make_tables(s, config, &tables, err);
    if (rc == VOUCH_OK)
        rc = load_tls(config, &tls, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_tls_identity identity = identity_of(&tls);
    rc = vch_http_server_renew(s->https, &identity, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_verifyd_tls old_tls = s->tls;
    vch_verifyd_tables *old_tables = s->tables;
    s->tls = tls;
    s->tables = tables;
    tls = old_tls; /* dropped by the scope */
    tables = old_tables;
    return VOUCH_OK;
}

static void stop_store(vch_verifyd *s)
{
    vouch_error err = { 0 };
    char text[512];
    if (s->started && vch_verifier_store_stop(s->store, &err) != VOUCH_OK)
        vch_log(s->log, VCH_LOG_ERROR, "verifyd.stop",
                VCH_STR("error", vouch_error_text(&err, text, sizeof text)));
    vch_verifier_store_close(s->store);
}

void vch_verifyd_free(vch_verifyd *service)
{
    if (service == NULL)
        return;
    vch_http_server_free(service->https);
    vch_http_server_free(service->crl);
    vch_http_server_free(service->operations);
    vch_timer_free(service->chores);
    vch_timer_free(service->drain);
    vch_verifyd_jobs_free(service->jobs);
    stop_store(service);
    vch_verifyd_tables_unref(service->tables);
    drop_tls(&service->tls);
    free(service);
}
