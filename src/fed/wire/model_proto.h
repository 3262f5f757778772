/*
 * ModelProto: init.pbuf, best.pbuf, last.pbuf. Read from bytes, written tensor by tensor.
 * openfl_interop.md sections 2, 7, 9.
 */
#ifndef VCH_FED_WIRE_MODEL_PROTO_H
#define VCH_FED_WIRE_MODEL_PROTO_H

#include "base/buffer.h"
#include "fed/tensor/pipeline.h"
#include "fed/tensor/tensor.h"

#define VCH_MODEL_FILE_MAX VCH_MODEL_DATA_MAX

/*
 * Read a model file through the plan's pipeline. All tensors must carry the same round, the tag
 * "model", and a name of their own; a value that is not finite is refused.
 * `out` is untouched on failure; free with vch_model_done.
 */
VOUCH_MUST_CHECK vouch_code vch_model_parse(vouch_span file, const vch_pipeline *p, vch_model *out,
                                            vouch_error *err);

/* The same from a file's tensors one by one: the message of its next tensor joins the model. */
VOUCH_MUST_CHECK vouch_code vch_model_parse_tensor(vouch_span message, const vch_pipeline *p,
                                                   vch_model *m, vouch_error *err);

/* A whole model file in pieces, for models that are not held twice: `put` takes them in order. */
VOUCH_MUST_CHECK vouch_code vch_model_write_parts(const vch_model *m, const vch_pipeline *p,
                                                  vouch_code (*put)(void *context, vouch_span bytes,
                                                                    vouch_error *err),
                                                  void *context, vouch_error *err);

/* Append a whole model file: round m->round, lossless, tag "model". */
VOUCH_MUST_CHECK vouch_code vch_model_write(const vch_model *m, const vch_pipeline *p,
                                            vch_buffer *out, vouch_error *err);

/* One tensor of it, for models that are written from spools: fields before the data. `tensor` has
 * its metadata; tensor->data.size bytes follow. */
void vch_model_write_head(const vch_named_tensor *tensor, vch_buffer *out);

#endif
