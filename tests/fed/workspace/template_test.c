#include "fed/workspace/template.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "check.h"
#include "host/file.h"

static const char *const names[] = { VCH_TEMPLATE_MLP, VCH_TEMPLATE_NUMPY, VCH_TEMPLATE_PYTORCH };

static vch_package files_of(const char *name)
{
    vch_package p = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_template_pack(name, &p, &err), &err);
    return p;
}

static void check_same(const vch_package *p, const char *name, const char *source)
{
    vch_buffer original = { 0 };
    const vch_package_entry *e = vch_package_find(p, name);
    CHECK(e != NULL);
    CHECK(vch_file_read(source, 1 << 20, &original, NULL) == VOUCH_OK);
    CHECK(e->bytes.size == original.size
          && memcmp(e->bytes.data, original.data, original.size) == 0);
    vch_buffer_drop(&original);
}

static void a_template_in_python_holds_its_program_and_the_package(void **state)
{
    (void)state;
    vch_package p = files_of(VCH_TEMPLATE_NUMPY);
    check_same(&p, "src/digits_numpy.py", VCH_SOURCE_ROOT "/examples/task_runner/digits_numpy.py");
    check_same(&p, "src/vouch_runner/__init__.py",
               VCH_SOURCE_ROOT "/python/vouch_runner/__init__.py");
    CHECK(vch_package_find(&p, "src/digits_pytorch.py") == NULL);
    vch_package_done(&p);
    p = files_of(VCH_TEMPLATE_PYTORCH);
    check_same(&p, "src/digits_pytorch.py",
               VCH_SOURCE_ROOT "/examples/task_runner/digits_pytorch.py");
    check_same(&p, "src/vouch_runner/pytorch.py",
               VCH_SOURCE_ROOT "/python/vouch_runner/pytorch.py");
    CHECK(vch_package_find(&p, "src/digits_numpy.py") == NULL);
    vch_package_done(&p);
}

static vouch_code count_module(void *context, const char *name, vouch_error *err)
{
    (void)err;
    size_t size = strlen(name);
    *(size_t *)context += size > 3 && strcmp(name + size - 3, ".py") == 0 ? 1 : 0;
    return VOUCH_OK;
}

static void the_package_is_whole(void **state)
{
    (void)state;
    vch_package p = files_of(VCH_TEMPLATE_NUMPY);
    size_t modules = 0;
    size_t packed = 0;
    CHECK(vch_dir_list(VCH_SOURCE_ROOT "/python/vouch_runner", count_module, &modules, NULL)
          == VOUCH_OK);
    for (size_t i = 0; i < p.count; i++)
        packed += strncmp(p.entry[i].name, "src/vouch_runner/", 17) == 0 ? 1 : 0;
    CHECK(packed == modules && modules > 0);
    vch_package_done(&p);
}

static void the_built_in_perceptron_needs_no_python(void **state)
{
    (void)state;
    vch_package p = files_of(VCH_TEMPLATE_MLP);
    for (size_t i = 0; i < p.count; i++)
        CHECK(strncmp(p.entry[i].name, "src/", 4) != 0);
    CHECK(vch_package_find(&p, "requirements.txt")->bytes.size == 0);
    vch_package_done(&p);
}

static void the_plan_comes_last(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        vch_package p = files_of(names[i]);
        CHECK(strcmp(p.entry[p.count - 1].name, "plan/plan.yaml") == 0);
        vch_package_done(&p);
    }
}

static void an_unknown_template_is_refused_with_a_list_of_all(void **state)
{
    (void)state;
    vch_package p = { 0 };
    vouch_error err = { 0 };
    char text[VOUCH_ERROR_DEPTH * VOUCH_ERROR_TEXT];
    CHECK(vch_template_pack("torch/mnist", &p, &err) == VOUCH_E_UNSUPPORTED && p.count == 0);
    (void)vouch_error_text(&err, text, sizeof text);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK(strstr(text, names[i]) != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_template_in_python_holds_its_program_and_the_package),
        TEST(the_package_is_whole),
        TEST(the_built_in_perceptron_needs_no_python),
        TEST(the_plan_comes_last),
        TEST(an_unknown_template_is_refused_with_a_list_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
