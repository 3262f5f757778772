#include "crypto/csr.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "check.h"

static const vch_name_part name[] = { { "O", "Site" }, { "CN", "col1" } };
static const vch_name_part nameless[] = { { "O", "Site" } };
static const vch_name_part two_names[] = { { "CN", "col1" }, { "CN", "col2" } };
static const char *const dns[] = { "col1", "col1.example.org" };
static const char *const ip[] = { "10.1.2.3", "2001:db8::7" };
static vch_key *key;

static int make_key(void **state)
{
    (void)state;
    return vch_key_generate(VCH_KEY_P384, &key, NULL) == VOUCH_OK ? 0 : -1;
}

static int free_key(void **state)
{
    (void)state;
    vch_key_free(key);
    return 0;
}

static vch_buffer make_request(const vch_name_part *parts, size_t count, vch_alt_names alt)
{
    vouch_error err = { 0 };
    vch_buffer der = vch_buffer_with_cap(VCH_CSR_MAX_SIZE);
    const vch_csr_options options = { parts, count, alt, key, 0 };
    CHECK_OK(vch_csr_build(&options, &der, &err), &err);
    return der;
}

static void a_request_says_what_it_was_made_with(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer der = make_request(name, 2, (vch_alt_names) { dns, 2, ip, 2 });
    VCH_SCOPED(vch_csr_drop) vch_csr *csr = NULL;
    CHECK_OK(vch_csr_parse(vch_buffer_span(&der), &csr, &err), &err);
    assert_string_equal(vch_csr_common_name(csr), "col1");
    CHECK(vch_key_same_public(vch_csr_key(csr), key));
    vch_alt_names alt = vch_csr_alt_names(csr);
    CHECK(alt.dns_count == 2 && alt.ip_count == 2);
    assert_string_equal(alt.dns[1], "col1.example.org");
    assert_string_equal(alt.ip[0], "10.1.2.3");
    assert_string_equal(alt.ip[1], "2001:db8:0:0:0:0:0:7");
    CHECK(vch_csr_subject_der(csr).size > 10);
    CHECK(vch_span_equal(vch_csr_der(csr), vch_buffer_span(&der)));
}

static void a_request_without_alternative_names_is_read(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = make_request(name, 2, (vch_alt_names) { 0 });
    VCH_SCOPED(vch_csr_drop) vch_csr *csr = NULL;
    CHECK(vch_csr_parse(vch_buffer_span(&der), &csr, NULL) == VOUCH_OK);
    CHECK(vch_csr_alt_names(csr).dns_count == 0);
}

static void a_request_altered_or_cut_anywhere_is_refused(void **state)
{
    (void)state;
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer der = make_request(name, 2, (vch_alt_names) { dns, 1, NULL, 0 });
    VCH_SCOPED(vch_csr_drop) vch_csr *csr = NULL;
    for (size_t i = 0; i < der.size; i++) {
        der.data[i] ^= 1;
        CHECK(vch_csr_parse(vch_buffer_span(&der), &csr, NULL) != VOUCH_OK);
        der.data[i] ^= 1;
        CHECK(vch_csr_parse((vouch_span) { der.data, i }, &csr, NULL) != VOUCH_OK);
    }
    vch_buffer_u8(&der, 0);
    CHECK(vch_csr_parse(vch_buffer_span(&der), &csr, NULL) == VOUCH_E_FORMAT);
    CHECK(csr == NULL && ERR_peek_error() == 0);
}

static void a_request_names_exactly_one_subject(void **state)
{
    (void)state;
    VCH_SCOPED(vch_csr_drop) vch_csr *csr = NULL;
    VCH_SCOPED(vch_buffer_drop) vch_buffer none = make_request(nameless, 1, (vch_alt_names) { 0 });
    CHECK(vch_csr_parse(vch_buffer_span(&none), &csr, NULL) == VOUCH_E_FORMAT);
    VCH_SCOPED(vch_buffer_drop) vch_buffer two = make_request(two_names, 2, (vch_alt_names) { 0 });
    CHECK(vch_csr_parse(vch_buffer_span(&two), &csr, NULL) == VOUCH_E_FORMAT);
}

static void a_request_signed_with_sha1_is_refused(void **state)
{
    (void)state;
    X509_REQ *request = X509_REQ_new();
    X509_NAME *subject = X509_NAME_new();
    CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)"x", -1, -1, 0));
    CHECK(X509_REQ_set_subject_name(request, subject) && X509_REQ_set_version(request, 0));
    CHECK(X509_REQ_set_pubkey(request, vch_key_native(key)));
    CHECK(X509_REQ_sign(request, vch_key_native(key), EVP_sha1()) > 0);
    uint8_t *der = NULL;
    int size = i2d_X509_REQ(request, &der);
    VCH_SCOPED(vch_csr_drop) vch_csr *csr = NULL;
    CHECK(vch_csr_parse((vouch_span) { der, (size_t)size }, &csr, NULL) == VOUCH_E_UNSUPPORTED);
    OPENSSL_free(der);
    X509_NAME_free(subject);
    X509_REQ_free(request);
}

static void too_many_names_are_refused(void **state)
{
    (void)state;
    const char *many[VCH_CSR_MAX_NAMES + 1];
    for (size_t i = 0; i < VCH_CSR_MAX_NAMES + 1; i++)
        many[i] = "x";
    VCH_SCOPED(vch_csr_drop) vch_csr *csr = NULL;
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer over =
        make_request(name, 2, (vch_alt_names) { many, VCH_CSR_MAX_NAMES + 1, NULL, 0 });
    CHECK(vch_csr_parse(vch_buffer_span(&over), &csr, NULL) == VOUCH_E_LIMIT);
    VCH_SCOPED(vch_buffer_drop)
    vch_buffer most = make_request(name, 2, (vch_alt_names) { many, VCH_CSR_MAX_NAMES, NULL, 0 });
    CHECK(vch_csr_parse(vch_buffer_span(&most), &csr, NULL) == VOUCH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_says_what_it_was_made_with),
        TEST(a_request_without_alternative_names_is_read),
        TEST(a_request_altered_or_cut_anywhere_is_refused),
        TEST(a_request_names_exactly_one_subject),
        TEST(a_request_signed_with_sha1_is_refused),
        TEST(too_many_names_are_refused),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
