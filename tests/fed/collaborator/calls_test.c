/* An aggregator of this test's own, in the same loop, answers when a test says so. */
#include "fed/collaborator/calls.h"

#include <stdio.h>

#include "scripted.h"

enum { TENSORS = 20, AT_A_TIME = 8, ROUND = 3, LATER_MS = 50 };

static kit keys;

typedef struct scene {
    scripted peer;
    vch_timer *later;
    vch_grpc_call *open[TENSORS]; /* not answered */
    char name[TENSORS][16];       /* what each asks for */
    size_t open_count, most, asked;
    void (*arrived)(struct scene *s);
    bool is_due; /* the connection is to be made anew */
    size_t taken;
    bool has[TENSORS];
} scene;

/* --- the aggregator --- */

static void answer(scene *s, size_t at)
{
    static const uint8_t value[4] = { 0, 0, 128, 63 };
    const vch_wire_header header = scripted_header(&s->peer);
    const vch_named_tensor tensor = { .name = vch_span_str(s->name[at]),
                                      .round = ROUND,
                                      .lossless = true,
                                      .data = { value, sizeof value } };
    scripted_reply_tensor(s->open[at], &header, &tensor);
    s->open_count--;
    for (size_t i = at; i < s->open_count; i++) {
        s->open[i] = s->open[i + 1];
        memcpy(s->name[i], s->name[i + 1], sizeof s->name[i]);
    }
}

static void answer_all(scene *s)
{
    while (s->open_count > 0)
        answer(s, 0);
}

static void on_later(void *context)
{
    answer_all(context);
}

static void on_call(void *context, vch_grpc_call *call, vouch_span message)
{
    scene *s = context;
    vch_wire_header header = { 0 };
    vch_wire_tensor_spec spec = { 0 };
    CHECK_OK(vch_wire_get_tensor_parse(message, &header, &spec, &s->peer.err), &s->peer.err);
    CHECK(s->open_count < TENSORS && spec.round == ROUND);
    CHECK(vch_span_is(header.sender, "col1"));
    (void)snprintf(s->name[s->open_count], sizeof s->name[0], "%.*s", (int)spec.name.size,
                   (const char *)spec.name.data);
    s->open[s->open_count++] = call;
    s->asked++;
    if (s->open_count > s->most)
        s->most = s->open_count;
    s->arrived(s);
}

static const vch_grpc_method methods[] = {
    { .path = PATH("GetAggregatedTensor"), .unary = on_call },
};

/* --- the collaborator that asks for many --- */

static vouch_code connect_scene(void *context, vch_grpc_client **out, vouch_error *err)
{
    scene *s = context;
    s->is_due = false;
    return scripted_connect(&s->peer, out, err);
}

static bool stands(void *context, void *session)
{
    const scene *s = context;
    (void)session;
    return !s->is_due;
}

static vch_wire_tensor_spec ask(void *context, size_t at, size_t *out_size)
{
    static char names[TENSORS][16];
    (void)context;
    (void)snprintf(names[at], sizeof names[at], "t%zu", at);
    *out_size = 4;
    return (vch_wire_tensor_spec) { .name = vch_span_str(names[at]), .round = ROUND };
}

static vouch_code take(void *context, size_t at, const vch_named_tensor *tensor, vouch_error *err)
{
    scene *s = context;
    (void)err;
    CHECK(!s->has[at] && tensor->data.size == 4);
    s->has[at] = true;
    s->taken++;
    return VOUCH_OK;
}

static scene *scene_of(void (*arrived)(scene *s))
{
    scene *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    scripted_start(&s->peer, &keys, good_plan, methods, 1, s);
    CHECK_OK(vch_timer_new(s->peer.loop, on_later, s, &s->later, &s->peer.err), &s->peer.err);
    s->peer.options.connect = connect_scene;
    s->peer.options.connect_context = s;
    s->peer.options.stands = stands;
    s->arrived = arrived;
    return s;
}

static void end(scene *s)
{
    vch_timer_free(s->later);
    scripted_end(&s->peer);
    free(s);
}

static vouch_code get(scene *s)
{
    const vch_calls_batch batch = { .context = s, .count = TENSORS, .ask = ask, .take = take };
    s->peer.err = (vouch_error) { 0 };
    return vch_calls_get_tensors(&s->peer.calls, &batch, &s->peer.err);
}

/* --- many tensors at a time --- */

