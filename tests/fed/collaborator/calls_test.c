/* An aggregator of this test's own, in the same loop, answers when a test says so. */
#include "fed/collaborator/calls.h"

#include <stdio.h>

#include "fed/plan/plan_text.h"
#include "net/grpc_server.h"
#include "net/kit.h"

enum { TENSORS = 20, AT_A_TIME = 8, ROUND = 3, LATER_MS = 50 };

static kit keys;

typedef struct scene {
    vch_loop *loop;
    vch_timer *later;
    kit_gate server_gate, client_gate;
    vch_tls_settings *server_tls, *client_tls;
    vch_grpc_server *server;
    vch_faults faults;
    vch_plan *plan;
    vch_collaborator_options options;
    vch_calls calls;
    vch_wire_header says; /* what the answers' header is */

    vch_grpc_call *open[TENSORS]; /* not answered */
    char name[TENSORS][16];       /* what each asks for */
    size_t open_count, most, asked;
    void (*arrived)(struct scene *s);
    bool is_due; /* the connection is to be made anew */
    size_t connections;
    size_t taken;
    bool has[TENSORS];
    vouch_error err;
} scene;

/* --- the aggregator --- */

static void answer(scene *s, size_t at)
{
    static const uint8_t value[4] = { 0, 0, 128, 63 };
    const vch_named_tensor tensor = { .name = vch_span_str(s->name[at]),
                                      .round = ROUND,
                                      .lossless = true,
                                      .data = { value, sizeof value } };
    vch_grpc_call *call = s->open[at];
    vch_buffer out = vch_buffer_with_cap(4096);
    vch_wire_tensor_response_head(&s->says, &tensor, &out);
    vch_buffer_append(&out, tensor.data);
    s->open_count--;
    for (size_t i = at; i < s->open_count; i++) {
        s->open[i] = s->open[i + 1];
        memcpy(s->name[i], s->name[i + 1], sizeof s->name[i]);
    }
    vch_grpc_call_reply_given(call, &out);
    vch_buffer_drop(&out);
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
    CHECK_OK(vch_wire_get_tensor_parse(message, &header, &spec, &s->err), &s->err);
    CHECK(s->open_count < TENSORS && spec.round == ROUND);
    CHECK(vch_span_is(header.sender, "col1"));
    CHECK(vch_span_is(header.single_col_cert_common_name,
                      s->calls.view->single_col_cert_common_name));
    (void)snprintf(s->name[s->open_count], sizeof s->name[0], "%.*s", (int)spec.name.size,
                   (const char *)spec.name.data);
    s->open[s->open_count++] = call;
    s->asked++;
    if (s->open_count > s->most)
        s->most = s->open_count;
    s->arrived(s);
}

static const vch_grpc_method methods[] = {
    { .path = "/" VCH_WIRE_SERVICE "/GetAggregatedTensor", .unary = on_call },
};

/* --- the collaborator --- */

