#include "fed/wire/message.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "check.h"
#include "fed/vector_file.h"

static const char aggregator[] = "aggregator_plan.yaml_737dd2d5";

static vch_wire_header header(const char *sender, const char *receiver)
{
    return (vch_wire_header) { .sender = vch_span_str(sender),
                               .receiver = vch_span_str(receiver),
                               .federation_uuid = vch_span_str("plan.yaml_737dd2d5") };
}

static void check_header(const vch_wire_header *h, const char *sender, const char *receiver)
{
    CHECK(vch_span_is(h->sender, sender));
    CHECK(vch_span_is(h->receiver, receiver));
    CHECK(vch_span_is(h->federation_uuid, "plan.yaml_737dd2d5"));
    CHECK(h->single_col_cert_common_name.size == 0);
}

static void check_written(vch_buffer *b, const char *vector)
{
    vch_buffer want = vector_file(vector);
    CHECK(b->failed == VOUCH_OK);
    CHECK(vch_span_equal(vch_buffer_span(b), vch_buffer_span(&want)));
    vch_buffer_drop(&want);
    vch_buffer_drop(b);
}

static void a_request_that_is_a_header_equals_openfls(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_wire_header h;
    vch_buffer bytes = vector_file("get_tasks_request.bin");
    CHECK_OK(vch_wire_header_parse(vch_buffer_span(&bytes), "GetTasksRequest", &h, &err), &err);
    check_header(&h, "col1", aggregator);
    vch_buffer_drop(&bytes);
    vch_buffer out = vch_buffer_with_cap(1024);
    h = header("col1", aggregator);
    vch_wire_header_write(&h, &out);
    check_written(&out, "get_tasks_request.bin");
}

static void tasks_equal_openfls(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_wire_tasks t = { 0 };
    vch_buffer bytes = vector_file("get_tasks_response.bin");
    CHECK_OK(vch_wire_tasks_parse(vch_buffer_span(&bytes), &t, &err), &err);
    check_header(&t.header, aggregator, "col1");
    CHECK(t.round == 3 && t.sleep_s == 10 && t.quit && t.task_count == 3);
    CHECK(vch_span_is(t.task[1].name, "train") && !t.task[1].apply_local);
    CHECK(vch_span_is(t.task[2].function_name, "f") && vch_span_is(t.task[2].task_type, "validate")
          && t.task[2].apply_local);
    vch_buffer out = vch_buffer_with_cap(1024);
    vch_wire_tasks_write(&t, &out);
    check_written(&out, "get_tasks_response.bin");
    vch_buffer_drop(&bytes);
}

static void a_request_for_a_tensor_equals_openfls(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_wire_header h;
    vch_wire_tensor_spec spec;
    char text[64];
    vch_buffer bytes = vector_file("get_tensor_request.bin");
    CHECK_OK(vch_wire_get_tensor_parse(vch_buffer_span(&bytes), &h, &spec, &err), &err);
    check_header(&h, "col1", aggregator);
    CHECK(vch_span_is(spec.name, "layer0.weight") && spec.round == 3 && spec.report
          && spec.require_lossless);
    assert_string_equal(vch_tags_text(&spec.tags, text, sizeof text),
                        "aggregated,compressed,delta");
    vch_buffer out = vch_buffer_with_cap(1024);
    vch_wire_get_tensor_write(&h, &spec, &out);
    check_written(&out, "get_tensor_request.bin");
    vch_buffer_drop(&bytes);
}

static void a_tensor_served_equals_openfls(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_wire_header h;
    vch_named_tensor t = { 0 };
    int32_t round = 0;
    vch_buffer bytes = vector_file("get_tensor_response.bin");
    CHECK_OK(vch_wire_tensor_response_parse(vch_buffer_span(&bytes), &h, &round, &t, &err), &err);
    check_header(&h, aggregator, "col1");
    CHECK(round == 3 && t.round == 3 && t.lossless && !t.report);
    CHECK(t.data.size == 60 && t.metadata_count == 1 && t.metadata[0].int_count == 2);
    CHECK(t.metadata[0].ints[0] == 5 && t.metadata[0].ints[1] == 3);
    vch_buffer out = vch_buffer_with_cap(1024);
    vch_wire_tensor_response_head(&h, &t, &out);
    vch_buffer_append(&out, t.data); /* what the server sends from where it lies */
    check_written(&out, "get_tensor_response.bin");
    vch_named_tensor_done(&t);
    vch_buffer_drop(&bytes);
}

