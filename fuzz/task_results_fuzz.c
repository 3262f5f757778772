/* A stream of DataStream messages as a collaborator may send it. The first byte chooses the size of
 * the pieces; the same bytes in one piece must be told and judged the same. */
#include <stdint.h>
#include <string.h>

#include "fed/tensor/pipeline.h"
#include "fed/wire/task_results.h"

typedef struct told {
    size_t heads, tensors, open, bytes, expected;
    uint64_t digest; /* of everything that was told, in its order */
} told;

static void mix(told *t, const void *data, size_t size)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++)
        t->digest = (t->digest ^ p[i]) * UINT64_C(0x100000001B3);
}

static vouch_code on_head(void *context, const vch_task_results_head *head, vouch_error *err)
{
    (void)err;
    told *t = context;
    if (t->heads++ != 0 || t->tensors != 0)
        __builtin_trap(); /* once, and first */
    mix(t, head->header.sender.data, head->header.sender.size);
    mix(t, head->task_name.data, head->task_name.size);
    mix(t, &head->round, sizeof head->round);
    return VOUCH_OK;
}

static vouch_code on_begin(void *context, const vch_named_tensor *tensor, size_t data_size,
                           vouch_error *err)
{
    told *t = context;
    vch_shape shape;
    if (t->heads != 1 || t->open++ != 0)
        __builtin_trap(); /* after the head, and one at a time */
    t->tensors++;
    t->bytes = 0;
    t->expected = data_size;
    mix(t, tensor->name.data, tensor->name.size);
    vouch_code rc = vch_pipeline_shape(vch_pipeline_plain(), tensor, &shape, err);
    return rc == VOUCH_OK ? vch_pipeline_check_size(vch_pipeline_plain(), &shape, data_size, err)
                          : rc;
}

static vouch_code on_data(void *context, vouch_span piece, vouch_error *err)
{
    (void)err;
    told *t = context;
    t->bytes += piece.size;
    if (t->open != 1 || t->bytes > t->expected)
        __builtin_trap(); /* more than was said */
    mix(t, piece.data, piece.size);
    return VOUCH_OK;
}

static vouch_code on_end(void *context, vouch_error *err)
{
    (void)err;
    told *t = context;
    if (t->open-- != 1 || t->bytes != t->expected)
        __builtin_trap();
    return VOUCH_OK;
}

static const vch_task_results_sink sink = { on_head, on_begin, on_data, on_end };

static vouch_code read_all(const uint8_t *data, size_t size, size_t piece, told *t)
{
    vouch_error err = { 0 };
    vch_task_results_reader *r = NULL;
    vch_task_results_limits limits = vch_task_results_limits_for(4, 4096);
    vouch_code rc = vch_task_results_reader_new(&limits, &sink, t, &r, &err);
    for (size_t at = 0; rc == VOUCH_OK && at < size; at += piece) {
        size_t part = size - at < piece ? size - at : piece;
        rc = vch_task_results_reader_feed(r, (vouch_span) { data + at, part }, &err);
    }
    if (rc == VOUCH_OK)
        rc = vch_task_results_reader_message_end(r, &err);
    if (rc == VOUCH_OK)
        rc = vch_task_results_reader_finish(r, &err);
    if ((rc != VOUCH_OK) != (err.depth != 0) || (rc == VOUCH_OK && (t->heads != 1 || t->open != 0)))
        __builtin_trap();
    vch_task_results_reader_free(r);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    told whole = { .heads = 0 };
    told cut = { .heads = 0 };
    if (size == 0)
        return 0;
    vouch_code one = read_all(data + 1, size - 1, size, &whole);
    vouch_code two = read_all(data + 1, size - 1, (size_t)data[0] + 1, &cut);
    if (one != two || whole.tensors != cut.tensors
        || (one == VOUCH_OK && whole.digest != cut.digest))
        __builtin_trap();
    return 0;
}
