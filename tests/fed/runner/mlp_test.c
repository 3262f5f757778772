#include "fed/runner/mlp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

#include "check.h"

#define DIGITS VCH_SOURCE_ROOT "/examples/data/optdigits.csv"

static const vch_mlp_shape small = { .layer_count = 2, .width = { 3, 4, 2 } };

static void tensors_tile_the_parameters(void **state)
{
    (void)state;
    static const vch_mlp_shape shape = { .layer_count = 3, .width = { 5, 4, 3, 2 } };
    vouch_error err = { 0 };
    size_t count = 0;
    CHECK_OK(vch_mlp_shape_check(&shape, &count, &err), &err);
    CHECK(count == 5 * 4 + 4 + 4 * 3 + 3 + 3 * 2 + 2);
    size_t at = 0;
    for (size_t i = 0; i < vch_mlp_tensor_count(&shape); i++) {
        vch_mlp_slice slice = vch_mlp_tensor(&shape, i);
        CHECK(slice.offset == at);
        CHECK(slice.count == slice.dims[0] * (slice.rank == 2 ? slice.dims[1] : 1));
        at += slice.count;
    }
    CHECK(at == count);
    assert_string_equal(vch_mlp_tensor(&shape, 4).name, "layer2.weight");
    assert_string_equal(vch_mlp_tensor(&shape, 5).name, "layer2.bias");
}

static void shapes_out_of_range_are_refused(void **state)
{
    (void)state;
    static const vch_mlp_shape wrong[] = {
        { .layer_count = 0, .width = { 3 } },
        { .layer_count = VCH_MLP_MAX_LAYERS + 1, .width = { 1, 1, 1, 1, 1, 1 } },
        { .layer_count = 1, .width = { 3, 0 } },
        { .layer_count = 1, .width = { VCH_MLP_MAX_WIDTH + 1, 2 } },
        { .layer_count = 1, .width = { VCH_MLP_MAX_WIDTH, VCH_MLP_MAX_WIDTH } },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        size_t count = 77;
        CHECK(vch_mlp_shape_check(&wrong[i], &count, NULL) == VOUCH_E_LIMIT);
        CHECK(count == 77);
    }
}

static float feature_cells[] = { 0.5F, -1.0F, 0.25F, 1.0F, 0.75F, -0.5F };
static uint32_t label_cells[] = { 1, 0 };
static const vch_rows two_rows = { .count = 2, .features = feature_cells, .labels = label_cells };

/* One step of plain gradient descent moves each parameter by -rate times the slope of the mean
 * loss, which differences of vch_mlp_evaluate measure independently. */
static void a_step_follows_the_numerical_gradient(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    float start[26];
    float moved[26];
    vch_mlp_init(&small, 11, start);
    memcpy(moved, start, sizeof start);
    vch_mlp_training how = { .learning_rate = 0.125F, .batch_size = 2, .epochs = 1, .seed = 1 };
    double loss = 0.0;
    CHECK_OK(vch_mlp_train(&small, &two_rows, &how, moved, &loss, &err), &err);
    for (size_t i = 0; i < 26; i++) {
        vch_mlp_score up = { 0 };
        vch_mlp_score down = { 0 };
        float at = start[i];
        start[i] = at + 0.01F;
        CHECK_OK(vch_mlp_evaluate(&small, &two_rows, start, &up, &err), &err);
        start[i] = at - 0.01F;
        CHECK_OK(vch_mlp_evaluate(&small, &two_rows, start, &down, &err), &err);
        start[i] = at;
        double slope = (up.loss - down.loss) / 0.02;
        double taken = ((double)at - (double)moved[i]) / 0.125;
        CHECK(fabs(slope - taken) < 2e-3);
    }
}

static void the_same_seed_gives_the_same_model(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    float a[26];
    float b[26];
    float c[26];
    vch_mlp_init(&small, 5, a);
    vch_mlp_init(&small, 5, b);
    vch_mlp_init(&small, 6, c);
    CHECK(memcmp(a, b, sizeof a) == 0 && memcmp(a, c, sizeof a) != 0);
    vch_mlp_training how = { .learning_rate = 0.1F, .batch_size = 1, .epochs = 3, .seed = 2 };
    double loss = 0.0;
    CHECK_OK(vch_mlp_train(&small, &two_rows, &how, a, &loss, &err), &err);
    CHECK_OK(vch_mlp_train(&small, &two_rows, &how, b, &loss, &err), &err);
    CHECK(memcmp(a, b, sizeof a) == 0);
}

