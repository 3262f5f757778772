#include "collateral/tcb_info.h"

#include "base/bytes.h"
#include "base/scope.h"
#include "document.h"

#define C16                                                                                        \
    "[{\"svn\":1},{\"svn\":2},{\"svn\":3},{\"svn\":4},{\"svn\":5},{\"svn\":6},{\"svn\":7},{"       \
    "\"svn\":8},"                                                                                  \
    "{\"svn\":9},{\"svn\":10},{\"svn\":11},{\"svn\":12},{\"svn\":13},{\"svn\":14},{\"svn\":15},{"  \
    "\"svn\":16}]"
#define ZEROS_48                                                                                   \
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
    "0000"
#define SIGNATURE                                                                                  \
    "abababababababababababababababababababababababababababababababab"                             \
    "CDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCD"

/* A TDX document that has one of everything. */
static const char tdx_document[] =
    "{\"tcbInfo\":{\"id\":\"TDX\",\"version\":3,\"issueDate\":\"2025-01-01T00:00:00Z\","
    "\"nextUpdate\":\"2025-02-01T00:00:00Z\",\"fmspc\":\"00906eD50000\",\"pceId\":\"0102\","
    "\"tcbType\":0,"
    "\"tcbEvaluationDataNumber\":17,"
    "\"tdxModule\":{\"mrsigner\":\"" ZEROS_48 "\",\"attributes\":\"0000000000000000\","
    "\"attributesMask\":\"FFFFFFFFFFFFFFFF\"},"
    "\"tdxModuleIdentities\":[{\"id\":\"TDX_03\",\"mrsigner\":\"" ZEROS_48 "\","
    "\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\",\"tcbLevels\":["
    "{\"tcb\":{\"isvsvn\":3},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"OutOfDate\","
    "\"advisoryIDs\":[\"INTEL-SA-1\"]},"
    "{\"tcb\":{\"isvsvn\":6},\"tcbDate\":\"2024-11-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}]}],"
    "\"tcbLevels\":[{\"tcb\":{\"sgxtcbcomponents\":" C16 ",\"pcesvn\":7,\"tdxtcbcomponents\":" C16
    "},"
    "\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"OutOfDate\",\"advisoryIDs\":[\"A\",\"B\"]"
    "},"
    "{\"tcb\":{\"sgxtcbcomponents\":" C16 ",\"pcesvn\":9,\"tdxtcbcomponents\":" C16 "},"
    "\"tcbDate\":\"2024-04-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\",\"new\":{\"x\":[1]}}]},"
    "\"signature\":\"" SIGNATURE "\"}";

static vouch_span tdx(void)
{
    return (vouch_span) { (const uint8_t *)tdx_document, sizeof tdx_document - 1 };
}

static void a_tdx_document_is_read_whole(void **state)
{
    (void)state;
    VCH_SCOPED(vch_tcb_info_drop) vch_tcb_info t = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_tcb_info_parse(tdx(), &t, &err), &err);
    CHECK(t.tee == VOUCH_TEE_TDX && t.version == 3 && t.evaluation_number == 17);
    CHECK(t.fmspc[2] == 0x6e && t.fmspc[3] == 0xd5 && t.pceid[1] == 2);
    CHECK(t.next_update_unix_s - t.issued_unix_s == 31 * 86400);
    CHECK(t.signature[0] == 0xab && t.signature[63] == 0xcd);
    CHECK(t.level_count == 2 && t.levels[0].pce_svn == 9
          && t.levels[1].pce_svn == 7); /* best first */
    CHECK(t.levels[0].sgx[15] == 16 && t.levels[0].tdx[0] == 1);
    CHECK(t.levels[1].facts.advisory_count == 2 && t.levels[0].facts.advisory_count == 0);
    CHECK(vch_span_is(t.advisories.ids[t.levels[1].facts.first_advisory + 1], "B"));
    const vch_tdx_module *m = vch_tcb_info_module(&t, 3);
    CHECK(m != NULL && m->level_count == 2 && vch_tcb_info_module(&t, 4) == NULL);
    CHECK(t.module_levels.list[m->first_level].isv_svn == 6);
    CHECK(t.signed_bytes.data == (const uint8_t *)tdx_document + strlen("{\"tcbInfo\":"));
    CHECK(t.signed_bytes.data[t.signed_bytes.size - 1] == '}');
}

