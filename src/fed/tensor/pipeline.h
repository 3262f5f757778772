/*
 * Compression pipelines: values <-> (metadata, bytes). Each is a row of a table with two functions
 * in a file of its own. Immutable, share freely. openfl_interop.md section 6.
 */
#ifndef VCH_FED_TENSOR_PIPELINE_H
#define VCH_FED_TENSOR_PIPELINE_H

#include "base/buffer.h"
#include "fed/tensor/named_tensor.h"

typedef struct vch_pipeline vch_pipeline;

struct vch_pipeline {
    const char *name; /* the last part of OpenFL's class name */
    bool lossy;
    bool streams; /* data_bytes are the float32 values themselves, so that they may be spooled
                     as they arrive and read in any piece */
    size_t metadata_count; /* transformers */

    /* Fills metadata and data of `out` (whose other fields the caller set). Data is borrowed from
     * `values` or points into `work`, which must outlive it. */
    vouch_code (*encode)(const vch_shape *shape, const float *values, vch_buffer *work,
                         vch_named_tensor *out, vouch_error *err);

    /* Writes shape->count values; `shape` is what vch_pipeline_shape gave for `in`. */
    vouch_code (*decode)(const vch_named_tensor *in, const vch_shape *shape, float *out_values,
                         vouch_error *err);
};

/* The pipeline without compression, which everything but deltas takes. */
const vch_pipeline *vch_pipeline_plain(void);

/*
 * Find one by the `template` of the plan's section (any module path, the class name counts).
 * Fails with VOUCH_E_UNSUPPORTED.
 */
VOUCH_MUST_CHECK vouch_code vch_pipeline_find(const char *template_name, const vch_pipeline **out,
                                              vouch_error *err);

/*
 * The shape of an encoded tensor; checks the number of metadata. For a pipeline that streams also
 * check the size with vch_pipeline_check_size, before any byte of data is taken.
 */
VOUCH_MUST_CHECK vouch_code vch_pipeline_shape(const vch_pipeline *p, const vch_named_tensor *in,
                                               vch_shape *out, vouch_error *err);

VOUCH_MUST_CHECK vouch_code vch_pipeline_check_size(const vch_pipeline *p, const vch_shape *shape,
                                                    size_t data_size, vouch_error *err);

/* Encode under `round`, `tags`, `report`, `lossless`: a whole vch_named_tensor whose name, tags and
 * data (or `work`) are borrowed. Free with vch_named_tensor_done. */
VOUCH_MUST_CHECK vouch_code vch_pipeline_encode(const vch_pipeline *p, const vch_tensor *t,
                                                vch_buffer *work, vch_named_tensor *out,
                                                vouch_error *err);

/* Decode a whole tensor (data present) into a new one; `out` untouched on failure. */
VOUCH_MUST_CHECK vouch_code vch_pipeline_decode(const vch_pipeline *p, const vch_named_tensor *in,
                                                vch_tensor *out, vouch_error *err);

#endif
