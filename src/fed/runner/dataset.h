/*
 * One participant's share of a table: features, class labels, and which rows are held out.
 *
 * A data path names a CSV file and optionally a shard, `data/optdigits.csv#0/3`: of the rows,
 * counted from 0, those with row % 3 == 0. Of a shard's rows, counted anew from 0, every row k with
 * k % validation_every == validation_every - 1 is held out for validation. So shards are disjoint,
 * together they are the file, and the same path always gives the same split.
 * The last column is the label, a whole number from 0 to classes - 1. Immutable after build.
 */
#ifndef VCH_FED_RUNNER_DATASET_H
#define VCH_FED_RUNNER_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "fed/runner/csv.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_DATA_PATH_MAX 1024 /* bytes of the file's part, with its NUL */

typedef struct vch_data_path {
    char file[VCH_DATA_PATH_MAX];
    uint32_t shard, shard_count; /* 0 of 1: the whole file */
} vch_data_path;

/* Split `path#i/n`; i from 0 to n-1, n from 1 to 100000. Fails with VOUCH_E_CONFIG. */
VOUCH_MUST_CHECK vouch_code vch_data_path_parse(vouch_span text, vch_data_path *out,
                                                vouch_error *err);

typedef struct vch_rows {
    size_t count;
    float *features;  /* count x the set's feature_count */
    uint32_t *labels; /* count */
} vch_rows;

typedef struct vch_dataset {
    size_t feature_count, class_count;
    vch_rows training, validation;
} vch_dataset;

typedef struct vch_dataset_options {
    size_t feature_count;   /* demanded of the file: its columns less the label */
    size_t class_count;     /* labels run from 0 to class_count - 1 */
    float feature_scale;    /* each feature is multiplied by it; 0 means 1 */
    uint32_t hold_out_each; /* every n-th row is held out; from 2 */
} vch_dataset_options;

/*
 * Take one shard of a table. `path` is used for the shard and in errors.
 * Fails with VOUCH_E_FORMAT (columns, labels), VOUCH_E_CONFIG (a shard without training or
 * validation rows), VOUCH_E_MEMORY. Free with vch_dataset_drop().
 */
VOUCH_MUST_CHECK vouch_code vch_dataset_build(const vch_csv *csv, const vch_data_path *path,
                                              const vch_dataset_options *options, vch_dataset *out,
                                              vouch_error *err);

void vch_dataset_drop(vch_dataset *set); /* frees; safe twice and on a zeroed set */

#endif
