/* NamedTensor and MetadataProto of base.proto, whole in memory. openfl_interop.md section 2. */
#ifndef VCH_FED_WIRE_NAMED_TENSOR_WIRE_H
#define VCH_FED_WIRE_NAMED_TENSOR_WIRE_H

#include "base/buffer.h"
#include "fed/tensor/named_tensor.h"

#define VCH_METADATA_ENTRY_MAX (VCH_TENSOR_DATA_MAX / sizeof(float))

/* Allocates; `out` untouched on failure. Free with vch_metadata_done. */
VOUCH_MUST_CHECK vouch_code vch_metadata_parse(vouch_span message, vch_metadata *out,
                                               vouch_error *err);
void vch_metadata_write(const vch_metadata *m, vch_buffer *out);

/* A NamedTensor; its data borrows from `message`. Free with vch_named_tensor_done. */
VOUCH_MUST_CHECK vouch_code vch_named_tensor_parse(vouch_span message, vch_named_tensor *out,
                                                   vouch_error *err);

/* Everything before the data as field `number` of an outer message: tag, length of the whole, the
 * fields 1 to 6, tag and length of field 7. tensor->data.size bytes follow. */
void vch_named_tensor_write_head(uint32_t number, const vch_named_tensor *tensor, vch_buffer *out);

/* Bytes of the NamedTensor itself, data included. */
size_t vch_named_tensor_wire_size(const vch_named_tensor *tensor);

#endif
