#include "fed/runner/process_message.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "config/yaml.h"

#include "check.h"

#define TENSOR "{\"name\":\"w\",\"dtype\":\"float32\",\"shape\":[2,3]}"
#define READY(version, samples, tensors, bytes)                                                    \
    "{\"type\":\"ready\",\"version\":" version ",\"samples\":" samples ",\"tensors\":[" tensors    \
    "],\"bytes\":" bytes "}"
#define SAMPLES "{\"train\":5,\"validate\":2}"

static void a_ready_child_says_its_samples_and_its_model(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_process_ready ready = { 0 };
    CHECK_OK(vch_process_ready_read(vch_span_str(READY("1", SAMPLES, TENSOR, "24")), &ready, &err),
             &err);
    CHECK(ready.training == 5 && ready.validation == 2);
    CHECK(ready.model.count == 1 && ready.model.data_size == 24);
    CHECK(ready.model.tensor[0].shape.rank == 2 && ready.model.tensor[0].shape.dim[1] == 3);
    CHECK(!ready.saves);
    vch_model_done(&ready.model);
}

#define SAVES(saves)                                                                               \
    "{\"type\":\"ready\",\"version\":1,\"samples\":" SAMPLES ",\"saves\":" saves                   \
    ",\"tensors\":[" TENSOR "],\"bytes\":24}"

static void a_ready_child_may_say_that_it_saves(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_process_ready ready = { 0 };
    CHECK_OK(vch_process_ready_read(vch_span_str(SAVES("true")), &ready, &err), &err);
    CHECK(ready.saves);
    vch_model_done(&ready.model);
    ready = (vch_process_ready) { 0 };
    CHECK_OK(vch_process_ready_read(vch_span_str(SAVES("false")), &ready, &err), &err);
    CHECK(!ready.saves);
    vch_model_done(&ready.model);
}

static const struct {
    const char *name, *line;
    vouch_code want;
} bad_ready[] = {
    { "no object", "[1]", VOUCH_E_FORMAT },
    { "another version", READY("2", SAMPLES, TENSOR, "24"), VOUCH_E_UNSUPPORTED },
    { "no samples", READY("1", "{}", TENSOR, "24"), VOUCH_E_FORMAT },
    { "negative samples", READY("1", "{\"train\":-1,\"validate\":2}", TENSOR, "24"),
      VOUCH_E_FORMAT },
    { "a member more in samples",
      READY("1", "{\"train\":1,\"validate\":2,\"test\":1}", TENSOR, "24"), VOUCH_E_FORMAT },
    { "no tensors", READY("1", SAMPLES, "", "0"), VOUCH_E_FORMAT },
    { "a tensor twice", READY("1", SAMPLES, TENSOR "," TENSOR, "48"), VOUCH_E_FORMAT },
    { "a size that is not its tensors'", READY("1", SAMPLES, TENSOR, "23"), VOUCH_E_FORMAT },
    { "another type of values",
      READY("1", SAMPLES, "{\"name\":\"w\",\"dtype\":\"float64\",\"shape\":[2]}", "16"),
      VOUCH_E_UNSUPPORTED },
    { "a negative dimension",
      READY("1", SAMPLES, "{\"name\":\"w\",\"dtype\":\"float32\",\"shape\":[-2]}", "8"),
      VOUCH_E_FORMAT },
    { "17 dimensions",
      READY("1", SAMPLES,
            "{\"name\":\"w\",\"dtype\":\"float32\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
            "4"),
      VOUCH_E_LIMIT },
    { "a tensor past all limits",
      READY("1", SAMPLES, "{\"name\":\"w\",\"dtype\":\"float32\",\"shape\":[65536,65536]}", "0"),
      VOUCH_E_LIMIT },
    { "another message", "{\"type\":\"result\",\"id\":1}", VOUCH_E_FORMAT },
    { "a member more",
      "{\"type\":\"ready\",\"version\":1,\"samples\":" SAMPLES ",\"tensors\":[" TENSOR
      "],\"bytes\":24,\"more\":1}",
      VOUCH_E_FORMAT },
    { "saves is no boolean", SAVES("1"), VOUCH_E_FORMAT },
    { "it says that it cannot", "{\"type\":\"error\",\"message\":\"no data\"}", VOUCH_E_CONFIG },
};