static void levels_are_matched_from_the_best_one_down(void **state)
{
    (void)state;
    VCH_SCOPED(vch_tcb_info_drop) vch_tcb_info t = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_tcb_info_parse(tdx(), &t, &err), &err);
    const vch_svn_level *levels = t.module_levels.list;
    CHECK(vch_svn_levels_match(levels, 2, 7)->isv_svn == 6);
    CHECK(vch_svn_levels_match(levels, 2, 6)->isv_svn == 6);
    CHECK(vch_svn_levels_match(levels, 2, 5)->isv_svn == 3);
    CHECK(vch_svn_levels_match(levels, 2, 2) == NULL);
}

#define NAMED(n) "\"sgxtcbcomp" n "svn\":255,"
#define NAMED_16                                                                                   \
    NAMED("01")                                                                                    \
    NAMED("02")                                                                                    \
    NAMED("03")                                                                                    \
    NAMED("04")                                                                                    \
    NAMED("05")                                                                                    \
    NAMED("06")                                                                                    \
    NAMED("07")                                                                                    \
    NAMED("08")                                                                                    \
    NAMED("09")                                                                                    \
    NAMED("10") NAMED("11") NAMED("12") NAMED("13") NAMED("14") NAMED("15") NAMED("16")

static const struct {
    const char *name;
    const char *from;
    const char *to;
    vouch_code want;
} changes[] = {
    { "the module id in lower case", "TDX_03", "tdx_03", VOUCH_OK },
    { "an unknown member", "\"tcbType\":0", "\"tcbType\":0,\"more\":[{}]", VOUCH_OK },
    { "white space after the document", SIGNATURE "\"}", SIGNATURE "\"} \n", VOUCH_OK },
    { "version 1", "\"version\":3", "\"version\":1", VOUCH_E_UNSUPPORTED },
    { "version 4", "\"version\":3", "\"version\":4", VOUCH_E_UNSUPPORTED },
    { "version 2 with TDX parts", "\"version\":3", "\"version\":2", VOUCH_E_FORMAT },
    { "the version as text", "\"version\":3", "\"version\":\"3\"", VOUCH_E_FORMAT },
    { "tcbType 1", "\"tcbType\":0", "\"tcbType\":1", VOUCH_E_UNSUPPORTED },
    { "id QE", "\"id\":\"TDX\"", "\"id\":\"QE\"", VOUCH_E_FORMAT },
    { "id SGX with TDX parts", "\"id\":\"TDX\"", "\"id\":\"SGX\"", VOUCH_E_FORMAT },
    { "version 3 without id", "\"id\":\"TDX\"", "\"xx\":\"TDX\"", VOUCH_E_FORMAT },
    { "no version", "\"version\":3", "\"xx\":3", VOUCH_E_FORMAT },
    { "no issueDate", "issueDate", "xx", VOUCH_E_FORMAT },
    { "no nextUpdate", "nextUpdate", "xx", VOUCH_E_FORMAT },
    { "no fmspc", "fmspc", "xx", VOUCH_E_FORMAT },
    { "no pceId", "pceId", "xx", VOUCH_E_FORMAT },
    { "no tcbType", "tcbType", "xx", VOUCH_E_FORMAT },
    { "no evaluation number", "tcbEvaluationDataNumber", "xx", VOUCH_E_FORMAT },
    { "no tdxModule", "tdxModule\"", "xx\"", VOUCH_E_FORMAT },
    { "no levels", "\"tcbLevels\":[{\"tcb\":{\"sgx", "\"xx\":[{\"tcb\":{\"sgx", VOUCH_E_FORMAT },
    { "an impossible date", "2025-02-01T", "2025-02-30T", VOUCH_E_FORMAT },
    { "a date with an offset", "2025-02-01T00:00:00Z", "2025-02-01T00:00:00+00:00",
      VOUCH_E_FORMAT },
    { "a short FMSPC", "00906eD50000", "00906eD5000", VOUCH_E_FORMAT },
    { "a long PCEID", "\"0102\"", "\"010203\"", VOUCH_E_FORMAT },
    { "a negative evaluation number", "Number\":17", "Number\":-17", VOUCH_E_FORMAT },
    { "an evaluation number above 32 bits", "Number\":17", "Number\":4294967296", VOUCH_E_FORMAT },
    { "an svn of 256", "{\"svn\":16}", "{\"svn\":256}", VOUCH_E_FORMAT },
    { "an svn of 16.0", "{\"svn\":16}", "{\"svn\":16.0}", VOUCH_E_FORMAT },
    { "a component without svn", "{\"svn\":16}", "{\"category\":\"x\"}", VOUCH_E_FORMAT },
    { "15 components", ",{\"svn\":16}", "", VOUCH_E_FORMAT },
    { "17 components", "{\"svn\":16}", "{\"svn\":16},{\"svn\":17}", VOUCH_E_FORMAT },
    { "a level without SGX components", "sgxtcbcomponents", "xx", VOUCH_E_FORMAT },
    { "a level without TDX components", "tdxtcbcomponents", "xx", VOUCH_E_FORMAT },
    { "a level without pcesvn", "\"pcesvn\":7", "\"xx\":7", VOUCH_E_FORMAT },
    { "a pcesvn of 65536", "\"pcesvn\":7", "\"pcesvn\":65536", VOUCH_E_FORMAT },
    { "two levels alike", "\"pcesvn\":7", "\"pcesvn\":9", VOUCH_E_FORMAT },
    { "an unknown platform status", "\"tcbStatus\":\"OutOfDate\",\"advisoryIDs\":[\"A\"",
      "\"tcbStatus\":\"Fine\",\"advisoryIDs\":[\"A\"", VOUCH_E_FORMAT },
    { "a status that is only ours", "\"tcbStatus\":\"OutOfDate\",\"advisoryIDs\":[\"A\"",
      "\"tcbStatus\":\"TDRelaunchAdvised\",\"advisoryIDs\":[\"A\"", VOUCH_E_FORMAT },
    { "a module status that only platforms have",
      "\"tcbStatus\":\"OutOfDate\",\"advisoryIDs\":[\"INT",
      "\"tcbStatus\":\"SWHardeningNeeded\",\"advisoryIDs\":[\"INT", VOUCH_E_FORMAT },
    { "a level without date", "\"tcbDate\":\"2024-04", "\"xx\":\"2024-04", VOUCH_E_FORMAT },
    { "a level without status", "\"tcbStatus\":\"UpToDate\",\"new\"", "\"xx\":\"UpToDate\",\"new\"",
      VOUCH_E_FORMAT },
    { "an empty advisory id", "[\"A\",\"B\"]", "[\"A\",\"\"]", VOUCH_E_FORMAT },
    { "an advisory id that is a number", "[\"A\",\"B\"]", "[\"A\",7]", VOUCH_E_FORMAT },
    { "a module signer of another size", "{\"mrsigner\":\"00", "{\"mrsigner\":\"", VOUCH_E_FORMAT },
    { "a module without mask", "\"attributesMask\"", "\"xx\"", VOUCH_E_FORMAT },
    { "a module identity without id", "{\"id\":\"TDX_03\",", "{", VOUCH_E_FORMAT },
    { "a module identity without levels", "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":3}",
      "\"xx\":[{\"tcb\":{\"isvsvn\":3}", VOUCH_E_FORMAT },
    { "a module level without isvsvn", "\"isvsvn\":3", "\"xx\":3", VOUCH_E_FORMAT },
    { "a module level of 65536", "\"isvsvn\":3", "\"isvsvn\":65536", VOUCH_E_FORMAT },
    { "two module levels alike", "\"isvsvn\":3", "\"isvsvn\":6", VOUCH_E_FORMAT },
    { "a module identity without signer",
      "{\"id\":\"TDX_03\",\"mrsigner\":", "{\"id\":\"TDX_03\",\"xx\":", VOUCH_E_FORMAT },
    { "a component by name beside those of version 3", "\"pcesvn\":7",
      "\"sgxtcbcomp01svn\":255,\"pcesvn\":7", VOUCH_E_FORMAT },
    { "all components by name beside those of version 3", "\"pcesvn\":7", NAMED_16 "\"pcesvn\":7",
      VOUCH_E_FORMAT },
    { "a member twice", "\"tcbType\":0", "\"tcbType\":0,\"tcbType\":0", VOUCH_E_FORMAT },
    { "a member twice in what is ignored", "{\"x\":[1]}", "{\"x\":[1],\"x\":2}", VOUCH_E_FORMAT },
    { "a third outer member", ",\"signature\"", ",\"x\":1,\"signature\"", VOUCH_E_FORMAT },
    { "no signature", ",\"signature\":\"" SIGNATURE "\"", "", VOUCH_E_FORMAT },
    { "a short signature", "\"abab", "\"ab", VOUCH_E_FORMAT },
    { "another outer name", "{\"tcbInfo\"", "{\"tcbinfo\"", VOUCH_E_FORMAT },
    { "a value after the document", SIGNATURE "\"}", SIGNATURE "\"}{}", VOUCH_E_FORMAT },
};