static void a_batch_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const char *const words[] = { "model", NULL };
    vch_wire_tensor_spec specs[3] = {
        { .name = vch_span_str("a"), .round = 1, .tags = vch_tags_of(words), .report = true },
        { .name = vch_span_str("b"), .require_lossless = true },
    };
    vch_wire_tensor_spec back[2] = { 0 };
    size_t count = 0;
    vch_wire_header h = header("col1", aggregator);
    vch_wire_header h2;
    vch_buffer out = vch_buffer_with_cap(4096);
    vch_wire_get_tensors_write(&h, specs, 2, &out);
    CHECK(vch_wire_get_tensors_parse(vch_buffer_span(&out), &h2, back, 2, &count, NULL)
          == VOUCH_OK);
    check_header(&h2, "col1", aggregator);
    CHECK(count == 2 && vch_span_is(back[0].name, "a") && back[0].round == 1 && back[0].report);
    CHECK(vch_tags_equal(&back[0].tags, &specs[0].tags));
    CHECK(vch_span_is(back[1].name, "b") && back[1].require_lossless);
    CHECK(vch_wire_get_tensors_parse(vch_buffer_span(&out), &h2, back, 1, &count, NULL)
          == VOUCH_E_LIMIT);
    vch_buffer_drop(&out);
}

static void a_batch_of_tensors_holds_each_with_its_data(void **state)
{
    (void)state;
    vch_wire_header h = header(aggregator, "col1");
    vch_named_tensor t = { .name = vch_span_str("a"), .data = vch_span_str("0123") };
    vch_buffer out = vch_buffer_with_cap(4096);
    vch_wire_tensors_response_begin(&h, &out);
    size_t before = out.size;
    vch_wire_tensors_response_head(&t, &out);
    vch_buffer_append(&out, t.data);
    CHECK(out.size - before == vch_wire_named_tensor_size(&t));
    vch_buffer_drop(&out);
}

static void a_header_can_be_judged_before_the_rest(void **state)
{
    (void)state;
    vch_wire_header h;
    vch_buffer bytes = vector_file("get_tensor_request.bin");
    CHECK(vch_wire_header_peek(vch_buffer_span(&bytes), &h, NULL) == VOUCH_OK);
    check_header(&h, "col1", aggregator);
    CHECK(vch_wire_header_peek((vouch_span) { 0 }, &h, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_wire_header_peek(vch_span_str("\x12\x01x"), &h, NULL) == VOUCH_E_FORMAT);
    vch_buffer_drop(&bytes);
}

static void more_tasks_than_the_limit_are_refused(void **state)
{
    (void)state;
    vch_wire_tasks *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    vch_buffer out = vch_buffer_with_cap(1 << 16);
    for (size_t i = 0; i < VCH_WIRE_TASK_MAX; i++)
        vch_buffer_append(&out, vch_span_str("\x1A\x03\x0A\x01t"));
    CHECK(vch_wire_tasks_parse(vch_buffer_span(&out), t, NULL) == VOUCH_OK);
    CHECK(t->task_count == VCH_WIRE_TASK_MAX);
    vch_buffer_append(&out, vch_span_str("\x1A\x03\x0A\x01t"));
    CHECK(vch_wire_tasks_parse(vch_buffer_span(&out), t, NULL) == VOUCH_E_LIMIT);
    vch_buffer_drop(&out);
    free(t);
}

static void a_message_cut_anywhere_fails_or_is_shorter(void **state)
{
    (void)state;
    static const char *const files[] = { "get_tensor_request.bin", "get_tensor_response.bin" };
    for (size_t f = 0; f < 2; f++) {
        vch_buffer bytes = vector_file(files[f]);
        size_t whole = 0;
        for (size_t n = 0; n < bytes.size; n++) {
            vch_wire_header h = { 0 };
            vch_wire_tensor_spec spec;
            vch_named_tensor t = { 0 };
            int32_t round = 0;
            vouch_span cut = { bytes.data, n };
            vouch_code rc = f == 0 ? vch_wire_get_tensor_parse(cut, &h, &spec, NULL)
                                   : vch_wire_tensor_response_parse(cut, &h, &round, &t, NULL);
            CHECK(rc == VOUCH_OK || h.sender.size == 0); /* untouched on failure */
            whole += rc == VOUCH_OK;
            vch_named_tensor_done(&t);
        }
        CHECK(whole < 12); /* only between fields */
        vch_buffer_drop(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_that_is_a_header_equals_openfls),
        TEST(tasks_equal_openfls),
        TEST(a_request_for_a_tensor_equals_openfls),
        TEST(a_tensor_served_equals_openfls),
        TEST(a_batch_is_read_as_it_was_written),
        TEST(a_batch_of_tensors_holds_each_with_its_data),
        TEST(a_header_can_be_judged_before_the_rest),
        TEST(more_tasks_than_the_limit_are_refused),
        TEST(a_message_cut_anywhere_fails_or_is_shorter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
