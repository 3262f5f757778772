#include "policy/import.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"

#define HEX32 "1111111111111111111111111111111111111111111111111111111111111111"
#define ENV                                                                                        \
    "RA_TLS_MRENCLAVE=" HEX32 "\nRA_TLS_MRSIGNER=any\nRA_TLS_ISV_PROD_ID=any\n"                    \
    "RA_TLS_ISV_SVN=any\n"
#define SIGNED                                                                                     \
    "RA_TLS_MRENCLAVE=any\nRA_TLS_MRSIGNER=" HEX32 "\nRA_TLS_ISV_PROD_ID=1\n"                      \
    "RA_TLS_ISV_SVN=3\n"

static vouch_code import(const char *text, vch_faults *faults, vch_buffer *out)
{
    vouch_error err = { 0 };
    vouch_code rc = text[0] == '{'
                        ? vch_policy_import_marblerun("m", vch_span_str(text), faults, out, &err)
                        : vch_policy_import_env_file("e", vch_span_str(text), faults, out, &err);
    CHECK((rc == VOUCH_OK) == (err.depth == 0));
    return rc;
}

static const struct {
    const char *text;
    const char *want;
    size_t warnings;
} good[] = {
    { ENV, "measurements:\n- mrenclave: '" HEX32 "'\ntcb:\n  accept:\n  - UpToDate\nversion: 1\n",
      0 },
    { ENV "RA_TLS_ALLOW_SW_HARDENING_NEEDED=0\nRA_TLS_ALLOW_OUTDATED_TCB_INSECURE=yes\n"
          "RA_TLS_ALLOW_HW_CONFIG_NEEDED=\nRA_TLS_ALLOW_DEBUG_ENCLAVE_INSECURE=01\n",
      "measurements:\n- mrenclave: '" HEX32 "'\ntcb:\n  accept:\n  - UpToDate\nversion: 1\n",
      0 }, /* only 1 switches something on */
    { "# a comment\nexport PATH=/bin\n" SIGNED "RA_TLS_ALLOW_SW_HARDENING_NEEDED='1'\r\n",
      "measurements:\n- min_svn: 3\n  mrsigner: '" HEX32 "'\n  prod_id: 1\ntcb:\n  accept:\n"
      "  - UpToDate\n  - SWHardeningNeeded\nversion: 1\n",
      1 },
    { ENV "export RA_TLS_ALLOW_OUTDATED_TCB_INSECURE=1\nRA_TLS_ALLOW_HW_CONFIG_NEEDED=\"1\"\n"
          "RA_TLS_ALLOW_SW_HARDENING_NEEDED=1\nRA_TLS_ALLOW_DEBUG_ENCLAVE_INSECURE=1",
      "measurements:\n- mrenclave: '" HEX32 "'\ntcb:\n  accept:\n  - UpToDate\n"
      "  - SWHardeningNeeded\n  - ConfigurationNeeded\n  - ConfigurationAndSWHardeningNeeded\n"
      "  - OutOfDate\n  - OutOfDateConfigurationNeeded\nversion: 1\n",
      5 /* grace, advisories, debug, and both OutOfDate are weak */ },
    { "{\"Packages\":{\"a\":{\"UniqueID\":\"" HEX32
      "\",\"Debug\":true},\"b\":{\"SignerID\":\"" HEX32
      "\",\"ProductID\":43,\"SecurityVersion\":3,\"UniqueID\":\"\",\"AcceptedTCBStatuses\":"
      "[\"UpToDate\",\"ConfigurationNeeded\"],\"AcceptedAdvisories\":[\"INTEL-SA-1\"]}},"
      "\"Marbles\":{}}",
      "measurements:\n- mrenclave: '" HEX32 "'\n- min_svn: 3\n  mrsigner: '" HEX32
      "'\n  prod_id: 43\ntcb:\n  accept:\n  - UpToDate\nversion: 1\n",
      2 },
};

static void what_has_an_equivalent_is_taken_over(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(10000);
        CHECK(import(good[i].text, &faults, &out) == VOUCH_OK);
        assert_string_equal(vch_buffer_text(&out), good[i].want);
        CHECK(faults.errors == 0 && faults.count == good[i].warnings);
    }
}