static void each_rule_of_the_document_refuses_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        vouch_span changed = with_replaced(tdx(), changes[i].from, changes[i].to);
        vch_tcb_info t = { .level_count = 77 };
        vouch_error err = { 0 };
        char text[512];
        vouch_code rc = vch_tcb_info_parse(changed, &t, &err);
        if (rc != changes[i].want)
            fail_msg("%s: %s %s", changes[i].name, vouch_code_name(rc),
                     vouch_error_text(&err, text, sizeof text));
        if (rc == VOUCH_OK)
            vch_tcb_info_drop(&t);
        else
            CHECK(t.level_count == 77 && err.depth > 0);
        corpus_free(changed);
    }
}

/* The genuine SGX document: what the TDX one above cannot show. */
static void an_sgx_document_names_its_tee_and_has_no_tdx_parts(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        vouch_code want;
    } sgx_changes[] = {
        { "\"pcesvn\":13", "\"pcesvn\":13", VOUCH_OK },
        { "\"id\":\"SGX\",", "", VOUCH_E_FORMAT },
        { "\"pcesvn\":13",
          "\"tdxtcbcomponents\":[{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},"
          "{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},"
          "{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0}],\"pcesvn\":13",
          VOUCH_E_FORMAT }, /* one level alone has them */
    };
    vouch_span whole = corpus_read(CORPUS_SGX_TCB_INFO);
    for (size_t i = 0; i < sizeof sgx_changes / sizeof *sgx_changes; i++) {
        vouch_span changed = with_replaced(whole, sgx_changes[i].from, sgx_changes[i].to);
        vch_tcb_info t = { 0 };
        CHECK(vch_tcb_info_parse(changed, &t, NULL) == sgx_changes[i].want);
        vch_tcb_info_drop(&t);
        corpus_free(changed);
    }
    corpus_free(whole);
}

