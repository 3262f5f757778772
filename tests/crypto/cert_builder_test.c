/* What the builders make is judged here by OpenSSL itself, as a peer would. */
#include "crypto/cert_builder.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"
#include "check.h"
#include "crypto/crl_builder.h"

#define NOON INT64_C(1767225600) /* 2026-01-01 */
#define YEAR (INT64_C(365) * 86400)

VCH_DEFINE_DROP(x509_drop, X509, X509_free)
VCH_DEFINE_DROP(crl_drop, X509_CRL, X509_CRL_free)

static vch_key *ca_key, *leaf_key, *rsa_key;
static vch_buffer ca;
static const uint8_t serial[] = { 0x01, 0x80, 0x33 };
static const vch_name_part ca_name[] = { { "C", "US" }, { "O", "Example Org" }, { "CN", "Root" } };
static const vch_name_part leaf_name[] = { { "CN", "agg.example.org" } };
static const char *const dns[] = { "agg.example.org", "col_1" };
static const char *const ip[] = { "10.1.2.3", "::1" };

static vch_cert_options ca_options(void)
{
    return (vch_cert_options) {
        .subject = ca_name,
        .subject_count = 3,
        .signer = ca_key,
        .serial = { serial, sizeof serial },
        .not_before_unix_s = NOON,
        .not_after_unix_s = NOON + 40 * YEAR, /* beyond 2049: GeneralizedTime */
        .kind = VCH_CERT_CA,
        .kind_critical = true,
        .pathlen = 1,
        .key_usage = VCH_USE_CERT_SIGN | VCH_USE_CRL_SIGN,
        .subject_key_id = true,
        .authority_key_id = true,
        .crl_url = "https://crl.example.org/root.der",
    };
}

static vch_cert_options leaf_options(void)
{
    return (vch_cert_options) {
        .subject = leaf_name,
        .subject_count = 1,
        .public_key = leaf_key,
        .signer = ca_key,
        .issuer_cert = vch_buffer_span(&ca),
        .serial = { serial, sizeof serial },
        .not_before_unix_s = NOON,
        .not_after_unix_s = NOON + YEAR,
        .kind = VCH_CERT_LEAF,
        .key_usage = VCH_USE_DIGITAL_SIGNATURE,
        .ext_key_usage = VCH_EKU_SERVER_AUTH | VCH_EKU_CLIENT_AUTH,
        .alt = { dns, 2, ip, 2 },
        .subject_key_id = true,
        .authority_key_id = true,
    };
}

static int make_ca(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    CHECK_OK(vch_key_generate(VCH_KEY_P256, &ca_key, &err), &err);
    CHECK_OK(vch_key_generate(VCH_KEY_P384, &leaf_key, &err), &err);
    CHECK_OK(vch_key_generate(VCH_KEY_RSA3072, &rsa_key, &err), &err);
    ca = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    vch_cert_options options = ca_options();
    CHECK_OK(vch_cert_build(&options, &ca, &err), &err);
    return 0;
}

static int free_ca(void **state)
{
    (void)state;
    vch_key_free(ca_key);
    vch_key_free(leaf_key);
    vch_key_free(rsa_key);
    vch_buffer_drop(&ca);
    return 0;
}

static X509 *read_cert(const vch_buffer *der)
{
    const uint8_t *p = der->data;
    X509 *x = d2i_X509(NULL, &p, (long)der->size);
    CHECK(x != NULL && p == der->data + der->size);
    return x;
}

static X509 *build(const vch_cert_options *options)
{
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    CHECK_OK(vch_cert_build(options, &der, &err), &err);
    CHECK(ERR_peek_error() == 0);
    return read_cert(&der);
}

/* OpenSSL's path validation in its strict mode. */
static int verify_under(X509 *leaf, X509 *root, int64_t at, const char *host)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    CHECK(X509_STORE_add_cert(store, root) == 1 && X509_STORE_CTX_init(context, store, leaf, NULL));
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(param, (time_t)at);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    if (host != NULL)
        CHECK(X509_VERIFY_PARAM_set1_host(param, host, 0) == 1);
    (void)X509_verify_cert(context);
    int error = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return error;
}

static void a_leaf_verifies_under_its_ca_at_its_time_and_name(void **state)
{
    (void)state;
    vch_cert_options options = leaf_options();
    VCH_SCOPED(x509_drop) X509 *root = read_cert(&ca);
    VCH_SCOPED(x509_drop) X509 *leaf = build(&options);
    CHECK(verify_under(leaf, root, NOON + 1, "agg.example.org") == X509_V_OK);
    CHECK(verify_under(leaf, root, NOON + 1, "other.example.org") == X509_V_ERR_HOSTNAME_MISMATCH);
    CHECK(verify_under(leaf, root, NOON - 1, NULL) == X509_V_ERR_CERT_NOT_YET_VALID);
    CHECK(verify_under(leaf, root, NOON + 2 * YEAR, NULL) == X509_V_ERR_CERT_HAS_EXPIRED);
    CHECK(X509_check_ip_asc(leaf, "10.1.2.3", 0) == 1 && X509_check_ip_asc(leaf, "::1", 0) == 1);
    CHECK(X509_check_host(leaf, "col_1", 0, 0, NULL) == 1);
}