static const char *const refused[] = {
    /* any enclave */
    "RA_TLS_MRENCLAVE=any\nRA_TLS_MRSIGNER=any\nRA_TLS_ISV_PROD_ID=any\nRA_TLS_ISV_SVN=any\n",
    "RA_TLS_MRENCLAVE=any\nRA_TLS_MRSIGNER=" HEX32 "\nRA_TLS_ISV_PROD_ID=any\nRA_TLS_ISV_SVN=3\n",
    "RA_TLS_MRENCLAVE=any\nRA_TLS_MRSIGNER=" HEX32 "\nRA_TLS_ISV_PROD_ID=1\nRA_TLS_ISV_SVN=any\n",
    "{\"Packages\":{\"a\":{\"Debug\":true}}}",
    "{\"Packages\":{\"a\":{\"SignerID\":\"" HEX32 "\"}}}",
    "{\"Packages\":{\"a\":{\"SignerID\":\"" HEX32 "\",\"ProductID\":1}}}",
    "{\"Packages\":{\"a\":{\"UniqueID\":\"any\"}}}", "{\"Packages\":{}}",
    /* not set, or not a number, or twice */
    "", "RA_TLS_MRENCLAVE=" HEX32 "\n",
    "RA_TLS_MRENCLAVE=any\nRA_TLS_MRSIGNER=" HEX32 "\nRA_TLS_ISV_PROD_ID=1x\nRA_TLS_ISV_SVN=3\n",
    "RA_TLS_MRENCLAVE=any\nRA_TLS_MRSIGNER=" HEX32 "\nRA_TLS_ISV_PROD_ID=1\nRA_TLS_ISV_SVN=\n",
    "RA_TLS_MRENCLAVE=any\nRA_TLS_MRSIGNER=" HEX32 "\nRA_TLS_ISV_PROD_ID=65536\nRA_TLS_ISV_SVN=1\n",
    ENV "RA_TLS_MRENCLAVE=" HEX32 "\n",
    "RA_TLS_MRENCLAVE=11\nRA_TLS_MRSIGNER=any\nRA_TLS_ISV_PROD_ID=any\nRA_TLS_ISV_SVN=any\n",
    /* manifests */
    "{\"Packages\":{\"a\":1,\"b\":{\"UniqueID\":\"" HEX32 "\"}}}",
    "{\"Packages\":{\"a\":{\"UniqueID\":\"" HEX32 "\",\"AcceptedTCBStatuses\":[\"UpToDate\","
    "\"Fine\"]}}}",
    "{\"Packages\":{\"a\":{\"UniqueID\":\"" HEX32 "\",\"AcceptedTCBStatuses\":[\"UpToDate\","
    "\"Revoked\"]}}}",
    "{}", "{\"Packages\":[]}", "{\"Packages\":{\"a\":1}}",
    "{\"Packages\":{\"a\":{\"UniqueID\":\"" HEX32 "\",\"Platform\":1}}}",
    "{\"Packages\":{\"a\":{\"UniqueID\":\"" HEX32 "\",\"AcceptedTCBStatuses\":[\"Revoked\"]}}}",
    "{\"Packages\":{\"a\":{\"UniqueID\":\"" HEX32 "\",\"AcceptedTCBStatuses\":[\"OutOfDate\"]},"
    "\"b\":{\"UniqueID\":\"" HEX32 "\"}}}", /* nothing that both accept */
};

static void what_would_admit_any_enclave_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(10000);
        if (import(refused[i], &faults, &out) == VOUCH_OK)
            fail_msg("taken over: %s", refused[i]);
        CHECK(out.size == 0);
    }
}

static void what_is_no_manifest_is_no_policy_without_packages(void **state)
{
    (void)state;
    static const char *const texts[] = { "{", "[]", "{}", "{\"Packages\":[]}" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(10000);
        vouch_error err = { 0 };
        CHECK(vch_policy_import_marblerun("m", vch_span_str(texts[i]), &faults, &out, &err)
              == VOUCH_E_FORMAT);
        CHECK(faults.errors == 0 && err.depth > 0);
    }
}

static void a_file_of_variables_is_bounded(void **state)
{
    (void)state;
    static const struct {
        size_t name, value, more;
        vouch_code want;
    } sizes[] = { { 47, 128, 27, VOUCH_OK },
                  { 48, 128, 0, VOUCH_E_CONFIG },
                  { 47, 129, 0, VOUCH_E_CONFIG },
                  { 47, 128, 28, VOUCH_E_CONFIG } }; /* four and this one make 33 */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
        VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(10000);
        VCH_SCOPED(vch_buffer_drop) vch_buffer text = vch_buffer_with_cap(10000);
        vch_buffer_append_fmt(&text, ENV "RA_TLS_%0*d=%0*d\n", (int)sizes[i].name - 7, 0,
                              (int)sizes[i].value, 0);
        for (size_t n = 0; n < sizes[i].more; n++)
            vch_buffer_append_fmt(&text, "RA_TLS_%zu=x\n", n);
        CHECK(import(vch_buffer_text(&text), &faults, &out) == sizes[i].want);
    }
    VCH_SCOPED(vch_faults_done) vch_faults faults = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer out = vch_buffer_with_cap(10000);
    char *large = calloc(1, VCH_IMPORT_MAX_SIZE + 2);
    memset(large, '\n', VCH_IMPORT_MAX_SIZE + 1);
    CHECK(import(large, &faults, &out) == VOUCH_E_LIMIT);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_has_an_equivalent_is_taken_over),
        TEST(what_is_no_manifest_is_no_policy_without_packages),
        TEST(a_file_of_variables_is_bounded),
        TEST(what_would_admit_any_enclave_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
