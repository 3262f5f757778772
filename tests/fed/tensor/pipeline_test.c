#include "fed/tensor/pipeline.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "fed/tensor/eden.h"
#include "fed/vector_file.h"
#include "fed/wire/named_tensor_wire.h"
#include "fed/wire/protobuf.h"

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

/* A vector of make_pipeline_vectors.py: one encoding, what went into it, what comes out. */
typedef struct vector {
    vch_buffer file;
    vch_named_tensor wire;
    vouch_span input, output; /* float32 */
} vector;

static vector load(const char *name)
{
    vector v = { .file = vector_file(name) };
    vouch_error err = { 0 };
    CHECK_OK(vch_named_tensor_parse(vch_buffer_span(&v.file), &v.wire, &err), &err);
    vch_pb_reader r = vch_pb_read(vch_buffer_span(&v.file), name);
    vch_pb_field f;
    while (vch_pb_next(&r, &f)) {
        if (f.number == 100)
            v.input = f.bytes;
        if (f.number == 101)
            v.output = f.bytes;
    }
    CHECK_OK(vch_pb_finish(&r, &err), &err);
    CHECK(v.input.size == v.output.size);
    return v;
}

static void unload(vector *v)
{
    vch_named_tensor_done(&v->wire);
    vch_buffer_drop(&v->file);
}

static const vch_plan_pipeline plain = { .kind = VCH_COMPRESSION_NONE };
static const vch_plan_pipeline kc = { .kind = VCH_COMPRESSION_KC, .clusters = 6 };
static const vch_plan_pipeline skc = { VCH_COMPRESSION_SKC, .clusters = 6, .sparsity = 0.1 };
static const vch_plan_pipeline stc = { VCH_COMPRESSION_STC, .clusters = 6, .sparsity = 0.1 };
static const vch_plan_pipeline shift = { .kind = VCH_COMPRESSION_RANDOM_SHIFT };
static const vch_plan_pipeline eden8 = { VCH_COMPRESSION_EDEN, .bits = 8, .dim_threshold = 100 };
static const vch_plan_pipeline eden3 = { VCH_COMPRESSION_EDEN, .bits = 3, .dim_threshold = 10 };
static const vch_plan_pipeline eden1 = { VCH_COMPRESSION_EDEN, .bits = 1, .dim_threshold = 10 };

static const struct {
    const char *file;
    const vch_plan_pipeline *how;
    bool same; /* the encoder draws nothing: ours must come to the same values */
} vectors[] = {
    { "pipeline_plain_0.bin", &plain, true },  { "pipeline_plain_1.bin", &plain, true },
    { "pipeline_kc_0.bin", &kc, false },       { "pipeline_kc_1.bin", &kc, true },
    { "pipeline_kc_2.bin", &kc, true },        { "pipeline_skc_0.bin", &skc, false },
    { "pipeline_skc_1.bin", &skc, false },     { "pipeline_stc_0.bin", &stc, true },
    { "pipeline_stc_1.bin", &stc, true },      { "pipeline_stc_2.bin", &stc, true },
    { "pipeline_stc_3.bin", &stc, true },      { "pipeline_shift_0.bin", &shift, false },
    { "pipeline_shift_1.bin", &shift, false }, { "pipeline_eden8_0.bin", &eden8, false },
    { "pipeline_eden8_1.bin", &eden8, true },  { "pipeline_eden8_2.bin", &eden8, false },
    { "pipeline_eden8_3.bin", &eden8, false }, { "pipeline_eden3_0.bin", &eden3, false },
    { "pipeline_eden3_1.bin", &eden3, false }, { "pipeline_eden1_0.bin", &eden1, false },
};
enum { VECTORS = sizeof vectors / sizeof *vectors };

static void what_openfl_encodes_is_decoded_to_its_values_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        vector v = load(vectors[i].file);
        vch_pipeline p = vch_pipeline_make(vectors[i].how, 1);
        vch_tensor t = { 0 };
        vouch_error err = { 0 };
        CHECK_OK(vch_pipeline_decode(&p, &v.wire, &t, &err), &err);
        CHECK(vch_tensor_bytes(&t).size == v.output.size);
        assert_memory_equal(t.values, v.output.data, v.output.size);
        vch_tensor_done(&t);
        unload(&v);
    }
}

