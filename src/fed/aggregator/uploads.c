/* SendLocalTaskResults: a stream from its beginning to the moment when its result is on disk. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fed/aggregator/session.h"
#include "fed/aggregator/state.h"
#include "identity/admit.h"

/* Streams of one connection that do not say yet whose result they bring. */
#define HEADLESS_MAX 4

typedef struct vch_upload upload;
struct vch_upload {
    vch_aggregator *aggregator;
    vch_receipt *receipt;
    uint64_t task;       /* its bit, while it is being stored; 0 otherwise */
    vch_grpc_call *call; /* NULL: it has ended */
    bool is_headless;    /* one of the aggregator's */
    upload *next;        /* of those */
};

static void free_upload(upload *u)
{
    vch_receipt_free(u->receipt);
    free(u);
}

static size_t count_headless(const vch_aggregator *a, const void *session)
{
    size_t count = 0;
    for (const upload *u = a->headless; u != NULL; u = u->next)
        count += vch_grpc_call_session(u->call) == session;
    return count;
}

static void leave_headless(upload *u)
{
    upload **at = &u->aggregator->headless;
    if (!u->is_headless)
        return;
    while (*at != u)
        at = &(*at)->next;
    *at = u->next;
    u->is_headless = false;
}

/* The member whose result it is; NULL before its head was read. */
static const char *member_of(const upload *u)
{
    ptrdiff_t member = vch_receipt_member(u->receipt);
    return member < 0 ? NULL : u->aggregator->view->member[member];
}

static void look_for_head(upload *u)
{
    if (member_of(u) != NULL)
        leave_headless(u);
}

static vouch_code begin(vch_aggregator *a, vch_grpc_call *call, upload **out, vouch_error *err)
{
    const char *peer = NULL;
    vouch_code rc = vch_session_find_peer(call, &peer, err);
    if (rc != VOUCH_OK)
        return rc;
    if (count_headless(a, vch_grpc_call_session(call)) >= HEADLESS_MAX)
        return vouch_fail(err, VOUCH_E_IO, "%d results of this connection have not begun yet",
                          HEADLESS_MAX);
    VCH_SCOPED(vch_free_drop) upload *u = calloc(1, sizeof *u);
    if (u == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "out of memory");
    rc = vch_receipt_new(&a->intake, peer, &u->receipt, err);
    if (rc != VOUCH_OK)
        return rc;
    u->aggregator = a;
    u->call = call;
    u->is_headless = true;
    u->next = a->headless;
    *out = a->headless = VCH_MOVE(u);
    return VOUCH_OK;
}

void vch_upload_begin(void *context, vch_grpc_call *call)
{
    vch_aggregator *a = context;
    vouch_error err = { 0 };
    upload *u = NULL;
    vouch_code rc = begin(a, call, &u, &err);
    if (rc == VOUCH_OK)
        vch_grpc_call_set_state(call, u);
    else
        vch_session_refuse(a, call, NULL, rc, &err);
}

void vch_upload_bytes(void *context, vch_grpc_call *call, vouch_span bytes)
{
    vouch_error err = { 0 };
    upload *u = vch_grpc_call_state(call);
    if (u == NULL)
        return;
    vouch_code rc = vch_receipt_feed(u->receipt, bytes, &err);
    look_for_head(u);
    if (rc != VOUCH_OK)
        vch_session_refuse(context, call, member_of(u), rc, &err);
}

void vch_upload_message_end(void *context, vch_grpc_call *call)
{
    vouch_error err = { 0 };
    upload *u = vch_grpc_call_state(call);
    vouch_code rc = u == NULL ? VOUCH_OK : vch_receipt_message_end(u->receipt, &err);
    if (rc != VOUCH_OK)
        vch_session_refuse(context, call, member_of(u), rc, &err);
}

static void log_result(const vch_aggregator *a, const upload *u, vch_round_ruling ruling)
{
    const vch_plan_task *task = vch_receipt_task(u->receipt);
    vch_log(a->options.log, ruling == VCH_RESULT_TAKE ? VCH_LOG_INFO : VCH_LOG_WARN,
            ruling == VCH_RESULT_TAKE ? "result.taken" : "result.dropped",
            VCH_STR("collaborator", member_of(u)), VCH_STR("task", task == NULL ? "" : task->name),
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
    a->storing[vch_receipt_member(u->receipt)] &= ~u->task;
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
        vch_session_reply_header(a, u->call, member_of(u));
    else
        vch_session_refuse(a, u->call, member_of(u), VOUCH_E_IO, &err);
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
    if ((a->storing[result.member] & bit) != 0)
        return vouch_fail(err, VOUCH_E_IO, "the same result is being stored already");
    memcpy(result.result->certificate,
           vch_admitted_peer_verdict(vch_grpc_call_session(call))->certificate,
           sizeof result.result->certificate);
    vouch_code rc = vch_ledger_accept(a->ledger, &note, &result, err);
    if (rc != VOUCH_OK)
        return rc;
    u->task = bit;
    a->storing[result.member] |= bit;
    return VOUCH_OK;
}

void vch_upload_half_close(void *context, vch_grpc_call *call)
{
    vch_aggregator *a = context;
    vouch_error err = { 0 };
    const char *peer = NULL;
    vch_round_ruling ruling = VCH_RESULT_OVER;
    upload *u = vch_grpc_call_state(call);
    if (u == NULL)
        return;
    vouch_code rc =
        vch_session_find_peer(call, &peer, &err); /* it may have been replaced meanwhile */
    if (rc == VOUCH_OK)
        rc = vch_receipt_finish(u->receipt, &ruling, &err);
    look_for_head(u);
    if (rc == VOUCH_OK && ruling == VCH_RESULT_TAKE)
        rc = store(a, u, call, &err);
    if (rc != VOUCH_OK) {
        vch_session_refuse(a, call, member_of(u), rc, &err);
        return;
    }
    if (ruling == VCH_RESULT_TAKE)
        return; /* answered when it is on disk */
    log_result(a, u, ruling);
    vch_session_reply_header(a, call, member_of(u));
    vch_aggregator_poke(a);
}

void vch_upload_ended(void *context, vch_grpc_call *call)
{
    (void)context;
    upload *u = vch_grpc_call_state(call);
    if (u == NULL)
        return;
    leave_headless(u);
    u->call = NULL;
    if (u->task == 0) /* else it is still being stored */
        free_upload(u);
    vch_grpc_call_set_state(call, NULL);
}
