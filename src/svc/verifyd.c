#include "svc/verifyd.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/cert_chain.h"
#include "crypto/pem.h"
#include "identity/ratls_cert.h"
#include "svc/verifyd_paths.h"

#define CHORES_EVERY_MS INT64_C(60000) /* forget old nonces, renew CRLs */

static void do_chores(void *context)
{
    vch_verifyd *s = context;
    vouch_error err = { 0 };
    vouch_code rc = vch_verifier_store_nonces_expire(s->store, s->now_unix_s(), &err);
    if (rc == VOUCH_OK)
        rc = vch_verifyd_keys_renew_crls(s->keys, s->now_unix_s(), &err);
    if (rc != VOUCH_OK) {
        char text[512];
        vch_log(s->log, VCH_LOG_ERROR, "verifyd.chores",
                VCH_STR("error", vouch_error_text(&err, text, sizeof text)));
    }
    vch_timer_start(s->chores, CHORES_EVERY_MS);
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

static vouch_code listen_on(vch_verifyd *s, const vch_verifyd_config *config, vch_loop *loop,
                            vouch_error *err)
{
    const vch_tls_identity identity = { .certificate = s->tls.chain[0],
                                        .chain = s->tls.chain + 1,
                                        .chain_count = s->tls.count - 1,
                                        .key = s->tls.key };
    vch_http_server_options options = { .loop = loop,
                                        .address = config->listen.address,
                                        .port = config->listen.port,
                                        .tls = &identity };
    vch_verifyd_paths_https(s, &options);
    vouch_code rc = vch_http_server_new(&options, &s->https, err);
    if (rc != VOUCH_OK || config->crl_listen.address[0] == '\0')
        return rc;
    options = (vch_http_server_options) { .loop = loop,
                                          .address = config->crl_listen.address,
                                          .port = config->crl_listen.port };
    vch_verifyd_paths_http(s, &options);
    return vch_http_server_new(&options, &s->http, err);
}

static void set_desk(vch_verifyd *s, const vch_verifyd_config *config)
{
    memcpy(s->base_url, config->base_url, sizeof s->base_url);
    memcpy(s->instance_id, config->instance_id, sizeof s->instance_id);
    s->desk = (vch_attest_desk) { .appraiser = s->appraiser,
                                  .keys = s->keys,
                                  .store = s->store,
                                  .base_url = s->base_url,
                                  .instance_id = s->instance_id,
                                  .token_lifetime_s = config->token_lifetime_s,
                                  .nonce_lifetime_s = config->nonce_lifetime_s,
                                  .log = s->log };
}

vouch_code vch_verifyd_new(const vch_verifyd_options *options, vch_verifyd **out, vouch_error *err)
{
    const vch_verifyd_config *config = options->config;
    VCH_SCOPED(vch_verifyd_drop) vch_verifyd *s = calloc(1, sizeof *s);
    if (s == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the service");
    s->log = options->log;
    s->now_unix_s = options->now_unix_s;
    vouch_code rc = vch_verifyd_keys_load(config, s->now_unix_s(), &s->keys, err);
    if (rc == VOUCH_OK)
        rc = vch_appraiser_new(config, &s->appraiser, err);
    if (rc == VOUCH_OK)
        rc = load_tls(config, &s->tls, err);
    if (rc == VOUCH_OK)
        rc = vch_verifier_store_open(config->state, &s->store, err);
    if (rc != VOUCH_OK)
        return rc;
    set_desk(s, config);
    if (options->loop != NULL) {
        rc = vch_timer_new(options->loop, do_chores, s, &s->chores, err);
        if (rc == VOUCH_OK)
            rc = listen_on(s, config, options->loop, err);
        if (rc != VOUCH_OK)
            return rc;
        vch_timer_start(s->chores, CHORES_EVERY_MS);
    }
    *out = VCH_MOVE(s);
    return VOUCH_OK;
}

void vch_verifyd_free(vch_verifyd *service)
{
    if (service == NULL)
        return;
    vch_http_server_free(service->https);
    vch_http_server_free(service->http);
    vch_timer_free(service->chores);
    vch_verifier_store_close(service->store);
    vch_appraiser_free(service->appraiser);
    vch_verifyd_keys_free(service->keys);
    drop_tls(&service->tls);
    free(service);
}