static void a_loss_that_is_not_finite_is_an_error(void **state)
{
    (void)state;
    float parameters[26];
    vch_mlp_init(&small, 5, parameters);
    parameters[0] = NAN;
    vch_mlp_score score = { .accuracy = 77.0 };
    CHECK(vch_mlp_evaluate(&small, &two_rows, parameters, &score, NULL) == VOUCH_E_LIMIT);
    CHECK(score.accuracy > 76.0);
    vch_mlp_training how = { .learning_rate = 0.1F, .batch_size = 1, .epochs = 1 };
    double loss = 77.0;
    CHECK(vch_mlp_train(&small, &two_rows, &how, parameters, &loss, NULL) == VOUCH_E_LIMIT);
    CHECK(loss > 76.0);
}

static vch_csv read_digits(void)
{
    FILE *f = fopen(DIGITS, "rbe");
    CHECK(f != NULL);
    vch_buffer text = vch_buffer_with_cap(VCH_CSV_MAX_SIZE);
    uint8_t piece[4096];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, f)) > 0)
        vch_buffer_append(&text, (vouch_span) { piece, got });
    (void)fclose(f);
    vouch_error err = { 0 };
    vch_csv csv = { 0 };
    CHECK_OK(vch_csv_parse("optdigits.csv", vch_buffer_span(&text), &csv, &err), &err);
    vch_buffer_drop(&text);
    return csv;
}

enum { SITES = 4, PARAMETERS = 64 * 32 + 32 + 32 * 10 + 10 };
static const vch_mlp_shape digits = { .layer_count = 2, .width = { 64, 32, 10 } };

/* A round as the federation makes it: all start from one model, train, and are averaged by rows. */
static void one_round(const vch_dataset sites[SITES], uint64_t round, float *model)
{
    static double sum[PARAMETERS];
    static float local[PARAMETERS];
    vouch_error err = { 0 };
    size_t rows = 0;
    memset(sum, 0, sizeof sum);
    vch_mlp_training how = {
        .learning_rate = 0.2F, .batch_size = 16, .epochs = 5, .seed = 1, .round = round
    };
    for (size_t s = 0; s < SITES; s++) {
        double loss = 0.0;
        memcpy(local, model, sizeof local);
        CHECK_OK(vch_mlp_train(&digits, &sites[s].training, &how, local, &loss, &err), &err);
        for (size_t i = 0; i < PARAMETERS; i++)
            sum[i] += (double)local[i] * (double)sites[s].training.count;
        rows += sites[s].training.count;
    }
    for (size_t i = 0; i < PARAMETERS; i++)
        model[i] = (float)(sum[i] / (double)rows);
}

static double accuracy(const vch_dataset sites[SITES], const float *model)
{
    vouch_error err = { 0 };
    double right = 0.0;
    size_t rows = 0;
    for (size_t s = 0; s < SITES; s++) {
        vch_mlp_score score = { 0 };
        CHECK_OK(vch_mlp_evaluate(&digits, &sites[s].validation, model, &score, &err), &err);
        right += score.accuracy * (double)sites[s].validation.count;
        rows += sites[s].validation.count;
    }
    return right / (double)rows;
}

static void four_sites_reach_93_percent_on_held_out_digits_within_10_rounds(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_csv csv = read_digits();
    vch_dataset sites[SITES] = { 0 };
    vch_dataset_options options = {
        .feature_count = 64, .class_count = 10, .feature_scale = 0.0625F, .hold_out_each = 5
    };
    for (uint32_t s = 0; s < SITES; s++) {
        vch_data_path path = { .file = "optdigits.csv", .shard = s, .shard_count = SITES };
        CHECK_OK(vch_dataset_build(&csv, &path, &options, &sites[s], &err), &err);
    }
    static float model[PARAMETERS];
    vch_mlp_init(&digits, 42, model);
    CHECK(accuracy(sites, model) < 0.4);
    for (uint64_t round = 0; round < 10; round++) {
        one_round(sites, round, model);
        print_message("# round %u: accuracy %.4f\n", (unsigned)round, accuracy(sites, model));
    }
    CHECK(accuracy(sites, model) >= 0.93);
    for (size_t s = 0; s < SITES; s++)
        vch_dataset_drop(&sites[s]);
    vch_csv_drop(&csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tensors_tile_the_parameters),
        TEST(shapes_out_of_range_are_refused),
        TEST(a_step_follows_the_numerical_gradient),
        TEST(the_same_seed_gives_the_same_model),
        TEST(a_loss_that_is_not_finite_is_an_error),
        TEST(four_sites_reach_93_percent_on_held_out_digits_within_10_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