static void answer_when_eight_wait(scene *s)
{
    if (s->open_count == AT_A_TIME)
        vch_timer_start(s->later, LATER_MS); /* would a ninth come? */
    else if (s->asked == TENSORS)
        answer_all(s);
}

static void at_most_eight_tensors_are_on_their_way(void **state)
{
    (void)state;
    scene *s = scene_of(answer_when_eight_wait);
    CHECK_OK(get(s), &s->peer.err);
    CHECK(s->taken == TENSORS && s->most == AT_A_TIME && s->peer.connections == 1);
    end(s);
}

static void hang_up_at_the_third(scene *s)
{
    if (s->asked != 3)
        return;
    s->peer.calls.hung_up = true; /* as vch_collaborator_hang_up() */
    s->peer.calls.wake = true;
}

static void an_aggregator_that_is_revoked_sends_no_further_tensor(void **state)
{
    (void)state;
    scene *s = scene_of(hang_up_at_the_third);
    CHECK(get(s) == VOUCH_E_NETWORK);
    CHECK(strstr(s->peer.err.frame[0], "not admitted any more") != NULL);
    CHECK(s->taken == 0 && s->peer.calls.client == NULL);
    end(s);
}

static void fall_due_with_one_answer(scene *s)
{
    if (s->peer.connections > 1) {
        answer_all(s);
        return;
    }
    if (s->open_count != AT_A_TIME)
        return;
    s->is_due = true;
    answer(s, 0);
    vch_timer_start(s->later, LATER_MS); /* the others, if they are still waited for */
}

static void a_connection_that_is_due_first_answers_what_it_was_asked(void **state)
{
    (void)state;
    scene *s = scene_of(fall_due_with_one_answer);
    CHECK_OK(get(s), &s->peer.err);
    CHECK(s->taken == TENSORS && s->peer.connections == 2 && s->asked == TENSORS);
    end(s);
}

static void refuse_the_third(scene *s)
{
    if (s->asked == 3) {
        vch_grpc_call_fail(s->open[--s->open_count], VCH_GRPC_NOT_FOUND, "no such tensor");
        vch_timer_start(s->later, LATER_MS);
    }
}

static void after_a_refusal_nothing_more_is_asked_and_the_connection_is_good(void **state)
{
    (void)state;
    scene *s = scene_of(refuse_the_third);
    CHECK(get(s) == VOUCH_E_NOT_FOUND);
    CHECK(s->taken == 0 && s->asked == AT_A_TIME && s->peer.calls.client != NULL);
    s->arrived = answer_all;
    CHECK_OK(get(s), &s->peer.err);
    CHECK(s->taken == TENSORS && s->peer.connections == 1);
    end(s);
}

/* --- an aggregator that answers what it likes --- */

typedef struct answers {
    scripted peer;
    vch_timer *later;
    void (*due)(struct answers *a); /* instead of an answer, LATER_MS after the call */
    vch_grpc_code status;           /* not OK: instead of an answer */
    const char *raw;                /* not NULL: instead of a message */
    vch_wire_header header;
    vch_named_tensor tensor;
    uint8_t outer_round; /* of the answer, the tensor's own beside it */
} answers;

static const uint8_t one[4] = { 0, 0, 128, 63 };

static void on_due(void *context)
{
    answers *a = context;
    a->due(a);
}

/* Answers, or lets the call wait, in some other way than with what was asked for. */
static bool answer_otherwise(answers *a, vch_grpc_call *call)
{
    if (a->due != NULL)
        vch_timer_start(a->later, LATER_MS);
    else if (a->status != VCH_GRPC_OK)
        vch_grpc_call_fail(call, a->status, "as the test says");
    else if (a->raw != NULL)
        vch_grpc_call_reply(call, vch_span_str(a->raw));
    else
        return false;
    return true;
}

/* Every request says who asks, and the common name. */
static void check_request(const answers *a, vouch_span request)
{
    vch_wire_header header = { 0 };
    CHECK(vch_wire_header_peek(request, &header, NULL) == VOUCH_OK);
    CHECK(vch_span_is(header.sender, "col1"));
    CHECK(vch_span_is(header.single_col_cert_common_name,
                      a->peer.calls.view->single_col_cert_common_name));
}

static void on_header_call(void *context, vch_grpc_call *call, vouch_span request)
{
    answers *a = context;
    if (request.size > 0) /* results have theirs in the stream */
        check_request(a, request);
    if (answer_otherwise(a, call))
        return;
    vch_buffer out = vch_buffer_with_cap(4096);
    vch_wire_header_write(&a->header, &out);
    vch_grpc_call_reply_given(call, &out);
    vch_buffer_drop(&out);
}

