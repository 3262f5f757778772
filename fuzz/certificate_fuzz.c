/*
 * Differential: whatever our reader of certificates accepts, OpenSSL reads to the end, too, and sees
 * the same numbers, dates, names, key and constraints. (OpenSSL accepts much that we refuse.)
 */
#include <string.h>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/x509.h"

static void require(int same)
{
    if (!same)
        __builtin_trap();
}

static int64_t unix_of(const ASN1_TIME *t)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;
    require(epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1);
    ASN1_TIME_free(epoch);
    return (int64_t)days * 86400 + seconds;
}

static void compare_serial(X509 *x, const vch_cert *c)
{
    uint8_t serial[VCH_SERIAL_MAX_SIZE];
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    require(n != NULL && !BN_is_negative(n) && BN_bn2binpad(n, serial, sizeof serial) > 0
            && memcmp(serial, c->serial, sizeof serial) == 0);
    BN_free(n);
}

static void compare_name(const X509_NAME *name, vouch_span ours)
{
    const unsigned char *der = NULL;
    size_t size = 0;
    require(X509_NAME_get0_der(name, &der, &size) == 1 && size == ours.size
            && memcmp(der, ours.data, size) == 0);
}

static void compare(X509 *x, const vch_cert *c)
{
    compare_serial(x, c);
    compare_name(X509_get_issuer_name(x), c->issuer);
    compare_name(X509_get_subject_name(x), c->subject);
    require(unix_of(X509_get0_notBefore(x)) == c->not_before_unix_s);
    require(unix_of(X509_get0_notAfter(x)) == c->not_after_unix_s);
    require(X509_get_version(x) == X509_VERSION_3);
    require(X509_get_signature_nid(x) == NID_ecdsa_with_SHA256);
    uint32_t flags = X509_get_extension_flags(x);
    if ((flags & EXFLAG_INVALID) != 0 || X509_get_ext_count(x) > 6)
        return; /* an extension beside the profile's, not critical, which we do not look into */
    require(((flags & EXFLAG_CA) != 0) == c->is_ca);
    require(X509_get_pathlen(x) == (c->has_path_length ? (long)c->path_length : -1));
    const ASN1_BIT_STRING *point = X509_get0_pubkey_bitstr(x);
    require(point != NULL && ASN1_STRING_length(point) == 65
            && memcmp(ASN1_STRING_get0_data(point) + 1, c->point, 64) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_cert c = { .key_usage = 77 };
    vouch_error err = { 0 };
    vouch_code rc = vch_cert_parse((vouch_span) { data, size }, &c, &err);
    if (rc != VOUCH_OK) {
        require(c.key_usage == 77 && err.depth > 0);
        return 0;
    }
    const unsigned char *at = data;
    X509 *x = d2i_X509(NULL, &at, (long)size);
    require(x != NULL && at == data + size);
    if (c.path_length <= INT32_MAX)
        compare(x, &c);
    X509_free(x);
    return 0;
}
