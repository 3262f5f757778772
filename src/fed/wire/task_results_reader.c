#include <stdlib.h>
#include <string.h>

#include "fed/wire/field_walker.h"
#include "fed/wire/message_parts.h"
#include "fed/wire/named_tensor_wire.h"
#include "fed/wire/protobuf.h"
#include "fed/wire/task_results.h"

/* Three messages lie in one another: DataStream carries pieces of TaskResults, which holds
 * NamedTensors. Each has its walker; what one passes on feeds the next. */
enum { STREAM_BYTES = 2 };
enum { R_HEADER = 1, R_ROUND, R_TASK, R_DATA_SIZE, R_TENSORS };
enum { T_NAME = 1, T_ROUND, T_LOSSLESS, T_REPORT, T_TAGS, T_METADATA, T_DATA };

enum { HEADER_SIZE_MAX = 4 * (VCH_WIRE_NAME_MAX + 4) };

struct vch_task_results_reader {
    vch_task_results_limits limits;
    const vch_task_results_sink *sink;
    void *context;

    vch_field_walker stream, results, tensor;
    uint64_t total;        /* bytes of TaskResults so far */
    bool stream_has_bytes; /* in the present DataStream */

    uint32_t last; /* the highest field of TaskResults so far */
    bool head_given;
    vch_task_results_head head;
    uint8_t header_bytes[HEADER_SIZE_MAX];
    size_t header_size;
    char task_name[VCH_WIRE_NAME_MAX];

    size_t tensor_count;
    uint32_t tensor_last; /* the highest field of the present tensor so far */
    bool tensor_begun;
    vch_named_tensor present;
    char name[VCH_TENSOR_NAME_MAX];
    char tags[VCH_TAGS_MAX][VCH_TAG_SIZE_MAX];
};

/* A field may follow itself only if it is repeated; `last` is the highest seen. */
static vouch_code in_order(uint32_t *last, uint32_t number, bool repeated, const char *what,
                           vouch_error *err)
{
    if (number < *last)
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "%s: field %u stands behind field %u", what,
                          number, *last);
    if (number == *last && !repeated)
        return vouch_fail(err, VOUCH_E_FORMAT, "%s: field %u is given twice", what, number);
    *last = number;
    return VOUCH_OK;
}

static vouch_code to_int32(uint64_t value, const char *what, int32_t *out, vouch_error *err)
{
    int64_t wide = (int64_t)value;
    if (wide < INT32_MIN || wide > INT32_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "%s: a number does not fit its field", what);
    *out = (int32_t)wide;
    return VOUCH_OK;
}

static vouch_code to_bool(uint64_t value, const char *what, bool *out, vouch_error *err)
{
    if (value > 1)
        return vouch_fail(err, VOUCH_E_FORMAT, "%s: a truth value is neither 0 nor 1", what);
    *out = value == 1;
    return VOUCH_OK;
}

/* Keep a text beyond the walk's buffer. */
static vouch_code keep_text(vouch_span text, char *room, size_t size, vouch_span *out,
                            vouch_error *err)
{
    if (text.size > size)
        return vouch_fail(err, VOUCH_E_LIMIT, "TaskResults: a text of %zu bytes; at most %zu",
                          text.size, size);
    if (!vch_pb_is_text(text))
        return vouch_fail(err, VOUCH_E_FORMAT, "TaskResults: a text is not UTF-8, or holds a NUL");
    if (text.size > 0)
        memcpy(room, text.data, text.size);
    *out = (vouch_span) { (const uint8_t *)room, text.size };
    return VOUCH_OK;
}

/* --- NamedTensor --- */

static vouch_code tensor_value(void *context, uint32_t number, uint64_t value, vouch_error *err)
{
    vch_task_results_reader *r = context;
    if (number > T_DATA)
        return VOUCH_OK; /* unknown: of a later release */
    vouch_code rc = in_order(&r->tensor_last, number, false, "NamedTensor", err);
    if (rc != VOUCH_OK)
        return rc;
    if (number == T_ROUND)
        return to_int32(value, "NamedTensor", &r->present.round, err);
    if (number == T_LOSSLESS)
        return to_bool(value, "NamedTensor", &r->present.lossless, err);
    if (number == T_REPORT)
        return to_bool(value, "NamedTensor", &r->present.report, err);
    return vouch_fail(err, VOUCH_E_FORMAT, "NamedTensor: field %u is of another type", number);
}

