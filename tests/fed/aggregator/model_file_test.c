#include "fed/aggregator/model_file.h"

#include <string.h>

#include "base/scope.h"
#include "check.h"
#include "crypto/hash.h"
#include "fed/vector_file.h"

static char directory[VCH_PATH_SIZE];

static int set_up(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "vouch-model-", directory, NULL) == VOUCH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return vch_dir_remove_tree(directory, NULL) == VOUCH_OK ? 0 : -1;
}

static void write_file(const vch_buffer *bytes)
{
    char path[VCH_PATH_SIZE];
    vouch_error err = { 0 };
    CHECK_OK(vch_path_join(directory, "init.pbuf", path, &err), &err);
    CHECK_OK(vch_file_write(path, vch_buffer_span(bytes), 0644, &err), &err);
}

/* The host puts another model where the one that all agreed on should lie. */
static void a_trap_initial_model_is_refused(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    uint8_t agreed[VCH_SHA256_SIZE];
    vch_model model = { 0 };
    vch_buffer bytes = vector_file("init.pbuf");
    CHECK_OK(vch_sha256(vch_buffer_span(&bytes), agreed, &err), &err);
    write_file(&bytes);
    CHECK_OK(vch_model_file_read_agreed(directory, "init.pbuf", agreed, vch_pipeline_plain(),
                                        &model, &err),
             &err);
    CHECK(model.count == 4);
    vch_model_done(&model);
    bytes.data[bytes.size - 1] ^= 1U; /* one value differs; it is still a model */
    write_file(&bytes);
    model = (vch_model) { 0 };
    CHECK_OK(vch_model_file_read(directory, "init.pbuf", vch_pipeline_plain(), &model, &err), &err);
    vch_model_done(&model);
    model = (vch_model) { 0 };
    CHECK(vch_model_file_read_agreed(directory, "init.pbuf", agreed, vch_pipeline_plain(), &model,
                                     &err)
          == VOUCH_E_CONFIG);
    CHECK(model.count == 0 && strstr(err.frame[0], "initial_model") != NULL);
    vch_buffer_drop(&bytes);
}

static void a_model_that_is_not_there_is_named(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_model model = { 0 };
    CHECK(vch_model_file_read(directory, "none.pbuf", vch_pipeline_plain(), &model, &err)
          == VOUCH_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_trap_initial_model_is_refused),
        TEST(a_model_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
