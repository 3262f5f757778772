/* Differential: whatever our reader of CRLs accepts, OpenSSL reads to the end, with the same entries. */
#include <string.h>

#include <openssl/x509.h>

#include "crypto/crl.h"

static void require(int same)
{
    if (!same)
        __builtin_trap();
}

static void compare_entries(X509_CRL *x, const vch_crl *c)
{
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(x);
    require((size_t)(list == NULL ? 0 : sk_X509_REVOKED_num(list)) == c->revoked_count);
    for (size_t i = 0; i < c->revoked_count; i++) {
        const X509_REVOKED *entry = sk_X509_REVOKED_value(list, (int)i);
        uint8_t serial[VCH_SERIAL_MAX_SIZE];
        BIGNUM *n = ASN1_INTEGER_to_BN(X509_REVOKED_get0_serialNumber(entry), NULL);
        require(n != NULL && BN_bn2binpad(n, serial, sizeof serial) > 0);
        require(vch_crl_lists(c, serial));
        BN_free(n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_crl c = { .revoked_count = 77 };
    vouch_error err = { 0 };
    vouch_code rc = vch_crl_parse((vouch_span) { data, size }, &c, &err);
    if (rc != VOUCH_OK) {
        require(c.revoked_count == 77 && c.serials == NULL && err.depth > 0);
        return 0;
    }
    const unsigned char *at = data;
    X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)size);
    require(x != NULL && at == data + size);
    require(X509_CRL_get_version(x) == X509_CRL_VERSION_2);
    require(X509_CRL_get_signature_nid(x) == NID_ecdsa_with_SHA256);
    compare_entries(x, &c);
    X509_CRL_free(x);
    vch_crl_drop(&c);
    return 0;
}
