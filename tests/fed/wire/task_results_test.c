#include "fed/wire/task_results.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "fed/tensor/pipeline.h"
#include "fed/vector_file.h"
#include "fed/wire/named_tensor_wire.h"
#include "fed/wire/protobuf.h"

/* Writes down what the reader tells. */
typedef struct notes {
    char text[2048];
    size_t size;
    size_t data_size; /* of the present tensor, as its pieces came */
    vouch_code refuse_head, refuse_tensor;
} notes;

static VOUCH_PRINTF(2, 3) void note(notes *n, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    n->size += (size_t)vsnprintf(n->text + n->size, sizeof n->text - n->size, fmt, args);
    va_end(args);
}

static vouch_code on_head(void *context, const vch_task_results_head *h, vouch_error *err)
{
    notes *n = context;
    if (n->refuse_head != VOUCH_OK)
        return vouch_fail(err, n->refuse_head, "not you");
    note(n, "%.*s round %d %.*s %d;", (int)h->header.sender.size,
         (const char *)h->header.sender.data, h->round, (int)h->task_name.size,
         (const char *)h->task_name.data, h->data_size);
    return VOUCH_OK;
}

static vouch_code on_begin(void *context, const vch_named_tensor *t, size_t data_size,
                           vouch_error *err)
{
    notes *n = context;
    char tags[64];
    vch_shape shape;
    if (n->refuse_tensor != VOUCH_OK)
        return vouch_fail(err, n->refuse_tensor, "not that");
    CHECK(vch_pipeline_shape(vch_pipeline_plain(), t, &shape, NULL) == VOUCH_OK);
    note(n, " %.*s %s%s rank %u size %zu", (int)t->name.size, (const char *)t->name.data,
         vch_tags_text(&t->tags, tags, sizeof tags), t->report ? " report" : "", shape.rank,
         data_size);
    n->data_size = 0;
    return VOUCH_OK;
}

static vouch_code on_data(void *context, vouch_span piece, vouch_error *err)
{
    (void)err;
    notes *n = context;
    n->data_size += piece.size;
    return VOUCH_OK;
}

static vouch_code on_end(void *context, vouch_error *err)
{
    (void)err;
    notes *n = context;
    note(n, " got %zu;", n->data_size);
    return VOUCH_OK;
}

static const vch_task_results_sink sink = { on_head, on_begin, on_data, on_end };

static const char told[] = "col1 round 3 train 1258;"
                           " layer0.weight compressed,trained rank 2 size 60 got 60;"
                           " layer0.bias compressed,trained rank 1 size 20 got 20;"
                           " steps compressed,trained rank 0 size 4 got 4;"
                           " empty compressed,trained rank 2 size 0 got 0;"
                           " loss compressed,metric report rank 0 size 4 got 4;";

/* Feed one DataStream message in pieces of `piece` bytes. */
static vouch_code feed(vch_task_results_reader *r, vouch_span message, size_t piece)
{
    for (size_t at = 0; at < message.size; at += piece) {
        size_t size = message.size - at < piece ? message.size - at : piece;
        vouch_code rc =
            vch_task_results_reader_feed(r, (vouch_span) { message.data + at, size }, NULL);
        if (rc != VOUCH_OK)
            return rc;
    }
    return vch_task_results_reader_message_end(r, NULL);
}

static vch_task_results_reader *new_reader(notes *n, const vch_task_results_limits *limits)
{
    vouch_error err = { 0 };
    vch_task_results_reader *r = NULL;
    vch_task_results_limits wide = vch_task_results_limits_for(100, 100000);
    CHECK_OK(vch_task_results_reader_new(limits != NULL ? limits : &wide, &sink, n, &r, &err),
             &err);
    return r;
}

static void openfls_stream_is_read_in_any_pieces(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 160; piece++) {
        notes n = { .size = 0 };
        vch_task_results_reader *r = new_reader(&n, NULL);
        for (char i = '0'; i <= '2'; i++) {
            char name[] = "task_results_piece0.bin";
            name[18] = i;
            vch_buffer bytes = vector_file(name);
            CHECK(feed(r, vch_buffer_span(&bytes), piece) == VOUCH_OK);
            vch_buffer_drop(&bytes);
        }
        CHECK(vch_task_results_reader_finish(r, NULL) == VOUCH_OK);
        assert_string_equal(n.text, told);
        vch_task_results_reader_free(r);
    }
}

