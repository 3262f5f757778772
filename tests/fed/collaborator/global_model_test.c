/* An aggregator of this test's own notes what a collaborator asks for, and answers with tens. */
#include "fed/collaborator/global_model.h"

#include <stdio.h>
#include <stdlib.h>

#include "scripted.h"

static kit keys;

typedef struct scene {
    scripted peer;
    vch_global_model global;
    char asked[256]; /* "NAME TAGS; " of each, sorted by name: one is answered at a time */
} scene;

static void answer(scene *s, const vch_wire_tensor_spec *spec, vch_grpc_call *call)
{
    static const uint8_t ten[4] = { 0, 0, 32, 65 };
    static const char *const delta[] = { "aggregated", "compressed", "delta", NULL };
    static const char *const model[] = { "compressed", "model", NULL };
    const vch_wire_header header = scripted_header(&s->peer);
    bool is_delta = vch_tags_has(&spec->tags, "delta");
    vch_shape scalar;
    CHECK(vch_shape_make(NULL, 0, &scalar, NULL) == VOUCH_OK);
    vch_named_tensor tensor = { .name = spec->name,
                                .round = spec->round,
                                .lossless = true,
                                .tags = vch_tags_of(is_delta ? delta : model) };
    vch_buffer work = vch_buffer_with_cap(64);
    float value = 0.0F;
    memcpy(&value, ten, sizeof value);
    CHECK_OK(vch_pipeline_encode_values(vch_pipeline_plain(), &scalar, &value, &work, &tensor,
                                        &s->peer.err),
             &s->peer.err);
    scripted_reply_tensor(call, &header, &tensor);
    vch_buffer_drop(&work);
    vch_named_tensor_done(&tensor);
}

static void on_call(void *context, vch_grpc_call *call, vouch_span message)
{
    scene *s = context;
    vch_wire_header header = { 0 };
    vch_wire_tensor_spec spec = { 0 };
    size_t at = strlen(s->asked);
    char tags[64];
    CHECK_OK(vch_wire_get_tensor_parse(message, &header, &spec, &s->peer.err), &s->peer.err);
    (void)snprintf(s->asked + at, sizeof s->asked - at, "%.*s %s; ", (int)spec.name.size,
                   (const char *)spec.name.data, vch_tags_text(&spec.tags, tags, sizeof tags));
    answer(s, &spec, call);
}

static const vch_grpc_method methods[] = {
    { .path = PATH("GetAggregatedTensor"), .unary = on_call },
};

static void add(scene *s, const char *name, float value)
{
    vch_shape scalar;
    vch_tensor t = { 0 };
    CHECK(vch_shape_make(NULL, 0, &scalar, NULL) == VOUCH_OK);
    CHECK_OK(vch_tensor_init(&t, vch_span_str(name), &scalar, &s->peer.err), &s->peer.err);
    t.values[0] = value;
    CHECK_OK(vch_model_add(&s->global.model, &t, &s->peer.err), &s->peer.err);
}

/* A task runner's model of a weight, 1, and a momentum, 2, under a plan with these settings. */
static scene *scene_of(const char *settings)
{
    char line[256];
    scene *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    (void)snprintf(line, sizeof line,
                   "collaborator: {template: openfl.component.Collaborator, settings: {%s}}",
                   settings);
    vch_buffer text = with_line(good_plan, 8, line);
    scripted_start(&s->peer, &keys, vch_buffer_text(&text), methods, 1, s);
    vch_buffer_drop(&text);
    vch_pipeline_for(s->peer.calls.view, "col1", &s->global.pipeline);
    add(s, "w", 1.0F);
    add(s, "__opt_momentum", 2.0F);
    return s;
}

static void end(scene *s)
{
    vch_model_done(&s->global.model);
    scripted_end(&s->peer);
    free(s);
}

static void check_need(scene *s, int32_t round, const char *asked, float weight, float momentum)
{
    s->asked[0] = '\0';
    CHECK_OK(vch_global_model_need(&s->global, &s->peer.calls, round, &s->peer.err), &s->peer.err);
    assert_string_equal(s->asked, asked);
    CHECK(s->global.model.tensor[0].values[0] == weight);
    CHECK(s->global.model.tensor[1].values[0] == momentum);
}

static void a_shared_optimisers_state_is_asked_for_from_the_second_round_on(void **state)
{
    (void)state;
    scene *s = scene_of("opt_treatment: CONTINUE_GLOBAL, delta_updates: false");
    check_need(s, 0, "w model; ", 10.0F, 2.0F); /* the runner's own: nobody has trained yet */
    check_need(s, 1, "w model; __opt_momentum model; ", 10.0F, 10.0F);
    end(s);
}

static void one_that_is_started_in_a_later_round_asks_for_the_state_at_once(void **state)
{
    (void)state;
    scene *s = scene_of("opt_treatment: CONTINUE_GLOBAL, delta_updates: true");
    check_need(s, 5, "w model; __opt_momentum model; ", 10.0F, 10.0F);
    end(s);
}

static void a_change_of_the_state_needs_a_state_of_the_aggregators(void **state)
{
    (void)state;
    scene *s = scene_of("opt_treatment: CONTINUE_GLOBAL, delta_updates: true");
    check_need(s, 0, "w model; ", 10.0F, 2.0F);
    check_need(s, 1, "w aggregated,compressed,delta; __opt_momentum model; ", 20.0F, 10.0F);
    check_need(s, 2,
               "w aggregated,compressed,delta; "
               "__opt_momentum aggregated,compressed,delta; ",
               30.0F, 20.0F);
    end(s);
}

static void a_state_that_stays_at_its_site_is_never_asked_for(void **state)
{
    (void)state;
    static const char *const treatments[] = { "RESET", "CONTINUE_LOCAL" };
    for (size_t i = 0; i < 2; i++) {
        char settings[64];
        (void)snprintf(settings, sizeof settings, "opt_treatment: %s", treatments[i]);
        scene *s = scene_of(settings);
        check_need(s, 0, "w model; ", 10.0F, 2.0F);
        check_need(s, 4, "w model; ", 10.0F, 2.0F);
        end(s);
    }
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
        TEST(a_shared_optimisers_state_is_asked_for_from_the_second_round_on),
        TEST(one_that_is_started_in_a_later_round_asks_for_the_state_at_once),
        TEST(a_change_of_the_state_needs_a_state_of_the_aggregators),
        TEST(a_state_that_stays_at_its_site_is_never_asked_for),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