/* Everything about the tensor but its data is known. */
static vouch_code tensor_begin(vch_task_results_reader *r, uint64_t data_size, vouch_error *err)
{
    if (data_size > r->limits.tensor_size_max)
        return vouch_fail(err, VOUCH_E_LIMIT, "a tensor of %llu bytes; at most %zu",
                          (unsigned long long)data_size, r->limits.tensor_size_max);
    r->tensor_begun = true;
    return r->sink->tensor_begin(r->context, &r->present, (size_t)data_size, err);
}

static vouch_code tensor_field(void *context, uint32_t number, uint64_t size, vch_field_take *take,
                               vouch_error *err)
{
    vch_task_results_reader *r = context;
    if (number > T_DATA)
        return VOUCH_OK;
    bool repeated = number == T_TAGS || number == T_METADATA;
    vouch_code rc = in_order(&r->tensor_last, number, repeated, "NamedTensor", err);
    if (rc != VOUCH_OK)
        return rc;
    if (number == T_DATA) {
        *take = VCH_FIELD_PASS;
        return tensor_begin(r, size, err);
    }
    if (number != T_NAME && !repeated)
        return vouch_fail(err, VOUCH_E_FORMAT, "NamedTensor: field %u is of another type", number);
    if (number == T_METADATA && size > r->limits.metadata_size_max)
        return vouch_fail(err, VOUCH_E_LIMIT, "transformer_metadata of %llu bytes; at most %zu",
                          (unsigned long long)size, r->limits.metadata_size_max);
    *take = VCH_FIELD_COLLECT;
    return VOUCH_OK;
}

static vouch_code tensor_bytes(void *context, uint32_t number, vouch_span bytes, vouch_error *err)
{
    vch_task_results_reader *r = context;
    vch_named_tensor *t = &r->present;
    if (number == T_DATA)
        return r->sink->tensor_data(r->context, bytes, err);
    if (number == T_NAME)
        return keep_text(bytes, r->name, sizeof r->name, &t->name, err);
    if (number == T_METADATA) {
        if (t->metadata_count >= VCH_METADATA_MAX)
            return vouch_fail(err, VOUCH_E_LIMIT, "more than %d transformer_metadata",
                              VCH_METADATA_MAX);
        vouch_code rc = vch_metadata_parse(bytes, &t->metadata[t->metadata_count], err);
        if (rc == VOUCH_OK)
            t->metadata_count++;
        return rc;
    }
    vouch_span tag = { 0 };
    if (t->tags.count >= VCH_TAGS_MAX)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %d tags", VCH_TAGS_MAX);
    vouch_code rc = keep_text(bytes, r->tags[t->tags.count], VCH_TAG_SIZE_MAX, &tag, err);
    return rc == VOUCH_OK ? vch_tags_add(&t->tags, tag, err) : rc;
}

static vouch_code tensor_data_end(void *context, uint32_t number, vouch_error *err)
{
    (void)context;
    (void)number;
    (void)err;
    return VOUCH_OK; /* the tensor ends where its message does */
}

static const vch_field_sink tensor_sink = {
    .begin = tensor_field, .value = tensor_value, .bytes = tensor_bytes, .end = tensor_data_end
};

/* --- TaskResults --- */

static vouch_code give_head(vch_task_results_reader *r, vouch_error *err)
{
    if (r->head_given)
        return VOUCH_OK;
    if (r->header_size == 0) /* a sender that does not say who it is never will */
        return vouch_fail(err, VOUCH_E_REFUSED, "TaskResults: no header");
    r->head_given = true;
    return r->sink->head(r->context, &r->head, err);
}

