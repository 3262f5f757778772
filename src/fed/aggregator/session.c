/*
 * The five methods of openfl.aggregator.Aggregator. Only a peer that identity admitted gets here;
 * what it says is judged before anything is done with it. docs/openfl_interop.md sections 4.1 to 4.4.
 *
 * Statuses, by what OpenFL's clients make of them: UNAUTHENTICATED ends a client (until 1.6) and is
 * for what can never succeed; UNAVAILABLE is waited out; any other is repeated at once, so such
 * answers are held back for some seconds.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fed/aggregator/serving.h"
#include "fed/aggregator/session.h"
#include "fed/aggregator/state.h"
#include "fed/wire/message.h"
#include "host/clock.h"
#include "identity/admit.h"
#include "net/grpc_server.h"

#define PARKED_MAX 8 /* calls of one member that may wait */
#define PATH(method) "/" VCH_WIRE_SERVICE "/" method

#define TEXT(error) vouch_error_text(&(error), (char[1024]) { 0 }, 1024)

/* Which member calls. */
typedef struct caller {
    const char *name; /* NULL: not known yet */
    size_t member;
} caller;

static vch_grpc_code status_of(vouch_code code)
{
    if (code == VOUCH_E_REFUSED)
        return VCH_GRPC_UNAUTHENTICATED;
    if (code == VOUCH_E_IO || code == VOUCH_E_MEMORY)
        return VCH_GRPC_UNAVAILABLE;
    return VCH_GRPC_UNKNOWN;
}

void vch_session_refuse(vch_aggregator *a, vch_grpc_call *call, const char *member, vouch_code code,
                        const vouch_error *err)
{
    const vch_admitted_peer *peer = vch_grpc_call_session(call);
    if (member == NULL)
        member = peer == NULL ? "" : vch_admitted_peer_name(peer);
    vch_log(a->options.log, VCH_LOG_WARN, "call.refused", VCH_STR("peer", member),
            VCH_STR("address", vch_grpc_call_address(call)), VCH_STR("reason", TEXT(*err)));
    vch_grpc_call_fail(call, status_of(code), "%s", TEXT(*err));
}

vouch_code vch_session_judge_peer(vch_standing standing, vch_role role, vouch_error *err)
{
    if (standing == VCH_STANDING_REVOKED || standing == VCH_STANDING_EXPIRED)
        return vouch_fail(err, VOUCH_E_IO, /* whoever connects anew hears the verdict */
                          "this connection's admission has ended: it is to be appraised anew");
    if (standing != VCH_STANDING_GOOD && standing != VCH_STANDING_REATTEST)
        return vouch_fail(err, VOUCH_E_REFUSED, "this connection's admission has ended");
    if (role != VCH_ROLE_COLLABORATOR)
        return vouch_fail(err, VOUCH_E_REFUSED, "not a collaborator");
    return VOUCH_OK;
}

vouch_code vch_session_find_peer(vch_grpc_call *call, const char **out, vouch_error *err)
{
    const vch_admitted_peer *peer = vch_grpc_call_session(call);
    if (peer == NULL)
        return vouch_fail(err, VOUCH_E_REFUSED, "not admitted");
    *out = vch_admitted_peer_name(peer);
    return vch_session_judge_peer(vch_admitted_peer_standing(peer, vch_clock_unix_s()),
                                  vch_admitted_peer_verdict(peer)->role, err);
}

/* The member that calls: the peer stands, and the request's header is its to this federation. */
static vouch_code find_caller(const vch_aggregator *a, vch_grpc_call *call, vouch_span request,
                              caller *out, vouch_error *err)
{
    const char *peer = NULL;
    vch_wire_header header = { 0 };
    vouch_code rc = vch_session_find_peer(call, &peer, err);
    if (rc != VOUCH_OK)
        return rc;
    if (vch_wire_header_peek(request, &header, err) != VOUCH_OK)
        return vouch_wrap(err, VOUCH_E_REFUSED, "reading the header");
    rc = vch_intake_check_header(a->options.plan, peer, &header, &out->member, err);
    if (rc == VOUCH_OK)
        out->name = a->view->member[out->member];
    return rc;
}

static vch_wire_header answer_header(const vch_aggregator *a, const char *name)
{
    return (vch_wire_header) { .sender = vch_span_str(a->view->aggregator_uuid),
                               .receiver = vch_span_str(name),
                               .federation_uuid = vch_span_str(a->view->federation_uuid),
                               .single_col_cert_common_name =
                                   vch_span_str(a->view->single_col_cert_common_name) };
}

