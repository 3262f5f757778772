#include "crypto/crl_builder.h"

#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/openssl_error.h"
#include "crypto/x509_parts.h"

VCH_DEFINE_DROP(crl_drop, X509_CRL, X509_CRL_free)
VCH_DEFINE_DROP(authority_drop, AUTHORITY_KEYID, AUTHORITY_KEYID_free)

static vouch_code add_entry(X509_CRL *crl, const vch_crl_entry *entry, vouch_error *err)
{
    VCH_SCOPED(vch_asn1_integer_drop) ASN1_INTEGER *serial = NULL;
    VCH_SCOPED(vch_asn1_time_drop) ASN1_TIME *when = NULL;
    vouch_code rc = vch_x509_serial_make(entry->serial, &serial, err);
    if (rc == VOUCH_OK)
        rc = vch_x509_time_make(entry->revoked_at_unix_s, &when, err);
    if (rc != VOUCH_OK)
        return rc;
    X509_REVOKED *revoked = X509_REVOKED_new();
    if (revoked == NULL || X509_REVOKED_set_serialNumber(revoked, serial) != 1
        || X509_REVOKED_set_revocationDate(revoked, when) != 1
        || X509_CRL_add0_revoked(crl, revoked) != 1) {
        X509_REVOKED_free(revoked);
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "a CRL entry");
    }
    return VOUCH_OK;
}

static vouch_code set_dates(X509_CRL *crl, const vch_crl_options *o, vouch_error *err)
{
    VCH_SCOPED(vch_asn1_time_drop) ASN1_TIME *from = NULL;
    VCH_SCOPED(vch_asn1_time_drop) ASN1_TIME *to = NULL;
    vouch_code rc = vch_x509_time_make(o->this_update_unix_s, &from, err);
    if (rc == VOUCH_OK)
        rc = vch_x509_time_make(o->next_update_unix_s, &to, err);
    if (rc != VOUCH_OK)
        return rc;
    if (X509_CRL_set1_lastUpdate(crl, from) != 1 || X509_CRL_set1_nextUpdate(crl, to) != 1)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "CRL dates");
    return VOUCH_OK;
}

static vouch_code add_extensions(X509_CRL *crl, X509 *issuer, uint64_t number, vouch_error *err)
{
    VCH_SCOPED(vch_asn1_integer_drop) ASN1_INTEGER *value = ASN1_INTEGER_new();
    VCH_SCOPED(authority_drop) AUTHORITY_KEYID *id = NULL;
    vouch_code rc = vch_x509_authority_key_id(X509_get0_subject_key_id(issuer), &id, err);
    if (rc != VOUCH_OK)
        return rc;
    if (value == NULL || ASN1_INTEGER_set_uint64(value, number) != 1
        || X509_CRL_add1_ext_i2d(crl, NID_authority_key_identifier, id, 0, X509V3_ADD_DEFAULT) != 1
        || X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, X509V3_ADD_DEFAULT) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "CRL extensions");
    return VOUCH_OK;
}

static vouch_code fill(X509_CRL *crl, const vch_crl_options *o, vouch_error *err)
{
    VCH_SCOPED(vch_x509_drop) X509 *issuer = NULL;
    vouch_code rc = vch_x509_read(o->issuer_cert, &issuer, err);
    if (rc != VOUCH_OK)
        return rc;
    if (X509_CRL_set_version(crl, X509_CRL_VERSION_2) != 1
        || X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) != 1)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "CRL issuer");
    rc = set_dates(crl, o, err);
    for (size_t i = 0; rc == VOUCH_OK && i < o->entry_count; i++)
        rc = add_entry(crl, &o->entries[i], err);
    if (rc != VOUCH_OK)
        return rc;
    return add_extensions(crl, issuer, o->number, err);
}

vouch_code vch_crl_build(const vch_crl_options *o, vch_buffer *out, vouch_error *err)
{
    if (o->entry_count > VCH_CRL_MAX_REVOKED)
        return vouch_fail(err, VOUCH_E_LIMIT, "a CRL of %zu entries, more than %zu", o->entry_count,
                          VCH_CRL_MAX_REVOKED);
    if (o->next_update_unix_s < o->this_update_unix_s)
        return vouch_fail(err, VOUCH_E_FORMAT, "a CRL that ends before it begins");
    VCH_SCOPED(crl_drop) X509_CRL *crl = X509_CRL_new();
    VCH_SCOPED(vch_md_context_drop) EVP_MD_CTX *signer = NULL;
    if (crl == NULL)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "a CRL");
    vouch_code rc = fill(crl, o, err);
    if (rc == VOUCH_OK)
        rc = vch_x509_signer_make(o->signer, o->alg, &signer, err);
    if (rc != VOUCH_OK)
        return rc;
    if (X509_CRL_sign_ctx(crl, signer) <= 0)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "signing a CRL");
    uint8_t *der = NULL;
    int size = i2d_X509_CRL(crl, &der);
    if (size <= 0)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "encoding a CRL");
    vch_buffer_append(out, (vouch_span) { der, (size_t)size });
    OPENSSL_free(der);
    vch_openssl_clear();
    return vch_buffer_finish(out, "CRL", err);
}
