#include "sim/platform.h"

#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "check.h"
#include "host/file.h"
#include "sim/svn.h"
#include "sim/vendor.h"

#define NOW INT64_C(1795000000)

static char root_dir[VCH_PATH_SIZE];

static int make_dir(void **state)
{
    (void)state;
    return vch_dir_make_temporary(NULL, "platform-test-", root_dir, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return vch_dir_remove_tree(root_dir, NULL) == VOUCH_OK ? 0 : -1;
}

static const char *in_root(const char *name)
{
    static char paths[4][VCH_PATH_SIZE];
    static size_t next;
    char *path = paths[next++ % 4];
    CHECK(vch_path_join(root_dir, name, path, NULL) == VOUCH_OK);
    return path;
}

static vch_sim_platform_options options(void)
{
    return (vch_sim_platform_options) { .tee = VOUCH_TEE_SGX,
                                        .status = VOUCH_TCB_UP_TO_DATE,
                                        .now_unix_s = NOW };
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    CHECK(stat(path, &st) == 0);
    return st.st_mode & 07777U;
}

static void a_platform_has_all_its_files_and_its_keys_are_private(void **state)
{
    (void)state;
    static const char *const files[] = { "one/root.pem",
                                         "one/pck_chain.pem",
                                         "one/platform.json",
                                         "one/collateral/tcb_info.json",
                                         "one/collateral/tcb_info_issuer_chain.pem",
                                         "one/collateral/qe_identity.json",
                                         "one/collateral/qe_identity_issuer_chain.pem",
                                         "one/collateral/pck_crl.der",
                                         "one/collateral/root_ca_crl.der" };
    static const char *const secrets[] = { "one/pck.key",       "one/attestation.key",
                                           "one/device.secret", "one/vendor/root.key",
                                           "one/vendor/ca.key", "one/vendor/signing.key" };
    vouch_error err = { 0 };
    vch_sim_platform_options o = options();
    CHECK_OK(vch_sim_platform_create(in_root("one"), &o, &err), &err);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        CHECK(vch_file_exists(in_root(files[i])));
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        CHECK(mode_of(in_root(secrets[i])) == 0600);
    CHECK(mode_of(in_root("one")) == 0700);
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *p = NULL;
    CHECK_OK(vch_sim_platform_open(in_root("one"), &p, &err), &err);
    CHECK(p->tee == VOUCH_TEE_SGX && p->svn == 70);
    CHECK(vch_sim_platform_create(in_root("one"), &o, NULL) == VOUCH_E_CONFIG);
}

static void platforms_of_one_vendor_differ_but_share_their_root(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer a = vch_buffer_with_cap(100000);
    VCH_SCOPED(vch_buffer_drop) vch_buffer b = vch_buffer_with_cap(100000);
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *pa = NULL;
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *pb = NULL;
    vch_sim_platform_options o = options();
    o.vendor_dir = in_root("vendor");
    CHECK_OK(vch_sim_platform_create(in_root("a"), &o, &err), &err);
    CHECK_OK(vch_sim_platform_create(in_root("b"), &o, &err), &err);
    CHECK_OK(vch_file_read(in_root("a/root.pem"), 100000, &a, &err), &err);
    CHECK_OK(vch_file_read(in_root("b/root.pem"), 100000, &b, &err), &err);
    CHECK(vch_span_equal(vch_buffer_span(&a), vch_buffer_span(&b)));
    CHECK(!vch_file_exists(in_root("a/vendor")));
    CHECK_OK(vch_sim_platform_open(in_root("a"), &pa, &err), &err);
    CHECK_OK(vch_sim_platform_open(in_root("b"), &pb, &err), &err);
    CHECK(!vch_key_same_public(pa->pck_key, pb->pck_key));
    CHECK(memcmp(pa->ppid, pb->ppid, 16) != 0 && memcmp(pa->piid, pb->piid, 16) != 0);
}

static void the_sealing_key_belongs_to_a_platform_a_measurement_and_an_svn(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *a = NULL;
    VCH_SCOPED(vch_sim_platform_drop) vch_sim_platform *b = NULL;
    CHECK_OK(vch_sim_platform_open(in_root("a"), &a, &err), &err);
    CHECK_OK(vch_sim_platform_open(in_root("b"), &b, &err), &err);
    uint8_t mrenclave[32] = { 1 };
    uint8_t key[16], again[16], other[16];
    CHECK_OK(vch_sim_platform_sealing_key(a, mrenclave, key, &err), &err);
    CHECK_OK(vch_sim_platform_sealing_key(a, mrenclave, again, &err), &err);
    CHECK(memcmp(key, again, 16) == 0);
    CHECK_OK(vch_sim_platform_sealing_key(b, mrenclave, other, &err), &err);
    CHECK(memcmp(key, other, 16) != 0);
    a->svn++;
    CHECK_OK(vch_sim_platform_sealing_key(a, mrenclave, other, &err), &err);
    CHECK(memcmp(key, other, 16) != 0);
    a->svn--;
    mrenclave[31] = 1;
    CHECK_OK(vch_sim_platform_sealing_key(a, mrenclave, other, &err), &err);
    CHECK(memcmp(key, other, 16) != 0);
}

static void a_vendor_gives_each_status_and_advisory_list_a_level_of_its_own(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    static const char *const one[] = { "INTEL-SA-00615" };
    static const char *const bad[] = { "intel sa" };
    uint8_t plain = 0, advised = 0, again = 0, reopened = 0, none = 0;
    VCH_SCOPED(vch_sim_vendor_drop) vch_sim_vendor *v = NULL;
    CHECK_OK(vch_sim_vendor_open(in_root("levels"), NOW, &v, &err), &err);
    CHECK_OK(vch_sim_vendor_level(v, VOUCH_TCB_OUT_OF_DATE, NULL, 0, &plain, &err), &err);
    CHECK_OK(vch_sim_vendor_level(v, VOUCH_TCB_OUT_OF_DATE, one, 1, &advised, &err), &err);
    CHECK_OK(vch_sim_vendor_level(v, VOUCH_TCB_OUT_OF_DATE, one, 1, &again, &err), &err);
    CHECK(plain == 30 && advised == 31 && again == 31);
    CHECK(vch_sim_vendor_level(v, VOUCH_TCB_OUT_OF_DATE, bad, 1, &none, NULL) == VOUCH_E_CONFIG);
    CHECK(vch_sim_vendor_level(v, VOUCH_TCB_TD_RELAUNCH_ADVISED, NULL, 0, &none, NULL)
          == VOUCH_E_CONFIG);
    CHECK(none == 0);
    CHECK_OK(vch_sim_vendor_save(v, &err), &err);
    vch_sim_vendor_free(VCH_MOVE(v));
    CHECK_OK(vch_sim_vendor_open(in_root("levels"), NOW, &v, &err), &err);
    CHECK_OK(vch_sim_vendor_level(v, VOUCH_TCB_OUT_OF_DATE, one, 1, &reopened, &err), &err);
    CHECK(reopened == 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_platform_has_all_its_files_and_its_keys_are_private),
        TEST(platforms_of_one_vendor_differ_but_share_their_root),
        TEST(the_sealing_key_belongs_to_a_platform_a_measurement_and_an_svn),
        TEST(a_vendor_gives_each_status_and_advisory_list_a_level_of_its_own),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