static void reply(vch_aggregator *a, vch_grpc_call *call, const char *name, vch_buffer *message)
{
    vouch_error err = { 0 };
    vouch_code rc = vch_buffer_finish(message, "answer", &err);
    if (rc == VOUCH_OK)
        vch_grpc_call_reply_given(call, message);
    else
        vch_session_refuse(a, call, name, VOUCH_E_MEMORY, &err);
}

void vch_session_reply_header(vch_aggregator *a, vch_grpc_call *call, const char *name)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(VCH_WIRE_REQUEST_MAX);
    vch_wire_header header = answer_header(a, name);
    vch_wire_header_write(&header, &message);
    reply(a, call, name, &message);
}

static void on_ping(void *context, vch_grpc_call *call, vouch_span request)
{
    vch_aggregator *a = context;
    vouch_error err = { 0 };
    caller who = { 0 };
    vouch_code rc = find_caller(a, call, request, &who, &err);
    if (rc == VOUCH_OK)
        vch_session_reply_header(a, call, who.name);
    else
        vch_session_refuse(a, call, who.name, rc, &err);
}

/* GetTasks */

/* The tasks still owed, in the order in which the assigner wants them run. */
static vouch_code list_tasks(const vch_aggregator *a, size_t member, uint64_t owed,
                             vch_wire_tasks *out, vouch_error *err)
{
    size_t assigned[VCH_PLAN_TASK_MAX];
    size_t count = 0;
    vouch_code rc = vch_plan_assign(a->options.plan, member, (uint32_t)vch_round_number(a->round),
                                    assigned, &count, err);
    for (size_t i = 0; rc == VOUCH_OK && i < count; i++) {
        if ((owed >> assigned[i] & 1) != 0)
            out->task[out->task_count++].name = vch_span_str(a->view->task[assigned[i]].name);
    }
    return rc;
}

static void reply_tasks(vch_aggregator *a, vch_grpc_call *call, size_t member,
                        vch_round_answer answer, uint64_t owed)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(VCH_WIRE_REQUEST_MAX);
    VCH_SCOPED(vch_free_drop) vch_wire_tasks *tasks = calloc(1, sizeof *tasks);
    if (tasks == NULL) {
        vch_grpc_call_fail(call, VCH_GRPC_UNAVAILABLE, "out of memory");
        return;
    }
    tasks->header = answer_header(a, a->view->member[member]);
    tasks->round = vch_round_number(a->round);
    tasks->quit = answer == VCH_ROUND_QUIT;
    vouch_code rc = VOUCH_OK;
    if (answer == VCH_ROUND_WORK)
        rc = list_tasks(a, member, owed, tasks, &err);
    if (rc != VOUCH_OK) {
        vch_session_refuse(a, call, a->view->member[member], rc, &err);
        return;
    }
    vch_wire_tasks_write(tasks, &message);
    reply(a, call, a->view->member[member], &message);
}

/* The poll is over: whatever there is to say now. Nothing to say lets the client ask again. */
static void end_poll(void *context, vch_grpc_call *call, size_t member)
{
    vch_aggregator *a = context;
    uint64_t owed = 0;
    vch_round_answer answer = vch_round_ask(a->round, member, a->options.now_ms(), &owed);
    reply_tasks(a, call, member, answer, owed);
    vch_aggregator_poke(a); /* the hand-out may have started the cutoff, or all may be told now */
}

static void on_get_tasks(void *context, vch_grpc_call *call, vouch_span request)
{
    vch_aggregator *a = context;
    vouch_error err = { 0 };
    caller who = { 0 };
    uint64_t owed = 0;
    int64_t now = a->options.now_ms();
    vouch_code rc = find_caller(a, call, request, &who, &err);
    if (rc != VOUCH_OK) {
        vch_session_refuse(a, call, who.name, rc, &err);
        return;
    }
    vch_round_answer answer = vch_round_ask(a->round, who.member, now, &owed);
    if (answer != VCH_ROUND_WAIT || vch_parking_count(a->parking, who.member) >= PARKED_MAX) {
        reply_tasks(a, call, who.member, answer, owed);
        vch_aggregator_poke(a);
        return;
    }
    const vch_parking_ticket ticket = { .call = call,
                                        .member = who.member,
                                        .due_ms = now + VCH_AGGREGATOR_LONG_POLL_MS,
                                        .until_wake = true,
                                        .release = end_poll };
    rc = vch_parking_add(a->parking, &ticket, &err);
    if (rc != VOUCH_OK)
        vch_session_refuse(a, call, who.name, rc, &err);
    vch_aggregator_poke(a);
}