static void a_ready_message_that_is_not_exactly_one_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_ready / sizeof bad_ready[0]; i++) {
        vouch_error err = { 0 };
        vch_process_ready ready = { .training = 77 };
        vouch_code rc = vch_process_ready_read(vch_span_str(bad_ready[i].line), &ready, &err);
        if (rc != bad_ready[i].want || ready.training != 77 || ready.model.count != 0)
            fail_msg("%s: %s", bad_ready[i].name, vouch_code_name(rc));
    }
}

static void a_result_carries_its_metrics(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_process_answer a = { 0 };
    CHECK_OK(vch_process_answer_read(
                 vch_span_str("{\"type\":\"result\",\"id\":7,\"metrics\":{\"loss\":0.5,\"n\":3},"
                              "\"trained\":true,\"bytes\":24}"),
                 7, &a, &err),
             &err);
    CHECK(a.type == VCH_ANSWER_RESULT && a.trained && a.bytes == 24 && a.metric_count == 2);
    CHECK(strcmp(a.metric[0].name, "loss") == 0 && a.metric[0].value == 0.5F);
    CHECK(a.metric[1].value == 3.0F);
}

static void a_child_that_has_saved_says_no_more(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_process_answer a = { 0 };
    CHECK_OK(vch_process_answer_read(vch_span_str("{\"type\":\"saved\",\"id\":7}"), 7, &a, &err),
             &err);
    CHECK(a.type == VCH_ANSWER_SAVED);
}

#define RESULT(id, metrics)                                                                        \
    "{\"type\":\"result\",\"id\":" id ",\"metrics\":" metrics ",\"trained\":false,\"bytes\":0}"

static const struct {
    const char *name, *line;
    vouch_code want;
} bad_answers[] = {
    { "of another task", RESULT("8", "{}"), VOUCH_E_FORMAT },
    { "without an id", "{\"type\":\"error\",\"message\":\"x\"}", VOUCH_E_FORMAT },
    { "of an unknown type", "{\"type\":\"done\",\"id\":7}", VOUCH_E_FORMAT },
    { "a metric that is text", RESULT("7", "{\"loss\":\"0.5\"}"), VOUCH_E_FORMAT },
    { "a metric past float32", RESULT("7", "{\"loss\":1e60}"), VOUCH_E_FORMAT },
    { "a metric without a name", RESULT("7", "{\"\":1}"), VOUCH_E_LIMIT },
    { "nine metrics",
      RESULT("7", "{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1}"),
      VOUCH_E_LIMIT },
    { "a member more",
      "{\"type\":\"result\",\"id\":7,\"metrics\":{},\"trained\":false,\"bytes\":0,\"x\":1}",
      VOUCH_E_FORMAT },
    { "an error with a member more", "{\"type\":\"error\",\"id\":7,\"message\":\"x\",\"y\":1}",
      VOUCH_E_FORMAT },
    { "trained is no boolean",
      "{\"type\":\"result\",\"id\":7,\"metrics\":{},\"trained\":1,\"bytes\":0}", VOUCH_E_FORMAT },
    { "saved, with a member more", "{\"type\":\"saved\",\"id\":7,\"path\":\"x\"}", VOUCH_E_FORMAT },
    { "another save", "{\"type\":\"saved\",\"id\":8}", VOUCH_E_FORMAT },
    { "cut short", "{\"type\":\"result\",\"id\":7", VOUCH_E_FORMAT },
};

static void an_answer_that_is_not_exactly_one_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_answers / sizeof bad_answers[0]; i++) {
        vouch_error err = { 0 };
        vch_process_answer a = { .bytes = 77 };
        vouch_code rc = vch_process_answer_read(vch_span_str(bad_answers[i].line), 7, &a, &err);
        if (rc != bad_answers[i].want || a.bytes != 77)
            fail_msg("%s: %s", bad_answers[i].name, vouch_code_name(rc));
    }
}