/* The squared error of an encoding, beside that of doing nothing. */
static double error_of(const float *values, const float *decoded, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)values[i] - (double)decoded[i];
        sum += d * d;
    }
    return sum;
}

static vch_named_tensor encoded(const vch_pipeline *p, const vch_tensor *t, int32_t round,
                                vch_buffer *work)
{
    vouch_error err = { 0 };
    vch_named_tensor wire = { .round = round };
    *work = vch_buffer_with_cap((size_t)1 << 24);
    CHECK_OK(vch_pipeline_encode(p, t, work, &wire, &err), &err);
    return wire;
}

static void ours_come_to_openfls_values_or_as_near_to_the_input(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        vector v = load(vectors[i].file);
        vch_pipeline p = vch_pipeline_make(vectors[i].how, 1);
        vch_tensor in = { 0 };
        vch_tensor out = { 0 };
        vch_buffer work;
        vouch_error err = { 0 };
        CHECK_OK(vch_pipeline_decode(&p, &v.wire, &in, &err), &err); /* for name and shape */
        memcpy(in.values, v.input.data, v.input.size);
        vch_named_tensor wire = encoded(&p, &in, 3, &work);
        CHECK(wire.metadata_count == v.wire.metadata_count);
        CHECK_OK(vch_pipeline_decode(&p, &wire, &out, &err), &err);
        const float *theirs = (const float *)(const void *)v.output.data;
        float copy[1100];
        CHECK(v.output.size <= sizeof copy);
        memcpy(copy, theirs, v.output.size);
        if (vectors[i].same)
            assert_memory_equal(out.values, copy, v.output.size);
        double ours = error_of(in.values, out.values, in.shape.count);
        double openfls = error_of(in.values, copy, in.shape.count);
        double room = vectors[i].how->kind == VCH_COMPRESSION_EDEN ? 2 : 1.1; /* draws differ */
        if (!(ours <= openfls * room + 1e-9))
            fail_msg("%s: squared error %g, OpenFL's %g", vectors[i].file, ours, openfls);
        vch_named_tensor_done(&wire);
        vch_buffer_drop(&work);
        vch_tensor_done(&in);
        vch_tensor_done(&out);
        unload(&v);
    }
}

/* With OpenFL's seed, its bytes: the rotation and the quantiser are the same. */
static void edens_encoding_equals_openfls_where_the_seed_does(void **state)
{
    (void)state;
    enum { COUNT = 1024 };
    vector v = load("pipeline_eden8_2.bin");
    float values[COUNT];
    float centroids[VCH_EDEN_CENTROID_MAX];
    uint8_t indices[COUNT];
    uint8_t packed[COUNT];
    CHECK(v.input.size == sizeof values && v.wire.data.size == sizeof packed);
    CHECK(v.wire.metadata[0].pair_count == 4);
    float numbers[4];
    for (size_t i = 0; i < 4; i++)
        numbers[v.wire.metadata[0].pairs[i].key] = v.wire.metadata[0].pairs[i].value;
    memcpy(values, v.input.data, sizeof values);
    vch_eden_centroids(8, centroids);
    vch_eden_rotate(values, COUNT, (uint32_t)numbers[0]);
    float scale = vch_eden_quantise(values, COUNT, centroids, 8, indices);
    vch_eden_pack(indices, COUNT, 8, packed);
    assert_memory_equal(packed, v.wire.data.data, sizeof packed);
    CHECK(scale / numbers[2] > 0.999999F && scale / numbers[2] < 1.000001F);
    unload(&v);
}