static void on_tasks_call(void *context, vch_grpc_call *call, vouch_span request)
{
    answers *a = context;
    check_request(a, request);
    if (answer_otherwise(a, call))
        return;
    vch_buffer out = vch_buffer_with_cap(4096);
    const vch_wire_tasks tasks = { .header = a->header, .round = ROUND, .quit = true };
    vch_wire_tasks_write(&tasks, &out);
    vch_grpc_call_reply_given(call, &out);
    vch_buffer_drop(&out);
}

/* The round is the field after the header, whose length is one byte here. */
static void set_outer_round(vch_buffer *out, uint8_t round)
{
    size_t at = 2 + (size_t)out->data[1];
    CHECK(out->data[1] < 128 && out->data[at] == 2 << 3 && out->data[at + 1] < 128);
    out->data[at + 1] = round;
}

static void on_tensor_call(void *context, vch_grpc_call *call, vouch_span request)
{
    answers *a = context;
    check_request(a, request);
    if (answer_otherwise(a, call))
        return;
    vch_buffer out = vch_buffer_with_cap(4096);
    vch_wire_tensor_response_head(&a->header, &a->tensor, &out);
    set_outer_round(&out, a->outer_round);
    vch_buffer_append(&out, a->tensor.data);
    vch_grpc_call_reply_given(call, &out);
    vch_buffer_drop(&out);
}

static void on_results_sent(void *context, vch_grpc_call *call)
{
    on_header_call(context, call, (vouch_span) { 0 });
}

static const vch_grpc_method answering[] = {
    { .path = PATH("Ping"), .unary = on_header_call },
    { .path = PATH("GetTasks"), .unary = on_tasks_call },
    { .path = PATH("GetAggregatedTensor"), .unary = on_tensor_call },
    { .path = PATH("SendLocalTaskResults"), .half_close = on_results_sent },
};

static void answers_start_with(answers *a, const char *plan)
{
    *a = (answers) { .status = VCH_GRPC_OK, .outer_round = ROUND };
    scripted_start(&a->peer, &keys, plan, answering, sizeof answering / sizeof *answering, a);
    CHECK_OK(vch_timer_new(a->peer.loop, on_due, a, &a->later, &a->peer.err), &a->peer.err);
    a->header = scripted_header(&a->peer);
    a->tensor = (vch_named_tensor) {
        .name = vch_span_str("t0"), .round = ROUND, .lossless = true, .data = { one, sizeof one }
    };
}

static void answers_start(answers *a)
{
    answers_start_with(a, good_plan);
}

static void answers_end(answers *a)
{
    vch_timer_free(a->later);
    scripted_end(&a->peer);
}

static vouch_code call_ping(answers *a)
{
    bool served = false;
    vouch_code rc = vch_calls_ping(&a->peer.calls, &served, &a->peer.err);
    CHECK(rc != VOUCH_OK || served);
    return rc;
}

static vouch_code call_get_tasks(answers *a)
{
    static vch_wire_tasks tasks;
    vch_buffer message = { 0 };
    vouch_code rc = vch_calls_get_tasks(&a->peer.calls, &message, &tasks, &a->peer.err);
    CHECK(rc != VOUCH_OK || (tasks.round == ROUND && tasks.quit));
    vch_buffer_drop(&message);
    return rc;
}

static vouch_code take_none(void *context, size_t at, const vch_named_tensor *tensor,
                            vouch_error *err)
{
    (void)at;
    (void)tensor;
    (void)err;
    ++*(size_t *)context;
    return VOUCH_OK;
}

static vouch_code call_get_tensor(answers *a)
{
    size_t taken = 0;
    const vch_calls_batch batch = { .context = &taken, .count = 1, .ask = ask, .take = take_none };
    vouch_code rc = vch_calls_get_tensors(&a->peer.calls, &batch, &a->peer.err);
    CHECK(taken == (rc == VOUCH_OK ? 1 : 0));
    return rc;
}

static vouch_code call_send(answers *a)
{
    vch_task_results_writer *writer = NULL;
    const vch_task_results_head head = { .header = vch_calls_header(&a->peer.calls),
                                         .task_name = vch_span_str("train") };
    CHECK_OK(vch_task_results_writer_new(&head, NULL, 0, &writer, &a->peer.err), &a->peer.err);
    vouch_code rc = vch_calls_send(&a->peer.calls, writer, &a->peer.err);
    vch_task_results_writer_free(writer);
    return rc;
}

