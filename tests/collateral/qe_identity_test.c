#include "collateral/qe_identity.h"

#include "base/bytes.h"
#include "base/scope.h"
#include "document.h"

static vouch_span whole;

static int set_up(void **state)
{
    (void)state;
    whole = corpus_read(CORPUS_SGX_QE_IDENTITY);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    corpus_free(whole);
    return 0;
}

static void intels_identity_is_read(void **state)
{
    (void)state;
    VCH_SCOPED(vch_qe_identity_drop) vch_qe_identity q = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_qe_identity_parse(whole, &q, &err), &err);
    CHECK(q.id == VCH_ENCLAVE_QE && q.isv_prod_id == 1 && q.evaluation_number == 17);
    CHECK(q.misc_select == 0 && q.misc_select_mask == 0xffffffffU);
    CHECK(q.attributes[0] == 0x11 && q.attributes_mask[0] == 0xfb);
    CHECK(q.mrsigner[0] == 0x8c && q.mrsigner[31] == 0xff);
    CHECK(q.levels.count > 1 && q.levels.list[0].isv_svn > q.levels.list[1].isv_svn);
    CHECK(q.levels.list[0].facts.status == VOUCH_TCB_UP_TO_DATE);
}

static const struct {
    const char *name;
    const char *from;
    const char *to;
    vouch_code want;
} changes[] = {
    { "id TD_QE", "\"id\":\"QE\"", "\"id\":\"TD_QE\"", VOUCH_OK },
    { "an unknown member", "\"version\":2", "\"version\":2,\"new\":true", VOUCH_OK },
    { "a level that needs configuration", "\"UpToDate\"", "\"ConfigurationNeeded\"", VOUCH_OK },
    { "another id", "\"id\":\"QE\"", "\"id\":\"PCE\"", VOUCH_E_FORMAT },
    { "version 1", "\"version\":2", "\"version\":1", VOUCH_E_UNSUPPORTED },
    { "version 3", "\"version\":2", "\"version\":3", VOUCH_E_UNSUPPORTED },
    { "no id", "\"id\":", "\"x\":", VOUCH_E_FORMAT },
    { "no version", "\"version\":", "\"x\":", VOUCH_E_FORMAT },
    { "no issueDate", "\"issueDate\":", "\"x\":", VOUCH_E_FORMAT },
    { "no nextUpdate", "\"nextUpdate\":", "\"x\":", VOUCH_E_FORMAT },
    { "no evaluation number", "\"tcbEvaluationDataNumber\":", "\"x\":", VOUCH_E_FORMAT },
    { "no miscselect", "\"miscselect\":", "\"x\":", VOUCH_E_FORMAT },
    { "no miscselectMask", "\"miscselectMask\":", "\"x\":", VOUCH_E_FORMAT },
    { "no attributes", "\"attributes\":", "\"x\":", VOUCH_E_FORMAT },
    { "no attributesMask", "\"attributesMask\":", "\"x\":", VOUCH_E_FORMAT },
    { "no mrsigner", "\"mrsigner\":", "\"x\":", VOUCH_E_FORMAT },
    { "no isvprodid", "\"isvprodid\":", "\"x\":", VOUCH_E_FORMAT },
    { "no levels", "\"tcbLevels\":", "\"x\":", VOUCH_E_FORMAT },
    { "a product id of 65536", "\"isvprodid\":1", "\"isvprodid\":65536", VOUCH_E_FORMAT },
    { "a short mask", "\"attributesMask\":\"FB", "\"attributesMask\":\"", VOUCH_E_FORMAT },
    { "an unknown status", "\"UpToDate\"", "\"uptodate\"", VOUCH_E_FORMAT },
    { "a platform's status", "\"UpToDate\"", "\"SWHardeningNeeded\"", VOUCH_E_FORMAT },
    { "a level without tcb", "\"tcb\":{", "\"x\":{", VOUCH_E_FORMAT },
    { "a level without date", "\"tcbDate\":", "\"x\":", VOUCH_E_FORMAT },
    { "a level without status", "\"tcbStatus\":", "\"x\":", VOUCH_E_FORMAT },
    { "a member twice", "\"version\":2", "\"version\":2,\"version\":2", VOUCH_E_FORMAT },
    { "another outer name", "enclaveIdentity", "tcbInfo", VOUCH_E_FORMAT },
};

