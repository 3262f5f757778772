#include "fed/runner/runner.h"

#include <string.h>

#include "base/bytes.h"
#include "config/yaml.h"

#include "check.h"

/* A plan as far as the runner looks at it. */
typedef struct sample {
    vch_yaml *doc;
    vch_plan_task task[3];
    vch_plan_view view;
} sample;

static const char digits[] = "data_loader: {validation_every: 4}\n"
                             "task_runner: {hidden: [16], epochs: 2, seed: 3}\n";

static void make(sample *s, const char *text)
{
    vouch_error err = { 0 };
    CHECK_OK(vch_yaml_parse("plan.yaml", vch_span_str(text), NULL, &s->doc, &err), &err);
    s->task[0] = (vch_plan_task) { .name = "aggregated_model_validation",
                                   .function = "validate",
                                   .validates = true };
    s->task[1] = (vch_plan_task) { .name = "train", .function = "train_batches", .trains = true };
    s->task[2] = (vch_plan_task) { .name = "locally_tuned_model_validation",
                                   .function = "validate_task",
                                   .validates = true,
                                   .apply_local = true };
    s->view = (vch_plan_view) { .task_runner_template = "vouch.MlpTaskRunner",
                                .task_runner = vch_yaml_get(vch_yaml_root(s->doc), "task_runner"),
                                .data_loader_template = "vouch.CsvDataLoader",
                                .data_loader = vch_yaml_get(vch_yaml_root(s->doc), "data_loader"),
                                .task = s->task,
                                .task_count = 3 };
}

static vouch_span shard(void)
{
    return vch_span_str(VCH_SOURCE_ROOT "/examples/data/optdigits.csv#1/4");
}

static vouch_code open_view(const vch_plan_view *view, vouch_span data, vch_faults *faults,
                            vch_runner *out, vouch_error *err)
{
    const vch_runner_options options = { .plan = view, .name = "col1", .data_path = data };
    return vch_runner_open(&options, faults, out, err);
}

static vch_runner open_digits(sample *s)
{
    vouch_error err = { 0 };
    vch_runner runner = { 0 };
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    make(s, digits);
    CHECK_OK(open_view(&s->view, shard(), &faults, &runner, &err), &err);
    return runner;
}

static void the_tasks_of_a_plan_give_metrics_and_a_model(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    sample s;
    vch_runner r = open_digits(&s);
    vch_model global = { 0 };
    vch_task_outcome before = { 0 };
    vch_task_outcome training = { 0 };
    vch_task_outcome after = { 0 };
    CHECK(r.ops->sample_count(r.self, true) == 337); /* 449 rows, every 4th held out */
    CHECK(r.ops->sample_count(r.self, false) == 112);
    CHECK_OK(r.ops->make_model(r.self, &global, &err), &err);
    CHECK(global.count == 4 && global.tensor[0].shape.rank == 2);
    assert_string_equal(global.tensor[3].name, "layer1.bias");

    CHECK_OK(r.ops->run(r.self, &s.task[0], 5, &global, &before, &err), &err);
    CHECK(!before.trained && before.metric_count == 1);
    assert_string_equal(before.metric[0].name, "accuracy");
    CHECK_OK(r.ops->run(r.self, &s.task[1], 5, &global, &training, &err), &err);
    CHECK(training.trained && training.model.round == 5);
    assert_string_equal(training.metric[0].name, "loss");
    CHECK_OK(vch_model_check_alike(&global, &training.model, &err), &err);
    CHECK_OK(r.ops->run(r.self, &s.task[2], 5, &training.model, &after, &err), &err);
    CHECK(after.metric[0].value > before.metric[0].value + 0.3F);

    vch_task_outcome_done(&before);
    vch_task_outcome_done(&training);
    vch_task_outcome_done(&after);
    vch_model_done(&global);
    vch_runner_drop(&r);
    vch_yaml_free(s.doc);
}

static void training_again_gives_the_same_bits_and_another_round_others(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    sample s;
    vch_runner r = open_digits(&s);
    vch_model global = { 0 };
    vch_task_outcome out[3] = { 0 };
    const int32_t round[3] = { 1, 1, 2 };
    CHECK_OK(r.ops->make_model(r.self, &global, &err), &err);
    for (size_t i = 0; i < 3; i++)
        CHECK_OK(r.ops->run(r.self, &s.task[1], round[i], &global, &out[i], &err), &err);
    vouch_span first = vch_tensor_bytes(&out[0].model.tensor[0]);
    CHECK(vch_span_equal(first, vch_tensor_bytes(&out[1].model.tensor[0])));
    CHECK(!vch_span_equal(first, vch_tensor_bytes(&out[2].model.tensor[0])));
    for (size_t i = 0; i < 3; i++)
        vch_task_outcome_done(&out[i]);
    vch_model_done(&global);
    vch_runner_drop(&r);
    vch_yaml_free(s.doc);
}

