#include "crypto/x509.h"

#include <string.h>

#include "base/bytes.h"
#include "codec/der.h"
#include "crypto/x509_profile.h"

/* The extensions of the profile; a certificate has each of the first five (spec section 2). */
enum {
    EXT_AUTHORITY_KEY_ID,
    EXT_CRL_DISTRIBUTION,
    EXT_SUBJECT_KEY_ID,
    EXT_KEY_USAGE,
    EXT_BASIC_CONSTRAINTS,
    EXT_SGX,
    EXT_COUNT
};
#define EXT_REQUIRED ((1U << EXT_SGX) - 1)

static const char *const extension_oids[EXT_COUNT] = {
    [EXT_AUTHORITY_KEY_ID] = VCH_OID_AUTHORITY_KEY_ID,
    [EXT_CRL_DISTRIBUTION] = VCH_OID_CRL_DISTRIBUTION,
    [EXT_SUBJECT_KEY_ID] = VCH_OID_SUBJECT_KEY_ID,
    [EXT_KEY_USAGE] = VCH_OID_KEY_USAGE,
    [EXT_BASIC_CONSTRAINTS] = VCH_OID_BASIC_CONSTRAINTS,
    [EXT_SGX] = VCH_OID_SGX_EXTENSION,
};

static void read_basic_constraints(vch_der *d, vch_cert *cert)
{
    vch_der in = vch_der_enter(d, VCH_DER_SEQUENCE);
    if (vch_der_peek(&in, VCH_DER_BOOLEAN)) {
        cert->is_ca = vch_der_boolean(&in);
        if (!cert->is_ca)
            vch_der_refuse(&in, "basic constraints state the default CA=FALSE");
    }
    if (vch_der_more(&in)) {
        cert->path_length = vch_der_uint(&in);
        cert->has_path_length = true;
        if (!cert->is_ca) /* RFC 5280 s.4.2.1.9 */
            vch_der_refuse(&in, "a path length on a certificate that is not a CA");
    }
    vch_der_leave(d, &in);
}

static void read_key_usage(vch_der *d, vch_cert *cert)
{
    uint8_t unused = 0;
    vouch_span bits = vch_der_bits(d, &unused);
    if (d->failed != VOUCH_OK)
        return;
    if (bits.size == 0 || bits.size > 2) {
        vch_der_refuse(d, "key usage has no bit, or more than 16");
        return;
    }
    for (unsigned i = 0; i < 8 * bits.size; i++) {
        if ((bits.data[i / 8] & (0x80U >> (i % 8))) != 0)
            cert->key_usage |= 1U << i;
    }
}

/* Distribution points that each name URIs and nothing else (RFC 5280 s.4.2.1.13). */
static void read_crl_distribution(vch_der *d)
{
    vch_der list = vch_der_enter(d, VCH_DER_SEQUENCE);
    while (vch_der_more(&list)) {
        vch_der point = vch_der_enter(&list, VCH_DER_SEQUENCE);
        vch_der name = vch_der_enter(&point, VCH_DER_CONTEXT_CONSTRUCTED(0));
        vch_der full = vch_der_enter(&name, VCH_DER_CONTEXT_CONSTRUCTED(0));
        while (vch_der_more(&full))
            (void)vch_der_next(&full, VCH_DER_CONTEXT(6));
        vch_der_leave(&name, &full);
        vch_der_leave(&point, &name);
        vch_der_leave(&list, &point);
    }
    vch_der_leave(d, &list);
}

/* Each value must have the form that Intel gives it; what the ids and URLs say decides nothing. */
static void read_extension(int which, vouch_span value, vch_cert *cert, vch_der *list)
{
    vch_der d = vch_der_over(value);
    switch (which) {
    case EXT_AUTHORITY_KEY_ID:
        vch_x509_authority_key(value, list);
        return;
    case EXT_CRL_DISTRIBUTION:
        read_crl_distribution(&d);
        break;
    case EXT_SUBJECT_KEY_ID:
        (void)vch_der_next(&d, VCH_DER_OCTET_STRING);
        break;
    case EXT_KEY_USAGE:
        read_key_usage(&d, cert);
        break;
    case EXT_BASIC_CONSTRAINTS:
        read_basic_constraints(&d, cert);
        break;
    case EXT_SGX:
        cert->sgx_extension = value;
        return;
    default:
        break;
    }
    vch_der_leave(list, &d);
}

