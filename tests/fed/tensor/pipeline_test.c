#include "fed/tensor/pipeline.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"

static vch_tensor make(size_t rank, const int32_t *dims)
{
    vch_shape shape;
    vch_tensor t = { 0 };
    CHECK(vch_shape_make(dims, rank, &shape, NULL) == VOUCH_OK);
    CHECK(vch_tensor_init(&t, vch_span_str("w"), &shape, NULL) == VOUCH_OK);
    for (size_t i = 0; i < shape.count; i++)
        t.values[i] = (float)i - 1.5F;
    return t;
}

static void what_is_encoded_decodes_to_the_same(void **state)
{
    (void)state;
    const int32_t dims[] = { 2, 3 };
    for (size_t rank = 0; rank <= 2; rank++) {
        vouch_error err = { 0 };
        vch_tensor in = make(rank, dims);
        vch_tensor out = { 0 };
        vch_buffer work = vch_buffer_with_cap(1024);
        vch_named_tensor wire = { .round = 4 };
        CHECK_OK(vch_pipeline_encode(vch_pipeline_plain(), &in, &work, &wire, &err), &err);
        CHECK(wire.metadata_count == 1); /* for a scalar too */
        CHECK(wire.metadata[0].int_count == rank);
        CHECK(wire.round == 4 && vch_span_is(wire.name, "w"));
        CHECK_OK(vch_pipeline_decode(vch_pipeline_plain(), &wire, &out, &err), &err);
        CHECK(vch_shape_equal(&in.shape, &out.shape));
        CHECK(vch_span_equal(vch_tensor_bytes(&in), vch_tensor_bytes(&out)));
        vch_named_tensor_done(&wire);
        vch_buffer_drop(&work);
        vch_tensor_done(&in);
        vch_tensor_done(&out);
    }
}

static void a_shape_that_does_not_fit_the_data_is_refused(void **state)
{
    (void)state;
    int32_t ints[] = { 2 };
    uint8_t data[12] = { 0 };
    static const struct {
        size_t size, metadata_count;
        int32_t dim;
        vouch_code want;
    } cases[] = {
        { 8, 1, 2, VOUCH_OK },       { 12, 1, 2, VOUCH_E_FORMAT }, { 4, 1, 2, VOUCH_E_FORMAT },
        { 7, 1, 2, VOUCH_E_FORMAT }, { 8, 0, 2, VOUCH_E_FORMAT },  { 8, 2, 2, VOUCH_E_FORMAT },
        { 8, 1, -2, VOUCH_E_LIMIT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_tensor out = { 0 };
        ints[0] = cases[i].dim;
        vch_named_tensor wire = { .name = vch_span_str("w"),
                                  .metadata_count = cases[i].metadata_count,
                                  .metadata = { { .ints = ints, .int_count = 1 } },
                                  .data = { data, cases[i].size } };
        CHECK(vch_pipeline_decode(vch_pipeline_plain(), &wire, &out, NULL) == cases[i].want);
        CHECK((out.name != NULL) == (cases[i].want == VOUCH_OK));
        vch_tensor_done(&out);
    }
}

static void a_pipeline_is_found_by_its_class_name_only(void **state)
{
    (void)state;
    const vch_pipeline *p = NULL;
    CHECK(vch_pipeline_find("openfl.pipelines.NoCompressionPipeline", &p, NULL) == VOUCH_OK);
    CHECK(p == vch_pipeline_plain());
    p = NULL;
    CHECK(vch_pipeline_find("openfl.pipelines.NoSuchPipeline", &p, NULL) == VOUCH_E_UNSUPPORTED);
    CHECK(p == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_encoded_decodes_to_the_same),
        TEST(a_shape_that_does_not_fit_the_data_is_refused),
        TEST(a_pipeline_is_found_by_its_class_name_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
