/* A CSV table, then a shard of it; the first byte chooses how many shards. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "fed/runner/dataset.h"

static void build(const vch_csv *csv, uint8_t choice)
{
    vouch_error err = { 0 };
    vch_dataset set = { 0 };
    const vch_data_path path = { .file = "x.csv",
                                 .shard = choice % 3U,
                                 .shard_count = 1U + choice % 3U + choice / 64U };
    const vch_dataset_options options = { .feature_count = csv->column_count - 1,
                                          .class_count = 2U + choice % 8U,
                                          .hold_out_each = 2U + choice % 4U };
    vouch_code rc = vch_dataset_build(csv, &path, &options, &set, &err);
    if ((rc == VOUCH_OK) == (err.depth != 0))
        __builtin_trap();
    if (rc == VOUCH_OK && (set.training.count == 0 || set.validation.count == 0))
        __builtin_trap(); /* promised both */
    for (size_t i = 0; i < set.training.count; i++) {
        if (set.training.labels[i] >= options.class_count)
            __builtin_trap();
    }
    vch_dataset_drop(&set);
}

static void parse_path(vouch_span text)
{
    vouch_error err = { 0 };
    vch_data_path path = { 0 };
    if (vch_data_path_parse(text, &path, &err) != VOUCH_OK) {
        if (err.depth == 0 || path.shard_count != 0)
            __builtin_trap();
        return;
    }
    if (path.shard >= path.shard_count || path.file[0] == '\0')
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    vouch_error err = { 0 };
    vch_csv csv = { 0 };
    vouch_span text = { data + 1, size - 1 };
    vouch_code rc = vch_csv_parse("x.csv", text, &csv, &err);
    if ((rc == VOUCH_OK) == (err.depth != 0) || (rc != VOUCH_OK && csv.values != NULL))
        __builtin_trap(); /* no reason, or an output in spite of a failure */
    for (size_t i = 0; i < csv.row_count * csv.column_count; i++) {
        if (!isfinite(csv.values[i]))
            __builtin_trap();
    }
    if (rc == VOUCH_OK)
        build(&csv, data[0]);
    vch_csv_drop(&csv);
    parse_path(text);
    return 0;
}