static vouch_code results_value(void *context, uint32_t number, uint64_t value, vouch_error *err)
{
    vch_task_results_reader *r = context;
    if (number > R_TENSORS)
        return VOUCH_OK;
    vouch_code rc = in_order(&r->last, number, false, "TaskResults", err);
    if (rc != VOUCH_OK)
        return rc;
    if (number == R_ROUND)
        return to_int32(value, "TaskResults", &r->head.round, err);
    if (number == R_DATA_SIZE)
        return to_int32(value, "TaskResults", &r->head.data_size, err);
    return vouch_fail(err, VOUCH_E_FORMAT, "TaskResults: field %u is of another type", number);
}

static vouch_code tensor_start(vch_task_results_reader *r, vouch_error *err)
{
    vouch_code rc = give_head(r, err);
    if (rc != VOUCH_OK)
        return rc;
    if (r->tensor_count >= r->limits.tensor_max)
        return vouch_fail(err, VOUCH_E_LIMIT, "more than %zu tensors", r->limits.tensor_max);
    r->tensor_count++;
    vch_named_tensor_done(&r->present);
    r->tensor_last = 0;
    r->tensor_begun = false;
    vch_field_walker_reset(&r->tensor);
    return VOUCH_OK;
}

static vouch_code results_field(void *context, uint32_t number, uint64_t size, vch_field_take *take,
                                vouch_error *err)
{
    (void)size;
    vch_task_results_reader *r = context;
    if (number > R_TENSORS)
        return VOUCH_OK;
    vouch_code rc = in_order(&r->last, number, number == R_TENSORS, "TaskResults", err);
    if (rc != VOUCH_OK)
        return rc;
    if (number == R_ROUND || number == R_DATA_SIZE)
        return vouch_fail(err, VOUCH_E_FORMAT, "TaskResults: field %u is of another type", number);
    *take = number == R_TENSORS ? VCH_FIELD_PASS : VCH_FIELD_COLLECT;
    return number == R_TENSORS ? tensor_start(r, err) : VOUCH_OK;
}

static vouch_code keep_header(vch_task_results_reader *r, vouch_span bytes, vouch_error *err)
{
    if (bytes.size > sizeof r->header_bytes)
        return vouch_fail(err, VOUCH_E_LIMIT, "a header of %zu bytes", bytes.size);
    if (bytes.size > 0)
        memcpy(r->header_bytes, bytes.data, bytes.size);
    r->header_size = bytes.size;
    vch_pb_reader pb = vch_pb_read(bytes, "TaskResults");
    vch_pb_field field = { .number = R_HEADER,
                           .type = VCH_PB_BYTES,
                           .bytes = { r->header_bytes, r->header_size } };
    r->head.header = vch_wire_read_header(&pb, &field);
    return vch_pb_finish(&pb, err);
}

static vouch_code results_bytes(void *context, uint32_t number, vouch_span bytes, vouch_error *err)
{
    vch_task_results_reader *r = context;
    if (number == R_TENSORS)
        return vch_field_walker_feed(&r->tensor, bytes, err);
    if (number == R_HEADER)
        return keep_header(r, bytes, err);
    return keep_text(bytes, r->task_name, sizeof r->task_name, &r->head.task_name, err);
}

static vouch_code results_tensor_end(void *context, uint32_t number, vouch_error *err)
{
    (void)number;
    vch_task_results_reader *r = context;
    vouch_code rc = vch_field_walker_finish(&r->tensor, err);
    if (rc == VOUCH_OK && !r->tensor_begun) /* without data */
        rc = tensor_begin(r, 0, err);
    return rc == VOUCH_OK ? r->sink->tensor_end(r->context, err) : rc;
}

static const vch_field_sink results_sink = { .begin = results_field,
                                             .value = results_value,
                                             .bytes = results_bytes,
                                             .end = results_tensor_end };

/* --- DataStream --- */

static vouch_code stream_value(void *context, uint32_t number, uint64_t value, vouch_error *err)
{
    (void)context;
    (void)value; /* `size` says what npbytes says better */
    if (number == STREAM_BYTES)
        return vouch_fail(err, VOUCH_E_FORMAT, "DataStream: field 2 is of another type");
    return VOUCH_OK;
}

