#include "fed/collaborator/calls.h"

#include <stdlib.h>

#include "base/bytes.h"

#define PATH(method) "/" VCH_WIRE_SERVICE "/" method
#define IN_FLIGHT_MAX 8                      /* tensors asked for at a time */
#define IN_FLIGHT_SIZE ((size_t)16 << 20)    /* bytes of them, beyond which no other is asked for */
#define PIECE_CAP (VCH_WIRE_PIECE_SIZE + 64) /* a DataStream and its framing */

void vch_calls_done(vch_calls *c)
{
    vch_grpc_client_free(c->client);
    c->client = NULL;
    c->hung_up = false;
}

#define FIRST_DELAY_MS 200 /* an aggregator that was started anew is back soon */
#define FAILURES_MAX 32
#define PING_MS 30000

vch_wire_header vch_calls_header(const vch_calls *c)
{
    return (vch_wire_header) { .sender = vch_span_str(c->options->name),
                               .receiver = vch_span_str(c->view->aggregator_uuid),
                               .federation_uuid = vch_span_str(c->view->federation_uuid),
                               .single_col_cert_common_name =
                                   vch_span_str(c->view->single_col_cert_common_name) };
}

vouch_code vch_calls_wait(vch_calls *c, int64_t delay_ms, vouch_error *err)
{
    c->wake = c->stopping;
    vouch_code rc = vch_loop_run_until(c->options->loop, &c->wake, delay_ms, err);
    if (c->stopping)
        return vouch_fail(err, VOUCH_E_TIMEOUT, "stopped");
    if (rc == VOUCH_E_TIMEOUT) { /* the delay is over, as it should be */
        if (err != NULL)
            *err = (vouch_error) { 0 };
        return VOUCH_OK;
    }
    return rc;
}

int64_t vch_calls_delay_ms(vch_calls *c)
{
    int64_t interval = FIRST_DELAY_MS;
    int64_t most = (int64_t)c->view->reconnect_s * 1000;
    for (unsigned i = 0; i < c->failures && interval < most; i++)
        interval *= 2;
    if (interval > most && most > FIRST_DELAY_MS)
        interval = most;
    if (c->failures < FAILURES_MAX)
        c->failures++;
    uint32_t draw = c->options->random(c->options->random_context);
    return interval / 2 + (int64_t)draw % (interval + 1);
}

static bool is_good(const vch_calls *c)
{
    if (c->client == NULL || c->hung_up || !vch_grpc_client_usable(c->client))
        return false;
    const vch_collaborator_options *o = c->options;
    return o->stands == NULL || o->stands(o->connect_context, vch_grpc_client_session(c->client));
}

static vouch_code need_client(vch_calls *c, vouch_error *err)
{
    if (is_good(c))
        return VOUCH_OK;
    vch_calls_done(c);
    vouch_code rc = c->options->connect(c->options->connect_context, &c->client, err);
    if (rc == VOUCH_OK)
        vch_log(c->options->log, VCH_LOG_INFO, "aggregator.connected",
                VCH_STR("address", c->view->agg_addr), VCH_INT("port", c->view->agg_port));
    return rc == VOUCH_OK ? rc : vouch_wrap(err, rc, "connecting to the aggregator");
}

/* One call in progress: what its callback leaves. */
typedef struct pending {
    vch_calls *calls;
    bool done;
    vouch_code rc;
    vch_grpc_answer answer;
    vouch_error why;
} pending;

static void drop_pending(pending *p)
{
    vch_grpc_answer_drop(&p->answer);
}

static void on_done(void *context, vouch_code rc, vch_grpc_answer *answer, const vouch_error *why)
{
    pending *p = context;
    p->done = true;
    p->rc = rc;
    p->calls->wake = true;
    if (answer != NULL) {
        p->answer = *answer;
        answer->message = (vch_buffer) { 0 };
    } else if (why != NULL) {
        p->why = *why;
    }
}

static vouch_code judge_status(const vch_grpc_status *status, vouch_error *err)
{
    const char *text = status->text;
    const char *name = vch_grpc_code_name(status->code);
    if (status->code == VCH_GRPC_OK)
        return VOUCH_OK;
    if (status->code == VCH_GRPC_UNAUTHENTICATED || status->code == VCH_GRPC_PERMISSION_DENIED)
        return vouch_fail(err, VOUCH_E_REFUSED, "the aggregator refuses: %s", text);
    if (status->code == VCH_GRPC_UNAVAILABLE)
        return vouch_fail(err, VOUCH_E_NETWORK, "the aggregator says %s: %s", name, text);
    return vouch_fail(err, VOUCH_E_NOT_FOUND, "the aggregator says %s: %s", name, text);
}

