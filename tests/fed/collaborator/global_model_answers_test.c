/* What an aggregator of the test's own may say the federation's model is. */
#include "fed/collaborator/global_model.h"

#include <math.h>
#include <stdio.h>

#include "scripted.h"

enum { ROUND = 3, VALUES = 4 };

#define DELTAS                                                                                     \
    "collaborator: {template: openfl.component.Collaborator, settings: {delta_updates: %s}}"

static kit keys;

static const char *const whole[] = { "compressed", "model", NULL };
static const char *const change[] = { "aggregated", "compressed", "delta", NULL };
static const char *const lossy_change[] = { "aggregated", "delta", "lossy_compressed", NULL };

typedef struct scene {
    scripted peer;
    vch_global_model global;
    /* what it answers */
    int32_t dims[2];
    size_t rank;
    float values[VALUES];
    const char *const *tags;
    bool bare;          /* without metadata */
    size_t cut;         /* bytes less than the values have */
    size_t has_changes; /* of so many calls for a change; then it has none */
    bool has_nothing;   /* not even the model */
    /* what it was asked for */
    size_t asked_whole, asked_change;
} scene;

static void on_tensor_call(void *context, vch_grpc_call *call, vouch_span request)
{
    scene *s = context;
    vch_wire_header header = { 0 };
    vch_wire_tensor_spec spec = { 0 };
    vch_shape shape;
    vch_buffer work = vch_buffer_with_cap(4096);
    CHECK_OK(vch_wire_get_tensor_parse(request, &header, &spec, &s->peer.err), &s->peer.err);
    bool is_change = vch_tags_has(&spec.tags, "delta");
    CHECK(spec.require_lossless != is_change);
    s->asked_change += is_change;
    s->asked_whole += !is_change;
    if (s->has_nothing || (is_change && s->asked_change > s->has_changes)) {
        vch_grpc_call_fail(call, VCH_GRPC_UNKNOWN, "no such tensor");
        return;
    }
    vch_named_tensor tensor = { .name = spec.name, .round = spec.round };
    CHECK_OK(vch_shape_make(s->dims, s->rank, &shape, &s->peer.err), &s->peer.err);
    CHECK_OK(vch_pipeline_encode_values(vch_pipeline_plain(), &shape, s->values, &work, &tensor,
                                        &s->peer.err),
             &s->peer.err);
    tensor.tags = vch_tags_of(s->tags != NULL ? s->tags : is_change ? change : whole);
    tensor.data.size -= s->cut;
    if (s->bare)
        vch_metadata_done(&tensor.metadata[--tensor.metadata_count]);
    header = scripted_header(&s->peer);
    scripted_reply_tensor(call, &header, &tensor);
    vch_named_tensor_done(&tensor);
    vch_buffer_drop(&work);
}

static const vch_grpc_method methods[] = {
    { .path = PATH("GetAggregatedTensor"), .unary = on_tensor_call },
};

static void add_tensor(vch_model *model, const char *name)
{
    vouch_error err = { 0 };
    static const int32_t dims[2] = { 2, 2 };
    vch_shape shape;
    vch_tensor t = { 0 };
    CHECK_OK(vch_shape_make(dims, 2, &shape, &err), &err);
    CHECK_OK(vch_tensor_init(&t, vch_span_str(name), &shape, &err), &err);
    CHECK_OK(vch_model_add(model, &t, &err), &err);
}

/* A task runner's model of two tensors of 2 x 2, and an aggregator that has it. */
static void start(scene *s, bool deltas, vch_compression kind)
{
    char line[160];
    const vch_plan_pipeline how = { .kind = kind, .sparsity = 0.5, .clusters = 2 };
    *s = (scene) { .dims = { 2, 2 }, .rank = 2, .values = { 1, 2, 3, 4 }, .has_changes = SIZE_MAX };
    (void)snprintf(line, sizeof line, DELTAS, deltas ? "true" : "false");
    vch_buffer plan = with_line(good_plan, 8, line);
    scripted_start(&s->peer, &keys, vch_buffer_text(&plan), methods, 1, s);
    vch_buffer_drop(&plan);
    s->global.pipeline = vch_pipeline_make(&how, 1);
    add_tensor(&s->global.model, "w");
    add_tensor(&s->global.model, "b");
}

