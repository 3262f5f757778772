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

/* A vector of make_aggregation_vectors.py: rounds of one tensor. */
typedef struct rounds {
    vch_buffer file;
    int32_t members, values, count;
    double settings[5];
    int32_t sizes[200];
    float *floats; /* the start; for each round the members and the result */
} rounds;

static rounds load_rounds(const char *name)
{
    rounds r = { .file = vector_file(name) };
    const uint8_t *at = r.file.data;
    memcpy(&r.members, at, 4);
    memcpy(&r.values, at + 4, 4);
    memcpy(&r.count, at + 8, 4);
    memcpy(r.settings, at + 12, sizeof r.settings);
    size_t skip = 12 + sizeof r.settings;
    CHECK(r.members <= 200);
    memcpy(r.sizes, at + skip, (size_t)r.members * 4);
    skip += (size_t)r.members * 4;
    size_t floats = (size_t)r.values * (1 + (size_t)r.count * ((size_t)r.members + 1));
    CHECK(r.file.size == skip + floats * 4);
    r.floats = malloc(floats * 4);
    CHECK(r.floats != NULL);
    memcpy(r.floats, at + skip, floats * 4);
    return r;
}

static void unload_rounds(rounds *r)
{
    vch_buffer_drop(&r->file);
    free(r->floats);
}

static vch_model model_of(const float *values, size_t count)
{
    const int32_t dims[] = { (int32_t)count };
    vch_shape shape;
    vch_tensor t = { 0 };
    vch_model m = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_shape_make(dims, 1, &shape, &err), &err);
    CHECK_OK(vch_tensor_init(&t, (vouch_span) { (const uint8_t *)"t", 1 }, &shape, &err), &err);
    memcpy(t.values, values, count * sizeof *values);
    CHECK_OK(vch_model_add(&m, &t, &err), &err);
    return m;
}

static int32_t ulps(float a, float b)
{
    int32_t x = 0;
    int32_t y = 0;
    memcpy(&x, &a, 4);
    memcpy(&y, &b, 4);
    return x > y ? x - y : y - x;
}

/* Every round's result is OpenFL's, to within `room` steps between float32. */
static void check_rounds(const char *file, vch_aggregate_function function, const char *tensor_name,
                         int32_t room)
{
    rounds r = load_rounds(file);
    size_t values = (size_t)r.values;
    double weights[200];
    vouch_error err = { 0 };
    vch_model start = model_of(r.floats, values);
    vch_aggregate_state memory = { 0 };
    vch_aggregate_options options = { .function = function,
                                      .step = { r.settings[0], r.settings[1], r.settings[2],
                                                r.settings[3], r.settings[4] },
                                      .tensor_name = tensor_name };
    CHECK_OK(vch_aggregate_weights(r.sizes, (size_t)r.members, weights, &err), &err);
    CHECK_OK(vch_aggregate_state_make(function, &options.step, &start, &memory, &err), &err);
    const float *at = r.floats + values;
    float *out = calloc(values, sizeof *out);
    for (int32_t round = 0; round < r.count; round++) {
        const float *members[200];
        for (int32_t m = 0; m < r.members; m++, at += values)
            members[m] = at;
        vch_aggregate_memory of_round = vch_aggregate_state_of(&memory, 0);
        options.memory = &of_round;
        CHECK_OK(
            vch_aggregate_values(&options, members, weights, (size_t)r.members, values, out, &err),
            &err);
        memory.steps++;
        for (size_t i = 0; i < values; i++) {
            if (ulps(out[i], at[i]) > room)
                fail_msg("%s, round %d, value %zu: %a, OpenFL has %a", file, round, i,
                         (double)out[i], (double)at[i]);
        }
        at += values;
    }
    free(out);
    vch_aggregate_state_done(&memory);
    vch_model_done(&start);
    unload_rounds(&r);
}

