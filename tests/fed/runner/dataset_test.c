#include "fed/runner/dataset.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

#include "check.h"

static void a_data_path_names_a_file_and_a_shard(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_data_path path = { 0 };
    CHECK_OK(vch_data_path_parse(vch_span_str("data/a.csv"), &path, &err), &err);
    CHECK(strcmp(path.file, "data/a.csv") == 0 && path.shard == 0 && path.shard_count == 1);
    CHECK_OK(vch_data_path_parse(vch_span_str("data/#a.csv#2/3"), &path, &err), &err);
    CHECK(strcmp(path.file, "data/#a.csv") == 0 && path.shard == 2 && path.shard_count == 3);
}

static void a_wrong_shard_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",          "a#",     "a#1",        "a#3/3",
                                         "a#1/0",     "#0/1",   "a#01/3",     "a#0/3x",
                                         "a# 0/3",    "a#-1/3", "a#0/100001", "a#0/4294967297",
                                         "a.csv#b/3", "a#/3",   "a#0/",       "a#0/3/" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        vch_data_path path = { .shard = 77 };
        if (vch_data_path_parse(vch_span_str(wrong[i]), &path, NULL) != VOUCH_E_CONFIG)
            fail_msg("accepted: %s", wrong[i]);
        CHECK(path.shard == 77);
    }
}

#define ROWS 20

static vch_csv table(float cells[ROWS * 2])
{
    for (size_t i = 0; i < ROWS; i++) {
        cells[i * 2] = (float)i;
        cells[i * 2 + 1] = (float)(i % 2);
    }
    return (vch_csv) { .row_count = ROWS, .column_count = 2, .values = cells };
}

static const vch_dataset_options options = {
    .feature_count = 1, .class_count = 2, .feature_scale = 0.5F, .hold_out_each = 3
};

static void shards_are_disjoint_and_together_the_file(void **state)
{
    (void)state;
    float cells[ROWS * 2];
    vch_csv csv = table(cells);
    unsigned seen[ROWS] = { 0 };
    for (uint32_t shard = 0; shard < 3; shard++) {
        vouch_error err = { 0 };
        vch_dataset set = { 0 };
        vch_data_path path = { .file = "t.csv", .shard = shard, .shard_count = 3 };
        CHECK_OK(vch_dataset_build(&csv, &path, &options, &set, &err), &err);
        for (size_t i = 0; i < set.training.count; i++)
            seen[(size_t)(set.training.features[i] * 2.0F)]++;
        for (size_t i = 0; i < set.validation.count; i++)
            seen[(size_t)(set.validation.features[i] * 2.0F)]++;
        vch_dataset_drop(&set);
    }
    for (size_t i = 0; i < ROWS; i++)
        CHECK(seen[i] == 1);
}

static void every_third_row_of_a_shard_is_held_out(void **state)
{
    (void)state;
    float cells[ROWS * 2];
    vch_csv csv = table(cells);
    vouch_error err = { 0 };
    vch_dataset set = { 0 };
    vch_data_path path = { .file = "t.csv", .shard = 1, .shard_count = 2 }; /* 1 3 5 ... 19 */
    CHECK_OK(vch_dataset_build(&csv, &path, &options, &set, &err), &err);
    CHECK(set.training.count == 7 && set.validation.count == 3);
    CHECK(set.validation.features[0] == 2.5F); /* row 5, scaled */
    CHECK(set.validation.features[1] == 5.5F);
    CHECK(set.validation.features[2] == 8.5F);
    CHECK(set.validation.labels[0] == 1);
    vch_dataset_drop(&set);
    vch_dataset_drop(&set);
}

static void a_label_that_is_no_class_is_refused_with_its_line(void **state)
{
    (void)state;
    static const float wrong[] = { 2.0F, -1.0F, 0.5F, 1e20F };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        float cells[ROWS * 2];
        vch_csv csv = table(cells);
        cells[7 * 2 + 1] = wrong[i];
        vouch_error err = { 0 };
        vch_dataset set = { 0 };
        vch_data_path path = { .file = "t.csv", .shard_count = 1 };
        CHECK(vch_dataset_build(&csv, &path, &options, &set, &err) == VOUCH_E_FORMAT);
        CHECK(strstr(err.frame[1], "t.csv:9") != NULL);
        CHECK(set.training.features == NULL);
    }
}

static void other_columns_than_the_plan_says_are_refused(void **state)
{
    (void)state;
    float cells[ROWS * 2];
    vch_csv csv = table(cells);
    vch_dataset_options two = options;
    two.feature_count = 2;
    vch_dataset set = { 0 };
    vch_data_path path = { .file = "t.csv", .shard_count = 1 };
    CHECK(vch_dataset_build(&csv, &path, &two, &set, NULL) == VOUCH_E_FORMAT);
}

static void a_shard_without_rows_to_hold_out_is_refused(void **state)
{
    (void)state;
    float cells[ROWS * 2];
    vch_csv csv = table(cells);
    vch_dataset set = { 0 };
    vch_data_path path = { .file = "t.csv", .shard = 1, .shard_count = 10 }; /* two rows */
    CHECK(vch_dataset_build(&csv, &path, &options, &set, NULL) == VOUCH_E_CONFIG);
    path.shard_count = 50;
    path.shard = 30; /* none */
    CHECK(vch_dataset_build(&csv, &path, &options, &set, NULL) == VOUCH_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_data_path_names_a_file_and_a_shard),
        TEST(a_wrong_shard_is_refused),
        TEST(shards_are_disjoint_and_together_the_file),
        TEST(every_third_row_of_a_shard_is_held_out),
        TEST(a_label_that_is_no_class_is_refused_with_its_line),
        TEST(other_columns_than_the_plan_says_are_refused),
        TEST(a_shard_without_rows_to_hold_out_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