/* Ids are compared to their end, in either direction. */
static void a_part_of_a_module_id_is_not_it(void **state)
{
    (void)state;
    static const char *const ids[] = { "\"TDX_0\"", "\"TDX_033\"", "\"TDX_\"", "\"TDX_30\"" };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        vouch_span changed = with_replaced(tdx(), "\"TDX_03\"", ids[i]);
        VCH_SCOPED(vch_tcb_info_drop) vch_tcb_info t = { 0 };
        CHECK(vch_tcb_info_parse(changed, &t, NULL) == VOUCH_OK);
        CHECK(vch_tcb_info_module(&t, 3) == NULL);
        CHECK((vch_tcb_info_module(&t, 0x30) != NULL) == (i == 3));
        corpus_free(changed);
    }
}

static void a_module_identity_may_not_stand_twice(void **state)
{
    (void)state;
    static const char twice[] =
        "\"tdxModuleIdentities\":[{\"id\":\"tdx_03\",\"mrsigner\":\"" ZEROS_48 "\","
        "\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\",\"tcbLevels\":"
        "["
        "{\"tcb\":{\"isvsvn\":3},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"OutOfDate\"}]"
        "},";
    vouch_span changed = with_replaced(tdx(), "\"tdxModuleIdentities\":[", twice);
    vch_tcb_info t = { 0 };
    CHECK(vch_tcb_info_parse(changed, &t, NULL) == VOUCH_E_FORMAT);
    corpus_free(changed);
}