/* The bytes of a TaskResults in one DataStream message. */
static vouch_code read_results(vouch_span results, const vch_task_results_limits *limits, notes *n)
{
    vch_buffer stream = vch_buffer_with_cap((size_t)1 << 24);
    vch_task_results_reader *r = new_reader(n, limits);
    vch_pb_put_bytes_always(&stream, 2, results);
    vouch_code rc = feed(r, vch_buffer_span(&stream), 1000);
    if (rc == VOUCH_OK)
        rc = vch_task_results_reader_finish(r, NULL);
    vch_task_results_reader_free(r);
    vch_buffer_drop(&stream);
    return rc;
}

static void results_without_tensors_and_negative_numbers_are_read(void **state)
{
    (void)state;
    notes n = { .size = 0 };
    vch_buffer bytes = vector_file("task_results_negative.bin");
    CHECK(read_results(vch_buffer_span(&bytes), NULL, &n) == VOUCH_OK);
    assert_string_equal(n.text, "col1 round -1 secagg -1;");
    vch_buffer_drop(&bytes);
}

static void an_empty_stream_is_never_a_result(void **state)
{
    (void)state;
    notes n = { .size = 0 };
    vch_task_results_reader *r = new_reader(&n, NULL);
    CHECK(vch_task_results_reader_finish(r, NULL) == VOUCH_E_TRUNCATED);
    CHECK(feed(r, (vouch_span) { 0 }, 1) == VOUCH_OK); /* an empty DataStream message */
    CHECK(vch_task_results_reader_finish(r, NULL) == VOUCH_E_TRUNCATED);
    vch_task_results_reader_free(r);
}

static void a_stream_cut_anywhere_is_refused_or_tells_less(void **state)
{
    (void)state;
    vch_buffer bytes = vector_file("task_results.bin");
    for (size_t cut = 1; cut < bytes.size; cut++) {
        notes n = { .size = 0 };
        vouch_code rc = read_results((vouch_span) { bytes.data, cut }, NULL, &n);
        CHECK(rc == VOUCH_OK || rc == VOUCH_E_TRUNCATED);
        CHECK(n.size < sizeof told - 1);
        /* Between two fields of the head a message may end; elsewhere what was told stays true. */
        CHECK(rc == VOUCH_OK || strncmp(n.text, told, n.size) == 0);
    }
    vch_buffer_drop(&bytes);
}

static void what_is_out_of_order_or_twice_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        vouch_code want;
    } cases[] = {
        { "\x0A\x03\x0A\x01"
          "a"
          "\x10\x01\x1A\x01t",
          10, VOUCH_OK },
        { "\x10\x01\x0A\x03\x0A\x01"
          "a",
          7, VOUCH_E_UNSUPPORTED }, /* round, header */
        { "\x0A\x03\x0A\x01"
          "a"
          "\x10\x01\x10\x01",
          9, VOUCH_E_FORMAT }, /* round twice */
        { "\x0A\x03\x0A\x01"
          "a"
          "\x0A\x03\x0A\x01"
          "a",
          10, VOUCH_E_FORMAT },
        { "\x10\x01", 2, VOUCH_E_REFUSED }, /* no header */
        { "\x0A\x00", 2, VOUCH_E_REFUSED }, /* an empty one */
        { "\x0A\x03\x0A\x01"
          "a"
          "\x12\x01\x01",
          8, VOUCH_E_FORMAT }, /* round as bytes */
        { "\x0A\x03\x0A\x01"
          "a"
          "\x18\x01",
          7, VOUCH_E_FORMAT }, /* task as a number */
        { "\x0A\x03\x0A\x01"
          "a"
          "\x10\x80\x80\x80\x80\x08",
          11, VOUCH_E_LIMIT },
        { "\x0A\x03\x0A\x01"
          "a"
          "\x1A\x01\xFF",
          8, VOUCH_E_FORMAT }, /* not UTF-8 */
        { "\x0A\x03\x0A\x01"
          "a"
          "\x32\x01x\x38\x01",
          10, VOUCH_OK }, /* later releases */
        /* tensors: metadata, then data behind it; name behind data; a number for a name */
        { "\x0A\x03\x0A\x01"
          "a"
          "\x2A\x05\x0A\x01w\x32\x00",
          12, VOUCH_OK },
        { "\x0A\x03\x0A\x01"
          "a"
          "\x2A\x05\x32\x00\x0A\x01w",
          12, VOUCH_E_UNSUPPORTED },
        { "\x0A\x03\x0A\x01"
          "a"
          "\x2A\x06\x0A\x01w\x0A\x01w",
          13, VOUCH_E_FORMAT },
        { "\x0A\x03\x0A\x01"
          "a"
          "\x2A\x02\x08\x01",
          9, VOUCH_E_FORMAT },
        { "\x0A\x03\x0A\x01"
          "a"
          "\x2A\x02\x12\x00",
          9, VOUCH_E_FORMAT }, /* round as bytes */
        { "\x0A\x03\x0A\x01"
          "a"
          "\x2A\x02\x18\x02",
          9, VOUCH_E_FORMAT }, /* lossless: 2 */
        { "\x0A\x03\x0A\x01"
          "a"
          "\x2A\x03\x0A\x02w",
          10, VOUCH_E_TRUNCATED },
        { "\x0A\x03\x0A\x01"
          "a"
          "\x2A\x02\x2A\x00",
          9, VOUCH_E_LIMIT }, /* an empty tag */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        notes n = { .size = 0 };
        vouch_code rc =
            read_results((vouch_span) { (const uint8_t *)cases[i].bytes, cases[i].size }, NULL, &n);
        if (rc != cases[i].want)
            fail_msg("case %zu: %s", i, vouch_code_name(rc));
    }
}