static void on_unary_ended(void *context, vch_grpc_call *call)
{
    vch_aggregator *a = context;
    size_t member = 0;
    if (vch_parking_remove(a->parking, call, &member)) {
        vch_round_leave(a->round, member); /* it went away while it waited */
        vch_aggregator_poke(a);
    }
}

/* GetAggregatedTensor, GetAggregatedTensors */

static void end_missing(void *context, vch_grpc_call *call, size_t member)
{
    (void)context;
    (void)member;
    vch_grpc_call_fail(
        call, VCH_GRPC_UNKNOWN,
        "Aggregator does not have an aggregated tensor of that name, round and tags");
}

/* OpenFL holds such a call for 60 s; an answer at once would be asked for again at once. */
static void hold_missing(vch_aggregator *a, vch_grpc_call *call, size_t member)
{
    vouch_error err = { 0 };
    const vch_parking_ticket ticket = { .call = call,
                                        .member = member,
                                        .due_ms = a->options.now_ms() + VCH_AGGREGATOR_MISSING_MS,
                                        .release = end_missing };
    if (vch_parking_count(a->parking, member) >= PARKED_MAX
        || vch_parking_add(a->parking, &ticket, &err) != VOUCH_OK)
        end_missing(a, call, member);
    vch_aggregator_poke(a);
}

static void answer_tensors(vch_aggregator *a, vch_grpc_call *call, const caller *who, vouch_code rc,
                           vch_buffer *message, const vouch_error *err)
{
    if (rc == VOUCH_OK)
        reply(a, call, who->name, message);
    else if (rc == VOUCH_E_NOT_FOUND)
        hold_missing(a, call, who->member);
    else
        vch_session_refuse(a, call, who->name, rc, err);
}

/* The rest of an answer, read from the model's file as the peer takes it. Peers read at different
 * places, and a sealed file is opened a chunk at a time: each has the one that it reads in. */
typedef struct pull {
    vch_sealed *file;
    uint64_t offset;
    uint8_t *chunk; /* NULL: nothing read so far, or the file is in clear */
    uint64_t chunk_at;
} pull;

static bool need_chunk(pull *p, uint64_t number)
{
    uint64_t from = number * VCH_SEALED_CHUNK;
    uint64_t left = vch_sealed_stamp_of(p->file)->size - from;
    if (p->chunk != NULL && p->chunk_at == number)
        return true;
    if (p->chunk == NULL && (p->chunk = malloc(VCH_SEALED_CHUNK)) == NULL)
        return false;
    p->chunk_at = number;
    size_t size = left < VCH_SEALED_CHUNK ? (size_t)left : VCH_SEALED_CHUNK;
    if (vch_sealed_read(p->file, from, p->chunk, size, NULL) == VOUCH_OK)
        return true;
    free(p->chunk);
    p->chunk = NULL;
    return false;
}

static bool read_pulled(void *context, uint64_t offset, void *out, size_t size)
{
    pull *p = context;
    uint8_t *to = out;
    uint64_t at = p->offset + offset;
    if (!vch_sealed_is_sealed(p->file) || size == 0)
        return vch_sealed_read(p->file, at, out, size, NULL) == VOUCH_OK;
    if (at + size > vch_sealed_stamp_of(p->file)->size)
        return false;
    while (size > 0) {
        size_t from = (size_t)(at % VCH_SEALED_CHUNK);
        size_t n = size < VCH_SEALED_CHUNK - from ? size : VCH_SEALED_CHUNK - from;
        if (!need_chunk(p, at / VCH_SEALED_CHUNK))
            return false;
        memcpy(to, p->chunk + from, n);
        to += n;
        at += n;
        size -= n;
    }
    return true;
}

static void release_pulled(void *context)
{
    pull *p = context;
    vch_sealed_free(p->file);
    free(p->chunk);
    free(p);
}

static vouch_code reply_pulled(vch_grpc_call *call, vch_served *served, vch_buffer *head,
                               vouch_error *err)
{
    pull *p = calloc(1, sizeof *p);
    vouch_code rc = vch_buffer_finish(head, "answer", err);
    if (p == NULL || rc != VOUCH_OK) {
        free(p);
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for an answer");
    }
    *p = (pull) { .file = VCH_MOVE(served->file), .offset = served->offset };
    const vch_grpc_tail tail = { .size = served->named.data.size,
                                 .context = p,
                                 .read = read_pulled,
                                 .release = release_pulled };
    vch_grpc_call_reply_pulled(call, head, &tail);
    return VOUCH_OK;
}

