#include "fed/workspace/workspace.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"
#include "fed/plan/plan.h"
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

static void a_new_workspace_holds_a_plan_that_is_right(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_faults faults = { 0 };
    vch_plan *plan = NULL;
    char cols[VCH_PATH_SIZE + 64];
    vch_plan_source source = { .host_name = "host.example.org" };
    CHECK_OK(vch_workspace_create(inside("new"), VCH_WORKSPACE_TEMPLATE, &err), &err);
    (void)snprintf(cols, sizeof cols, "%s", inside("new/plan/cols.yaml"));
    CHECK_OK(vch_plan_load(inside("new/plan/plan.yaml"), cols, &source, &faults, &plan, &err),
             &err);
    CHECK(faults.count == 0);
    CHECK(vch_plan_look(plan)->member_count == 0);
    CHECK(vch_file_exists(inside("new/cert")) && vch_file_exists(inside("new/save"))
          && vch_file_exists(inside("new/src")) && vch_file_exists(inside("new/data")));
    vch_plan_free(plan);
    vch_faults_done(&faults);
    CHECK(vch_workspace_create(inside("new"), VCH_WORKSPACE_TEMPLATE, NULL) == VOUCH_E_CONFIG);
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
    CHECK(vch_workspace_create(inside("old"), VCH_WORKSPACE_TEMPLATE, NULL) == VOUCH_OK);
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