static const struct {
    const char *name;
    vouch_code (*call)(answers *a);
} calls[] = { { "Ping", call_ping },
              { "GetTasks", call_get_tasks },
              { "GetAggregatedTensor", call_get_tensor },
              { "SendLocalTaskResults", call_send } };

enum { CALLS = sizeof calls / sizeof *calls };

/* The call ends so, and says why. */
static void expect(answers *a, size_t call, vouch_code want, const char *reason)
{
    char text[1024];
    a->peer.err = (vouch_error) { 0 };
    vouch_code rc = calls[call].call(a);
    (void)vouch_error_text(&a->peer.err, text, sizeof text);
    if (rc != want || strstr(text, reason) == NULL)
        fail_msg("%s: %s, not %s: %s", calls[call].name, vouch_code_name(rc), vouch_code_name(want),
                 text);
}

/* All four fields of each call's answer, without and with a common name. */
static void check_headers_of(const char *plan, const char *common_name, const char *another)
{
    answers a;
    answers_start_with(&a, plan);
    vouch_span *const fields[] = { &a.header.sender, &a.header.receiver, &a.header.federation_uuid,
                                   &a.header.single_col_cert_common_name };
    CHECK(vch_span_is(a.header.single_col_cert_common_name, common_name));
    for (size_t call = 0; call < CALLS; call++) {
        CHECK_OK(calls[call].call(&a), &a.peer.err);
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            vouch_span right = *fields[i];
            *fields[i] = vch_span_str(another);
            expect(&a, call, VOUCH_E_REFUSED, "the answer's header is not from");
            *fields[i] = right;
        }
    }
    answers_end(&a);
}

static void an_answer_with_another_header_is_refused(void **state)
{
    (void)state;
    vch_buffer shared =
        with_line(good_plan, 7, "    rounds_to_train: 3\n    single_col_cert_common_name: all");
    check_headers_of(good_plan, "", "all");
    check_headers_of(vch_buffer_text(&shared), "all", "");
    check_headers_of(vch_buffer_text(&shared), "all", "col2");
    vch_buffer_drop(&shared);
}

static void an_answer_that_is_no_message_is_refused(void **state)
{
    (void)state;
    answers a;
    answers_start(&a);
    a.raw = "\xff\xff";
    for (size_t call = 0; call < CALLS; call++)
        expect(&a, call, VOUCH_E_REFUSED, "reading the aggregator's answer");
    answers_end(&a);
}

static void each_status_is_waited_out_passed_over_or_the_end(void **state)
{
    static const struct {
        vch_grpc_code status;
        vouch_code want;
    } cases[] = {
        { VCH_GRPC_UNAUTHENTICATED, VOUCH_E_REFUSED },
        { VCH_GRPC_PERMISSION_DENIED, VOUCH_E_REFUSED },
        { VCH_GRPC_UNAVAILABLE, VOUCH_E_NETWORK },
        { VCH_GRPC_UNKNOWN, VOUCH_E_NOT_FOUND },
        { VCH_GRPC_INTERNAL, VOUCH_E_NOT_FOUND },
    };
    (void)state;
    answers a;
    answers_start(&a);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        a.status = cases[i].status;
        for (size_t call = 0; call < CALLS; call++)
            expect(&a, call, cases[i].want, "as the test says");
    }
    CHECK(a.peer.connections == 1); /* it is not the connection that is bad */
    answers_end(&a);
}

static void an_aggregator_that_knows_no_ping_is_reached_all_the_same(void **state)
{
    (void)state;
    answers a;
    bool served = true;
    answers_start(&a);
    a.status = VCH_GRPC_UNIMPLEMENTED;
    CHECK_OK(vch_calls_ping(&a.peer.calls, &served, &a.peer.err), &a.peer.err);
    CHECK(!served);
    answers_end(&a);
}

static void another_tensor_than_was_asked_for_is_refused(void **state)
{
    enum { TENSOR = 2 };
    (void)state;
    answers a;
    answers_start(&a);
    a.tensor.name = vch_span_str("t1");
    expect(&a, TENSOR, VOUCH_E_REFUSED, "another tensor than 't0' of round 3");
    a.tensor.name = vch_span_str("t0");
    a.tensor.round = a.outer_round - 1;
    expect(&a, TENSOR, VOUCH_E_REFUSED, "another tensor than 't0' of round 3");
    a.tensor.round = a.outer_round;
    a.outer_round--;
    expect(&a, TENSOR, VOUCH_E_REFUSED, "another tensor than 't0' of round 3");
    a.outer_round++;
    expect(&a, TENSOR, VOUCH_OK, "");
    answers_end(&a);
}