static void the_initial_model_needs_no_data(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    sample s;
    vch_runner r = open_digits(&s);
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    vch_model own = { 0 };
    vch_model made = { 0 };
    CHECK_OK(r.ops->make_model(r.self, &own, &err), &err);
    CHECK_OK(vch_runner_initial_model(&(const vch_runner_options) { .plan = &s.view }, &faults,
                                      &made, &err),
             &err);
    CHECK_OK(vch_model_check_alike(&own, &made, &err), &err);
    CHECK(vch_span_equal(vch_tensor_bytes(&own.tensor[0]), vch_tensor_bytes(&made.tensor[0])));
    vch_model_done(&own);
    vch_model_done(&made);
    vch_runner_drop(&r);
    vch_yaml_free(s.doc);
}

static void a_model_of_another_shape_is_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    sample s;
    vch_runner r = open_digits(&s);
    vch_model empty = { 0 };
    vch_task_outcome out = { 0 };
    CHECK(r.ops->run(r.self, &s.task[0], 0, &empty, &out, &err) == VOUCH_E_FORMAT);
    vch_runner_drop(&r);
    vch_yaml_free(s.doc);
}

static const struct {
    const char *text, *message;
} faulty[] = {
    { "data_loader: {}\ntask_runner: {hiden: [16]}\n", "hiden" },
    { "data_loader: {}\ntask_runner: {hidden: [0]}\n", "hidden" },
    { "data_loader: {}\ntask_runner: {hidden: [1, 2, 3, 4, 5]}\n", "hidden" },
    { "data_loader: {}\ntask_runner: {hidden: 16}\n", "hidden" },
    { "data_loader: {}\ntask_runner: {batch_size: 0}\n", "batch_size" },
    { "data_loader: {}\ntask_runner: {epochs: 0}\n", "epochs" },
    { "data_loader: {}\ntask_runner: {learning_rate: 0}\n", "learning_rate" },
    { "data_loader: {}\ntask_runner: {seed: -1}\n", "seed" },
    { "data_loader: {classes: 1}\ntask_runner: {}\n", "classes" },
    { "data_loader: {validation_every: 1}\ntask_runner: {}\n", "validation_every" },
    { "data_loader: {feature_scale: 0}\ntask_runner: {}\n", "feature_scale" },
};

static void settings_that_make_no_sense_are_refused_with_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faulty / sizeof faulty[0]; i++) {
        sample s;
        vch_model model = { 0 };
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        make(&s, faulty[i].text);
        if (vch_runner_initial_model(&(const vch_runner_options) { .plan = &s.view }, &faults,
                                     &model, NULL)
                != VOUCH_E_CONFIG
            || faults.count == 0 || strstr(faults.item[0].text, faulty[i].message) == NULL
            || strncmp(faults.item[0].text, "plan.yaml:", 10) != 0)
            fail_msg("%s: %s", faulty[i].text, faults.count == 0 ? "" : faults.item[0].text);
        vch_yaml_free(s.doc);
    }
}

static void what_the_built_in_runner_is_not_is_refused(void **state)
{
    (void)state;
    sample s;
    vch_runner r = { 0 };
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    make(&s, digits);
    s.view.task_runner_template = "src.taskrunner.TorchTaskRunner";
    CHECK(open_view(&s.view, shard(), &faults, &r, NULL) == VOUCH_E_UNSUPPORTED);
    s.view.task_runner_template = "vouch.MlpTaskRunner";
    s.task[1].function = "rm_rf";
    CHECK(open_view(&s.view, shard(), &faults, &r, NULL) == VOUCH_E_UNSUPPORTED);
    CHECK(r.self == NULL);
    vch_yaml_free(s.doc);
}

static void a_data_file_that_is_missing_is_told(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    sample s;
    vch_runner r = { 0 };
    char text[1024];
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    make(&s, digits);
    CHECK(open_view(&s.view, vch_span_str("/nonexistent/x.csv"), &faults, &r, &err)
          == VOUCH_E_NOT_FOUND);
    CHECK(strstr(vouch_error_text(&err, text, sizeof text), "/nonexistent/x.csv") != NULL);
    vch_yaml_free(s.doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_tasks_of_a_plan_give_metrics_and_a_model),
        TEST(training_again_gives_the_same_bits_and_another_round_others),
        TEST(the_initial_model_needs_no_data),
        TEST(a_model_of_another_shape_is_refused),
        TEST(settings_that_make_no_sense_are_refused_with_their_place),
        TEST(what_the_built_in_runner_is_not_is_refused),
        TEST(a_data_file_that_is_missing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