static void the_extensions_are_those_that_were_asked_for(void **state)
{
    (void)state;
    vch_cert_options options = leaf_options();
    VCH_SCOPED(x509_drop) X509 *root = read_cert(&ca);
    VCH_SCOPED(x509_drop) X509 *leaf = build(&options);
    CHECK((X509_get_extension_flags(root) & EXFLAG_CA) != 0 && X509_get_pathlen(root) == 1);
    CHECK(X509_get_key_usage(root) == (KU_KEY_CERT_SIGN | KU_CRL_SIGN));
    CHECK((X509_get_extension_flags(leaf) & EXFLAG_CA) == 0);
    CHECK(X509_get_key_usage(leaf) == KU_DIGITAL_SIGNATURE);
    CHECK(X509_get_extended_key_usage(leaf) == (XKU_SSL_SERVER | XKU_SSL_CLIENT));
    CHECK(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(leaf), X509_get0_subject_key_id(root))
          == 0);
    CHECK(X509_get_ext_count(root) == 5 && X509_get_ext_count(leaf) == 6);
    int basic = X509_get_ext_by_NID(root, NID_basic_constraints, -1);
    CHECK(X509_EXTENSION_get_critical(X509_get_ext(root, basic)) == 1);
    basic = X509_get_ext_by_NID(leaf, NID_basic_constraints, -1);
    CHECK(X509_EXTENSION_get_critical(X509_get_ext(leaf, basic)) == 0);
    CHECK(X509_get_version(leaf) == 2);
    CHECK(ASN1_INTEGER_get(X509_get0_serialNumber(leaf)) == 0x018033);
}

static void name_constraints_bind_the_leaf(void **state)
{
    (void)state;
    vch_cert_options options = ca_options();
    static const char *const only[] = { "agg.example.org", "col_1" };
    options.permitted = (vch_alt_names) { only, 2, ip, 2 };
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    CHECK_OK(vch_cert_build(&options, &der, &err), &err);
    VCH_SCOPED(x509_drop) X509 *root = read_cert(&der);
    vch_cert_options within = leaf_options();
    within.issuer_cert = vch_buffer_span(&der);
    VCH_SCOPED(x509_drop) X509 *good = build(&within);
    CHECK(verify_under(good, root, NOON, NULL) == X509_V_OK);
    static const char *const outside[] = { "evil.example.org" };
    within.alt = (vch_alt_names) { outside, 1, NULL, 0 };
    VCH_SCOPED(x509_drop) X509 *bad_dns = build(&within);
    CHECK(verify_under(bad_dns, root, NOON, NULL) == X509_V_ERR_PERMITTED_VIOLATION);
    static const char *const other_ip[] = { "10.1.2.4" };
    within.alt = (vch_alt_names) { NULL, 0, other_ip, 1 };
    VCH_SCOPED(x509_drop) X509 *bad_ip = build(&within);
    CHECK(verify_under(bad_ip, root, NOON, NULL) == X509_V_ERR_PERMITTED_VIOLATION);
}

static void a_raw_extension_stands_as_given_and_never_twice(void **state)
{
    (void)state;
    static const uint8_t value[] = { 0x04, 0x02, 0xab, 0xcd };
    static const char oid[] = "2.25.147689960455541555337081755345030784193";
    const vch_cert_extension twice[] = { { oid, false, { value, sizeof value } },
                                         { oid, false, { value, sizeof value } } };
    vch_cert_options options = leaf_options();
    options.extensions = twice;
    options.extension_count = 1;
    VCH_SCOPED(x509_drop) X509 *leaf = build(&options);
    X509_EXTENSION *found = X509_get_ext(leaf, X509_get_ext_count(leaf) - 1);
    const ASN1_OCTET_STRING *octets = X509_EXTENSION_get_data(found);
    CHECK(vch_span_equal(
        (vouch_span) { value, sizeof value },
        (vouch_span) { ASN1_STRING_get0_data(octets), (size_t)ASN1_STRING_length(octets) }));
    CHECK(X509_EXTENSION_get_critical(found) == 0);
    options.extension_count = 2;
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    CHECK(vch_cert_build(&options, &der, NULL) == VOUCH_E_FORMAT);
}

