#include "fed/wire/message.h"

#include "fed/wire/message_parts.h"
#include "fed/wire/named_tensor_wire.h"
#include "fed/wire/protobuf.h"

/* Field numbers of aggregator.proto. */
enum { H_SENDER = 1, H_RECEIVER, H_FEDERATION, H_SINGLE_CN };
enum { HEADER = 1 };
enum { TASK_NAME = 1, TASK_FUNCTION, TASK_TYPE, TASK_APPLY_LOCAL };
enum { TASKS_ROUND = 2, TASKS_TASK, TASKS_SLEEP, TASKS_QUIT };
enum { RESPONSE_ROUND = 2, RESPONSE_TENSOR };

vch_wire_header vch_wire_read_header(vch_pb_reader *outer, const vch_pb_field *field)
{
    vch_wire_header h = { 0 };
    vch_pb_field f;
    vch_pb_reader r = vch_pb_read(vch_pb_message(outer, field), "MessageHeader");
    while (vch_pb_next(&r, &f)) {
        if (f.number == H_SENDER)
            h.sender = vch_pb_text(&r, &f, VCH_WIRE_NAME_MAX);
        else if (f.number == H_RECEIVER)
            h.receiver = vch_pb_text(&r, &f, VCH_WIRE_NAME_MAX);
        else if (f.number == H_FEDERATION)
            h.federation_uuid = vch_pb_text(&r, &f, VCH_WIRE_NAME_MAX);
        else if (f.number == H_SINGLE_CN)
            h.single_col_cert_common_name = vch_pb_text(&r, &f, VCH_WIRE_NAME_MAX);
    }
    if (r.code != VOUCH_OK)
        vch_pb_fail(outer, r.code, r.reason);
    return h;
}

static size_t text_size(vouch_span text)
{
    return text.size == 0 ? 0 : 1 + vch_pb_varint_size(text.size) + text.size;
}

void vch_wire_put_header(const vch_wire_header *h, vch_buffer *out)
{
    vch_pb_put_head(out, HEADER,
                    text_size(h->sender) + text_size(h->receiver) + text_size(h->federation_uuid)
                        + text_size(h->single_col_cert_common_name));
    vch_pb_put_bytes(out, H_SENDER, h->sender);
    vch_pb_put_bytes(out, H_RECEIVER, h->receiver);
    vch_pb_put_bytes(out, H_FEDERATION, h->federation_uuid);
    vch_pb_put_bytes(out, H_SINGLE_CN, h->single_col_cert_common_name);
}

vouch_code vch_wire_header_parse(vouch_span message, const char *what, vch_wire_header *out,
                                 vouch_error *err)
{
    vch_pb_reader r = vch_pb_read(message, what);
    vch_wire_header h = { 0 };
    vch_pb_field f;
    while (vch_pb_next(&r, &f)) {
        if (f.number == HEADER)
            h = vch_wire_read_header(&r, &f);
    }
    vouch_code rc = vch_pb_finish(&r, err);
    if (rc == VOUCH_OK)
        *out = h;
    return rc;
}

void vch_wire_header_write(const vch_wire_header *header, vch_buffer *out)
{
    vch_wire_put_header(header, out);
}

vouch_code vch_wire_header_peek(vouch_span message, vch_wire_header *out, vouch_error *err)
{
    vch_pb_reader r = vch_pb_read(message, "request");
    vch_wire_header h = { 0 };
    vch_pb_field f;
    if (vch_pb_next(&r, &f) && f.number == HEADER)
        h = vch_wire_read_header(&r, &f);
    else
        vch_pb_fail(&r, VOUCH_E_FORMAT, "does not begin with a header");
    vouch_code rc = vch_pb_finish(&r, err);
    if (rc == VOUCH_OK)
        *out = h;
    return rc;
}

