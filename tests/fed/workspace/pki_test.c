#include "fed/workspace/pki.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "check.h"
#include "crypto/csr.h"
#include "crypto/pem.h"
#include "host/clock.h"
#include "host/file.h"

static char directory[VCH_PATH_SIZE];

static const char *inside(const char *name)
{
    static char path[VCH_PATH_SIZE + 64];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

/* One authority for all tests: its keys take seconds. */
static int make_authority(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    if (vch_dir_make_temporary(NULL, "pki-test-", directory, &err) != VOUCH_OK)
        return -1;
    return vch_pki_create(directory, vch_clock_unix_s(), false, &err) == VOUCH_OK ? 0 : -1;
}

static int remove_authority(void **state)
{
    (void)state;
    return vch_dir_remove_tree(directory, NULL) == VOUCH_OK ? 0 : -1;
}

static X509 *certificate(const char *name)
{
    FILE *f = fopen(inside(name), "re");
    CHECK(f != NULL);
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    CHECK(x != NULL);
    (void)fclose(f);
    return x;
}

static mode_t mode_of(const char *name)
{
    struct stat s;
    CHECK(stat(inside(name), &s) == 0);
    return s.st_mode & 0777;
}

static void openfls_files_are_in_their_places(void **state)
{
    (void)state;
    static const char *const files[] = {
        "ca/root-ca.crt",
        "ca/root-ca/db/root-ca.db",
        "ca/root-ca/db/root-ca.db.attr",
        "ca/root-ca/db/root-ca.crt.srl",
        "ca/root-ca/db/root-ca.crl.srl",
        "ca/signing-ca.csr",
        "ca/signing-ca.crt",
        "ca/signing-ca/db/signing-ca.db",
        "cert_chain.crt",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        CHECK(vch_file_exists(inside(files[i])));
    CHECK(mode_of("ca/root-ca/private") == 0700);
    CHECK(mode_of("ca/root-ca/private/root-ca.key") == 0600);
    CHECK(mode_of("ca/signing-ca/private/signing-ca.key") == 0600);
    vch_buffer key = { 0 };
    CHECK(vch_file_read(inside("ca/root-ca/private/root-ca.key"), 1 << 16, &key, NULL) == VOUCH_OK);
    CHECK(strncmp(vch_buffer_text(&key), "-----BEGIN RSA PRIVATE KEY-----", 31) == 0);
    vch_buffer_drop(&key);
    char name[256];
    X509 *root = certificate("ca/root-ca.crt");
    (void)X509_NAME_oneline(X509_get_subject_name(root), name, sizeof name);
    assert_string_equal(name, "/DC=org/DC=simple/CN=Simple Root CA/O=Simple Inc/OU=Simple Root CA");
    CHECK(EVP_PKEY_get_bits(X509_get0_pubkey(root)) == 3072);
    CHECK(X509_get_signature_nid(root) == NID_sha384WithRSAEncryption);
    X509_free(root);
}

static void an_authority_is_not_replaced_by_accident(void **state)
{
    (void)state;
    vch_buffer before = { 0 };
    vch_buffer after = { 0 };
    CHECK(vch_file_read(inside("cert_chain.crt"), 1 << 16, &before, NULL) == VOUCH_OK);
    CHECK(vch_pki_create(directory, vch_clock_unix_s(), false, NULL) == VOUCH_E_CONFIG);
    CHECK(vch_file_read(inside("cert_chain.crt"), 1 << 16, &after, NULL) == VOUCH_OK);
    CHECK(vch_span_equal(vch_buffer_span(&before), vch_buffer_span(&after)));
    vch_buffer_drop(&before);
    vch_buffer_drop(&after);
}

/* Read the request at `name`. */
static vouch_code pending_of(const char *name, const char *expected, vch_pki_pending *out,
                             vouch_error *err)
{
    VCH_SCOPED(vch_buffer_drop) vch_buffer pem = { 0 };
    CHECK(vch_file_read(inside(name), 1 << 16, &pem, NULL) == VOUCH_OK);
    return vch_pki_pending_parse(vch_buffer_span(&pem), expected, out, err);
}

static bool is_valid(const char *name, int purpose)
{
    X509 *leaf = certificate(name);
    X509 *root = certificate("ca/root-ca.crt");
    X509 *signing = certificate("ca/signing-ca.crt");
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(X509_STORE_add_cert(store, root) == 1 && sk_X509_push(chain, signing) == 1);
    CHECK(X509_STORE_CTX_init(ctx, store, leaf, chain) == 1);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
    CHECK(X509_STORE_CTX_set_purpose(ctx, purpose) == 1);
    bool valid = X509_verify_cert(ctx) == 1;
    sk_X509_free(chain);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(leaf);
    X509_free(root);
    X509_free(signing);
    return valid;
}

static void certificates_pass_strict_checking(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    char hash[VCH_PKI_HASH_SIZE];
    vch_pki_pending pending = { 0 };
    CHECK_OK(vch_pki_request(directory, VCH_PKI_AGGREGATOR, "127.0.0.1", false, hash, &err), &err);
    CHECK(mode_of("server/agg_127.0.0.1.key") == 0600);
    CHECK_OK(pending_of("server/agg_127.0.0.1.csr", "127.0.0.1", &pending, &err), &err);
    assert_string_equal(pending.name, "127.0.0.1");
    assert_string_equal(pending.hash, hash);
    CHECK_OK(vch_pki_sign(directory, VCH_PKI_AGGREGATOR, &pending, vch_clock_unix_s(), &err), &err);
    CHECK(is_valid("server/agg_127.0.0.1.crt", X509_PURPOSE_SSL_SERVER));
    CHECK(!is_valid("server/agg_127.0.0.1.crt", X509_PURPOSE_SSL_CLIENT));
    X509 *x = certificate("server/agg_127.0.0.1.crt");
    CHECK(X509_check_ip_asc(x, "127.0.0.1", 0) == 1);        /* strict clients look here */
    CHECK(X509_check_host(x, "127.0.0.1", 0, 0, NULL) == 1); /* grpc looks here */
    X509_free(x);
    vch_pki_pending_done(&pending);
    /* now the key is in use */
    CHECK(vch_pki_request(directory, VCH_PKI_AGGREGATOR, "127.0.0.1", false, hash, NULL)
          == VOUCH_E_CONFIG);
    CHECK(vch_pki_request(directory, VCH_PKI_AGGREGATOR, "127.0.0.1", true, hash, NULL)
          == VOUCH_OK);
}

static void a_request_is_signed_for_its_own_name_only(void **state)
{
    (void)state;
    static const struct {
        const char *common_name, *alt, *expected;
        vouch_code want;
    } cases[] = {
        { "one", "one", NULL, VOUCH_OK },        { "one", NULL, "one", VOUCH_OK },
        { "one", "one", "two", VOUCH_E_FORMAT }, { "one", "agg.example.org", NULL, VOUCH_E_FORMAT },
        { "One", "one", NULL, VOUCH_E_FORMAT },  { "../one", NULL, NULL, VOUCH_E_FORMAT },
    };
    vch_key *key = NULL;
    CHECK(vch_key_generate(VCH_KEY_P384, &key, NULL) == VOUCH_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const vch_name_part subject = { "CN", cases[i].common_name };
        vch_csr_options o = { .subject = &subject, .subject_count = 1, .key = key };
        o.alt.dns = &cases[i].alt;
        o.alt.dns_count = cases[i].alt == NULL ? 0 : 1;
        vch_buffer der = vch_buffer_with_cap(VCH_CSR_MAX_SIZE);
        vch_buffer pem = vch_buffer_with_cap(VCH_PEM_MAX_SIZE);
        vch_pki_pending pending = { 0 };
        CHECK(vch_csr_build(&o, &der, NULL) == VOUCH_OK);
        vch_pem_encode(VCH_PEM_CSR, vch_buffer_span(&der), &pem);
        CHECK(vch_pki_pending_parse(vch_buffer_span(&pem), cases[i].expected, &pending, NULL)
              == cases[i].want);
        CHECK((pending.der.size > 0) == (cases[i].want == VOUCH_OK));
        if (i == 1) { /* the name it did not ask for is put in */
            CHECK(vch_pki_sign(directory, VCH_PKI_COLLABORATOR, &pending, vch_clock_unix_s(), NULL)
                  == VOUCH_OK);
            X509 *x = certificate("client/col_one.crt");
            CHECK(X509_check_host(x, "one", 0, 0, NULL) == 1);
            X509_free(x);
            CHECK(is_valid("client/col_one.crt", X509_PURPOSE_SSL_CLIENT));
        }
        vch_pki_pending_done(&pending);
        vch_buffer_drop(&der);
        vch_buffer_drop(&pem);
    }
    vch_key_free(key);
}

static void without_the_signing_key_nothing_is_signed(void **state)
{
    (void)state;
    vouch_error err = { 0 };
    vch_pki_pending pending = { 0 };
    char elsewhere[VCH_PATH_SIZE + 64];
    (void)snprintf(elsewhere, sizeof elsewhere, "%s", inside("elsewhere"));
    CHECK_OK(pending_of("server/agg_127.0.0.1.csr", NULL, &pending, &err), &err);
    CHECK(vch_pki_sign(elsewhere, VCH_PKI_COLLABORATOR, &pending, vch_clock_unix_s(), &err)
          == VOUCH_E_NOT_FOUND);
    CHECK(!vch_file_exists(inside("elsewhere")));
    vch_pki_pending_done(&pending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(openfls_files_are_in_their_places),
        TEST(an_authority_is_not_replaced_by_accident),
        TEST(certificates_pass_strict_checking),
        TEST(a_request_is_signed_for_its_own_name_only),
        TEST(without_the_signing_key_nothing_is_signed),
    };
    return cmocka_run_group_tests(tests, make_authority, remove_authority);
}
