#include "fed/wire/model_proto.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "fed/vector_file.h"
#include "fed/wire/named_tensor_wire.h"

static void openfls_init_file_is_read_and_written_byte_for_byte(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_model m = { 0 };
    vch_buffer file = vector_file("init.pbuf");
    CHECK_OK(vch_model_parse(vch_buffer_span(&file), vch_pipeline_plain(), &m, &err), &err);
    CHECK(m.count == 4 && m.round == 0);
    assert_string_equal(m.tensor[0].name, "layer0.weight");
    CHECK(m.tensor[0].shape.rank == 2 && m.tensor[0].values[14] == 14.0F / 8);
    assert_string_equal(m.tensor[2].name, "steps"); /* an int64 scalar became a float32 one */
    CHECK(m.tensor[2].shape.rank == 0 && m.tensor[2].values[0] == 7.0F);
    CHECK(m.tensor[3].shape.count == 0);
    vch_buffer out = vch_buffer_with_cap(4096);
    CHECK_OK(vch_model_write(&m, vch_pipeline_plain(), &out, &err), &err);
    CHECK(vch_span_equal(vch_buffer_span(&out), vch_buffer_span(&file)));
    vch_buffer_drop(&out);
    vch_buffer_drop(&file);
    vch_model_done(&m);
}

/* A model file of up to two scalars; `tag` NULL: none. */
static vch_buffer model_file(const char *const *names, const int32_t *rounds, const char *tag,
                             float value)
{
    vch_buffer out = vch_buffer_with_cap(4096);
    uint8_t data[4];
    memcpy(data, &value, sizeof data);
    for (size_t i = 0; i < 2 && names[i] != NULL; i++) {
        vch_named_tensor t = { .name = vch_span_str(names[i]),
                               .round = rounds[i],
                               .metadata_count = 1,
                               .data = { data, sizeof data } };
        if (tag != NULL)
            CHECK(vch_tags_add(&t.tags, vch_span_str(tag), NULL) == VOUCH_OK);
        vch_model_write_head(&t, &out);
        vch_buffer_append(&out, t.data);
    }
    return out;
}

static void a_model_that_contradicts_itself_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *names[2];
        int32_t rounds[2];
        const char *tag;
        float value;
        vouch_code want;
    } cases[] = {
        { { "a", "b" }, { 4, 4 }, "model", 1, VOUCH_OK },
        { { "a", "b" }, { 4, 5 }, "model", 1, VOUCH_E_FORMAT },
        { { "a", "a" }, { 4, 4 }, "model", 1, VOUCH_E_FORMAT },
        { { "a", "b" }, { 4, 4 }, "trained", 1, VOUCH_E_FORMAT },
        { { "a", "b" }, { 4, 4 }, NULL, 1, VOUCH_E_FORMAT },
        { { "a", "b" }, { -1, -1 }, "model", 1, VOUCH_E_FORMAT },
        { { "a", "b" }, { 4, 4 }, "model", NAN, VOUCH_E_FORMAT },
        { { "a", "b" }, { 4, 4 }, "model", INFINITY, VOUCH_E_FORMAT },
        { { NULL, NULL }, { 0, 0 }, "model", 1, VOUCH_E_FORMAT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vch_model m = { 0 };
        vch_buffer file = model_file(cases[i].names, cases[i].rounds, cases[i].tag, cases[i].value);
        CHECK(vch_model_parse(vch_buffer_span(&file), vch_pipeline_plain(), &m, NULL)
              == cases[i].want);
        CHECK((m.count == 2) == (cases[i].want == VOUCH_OK));
        vch_model_done(&m);
        vch_buffer_drop(&file);
    }
}

static void a_model_file_cut_anywhere_gives_no_model_or_a_shorter_one(void **state)
{
    (void)state;
    vch_buffer file = vector_file("init.pbuf");
    size_t good = 0;
    for (size_t n = 0; n < file.size; n++) {
        vch_model m = { 0 };
        if (vch_model_parse((vouch_span) { file.data, n }, vch_pipeline_plain(), &m, NULL)
            == VOUCH_OK)
            good++;
        else
            CHECK(m.count == 0);
        vch_model_done(&m);
    }
    CHECK(good == 3); /* after the first, the second and the third tensor */
    vch_buffer_drop(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(openfls_init_file_is_read_and_written_byte_for_byte),
        TEST(a_model_that_contradicts_itself_is_refused),
        TEST(a_model_file_cut_anywhere_gives_no_model_or_a_shorter_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