static void each_limit_holds_to_the_byte(void **state)
{
    (void)state;
    vch_buffer bytes = vector_file("task_results.bin");
    const vch_task_results_limits exact = {
        .tensor_max = 5, .total_size_max = bytes.size, .tensor_size_max = 60, .metadata_size_max = 4
    };
    vch_task_results_limits cases[5] = { exact, exact, exact, exact, exact };
    cases[1].tensor_max--;
    cases[2].total_size_max--;
    cases[3].tensor_size_max--;
    cases[4].metadata_size_max--;
    for (size_t i = 0; i < 5; i++) {
        notes n = { .size = 0 };
        CHECK(read_results(vch_buffer_span(&bytes), &cases[i], &n)
              == (i == 0 ? VOUCH_OK : VOUCH_E_LIMIT));
    }
    vch_buffer_drop(&bytes);
}

static void a_refusal_of_the_owner_stops_the_reading(void **state)
{
    (void)state;
    vch_buffer bytes = vector_file("task_results.bin");
    notes head = { .refuse_head = VOUCH_E_REFUSED };
    CHECK(read_results(vch_buffer_span(&bytes), NULL, &head) == VOUCH_E_REFUSED);
    CHECK(head.size == 0);
    notes tensor = { .refuse_tensor = VOUCH_E_LIMIT };
    CHECK(read_results(vch_buffer_span(&bytes), NULL, &tensor) == VOUCH_E_LIMIT);
    assert_string_equal(tensor.text, "col1 round 3 train 1258;");
    vch_buffer_drop(&bytes);
}

static void a_data_stream_must_be_one(void **state)
{
    (void)state;
    notes n = { .size = 0 };
    vch_task_results_reader *r = new_reader(&n, NULL);
    CHECK(feed(r, vch_span_str("\x12\x01\x0A\x12\x01\x03"), 9) == VOUCH_E_FORMAT); /* bytes twice */
    vch_task_results_reader_free(r);
    r = new_reader(&n, NULL);
    CHECK(feed(r, vch_span_str("\x10\x01"), 9) == VOUCH_E_FORMAT); /* bytes as a number */
    vch_task_results_reader_free(r);
    r = new_reader(&n, NULL);
    CHECK(feed(r, vch_span_str("\x12\x05\x0A"), 9) == VOUCH_E_TRUNCATED);
    vch_task_results_reader_free(r);
}

/* The tensors of task_results.bin, for the writer. */
static void load_results(vouch_span results, vch_task_results_head *head, vch_named_tensor *tensors,
                         size_t *out_count)
{
    vch_pb_reader r = vch_pb_read(results, "TaskResults");
    vch_pb_field f;
    *head = (vch_task_results_head) { .round = 3, .data_size = 1258 };
    head->task_name = vch_span_str("train");
    CHECK(vch_wire_header_peek(results, &head->header, NULL) == VOUCH_OK);
    while (vch_pb_next(&r, &f)) {
        if (f.number == 5)
            CHECK(vch_named_tensor_parse(f.bytes, &tensors[(*out_count)++], NULL) == VOUCH_OK);
    }
    CHECK(vch_pb_finish(&r, NULL) == VOUCH_OK);
}