static void on_get_tensor(void *context, vch_grpc_call *call, vouch_span request)
{
    vch_aggregator *a = context;
    vouch_error err = { 0 };
    caller who = { 0 };
    vch_wire_header header = { 0 };
    vch_wire_tensor_spec spec = { 0 };
    VCH_SCOPED(vch_served_drop) vch_served served = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(VCH_WIRE_RESPONSE_MAX);
    vouch_code rc = find_caller(a, call, request, &who, &err);
    if (rc == VOUCH_OK)
        rc = vch_wire_get_tensor_parse(request, &header, &spec, &err);
    if (rc == VOUCH_OK)
        rc = vch_serve(a, who.member, &spec, true, &served, &err);
    if (rc == VOUCH_OK) {
        header = answer_header(a, who.name);
        vch_wire_tensor_response_head(&header, &served.named, &message);
        if (served.file != NULL) {
            rc = reply_pulled(call, &served, &message, &err);
            if (rc == VOUCH_OK)
                return;
        } else {
            vch_buffer_append(&message, served.named.data);
        }
    }
    answer_tensors(a, call, &who, rc, &message, &err);
}

static vouch_code write_tensors(vch_aggregator *a, const caller *who,
                                const vch_wire_tensor_spec *specs, size_t count,
                                vch_buffer *message, vouch_error *err)
{
    vch_wire_header header = answer_header(a, who->name);
    vch_wire_tensors_response_begin(&header, message);
    for (size_t i = 0; i < count; i++) {
        VCH_SCOPED(vch_served_drop) vch_served served = { 0 };
        vouch_code rc = vch_serve(a, who->member, &specs[i], false, &served, err);
        if (rc != VOUCH_OK)
            return rc;
        vch_wire_tensors_response_head(&served.named, message);
        vch_buffer_append(message, served.named.data);
    }
    return VOUCH_OK;
}

static void on_get_tensors(void *context, vch_grpc_call *call, vouch_span request)
{
    vch_aggregator *a = context;
    vouch_error err = { 0 };
    caller who = { 0 };
    vch_wire_header header = { 0 };
    size_t count = 0;
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = vch_buffer_with_cap(VCH_WIRE_RESPONSE_MAX);
    VCH_SCOPED(vch_free_drop)
    vch_wire_tensor_spec *specs = calloc(VCH_WIRE_SPEC_MAX, sizeof *specs);
    if (specs == NULL) {
        vch_grpc_call_fail(call, VCH_GRPC_UNAVAILABLE, "out of memory");
        return;
    }
    vouch_code rc = find_caller(a, call, request, &who, &err);
    if (rc == VOUCH_OK)
        rc = vch_wire_get_tensors_parse(request, &header, specs, VCH_WIRE_SPEC_MAX, &count, &err);
    if (rc == VOUCH_OK)
        rc = write_tensors(a, &who, specs, count, &message, &err);
    answer_tensors(a, call, &who, rc, &message, &err);
}

const vch_grpc_method *vch_aggregator_methods(size_t *out_count)
{
    static const vch_grpc_method methods[] = {
        { .path = PATH("Ping"), .message_max_size = VCH_WIRE_REQUEST_MAX, .unary = on_ping },
        { .path = PATH("GetTasks"),
          .message_max_size = VCH_WIRE_REQUEST_MAX,
          .unary = on_get_tasks,
          .ended = on_unary_ended },
        { .path = PATH("GetAggregatedTensor"),
          .message_max_size = VCH_WIRE_REQUEST_MAX,
          .unary = on_get_tensor,
          .ended = on_unary_ended },
        { .path = PATH("GetAggregatedTensors"),
          .message_max_size = VCH_WIRE_REQUEST_MAX,
          .unary = on_get_tensors,
          .ended = on_unary_ended },
        { .path = PATH("SendLocalTaskResults"),
          .begin = vch_upload_begin,
          .bytes = vch_upload_bytes,
          .message_end = vch_upload_message_end,
          .half_close = vch_upload_half_close,
          .ended = vch_upload_ended },
    };
    *out_count = sizeof methods / sizeof methods[0];
    return methods;
}