static vouch_code stream_field(void *context, uint32_t number, uint64_t size, vch_field_take *take,
                               vouch_error *err)
{
    vch_task_results_reader *r = context;
    if (number != STREAM_BYTES)
        return VOUCH_OK;
    if (r->stream_has_bytes)
        return vouch_fail(err, VOUCH_E_FORMAT, "DataStream: field 2 is given twice");
    r->stream_has_bytes = true;
    if (size > r->limits.total_size_max - r->total)
        return vouch_fail(err, VOUCH_E_LIMIT, "TaskResults of more than %llu bytes",
                          (unsigned long long)r->limits.total_size_max);
    r->total += size;
    *take = VCH_FIELD_PASS;
    return VOUCH_OK;
}

static vouch_code stream_bytes(void *context, uint32_t number, vouch_span bytes, vouch_error *err)
{
    (void)number;
    vch_task_results_reader *r = context;
    return vch_field_walker_feed(&r->results, bytes, err);
}

static vouch_code stream_bytes_end(void *context, uint32_t number, vouch_error *err)
{
    (void)context;
    (void)number;
    (void)err;
    return VOUCH_OK;
}

static const vch_field_sink stream_sink = {
    .begin = stream_field, .value = stream_value, .bytes = stream_bytes, .end = stream_bytes_end
};

/* --- the reader --- */

vch_task_results_limits vch_task_results_limits_for(size_t count, size_t data_size)
{
    enum { ROOM_TENSORS = 64, ROOM_PER_TENSOR = 8192, ROOM = 1 << 20 };
    size_t tensor_max = count + ROOM_TENSORS;
    return (vch_task_results_limits) {
        .tensor_max = tensor_max,
        .total_size_max = (uint64_t)data_size + (uint64_t)tensor_max * ROOM_PER_TENSOR + ROOM,
        .tensor_size_max = data_size < VCH_TENSOR_DATA_MAX ? data_size : VCH_TENSOR_DATA_MAX,
        .metadata_size_max = ROOM_PER_TENSOR / 2,
    };
}

vouch_code vch_task_results_reader_new(const vch_task_results_limits *limits,
                                       const vch_task_results_sink *sink, void *context,
                                       vch_task_results_reader **out, vouch_error *err)
{
    vch_task_results_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a reader of TaskResults");
    r->limits = *limits;
    r->sink = sink;
    r->context = context;
    size_t metadata = limits->metadata_size_max;
    size_t collect = metadata > VCH_TENSOR_NAME_MAX ? metadata : VCH_TENSOR_NAME_MAX;
    vch_field_walker_init(&r->stream, &stream_sink, r, "DataStream", 0);
    vch_field_walker_init(&r->results, &results_sink, r, "TaskResults", HEADER_SIZE_MAX);
    vch_field_walker_init(&r->tensor, &tensor_sink, r, "NamedTensor", collect);
    *out = r;
    return VOUCH_OK;
}

void vch_task_results_reader_free(vch_task_results_reader *r)
{
    if (r == NULL)
        return;
    vch_field_walker_done(&r->stream);
    vch_field_walker_done(&r->results);
    vch_field_walker_done(&r->tensor);
    vch_named_tensor_done(&r->present);
    free(r);
}

vouch_code vch_task_results_reader_feed(vch_task_results_reader *r, vouch_span bytes,
                                        vouch_error *err)
{
    return vch_field_walker_feed(&r->stream, bytes, err);
}

vouch_code vch_task_results_reader_message_end(vch_task_results_reader *r, vouch_error *err)
{
    vouch_code rc = vch_field_walker_finish(&r->stream, err);
    if (rc != VOUCH_OK)
        return rc;
    vch_field_walker_reset(&r->stream);
    r->stream_has_bytes = false;
    return VOUCH_OK;
}

vouch_code vch_task_results_reader_finish(vch_task_results_reader *r, vouch_error *err)
{
    if (r->total == 0)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "the stream is empty");
    vouch_code rc = vch_field_walker_finish(&r->stream, err);
    if (rc == VOUCH_OK)
        rc = vch_field_walker_finish(&r->results, err);
    return rc == VOUCH_OK ? give_head(r, err) : rc;
}
