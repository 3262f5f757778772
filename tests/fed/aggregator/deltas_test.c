#include "fed/aggregator/deltas.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "fed/plan/random.h"

static const vch_plan_pipeline stc = { VCH_COMPRESSION_STC, .clusters = 6, .sparsity = 0.2 };

static vch_tensor make(const char *name, int32_t count)
{
    vch_shape shape;
    vch_tensor t = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_shape_make(&count, 1, &shape, &err), &err);
    CHECK_OK(vch_tensor_init(&t, vch_span_str(name), &shape, &err), &err);
    for (int32_t i = 0; i < count; i++)
        t.values[i] = (float)((i * 37) % 11) - 5.0F;
    return t;
}

static void what_is_kept_is_what_the_values_become(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_deltas *d = NULL;
    vch_pipeline p = vch_pipeline_make(&stc, 1);
    vch_tensor t = make("w", 50);
    vch_tensor decoded = { 0 };
    float values[50];
    memcpy(values, t.values, sizeof values);
    CHECK_OK(vch_deltas_new(2, &d, &err), &err);
    CHECK(vch_deltas_find(d, vch_span_str("w"), 4) == NULL);
    CHECK_OK(vch_deltas_put(d, 1, &t, 4, &p, values, &err), &err);
    CHECK(memcmp(values, t.values, sizeof values) != 0); /* it is lossy */
    const vch_named_tensor *kept = vch_deltas_find(d, vch_span_str("w"), 4);
    CHECK(kept != NULL && kept->round == 4);
    CHECK_OK(vch_pipeline_decode(&p, kept, &decoded, &err), &err);
    assert_memory_equal(decoded.values, values, sizeof values);
    CHECK(vch_deltas_find(d, vch_span_str("w"), 5) == NULL); /* not a later round's change */
    CHECK(vch_deltas_find(d, vch_span_str("v"), 4) == NULL);
    memcpy(values, t.values, sizeof values);
    CHECK_OK(vch_there_and_back(&p, &t, 4, values, &err), &err);
    assert_memory_equal(decoded.values, values, sizeof values);
    vch_tensor_done(&decoded);
    vch_tensor_done(&t);
    vch_deltas_free(d);
}

/* A collaborator adds what it is sent: its model must be the aggregator's to the bit. */
static void the_change_between_two_models_leads_from_one_to_the_other(void **state)
{
    (void)state;
    enum { COUNT = 500000 };
    static float before[COUNT];
    static float now[COUNT];
    static float change[COUNT];
    vch_stream s = vch_stream_begin(3, 0, 0);
    for (size_t i = 0; i < COUNT; i++) {
        /* magnitudes from 1e-6 to 1e6 against each other, where a difference is not exact */
        const float scale[] = { 1e-6F, 1e-3F, 1.0F, 1e3F, 1e6F };
        before[i] = vch_stream_uniform(&s, scale[i % 5]);
        now[i] = before[i] + vch_stream_uniform(&s, scale[i / 5 % 5]);
    }
    vch_change_between(before, now, COUNT, change);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(before[i] + change[i] == now[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_kept_is_what_the_values_become),
        TEST(the_change_between_two_models_leads_from_one_to_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