static void read_extensions(vch_der *tbs, vch_cert *cert)
{
    vch_der outer = vch_der_enter(tbs, VCH_DER_CONTEXT_CONSTRUCTED(3));
    vch_der list = vch_der_enter(&outer, VCH_DER_SEQUENCE);
    unsigned seen = 0;
    while (vch_der_more(&list)) {
        vch_x509_extension e = vch_x509_next_extension(&list);
        if (list.failed != VOUCH_OK)
            break;
        int which = 0;
        while (which < EXT_COUNT && !vch_span_is(e.oid, extension_oids[which]))
            which++;
        if (which == EXT_COUNT) {
            if (e.critical)
                vch_der_refuse(&list, "an unknown extension is critical");
            continue;
        }
        if ((seen & (1U << which)) != 0)
            vch_der_refuse(&list, "an extension stands twice");
        seen |= 1U << which;
        read_extension(which, e.value, cert, &list);
    }
    vch_der_leave(&outer, &list);
    vch_der_leave(tbs, &outer);
    if (tbs->failed == VOUCH_OK && (seen & EXT_REQUIRED) != EXT_REQUIRED)
        vch_der_refuse(tbs, "an extension that the profile demands is missing");
}

static void read_public_key(vch_der *tbs, vch_cert *cert)
{
    vch_der info = vch_der_enter(tbs, VCH_DER_SEQUENCE);
    vch_der algorithm = vch_der_enter(&info, VCH_DER_SEQUENCE);
    vouch_span kind = vch_der_oid(&algorithm);
    vouch_span curve = vch_der_oid(&algorithm);
    vch_der_leave(&info, &algorithm);
    vouch_span point = vch_der_bit_string(&info);
    vch_der_leave(tbs, &info);
    if (tbs->failed != VOUCH_OK)
        return;
    if (!vch_span_is(kind, VCH_OID_EC_PUBLIC_KEY) || !vch_span_is(curve, VCH_OID_P256)
        || point.size != 1 + VCH_P256_POINT_SIZE || point.data[0] != 0x04) {
        vch_der_refuse(tbs, "the public key is not an uncompressed point of P-256");
        return;
    }
    memcpy(cert->point, point.data + 1, VCH_P256_POINT_SIZE);
}

static void read_validity(vch_der *tbs, vch_cert *cert)
{
    vch_der validity = vch_der_enter(tbs, VCH_DER_SEQUENCE);
    cert->not_before_unix_s = vch_der_time(&validity);
    cert->not_after_unix_s = vch_der_time(&validity);
    vch_der_leave(tbs, &validity);
}

static void read_tbs(vch_der *tbs, vch_cert *cert)
{
    vch_der version = vch_der_enter(tbs, VCH_DER_CONTEXT_CONSTRUCTED(0));
    if (vch_der_uint(&version) != 2)
        vch_der_refuse(&version, "the version is not 3");
    vch_der_leave(tbs, &version);
    vch_x509_serial(tbs, cert->serial);
    vch_x509_signature_algorithm(tbs);
    cert->issuer = vch_x509_name(tbs, NULL);
    read_validity(tbs, cert);
    cert->subject = vch_x509_name(tbs, &cert->common_name);
    read_public_key(tbs, cert);
    read_extensions(tbs, cert);
}

vouch_code vch_cert_parse(vouch_span der, vch_cert *out, vouch_error *err)
{
    if (der.size > VCH_PCK_CERT_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "certificate: %zu bytes exceed %zu", der.size,
                          VCH_PCK_CERT_MAX_SIZE);
    vch_cert cert = { .der = der };
    vch_der d = vch_der_over(der);
    vch_der outer = vch_der_enter(&d, VCH_DER_SEQUENCE);
    vch_der ahead = outer;
    cert.tbs = vch_der_any(&ahead).whole;
    vch_der tbs = vch_der_enter(&outer, VCH_DER_SEQUENCE);
    read_tbs(&tbs, &cert);
    vch_der_leave(&outer, &tbs);
    vch_x509_signature(&outer, cert.signature);
    vch_der_leave(&d, &outer);
    vouch_code rc = vch_der_finish(&d, "certificate", err);
    if (rc != VOUCH_OK)
        return rc;
    *out = cert;
    return VOUCH_OK;
}

vouch_code vch_cert_signed_by(const vch_cert *child, const vch_p256_key *issuer, bool *out_valid,
                              vouch_error *err)
{
    return vch_p256_verify(issuer, child->tbs, child->signature, out_valid, err);
}
