/* What a result's tensors say of themselves on their way out. */
#include "fed/collaborator/outgoing.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

#include "check.h"

static void add(vch_model *m, const char *name, float value)
{
    vouch_error err = { 0 };
    vch_shape scalar;
    vch_tensor t = { 0 };
    CHECK(vch_shape_make(NULL, 0, &scalar, NULL) == VOUCH_OK);
    CHECK_OK(vch_tensor_init(&t, vch_span_str(name), &scalar, &err), &err);
    t.values[0] = value;
    CHECK_OK(vch_model_add(m, &t, &err), &err);
}

/* "NAME TAGS VALUE; " of each tensor that comes. */
typedef struct heard {
    char text[256];
    float value;
} heard;

static vouch_code on_head(void *context, const vch_task_results_head *head, vouch_error *err)
{
    (void)context;
    (void)head;
    (void)err;
    return VOUCH_OK;
}

static vouch_code on_begin(void *context, const vch_named_tensor *t, size_t data_size,
                           vouch_error *err)
{
    heard *h = context;
    size_t at = strlen(h->text);
    char tags[64];
    (void)err;
    CHECK(data_size == sizeof h->value);
    (void)snprintf(h->text + at, sizeof h->text - at, "%.*s %s ", (int)t->name.size,
                   (const char *)t->name.data, vch_tags_text(&t->tags, tags, sizeof tags));
    return VOUCH_OK;
}

static vouch_code on_data(void *context, vouch_span piece, vouch_error *err)
{
    heard *h = context;
    (void)err;
    CHECK(piece.size == sizeof h->value);
    memcpy(&h->value, piece.data, piece.size);
    return VOUCH_OK;
}

static vouch_code on_end(void *context, vouch_error *err)
{
    heard *h = context;
    size_t at = strlen(h->text);
    (void)err;
    (void)snprintf(h->text + at, sizeof h->text - at, "%g; ", (double)h->value);
    return VOUCH_OK;
}

/* A weight from 1 to 3 and a momentum from 10 to 15, sent as changes. */
static const char *sent(bool base_has_optimizer)
{
    static const vch_task_results_sink sink = { on_head, on_begin, on_data, on_end };
    static heard h;
    vouch_error err = { 0 };
    vch_model base = { 0 };
    vch_model model = { 0 };
    vch_outgoing *outgoing = NULL;
    vch_task_results_reader *reader = NULL;
    vch_buffer message = vch_buffer_with_cap(4096);
    bool more = true;
    const vch_plan_task task = { .name = "train", .trains = true };
    const vch_task_outcome outcome = { .trained = true };
    const vch_task_results_head head = { .header = { .sender = vch_span_str("col1") },
                                         .task_name = vch_span_str("train"),
                                         .data_size = 1 };
    const vch_outgoing_update update = { .model = &model,
                                         .base = &base,
                                         .base_has_optimizer = base_has_optimizer,
                                         .pipeline = vch_pipeline_plain(),
                                         .lossless = vch_pipeline_plain() };
    const vch_task_results_limits limits = vch_task_results_limits_for(2, 8);
    h = (heard) { .value = 0.0F };
    add(&base, "w", 1.0F);
    add(&base, "__opt_momentum", 10.0F);
    add(&model, "w", 3.0F);
    add(&model, "__opt_momentum", 15.0F);
    CHECK_OK(vch_outgoing_new(&head, &task, &outcome, &update, &outgoing, &err), &err);
    CHECK_OK(vch_task_results_reader_new(&limits, &sink, &h, &reader, &err), &err);
    vch_task_results_writer *writer = vch_outgoing_writer(outgoing);
    CHECK_OK(vch_task_results_writer_next(writer, &message, &more, &err), &err);
    CHECK_OK(vch_task_results_reader_feed(reader, vch_buffer_span(&message), &err), &err);
    CHECK_OK(vch_task_results_reader_message_end(reader, &err), &err);
    CHECK_OK(vch_task_results_reader_finish(reader, &err), &err);
    vch_task_results_reader_free(reader);
    vch_outgoing_free(outgoing);
    vch_buffer_drop(&message);
    vch_model_done(&base);
    vch_model_done(&model);
    return h.text;
}

static void a_state_that_the_aggregator_has_no_base_of_is_sent_whole(void **state)
{
    (void)state;
    assert_string_equal(sent(false), "w compressed,delta,trained 2; "
                                     "__opt_momentum compressed,trained 15; ");
}

static void a_state_of_the_rounds_model_is_sent_as_a_change_like_the_rest(void **state)
{
    (void)state;
    assert_string_equal(sent(true), "w compressed,delta,trained 2; "
                                    "__opt_momentum compressed,delta,trained 5; ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_state_that_the_aggregator_has_no_base_of_is_sent_whole),
        TEST(a_state_of_the_rounds_model_is_sent_as_a_change_like_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
