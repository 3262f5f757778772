#include "fed/aggregator/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

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
    assert_string_equal(text[0], "METRIC   " OBJECT "\n");
    assert_string_equal(text[1], OBJECT "\n");
    free(text[0]);
    free(text[1]);
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
        TEST(names_that_a_peer_chose_cannot_break_the_line),
        TEST(a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
