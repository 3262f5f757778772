#include "codec/json_writer.h"

#include <math.h>

#include "base/bytes.h"
#include "check.h"

#define SPAN(text_) ((vouch_span) { (const uint8_t *)(text_), sizeof(text_) - 1 })

static void write_sample(vch_json_writer *w, const vch_json *tree)
{
    vch_json_begin_object(w);
    vch_json_put_string(w, "text", "a\"\\\n\x01\xc3\xa9\xff");
    vch_json_put_string(w, "none", NULL);
    vch_json_put_int(w, "int", INT64_MIN);
    vch_json_put_uint(w, "uint", UINT64_MAX);
    vch_json_put_bool(w, "flag", true);
    vch_json_put_hex(w, "hex", SPAN("\x00\xfe"));
    vch_json_put_moment(w, "at", 1772323200);
    vch_json_key(w, "list");
    vch_json_begin_array(w);
    vch_json_real(w, 0.1);
    vch_json_real(w, 1);
    vch_json_real(w, (double)NAN);
    vch_json_base64(w, SPAN("fo"));
    vch_json_begin_object(w);
    vch_json_end(w);
    vch_json_begin_array(w);
    vch_json_end(w);
    vch_json_end(w);
    vch_json_key(w, "tree");
    vch_json_value(w, tree);
    vch_json_key(w, "raw");
    vch_json_raw(w, SPAN("[ 1 ]"));
    vch_json_end(w);
}

static vch_json *tree_of(const char *text)
{
    const vch_json_limits limits = { .size = 1000, .depth = 8 };
    vch_json *tree = NULL;
    vouch_error err = { 0 };
    CHECK_OK(vch_json_parse(vch_span_str(text), &limits, &tree, &err), &err);
    return tree;
}

static void every_kind_of_value_is_written(void **state)
{
    (void)state;
    vch_buffer out = vch_buffer_with_cap(10000);
    VCH_SCOPED(vch_json_drop) vch_json *tree = tree_of("{\"z\": 1, \"a\": [true]}");
    vch_json_writer w = vch_json_writer_over(&out, false);
    write_sample(&w, tree);
    assert_string_equal(vch_buffer_text(&out),
                        "{\"text\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\xef\xbf\xbd\",\"none\":null,"
                        "\"int\":-9223372036854775808,\"uint\":18446744073709551615,\"flag\":true,"
                        "\"hex\":\"00fe\",\"at\":\"2026-03-01T00:00:00Z\","
                        "\"list\":[0.1,1.0,null,\"Zm8=\",{},[]],\"tree\":{\"z\":1,\"a\":[true]},"
                        "\"raw\":[ 1 ]}");
    vch_buffer_drop(&out);
}

static void pretty_text_reads_back_to_the_same(void **state)
{
    (void)state;
    vch_buffer out = vch_buffer_with_cap(1000);
    vch_json_writer w = vch_json_writer_over(&out, true);
    vch_json_begin_object(&w);
    vch_json_put_int(&w, "a", 1);
    vch_json_key(&w, "b");
    vch_json_begin_array(&w);
    vch_json_int(&w, 2);
    vch_json_int(&w, 3);
    vch_json_end(&w);
    vch_json_end(&w);
    assert_string_equal(vch_buffer_text(&out), "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    3\n  ]\n}");
    vch_json *tree = tree_of(vch_buffer_text(&out));
    vch_json_free(tree);
    vch_buffer_drop(&out);
}

static void misuse_fails_the_buffer(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        vch_buffer out = vch_buffer_with_cap(1000);
        vch_json_writer w = vch_json_writer_over(&out, false);
        if (i == 0) { /* a value where a key belongs */
            vch_json_begin_object(&w);
            vch_json_int(&w, 1);
        } else if (i == 1) { /* a key where a value belongs */
            vch_json_begin_array(&w);
            vch_json_key(&w, "a");
        } else if (i == 2) { /* a key without its value */
            vch_json_begin_object(&w);
            vch_json_key(&w, "a");
            vch_json_end(&w);
        } else if (i == 3) {
            vch_json_end(&w);
        } else if (i == 4) {
            for (int depth = 0; depth <= VCH_JSON_WRITER_MAX_DEPTH; depth++)
                vch_json_begin_array(&w);
        } else {
            vch_json_begin_object(&w);
            vch_json_key(&w, "a");
            vch_json_key(&w, "b");
        }
        CHECK(vch_buffer_finish(&out, "x", NULL) == VOUCH_E_INTERNAL);
        vch_buffer_drop(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_value_is_written),
        TEST(pretty_text_reads_back_to_the_same),
        TEST(misuse_fails_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
