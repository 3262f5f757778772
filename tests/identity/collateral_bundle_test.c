#include "identity/collateral_bundle.h"

#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "host/file.h"

static char dir[VCH_PATH_SIZE];
static char path[VCH_PATH_SIZE];

static int make_dir(void **state)
{
    (void)state;
    if (vch_dir_make_temporary(NULL, "vouch-bundle-", dir, NULL) != VOUCH_OK)
        return -1;
    return vch_path_join(dir, "x.bundle", path, NULL) == VOUCH_OK ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return vch_dir_remove_tree(dir, NULL) == VOUCH_OK ? 0 : -1;
}

/* Bytes of every kind, so that nothing may be lost on the way. */
static const uint8_t odd[] = { 0, 0xff, '"', '\\', '\n', '\r', 0x80, 'x' };

static vouch_collateral_parts parts_of(const char *tcb_info)
{
    const vouch_span some = { odd, sizeof odd };
    return (vouch_collateral_parts) { .tcb_info = vch_span_str(tcb_info),
                                      .tcb_info_issuer_chain = some,
                                      .qe_identity = some,
                                      .qe_identity_issuer_chain = some,
                                      .pck_crl = some,
                                      .root_ca_crl = some };
}

static void put(vch_collateral_bundle *b, const char *family, const char *tcb_info)
{
    const vouch_collateral_parts parts = parts_of(tcb_info);
    vouch_error err = { 0 };
    CHECK_OK(vch_collateral_bundle_put(b, family, &parts, &err), &err);
}

static void every_family_comes_back_byte_for_byte(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_collateral_bundle_drop) vch_collateral_bundle made = { 0 };
    VCH_SCOPED(vch_collateral_bundle_drop) vch_collateral_bundle read = { 0 };
    put(&made, "00906ed50000-sgx", "first");
    put(&made, "00906ed50000-tdx", "second");
    put(&made, "00906ed50000-sgx", "in place of the first");
    CHECK_OK(vch_collateral_bundle_write(&made, path, &err), &err);
    CHECK_OK(vch_collateral_bundle_read(path, &read, &err), &err);
    CHECK(read.count == 2);
    const vouch_collateral_parts *sgx = vch_collateral_bundle_find(&read, "00906ed50000-sgx");
    const vouch_collateral_parts *tdx = vch_collateral_bundle_find(&read, "00906ed50000-tdx");
    CHECK(sgx != NULL && vch_span_is(sgx->tcb_info, "in place of the first"));
    CHECK(tdx != NULL && vch_span_is(tdx->tcb_info, "second"));
    CHECK(vch_span_equal(tdx->root_ca_crl, (vouch_span) { odd, sizeof odd }));
    CHECK(tdx->pck_chain.size == 0);
    CHECK(vch_collateral_bundle_find(&read, "00906ed50001-sgx") == NULL);
}

static void what_names_no_family_is_not_taken(void **state)
{
    (void)state;
    static const char *const names[] = { "",
                                         "00906ed50000",
                                         "00906ed50000-sg",
                                         "00906ED50000-sgx",
                                         "00906ed50000-sev",
                                         "00906ed5000g-sgx",
                                         "00906ed50000-sgxx",
                                         "../906ed50000-sgx" };
    VCH_SCOPED(vch_collateral_bundle_drop) vch_collateral_bundle b = { 0 };
    const vouch_collateral_parts parts = parts_of("x");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK(vch_collateral_bundle_put(&b, names[i], &parts, NULL) == VOUCH_E_FORMAT);
    CHECK(b.count == 0);
}

#define PARTS                                                                                      \
    "\"tcb_info.json\": \"eA==\", \"tcb_info_issuer_chain.pem\": \"eA==\", \"qe_identity.json\": " \
    "\"eA==\", \"qe_identity_issuer_chain.pem\": \"eA==\", \"pck_crl.der\": \"eA==\""
#define SET(parts) "\"00906ed50000-sgx\": {" parts "}"
#define BUNDLE(sets) "{\"vouch_collateral\": 1, \"sets\": {" sets "}}"

static const struct {
    const char *name, *text;
    vouch_code want;
} texts[] = {
    { "a whole one is read", BUNDLE(SET(PARTS ", \"root_ca_crl.der\": \"eA==\"")), VOUCH_OK },
    { "an empty one is read", BUNDLE(""), VOUCH_OK },
    { "nothing", "", VOUCH_E_FORMAT },
    { "another version", "{\"vouch_collateral\": 2, \"sets\": {}}", VOUCH_E_UNSUPPORTED },
    { "no version", "{\"sets\": {}}", VOUCH_E_FORMAT },
    { "an unknown member", "{\"vouch_collateral\": 1, \"sets\": {}, \"x\": 1}", VOUCH_E_FORMAT },
    { "no sets", "{\"vouch_collateral\": 1}", VOUCH_E_FORMAT },
    { "a part is missing", BUNDLE(SET(PARTS)), VOUCH_E_FORMAT },
    { "a part is empty", BUNDLE(SET(PARTS ", \"root_ca_crl.der\": \"\"")), VOUCH_E_FORMAT },
    { "a part is no base64", BUNDLE(SET(PARTS ", \"root_ca_crl.der\": \"e\"")), VOUCH_E_FORMAT },
    { "a part is null", BUNDLE(SET(PARTS ", \"root_ca_crl.der\": null")), VOUCH_E_FORMAT },
    { "an unknown part", BUNDLE(SET(PARTS ", \"root_ca_crl.der\": \"eA==\", \"y\": \"eA==\"")),
      VOUCH_E_FORMAT },
    { "a family twice",
      BUNDLE(SET(PARTS ", \"root_ca_crl.der\": \"eA==\"") ", " SET(
          PARTS ", \"root_ca_crl.der\": \"eA==\"")),
      VOUCH_E_FORMAT },
    { "a set is a list", BUNDLE("\"00906ed50000-sgx\": []"), VOUCH_E_FORMAT },
    { "a set of nobody", BUNDLE("\"x\": {}"), VOUCH_E_FORMAT },
};

static void anything_but_the_form_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        VCH_SCOPED(vch_collateral_bundle_drop) vch_collateral_bundle b = { 0 };
        vouch_error err = { 0 };
        vouch_code rc = vch_collateral_bundle_parse(vch_span_str(texts[i].text), &b, &err);
        if (rc != texts[i].want)
            fail_msg("%s: %s", texts[i].name, vouch_code_name(rc));
        CHECK(rc == VOUCH_OK || (b.count == 0 && err.depth > 0));
    }
}

static void a_bundle_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    vouch_span whole = vch_span_str(texts[0].text);
    for (size_t n = 0; n < whole.size; n++) {
        VCH_SCOPED(vch_collateral_bundle_drop) vch_collateral_bundle b = { 0 };
        CHECK(vch_collateral_bundle_parse((vouch_span) { whole.data, n }, &b, NULL) != VOUCH_OK);
    }
}

static void a_file_that_is_not_there_is_said_so(void **state)
{
    (void)state;
    vch_collateral_bundle b = { 0 };
    CHECK(vch_collateral_bundle_read("/nonexistent", &b, NULL) == VOUCH_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_family_comes_back_byte_for_byte), TEST(what_names_no_family_is_not_taken),
        TEST(anything_but_the_form_is_refused),      TEST(a_bundle_cut_short_anywhere_is_refused),
        TEST(a_file_that_is_not_there_is_said_so),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
