#include "crypto/x509.h"

#include <string.h>

#include "base/bytes.h"
#include "corpus.h"
#include "crypto/pem.h"

/* Intel's TCB signing certificate and root, from the issuer chain of the corpus. */
static vch_buffer leaf;
static vch_buffer root;

static int set_up(void **state)
{
    (void)state;
    vouch_span pem = corpus_read(CORPUS_SIGNING_CHAIN);
    vch_pem_reader reader = { .rest = pem };
    leaf = vch_buffer_with_cap(4096);
    root = vch_buffer_with_cap(4096);
    vouch_error err = { 0 };
    CHECK_OK(vch_pem_next_der(&reader, VCH_PEM_CERTIFICATE, &leaf, &err), &err);
    CHECK_OK(vch_pem_next_der(&reader, VCH_PEM_CERTIFICATE, &root, &err), &err);
    corpus_free(pem);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vch_buffer_drop(&leaf);
    vch_buffer_drop(&root);
    return 0;
}

static void intels_certificates_are_read(void **state)
{
    (void)state;
    vch_cert c = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_cert_parse(vch_buffer_span(&leaf), &c, &err), &err);
    CHECK(vch_span_is(c.common_name, "Intel SGX TCB Signing"));
    CHECK(!c.is_ca && c.key_usage == 3); /* digitalSignature, nonRepudiation */
    CHECK(c.sgx_extension.size == 0);
    CHECK_OK(vch_cert_parse(vch_buffer_span(&root), &c, &err), &err);
    CHECK(vch_span_is(c.common_name, "Intel SGX Root CA"));
    CHECK(vch_span_equal(c.issuer, c.subject));
    CHECK(c.is_ca && c.has_path_length && c.path_length == 1);
    CHECK(c.key_usage == (VCH_KEY_USAGE_CERT_SIGN | VCH_KEY_USAGE_CRL_SIGN));
    CHECK(c.not_before_unix_s == 1526899510 && c.not_after_unix_s == 2524607999);
    CHECK(c.serial[0] == 0x22 && c.serial[19] == 0xac);
}

static void the_root_signed_both_and_the_leaf_neither(void **state)
{
    (void)state;
    vch_cert r = { 0 };
    vch_cert l = { 0 };
    vouch_error err = { 0 };
    vch_p256_key *root_key = NULL;
    vch_p256_key *leaf_key = NULL;
    bool valid = false;
    CHECK_OK(vch_cert_parse(vch_buffer_span(&root), &r, &err), &err);
    CHECK_OK(vch_cert_parse(vch_buffer_span(&leaf), &l, &err), &err);
    CHECK_OK(vch_p256_key_new(r.point, NULL, &root_key, &err), &err);
    CHECK_OK(vch_p256_key_new(l.point, NULL, &leaf_key, &err), &err);
    CHECK_OK(vch_cert_signed_by(&l, root_key, &valid, &err), &err);
    CHECK(valid);
    CHECK_OK(vch_cert_signed_by(&r, root_key, &valid, &err), &err);
    CHECK(valid);
    CHECK_OK(vch_cert_signed_by(&l, leaf_key, &valid, &err), &err);
    CHECK(!valid);
    vch_p256_key_free(root_key);
    vch_p256_key_free(leaf_key);
}

static void a_certificate_cut_short_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < leaf.size; size++) {
        vouch_span cut = corpus_copy(vch_buffer_span(&leaf), size);
        vch_cert c = { .key_usage = 77 };
        CHECK(vch_cert_parse(cut, &c, NULL) != VOUCH_OK);
        CHECK(c.key_usage == 77);
        corpus_free(cut);
    }
    vouch_span more = corpus_copy(vch_buffer_span(&leaf), leaf.size + 1);
    vch_cert c;
    CHECK(vch_cert_parse(more, &c, NULL) == VOUCH_E_FORMAT);
    corpus_free(more);
}

/* A flip is refused, or stands in the signed bytes, or in the signature: nothing else is read. */
static void a_flipped_bit_is_refused_or_breaks_the_signature(void **state)
{
    (void)state;
    vch_cert r = { 0 };
    vouch_error err = { 0 };
    vch_p256_key *key = NULL;
    CHECK_OK(vch_cert_parse(vch_buffer_span(&root), &r, &err), &err);
    CHECK_OK(vch_p256_key_new(r.point, NULL, &key, &err), &err);
    for (size_t i = 0; i < leaf.size; i++) {
        vch_cert c;
        bool valid = false;
        leaf.data[i] ^= (uint8_t)(1U << (i % 8));
        if (vch_cert_parse(vch_buffer_span(&leaf), &c, NULL) == VOUCH_OK) {
            CHECK_OK(vch_cert_signed_by(&c, key, &valid, &err), &err);
            CHECK(!valid);
        }
        leaf.data[i] ^= (uint8_t)(1U << (i % 8));
    }
    vch_p256_key_free(key);
}

/* Replace the first `from` (after `skip` earlier ones) in the leaf by `to` of the same size. */
static vouch_code with_patch(const char *from, const char *to, size_t size, size_t skip,
                             vouch_error *err)
{
    vouch_span copy = corpus_copy(vch_buffer_span(&leaf), leaf.size);
    uint8_t *at = memmem(copy.data, copy.size, from, size);
    while (skip-- > 0 && at != NULL)
        at = memmem(at + 1, copy.size - (size_t)(at + 1 - copy.data), from, size);
    if (at == NULL)
        fail_msg("the certificate does not hold what the test replaces");
    memcpy(at, to, size);
    vch_cert c;
    vouch_code rc = vch_cert_parse(copy, &c, err);
    corpus_free(copy);
    return rc;
}