static void read_task(vch_pb_reader *outer, const vch_pb_field *field, vch_wire_tasks *tasks)
{
    vch_wire_task t = { 0 };
    vch_pb_field f;
    vch_pb_reader r = vch_pb_read(vch_pb_repeated_message(outer, field), "Task");
    while (vch_pb_next(&r, &f)) {
        if (f.number == TASK_NAME)
            t.name = vch_pb_text(&r, &f, VCH_WIRE_NAME_MAX);
        else if (f.number == TASK_FUNCTION)
            t.function_name = vch_pb_text(&r, &f, VCH_WIRE_NAME_MAX);
        else if (f.number == TASK_TYPE)
            t.task_type = vch_pb_text(&r, &f, VCH_WIRE_NAME_MAX);
        else if (f.number == TASK_APPLY_LOCAL)
            t.apply_local = vch_pb_bool(&r, &f);
    }
    if (r.code != VOUCH_OK)
        vch_pb_fail(outer, r.code, r.reason);
    else if (tasks->task_count >= VCH_WIRE_TASK_MAX)
        vch_pb_fail(outer, VOUCH_E_LIMIT, "too many tasks");
    else
        tasks->task[tasks->task_count++] = t;
}

vouch_code vch_wire_tasks_parse(vouch_span message, vch_wire_tasks *out, vouch_error *err)
{
    vch_pb_reader r = vch_pb_read(message, "GetTasksResponse");
    vch_pb_field f;
    vch_wire_tasks tasks = { 0 };
    while (vch_pb_next(&r, &f)) {
        if (f.number == HEADER)
            tasks.header = vch_wire_read_header(&r, &f);
        else if (f.number == TASKS_ROUND)
            tasks.round = vch_pb_int32(&r, &f);
        else if (f.number == TASKS_TASK)
            read_task(&r, &f, &tasks);
        else if (f.number == TASKS_SLEEP)
            tasks.sleep_s = vch_pb_int32(&r, &f);
        else if (f.number == TASKS_QUIT)
            tasks.quit = vch_pb_bool(&r, &f);
    }
    vouch_code rc = vch_pb_finish(&r, err);
    if (rc == VOUCH_OK)
        *out = tasks;
    return rc;
}

void vch_wire_tasks_write(const vch_wire_tasks *tasks, vch_buffer *out)
{
    vch_wire_put_header(&tasks->header, out);
    vch_pb_put_int32(out, TASKS_ROUND, tasks->round);
    for (size_t i = 0; i < tasks->task_count; i++) {
        const vch_wire_task *t = &tasks->task[i];
        vch_pb_put_head(out, TASKS_TASK,
                        text_size(t->name) + text_size(t->function_name) + text_size(t->task_type)
                            + (t->apply_local ? 2 : 0));
        vch_pb_put_bytes(out, TASK_NAME, t->name);
        vch_pb_put_bytes(out, TASK_FUNCTION, t->function_name);
        vch_pb_put_bytes(out, TASK_TYPE, t->task_type);
        vch_pb_put_bool(out, TASK_APPLY_LOCAL, t->apply_local);
    }
    vch_pb_put_int32(out, TASKS_SLEEP, tasks->sleep_s);
    vch_pb_put_bool(out, TASKS_QUIT, tasks->quit);
}

void vch_wire_tensor_response_head(const vch_wire_header *header, const vch_named_tensor *tensor,
                                   vch_buffer *out)
{
    vch_wire_put_header(header, out);
    vch_pb_put_int32(out, RESPONSE_ROUND, tensor->round);
    vch_named_tensor_write_head(RESPONSE_TENSOR, tensor, out);
}

vouch_code vch_wire_tensor_response_parse(vouch_span message, vch_wire_header *header,
                                          int32_t *out_round, vch_named_tensor *out,
                                          vouch_error *err)
{
    vch_pb_reader r = vch_pb_read(message, "GetAggregatedTensorResponse");
    vch_wire_header h = { 0 };
    vouch_span tensor = { 0 };
    int32_t round = 0;
    vch_pb_field f;
    while (vch_pb_next(&r, &f)) {
        if (f.number == HEADER)
            h = vch_wire_read_header(&r, &f);
        else if (f.number == RESPONSE_ROUND)
            round = vch_pb_int32(&r, &f);
        else if (f.number == RESPONSE_TENSOR)
            tensor = vch_pb_message(&r, &f);
    }
    vouch_code rc = vch_pb_finish(&r, err);
    if (rc == VOUCH_OK)
        rc = vch_named_tensor_parse(tensor, out, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "the answer to GetAggregatedTensor");
    *header = h;
    *out_round = round;
    return VOUCH_OK;
}