static void steps_equal_openfls_bit_for_bit_over_rounds(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        vch_aggregate_function function;
    } all[] = {
        { "adagrad_0.bin", VCH_AGGREGATE_ADAGRAD }, { "adagrad_1.bin", VCH_AGGREGATE_ADAGRAD },
        { "adagrad_2.bin", VCH_AGGREGATE_ADAGRAD }, { "adam_0.bin", VCH_AGGREGATE_ADAM },
        { "adam_1.bin", VCH_AGGREGATE_ADAM },       { "adam_2.bin", VCH_AGGREGATE_ADAM },
        { "yogi_0.bin", VCH_AGGREGATE_YOGI },       { "yogi_1.bin", VCH_AGGREGATE_YOGI },
        { "yogi_2.bin", VCH_AGGREGATE_YOGI },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_rounds(all[i].file, all[i].function, "t", 0);
}

static void fisher_tensors_are_added_up_and_the_rest_is_averaged(void **state)
{
    (void)state;
    check_rounds("fedcurv_0.bin", VCH_AGGREGATE_FEDCURV, "layer.weight_u", 0);
    check_rounds("fedcurv_1.bin", VCH_AGGREGATE_FEDCURV, "w_w", 0);
    check_rounds("fedcurv_2.bin", VCH_AGGREGATE_FEDCURV, "w_v", 0);
    const float a = 1;
    const float b = 3;
    const float *values[] = { &a, &b };
    const double weights[] = { 0.5, 0.5 };
    static const struct {
        const char *name;
        float want;
    } names[] = { { "w_u", 4 }, { "w_v", 4 }, { "w_w", 4 }, { "w_x", 2 }, { "u", 2 }, { "wu", 2 } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        vch_aggregate_options options = { .function = VCH_AGGREGATE_FEDCURV,
                                          .tensor_name = names[i].name };
        float out = 0;
        CHECK(vch_aggregate_values(&options, values, weights, 2, 1, &out, NULL) == VOUCH_OK);
        CHECK(out == names[i].want);
    }
}

static void the_geometric_median_is_openfls_to_the_last_bit_but_one(void **state)
{
    (void)state;
    check_rounds("geometric_0.bin", VCH_AGGREGATE_GEOMETRIC_MEDIAN, "t", 1);
    check_rounds("geometric_1.bin", VCH_AGGREGATE_GEOMETRIC_MEDIAN, "t", 1);
    check_rounds("geometric_2.bin", VCH_AGGREGATE_GEOMETRIC_MEDIAN, "t", 1);
}

static void a_step_without_its_memory_is_refused(void **state)
{
    (void)state;
    const float one[2] = { 1, 1 };
    const float *values[] = { one };
    const double weight = 1;
    float out[2];
    vch_aggregate_options options = { .function = VCH_AGGREGATE_ADAM };
    vouch_error err = { 0 };
    vch_model m = model_of(one, 2);
    vch_aggregate_state kept = { 0 };
    CHECK_OK(vch_aggregate_state_make(VCH_AGGREGATE_ADAM, &options.step, &m, &kept, &err), &err);
    CHECK(kept.slot_count == 3 && kept.steps == 0);
    CHECK(vch_aggregate_values(&options, values, &weight, 1, 2, out, NULL) == VOUCH_E_INTERNAL);
    vch_aggregate_memory memory = vch_aggregate_state_of(&kept, 0);
    options.memory = &memory;
    memory.from[2].read = NULL;
    CHECK(vch_aggregate_values(&options, values, &weight, 1, 2, out, NULL) == VOUCH_E_INTERNAL);
    memory = vch_aggregate_state_of(&kept, 0);
    memory.to[1].write = NULL;
    CHECK(vch_aggregate_values(&options, values, &weight, 1, 2, out, NULL) == VOUCH_E_INTERNAL);
    vch_aggregate_state_done(&kept);
    vch_model_done(&m);
}

/* What is left of the state between rounds is its slots and the number of steps: put into a new
 * state, they give what the old one gives. */
