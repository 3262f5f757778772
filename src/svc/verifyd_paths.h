/*
 * What the service answers on each path. For verifyd.c only: the service's inside is shown here,
 * and nowhere else. One thread at a time.
 */
#ifndef VCH_SVC_VERIFYD_PATHS_H
#define VCH_SVC_VERIFYD_PATHS_H

#include "net/http_server.h"
#include "svc/verifyd.h"
#include "svc/verifyd_attest.h"

#define VCH_VERIFYD_TLS_CHAIN_MAX 4

typedef struct vch_verifyd_tls {
    vch_key *key;
    vch_buffer der[VCH_VERIFYD_TLS_CHAIN_MAX];
    vouch_span chain[VCH_VERIFYD_TLS_CHAIN_MAX]; /* what is sent after the leaf */
    size_t count;                                /* with the leaf */
} vch_verifyd_tls;

struct vch_verifyd {
    vch_attest_desk desk;
    vch_appraiser *appraiser;
    vch_verifyd_keys *keys;
    vch_verifier_store *store;
    vch_verifyd_tls tls;
    vch_http_server *https, *http;
    vch_timer *chores;
    const vch_log *log;
    int64_t (*now_unix_s)(void);
    char base_url[VCH_VERIFYD_URL_SIZE];
    char instance_id[VCH_UUID_TEXT_SIZE + 1];
    char trace_id[VCH_TRACE_ID_SIZE]; /* of the request that is being answered */
    bool trace_is_sent;
};

/* Paths, limits and the fields of every answer: of the service, and of the listener for CRLs. */
void vch_verifyd_paths_https(vch_verifyd *service, vch_http_server_options *out);
void vch_verifyd_paths_http(vch_verifyd *service, vch_http_server_options *out);

#endif