static void a_document_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < tdx().size; size++) {
        vouch_span cut = corpus_copy(tdx(), size);
        vch_tcb_info t = { 0 };
        CHECK(vch_tcb_info_parse(cut, &t, NULL) == VOUCH_E_FORMAT);
        corpus_free(cut);
    }
}

static void version_2_names_its_components(void **state)
{
    (void)state;
    vouch_span v2 = corpus_read("collateral/fc8e3bf8747f1048.tcb.json");
    VCH_SCOPED(vch_tcb_info_drop) vch_tcb_info t = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_tcb_info_parse(v2, &t, &err), &err);
    CHECK(t.version == 2 && t.tee == VOUCH_TEE_SGX && t.level_count > 3);
    static const struct {
        const char *from;
        const char *to;
    } bad[] = {
        { "sgxtcbcomp07svn", "sgxtcbcomp17svn" }, { "sgxtcbcomp07svn", "sgxtcbcomp00svn" },
        { "sgxtcbcomp07svn", "sgxtcbcomp7svn" },  { "sgxtcbcomp07svn", "sgxtcbcomp08svn" },
        { "\"version\":2", "\"version\":3" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vouch_span changed = with_replaced(v2, bad[i].from, bad[i].to);
        vch_tcb_info other = { 0 };
        CHECK(vch_tcb_info_parse(changed, &other, NULL) == VOUCH_E_FORMAT);
        corpus_free(changed);
    }
    corpus_free(v2);
}

static void a_document_above_the_limit_is_not_parsed(void **state)
{
    (void)state;
    vouch_span large = corpus_copy(tdx(), VOUCH_COLLATERAL_PART_MAX_SIZE + 1);
    memset(corpus_bytes(large) + tdx().size, ' ', large.size - tdx().size);
    vch_tcb_info t = { 0 };
    CHECK(vch_tcb_info_parse(large, &t, NULL) == VOUCH_E_LIMIT);
    large.size--;
    CHECK(vch_tcb_info_parse(large, &t, NULL) == VOUCH_OK);
    vch_tcb_info_drop(&t);
    corpus_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_tdx_document_is_read_whole),
        TEST(levels_are_matched_from_the_best_one_down),
        TEST(each_rule_of_the_document_refuses_by_itself),
        TEST(an_sgx_document_names_its_tee_and_has_no_tdx_parts),
        TEST(a_part_of_a_module_id_is_not_it),
        TEST(a_module_identity_may_not_stand_twice),
        TEST(a_document_cut_short_anywhere_is_refused),
        TEST(version_2_names_its_components),
        TEST(a_document_above_the_limit_is_not_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
