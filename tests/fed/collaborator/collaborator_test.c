/* What a collaborator does for an aggregator of the test's own, and what it does not. */
#include "fed/collaborator/collaborator.h"

#include <string.h>

#include "fed/tensor/pipeline.h"

#include "scripted.h"

enum { STEPS_MAX = 8, FOREVER_MS = 20000 };

static kit keys;

/* An answer to GetTasks. */
typedef struct step {
    int32_t round;
    const char *task; /* NULL: none */
    bool quit;
    vch_grpc_code status; /* not OK: instead of all that */
} step;

typedef struct scene {
    scripted peer;
    vch_collaborator *collaborator;
    step steps[STEPS_MAX];
    size_t step_count, asked; /* GetTasks; after the last step it says quit */
    size_t ran, sent;         /* tasks; results */
    int failing;              /* so many runs of the task end badly first */
} scene;

/* --- the aggregator --- */

static void on_get_tasks(void *context, vch_grpc_call *call, vouch_span request)
{
    scene *s = context;
    const step end = { .quit = true };
    const step *now = s->asked < s->step_count ? &s->steps[s->asked] : &end;
    (void)request;
    s->asked++;
    if (now->status != VCH_GRPC_OK) {
        vch_grpc_call_fail(call, now->status, "as the test says");
        return;
    }
    vch_wire_tasks tasks = { .header = scripted_header(&s->peer),
                             .round = now->round,
                             .quit = now->quit };
    if (now->task != NULL)
        tasks.task[tasks.task_count++].name = vch_span_str(now->task);
    vch_buffer out = vch_buffer_with_cap(4096);
    vch_wire_tasks_write(&tasks, &out);
    vch_grpc_call_reply_given(call, &out);
    vch_buffer_drop(&out);
}

static void on_get_tensor(void *context, vch_grpc_call *call, vouch_span request)
{
    static const char *const tags[] = { "compressed", "model", NULL };
    static const float value = 1.0F;
    scene *s = context;
    vch_wire_header header = { 0 };
    vch_wire_tensor_spec spec = { 0 };
    vch_shape scalar;
    vch_buffer work = vch_buffer_with_cap(64);
    CHECK_OK(vch_wire_get_tensor_parse(request, &header, &spec, &s->peer.err), &s->peer.err);
    vch_named_tensor tensor = {
        .name = spec.name, .round = spec.round, .lossless = true, .tags = vch_tags_of(tags)
    };
    CHECK(vch_shape_make(NULL, 0, &scalar, NULL) == VOUCH_OK);
    CHECK_OK(vch_pipeline_encode_values(vch_pipeline_plain(), &scalar, &value, &work, &tensor,
                                        &s->peer.err),
             &s->peer.err);
    header = scripted_header(&s->peer);
    scripted_reply_tensor(call, &header, &tensor);
    vch_named_tensor_done(&tensor);
    vch_buffer_drop(&work);
}

static void on_result(void *context, vch_grpc_call *call)
{
    scene *s = context;
    vch_wire_header header = scripted_header(&s->peer);
    vch_buffer out = vch_buffer_with_cap(4096);
    s->sent++;
    vch_wire_header_write(&header, &out);
    vch_grpc_call_reply_given(call, &out);
    vch_buffer_drop(&out);
}

static const vch_grpc_method methods[] = {
    { .path = PATH("GetTasks"), .unary = on_get_tasks },
    { .path = PATH("GetAggregatedTensor"), .unary = on_get_tensor },
    { .path = PATH("SendLocalTaskResults"), .half_close = on_result },
};

/* --- its task runner --- */

static vouch_code make_model(void *self, vch_model *out, vouch_error *err)
{
    vch_shape scalar;
    vch_tensor t = { 0 };
    (void)self;
    CHECK(vch_shape_make(NULL, 0, &scalar, NULL) == VOUCH_OK);
    CHECK_OK(vch_tensor_init(&t, vch_span_str("w"), &scalar, err), err);
    return vch_model_add(out, &t, err);
}

static int32_t sample_count(void *self, bool training)
{
    (void)self;
    (void)training;
    return 10;
}

static vouch_code run(void *self, const vch_plan_task *task, int32_t round, const vch_model *model,
                      vch_task_outcome *out, vouch_error *err)
{
    scene *s = self;
    CHECK(strcmp(task->name, "train") == 0 && model->tensor[0].values[0] == 1.0F);
    s->ran++;
    if (s->failing > 0) {
        s->failing--;
        return vouch_fail(err, VOUCH_E_IO, "not today");
    }
    *out =
        (vch_task_outcome) { .metric_count = 1, .metric = { { "loss", 0.5F } }, .trained = true };
    CHECK_OK(make_model(s, &out->model, err), err);
    out->model.round = round;
    return VOUCH_OK;
}

static const vch_runner_ops ops = { .make_model = make_model,
                                    .sample_count = sample_count,
                                    .run = run };