static void what_is_written_equals_openfls_and_can_be_written_again(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_named_tensor tensors[8] = { 0 };
    size_t count = 0;
    vch_task_results_head head;
    vch_task_results_writer *w = NULL;
    vch_buffer want = vector_file("task_results.bin");
    load_results(vch_buffer_span(&want), &head, tensors, &count);
    CHECK_OK(vch_task_results_writer_new(&head, tensors, count, &w, &err), &err);
    CHECK(vch_task_results_writer_size(w) == want.size);
    for (int attempt = 0; attempt < 2; attempt++) {
        bool more = false;
        vch_buffer out = vch_buffer_with_cap(4096);
        CHECK_OK(vch_task_results_writer_next(w, &out, &more, &err), &err);
        CHECK(more);
        /* DataStream: size, then npbytes, both of two varint bytes */
        CHECK(out.size == want.size + 6);
        CHECK(vch_span_equal((vouch_span) { out.data + 6, want.size }, vch_buffer_span(&want)));
        CHECK_OK(vch_task_results_writer_next(w, &out, &more, &err), &err);
        CHECK(!more && out.size == want.size + 6);
        vch_task_results_writer_rewind(w);
        vch_buffer_drop(&out);
    }
    vch_task_results_writer_free(w);
    for (size_t i = 0; i < count; i++)
        vch_named_tensor_done(&tensors[i]);
    vch_buffer_drop(&want);
}

static void a_large_model_goes_out_in_pieces_of_two_mebibytes(void **state)
{
    (void)state;
    enum { VALUES = 1300000 };
    uint8_t *data = calloc(VALUES, 4);
    int32_t dim = VALUES;
    vch_named_tensor t[2] = { 0 };
    vch_task_results_head head = { .task_name = vch_span_str("train") };
    head.header.sender = vch_span_str("col1");
    vch_task_results_writer *w = NULL;
    notes n = { .size = 0 };
    bool more = true;
    size_t messages = 0;
    for (size_t i = 0; i < 2; i++) {
        t[i].name = vch_span_str(i == 0 ? "a" : "b");
        t[i].metadata_count = 1;
        t[i].metadata[0] = (vch_metadata) { .ints = &dim, .int_count = 1 };
        t[i].data = (vouch_span) { data, (size_t)VALUES * 4 };
    }
    vch_task_results_limits limits = vch_task_results_limits_for(2, (size_t)VALUES * 8);
    vch_task_results_reader *r = new_reader(&n, &limits);
    CHECK(vch_task_results_writer_new(&head, t, 2, &w, NULL) == VOUCH_OK);
    while (more) {
        vch_buffer out = vch_buffer_with_cap(VCH_WIRE_PIECE_SIZE + 64);
        CHECK(vch_task_results_writer_next(w, &out, &more, NULL) == VOUCH_OK);
        messages += more;
        CHECK(feed(r, vch_buffer_span(&out), 70000) == VOUCH_OK);
        vch_buffer_drop(&out);
    }
    CHECK(messages == 5); /* 10.4 MB */
    CHECK(vch_task_results_reader_finish(r, NULL) == VOUCH_OK);
    assert_string_equal(n.text, "col1 round 0 train 0; a  rank 1 size 5200000 got 5200000;"
                                " b  rank 1 size 5200000 got 5200000;");
    vch_task_results_reader_free(r);
    vch_task_results_writer_free(w);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(openfls_stream_is_read_in_any_pieces),
        TEST(results_without_tensors_and_negative_numbers_are_read),
        TEST(an_empty_stream_is_never_a_result),
        TEST(a_stream_cut_anywhere_is_refused_or_tells_less),
        TEST(what_is_out_of_order_or_twice_is_refused),
        TEST(each_limit_holds_to_the_byte),
        TEST(a_refusal_of_the_owner_stops_the_reading),
        TEST(a_data_stream_must_be_one),
        TEST(what_is_written_equals_openfls_and_can_be_written_again),
        TEST(a_large_model_goes_out_in_pieces_of_two_mebibytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
