#include "fed/aggregator/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fed/vector_file.h"

static const vch_metric_report sample = {
    .origin = "col1", .task = "train", .metric = "loss", .round = 3, .value = 0.25
};

#define OBJECT                                                                                     \
    "{\"metric_origin\": \"col1\", \"task_name\": \"train\", \"metric_name\": \"loss\", "          \
    "\"metric_value\": 0.25, \"round\": 3}"

static void a_metric_goes_to_people_and_to_a_file(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char *text[2] = { NULL, NULL };
    size_t size[2];
    vch_metrics m = { .lines = open_memstream(&text[0], &size[0]),
                      .json = open_memstream(&text[1], &size[1]) };
    CHECK_OK(vch_metrics_put(&m, &sample, &err), &err);
    (void)fclose(m.lines);
    (void)fclose(m.json);
    assert_string_equal(text[0],
                        "METRIC   {'round': 3, 'metric_origin': 'col1', 'task_name': 'train', "
                        "'metric_name': 'loss', 'metric_value': 0.25}\n");
    assert_string_equal(text[1], OBJECT "\n");
    free(text[0]);
    free(text[1]);
}

/* Seen in the log of 1.5.1, whose collaborator's name there is the last of the sorted tags. */
static void until_openfl_1_6_a_metric_is_told_in_its_words(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char *text = NULL;
    size_t size;
    vch_metrics m = { .lines = open_memstream(&text, &size), .sentences = true };
    vch_metric_report mean = sample;
    mean.origin = VCH_METRIC_MEAN;
    mean.value = 0.9312499761581421;
    CHECK_OK(vch_metrics_put(&m, &sample, &err), &err);
    CHECK_OK(vch_metrics_put(&m, &mean, &err), &err);
    CHECK_OK(vch_metrics_best(&m, 3, 0.5, &err), &err); /* nobody wants it */
    m.best = true;
    CHECK_OK(vch_metrics_best(&m, 3, 0.5, &err), &err);
    CHECK_OK(vch_metric_report_sending(&sample, m.lines, &err), &err);
    (void)fclose(m.lines);
    assert_string_equal(
        text,
        "METRIC   Round 3, collaborator col1 train result loss:\t0.250000\n"
        "METRIC   Round 3, aggregator: train "
        "<openfl.interface.aggregation_functions.weighted_average."
        "WeightedAverage object at 0x0> loss:\t0.931250\n"
        "METRIC   Round 3: saved the best model with score 0.500000\n"
        "METRIC   Round 3, collaborator col1 is sending metric for task train: loss\t0.250000\n");
    free(text);
}

static void names_that_a_peer_chose_cannot_break_the_line(void **state)
{
    (void)state;
    vch_metric_report hostile = sample;
    hostile.metric = "a\"b\\c\nd\x1b[2J";
    vch_buffer out = vch_buffer_with_cap(1024);
    vch_metric_report_write(&hostile, &out);
    const char *text = vch_buffer_text(&out);
    CHECK(text != NULL);
    CHECK(strstr(text, "\"a\\\"b\\\\c\\u000ad\\u001b[2J\"") != NULL);
    CHECK(strchr(text, '\n') == NULL);
    vch_buffer_drop(&out);
    out = vch_buffer_with_cap(1024);
    hostile.metric = "a'\\\n\x1b";
    vch_metric_report_say(&hostile, &out);
    text = vch_buffer_text(&out);
    CHECK(text != NULL && strstr(text, "'a\\'\\\\\\x0a\\x1b'") != NULL);
    vch_buffer_drop(&out);
    out = vch_buffer_with_cap(1024);
    vch_metric_report_tell(&hostile, &out);
    text = vch_buffer_text(&out);
    CHECK(text != NULL && strstr(text, "result a'\\\\x0a\\x1b:") != NULL);
    vch_buffer_drop(&out);
}

static void a_mean_that_overflowed_leaves_the_file_json(void **state)
{
    (void)state;
    vch_metric_report endless = sample;
    endless.value = HUGE_VAL;
    vch_buffer out = vch_buffer_with_cap(1024);
    vch_metric_report_write(&endless, &out);
    const char *text = vch_buffer_text(&out);
    CHECK(text != NULL && strstr(text, "\"metric_value\": null,") != NULL);
    vch_buffer_drop(&out);
}

/* tests/vectors/openfl/make_metric_vectors.py */
static void lines_are_those_of_openfl(void **state)
{
    (void)state;
    vch_buffer file = vector_file("metric_lines.txt");
    char *rest = NULL;
    size_t count = 0;
    char *line = strtok_r((char *)(uintptr_t)vch_buffer_text(&file), "\n", &rest);
    for (; line != NULL; line = strtok_r(NULL, "\n", &rest), count++) {
        uint32_t bits = (uint32_t)strtoul(line, NULL, 16);
        float value = 0;
        memcpy(&value, &bits, sizeof value);
        vch_metric_report one = sample;
        one.value = (double)value;
        vch_buffer out = vch_buffer_with_cap(4096);
        vch_buffer_append_fmt(&out, "%08x ", bits);
        vch_metric_report_say(&one, &out);
        vch_buffer_u8(&out, ' ');
        one.origin = VCH_METRIC_MEAN;
        vch_metric_report_say(&one, &out);
        assert_string_equal(vch_buffer_text(&out), line);
        vch_buffer_drop(&out);
    }
    CHECK(count == 14);
    vch_buffer_drop(&file);
}

static void a_round_is_one_line_as_the_release_of_openfl_writes_it(void **state)
{
    (void)state;
    static const char *const vectors[] = { "metric_rounds_1.7.1.txt", "metric_rounds_1.8.txt",
                                           "metric_rounds_1.9.txt" };
    for (size_t i = 0; i < 3; i++) {
        vouch_error err = { 0 };
        char *text = NULL;
        size_t size = 0;
        vch_buffer wanted = vector_file(vectors[i]);
        vch_metrics m = { .rounds = open_memstream(&text, &size), .is_numbered = i == 2 };
        for (int32_t round = 0; round < 2; round++) {
            const vch_metric_report means[] = {
                { VCH_METRIC_MEAN, "aggregated_model_validation", "accuracy", round,
                  round == 0 ? 0.25 : 0.9312499761581421 },
                { "col1", "train", "loss", round, 7.0 }, /* is in no such line */
                { VCH_METRIC_MEAN, "train", "loss", round, 1e-05 },
            };
            for (size_t k = 0; k < 3; k++)
                CHECK_OK(vch_metrics_put(&m, &means[k], &err), &err);
            CHECK_OK(vch_metrics_end_round(&m, round, 1.5, &err), &err);
        }
        (void)fclose(m.rounds);
        assert_string_equal(text, vch_buffer_text(&wanted));
        free(text);
        vch_buffer_drop(&wanted);
    }
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "we");
    CHECK(full != NULL);
    vch_metrics m = { .json = full };
    CHECK(vch_metrics_put(&m, &sample, NULL) == VOUCH_E_IO);
    (void)fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_metric_goes_to_people_and_to_a_file),
        TEST(until_openfl_1_6_a_metric_is_told_in_its_words),
        TEST(names_that_a_peer_chose_cannot_break_the_line),
        TEST(a_mean_that_overflowed_leaves_the_file_json),
        TEST(lines_are_those_of_openfl),
        TEST(a_round_is_one_line_as_the_release_of_openfl_writes_it),
        TEST(a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