static void each_rule_of_the_document_refuses_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        vouch_span changed = with_replaced(whole, changes[i].from, changes[i].to);
        vch_qe_identity q = { .isv_prod_id = 77 };
        vouch_code rc = vch_qe_identity_parse(changed, &q, NULL);
        if (rc != changes[i].want)
            fail_msg("%s: %s", changes[i].name, vouch_code_name(rc));
        if (rc == VOUCH_OK)
            vch_qe_identity_drop(&q);
        else
            CHECK(q.isv_prod_id == 77);
        corpus_free(changed);
    }
}

static void numbers_in_hex_are_little_endian(void **state)
{
    (void)state;
    vouch_span changed = with_replaced(whole, "\"miscselect\":\"00", "\"miscselect\":\"01");
    VCH_SCOPED(vch_qe_identity_drop) vch_qe_identity q = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_qe_identity_parse(changed, &q, &err), &err);
    CHECK(q.misc_select == 1);
    corpus_free(changed);
}

static void a_document_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < whole.size; size++) {
        vouch_span cut = corpus_copy(whole, size);
        vch_qe_identity q = { 0 };
        CHECK(vch_qe_identity_parse(cut, &q, NULL) == VOUCH_E_FORMAT);
        corpus_free(cut);
    }
}

/* An identity with so many levels, and with so many advisories in the first. */
static vouch_code parse_many(size_t levels, size_t advisories)
{
    const char *from = strstr((const char *)whole.data, "\"tcbLevels\":[");
    CHECK(from != NULL);
    size_t before = (size_t)((const uint8_t *)from - whole.data) + strlen("\"tcbLevels\":[");
    vch_buffer b = vch_buffer_with_cap(1 << 20);
    vch_buffer_append(&b, (vouch_span) { whole.data, before });
    for (size_t i = 0; i < levels; i++) {
        vch_buffer_append_fmt(&b,
                              "%s{\"tcb\":{\"isvsvn\":%zu},\"tcbDate\":\"2024-03-13T00:00:00Z\","
                              "\"tcbStatus\":\"UpToDate\"",
                              i == 0 ? "" : ",", i);
        for (size_t j = 0; i == 0 && j < advisories; j++)
            vch_buffer_append_fmt(&b, j == 0 ? ",\"advisoryIDs\":[\"A%zu\"" : ",\"A%zu\"", j);
        vch_buffer_append_str(&b, i == 0 && advisories > 0 ? "]}" : "}");
    }
    vch_buffer_append_str(&b, "]},\"signature\":\"");
    for (size_t i = 0; i < 64; i++)
        vch_buffer_append_str(&b, "5a");
    vch_buffer_append_str(&b, "\"}");
    vch_qe_identity q = { 0 };
    vouch_code rc = vch_qe_identity_parse(vch_buffer_span(&b), &q, NULL);
    vch_qe_identity_drop(&q);
    vch_buffer_drop(&b);
    return rc;
}

static void levels_and_advisories_are_bounded(void **state)
{
    (void)state;
    CHECK(parse_many(1, 0) == VOUCH_OK);
    CHECK(parse_many(0, 0) == VOUCH_E_FORMAT);
    CHECK(parse_many(VCH_LEVELS_MAX, 0) == VOUCH_OK);
    CHECK(parse_many(VCH_LEVELS_MAX + 1, 0) == VOUCH_E_FORMAT);
    CHECK(parse_many(1, VCH_ADVISORIES_MAX) == VOUCH_OK);
    CHECK(parse_many(1, VCH_ADVISORIES_MAX + 1) == VOUCH_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(intels_identity_is_read),           TEST(each_rule_of_the_document_refuses_by_itself),
        TEST(numbers_in_hex_are_little_endian),  TEST(a_document_cut_short_anywhere_is_refused),
        TEST(levels_and_advisories_are_bounded),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