static const struct {
    const char *name;
    const char *from;
    const char *to;
    size_t size;
    size_t skip;
    const char *why; /* part of the error */
} patches[] = {
    { "version 2", "\xa0\x03\x02\x01\x02", "\xa0\x03\x02\x01\x01", 5, 0, "version is not 3" },
    { "another algorithm inside", "\x2a\x86\x48\xce\x3d\x04\x03\x02",
      "\x2a\x86\x48\xce\x3d\x04\x03\x03", 8, 0, "ecdsa-with-SHA256" },
    { "another algorithm outside", "\x2a\x86\x48\xce\x3d\x04\x03\x02",
      "\x2a\x86\x48\xce\x3d\x04\x03\x03", 8, 1, "ecdsa-with-SHA256" },
    { "another curve", "\x2a\x86\x48\xce\x3d\x03\x01\x07", "\x2a\x86\x48\xce\x3d\x03\x01\x06", 8, 0,
      "P-256" },
    { "another kind of key", "\x2a\x86\x48\xce\x3d\x02\x01", "\x2a\x86\x48\xce\x3d\x02\x02", 7, 0,
      "P-256" },
    { "a hybrid point", "\x03\x42\x00\x04", "\x03\x42\x00\x06", 4, 0, "P-256" },
    { "no common name in the issuer", "\x55\x04\x03", "\x55\x04\x29", 3, 0, "common name" },
    { "no common name in the subject", "\x55\x04\x03", "\x55\x04\x29", 3, 1, "common name" },
    { "two common names", "\x55\x04\x0a", "\x55\x04\x03", 3, 0, "common name" },
    { "a name that is not ASCII", "\x0c\x11Intel", "\x0c\x11Int\xffl", 7, 0, "ASCII" },
    { "no authority key id", "\x55\x1d\x23", "\x55\x1d\x63", 3, 0, "missing" },
    { "no distribution points", "\x55\x1d\x1f", "\x55\x1d\x63", 3, 0, "missing" },
    { "no subject key id", "\x55\x1d\x0e", "\x55\x1d\x63", 3, 0, "missing" },
    { "critical key usage under another name", "\x55\x1d\x0f", "\x55\x1d\x63", 3, 0, "critical" },
    { "critical constraints under another name", "\x55\x1d\x13", "\x55\x1d\x63", 3, 0, "critical" },
    { "an extension twice", "\x55\x1d\x1f", "\x55\x1d\x23", 3, 0, "twice" },
    { "criticality that is not DER", "\x55\x1d\x0f\x01\x01\xff", "\x55\x1d\x0f\x01\x01\x01", 6, 0,
      "" },
    { "criticality at its default", "\x55\x1d\x0f\x01\x01\xff", "\x55\x1d\x0f\x01\x01\x00", 6, 0,
      "default" },
};

static void each_rule_of_the_profile_refuses_by_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
        vouch_error err = { 0 };
        vouch_code rc =
            with_patch(patches[i].from, patches[i].to, patches[i].size, patches[i].skip, &err);
        char said[1024];
        if (rc == VOUCH_OK
            || strstr(vouch_error_text(&err, said, sizeof said), patches[i].why) == NULL)
            fail_msg("%s: %s", patches[i].name, rc == VOUCH_OK ? "accepted" : said);
    }
}

static void a_serial_number_of_zero_or_below_is_refused(void **state)
{
    (void)state;
    vch_cert c = { 0 };
    vouch_error err = { 0 };
    CHECK_OK(vch_cert_parse(vch_buffer_span(&leaf), &c, &err), &err);
    /* tbs: SEQUENCE (4 bytes), version (5), then the serial's tag and length */
    size_t serial = (size_t)(c.tbs.data - leaf.data) + 4 + 5;
    CHECK(leaf.data[serial] == 0x02 && leaf.data[serial + 1] >= 0x14);
    uint8_t kept = leaf.data[serial + 2];
    leaf.data[serial + 2] = 0x80;
    CHECK(vch_cert_parse(vch_buffer_span(&leaf), &c, NULL) == VOUCH_E_FORMAT);
    leaf.data[serial + 2] = kept;
}

static void a_certificate_above_the_limit_is_not_parsed(void **state)
{
    (void)state;
    vouch_span large = corpus_copy(vch_buffer_span(&leaf), VCH_PCK_CERT_MAX_SIZE + 1);
    vch_cert c;
    CHECK(vch_cert_parse(large, &c, NULL) == VOUCH_E_LIMIT);
    large.size--;
    CHECK(vch_cert_parse(large, &c, NULL) == VOUCH_E_FORMAT);
    corpus_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(intels_certificates_are_read),
        TEST(the_root_signed_both_and_the_leaf_neither),
        TEST(a_certificate_cut_short_anywhere_is_refused),
        TEST(a_flipped_bit_is_refused_or_breaks_the_signature),
        TEST(each_rule_of_the_profile_refuses_by_itself),
        TEST(a_serial_number_of_zero_or_below_is_refused),
        TEST(a_certificate_above_the_limit_is_not_parsed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
