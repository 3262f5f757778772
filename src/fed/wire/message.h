/*
 * The control messages of package openfl.aggregator: structs on one side, bytes on the other. The
 * same struct is read and written; read, its spans borrow from the message. Fields that the schema
 * does not know are skipped. openfl_interop.md sections 2 and 4.
 */
#ifndef VCH_FED_WIRE_MESSAGE_H
#define VCH_FED_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "fed/tensor/named_tensor.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_WIRE_SERVICE "openfl.aggregator.Aggregator"
#define VCH_WIRE_REQUEST_MAX ((size_t)1 << 20)  /* bytes of a unary request */
#define VCH_WIRE_RESPONSE_MAX ((size_t)1 << 30) /* bytes of a unary response */
#define VCH_WIRE_NAME_MAX 1024                  /* bytes of a sender, task or tensor name */
#define VCH_WIRE_TASK_MAX 256                   /* tasks in one answer */
#define VCH_WIRE_SPEC_MAX 4096                  /* tensors in one batch */

typedef struct vch_wire_header {
    vouch_span sender;
    vouch_span receiver;
    vouch_span federation_uuid;
    vouch_span single_col_cert_common_name;
} vch_wire_header;

typedef struct vch_wire_task {
    vouch_span name;
    vouch_span function_name;
    vouch_span task_type;
    bool apply_local;
} vch_wire_task;

typedef struct vch_wire_tasks {
    vch_wire_header header;
    int32_t round;
    size_t task_count;
    vch_wire_task task[VCH_WIRE_TASK_MAX];
    int32_t sleep_s;
    bool quit;
} vch_wire_tasks; /* GetTasksResponse */

typedef struct vch_wire_tensor_spec {
    vouch_span name;
    int32_t round;
    bool report;
    vch_tags tags;
    bool require_lossless;
} vch_wire_tensor_spec;

/* Messages that are a header only: PingRequest, PingResponse, GetTasksRequest,
 * SendLocalTaskResultsResponse. `what` names the message in errors. */
VOUCH_MUST_CHECK vouch_code vch_wire_header_parse(vouch_span message, const char *what,
                                                  vch_wire_header *out, vouch_error *err);
void vch_wire_header_write(const vch_wire_header *header, vch_buffer *out);

/*
 * The header alone of any request (field 1 first, as every writer has it), so that the caller can
 * be judged before the rest is looked at. Fails with VOUCH_E_FORMAT if there is none.
 */
VOUCH_MUST_CHECK vouch_code vch_wire_header_peek(vouch_span message, vch_wire_header *out,
                                                 vouch_error *err);

VOUCH_MUST_CHECK vouch_code vch_wire_tasks_parse(vouch_span message, vch_wire_tasks *out,
                                                 vouch_error *err);
void vch_wire_tasks_write(const vch_wire_tasks *tasks, vch_buffer *out);

/* GetAggregatedTensorRequest. */
VOUCH_MUST_CHECK vouch_code vch_wire_get_tensor_parse(vouch_span message, vch_wire_header *header,
                                                      vch_wire_tensor_spec *out, vouch_error *err);
void vch_wire_get_tensor_write(const vch_wire_header *header, const vch_wire_tensor_spec *spec,
                               vch_buffer *out);

/* GetAggregatedTensorsRequest: `specs` has room for `spec_max`; VOUCH_E_LIMIT beyond. */
VOUCH_MUST_CHECK vouch_code vch_wire_get_tensors_parse(vouch_span message, vch_wire_header *header,
                                                       vch_wire_tensor_spec *specs, size_t spec_max,
                                                       size_t *out_count, vouch_error *err);
void vch_wire_get_tensors_write(const vch_wire_header *header, const vch_wire_tensor_spec *specs,
                                size_t spec_count, vch_buffer *out);

/*
 * GetAggregatedTensorResponse without its last bytes: after what is appended to `out` come exactly
 * tensor->data.size bytes of data, which the caller sends from where they are (no copy).
 */
void vch_wire_tensor_response_head(const vch_wire_header *header, const vch_named_tensor *tensor,
                                   vch_buffer *out);

/* The same for GetAggregatedTensorsResponse: once the header, then for each tensor its head and its
 * data. */
void vch_wire_tensors_response_begin(const vch_wire_header *header, vch_buffer *out);
void vch_wire_tensors_response_head(const vch_named_tensor *tensor, vch_buffer *out);

/* Bytes of such a head and its data; a response may hold VCH_WIRE_RESPONSE_MAX. */
size_t vch_wire_named_tensor_size(const vch_named_tensor *tensor);

/* Read a GetAggregatedTensorResponse; out->data borrows from `message`. Free `out` with
 * vch_named_tensor_done. */
VOUCH_MUST_CHECK vouch_code vch_wire_tensor_response_parse(vouch_span message,
                                                           vch_wire_header *header,
                                                           int32_t *out_round,
                                                           vch_named_tensor *out, vouch_error *err);

#endif
