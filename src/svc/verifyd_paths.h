/*
 * What the service answers on each path. For verifyd.c only: the service's inside is shown here,
 * and nowhere else. One thread at a time.
 */
#ifndef VCH_SVC_VERIFYD_PATHS_H
#define VCH_SVC_VERIFYD_PATHS_H

#include "net/http_server.h"
#include "svc/verifyd.h"
#include "svc/verifyd_attest.h"
#include "svc/verifyd_jobs.h"
#include "svc/verifyd_limits.h"

#define VCH_VERIFYD_TLS_CHAIN_MAX 4

typedef struct vch_verifyd_tls {
    vch_key *key;
    vch_buffer der[VCH_VERIFYD_TLS_CHAIN_MAX];
    vouch_span chain[VCH_VERIFYD_TLS_CHAIN_MAX]; /* what is sent after the leaf */
    size_t count;                                /* with the leaf */
} vch_verifyd_tls;

struct vch_verifyd {
    vch_verifyd_tables *tables;
    vch_verifyd_jobs *jobs;
    vch_verifier_store *store;
    vch_verifyd_tls tls;
    vch_http_server *https, *crl, *operations;
    vch_timer *chores, *drain;
    vch_loop *loop;
    const vch_log *log;
    int64_t (*now_unix_s)(void);
    int64_t forgotten_until_unix_s;
    int64_t drain_until_ms;
    bool started, draining;
    vch_verifyd_config fixed; /* addresses and state, which a reload cannot change; no pointers */
    vch_verifyd_metrics metrics;
    vch_limits limits;
    char trace_id[VCH_TRACE_ID_SIZE]; /* of the request that is being answered */
    bool trace_is_sent;
};

/* Paths, limits and the fields of every answer, of each listener. */
void vch_verifyd_paths_https(vch_verifyd *service, vch_http_server_options *out);
void vch_verifyd_paths_crl(vch_verifyd *service, vch_http_server_options *out);
void vch_verifyd_paths_operations(vch_verifyd *service, vch_http_server_options *out);

/* Writers of the answers that workers prepare. */
void vch_verifyd_put_nonce(vch_http_response *response, const vch_buffer *body);
void vch_verifyd_put_answer(vch_http_response *response, const vch_attest_answer *answer);
void vch_verifyd_put_fault(vch_http_response *response, int status, const char *message);

#endif