static void a_state_made_of_stored_slots_goes_on_where_it_was(void **state)
{
    (void)state;
    rounds r = load_rounds("adam_0.bin");
    size_t n = (size_t)r.values;
    vouch_error err = { 0 };
    vch_model start = model_of(r.floats, n);
    vch_aggregate_options options = { .function = VCH_AGGREGATE_ADAM,
                                      .step = { 0.01, 0.9, 0.999, 0, 1e-8 } };
    const double weights[] = { 0.5, 0.25, 0.25 };
    const float *members[] = { r.floats + n, r.floats + 2 * n, r.floats + 3 * n };
    float *out[2] = { calloc(n, sizeof(float)), calloc(n, sizeof(float)) };
    vch_aggregate_state kept = { 0 };
    CHECK_OK(vch_aggregate_state_make(options.function, &options.step, &start, &kept, &err), &err);
    vch_aggregate_memory memory;
    options.memory = &memory;
    for (kept.steps = 0; kept.steps < 2; kept.steps++) {
        memory = vch_aggregate_state_of(&kept, 0);
        CHECK_OK(vch_aggregate_values(&options, members, weights, 3, n, out[0], &err), &err);
    }
    vch_aggregate_state restored = { .steps = kept.steps, .slot_count = kept.slot_count };
    for (size_t i = 0; i < kept.slot_count; i++) {
        restored.slot[i] = model_of(kept.slot[i].tensor[0].values, n);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(vch_aggregate_slot_name(options.function, i),
                         vch_aggregate_slot_name(options.function, k))
                  != 0);
    }
    memory = vch_aggregate_state_of(&kept, 0);
    CHECK_OK(vch_aggregate_values(&options, members, weights, 3, n, out[0], &err), &err);
    memory = vch_aggregate_state_of(&restored, 0);
    CHECK_OK(vch_aggregate_values(&options, members, weights, 3, n, out[1], &err), &err);
    assert_memory_equal(out[0], out[1], n * sizeof(float));
    free(out[0]);
    free(out[1]);
    vch_aggregate_state_done(&kept);
    vch_aggregate_state_done(&restored);
    vch_model_done(&start);
    unload_rounds(&r);
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

/* tests/vectors/openfl/make_metric_vectors.py */
static void check_means(const char *name, vch_aggregate_sum sum)
{
    vch_buffer file = vector_file(name);
    char *rest = NULL;
    size_t lines = 0;
    char *line = strtok_r((char *)(uintptr_t)vch_buffer_text(&file), "\n", &rest);
    for (; line != NULL; line = strtok_r(NULL, "\n", &rest), lines++) {
        static float values[150];
        static double weights[150];
        double total = 0;
        double got = 0;
        size_t count = 0;
        char *sizes = strchr(line, ' ') + 1;
        char *bits = strchr(sizes, ' ') + 1;
        for (char *at = sizes - 1; *at != ' ' || at == sizes - 1; total += weights[count++])
            weights[count] = (double)strtoul(at + 1, &at, 10);
        for (size_t m = 0; m < count; m++) {
            uint32_t one = (uint32_t)strtoul(bits, &bits, 16);
            memcpy(&values[m], &one, sizeof one);
            weights[m] /= total;
            bits++;
        }
        CHECK(vch_aggregate_mean(sum, values, weights, count, &got, NULL) == VOUCH_OK);
        if (got != strtod(bits, NULL))
            fail_msg("%zu members: %a, not %s", count, got, bits);
    }
    CHECK(lines == 8);
    vch_buffer_drop(&file);
}

static void a_metrics_mean_is_the_releases_to_the_last_bit(void **state)
{
    (void)state;
    check_means("metric_means_1.8.txt", VCH_SUM_FLOAT64);
    check_means("metric_means_1.9.txt", VCH_SUM_FLOAT32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_metrics_mean_is_the_releases_to_the_last_bit),
        TEST(results_equal_openfl_bit_for_bit),
        TEST(steps_equal_openfls_bit_for_bit_over_rounds),
        TEST(fisher_tensors_are_added_up_and_the_rest_is_averaged),
        TEST(the_geometric_median_is_openfls_to_the_last_bit_but_one),
        TEST(a_step_without_its_memory_is_refused),
        TEST(a_state_made_of_stored_slots_goes_on_where_it_was),
        TEST(a_tensor_of_many_blocks_is_read_in_order_and_whole),
        TEST(weights_follow_the_data_sizes),
        TEST(no_members_and_absurd_weights_are_refused),
        TEST(a_reader_that_fails_ends_it_without_output),
        TEST(a_nan_among_the_members_is_not_hidden_by_the_median),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