static void the_same_round_gives_the_same_bytes_and_another_gives_others(void **state)
{
    (void)state;
    const vch_plan_pipeline *all[] = { &plain, &kc, &skc, &stc, &shift, &eden8 };
    const int32_t dims[] = { 40, 10 };
    for (size_t i = 0; i < 6; i++) {
        vch_tensor t = make(2, dims);
        vch_pipeline p = vch_pipeline_make(all[i], 7);
        vch_buffer work[3];
        vch_named_tensor a = encoded(&p, &t, 3, &work[0]);
        vch_named_tensor b = encoded(&p, &t, 3, &work[1]);
        vch_named_tensor c = encoded(&p, &t, 4, &work[2]);
        CHECK(vch_span_equal(a.data, b.data));
        bool draws = all[i] == &shift || all[i] == &eden8;
        CHECK(vch_span_equal(a.data, c.data) == !draws);
        vch_named_tensor_done(&a);
        vch_named_tensor_done(&b);
        vch_named_tensor_done(&c);
        for (size_t k = 0; k < 3; k++)
            vch_buffer_drop(&work[k]);
        vch_tensor_done(&t);
    }
}

/* Its decoders replace in place, one key after the other in any order: a zero among the values would
 * then become what key 0 stands for. */
static void no_value_is_another_ones_key_so_that_openfl_replaces_none_twice(void **state)
{
    (void)state;
    const vch_plan_pipeline *both[] = { &kc, &skc };
    const int32_t dims[] = { 40, 10 };
    for (size_t i = 0; i < 2; i++) {
        vch_tensor t = make(2, dims);
        for (size_t k = 0; k < t.shape.count; k++) /* -2 -1 0 1; sparse: few of -8 and 3 are kept */
            t.values[k] = i == 1 && k % 50 == 0 ? -8.0F : (float)(k % (i == 0 ? 4 : 6)) - 2.0F;
        vch_pipeline p = vch_pipeline_make(both[i], 7);
        vch_buffer work;
        vch_named_tensor a = encoded(&p, &t, 3, &work);
        const vch_metadata *m = &a.metadata[i == 0 ? 0 : 1];
        CHECK(m->pair_count > 1);
        for (size_t k = 0; k < m->pair_count; k++) {
            for (size_t other = 0; other < m->pair_count; other++)
                CHECK(other == k || m->pairs[k].value != (float)m->pairs[other].key);
        }
        vch_named_tensor_done(&a);
        vch_buffer_drop(&work);
        vch_tensor_done(&t);
    }
}

static void every_shape_survives_every_pipeline(void **state)
{
    (void)state;
    const vch_plan_pipeline *all[] = { &plain, &kc, &skc, &stc, &shift, &eden8, &eden3, &eden1 };
    const int32_t counts[] = { 0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 13, 31, 99, 100, 101, 127, 1025 };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t k = 0; k <= sizeof counts / sizeof *counts; k++) {
            bool scalar = k == sizeof counts / sizeof *counts;
            vch_tensor t = make(scalar ? 0 : 1, &counts[scalar ? 0 : k]);
            vch_tensor out = { 0 };
            vch_pipeline p = vch_pipeline_make(all[i], 7);
            vch_buffer work;
            vouch_error err = { 0 };
            vch_named_tensor wire = encoded(&p, &t, 3, &work);
            vch_shape shape;
            CHECK_OK(vch_pipeline_shape(&p, &wire, &shape, &err), &err);
            CHECK(vch_shape_equal(&shape, &t.shape));
            CHECK_OK(vch_pipeline_decode(&p, &wire, &out, &err), &err);
            CHECK(vch_shape_equal(&out.shape, &t.shape));
            vch_named_tensor_done(&wire);
            vch_buffer_drop(&work);
            vch_tensor_done(&t);
            vch_tensor_done(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_encoded_decodes_to_the_same),
        TEST(a_shape_that_does_not_fit_the_data_is_refused),
        TEST(what_openfl_encodes_is_decoded_to_its_values_bit_for_bit),
        TEST(ours_come_to_openfls_values_or_as_near_to_the_input),
        TEST(edens_encoding_equals_openfls_where_the_seed_does),
        TEST(the_same_round_gives_the_same_bytes_and_another_gives_others),
        TEST(no_value_is_another_ones_key_so_that_openfl_replaces_none_twice),
        TEST(every_shape_survives_every_pipeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
