#include "crypto/crl.h"

#include <string.h>

#include "corpus.h"

static vouch_span whole;

static int set_up(void **state)
{
    (void)state;
    whole = corpus_read(CORPUS_SGX_PCK_CRL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    corpus_free(whole);
    return 0;
}

static void intels_list_is_read(void **state)
{
    (void)state;
    VCH_SCOPED(vch_crl_drop) vch_crl crl = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_crl_parse(whole, &crl, &err), &err);
    CHECK(crl.revoked_count > 40 && crl.next_update_unix_s > crl.this_update_unix_s);
    for (size_t i = 0; i < crl.revoked_count; i++)
        CHECK(vch_crl_lists(&crl, crl.serials[i]));
    uint8_t other[VCH_SERIAL_MAX_SIZE];
    memcpy(other, crl.serials[0], sizeof other);
    other[19] ^= 1;
    CHECK(!vch_crl_lists(&crl, other));
}

static void a_list_without_entries_lists_nobody(void **state)
{
    (void)state;
    vouch_span empty = corpus_read(CORPUS_SGX_ROOT_CRL);
    VCH_SCOPED(vch_crl_drop) vch_crl crl = { 0 };
    vouch_error err = { 0 };
    const uint8_t serial[VCH_SERIAL_MAX_SIZE] = { 1 };
    CHECK_OK(vch_crl_parse(empty, &crl, &err), &err);
    CHECK(crl.revoked_count == 0 && !vch_crl_lists(&crl, serial));
    corpus_free(empty);
}

static void a_list_cut_short_anywhere_or_followed_by_a_byte_is_refused(void **state)
{
    (void)state;
    vch_crl crl = { .revoked_count = 77 };
    for (size_t size = 0; size < whole.size; size++) {
        vouch_span cut = corpus_copy(whole, size);
        CHECK(vch_crl_parse(cut, &crl, NULL) != VOUCH_OK);
        CHECK(crl.revoked_count == 77);
        corpus_free(cut);
    }
    vouch_span more = corpus_copy(whole, whole.size + 1);
    CHECK(vch_crl_parse(more, &crl, NULL) == VOUCH_E_FORMAT);
    corpus_free(more);
}

static const struct {
    const char *name;
    const char *from;
    const char *to;
    size_t size;
    const char *why;
} patches[] = {
    { "version 1", "\x02\x01\x01\x30\x0a", "\x02\x01\x00\x30\x0a", 5, "version is not 2" },
    { "another algorithm", "\x2a\x86\x48\xce\x3d\x04\x03\x02", "\x2a\x86\x48\xce\x3d\x04\x03\x03",
      8, "ecdsa-with-SHA256" },
    { "no CRL number", "\x55\x1d\x14", "\x55\x1d\x63", 3, "missing" },
    { "no authority key id", "\x55\x1d\x23", "\x55\x1d\x63", 3, "missing" },
    { "a delta list", "\x55\x1d\x14", "\x55\x1d\x1b", 3, "complete" },
    { "a partitioned list", "\x55\x1d\x14", "\x55\x1d\x1c", 3, "complete" },
    { "an extension twice", "\x55\x1d\x23", "\x55\x1d\x14", 3, "twice" },
    { "an indirect entry", "\x55\x1d\x15", "\x55\x1d\x1d", 3, "names an issuer" },
};

static void each_rule_of_the_profile_refuses_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
        vouch_span copy = corpus_copy(whole, whole.size);
        uint8_t *at = memmem(copy.data, copy.size, patches[i].from, patches[i].size);
        if (at == NULL)
            fail_msg("%s: the list does not hold what the test replaces", patches[i].name);
        memcpy(at, patches[i].to, patches[i].size);
        vch_crl crl = { 0 };
        vouch_error err = { 0 };
        char said[1024];
        vouch_code rc = vch_crl_parse(copy, &crl, &err);
        if (rc == VOUCH_OK
            || strstr(vouch_error_text(&err, said, sizeof said), patches[i].why) == NULL)
            fail_msg("%s: %s", patches[i].name, rc == VOUCH_OK ? "accepted" : said);
        corpus_free(copy);
    }
}

static void a_list_above_the_limit_is_not_parsed(void **state)
{
    (void)state;
    vouch_span large = corpus_copy(whole, VCH_CRL_MAX_SIZE + 1);
    vch_crl crl = { 0 };
    CHECK(vch_crl_parse(large, &crl, NULL) == VOUCH_E_LIMIT);
    large.size--;
    CHECK(vch_crl_parse(large, &crl, NULL) == VOUCH_E_FORMAT);
    corpus_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(intels_list_is_read),
        TEST(a_list_without_entries_lists_nobody),
        TEST(a_list_cut_short_anywhere_or_followed_by_a_byte_is_refused),
        TEST(each_rule_of_the_profile_refuses_by_itself),
        TEST(a_list_above_the_limit_is_not_parsed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