static vouch_code connect_scene(void *context, vch_grpc_client **out, vouch_error *err)
{
    scene *s = context;
    const vch_grpc_client_options how = { .loop = s->loop,
                                          .tls = s->client_tls,
                                          .host = "127.0.0.1",
                                          .port = vch_grpc_server_port(s->server) };
    s->connections++;
    s->is_due = false;
    return vch_grpc_client_connect(&how, out, err);
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

static scene *scene_with(const char *plan, void (*arrived)(scene *s))
{
    scene *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    CHECK_OK(parse_plan(vch_span_str(plan), three_cols, &s->faults, &s->plan, &s->err), &s->err);
    CHECK_OK(vch_loop_new(&s->loop, &s->err), &s->err);
    CHECK_OK(vch_timer_new(s->loop, on_later, s, &s->later, &s->err), &s->err);
    s->server_tls = kit_settings(&keys, &s->server_gate, true, true, true);
    s->client_tls = kit_settings(&keys, &s->client_gate, false, true, false);
    const vch_grpc_server_options o = { .loop = s->loop,
                                        .tls = s->server_tls,
                                        .address = "127.0.0.1",
                                        .methods = methods,
                                        .method_count = 1,
                                        .context = s };
    CHECK_OK(vch_grpc_server_new(&o, &s->server, &s->err), &s->err);
    s->options = (vch_collaborator_options) { .plan = s->plan,
                                              .name = "col1",
                                              .loop = s->loop,
                                              .connect = connect_scene,
                                              .connect_context = s,
                                              .stands = stands };
    s->calls = (vch_calls) { .options = &s->options, .view = vch_plan_look(s->plan) };
    s->says = (vch_wire_header) { .sender = vch_span_str(s->calls.view->aggregator_uuid),
                                  .receiver = vch_span_str("col1"),
                                  .federation_uuid = vch_span_str(s->calls.view->federation_uuid),
                                  .single_col_cert_common_name =
                                      vch_span_str(s->calls.view->single_col_cert_common_name) };
    s->arrived = arrived;
    return s;
}

static scene *scene_of(void (*arrived)(scene *s))
{
    return scene_with(good_plan, arrived);
}

static void end(scene *s)
{
    vch_calls_done(&s->calls);
    vch_grpc_server_free(s->server);
    vch_tls_settings_free(s->server_tls);
    vch_tls_settings_free(s->client_tls);
    vch_timer_free(s->later);
    vch_loop_free(s->loop);
    vch_plan_free(s->plan);
    vch_faults_done(&s->faults);
    free(s);
}

static vouch_code get(scene *s)
{
    const vch_calls_batch batch = { .context = s, .count = TENSORS, .ask = ask, .take = take };
    s->err = (vouch_error) { 0 };
    return vch_calls_get_tensors(&s->calls, &batch, &s->err);
}

/* --- the tests --- */

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
    CHECK_OK(get(s), &s->err);
    CHECK(s->taken == TENSORS && s->most == AT_A_TIME && s->connections == 1);
    end(s);
}

static void hang_up_at_the_third(scene *s)
{
    if (s->asked != 3)
        return;
    s->calls.hung_up = true; /* as vch_collaborator_hang_up() */
    s->calls.wake = true;
}

static void an_aggregator_that_is_revoked_sends_no_further_tensor(void **state)
{
    (void)state;
    scene *s = scene_of(hang_up_at_the_third);
    CHECK(get(s) == VOUCH_E_NETWORK);
    CHECK(strstr(s->err.frame[0], "not admitted any more") != NULL);
    CHECK(s->taken == 0 && s->calls.client == NULL);
    end(s);
}

static void fall_due_with_one_answer(scene *s)
{
    if (s->connections > 1) {
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
    CHECK_OK(get(s), &s->err);
    CHECK(s->taken == TENSORS && s->connections == 2 && s->asked == TENSORS);
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
    CHECK(s->taken == 0 && s->asked == AT_A_TIME && s->calls.client != NULL);
    s->arrived = answer_all;
    CHECK_OK(get(s), &s->err);
    CHECK(s->taken == TENSORS && s->connections == 1);
    end(s);
}

/* All four fields, without and with a common name. */
static void check_headers_of(const char *plan, const char *common_name, const char *another)
{
    scene *s = scene_with(plan, answer_all);
    vch_wire_header right = s->says;
    vouch_span *const field[] = { &s->says.sender, &s->says.receiver, &s->says.federation_uuid,
                                  &s->says.single_col_cert_common_name };
    CHECK(vch_span_is(right.single_col_cert_common_name, common_name));
    CHECK_OK(get(s), &s->err);
    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        s->says = right;
        *field[i] = vch_span_str(another);
        memset(s->has, 0, sizeof s->has);
        s->taken = 0;
        if (get(s) != VOUCH_E_REFUSED || s->taken != 0)
            fail_msg("field %zu is '%s': %zu taken", i, another, s->taken);
    }
    end(s);
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
        TEST(an_answer_with_another_header_is_refused),
        TEST(after_a_refusal_nothing_more_is_asked_and_the_connection_is_good),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
