#include "svc/verifyd_jobs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "crypto/rand.h"

#define WAITING_MAX 2000
#define WAITING_BODIES_MAX ((size_t)64 << 20) /* bytes */
#define THREADS_MAX 32

typedef struct job job;
struct job {
    vch_verifyd_jobs *jobs;
    vch_verifyd_tables *tables;
    vch_http_response *response; /* NULL: nobody waits any more */
    bool is_nonce;
    vch_buffer body; /* the request's; for a nonce, the answer's */
    vch_attest_call call;
    vch_store_api_key key;
    char trace_id[VCH_TRACE_ID_SIZE];
    const char *own[VCH_ATTEST_POLICIES_MAX];
    vch_attest_answer answer;
    vouch_code rc;
    vouch_error err;
    job *next;
};

struct vch_verifyd_jobs {
    vch_verifyd_jobs_options o;
    vch_workers *workers;
    vch_timer *turn_end;
    job *settled; /* in this turn; answered after its commit */
    bool turn_failed;
    size_t waiting_bodies; /* bytes */
};

void vch_verifyd_tables_unref(vch_verifyd_tables *tables)
{
    if (tables == NULL || --tables->users > 0)
        return;
    vch_appraiser_free(tables->appraiser);
    vch_verifyd_keys_free(tables->keys);
    free(tables->rules);
    free(tables);
}

static void job_free(job *j)
{
    vch_verifyd_tables_unref(j->tables);
    vch_attest_answer_drop(&j->answer);
    vch_buffer_drop(&j->body);
    free(j);
}

static void on_gone(void *context)
{
    ((job *)context)->response = NULL;
}

static void send_and_free(job *j)
{
    if (j->response != NULL)
        vch_http_response_send(j->response);
    job_free(j);
}

static void fail_ours(job *j)
{
    char text[512];
    vch_log(j->jobs->o.log, VCH_LOG_ERROR, "verifyd.fault", VCH_STR("trace", j->trace_id),
            VCH_STR("error", vouch_error_text(&j->err, text, sizeof text)));
    j->jobs->o.metrics->faults++;
    if (j->response != NULL)
        j->jobs->o.put_fault(j->response, 500, "internal error");
    send_and_free(j);
}

/* --- on a worker's thread --- */

