#include "fed/runner/dataset.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/scope.h"
#include "base/size.h"

#define MAX_SHARDS 100000

static vouch_code bad_shard(vouch_span text, vouch_error *err)
{
    return vouch_fail(
        err, VOUCH_E_CONFIG,
        "data path '%.*s': after '#' comes i/n, the shard i of n, with i from 0 to n-1",
        (int)text.size, (const char *)text.data);
}

/* Decimal digits without a leading zero, at most MAX_SHARDS. */
static bool read_index(vch_cursor *c, uint32_t *out)
{
    uint32_t value = 0;
    size_t digits = 0;
    while (c->rest.size > 0 && c->rest.data[0] >= '0' && c->rest.data[0] <= '9') {
        if (digits > 0 && value == 0)
            return false;
        value = value * 10 + (uint32_t)(vch_cursor_u8(c) - '0');
        if (++digits > 6 || value > MAX_SHARDS)
            return false;
    }
    *out = value;
    return digits > 0;
}

vouch_code vch_data_path_parse(vouch_span text, vch_data_path *out, vouch_error *err)
{
    if (text.size > VCH_DATA_PATH_MAX)
        return vouch_fail(err, VOUCH_E_CONFIG, "data path: more than %d bytes", VCH_DATA_PATH_MAX);
    if (text.size > 0 && memchr(text.data, 0, text.size) != NULL)
        return vouch_fail(err, VOUCH_E_CONFIG, "data path: holds a NUL byte");
    vch_data_path path = { .shard_count = 1 };
    size_t file_size = text.size;
    while (file_size > 0 && text.data[file_size - 1] != '#')
        file_size--;
    vch_cursor c = vch_cursor_over(text);
    if (file_size == 0) { /* no '#' */
        file_size = text.size;
    } else {
        file_size--;
        (void)vch_cursor_take(&c, file_size + 1);
        if (!read_index(&c, &path.shard) || vch_cursor_u8(&c) != '/'
            || !read_index(&c, &path.shard_count) || c.rest.size != 0
            || path.shard >= path.shard_count)
            return bad_shard(text, err);
    }
    if (file_size == 0 || file_size >= sizeof path.file)
        return vouch_fail(err, VOUCH_E_CONFIG, "data path '%.*s': names no file", (int)text.size,
                          (const char *)text.data);
    c = vch_cursor_over(text);
    vch_cursor_copy(&c, path.file, file_size);
    *out = path;
    return VOUCH_OK;
}

static void drop_rows(vch_rows *rows)
{
    free(rows->features);
    free(rows->labels);
    *rows = (vch_rows) { 0 };
}

void vch_dataset_drop(vch_dataset *set)
{
    drop_rows(&set->training);
    drop_rows(&set->validation);
    *set = (vch_dataset) { 0 };
}

static vouch_code alloc_rows(vch_rows *rows, size_t count, size_t feature_count, vouch_error *err)
{
    size_t cells = 0;
    if (!vch_size_mul(count, feature_count, &cells) || cells == 0)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu rows of %zu features", count, feature_count);
    rows->features = calloc(cells, sizeof *rows->features);
    rows->labels = calloc(count, sizeof *rows->labels);
    if (rows->features == NULL || rows->labels == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for %zu rows", count);
    return VOUCH_OK;
}

static vouch_code add_row(vch_rows *rows, const float *cells, const vch_dataset_options *options,
                          vouch_error *err)
{
    float label = cells[options->feature_count];
    if (!(label >= 0.0F && label < (float)options->class_count) || label != (float)(uint32_t)label)
        return vouch_fail(err, VOUCH_E_FORMAT, "label %g is not a whole number from 0 to %zu",
                          (double)label, options->class_count - 1);
    float scale = options->feature_scale == 0.0F ? 1.0F : options->feature_scale;
    float *features = rows->features + rows->count * options->feature_count;
    for (size_t i = 0; i < options->feature_count; i++)
        features[i] = cells[i] * scale;
    rows->labels[rows->count] = (uint32_t)label;
    rows->count++;
    return VOUCH_OK;
}

static vouch_code fill(const vch_csv *csv, const vch_data_path *path,
                       const vch_dataset_options *options, vch_dataset *set, vouch_error *err)
{
    size_t in_shard = 0;
    for (size_t row = path->shard; row < csv->row_count; row += path->shard_count) {
        bool held_out = in_shard++ % options->hold_out_each == options->hold_out_each - 1;
        vouch_code rc = add_row(held_out ? &set->validation : &set->training,
                                csv->values + row * csv->column_count, options, err);
        if (rc != VOUCH_OK) /* the header is line 1 */
            return vouch_wrap(err, rc, "%s:%zu", path->file, row + 2);
    }
    return VOUCH_OK;
}

static vouch_code check_fit(const vch_csv *csv, const vch_data_path *path,
                            const vch_dataset_options *options, vouch_error *err)
{
    if (options->feature_count == 0 || options->class_count < 2 || options->hold_out_each < 2)
        return vouch_fail(err, VOUCH_E_CONFIG,
                          "features, classes and validation_every must be at least 1, 2 and 2");
    if (csv->column_count != options->feature_count + 1)
        return vouch_fail(err, VOUCH_E_FORMAT,
                          "%s:1: %zu columns; the plan says %zu features and a label", path->file,
                          csv->column_count, options->feature_count);
    size_t in_shard = csv->row_count > path->shard
                          ? (csv->row_count - path->shard - 1) / path->shard_count + 1
                          : 0;
    if (in_shard < options->hold_out_each)
        return vouch_fail(
            err, VOUCH_E_CONFIG, "%s: shard %u of %u has %zu rows; %u are needed to hold one out",
            path->file, path->shard, path->shard_count, in_shard, options->hold_out_each);
    return VOUCH_OK;
}

vouch_code vch_dataset_build(const vch_csv *csv, const vch_data_path *path,
                             const vch_dataset_options *options, vch_dataset *out, vouch_error *err)
{
    vouch_code rc = check_fit(csv, path, options, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_dataset_drop)
    vch_dataset set = { .feature_count = options->feature_count,
                        .class_count = options->class_count };
    size_t most = csv->row_count / path->shard_count + 1;
    rc = alloc_rows(&set.training, most, set.feature_count, err);
    if (rc == VOUCH_OK)
        rc = alloc_rows(&set.validation, most / options->hold_out_each + 1, set.feature_count, err);
    if (rc == VOUCH_OK)
        rc = fill(csv, path, options, &set, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = set;
    set = (vch_dataset) { 0 };
    return VOUCH_OK;
}
