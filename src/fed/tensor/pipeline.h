/*
 * Compression pipelines: values <-> (metadata, bytes), as the plan sets them. A pipeline is a value
 * without inner state, share it freely. What is random in an encoding follows from the pipeline's
 * seed, the tensor's name and the round, so that a round that is run again gives the same bytes.
 * Encode a tensor once a round: OpenFL's own encoders give another result at each call.
 * openfl_interop.md section 6.
 */
#ifndef VCH_FED_TENSOR_PIPELINE_H
#define VCH_FED_TENSOR_PIPELINE_H

#include "base/buffer.h"
#include "fed/plan/plan.h"
#include "fed/tensor/named_tensor.h"

typedef struct vch_codec vch_codec;

typedef struct vch_pipeline {
    const vch_codec *codec;
    vch_plan_pipeline how;
    uint64_t seed;
} vch_pipeline;

/* The pipeline without compression, which everything but deltas takes if the plan's is lossy. */
const vch_pipeline *vch_pipeline_plain(void);

/* The plan's, for one participant: `name` takes part in the seed. */
void vch_pipeline_for(const vch_plan_view *plan, const char *name, vch_pipeline *out);

/* The same from settings. how->kind must be one of the enum. */
vch_pipeline vch_pipeline_make(const vch_plan_pipeline *how, uint64_t seed);

const char *vch_pipeline_name(const vch_pipeline *p); /* the last part of OpenFL's class name */
bool vch_pipeline_is_lossy(const vch_pipeline *p);

/* Are data_bytes the float32 values themselves, so that they may be spooled as they arrive and read
 * in any piece? */
bool vch_pipeline_streams(const vch_pipeline *p);

/* Bytes that one MetadataProto of a tensor of so many values may take on the wire. */
size_t vch_pipeline_metadata_max(const vch_pipeline *p, size_t value_count);

/*
 * The shape of an encoded tensor; checks the number of metadata. For a pipeline that streams also
 * check the size with vch_pipeline_check_size, before any byte of data is taken.
 */
VOUCH_MUST_CHECK vouch_code vch_pipeline_shape(const vch_pipeline *p, const vch_named_tensor *in,
                                               vch_shape *out, vouch_error *err);

/* Can so many bytes be an encoding of the shape? Exact for a pipeline that streams, else a bound. */
VOUCH_MUST_CHECK vouch_code vch_pipeline_check_size(const vch_pipeline *p, const vch_shape *shape,
                                                    size_t data_size, vouch_error *err);

/*
 * Encode under the name, round, tags, report and lossless that the caller has set in `out`: fills
 * metadata and data, which is borrowed from `values` or in `work`. Free with vch_named_tensor_done.
 */
VOUCH_MUST_CHECK vouch_code vch_pipeline_encode_values(const vch_pipeline *p,
                                                       const vch_shape *shape, const float *values,
                                                       vch_buffer *work, vch_named_tensor *out,
                                                       vouch_error *err);

/* The same for a tensor, whose name `out` then borrows. */
VOUCH_MUST_CHECK vouch_code vch_pipeline_encode(const vch_pipeline *p, const vch_tensor *t,
                                                vch_buffer *work, vch_named_tensor *out,
                                                vouch_error *err);

/*
 * Decode into shape->count values; `shape` is what vch_pipeline_shape gave for `in`. Takes no more
 * memory than those values have bytes, whatever `in` says. The values are not judged.
 * Fails with VOUCH_E_FORMAT, VOUCH_E_LIMIT (a compressed bomb), VOUCH_E_MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_pipeline_decode_values(const vch_pipeline *p,
                                                       const vch_named_tensor *in,
                                                       const vch_shape *shape, float *out_values,
                                                       vouch_error *err);

/* Decode a whole tensor (data present) into a new one; `out` untouched on failure. */
VOUCH_MUST_CHECK vouch_code vch_pipeline_decode(const vch_pipeline *p, const vch_named_tensor *in,
                                                vch_tensor *out, vouch_error *err);

#endif
