/* What stands behind each pipeline: a row with a handful of functions, in a file of its own. For
 * the files of this folder only. */
#ifndef VCH_FED_TENSOR_CODEC_H
#define VCH_FED_TENSOR_CODEC_H

#include "fed/tensor/pipeline.h"

typedef struct vch_codec_values {
    const vch_shape *shape;
    const float *values;
    uint64_t seed; /* for this tensor in this round */
} vch_codec_values;

struct vch_codec {
    const char *name; /* the last part of OpenFL's class name */
    bool lossy;
    bool streams;
    size_t metadata_count; /* transformers */

    /* The most bytes that data, and one metadata on the wire, can have for so many values. */
    size_t (*data_max)(const vch_pipeline *p, size_t value_count);
    size_t (*metadata_max)(const vch_pipeline *p, size_t value_count);

    /* Fills metadata and data of `out`; on failure the caller frees what was filled in. */
    vouch_code (*encode)(const vch_pipeline *p, const vch_codec_values *in, vch_buffer *work,
                         vch_named_tensor *out, vouch_error *err);

    /* in->metadata_count is right, in->data within data_max. */
    vouch_code (*decode)(const vch_pipeline *p, const vch_named_tensor *in, const vch_shape *shape,
                         float *out_values, vouch_error *err);
};

extern const vch_codec vch_codec_plain;
extern const vch_codec vch_codec_kc;
extern const vch_codec vch_codec_skc;
extern const vch_codec vch_codec_stc;
extern const vch_codec vch_codec_random_shift;
extern const vch_codec vch_codec_eden;

/* int_list = the shape, in the metadata `m`. */
VOUCH_MUST_CHECK vouch_code vch_metadata_put_shape(vch_metadata *m, const vch_shape *shape,
                                                   vouch_error *err);

/* Room for `count` pairs in the metadata `m`, to be filled in. */
VOUCH_MUST_CHECK vouch_code vch_metadata_put_pairs(vch_metadata *m, size_t count, vouch_error *err);

/* float32 as they are: `data` <-> values. */
VOUCH_MUST_CHECK vouch_code vch_plain_decode(vouch_span data, const vch_shape *shape,
                                             float *out_values, vouch_error *err);

#endif
