/*
 * TaskResults: the one large message from a collaborator, in a stream of DataStream messages. It is
 * read as it arrives and written piece by piece; neither side ever holds it whole.
 * openfl_interop.md sections 2, 3, 4.3.
 *
 * The reader wants the fields of TaskResults and NamedTensor in the order of their numbers, as every
 * protobuf library writes them, because a tensor's name and shape must be judged before its data is
 * taken; another order is refused. One thread at a time.
 */
#ifndef VCH_FED_WIRE_TASK_RESULTS_H
#define VCH_FED_WIRE_TASK_RESULTS_H

#include "base/buffer.h"
#include "fed/tensor/named_tensor.h"
#include "fed/wire/message.h"

#define VCH_WIRE_PIECE_SIZE ((size_t)2 * 1024 * 1024) /* payload of one DataStream */

typedef struct vch_task_results_head {
    vch_wire_header header;
    int32_t round;
    vouch_span task_name;
    int32_t data_size; /* the weight: samples; -1 for a task that is neither */
} vch_task_results_head;

typedef struct vch_task_results_limits {
    size_t tensor_max;        /* tensors */
    uint64_t total_size_max;  /* bytes of the whole message */
    size_t tensor_size_max;   /* bytes of one tensor's data */
    size_t metadata_size_max; /* bytes of one MetadataProto on the wire */
} vch_task_results_limits;

/* What a TaskResults of a model of `count` tensors and `data_size` bytes may need, with room for
 * headers and metrics. */
vch_task_results_limits vch_task_results_limits_for(size_t count, size_t data_size);

/*
 * Called in the order of the stream: head once, then for each tensor begin, data (none, or many
 * times), end. A code other than VOUCH_OK stops the reading for good and is passed on. What the
 * pointers show is borrowed for the call; the head given to `begin` stays until `end`.
 */
typedef struct vch_task_results_sink {
    vouch_code (*head)(void *context, const vch_task_results_head *head, vouch_error *err);
    vouch_code (*tensor_begin)(void *context, const vch_named_tensor *tensor, size_t data_size,
                               vouch_error *err);
    vouch_code (*tensor_data)(void *context, vouch_span piece, vouch_error *err);
    vouch_code (*tensor_end)(void *context, vouch_error *err);
} vch_task_results_sink;

typedef struct vch_task_results_reader vch_task_results_reader;

/* `sink` and `context` are kept. */
VOUCH_MUST_CHECK vouch_code vch_task_results_reader_new(const vch_task_results_limits *limits,
                                                        const vch_task_results_sink *sink,
                                                        void *context,
                                                        vch_task_results_reader **out,
                                                        vouch_error *err);
void vch_task_results_reader_free(vch_task_results_reader *r);

/* Bytes of the present DataStream message, in pieces of any size. */
VOUCH_MUST_CHECK vouch_code vch_task_results_reader_feed(vch_task_results_reader *r,
                                                         vouch_span bytes, vouch_error *err);

/* The present DataStream message is complete. */
VOUCH_MUST_CHECK vouch_code vch_task_results_reader_message_end(vch_task_results_reader *r,
                                                                vouch_error *err);

/* The stream is complete. An empty stream is VOUCH_E_TRUNCATED: it must never be answered OK. */
VOUCH_MUST_CHECK vouch_code vch_task_results_reader_finish(vch_task_results_reader *r,
                                                           vouch_error *err);

/*
 * Write: `tensors` (with data) and everything in `head` are kept until the writer is freed. Fails
 * with VOUCH_E_LIMIT if the message would pass protobuf's 2 GiB.
 */
typedef struct vch_task_results_writer vch_task_results_writer;
VOUCH_MUST_CHECK vouch_code vch_task_results_writer_new(const vch_task_results_head *head,
                                                        const vch_named_tensor *tensors,
                                                        size_t tensor_count,
                                                        vch_task_results_writer **out,
                                                        vouch_error *err);
void vch_task_results_writer_free(vch_task_results_writer *w);

/* Bytes of the whole TaskResults. */
uint64_t vch_task_results_writer_size(const vch_task_results_writer *w);

/* Append the next DataStream message to `out`; *out_more is false once none is left (nothing was
 * appended). */
VOUCH_MUST_CHECK vouch_code vch_task_results_writer_next(vch_task_results_writer *w,
                                                         vch_buffer *out, bool *out_more,
                                                         vouch_error *err);

/* Start over from the first message, for a second attempt. */
void vch_task_results_writer_rewind(vch_task_results_writer *w);

#endif