/* Nothing more is waited for: the connection goes, and with it what is under way. */
static bool is_over(const vch_calls *c)
{
    return c->stopping || c->hung_up;
}

static vouch_code end_over(vch_calls *c, vouch_error *err)
{
    vch_calls_done(c);
    if (c->stopping)
        return vouch_fail(err, VOUCH_E_TIMEOUT, "stopped");
    return vouch_fail(err, VOUCH_E_NETWORK, "the aggregator is not admitted any more");
}

/* A call that the connection did not survive counts as a broken connection, whatever it was. */
static vouch_code finish_call(vch_calls *c, pending *p, vch_buffer *message, vouch_error *err)
{
    if (!p->done)
        return end_over(c, err); /* before its state leaves the stack */
    if (p->rc != VOUCH_OK) {
        vch_calls_done(c);
        if (err != NULL)
            *err = p->why;
        return vouch_wrap(err, VOUCH_E_NETWORK, "calling the aggregator");
    }
    c->answered = p->answer.status.code;
    vouch_code rc = judge_status(&p->answer.status, err);
    if (rc == VOUCH_OK) {
        *message = p->answer.message;
        p->answer.message = (vch_buffer) { 0 };
        c->failures = 0;
    }
    return rc;
}

static vouch_code call(vch_calls *c, const vch_grpc_request *request, vch_buffer *message,
                       vouch_error *err)
{
    VCH_SCOPED(drop_pending) pending p = { .calls = c };
    vouch_code rc = need_client(c, err);
    if (rc != VOUCH_OK)
        return rc;
    c->wake = is_over(c);
    rc = vch_grpc_client_start(c->client, request, on_done, &p, err);
    if (rc != VOUCH_OK) {
        vch_calls_done(c);
        return vouch_wrap(err, VOUCH_E_NETWORK, "calling the aggregator");
    }
    while (rc == VOUCH_OK && !p.done && !is_over(c))
        rc = vch_loop_run_until(c->options->loop, &c->wake, -1, err);
    if (rc != VOUCH_OK) {
        vch_calls_done(c);
        return rc;
    }
    return finish_call(c, &p, message, err);
}

static vouch_code check_header(const vch_calls *c, const vch_wire_header *header, vouch_error *err)
{
    bool same =
        vch_span_is(header->sender, c->view->aggregator_uuid)
        && vch_span_is(header->receiver, c->options->name)
        && vch_span_is(header->federation_uuid, c->view->federation_uuid)
        && vch_span_is(header->single_col_cert_common_name, c->view->single_col_cert_common_name);
    if (same)
        return VOUCH_OK;
    return vouch_fail(err, VOUCH_E_REFUSED,
                      "the answer's header is not from '%s' of federation '%s' to '%s'",
                      c->view->aggregator_uuid, c->view->federation_uuid, c->options->name);
}

/* What does not parse is no aggregator of ours. */
static vouch_code unreadable(vouch_error *err)
{
    return vouch_wrap(err, VOUCH_E_REFUSED, "reading the aggregator's answer");
}

