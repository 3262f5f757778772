#include "fed/tensor/npy.h"

#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "fed/vector_file.h"

static void check_written(const int32_t *dims, size_t rank, const char *vector)
{
    vouch_error err = { 0 };
    vch_shape shape;
    vch_tensor t = { 0 };
    vch_buffer out = vch_buffer_with_cap(1 << 16);
    vch_buffer wanted = vector_file(vector);
    CHECK_OK(vch_shape_make(dims, rank, &shape, &err), &err);
    CHECK_OK(vch_tensor_init(&t, vch_span_str("t"), &shape, &err), &err);
    for (size_t i = 0; i < shape.count; i++)
        t.values[i] = (float)i * 0.5F - 1.0F;
    vch_npy_write(&t, &out);
    CHECK_OK(vch_buffer_finish(&out, "npy", &err), &err);
    assert_int_equal(out.size, wanted.size);
    assert_memory_equal(out.data, wanted.data, out.size);
    vch_buffer_drop(&out);
    vch_buffer_drop(&wanted);
    vch_tensor_done(&t);
}

static void a_tensor_is_written_as_numpy_writes_it(void **state)
{
    (void)state;
    check_written((const int32_t[]) { 3, 4 }, 2, "npy_3x4.npy");
    check_written((const int32_t[]) { 7 }, 1, "npy_7.npy");
    check_written(NULL, 0, "npy_scalar.npy");
    check_written((const int32_t[]) { 2, 1, 3, 2 }, 4, "npy_2x1x3x2.npy");
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(a_tensor_is_written_as_numpy_writes_it) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
