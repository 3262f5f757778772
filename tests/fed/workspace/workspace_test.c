#include "fed/workspace/workspace.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"
#include "fed/plan/plan.h"
#include "fed/workspace/template.h"
#include "host/file.h"

static char directory[VCH_PATH_SIZE];

static const char *inside(const char *name)
{
    static char path[VCH_PATH_SIZE + 64];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int make_directory(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "workspace-test-", directory, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return vch_dir_remove_tree(directory, NULL) == VOUCH_OK ? 0 : -1;
}

static void check_workspace(const char *name, const char *template)
{
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *plan = NULL;
    char dir[VCH_PATH_SIZE];
    char file[VCH_PATH_SIZE];
    char cols[VCH_PATH_SIZE];
    static const char *const parts[] = { "cert", "save", "src", "data" };
    vch_plan_source source = { .host_name = "host.example.org" };
    CHECK(vch_path_join(directory, name, dir, NULL) == VOUCH_OK);
    CHECK_OK(vch_workspace_create(dir, template, &err), &err);
    CHECK(vch_path_join(dir, "plan/plan.yaml", file, NULL) == VOUCH_OK);
    CHECK(vch_path_join(dir, "plan/cols.yaml", cols, NULL) == VOUCH_OK);
    CHECK_OK(vch_plan_load(file, cols, &source, &faults, &plan, &err), &err);
    CHECK(faults.count == 0);
    CHECK(vch_plan_look(plan)->member_count == 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        CHECK(vch_path_join(dir, parts[i], file, NULL) == VOUCH_OK);
        CHECK(vch_dir_exists(file));
    }
    vch_plan_free(plan);
    vch_faults_done(&faults);
}

static void a_new_workspace_holds_a_plan_that_is_right(void **state)
{
    (void)state;
    check_workspace("new", VCH_TEMPLATE_MLP);
    check_workspace("numpy", VCH_TEMPLATE_NUMPY);
    check_workspace("pytorch", VCH_TEMPLATE_PYTORCH);
    CHECK(vch_workspace_create(inside("new"), VCH_TEMPLATE_MLP, NULL) == VOUCH_E_CONFIG);
    CHECK(vch_workspace_create(inside("x"), "torch/mnist", NULL) == VOUCH_E_UNSUPPORTED);
    CHECK(!vch_file_exists(inside("x")));
}

static void put_file(const char *name)
{
    CHECK(vch_file_write(inside(name), vch_span_str("text"), 0600, NULL) == VOUCH_OK);
}

static void a_package_holds_nothing_secret(void **state)
{
    (void)state;
    static const char *const secret[] = { "old/src/a.key",  "old/src/b.PEM",     "old/plan/c.crt",
                                          "old/plan/d.csr", "old/src/e.srl",     "old/src/f.p12",
                                          "old/src/g.pbuf", "old/src/deep/h.key" };
    vch_package p = { 0 };
    vouch_error err = { 0 };
    CHECK(vch_workspace_create(inside("old"), VCH_TEMPLATE_MLP, NULL) == VOUCH_OK);
    CHECK(vch_dir_make(inside("old/src/deep"), 0700, NULL) == VOUCH_OK);
    CHECK(vch_dir_make(inside("old/src/__pycache__"), 0700, NULL) == VOUCH_OK);
    put_file("old/src/runner.py");
    put_file("old/src/deep/part.py");
    put_file("old/src/__pycache__/x.pyc");
    put_file("old/cert/key");
    put_file("old/save/init.pbuf");
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        put_file(secret[i]);
    CHECK(symlink("/etc/passwd", inside("old/src/link")) == 0);
    CHECK_OK(vch_workspace_pack(inside("old"), &p, &err), &err);
    CHECK(p.count == 7); /* two sources, three of the plan, requirements, .workspace */
    CHECK(vch_package_find(&p, "src/deep/part.py") != NULL);
    CHECK(vch_package_find(&p, "src/link") == NULL);
    CHECK_OK(vch_workspace_unpack(&p, inside("copy"), &err), &err);
    CHECK(vch_file_exists(inside("copy/src/deep/part.py")) && vch_file_exists(inside("copy/cert")));
    CHECK(vch_workspace_unpack(&p, inside("copy"), NULL) == VOUCH_E_CONFIG);
    vch_package_done(&p);
}

static void a_directory_without_a_plan_is_no_workspace(void **state)
{
    (void)state;
    vch_package p = { 0 };
    CHECK(vch_dir_make(inside("bare"), 0700, NULL) == VOUCH_OK);
    CHECK(vch_workspace_pack(inside("bare"), &p, NULL) == VOUCH_E_NOT_FOUND);
    CHECK(p.entry == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_workspace_holds_a_plan_that_is_right),
        TEST(a_package_holds_nothing_secret),
        TEST(a_directory_without_a_plan_is_no_workspace),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