static uint32_t zero(void *context)
{
    (void)context;
    return 0;
}

/* --- the scenes --- */

static void give_up(void *context)
{
    scene *s = context;
    vch_collaborator_stop(s->collaborator);
}

/* Runs until it ends by itself. */
static vouch_code play(scene *s, const step *steps, size_t count)
{
    vch_timer *timer = NULL;
    CHECK(count <= STEPS_MAX);
    memcpy(s->steps, steps, count * sizeof *steps);
    s->step_count = count;
    scripted_start(&s->peer, &keys, good_plan, methods, sizeof methods / sizeof *methods, s);
    s->peer.options.runner = (vch_runner) { &ops, s };
    s->peer.options.random = zero;
    CHECK_OK(vch_collaborator_new(&s->peer.options, &s->collaborator, &s->peer.err), &s->peer.err);
    CHECK_OK(vch_timer_new(s->peer.loop, give_up, s, &timer, &s->peer.err), &s->peer.err);
    vch_timer_start(timer, FOREVER_MS);
    vouch_code rc = vch_collaborator_run(s->collaborator, &s->peer.err);
    vch_timer_free(timer);
    vch_collaborator_free(s->collaborator);
    scripted_end(&s->peer);
    return rc;
}

#define PLAY(s, steps) play(s, steps, sizeof(steps) / sizeof *(steps))

static void it_works_until_it_is_told_to_quit(void **state)
{
    static const step steps[] = { { .round = 0, .task = "train" },
                                  { .round = 0 }, /* nothing to do: it asks again */
                                  { .round = 1, .task = "train" },
                                  { .round = 5, .task = "train" } }; /* some rounds were missed */
    (void)state;
    scene s = { 0 };
    CHECK_OK(PLAY(&s, steps), &s.peer.err);
    CHECK(s.asked == 5 && s.ran == 3 && s.sent == 3);
}

/* Nothing is run or sent for an aggregator that wants this. */
static void expect_refusal(const step *last, const char *reason)
{
    const step steps[] = { { .round = 2, .task = "train" }, *last };
    char why[1024];
    scene s = { 0 };
    CHECK(PLAY(&s, steps) == VOUCH_E_REFUSED);
    if (strstr(vouch_error_text(&s.peer.err, why, sizeof why), reason) == NULL)
        fail_msg("not '%s': %s", reason, why);
    CHECK(s.asked == 2 && s.ran == 1 && s.sent == 1);
}

static void an_aggregator_that_was_set_back_is_refused(void **state)
{
    (void)state;
    expect_refusal(&(step) { .round = 1, .task = "train" }, "it was set back");
    expect_refusal(&(step) { .round = 1 }, "it was set back"); /* with no task, too */
    expect_refusal(&(step) { .round = -1, .task = "train" }, "is in round -1");
}

static void a_round_that_there_cannot_be_is_refused(void **state)
{
    static const step steps[] = { { .round = -1, .task = "train" } };
    (void)state;
    scene s = { 0 };
    CHECK(PLAY(&s, steps) == VOUCH_E_REFUSED);
    CHECK(s.asked == 1 && s.ran == 0);
}

static void a_task_that_is_not_the_plans_is_refused(void **state)
{
    (void)state;
    expect_refusal(&(step) { .round = 2, .task = "upload_data" }, "'upload_data' that is not in");
}

static void what_the_aggregator_refuses_ends_it(void **state)
{
    (void)state;
    expect_refusal(&(step) { .status = VCH_GRPC_UNAUTHENTICATED }, "the aggregator refuses");
    expect_refusal(&(step) { .status = VCH_GRPC_PERMISSION_DENIED }, "the aggregator refuses");
}

static void any_other_status_is_waited_out(void **state)
{
    static const step steps[] = { { .status = VCH_GRPC_UNAVAILABLE },
                                  { .status = VCH_GRPC_UNKNOWN },
                                  { .round = 0, .task = "train" } };
    (void)state;
    scene s = { 0 };
    CHECK_OK(PLAY(&s, steps), &s.peer.err);
    CHECK(s.asked == 4 && s.ran == 1 && s.sent == 1);
}

static void a_task_that_fails_ends_nothing_and_is_run_again(void **state)
{
    static const step steps[] = { { .round = 0, .task = "train" },
                                  { .round = 0, .task = "train" } };
    (void)state;
    scene s = { .failing = 1 };
    CHECK_OK(PLAY(&s, steps), &s.peer.err);
    CHECK(s.ran == 2 && s.sent == 1);
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
        TEST(it_works_until_it_is_told_to_quit),
        TEST(an_aggregator_that_was_set_back_is_refused),
        TEST(a_round_that_there_cannot_be_is_refused),
        TEST(a_task_that_is_not_the_plans_is_refused),
        TEST(what_the_aggregator_refuses_ends_it),
        TEST(any_other_status_is_waited_out),
        TEST(a_task_that_fails_ends_nothing_and_is_run_again),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
