/* What each decoder refuses: the other side's mistakes, and its bombs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "fed/tensor/clusters.h"
#include "fed/tensor/eden.h"
#include "fed/tensor/gzip.h"
#include "fed/tensor/pipeline.h"

static const vch_plan_pipeline kc = { .kind = VCH_COMPRESSION_KC, .clusters = 6 };
static const vch_plan_pipeline skc = { VCH_COMPRESSION_SKC, .clusters = 6, .sparsity = 0.5 };
static const vch_plan_pipeline stc = { VCH_COMPRESSION_STC, .clusters = 6, .sparsity = 0.5 };
static const vch_plan_pipeline shift = { .kind = VCH_COMPRESSION_RANDOM_SHIFT };
static const vch_plan_pipeline eden = { VCH_COMPRESSION_EDEN, .bits = 8, .dim_threshold = 10 };

/* One encoded tensor, to be spoiled. */
typedef struct sample {
    vch_pipeline pipeline;
    vch_tensor tensor;
    vch_buffer work;
    vch_named_tensor wire;
    vch_shape shape;
    float *out;
} sample;

static sample encode(const vch_plan_pipeline *how, int32_t count)
{
    sample s = { .pipeline = vch_pipeline_make(how, 5),
                 .work = vch_buffer_with_cap((size_t)1 << 24),
                 .wire = { .round = 1 } };
    vouch_error err = { 0 };
    CHECK_OK(vch_shape_make(&count, 1, &s.shape, &err), &err);
    CHECK_OK(vch_tensor_init(&s.tensor, vch_span_str("w"), &s.shape, &err), &err);
    for (int32_t i = 0; i < count; i++)
        s.tensor.values[i] = sinf((float)i * 3.7F) + 0.5F;
    CHECK_OK(vch_pipeline_encode(&s.pipeline, &s.tensor, &s.work, &s.wire, &err), &err);
    s.out = calloc((size_t)count, sizeof *s.out);
    return s;
}

static vouch_code decode(sample *s)
{
    vouch_error err = { 0 };
    vouch_code rc = vch_pipeline_decode_values(&s->pipeline, &s->wire, &s->shape, s->out, &err);
    CHECK((rc == VOUCH_OK) == (err.depth == 0)); /* a refusal has a reason */
    return rc;
}

static void drop(sample *s)
{
    vch_named_tensor_done(&s->wire);
    vch_tensor_done(&s->tensor);
    vch_buffer_drop(&s->work);
    free(s->out);
}

/* `bytes` through gzip, as big as they may be. */
static vch_buffer zipped(const void *bytes, size_t size)
{
    vch_buffer out = vch_buffer_with_cap((size_t)1 << 27);
    z_stream z = { 0 };
    CHECK(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    uint8_t *room = vch_buffer_extend(&out, deflateBound(&z, size) + 32);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)size;
    z.next_out = room;
    z.avail_out = (uInt)out.size;
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.size -= z.avail_out;
    (void)deflateEnd(&z);
    return out;
}