static void end(scene *s)
{
    vch_model_done(&s->global.model);
    scripted_end(&s->peer);
}

static vouch_code need(scene *s, int32_t round)
{
    s->peer.err = (vouch_error) { 0 };
    s->asked_whole = s->asked_change = 0;
    return vch_global_model_need(&s->global, &s->peer.calls, round, &s->peer.err);
}

static void check_values(const scene *s, float first)
{
    CHECK(s->global.has_values);
    for (size_t i = 0; i < s->global.model.count; i++)
        CHECK(s->global.model.tensor[i].values[0] == first);
}

static void a_round_is_fetched_whole_and_once(void **state)
{
    (void)state;
    scene s;
    start(&s, false, VCH_COMPRESSION_NONE);
    CHECK_OK(need(&s, ROUND), &s.peer.err);
    CHECK(s.asked_whole == 2 && s.asked_change == 0);
    check_values(&s, 1.0F);
    CHECK_OK(need(&s, ROUND), &s.peer.err);
    CHECK(s.asked_whole == 0);
    CHECK_OK(need(&s, ROUND + 1), &s.peer.err);
    CHECK(s.asked_whole == 2);
    end(&s);
}

static void changes_are_asked_for_where_the_round_before_is_here_and_added(void **state)
{
    (void)state;
    scene s;
    start(&s, true, VCH_COMPRESSION_NONE);
    CHECK_OK(need(&s, ROUND), &s.peer.err);
    CHECK(s.asked_whole == 2 && s.asked_change == 0);
    CHECK_OK(need(&s, ROUND + 1), &s.peer.err);
    CHECK(s.asked_whole == 0 && s.asked_change == 2);
    check_values(&s, 2.0F);
    CHECK_OK(need(&s, ROUND + 3), &s.peer.err); /* one round was missed */
    CHECK(s.asked_whole == 2 && s.asked_change == 0);
    check_values(&s, 1.0F);
    end(&s);
}

static void an_aggregator_that_has_no_changes_is_asked_for_the_whole_model(void **state)
{
    (void)state;
    scene s;
    start(&s, true, VCH_COMPRESSION_NONE);
    CHECK_OK(need(&s, ROUND), &s.peer.err);
    s.has_changes = 0;
    CHECK_OK(need(&s, ROUND + 1), &s.peer.err);
    CHECK(s.asked_change == 2 && s.asked_whole == 2);
    check_values(&s, 1.0F);
    end(&s);
}

/* The answers come in either order, and after a refusal no other is taken. */
static void of_a_model_that_came_in_part_the_rest_is_asked_for(void **state)
{
    (void)state;
    scene s;
    start(&s, true, VCH_COMPRESSION_NONE);
    CHECK_OK(need(&s, ROUND), &s.peer.err);
    s.has_changes = 1;
    CHECK_OK(need(&s, ROUND + 1), &s.peer.err);
    CHECK(s.asked_change == 2 && s.asked_whole >= 1);
    size_t moved = 0;
    for (size_t i = 0; i < s.global.model.count; i++) {
        float value = s.global.model.tensor[i].values[0];
        CHECK(value == 1.0F || value == 2.0F); /* as it came, or moved, and never both */
        moved += value == 2.0F;
    }
    CHECK(moved + s.asked_whole == 2);
    end(&s);
}

