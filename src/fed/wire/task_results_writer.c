#include <stdlib.h>

#include "fed/wire/message_parts.h"
#include "fed/wire/named_tensor_wire.h"
#include "fed/wire/protobuf.h"
#include "fed/wire/task_results.h"

enum { STREAM_SIZE = 1, STREAM_BYTES = 2 };
enum { R_ROUND = 2, R_TASK, R_DATA_SIZE, R_TENSORS };
enum { HEAD_SIZE_MAX = 1 << 20 };

#define MESSAGE_MAX ((uint64_t)INT32_MAX) /* what protobuf can carry */

struct vch_task_results_writer {
    vch_task_results_head head;
    const vch_named_tensor *tensors; /* kept */
    size_t tensor_count;
    uint64_t size, given;

    size_t next;        /* the tensor whose head comes after the present segment */
    vch_buffer work;    /* the present head */
    vouch_span segment; /* what is left of the present head or data */
    bool data_follows;  /* the data of tensor next - 1 comes after the segment */
};

static void write_head(vch_task_results_writer *w)
{
    w->work.size = 0;
    vch_wire_put_header(&w->head.header, &w->work);
    vch_pb_put_int32(&w->work, R_ROUND, w->head.round);
    vch_pb_put_bytes(&w->work, R_TASK, w->head.task_name);
    vch_pb_put_int32(&w->work, R_DATA_SIZE, w->head.data_size);
    w->segment = vch_buffer_span(&w->work);
}

void vch_task_results_writer_rewind(vch_task_results_writer *w)
{
    w->given = 0;
    w->next = 0;
    w->data_follows = false;
    write_head(w);
}

vouch_code vch_task_results_writer_new(const vch_task_results_head *head,
                                       const vch_named_tensor *tensors, size_t tensor_count,
                                       vch_task_results_writer **out, vouch_error *err)
{
    vch_task_results_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a writer of TaskResults");
    w->head = *head;
    w->tensors = tensors;
    w->tensor_count = tensor_count;
    w->work = vch_buffer_with_cap(HEAD_SIZE_MAX + VCH_TENSOR_DATA_MAX);
    vch_task_results_writer_rewind(w);
    w->size = w->segment.size;
    for (size_t i = 0; i < tensor_count; i++)
        w->size += vch_wire_named_tensor_size(&tensors[i]);
    vouch_code rc = vch_buffer_finish(&w->work, "TaskResults", err);
    if (rc == VOUCH_OK && w->size > MESSAGE_MAX)
        rc = vouch_fail(err, VOUCH_E_LIMIT, "TaskResults of %llu bytes; protobuf carries %llu",
                        (unsigned long long)w->size, (unsigned long long)MESSAGE_MAX);
    if (rc != VOUCH_OK) {
        vch_task_results_writer_free(w);
        return rc;
    }
    *out = w;
    return VOUCH_OK;
}

void vch_task_results_writer_free(vch_task_results_writer *w)
{
    if (w == NULL)
        return;
    vch_buffer_drop(&w->work);
    free(w);
}

uint64_t vch_task_results_writer_size(const vch_task_results_writer *w)
{
    return w->size;
}

/* The present segment is used up: the data of this tensor, or the head of the next. */
static bool next_segment(vch_task_results_writer *w)
{
    if (w->data_follows) {
        w->segment = w->tensors[w->next - 1].data;
        w->data_follows = false;
    } else if (w->next < w->tensor_count) {
        w->work.size = 0;
        vch_named_tensor_write_head(R_TENSORS, &w->tensors[w->next], &w->work);
        w->segment = vch_buffer_span(&w->work);
        w->data_follows = true;
        w->next++;
    } else {
        return false;
    }
    return true;
}

/* Append exactly `size` bytes of the message. */
static bool append_pieces(vch_task_results_writer *w, size_t size, vch_buffer *out)
{
    while (size > 0 && out->failed == VOUCH_OK && w->work.failed == VOUCH_OK) {
        if (w->segment.size == 0) {
            if (!next_segment(w))
                return false; /* sizes were added up wrongly */
            continue;
        }
        size_t part = size < w->segment.size ? size : w->segment.size;
        vch_cursor c = vch_cursor_over(w->segment);
        vch_buffer_append(out, vch_cursor_take(&c, part));
        w->segment = c.rest;
        size -= part;
    }
    return true;
}

vouch_code vch_task_results_writer_next(vch_task_results_writer *w, vch_buffer *out, bool *out_more,
                                        vouch_error *err)
{
    uint64_t left = w->size - w->given;
    if (left == 0) {
        *out_more = false;
        return VOUCH_OK;
    }
    size_t size = left < VCH_WIRE_PIECE_SIZE ? (size_t)left : VCH_WIRE_PIECE_SIZE;
    vch_pb_put_uint32(out, STREAM_SIZE, (uint32_t)size);
    vch_pb_put_head(out, STREAM_BYTES, size);
    if (!append_pieces(w, size, out))
        return vouch_fail(err, VOUCH_E_INTERNAL, "TaskResults: shorter than it said");
    vouch_code rc = vch_buffer_finish(&w->work, "TaskResults", err);
    if (rc == VOUCH_OK)
        rc = vch_buffer_finish(out, "DataStream", err);
    if (rc != VOUCH_OK)
        return rc;
    w->given += size;
    *out_more = true;
    return VOUCH_OK;
}