static void gzip_gives_exactly_what_is_asked_for_or_nothing(void **state)
{
    (void)state;
    enum { SIZE = 1000 };
    uint8_t in[SIZE];
    uint8_t out[SIZE + 1];
    for (size_t i = 0; i < SIZE; i++)
        in[i] = (uint8_t)(i * 7);
    vch_buffer z = zipped(in, SIZE);
    CHECK(vch_gunzip(vch_buffer_span(&z), out, SIZE, NULL) == VOUCH_OK);
    assert_memory_equal(in, out, SIZE);
    CHECK(vch_gunzip(vch_buffer_span(&z), out, SIZE + 1, NULL) == VOUCH_E_TRUNCATED);
    CHECK(vch_gunzip(vch_buffer_span(&z), out, SIZE - 1, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_gunzip(vch_buffer_span(&z), out, 0, NULL) == VOUCH_E_LIMIT);
    for (size_t n = 0; n < z.size; n++) /* cut anywhere, its checksum too */
        CHECK(vch_gunzip((vouch_span) { z.data, n }, out, SIZE, NULL) == VOUCH_E_TRUNCATED);
    z.data[z.size - 5] ^= 1; /* the checksum */
    CHECK(vch_gunzip(vch_buffer_span(&z), out, SIZE, NULL) == VOUCH_E_FORMAT);
    z.data[z.size - 5] ^= 1;
    vch_buffer_u8(&z, 0);
    CHECK(vch_gunzip(vch_buffer_span(&z), out, SIZE, NULL) == VOUCH_E_FORMAT);
    CHECK(vch_gunzip(vch_span_str("no gzip at all"), out, SIZE, NULL) == VOUCH_E_FORMAT);
    vch_buffer_drop(&z);
}

static void nothing_is_a_tensor_too(void **state)
{
    (void)state;
    vch_buffer z = zipped("", 0);
    uint8_t out[1];
    CHECK(vch_gunzip(vch_buffer_span(&z), out, 0, NULL) == VOUCH_OK);
    vch_buffer_drop(&z);
}

/* 64 MB of zeros in 64 KB: not one byte more than the tensor's is made of it. */
static void a_compressed_bomb_is_refused_in_the_tensors_own_memory(void **state)
{
    (void)state;
    const vch_plan_pipeline *all[] = { &kc, &skc, &stc };
    size_t size = (size_t)1 << 26;
    void *zeros = calloc(size, 1);
    vch_buffer bomb = zipped(zeros, size);
    free(zeros);
    CHECK(bomb.size < 70000);
    for (size_t i = 0; i < 3; i++) {
        sample s = encode(all[i], 20000);
        s.wire.data = vch_buffer_span(&bomb);
        CHECK(decode(&s) == VOUCH_E_LIMIT);
        drop(&s);
        s = encode(all[i], 200); /* here its compressed size alone is too much */
        s.wire.data = vch_buffer_span(&bomb);
        CHECK(decode(&s) == VOUCH_E_FORMAT);
        drop(&s);
    }
    vch_buffer_drop(&bomb);
}

static void an_index_without_a_value_is_refused(void **state)
{
    (void)state;
    const vch_plan_pipeline *all[] = { &kc, &skc, &stc };
    const float bad[] = { 6, -1, 0.5F, NAN, INFINITY, 1e30F };
    for (size_t i = 0; i < 3; i++) {
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            sample s = encode(all[i], 40);
            float indices[40] = { 0 };
            CHECK(decode(&s) == VOUCH_OK);
            indices[17] = bad[b];
            vch_buffer z = zipped(indices, sizeof indices);
            s.wire.data = vch_buffer_span(&z);
            CHECK(decode(&s) == VOUCH_E_FORMAT);
            vch_buffer_drop(&z);
            drop(&s);
        }
    }
}

static void values_must_be_numbered_from_0_each_once_and_not_too_many(void **state)
{
    (void)state;
    const struct {
        const vch_plan_pipeline *how;
        size_t at, most;
    } all[] = { { &kc, 0, 6 }, { &skc, 1, 6 }, { &stc, 1, 3 } };
    for (size_t i = 0; i < 3; i++) {
        sample s = encode(all[i].how, 40);
        vch_metadata *m = &s.wire.metadata[all[i].at];
        CHECK(m->pair_count >= 2);
        int32_t kept = m->pairs[1].key;
        const int32_t bad[] = { m->pairs[0].key, -1, (int32_t)m->pair_count, INT32_MAX };
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            m->pairs[1].key = bad[b];
            CHECK(decode(&s) == VOUCH_E_FORMAT);
        }
        m->pairs[1].key = kept;
        CHECK(decode(&s) == VOUCH_OK);
        vch_metadata_pair many[VCH_CLUSTER_MAX + 1] = { 0 };
        vch_metadata_pair *own = m->pairs;
        size_t own_count = m->pair_count;
        for (size_t k = 0; k <= VCH_CLUSTER_MAX; k++)
            many[k].key = (int32_t)k;
        m->pairs = many;
        m->pair_count = all[i].most;
        CHECK(decode(&s) == VOUCH_OK);
        m->pair_count = all[i].most + 1;
        CHECK(decode(&s) == VOUCH_E_LIMIT);
        m->pairs = own;
        m->pair_count = own_count;
        drop(&s);
    }
}

static void shifts_must_be_one_for_each_value(void **state)
{
    (void)state;
    sample s = encode(&shift, 9);
    vch_metadata *m = &s.wire.metadata[0];
    CHECK(decode(&s) == VOUCH_OK);
    const int32_t bad[] = { m->pairs[2].key, -1, 9, INT32_MIN };
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        int32_t kept = m->pairs[7].key;
        m->pairs[7].key = bad[b];
        CHECK(decode(&s) == VOUCH_E_FORMAT);
        m->pairs[7].key = kept;
    }
    m->pair_count--;
    CHECK(decode(&s) == VOUCH_E_FORMAT);
    m->pair_count++;
    s.wire.metadata[1].ints[0] = 10; /* the inner shape */
    CHECK(decode(&s) == VOUCH_E_FORMAT);
    s.wire.metadata[1].ints[0] = -9;
    CHECK(decode(&s) == VOUCH_E_LIMIT);
    s.wire.metadata[1].ints[0] = 9;
    s.wire.data.size -= 4;
    CHECK(decode(&s) == VOUCH_E_FORMAT);
    drop(&s);
}