vouch_code vch_calls_ping(vch_calls *c, bool *out_served, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = vch_buffer_with_cap(VCH_WIRE_REQUEST_MAX);
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = { 0 };
    vch_wire_header header = vch_calls_header(c);
    vouch_error why = { 0 };
    vch_wire_header_write(&header, &bytes);
    vouch_code rc = vch_buffer_finish(&bytes, "PingRequest", err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_grpc_request request = { .path = PATH("Ping"),
                                       .message = vch_buffer_span(&bytes),
                                       .timeout_ms = PING_MS,
                                       .response_cap = VCH_WIRE_REQUEST_MAX };
    rc = call(c, &request, &message, &why);
    if (rc == VOUCH_E_NOT_FOUND && c->answered == VCH_GRPC_UNIMPLEMENTED) {
        *out_served = false;
        return VOUCH_OK;
    }
    if (rc != VOUCH_OK) {
        if (err != NULL)
            *err = why;
        return vouch_wrap(err, rc, "Ping");
    }
    *out_served = true;
    if (vch_wire_header_parse(vch_buffer_span(&message), "PingResponse", &header, err) != VOUCH_OK)
        return unreadable(err);
    return check_header(c, &header, err);
}

vouch_code vch_calls_get_tasks(vch_calls *c, vch_buffer *message, vch_wire_tasks *out,
                               vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer bytes = vch_buffer_with_cap(VCH_WIRE_REQUEST_MAX);
    vch_wire_header header = vch_calls_header(c);
    vch_wire_header_write(&header, &bytes);
    vouch_code rc = vch_buffer_finish(&bytes, "GetTasksRequest", err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_grpc_request request = { .path = PATH("GetTasks"),
                                       .message = vch_buffer_span(&bytes),
                                       .response_cap = VCH_WIRE_REQUEST_MAX };
    rc = call(c, &request, message, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "GetTasks");
    if (vch_wire_tasks_parse(vch_buffer_span(message), out, err) != VOUCH_OK)
        return unreadable(err);
    return check_header(c, &out->header, err);
}

/* One tensor that was asked for. */
typedef struct flight {
    bool is_open;
    size_t at, size; /* which of the batch; bytes of its values */
    vch_wire_tensor_spec spec;
    vch_buffer bytes; /* of the request */
    pending answer;
} flight;

static void drop_flights(flight *const *flights)
{
    for (size_t i = 0; *flights != NULL && i < IN_FLIGHT_MAX; i++) {
        vch_buffer_drop(&(*flights)[i].bytes);
        drop_pending(&(*flights)[i].answer);
    }
    free(*flights);
}

static vouch_code ask(vch_calls *c, const vch_calls_batch *batch, size_t at, flight *f,
                      vouch_error *err)
{
    vch_wire_header header = vch_calls_header(c);
    vouch_code rc = need_client(c, err);
    if (rc != VOUCH_OK)
        return rc;
    f->at = at;
    f->spec = batch->ask(batch->context, at, &f->size);
    f->bytes = vch_buffer_with_cap(VCH_WIRE_REQUEST_MAX);
    f->answer = (pending) { .calls = c };
    vch_wire_get_tensor_write(&header, &f->spec, &f->bytes);
    rc = vch_buffer_finish(&f->bytes, "GetAggregatedTensorRequest", err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_grpc_request request = { .path = PATH("GetAggregatedTensor"),
                                       .message = vch_buffer_span(&f->bytes),
                                       .response_cap = VCH_WIRE_RESPONSE_MAX };
    rc = vch_grpc_client_start(c->client, &request, on_done, &f->answer, err);
    f->is_open = rc == VOUCH_OK;
    return rc == VOUCH_OK ? rc : vouch_wrap(err, VOUCH_E_NETWORK, "calling the aggregator");
}

static vouch_code take_answer(const vch_calls *c, const vch_calls_batch *batch, const flight *f,
                              vouch_span message, vouch_error *err)
{
    int32_t round = 0;
    vch_wire_header header = { 0 };
    VCH_SCOPED(vch_named_tensor_done) vch_named_tensor tensor = { 0 };
    if (vch_wire_tensor_response_parse(message, &header, &round, &tensor, err) != VOUCH_OK)
        return unreadable(err);
    vouch_code rc = check_header(c, &header, err);
    if (rc != VOUCH_OK)
        return rc;
    if (round != f->spec.round || tensor.round != f->spec.round
        || !vch_span_equal(tensor.name, f->spec.name))
        return vouch_fail(err, VOUCH_E_REFUSED,
                          "the answer is another tensor than '%.*s' of round %d",
                          (int)f->spec.name.size, (const char *)f->spec.name.data, f->spec.round);
    return batch->take(batch->context, f->at, &tensor, err);
}

/* An answer is there; `wanted`: nothing has failed so far. */
static vouch_code land(vch_calls *c, const vch_calls_batch *batch, flight *f, bool wanted,
                       vouch_error *err)
{
    vouch_error unwanted = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = { 0 };
    vouch_code rc = finish_call(c, &f->answer, &message, wanted ? err : &unwanted);
    if (rc != VOUCH_OK && wanted)
        rc = vouch_wrap(err, rc, "GetAggregatedTensor");
    if (rc == VOUCH_OK && wanted)
        rc = take_answer(c, batch, f, vch_buffer_span(&message), err);
    vch_buffer_drop(&f->bytes);
    drop_pending(&f->answer);
    f->is_open = false;
    return rc;
}

typedef struct in_flight {
    size_t count, size;
    flight *room; /* one that is free, or NULL */
    bool landed;  /* at least one answer is there */
} in_flight;

static in_flight look(flight *flights)
{
    in_flight all = { 0 };
    for (size_t i = 0; i < IN_FLIGHT_MAX; i++) {
        if (!flights[i].is_open) {
            all.room = &flights[i];
            continue;
        }
        all.count++;
        all.size += flights[i].size;
        all.landed = all.landed || flights[i].answer.done;
    }
    return all;
}

/* Ask for more while there is room; returns which of the batch is next. A connection that is to be
 * made anew is first left to answer what it was asked. */
static size_t ask_on(vch_calls *c, const vch_calls_batch *batch, size_t next, flight *flights,
                     vouch_code *rc, vouch_error *err)
{
    for (;;) {
        in_flight all = look(flights);
        bool has_room =
            all.count == 0 || (all.room != NULL && all.size < IN_FLIGHT_SIZE && is_good(c));
        if (*rc != VOUCH_OK || next == batch->count || !has_room)
            return next;
        *rc = ask(c, batch, next, all.room, err);
        next++;
    }
}

static vouch_code wait_for_one(vch_calls *c, flight *flights, vouch_error *err)
{
    vouch_code rc = VOUCH_OK;
    c->wake = is_over(c);
    while (rc == VOUCH_OK && !look(flights).landed && !is_over(c))
        rc = vch_loop_run_until(c->options->loop, &c->wake, -1, err);
    if (rc == VOUCH_OK && is_over(c))
        return end_over(c, err);
    if (rc != VOUCH_OK)
        vch_calls_done(c); /* the calls end before their state goes */
    return rc;
}

/* After a failure what is on its way is waited for: the connection is good for other calls. */
vouch_code vch_calls_get_tensors(vch_calls *c, const vch_calls_batch *batch, vouch_error *err)
{
    size_t next = 0;
    vouch_code rc = VOUCH_OK;
    VCH_SCOPED(drop_flights) flight *flights = calloc(IN_FLIGHT_MAX, sizeof *flights);
    if (flights == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for calls");
    for (;;) {
        vouch_error unwanted = { 0 };
        next = ask_on(c, batch, next, flights, &rc, err);
        if (look(flights).count == 0)
            return rc;
        vouch_code waited = wait_for_one(c, flights, rc == VOUCH_OK ? err : &unwanted);
        if (waited != VOUCH_OK)
            return rc == VOUCH_OK ? waited : rc;
        for (size_t i = 0; i < IN_FLIGHT_MAX; i++) {
            if (!flights[i].is_open || !flights[i].answer.done)
                continue;
            vouch_code landed = land(c, batch, &flights[i], rc == VOUCH_OK, err);
            rc = rc == VOUCH_OK ? landed : rc;
        }
    }
}

typedef struct piece_source {
    vch_task_results_writer *writer;
    vch_buffer piece;
} piece_source;

static void drop_source(piece_source *s)
{
    vch_buffer_drop(&s->piece);
}

static vouch_code next_piece(void *context, bool *out_more, vouch_span *out, vouch_error *err)
{
    piece_source *s = context;
    s->piece.size = 0; /* its memory is used again */
    vouch_code rc = vch_task_results_writer_next(s->writer, &s->piece, out_more, err);
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(&s->piece, "DataStream", err);
    *out = vch_buffer_span(&s->piece);
    return rc;
}

vouch_code vch_calls_send(vch_calls *c, vch_task_results_writer *results, vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer message = { 0 };
    VCH_SCOPED(drop_source)
    piece_source pieces = { .writer = results, .piece = vch_buffer_with_cap(PIECE_CAP) };
    const vch_grpc_source source = { .context = &pieces, .next = next_piece };
    const vch_grpc_request request = { .path = PATH("SendLocalTaskResults"),
                                       .source = &source,
                                       .response_cap = VCH_WIRE_REQUEST_MAX };
    vch_task_results_writer_rewind(results);
    vouch_code rc = call(c, &request, &message, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "SendLocalTaskResults");
    vch_wire_header header = { 0 };
    if (vch_wire_header_parse(vch_buffer_span(&message), "SendLocalTaskResultsResponse", &header,
                              err)
        != VOUCH_OK)
        return unreadable(err);
    return check_header(c, &header, err);
}