/* It may have it later: the caller asks for tasks again, and not at once for the same. */
static void a_model_that_is_not_there_is_asked_for_once(void **state)
{
    (void)state;
    scene s;
    start(&s, true, VCH_COMPRESSION_NONE);
    s.has_nothing = true;
    CHECK(need(&s, ROUND) == VOUCH_E_NOT_FOUND);
    CHECK(s.asked_whole == 2 && !s.global.has_values);
    s.has_nothing = false;
    CHECK_OK(need(&s, ROUND), &s.peer.err);
    end(&s);
}

/* Refused, and there are no values any more that anybody could train on. */
static void expect_refusal(scene *s, const char *what, const char *reason)
{
    char why[1024];
    vouch_code rc = need(s, s->global.model.round + 1);
    (void)vouch_error_text(&s->peer.err, why, sizeof why);
    if (rc != VOUCH_E_REFUSED || strstr(why, reason) == NULL)
        fail_msg("%s: %s: %s", what, vouch_code_name(rc), why);
    CHECK(!s->global.has_values);
}

static const char *const untold[] = { "model", NULL };
static const char *const lossy_model[] = { "lossy_compressed", "model", NULL };

static void another_shape(scene *s)
{
    s->dims[0] = 4;
    s->dims[1] = 1;
}

static void less_than_its_shape(scene *s)
{
    s->cut = 4;
}

static void no_metadata(scene *s)
{
    s->bare = true;
}

static void not_a_number(scene *s)
{
    s->values[2] = NAN;
}

static void infinite(scene *s)
{
    s->values[2] = -INFINITY;
}

static void no_word_of_the_way(scene *s)
{
    s->tags = untold;
}

static void a_lossy_model(scene *s)
{
    s->tags = lossy_model;
}

static const struct {
    const char *name;
    void (*spoil)(scene *s);
    const char *reason;
} hostile[] = {
    { "another shape", another_shape, "its shape is" },
    { "fewer values", less_than_its_shape, "12 bytes of data" },
    { "no metadata", no_metadata, "metadata" },
    { "NaN", not_a_number, "element 2 is not finite" },
    { "infinity", infinite, "element 2 is not finite" },
    { "tags without a way", no_word_of_the_way, "compressed" },
    { "a model that lost something", a_lossy_model, "the model came through a lossy pipeline" },
};

static void a_model_that_is_not_the_task_runners_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        scene s;
        start(&s, false, VCH_COMPRESSION_KC);
        CHECK_OK(need(&s, ROUND), &s.peer.err);
        hostile[i].spoil(&s);
        expect_refusal(&s, hostile[i].name, hostile[i].reason);
        end(&s);
    }
}

static void a_change_of_a_way_that_the_plan_does_not_have_is_refused(void **state)
{
    (void)state;
    scene s;
    start(&s, true, VCH_COMPRESSION_NONE);
    CHECK_OK(need(&s, ROUND), &s.peer.err);
    s.tags = lossy_change;
    expect_refusal(&s, "a lossy change", "the plan's pipeline loses nothing");
    end(&s);
}

/* Each is finite, but not what they come to. */
static void a_change_that_leads_beyond_all_numbers_is_refused(void **state)
{
    (void)state;
    scene s;
    start(&s, true, VCH_COMPRESSION_NONE);
    s.values[1] = 3e38F;
    CHECK_OK(need(&s, ROUND), &s.peer.err);
    expect_refusal(&s, "a change", "element 1 is not finite");
    end(&s);
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
        TEST(a_round_is_fetched_whole_and_once),
        TEST(changes_are_asked_for_where_the_round_before_is_here_and_added),
        TEST(an_aggregator_that_has_no_changes_is_asked_for_the_whole_model),
        TEST(of_a_model_that_came_in_part_the_rest_is_asked_for),
        TEST(a_model_that_is_not_there_is_asked_for_once),
        TEST(a_model_that_is_not_the_task_runners_is_refused),
        TEST(a_change_of_a_way_that_the_plan_does_not_have_is_refused),
        TEST(a_change_that_leads_beyond_all_numbers_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
