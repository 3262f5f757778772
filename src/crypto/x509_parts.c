#include "crypto/x509_parts.h"

#include <string.h>

#include "base/moment.h"
#include "crypto/cert_builder.h"
#include "crypto/key_native.h"
#include "crypto/openssl_error.h"

#define DNS_NAME_MAX_SIZE 253

vouch_code vch_x509_name_make(const vch_name_part *parts, size_t count, X509_NAME **out,
                              vouch_error *err)
{
    if (count == 0 || count > VCH_NAME_MAX_PARTS)
        return vouch_fail(err, VOUCH_E_LIMIT, "a name of %zu parts, not 1 to %zu", count,
                          VCH_NAME_MAX_PARTS);
    VCH_SCOPED(vch_x509_name_drop) X509_NAME *name = X509_NAME_new();
    if (name == NULL)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "a name");
    for (size_t i = 0; i < count; i++) {
        if (X509_NAME_add_entry_by_txt(name, parts[i].type, MBSTRING_UTF8,
                                       (const unsigned char *)parts[i].value, -1, -1, 0)
            != 1)
            return vch_openssl_fail(err, VOUCH_E_FORMAT, "'%s' cannot be the %s of a certificate",
                                    parts[i].value, parts[i].type);
    }
    *out = VCH_MOVE(name);
    return VOUCH_OK;
}

/* Hands `value` over, also when it fails. */
static vouch_code push_name(GENERAL_NAMES *names, int type, ASN1_STRING *value, vouch_error *err)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    if (name == NULL || value == NULL) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "an alternative name");
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return VOUCH_OK;
    GENERAL_NAME_free(name);
    return vch_openssl_fail(err, VOUCH_E_MEMORY, "an alternative name");
}

static bool is_dns_text(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return size > 0 && size <= DNS_NAME_MAX_SIZE;
}

static vouch_code push_dns(GENERAL_NAMES *names, const char *text, vouch_error *err)
{
    if (!is_dns_text(text))
        return vouch_fail(err, VOUCH_E_FORMAT, "'%s' cannot be an alternative name", text);
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();
    if (value != NULL && ASN1_STRING_set(value, text, -1) != 1) {
        ASN1_IA5STRING_free(value);
        value = NULL;
    }
    return push_name(names, GEN_DNS, value, err);
}

static vouch_code push_ip(GENERAL_NAMES *names, const char *text, bool mask, vouch_error *err)
{
    ASN1_OCTET_STRING *value = a2i_IPADDRESS(text);
    if (value == NULL)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "'%s' is not an IP address", text);
    uint8_t bytes[32];
    size_t size = (size_t)ASN1_STRING_length(value);
    memcpy(bytes, ASN1_STRING_get0_data(value), size);
    memset(bytes + size, 0xff, size);
    if (mask && ASN1_OCTET_STRING_set(value, bytes, (int)(2 * size)) != 1) {
        ASN1_OCTET_STRING_free(value);
        value = NULL;
    }
    return push_name(names, GEN_IPADD, value, err);
}

vouch_code vch_x509_alt_names_make(const vch_alt_names *names, bool for_constraints,
                                   GENERAL_NAMES **out, vouch_error *err)
{
    VCH_SCOPED(vch_general_names_drop) GENERAL_NAMES *made = GENERAL_NAMES_new();
    vouch_code rc = VOUCH_OK;
    if (made == NULL)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "alternative names");
    for (size_t i = 0; rc == VOUCH_OK && i < names->dns_count; i++)
        rc = push_dns(made, names->dns[i], err);
    for (size_t i = 0; rc == VOUCH_OK && i < names->ip_count; i++)
        rc = push_ip(made, names->ip[i], for_constraints, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(made);
    return rc;
}

vouch_code vch_x509_time_make(int64_t unix_s, ASN1_TIME **out, vouch_error *err)
{
    if (unix_s < 0 || unix_s > VCH_MOMENT_MAX_UNIX_S)
        return vouch_fail(err, VOUCH_E_LIMIT, "moment %lld cannot stand in a certificate",
                          (long long)unix_s);
    ASN1_TIME *made = ASN1_TIME_set(NULL, (time_t)unix_s);
    if (made == NULL)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "a moment");
    *out = made;
    return VOUCH_OK;
}

vouch_code vch_x509_serial_make(vouch_span serial, ASN1_INTEGER **out, vouch_error *err)
{
    if (serial.size == 0 || serial.size > VCH_CERT_SERIAL_MAX_SIZE || serial.data[0] >= 0x80)
        return vouch_fail(err, VOUCH_E_FORMAT, "a serial number is positive and has 1 to %zu bytes",
                          VCH_CERT_SERIAL_MAX_SIZE);
    BIGNUM *number = BN_bin2bn(serial.data, (int)serial.size, NULL);
    bool zero = number != NULL && BN_is_zero(number);
    ASN1_INTEGER *made = number == NULL ? NULL : BN_to_ASN1_INTEGER(number, NULL);
    BN_free(number);
    if (made == NULL)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "a serial number");
    if (zero) {
        ASN1_INTEGER_free(made);
        return vouch_fail(err, VOUCH_E_FORMAT, "a serial number is not zero");
    }
    *out = made;
    return VOUCH_OK;
}

vouch_code vch_x509_read(vouch_span der, X509 **out, vouch_error *err)
{
    if (der.size > VCH_CERT_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "a certificate of %zu bytes", der.size);
    const uint8_t *p = der.data;
    X509 *made = d2i_X509(NULL, &p, (long)der.size);
    if (made == NULL)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "the issuer's certificate is unreadable");
    if (p != der.data + der.size) {
        X509_free(made);
        return vouch_fail(err, VOUCH_E_FORMAT, "bytes after the issuer's certificate");
    }
    *out = made;
    return VOUCH_OK;
}

vouch_code vch_x509_authority_key_id(const ASN1_OCTET_STRING *key_id, AUTHORITY_KEYID **out,
                                     vouch_error *err)
{
    if (key_id == NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "the issuer has no subject key id");
    AUTHORITY_KEYID *made = AUTHORITY_KEYID_new();
    if (made == NULL || (made->keyid = ASN1_OCTET_STRING_dup(key_id)) == NULL) {
        AUTHORITY_KEYID_free(made);
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "an authority key id");
    }
    *out = made;
    return VOUCH_OK;
}

vouch_code vch_x509_signer_make(const vch_key *signer, vch_sig_alg alg, EVP_MD_CTX **out,
                                vouch_error *err)
{
    if ((int)alg == 0)
        alg = vch_key_default_alg(signer);
    if (alg == VCH_SIG_ECDSA_SHA256_RAW || alg == VCH_SIG_ECDSA_SHA384_RAW
        || !vch_key_is_private(signer))
        return vouch_fail(err, VOUCH_E_CRYPTO,
                          "this key or form of signature signs no certificate");
    vouch_code rc = vch_sig_alg_check(alg, vch_key_kind_of(signer), err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_md_context_drop) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context = NULL; /* belongs to `context` */
    if (context == NULL
        || EVP_DigestSignInit(context, &key_context, vch_sig_alg_digest(alg), NULL,
                              vch_key_native(signer))
               != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "starting to sign a certificate");
    rc = vch_sig_context_set(key_context, alg, err);
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(context);
    return rc;
}