static void rsa_signs_with_pkcs1_or_pss(void **state)
{
    (void)state;
    static const struct {
        vch_sig_alg alg;
        int nid;
    } cases[] = { { 0, NID_sha384WithRSAEncryption },
                  { VCH_SIG_RSA_PSS_SHA384, NID_rsassaPss },
                  { VCH_SIG_RSA_PKCS1_SHA256, NID_sha256WithRSAEncryption } };
    for (size_t i = 0; i < 3; i++) {
        vch_cert_options options = ca_options();
        options.signer = rsa_key;
        options.alg = cases[i].alg;
        VCH_SCOPED(x509_drop) X509 *root = build(&options);
        CHECK(X509_get_signature_nid(root) == cases[i].nid);
        CHECK(verify_under(root, root, NOON, NULL) == X509_V_OK);
    }
}

static vouch_code build_code(const vch_cert_options *options)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_CERT_MAX_SIZE);
    vouch_code rc = vch_cert_build(options, &der, NULL);
    CHECK(rc == VOUCH_OK || der.size == 0);
    CHECK(ERR_peek_error() == 0);
    return rc;
}

static void options_that_cannot_stand_in_a_certificate_are_refused(void **state)
{
    (void)state;
    static const uint8_t negative[] = { 0x80 };
    static const uint8_t long_serial[21] = { 1 };
    static const uint8_t zero[] = { 0 };
    static const char *const no_dns[] = { "a b" };
    static const char *const no_ip[] = { "10.1.2" };
    static const vch_name_part no_country[] = { { "C", "USA" } };
    static const vch_name_part no_type[] = { { "NOPE", "x" } };
    vch_cert_options o = leaf_options();
    CHECK(build_code(&o) == VOUCH_OK);
    o.serial = (vouch_span) { negative, 1 };
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
    o.serial = (vouch_span) { long_serial, 21 };
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
    o.serial = (vouch_span) { zero, 1 };
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
    o.serial = (vouch_span) { 0 };
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
    o = leaf_options();
    o.alt = (vch_alt_names) { no_dns, 1, NULL, 0 };
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
    o.alt = (vch_alt_names) { NULL, 0, no_ip, 1 };
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
    o = leaf_options();
    o.subject = no_country;
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
    o.subject = no_type;
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
    o.subject_count = 0;
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
    o = leaf_options();
    o.not_after_unix_s = o.not_before_unix_s - 1;
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
    o = leaf_options();
    o.not_after_unix_s = INT64_C(253402300800);
    CHECK(build_code(&o) == VOUCH_E_LIMIT);
    o = leaf_options();
    o.alg = VCH_SIG_ECDSA_SHA256_RAW;
    CHECK(build_code(&o) == VOUCH_E_CRYPTO);
    o.alg = VCH_SIG_RSA_PSS_SHA384;
    CHECK(build_code(&o) == VOUCH_E_CRYPTO);
    o = leaf_options();
    o.issuer_cert.size--;
    CHECK(build_code(&o) == VOUCH_E_FORMAT);
}

static void a_crl_names_its_issuer_number_and_entries(void **state)
{
    (void)state;
    const vch_crl_entry entries[] = { { { serial, sizeof serial }, NOON - 5 } };
    const vch_crl_options options = {
        .issuer_cert = vch_buffer_span(&ca),
        .signer = ca_key,
        .number = 7,
        .this_update_unix_s = NOON,
        .next_update_unix_s = NOON + YEAR,
        .entries = entries,
        .entry_count = 1,
    };
    vouch_error err = { 0 };
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(10000);
    CHECK_OK(vch_crl_build(&options, &der, &err), &err);
    const uint8_t *p = der.data;
    VCH_SCOPED(crl_drop) X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.size);
    VCH_SCOPED(x509_drop) X509 *root = read_cert(&ca);
    CHECK(crl != NULL && X509_CRL_verify(crl, X509_get0_pubkey(root)) == 1);
    CHECK(X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(root)) == 0);
    CHECK(X509_CRL_get_version(crl) == 1 && X509_CRL_get_ext_count(crl) == 2);
    X509_REVOKED *entry = NULL;
    vch_cert_options leaf = leaf_options();
    VCH_SCOPED(x509_drop) X509 *revoked = build(&leaf);
    CHECK(X509_CRL_get0_by_cert(crl, &entry, revoked) == 1);
    vch_crl_options bad = options;
    bad.next_update_unix_s = NOON - 1;
    CHECK(vch_crl_build(&bad, &der, NULL) == VOUCH_E_FORMAT);
    bad = options;
    bad.entry_count = VCH_CRL_MAX_REVOKED + 1;
    CHECK(vch_crl_build(&bad, &der, NULL) == VOUCH_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_leaf_verifies_under_its_ca_at_its_time_and_name),
        TEST(the_extensions_are_those_that_were_asked_for),
        TEST(name_constraints_bind_the_leaf),
        TEST(a_raw_extension_stands_as_given_and_never_twice),
        TEST(rsa_signs_with_pkcs1_or_pss),
        TEST(options_that_cannot_stand_in_a_certificate_are_refused),
        TEST(a_crl_names_its_issuer_number_and_entries),
    };
    return cmocka_run_group_tests(tests, make_ca, free_ca);
}
