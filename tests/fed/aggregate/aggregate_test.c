#include "fed/aggregate/aggregate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fed/vector_file.h"

/* A vector of make_vectors.py: sizes, members, base, and what numpy and OpenFL made of them. */
typedef struct vector {
    vch_buffer file;
    int32_t members, values;
    int32_t sizes[300];
    float *floats; /* rows of `values` */
} vector;

enum { BASE = 0, MEAN_19, MEAN_18, MODEL_19, MODEL_18, MEDIAN, AFTER_MEMBERS };

static vector load(const char *name)
{
    vector v = { .file = vector_file(name) };
    memcpy(&v.members, v.file.data, 4);
    memcpy(&v.values, v.file.data + 4, 4);
    memcpy(v.sizes, v.file.data + 8, (size_t)v.members * 4);
    size_t skip = 8 + (size_t)v.members * 4;
    size_t rows = (size_t)(v.members + AFTER_MEMBERS);
    CHECK(v.file.size == skip + rows * (size_t)v.values * 4);
    v.floats = malloc(v.file.size - skip);
    CHECK(v.floats != NULL);
    memcpy(v.floats, v.file.data + skip, v.file.size - skip);
    return v;
}

static const float *row(const vector *v, int32_t index)
{
    return v->floats + (size_t)index * (size_t)v->values;
}

static void unload(vector *v)
{
    vch_buffer_drop(&v->file);
    free(v->floats);
}

/* A reader over memory that counts what is asked of it. */
typedef struct source {
    const float *values;
    size_t next;
} source;

static vouch_code read_source(void *context, size_t from, size_t count, float *out,
                              vouch_error *err)
{
    (void)err;
    source *s = context;
    CHECK(from == s->next && count > 0 && count <= VCH_AGGREGATE_BLOCK);
    s->next = from + count;
    memcpy(out, s->values + from, count * sizeof *out);
    return VOUCH_OK;
}

static void check_row(const vector *v, vch_aggregate_options options, int32_t want, bool with_base)
{
    const float *members[300];
    double weights[300];
    float *out = calloc((size_t)v->values, sizeof *out);
    source base_source = { .values = row(v, v->members + BASE) };
    vch_aggregate_member base = { .context = &base_source, .read = read_source };
    vouch_error err = { 0 };
    for (int32_t i = 0; i < v->members; i++)
        members[i] = row(v, i);
    CHECK_OK(vch_aggregate_weights(v->sizes, (size_t)v->members, weights, &err), &err);
    options.base = with_base ? &base : NULL;
    CHECK_OK(vch_aggregate_values(&options, members, weights, (size_t)v->members, (size_t)v->values,
                                  out, &err),
             &err);
    assert_memory_equal(out, row(v, v->members + want), (size_t)v->values * sizeof *out);
    free(out);
}

static const char *const vectors[] = { "aggregate_2x1000.bin", "aggregate_3x1.bin",
                                       "aggregate_10x1.bin",   "aggregate_300x1.bin",
                                       "aggregate_9x40.bin",   "aggregate_300x5.bin" };

static void results_equal_openfl_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        vector v = load(vectors[i]);
        check_row(&v, (vch_aggregate_options) { 0 }, MEAN_19, false);
        check_row(&v, (vch_aggregate_options) { .sum = VCH_SUM_FLOAT32 }, MODEL_19, true);
        check_row(&v, (vch_aggregate_options) { .sum = VCH_SUM_FLOAT64 }, MEAN_18, false);
        check_row(&v, (vch_aggregate_options) { .sum = VCH_SUM_FLOAT64 }, MODEL_18, true);
        check_row(&v, (vch_aggregate_options) { .function = VCH_AGGREGATE_MEDIAN }, MEDIAN, false);
        unload(&v);
    }
}

