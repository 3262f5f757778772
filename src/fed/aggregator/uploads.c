/* SendLocalTaskResults: a stream from its beginning to the moment when its result is on disk. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fed/aggregator/session.h"
#include "fed/aggregator/state.h"
#include "identity/admit.h"

typedef struct upload {
    vch_aggregator *aggregator;
    vch_receipt *receipt;
    size_t member;
    uint64_t task;       /* its bit, while it is being stored; 0 otherwise */
    vch_grpc_call *call; /* NULL: it has ended */
} upload;

static void free_upload(upload *u)
{
    vch_receipt_free(u->receipt);
    free(u);
}

void vch_upload_begin(void *context, vch_grpc_call *call)
{
    vch_aggregator *a = context;
    vouch_error err = { 0 };
    vch_caller who = { 0 };
    upload *u = NULL;
    vouch_code rc = vch_session_find_peer(a, call, &who, &err);
    if (rc == VOUCH_OK && a->receipts[who.member] >= VCH_AGGREGATOR_RECEIPTS_MAX)
        rc = vouch_fail(&err, VOUCH_E_IO, "%d results of '%s' are arriving already",
                        VCH_AGGREGATOR_RECEIPTS_MAX, who.name);
    if (rc == VOUCH_OK && (u = calloc(1, sizeof *u)) == NULL)
        rc = vouch_fail(&err, VOUCH_E_MEMORY, "out of memory");
    if (rc == VOUCH_OK)
        rc = vch_receipt_new(&a->intake, who.member, who.name, &u->receipt, &err);
    if (rc != VOUCH_OK) {
        free(u);
        vch_session_refuse(a, call, rc, &err);
        return;
    }
    u->aggregator = a;
    u->member = who.member;
    u->call = call;
    a->receipts[who.member]++;
    vch_grpc_call_set_state(call, u);
}

void vch_upload_bytes(void *context, vch_grpc_call *call, vouch_span bytes)
{
    vouch_error err = { 0 };
    upload *u = vch_grpc_call_state(call);
    vouch_code rc = u == NULL ? VOUCH_OK : vch_receipt_feed(u->receipt, bytes, &err);
    if (rc != VOUCH_OK)
        vch_session_refuse(context, call, rc, &err);
}

void vch_upload_message_end(void *context, vch_grpc_call *call)
{
    vouch_error err = { 0 };
    upload *u = vch_grpc_call_state(call);
    vouch_code rc = u == NULL ? VOUCH_OK : vch_receipt_message_end(u->receipt, &err);
    if (rc != VOUCH_OK)
        vch_session_refuse(context, call, rc, &err);
}

static void log_result(const vch_aggregator *a, const upload *u, vch_round_ruling ruling)
{
    const vch_plan_task *task = vch_receipt_task(u->receipt);
    vch_log(a->options.log, ruling == VCH_RESULT_TAKE ? VCH_LOG_INFO : VCH_LOG_WARN,
            ruling == VCH_RESULT_TAKE ? "result.taken" : "result.dropped",
            VCH_STR("collaborator", a->view->member[u->member]),
            VCH_STR("task", task == NULL ? "" : task->name),
            VCH_INT("round", vch_round_number(a->round)),
            VCH_STR("ruling", vch_round_ruling_text(ruling)));
}

/* It is on disk, or never will be: only now its sender is told. */
static void on_stored(void *context, vouch_code rc, const vouch_error *why)
{
    upload *u = context;
    vch_aggregator *a = u->aggregator;
    vouch_error err = why == NULL ? (vouch_error) { 0 } : *why;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    a->storing[u->member] &= ~u->task;
    u->task = 0;
    if (rc == VOUCH_OK)
        rc = vch_receipt_keep(u->receipt, &ruling, &err);
    else
        vch_receipt_discard(u->receipt);
    if (rc == VOUCH_OK)
        log_result(a, u, ruling);
    if (u->call == NULL)
        free_upload(u);
    else if (rc == VOUCH_OK)
        vch_session_reply_header(a, u->call, a->view->member[u->member]);
    else
        vch_session_refuse(a, u->call, VOUCH_E_IO, &err);
    vch_aggregator_stored(a, rc, &err);
}

static vouch_code store(vch_aggregator *a, upload *u, vch_grpc_call *call, vouch_error *err)
{
    vch_ledger_result result = vch_receipt_result(u->receipt);
    uint64_t bit = UINT64_C(1) << result.task;
    const vch_ledger_note note = { .file = result.result->update, .done = on_stored, .context = u };
    if (a->current == NULL || a->closing.stage != VCH_CLOSING_NOT)
        return vouch_fail(err, VOUCH_E_IO, "round %d is being %s", result.round,
                          a->current == NULL ? "opened" : "closed");
    if ((a->storing[u->member] & bit) != 0)
        return vouch_fail(err, VOUCH_E_IO, "the same result is being stored already");
    memcpy(result.result->certificate,
           vch_admitted_peer_verdict(vch_grpc_call_session(call))->certificate,
           sizeof result.result->certificate);
    vouch_code rc = vch_ledger_accept(a->ledger, &note, &result, err);
    if (rc != VOUCH_OK)
        return rc;
    u->task = bit;
    a->storing[u->member] |= bit;
    return VOUCH_OK;
}

void vch_upload_half_close(void *context, vch_grpc_call *call)
{
    vch_aggregator *a = context;
    vouch_error err = { 0 };
    vch_caller who = { 0 };
    vch_round_ruling ruling = VCH_RESULT_OVER;
    upload *u = vch_grpc_call_state(call);
    if (u == NULL)
        return;
    vouch_code rc =
        vch_session_find_peer(a, call, &who, &err); /* it may have been replaced meanwhile */
    if (rc == VOUCH_OK)
        rc = vch_receipt_finish(u->receipt, &ruling, &err);
    if (rc == VOUCH_OK && ruling == VCH_RESULT_TAKE)
        rc = store(a, u, call, &err);
    if (rc != VOUCH_OK) {
        vch_session_refuse(a, call, rc, &err);
        return;
    }
    if (ruling == VCH_RESULT_TAKE)
        return; /* answered when it is on disk */
    log_result(a, u, ruling);
    vch_session_reply_header(a, call, who.name);
    vch_aggregator_poke(a);
}

void vch_upload_ended(void *context, vch_grpc_call *call)
{
    vch_aggregator *a = context;
    upload *u = vch_grpc_call_state(call);
    if (u == NULL)
        return;
    a->receipts[u->member]--;
    u->call = NULL;
    if (u->task == 0) /* else it is still being stored */
        free_upload(u);
    vch_grpc_call_set_state(call, NULL);
}
