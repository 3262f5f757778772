#include "fed/tensor/tensor.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"

static vch_tensor make(const char *name, int32_t dim)
{
    vch_shape shape;
    vch_tensor t = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_shape_make(&dim, 1, &shape, &err), &err);
    CHECK_OK(vch_tensor_init(&t, vch_span_str(name), &shape, &err), &err);
    return t;
}

static void a_shape_knows_its_number_of_values(void **state)
{
    (void)state;
    vch_shape s;
    char text[32];
    int32_t dims[] = { 64, 10 };
    CHECK(vch_shape_make(dims, 2, &s, NULL) == VOUCH_OK);
    CHECK(s.count == 640);
    assert_string_equal(vch_shape_text(&s, text, sizeof text), "[64, 10]");
    CHECK(vch_shape_make(dims, 0, &s, NULL) == VOUCH_OK);
    CHECK(s.count == 1);
    assert_string_equal(vch_shape_text(&s, text, sizeof text), "[]");
    assert_string_equal(vch_shape_text(&s, text, 2), "[");
}

static void a_shape_beyond_a_limit_is_refused(void **state)
{
    (void)state;
    vch_shape s = { .rank = 9 };
    int32_t most[] = { 1 << 14, 1 << 14 };
    int32_t over[] = { 1 << 14, (1 << 14) + 1 };
    int32_t wraps[] = { INT32_MAX, INT32_MAX, INT32_MAX, 0 };
    int32_t below[] = { 4, -1 };
    int32_t ones[VCH_SHAPE_RANK_MAX + 1];
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
        ones[i] = 1;
    CHECK(vch_shape_make(over, 2, &s, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_shape_make(wraps, 4, &s, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_shape_make(below, 2, &s, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_shape_make(ones, VCH_SHAPE_RANK_MAX + 1, &s, NULL) == VOUCH_E_LIMIT);
    CHECK(s.rank == 9); /* untouched */
    CHECK(vch_shape_make(most, 2, &s, NULL) == VOUCH_OK);
    CHECK(s.count * sizeof(float) == VCH_TENSOR_DATA_MAX);
    CHECK(vch_shape_make(ones, VCH_SHAPE_RANK_MAX, &s, NULL) == VOUCH_OK);
}

static void a_name_must_be_text_of_a_length(void **state)
{
    (void)state;
    vch_shape shape;
    vch_tensor t = { 0 };
    char long_name[VCH_TENSOR_NAME_MAX + 1];
    memset(long_name, 'n', sizeof long_name);
    vouch_span name = { (const uint8_t *)long_name, VCH_TENSOR_NAME_MAX + 1 };
    CHECK(vch_shape_make(NULL, 0, &shape, NULL) == VOUCH_OK);
    CHECK(vch_tensor_init(&t, name, &shape, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_tensor_init(&t, (vouch_span) { 0 }, &shape, NULL) == VOUCH_E_LIMIT);
    CHECK(vch_tensor_init(&t, (vouch_span) { (const uint8_t *)"a\0b", 3 }, &shape, NULL)
          == VOUCH_E_FORMAT);
    name.size--;
    CHECK(vch_tensor_init(&t, name, &shape, NULL) == VOUCH_OK);
    CHECK(t.values[0] == 0.0F);
    vch_tensor_done(&t);
}

static void the_first_value_that_is_not_finite_is_found(void **state)
{
    (void)state;
    float v[] = { 1, -2, 3, 4 };
    size_t at = 77;
    CHECK(vch_values_finite(v, 4, &at));
    CHECK(at == 77);
    v[2] = INFINITY;
    v[3] = NAN;
    CHECK(!vch_values_finite(v, 4, &at));
    CHECK(at == 2);
    v[2] = 0;
    CHECK(!vch_values_finite(v, 4, &at));
    CHECK(at == 3);
}

static void the_norm_is_euclidean_and_does_not_overflow_float(void **state)
{
    (void)state;
    const float v[] = { 3, -4 };
    const float large[] = { 3e38F, 3e38F };
    CHECK(vch_values_norm(v, 2) == 5.0);
    CHECK(isfinite(vch_values_norm(large, 2)));
    CHECK(vch_values_norm(v, 0) == 0.0);
}

static void a_model_holds_each_name_once(void **state)
{
    (void)state;
    vch_model m = { 0 };
    vouch_error err = { 0 };
    vch_tensor a = make("a", 2);
    vch_tensor b = make("b", 3);
    vch_tensor again = make("a", 2);
    CHECK_OK(vch_model_add(&m, &a, &err), &err);
    CHECK_OK(vch_model_add(&m, &b, &err), &err);
    CHECK(a.name == NULL); /* given away */
    CHECK(vch_model_add(&m, &again, &err) == VOUCH_E_FORMAT);
    CHECK(again.name != NULL);
    CHECK(m.count == 2 && m.data_size == 20);
    CHECK(vch_model_find(&m, vch_span_str("b")) == &m.tensor[1]);
    CHECK(vch_model_find(&m, vch_span_str("c")) == NULL);
    vch_tensor_done(&again);
    vch_model_done(&m);
}

static void models_are_alike_in_names_order_and_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        int32_t dim;
        vouch_code want;
    } cases[] = {
        { "a", "b", 2, VOUCH_OK },
        { "b", "a", 2, VOUCH_E_FORMAT },
        { "a", "b", 3, VOUCH_E_FORMAT },
        { "a", NULL, 2, VOUCH_E_FORMAT },
    };
    vch_model want = { 0 };
    vch_tensor a = make("a", 2);
    vch_tensor b = make("b", 2);
    CHECK(vch_model_add(&want, &a, NULL) == VOUCH_OK);
    CHECK(vch_model_add(&want, &b, NULL) == VOUCH_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_model have = { 0 };
        vch_tensor t = make(cases[i].first, cases[i].dim);
        CHECK(vch_model_add(&have, &t, NULL) == VOUCH_OK);
        if (cases[i].second != NULL) {
            t = make(cases[i].second, 2);
            CHECK(vch_model_add(&have, &t, NULL) == VOUCH_OK);
        }
        CHECK(vch_model_check_alike(&want, &have, NULL) == cases[i].want);
        vch_model_done(&have);
    }
    vch_model_done(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_shape_knows_its_number_of_values),
        TEST(a_shape_beyond_a_limit_is_refused),
        TEST(a_name_must_be_text_of_a_length),
        TEST(the_first_value_that_is_not_finite_is_found),
        TEST(the_norm_is_euclidean_and_does_not_overflow_float),
        TEST(a_model_holds_each_name_once),
        TEST(models_are_alike_in_names_order_and_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
