/*
 * Requests that need signatures: judged on worker threads, settled on the loop's, one commit for
 * all that a turn of the loop finished, answered after it. One thread at a time.
 */
#ifndef VCH_SVC_VERIFYD_JOBS_H
#define VCH_SVC_VERIFYD_JOBS_H

#include <stdbool.h>

#include "net/http_server.h"
#include "net/workers.h"
#include "svc/verifyd_attest.h"
#include "svc/verifyd_metrics.h"
#include "svc/verifyd_nonce.h"

/* What requests are judged by; a reload makes another, and jobs that run keep theirs. */
typedef struct vch_verifyd_tables {
    size_t users;
    vch_appraiser *appraiser;
    vch_verifyd_keys *keys;
    vch_attest_desk desk;
    char base_url[VCH_VERIFYD_URL_SIZE];
    char instance_id[VCH_UUID_TEXT_SIZE + 1];
    vch_verifyd_rate rate;
    vch_verifyd_key_rule *rules;
    size_t rule_count;
} vch_verifyd_tables;

void vch_verifyd_tables_unref(vch_verifyd_tables *tables);

typedef struct vch_verifyd_jobs vch_verifyd_jobs;

typedef struct vch_verifyd_jobs_options {
    vch_loop *loop; /* kept, as all others */
    vch_verifier_store *store;
    vch_verifyd_metrics *metrics;
    const vch_log *log;
    /* write the answers */
    void (*put_nonce)(vch_http_response *response, const vch_buffer *body);
    void (*put_answer)(vch_http_response *response, const vch_attest_answer *answer);
    void (*put_fault)(vch_http_response *response, int status, const char *message);
} vch_verifyd_jobs_options;

VOUCH_MUST_CHECK vouch_code vch_verifyd_jobs_new(const vch_verifyd_jobs_options *options,
                                                 vch_verifyd_jobs **out, vouch_error *err);
/* After the server, so that nobody waits any more; what was judged is settled still. */
void vch_verifyd_jobs_free(vch_verifyd_jobs *jobs);

/* Take the request over; busy or out of memory is answered here. Body and ids are copied. */
void vch_verifyd_jobs_nonce(vch_verifyd_jobs *jobs, vch_verifyd_tables *tables,
                            const char *trace_id, int64_t now_unix_s, vch_http_response *response);
void vch_verifyd_jobs_attest(vch_verifyd_jobs *jobs, vch_verifyd_tables *tables,
                             const vch_attest_call *call, vch_http_response *response);

#endif