static void a_tensor_of_many_blocks_is_read_in_order_and_whole(void **state)
{
    (void)state;
    enum { COUNT = 2 * VCH_AGGREGATE_BLOCK + 77 };
    float *a = calloc(COUNT, sizeof *a);
    float *b = calloc(COUNT, sizeof *b);
    float *out = calloc(COUNT, sizeof *out);
    const float *values[] = { a, b };
    const double weights[] = { 0.25, 0.75 };
    const vch_aggregate_function functions[] = { VCH_AGGREGATE_WEIGHTED_AVERAGE,
                                                 VCH_AGGREGATE_MEDIAN };
    for (size_t i = 0; i < COUNT; i++) {
        a[i] = (float)i;
        b[i] = (float)(i + 4);
    }
    for (size_t f = 0; f < 2; f++) {
        vch_aggregate_options options = { .function = functions[f] };
        CHECK(vch_aggregate_values(&options, values, weights, 2, COUNT, out, NULL) == VOUCH_OK);
        for (size_t i = 0; i < COUNT; i++)
            CHECK(out[i] == (float)i + (f == 0 ? 3.0F : 2.0F));
    }
    free(a);
    free(b);
    free(out);
}

static void weights_follow_the_data_sizes(void **state)
{
    (void)state;
    const int32_t sizes[] = { 1, 3, 0 };
    const int32_t none[] = { 0, 0 };
    const int32_t below[] = { 5, -1 };
    double weights[3] = { 9, 9, 9 };
    CHECK(vch_aggregate_weights(none, 2, weights, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_aggregate_weights(below, 2, weights, NULL) == VOUCH_E_LIMIT);
    CHECK(weights[0] == 9);
    CHECK(vch_aggregate_weights(sizes, 3, weights, NULL) == VOUCH_OK);
    CHECK(weights[0] == 0.25 && weights[1] == 0.75 && weights[2] == 0);
}

static void no_members_and_absurd_weights_are_refused(void **state)
{
    (void)state;
    const float one = 1;
    const float *values[] = { &one, &one };
    float out = 77;
    const double bad[][2] = { { NAN, 1 }, { -1, 2 }, { INFINITY, 1 }, { 0, 0 } };
    vch_aggregate_options options = { 0 };
    CHECK(vch_aggregate_values(&options, values, bad[0], 0, 1, &out, NULL) == VOUCH_E_LIMIT);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(vch_aggregate_values(&options, values, bad[i], 2, 1, &out, NULL) == VOUCH_E_LIMIT);
    CHECK(out == 77);
}

static vouch_code read_nothing(void *context, size_t from, size_t count, float *out,
                               vouch_error *err)
{
    (void)context;
    (void)from;
    (void)count;
    (void)out;
    return vouch_fail(err, VOUCH_E_IO, "the spool is gone");
}

static vouch_code write_nothing(void *context, size_t from, size_t count, const float *values,
                                vouch_error *err)
{
    (void)from;
    (void)count;
    (void)values;
    (void)err;
    *(bool *)context = true;
    return VOUCH_OK;
}

static void a_reader_that_fails_ends_it_without_output(void **state)
{
    (void)state;
    bool written = false;
    vch_aggregate_member member = { .read = read_nothing, .weight = 1 };
    vch_aggregate_output output = { .context = &written, .write = write_nothing };
    vch_aggregate_options options = { 0 };
    CHECK(vch_aggregate_tensor(&options, &member, 1, 3, &output, NULL) == VOUCH_E_IO);
    options.sum = VCH_SUM_FLOAT64;
    CHECK(vch_aggregate_tensor(&options, &member, 1, 3, &output, NULL) == VOUCH_E_IO);
    options.function = VCH_AGGREGATE_MEDIAN;
    CHECK(vch_aggregate_tensor(&options, &member, 1, 3, &output, NULL) == VOUCH_E_IO);
    CHECK(!written);
}

static void a_nan_among_the_members_is_not_hidden_by_the_median(void **state)
{
    (void)state;
    const float a = 1;
    const float b = NAN;
    const float c = 2;
    const float *values[] = { &a, &b, &c };
    const double weights[] = { 1, 1, 1 };
    float out = 0;
    vch_aggregate_options options = { .function = VCH_AGGREGATE_MEDIAN };
    CHECK(vch_aggregate_values(&options, values, weights, 3, 1, &out, NULL) == VOUCH_OK);
    CHECK(isnan(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(results_equal_openfl_bit_for_bit),
        TEST(a_tensor_of_many_blocks_is_read_in_order_and_whole),
        TEST(weights_follow_the_data_sizes),
        TEST(no_members_and_absurd_weights_are_refused),
        TEST(a_reader_that_fails_ends_it_without_output),
        TEST(a_nan_among_the_members_is_not_hidden_by_the_median),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