static vouch_code make_nonce(job *j)
{
    uint8_t random[VCH_NONCE_RANDOM_SIZE];
    vouch_code rc = vch_random_bytes(random, sizeof random, &j->err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_verifyd_signer signer = vch_verifyd_keys_signer(j->tables->keys, j->call.now_unix_s);
    return vch_verifyd_nonce_make(signer.key, j->call.now_unix_s, random, &j->body, &j->err);
}

static void work(void *context)
{
    job *j = context;
    j->rc = j->is_nonce ? make_nonce(j)
                        : vch_attest_desk_judge(&j->tables->desk, &j->call, &j->answer, &j->err);
}

/* --- on the loop's thread --- */

static void answer(job *j)
{
    vch_verifyd_metrics *m = j->jobs->o.metrics;
    if (j->is_nonce) {
        m->nonces++;
        if (j->response != NULL)
            j->jobs->o.put_nonce(j->response, &j->body);
    } else {
        vch_verifyd_metrics_count(m, &j->answer);
        vch_attest_log(j->jobs->o.log, &j->call, &j->answer);
        if (j->response != NULL)
            j->jobs->o.put_answer(j->response, &j->answer);
    }
    send_and_free(j);
}

/* What a turn changed is kept as a whole or not at all; nothing is answered before. */
static void end_turn(void *context)
{
    vch_verifyd_jobs *jobs = context;
    vouch_error err = { 0 };
    job *j = jobs->settled;
    vouch_code rc = jobs->turn_failed ? vouch_fail(&err, VOUCH_E_IO, "another change failed")
                                      : vch_verifier_store_commit(jobs->o.store, &err);
    if (rc != VOUCH_OK)
        vch_verifier_store_rollback(jobs->o.store);
    jobs->settled = NULL;
    jobs->turn_failed = false;
    jobs->o.metrics->commits++;
    while (j != NULL) {
        job *next = j->next;
        if (j->rc == VOUCH_OK && rc != VOUCH_OK) {
            j->rc = rc;
            j->err = err;
        }
        if (j->rc == VOUCH_OK)
            answer(j);
        else
            fail_ours(j);
        j = next;
    }
}

static void done(void *context, bool worked)
{
    job *j = context;
    vch_verifyd_jobs *jobs = j->jobs;
    jobs->o.metrics->working--;
    jobs->waiting_bodies -= j->is_nonce ? 0 : j->body.size;
    if (!worked)
        j->rc = vouch_fail(&j->err, VOUCH_E_INTERNAL, "the service is stopping");
    if (j->rc == VOUCH_OK && j->is_nonce) {
        answer(j);
        return;
    }
    if (j->rc == VOUCH_OK) {
        j->rc = vch_attest_settle(jobs->o.store, &j->call, &j->answer, &j->err);
        jobs->turn_failed = jobs->turn_failed || j->rc != VOUCH_OK;
    }
    j->next = jobs->settled;
    jobs->settled = j;
    vch_timer_start(jobs->turn_end, 0);
}

static void submit(vch_verifyd_jobs *jobs, job *j, vch_http_response *response)
{
    size_t body = j->is_nonce ? 0 : j->body.size;
    bool fits = j->body.failed == VOUCH_OK && jobs->waiting_bodies + body <= WAITING_BODIES_MAX;
    if (!fits || vch_workers_submit(jobs->workers, (vch_job) { j, work, done }, NULL) != VOUCH_OK) {
        jobs->o.metrics->busy++;
        vch_http_response_header(response, "retry-after", "1");
        jobs->o.put_fault(response, 503, "too many requests are waiting");
        job_free(j);
        return;
    }
    jobs->waiting_bodies += body;
    jobs->o.metrics->working++;
    j->response = response;
    vch_http_response_defer(response, on_gone, j);
}

static job *job_new(vch_verifyd_jobs *jobs, vch_verifyd_tables *tables, const char *trace_id,
                    vch_http_response *response)
{
    job *j = calloc(1, sizeof *j);
    if (j == NULL) {
        jobs->o.put_fault(response, 500, "internal error");
        return NULL;
    }
    j->jobs = jobs;
    j->tables = tables;
    tables->users++;
    memcpy(j->trace_id, trace_id, strlen(trace_id) + 1);
    return j;
}

void vch_verifyd_jobs_nonce(vch_verifyd_jobs *jobs, vch_verifyd_tables *tables,
                            const char *trace_id, int64_t now_unix_s, vch_http_response *response)
{
    job *j = job_new(jobs, tables, trace_id, response);
    if (j == NULL)
        return;
    j->is_nonce = true;
    j->call.now_unix_s = now_unix_s;
    j->body = vch_buffer_with_cap(4096);
    submit(jobs, j, response);
}

void vch_verifyd_jobs_attest(vch_verifyd_jobs *jobs, vch_verifyd_tables *tables,
                             const vch_attest_call *call, vch_http_response *response)
{
    job *j = job_new(jobs, tables, call->trace_id, response);
    if (j == NULL)
        return;
    j->body = vch_buffer_with_cap(VCH_ATTEST_BODY_MAX_SIZE);
    vch_buffer_append(&j->body, call->body);
    j->key = *call->api_key;
    j->call = *call;
    j->call.body = vch_buffer_span(&j->body);
    j->call.api_key = &j->key;
    j->call.trace_id = j->trace_id;
    for (size_t i = 0; i < call->own_policy_count; i++)
        j->own[i] = call->own_policies[i]; /* the ids are the tables' */
    if (call->own_policies != NULL)
        j->call.own_policies = j->own;
    submit(jobs, j, response);
}

vouch_code vch_verifyd_jobs_new(const vch_verifyd_jobs_options *options, vch_verifyd_jobs **out,
                                vouch_error *err)
{
    vch_verifyd_jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for the workers");
    jobs->o = *options;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = cpus < 1 ? 1 : cpus > THREADS_MAX ? THREADS_MAX : (unsigned)cpus;
    vouch_code rc = vch_timer_new(options->loop, end_turn, jobs, &jobs->turn_end, err);
    if (rc == VOUCH_OK)
        rc = vch_workers_new(options->loop, threads, WAITING_MAX, &jobs->workers, err);
    if (rc != VOUCH_OK) {
        vch_verifyd_jobs_free(jobs);
        return rc;
    }
    *out = jobs;
    return VOUCH_OK;
}

void vch_verifyd_jobs_free(vch_verifyd_jobs *jobs)
{
    if (jobs == NULL)
        return;
    vch_workers_free(jobs->workers);
    if (jobs->settled != NULL)
        end_turn(jobs);
    vch_timer_free(jobs->turn_end);
    free(jobs);
}