static void settings_and_kwargs_are_handed_on_as_json(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_yaml_drop) vch_yaml *doc = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(4096);
    CHECK_OK(
        vch_yaml_parse("x",
                       vch_span_str("own: {rate: 0.1, ready: yes, when: 2026-03-01, deep: [[1], "
                                    "{2: null}]}\nkwargs: {epochs: 2}\n"),
                       NULL, &doc, &err),
        &err);
    vch_plan_task task = { .name = "train",
                           .function = "fit",
                           .kwargs = vch_yaml_get(vch_yaml_root(doc), "kwargs") };
    vch_plan_view plan = { .task = &task,
                           .task_count = 1,
                           .task_runner_template = "src.Runner",
                           .data_loader_template = "src.Loader",
                           .opt_treatment = VCH_OPT_CONTINUE_GLOBAL };
    vch_process_settings settings = { .own = vch_yaml_get(vch_yaml_root(doc), "own") };
    vch_process_start start = {
        .settings = &settings, .plan = &plan, .name = "col1", .data = "a \"b\""
    };
    vch_process_start_write(&start, &out);
    CHECK(strcmp(vch_buffer_text(&out),
                 "{\"type\":\"start\",\"version\":1,\"name\":\"col1\",\"data\":\"a "
                 "\\\"b\\\"\",\"template\":\"src.Runner\",\"data_template\":\"src.Loader\","
                 "\"settings\":{\"rate\":0.1,\"ready\":true,\"when\":\"2026-03-01\",\"deep\":[[1],"
                 "{\"2\":null}]},\"data_settings\":null,"
                 "\"opt_treatment\":\"CONTINUE_GLOBAL\",\"tasks\":[{\"name\":\"train\","
                 "\"function\":\"fit\"}]}\n")
          == 0);
    out.size = 0;
    vch_process_task m = { .id = 3, .task = &task, .round = 4, .bytes = 24 };
    vch_process_task_write(&m, &out);
    CHECK(strcmp(vch_buffer_text(&out),
                 "{\"type\":\"task\",\"id\":3,\"name\":\"train\",\"function\":\"fit\",\"round\":4,"
                 "\"kwargs\":{\"epochs\":2},\"bytes\":24}\n")
          == 0);
}

static void a_child_is_told_what_becomes_of_the_optimisers_state(void **state)
{
    (void)state;
    static const char *const name[] = { [VCH_OPT_RESET] = "\"opt_treatment\":\"RESET\"",
                                        [VCH_OPT_CONTINUE_LOCAL] =
                                            "\"opt_treatment\":\"CONTINUE_LOCAL\"",
                                        [VCH_OPT_CONTINUE_GLOBAL] =
                                            "\"opt_treatment\":\"CONTINUE_GLOBAL\"" };
    for (unsigned i = VCH_OPT_RESET; i <= VCH_OPT_CONTINUE_GLOBAL; i++) {
        VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(4096);
        const vch_process_settings settings = { 0 };
        const vch_plan_view plan = { .task_runner_template = "src.Runner",
                                     .data_loader_template = "src.Loader",
                                     .opt_treatment = i };
        const vch_process_start start = { .settings = &settings, .plan = &plan };
        vch_process_start_write(&start, &out);
        CHECK(strstr(vch_buffer_text(&out), name[i]) != NULL);
    }
}

static void a_model_is_to_be_saved_where_the_message_says(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(4096);
    vch_plan_view plan = { .task_runner_template = "r", .data_loader_template = "l" };
    vch_process_settings settings = { 0 };
    vch_process_start start = { .settings = &settings, .plan = &plan, .save = true };
    vch_process_start_write(&start, &out);
    CHECK(strstr(vch_buffer_text(&out), "\"data\":null,\"save\":true,") != NULL);
    out.size = 0;
    vch_process_save m = { .id = 3, .path = "/a \"b\"", .round = 4, .bytes = 24 };
    vch_process_save_write(&m, &out);
    CHECK(strcmp(vch_buffer_text(&out),
                 "{\"type\":\"save\",\"id\":3,\"path\":\"/a \\\"b\\\"\",\"round\":4,"
                 "\"bytes\":24}\n")
          == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_ready_child_says_its_samples_and_its_model),
        TEST(a_ready_child_may_say_that_it_saves),
        TEST(a_ready_message_that_is_not_exactly_one_is_refused),
        TEST(a_result_carries_its_metrics),
        TEST(a_child_that_has_saved_says_no_more),
        TEST(an_answer_that_is_not_exactly_one_is_refused),
        TEST(settings_and_kwargs_are_handed_on_as_json),
        TEST(a_child_is_told_what_becomes_of_the_optimisers_state),
        TEST(a_model_is_to_be_saved_where_the_message_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