/* Which number beside an Eden tensor is spoiled, with what. 0 seed, 1 total, 2 scale, 3 length. */
static void edens_numbers_must_fit_the_data_and_the_shape(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        float bad;
    } cases[] = {
        { 0, -1 },  { 0, 65536 },    { 0, 0.5F }, { 0, NAN }, { 1, 39 },
        { 1, 41 },  { 1, NAN },      { 3, 4 },    { 3, 63 },  { 3, 128 },
        { 3, NAN }, { 3, INFINITY }, { 3, -64 },  { 3, 32 },  { 3, 1e30F },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sample s = encode(&eden, 60); /* one slice of 64 */
        vch_metadata *m = &s.wire.metadata[0];
        CHECK(m->pair_count == 4 && m->pairs[3].value == 64 && m->pairs[1].value == 60);
        CHECK(decode(&s) == VOUCH_OK);
        m->pairs[cases[i].at].value = cases[i].bad;
        if (decode(&s) != VOUCH_E_FORMAT)
            fail_msg("number %zu as %g", cases[i].at, (double)cases[i].bad);
        drop(&s);
    }
}

static void edens_keys_and_sizes_are_checked(void **state)
{
    (void)state;
    sample s = encode(&eden, 60);
    vch_metadata *m = &s.wire.metadata[0];
    const int32_t bad[] = { 0, -1, 4, INT32_MAX };
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        m->pairs[2].key = bad[b];
        CHECK(decode(&s) == VOUCH_E_FORMAT);
    }
    m->pairs[2].key = 2;
    for (size_t n = 0; n < 4;
         n++) { /* too few numbers; none means plain float32, of too few bytes */
        m->pair_count = n;
        CHECK(decode(&s) == VOUCH_E_FORMAT);
    }
    m->pair_count = 4;
    s.wire.data.size -= 8;
    CHECK(decode(&s) == VOUCH_E_FORMAT);
    s.wire.data.size += 8;
    CHECK(decode(&s) == VOUCH_OK);
    drop(&s);
}

/* 1 bit a value would let 64 KB of data ask for half a million values, twice the shape's. */
static void edens_slices_cannot_ask_for_more_than_the_shape_warrants(void **state)
{
    (void)state;
    const vch_plan_pipeline one_bit = { VCH_COMPRESSION_EDEN, .bits = 1, .dim_threshold = 10 };
    sample s = encode(&one_bit, 60);
    static uint8_t data[32];
    s.wire.metadata[0].pairs[3].value = 256;
    s.wire.data = (vouch_span) { data, sizeof data }; /* just what such a slice takes */
    CHECK(decode(&s) == VOUCH_E_FORMAT);
    s.wire.metadata[0].pairs[3].value = 128; /* filled up to the double: may be */
    s.wire.data.size = 16;
    CHECK(decode(&s) == VOUCH_OK);
    drop(&s);
}

static void openfls_plain_tensor_at_edens_threshold_is_read(void **state)
{
    (void)state;
    sample s = encode(&eden, 10);
    CHECK(s.wire.metadata[0].pair_count > 0); /* ours, which OpenFL's decoder can read */
    s.wire.metadata[0].pair_count = 0;
    s.wire.data = vch_tensor_bytes(&s.tensor);
    CHECK(decode(&s) == VOUCH_OK);
    assert_memory_equal(s.out, s.tensor.values, 40);
    drop(&s);
    s = encode(&eden, 11);
    s.wire.metadata[0].pair_count = 0;
    s.wire.data = vch_tensor_bytes(&s.tensor);
    CHECK(decode(&s) == VOUCH_E_FORMAT);
    drop(&s);
}

static void metadata_are_counted(void **state)
{
    (void)state;
    const vch_plan_pipeline *all[] = { &kc, &skc, &stc, &shift, &eden };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        sample s = encode(all[i], 40);
        vch_shape shape;
        s.wire.metadata_count--;
        CHECK(decode(&s) == VOUCH_E_FORMAT);
        CHECK(vch_pipeline_shape(&s.pipeline, &s.wire, &shape, NULL) == VOUCH_E_FORMAT);
        s.wire.metadata_count += 2;
        CHECK(decode(&s) == VOUCH_E_FORMAT);
        s.wire.metadata_count--;
        CHECK(decode(&s) == VOUCH_OK);
        drop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gzip_gives_exactly_what_is_asked_for_or_nothing),
        TEST(nothing_is_a_tensor_too),
        TEST(a_compressed_bomb_is_refused_in_the_tensors_own_memory),
        TEST(an_index_without_a_value_is_refused),
        TEST(values_must_be_numbered_from_0_each_once_and_not_too_many),
        TEST(shifts_must_be_one_for_each_value),
        TEST(edens_numbers_must_fit_the_data_and_the_shape),
        TEST(edens_keys_and_sizes_are_checked),
        TEST(edens_slices_cannot_ask_for_more_than_the_shape_warrants),
        TEST(openfls_plain_tensor_at_edens_threshold_is_read),
        TEST(metadata_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