static void stop(answers *a)
{
    a->peer.calls.stopping = true;
    a->peer.calls.wake = true;
}

static void hang_up(answers *a)
{
    a->peer.calls.hung_up = true;
    a->peer.calls.wake = true;
}

static void break_off(answers *a)
{
    vch_grpc_server_end(a->peer.server, NULL, NULL, 0);
}

static void a_call_that_is_under_way_ends_with_what_ends_it(void **state)
{
    static const struct {
        void (*due)(answers *a);
        vouch_code want;
        const char *reason;
    } cases[] = { { hang_up, VOUCH_E_NETWORK, "not admitted any more" },
                  { break_off, VOUCH_E_NETWORK, "calling the aggregator" },
                  { stop, VOUCH_E_TIMEOUT, "stopped" } };
    (void)state;
    answers a;
    answers_start(&a);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t call = 0; call < CALLS; call++) {
            a.due = cases[i].due;
            expect(&a, call, cases[i].want, cases[i].reason);
            a.due = NULL;
            a.peer.calls.stopping = false;
            CHECK(calls[call].call(&a) == VOUCH_OK); /* over a new connection */
        }
    }
    answers_end(&a);
}

static void out_of_the_loop(void *context)
{
    *(bool *)context = true;
}

/* Nothing was under way: the next call finds out, and nothing of it goes over the old connection. */
static void a_connection_that_ended_between_two_calls_is_made_anew(void **state)
{
    static void (*const ends[])(answers * a) = { hang_up, break_off };
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        for (size_t call = 0; call < CALLS; call++) {
            answers a;
            vch_timer *timer = NULL;
            bool over = false;
            answers_start(&a);
            expect(&a, call, VOUCH_OK, "");
            ends[i](&a);
            CHECK_OK(vch_timer_new(a.peer.loop, out_of_the_loop, &over, &timer, &a.peer.err),
                     &a.peer.err);
            vch_timer_start(timer, LATER_MS);
            CHECK_OK(vch_loop_run_until(a.peer.loop, &over, 5000, &a.peer.err), &a.peer.err);
            expect(&a, call, VOUCH_OK, "");
            CHECK(a.peer.connections == 2);
            vch_timer_free(timer);
            answers_end(&a);
        }
    }
}

static void nobody_is_waited_for_after_a_stop(void **state)
{
    (void)state;
    answers a;
    answers_start(&a);
    CHECK_OK(vch_calls_wait(&a.peer.calls, 1, &a.peer.err), &a.peer.err);
    a.peer.calls.stopping = true;
    CHECK(vch_calls_wait(&a.peer.calls, INT64_C(3600000), &a.peer.err) == VOUCH_E_TIMEOUT);
    answers_end(&a);
}

static void an_aggregator_that_the_gate_refuses_gets_no_call(void **state)
{
    (void)state;
    answers a;
    answers_start(&a);
    a.peer.client_gate.refuse = true;
    for (size_t call = 0; call < CALLS; call++)
        expect(&a, call, VOUCH_E_REFUSED, "connecting to the aggregator");
    a.peer.client_gate.refuse = false;
    for (size_t call = 0; call < CALLS; call++)
        expect(&a, call, VOUCH_OK, "");
    answers_end(&a);
}

static int begin(void **state)
{
    (void)state;
    kit_make(&keys);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    kit_drop(&keys);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(at_most_eight_tensors_are_on_their_way),
        TEST(an_aggregator_that_is_revoked_sends_no_further_tensor),
        TEST(a_connection_that_is_due_first_answers_what_it_was_asked),
        TEST(after_a_refusal_nothing_more_is_asked_and_the_connection_is_good),
        TEST(an_answer_with_another_header_is_refused),
        TEST(an_answer_that_is_no_message_is_refused),
        TEST(each_status_is_waited_out_passed_over_or_the_end),
        TEST(an_aggregator_that_knows_no_ping_is_reached_all_the_same),
        TEST(another_tensor_than_was_asked_for_is_refused),
        TEST(a_call_that_is_under_way_ends_with_what_ends_it),
        TEST(a_connection_that_ended_between_two_calls_is_made_anew),
        TEST(nobody_is_waited_for_after_a_stop),
        TEST(an_aggregator_that_the_gate_refuses_gets_no_call),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
