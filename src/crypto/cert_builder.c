#include "crypto/cert_builder.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/openssl_error.h"
#include "crypto/x509_parts.h"

VCH_DEFINE_DROP(basic_drop, BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free)
VCH_DEFINE_DROP(bits_drop, ASN1_BIT_STRING, ASN1_BIT_STRING_free)
VCH_DEFINE_DROP(eku_drop, EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)
VCH_DEFINE_DROP(constraints_drop, NAME_CONSTRAINTS, NAME_CONSTRAINTS_free)
VCH_DEFINE_DROP(points_drop, CRL_DIST_POINTS, CRL_DIST_POINTS_free)
VCH_DEFINE_DROP(octets_drop, ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
VCH_DEFINE_DROP(authority_drop, AUTHORITY_KEYID, AUTHORITY_KEYID_free)
VCH_DEFINE_DROP(object_drop, ASN1_OBJECT, ASN1_OBJECT_free)
VCH_DEFINE_DROP(extension_drop, X509_EXTENSION, X509_EXTENSION_free)

static vouch_code add(X509 *x, int nid, void *value, bool critical, vouch_error *err)
{
    if (value == NULL
        || X509_add1_ext_i2d(x, nid, value, critical ? 1 : 0, X509V3_ADD_DEFAULT) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "certificate extension %s", OBJ_nid2ln(nid));
    return VOUCH_OK;
}

static vouch_code add_basic(X509 *x, const vch_cert_options *o, vouch_error *err)
{
    if (o->kind == VCH_CERT_NO_BASIC_CONSTRAINTS)
        return VOUCH_OK;
    VCH_SCOPED(basic_drop) BASIC_CONSTRAINTS *basic = BASIC_CONSTRAINTS_new();
    if (basic == NULL)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "basic constraints");
    if (o->kind == VCH_CERT_CA) {
        basic->ca = 0xff;
        if (o->pathlen >= 0) {
            basic->pathlen = ASN1_INTEGER_new();
            if (basic->pathlen == NULL || ASN1_INTEGER_set(basic->pathlen, o->pathlen) != 1)
                return vch_openssl_fail(err, VOUCH_E_MEMORY, "basic constraints");
        }
    }
    return add(x, NID_basic_constraints, basic, o->kind_critical, err);
}

static vouch_code add_key_usage(X509 *x, unsigned usage, vouch_error *err)
{
    if (usage == 0)
        return VOUCH_OK;
    VCH_SCOPED(bits_drop) ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    for (int i = 0; bits != NULL && i < 9; i++) {
        if ((usage >> i & 1U) != 0 && ASN1_BIT_STRING_set_bit(bits, i, 1) != 1)
            return vch_openssl_fail(err, VOUCH_E_MEMORY, "key usage");
    }
    return add(x, NID_key_usage, bits, true, err);
}

static vouch_code add_ext_key_usage(X509 *x, unsigned usage, vouch_error *err)
{
    static const struct {
        unsigned bit;
        int nid;
    } purposes[] = { { VCH_EKU_SERVER_AUTH, NID_server_auth },
                     { VCH_EKU_CLIENT_AUTH, NID_client_auth } };
    if (usage == 0)
        return VOUCH_OK;
    VCH_SCOPED(eku_drop) EXTENDED_KEY_USAGE *eku = sk_ASN1_OBJECT_new_null();
    for (size_t i = 0; eku != NULL && i < sizeof purposes / sizeof purposes[0]; i++) {
        if ((usage & purposes[i].bit) != 0
            && sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(purposes[i].nid)) <= 0)
            return vch_openssl_fail(err, VOUCH_E_MEMORY, "extended key usage");
    }
    return add(x, NID_ext_key_usage, eku, false, err);
}

static bool has_names(const vch_alt_names *names)
{
    return names->dns_count + names->ip_count > 0;
}

static vouch_code add_alt_names(X509 *x, const vch_alt_names *names, vouch_error *err)
{
    if (!has_names(names))
        return VOUCH_OK;
    VCH_SCOPED(vch_general_names_drop) GENERAL_NAMES *made = NULL;
    vouch_code rc = vch_x509_alt_names_make(names, false, &made, err);
    if (rc != VOUCH_OK)
        return rc;
    return add(x, NID_subject_alt_name, made, false, err);
}

/* Moves each name into a subtree of its own. */
static vouch_code fill_subtrees(NAME_CONSTRAINTS *constraints, GENERAL_NAMES *names,
                                vouch_error *err)
{
    constraints->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
    while (constraints->permittedSubtrees != NULL && sk_GENERAL_NAME_num(names) > 0) {
        GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
        if (tree == NULL || sk_GENERAL_SUBTREE_push(constraints->permittedSubtrees, tree) <= 0) {
            GENERAL_SUBTREE_free(tree);
            return vch_openssl_fail(err, VOUCH_E_MEMORY, "name constraints");
        }
        GENERAL_NAME_free(tree->base);
        tree->base = sk_GENERAL_NAME_shift(names);
    }
    if (constraints->permittedSubtrees == NULL)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "name constraints");
    return VOUCH_OK;
}

static vouch_code add_name_constraints(X509 *x, const vch_alt_names *permitted, vouch_error *err)
{
    if (!has_names(permitted))
        return VOUCH_OK;
    VCH_SCOPED(vch_general_names_drop) GENERAL_NAMES *names = NULL;
    vouch_code rc = vch_x509_alt_names_make(permitted, true, &names, err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(constraints_drop) NAME_CONSTRAINTS *constraints = NAME_CONSTRAINTS_new();
    if (constraints == NULL)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "name constraints");
    rc = fill_subtrees(constraints, names, err);
    if (rc != VOUCH_OK)
        return rc;
    return add(x, NID_name_constraints, constraints, true, err);
}

/* A URL as the full name of a distribution point; NULL when out of memory. */
static DIST_POINT *distribution_point(const char *url)
{
    DIST_POINT *point = DIST_POINT_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    if (point == NULL || name == NULL || text == NULL || ASN1_STRING_set(text, url, -1) != 1
        || (point->distpoint = DIST_POINT_NAME_new()) == NULL
        || (point->distpoint->name.fullname = GENERAL_NAMES_new()) == NULL
        || sk_GENERAL_NAME_push(point->distpoint->name.fullname, name) <= 0) {
        DIST_POINT_free(point);
        GENERAL_NAME_free(name);
        ASN1_IA5STRING_free(text);
        return NULL;
    }
    point->distpoint->type = 0; /* fullName */
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    return point;
}

static vouch_code add_crl_url(X509 *x, const char *url, vouch_error *err)
{
    if (url == NULL)
        return VOUCH_OK;
    VCH_SCOPED(points_drop) CRL_DIST_POINTS *points = CRL_DIST_POINTS_new();
    DIST_POINT *point = distribution_point(url);
    if (points == NULL || point == NULL || sk_DIST_POINT_push(points, point) <= 0) {
        DIST_POINT_free(point);
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "CRL distribution point");
    }
    return add(x, NID_crl_distribution_points, points, false, err);
}

static vouch_code add_subject_key_id(X509 *x, vouch_error *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    VCH_SCOPED(octets_drop) ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    if (id == NULL || X509_pubkey_digest(x, EVP_sha1(), digest, &size) != 1
        || ASN1_OCTET_STRING_set(id, digest, (int)size) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "subject key id");
    return add(x, NID_subject_key_identifier, id, false, err);
}

static vouch_code add_authority_key_id(X509 *x, const X509 *issuer, vouch_error *err)
{
    /* Read from the extension itself: OpenSSL's cached view of a certificate in the making is not
     * to be trusted. */
    VCH_SCOPED(octets_drop)
    ASN1_OCTET_STRING *key_id =
        X509_get_ext_d2i(issuer == NULL ? x : issuer, NID_subject_key_identifier, NULL, NULL);
    VCH_SCOPED(authority_drop) AUTHORITY_KEYID *id = NULL;
    vouch_code rc = vch_x509_authority_key_id(key_id, &id, err);
    if (rc != VOUCH_OK)
        return rc;
    return add(x, NID_authority_key_identifier, id, false, err);
}

static vouch_code add_raw(X509 *x, const vch_cert_extension *e, vouch_error *err)
{
    VCH_SCOPED(object_drop) ASN1_OBJECT *oid = OBJ_txt2obj(e->oid, 1);
    VCH_SCOPED(octets_drop) ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    if (oid == NULL || value == NULL || e->value.size > VCH_CERT_MAX_SIZE
        || ASN1_OCTET_STRING_set(value, e->value.data, (int)e->value.size) != 1)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "certificate extension '%s'", e->oid);
    if (X509_get_ext_by_OBJ(x, oid, -1) >= 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "certificate extension '%s' twice", e->oid);
    VCH_SCOPED(extension_drop)
    X509_EXTENSION *made = X509_EXTENSION_create_by_OBJ(NULL, oid, e->critical ? 1 : 0, value);
    if (made == NULL || X509_add_ext(x, made, -1) != 1)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "certificate extension '%s'", e->oid);
    return VOUCH_OK;
}

static vouch_code add_extensions(X509 *x, const vch_cert_options *o, X509 *issuer, vouch_error *err)
{
    vouch_code rc = add_basic(x, o, err);
    if (rc == VOUCH_OK)
        rc = add_key_usage(x, o->key_usage, err);
    if (rc == VOUCH_OK)
        rc = add_ext_key_usage(x, o->ext_key_usage, err);
    if (rc == VOUCH_OK)
        rc = add_alt_names(x, &o->alt, err);
    if (rc == VOUCH_OK)
        rc = add_name_constraints(x, &o->permitted, err);
    if (rc == VOUCH_OK)
        rc = add_crl_url(x, o->crl_url, err);
    if (rc == VOUCH_OK && o->subject_key_id)
        rc = add_subject_key_id(x, err);
    if (rc == VOUCH_OK && o->authority_key_id)
        rc = add_authority_key_id(x, issuer, err);
    for (size_t i = 0; rc == VOUCH_OK && i < o->extension_count; i++)
        rc = add_raw(x, &o->extensions[i], err);
    return rc;
}

static vouch_code set_names(X509 *x, const vch_cert_options *o, X509 *issuer, vouch_error *err)
{
    VCH_SCOPED(vch_x509_name_drop) X509_NAME *subject = NULL;
    if (o->subject_count > 0) {
        vouch_code rc = vch_x509_name_make(o->subject, o->subject_count, &subject, err);
        if (rc != VOUCH_OK)
            return rc;
    } else {
        const uint8_t *p = o->subject_der.data;
        subject = o->subject_der.size > VCH_CERT_MAX_SIZE
                      ? NULL
                      : d2i_X509_NAME(NULL, &p, (long)o->subject_der.size);
        if (subject == NULL || p != o->subject_der.data + o->subject_der.size)
            return vch_openssl_fail(err, VOUCH_E_FORMAT, "the subject's name is unreadable");
    }
    const X509_NAME *issuer_name = issuer == NULL ? subject : X509_get_subject_name(issuer);
    if (X509_set_subject_name(x, subject) != 1 || X509_set_issuer_name(x, issuer_name) != 1)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "certificate names");
    return VOUCH_OK;
}

static vouch_code set_fields(X509 *x, const vch_cert_options *o, X509 *issuer, vouch_error *err)
{
    VCH_SCOPED(vch_asn1_integer_drop) ASN1_INTEGER *serial = NULL;
    VCH_SCOPED(vch_asn1_time_drop) ASN1_TIME *from = NULL;
    VCH_SCOPED(vch_asn1_time_drop) ASN1_TIME *to = NULL;
    vouch_code rc = vch_x509_serial_make(o->serial, &serial, err);
    if (rc == VOUCH_OK)
        rc = vch_x509_time_make(o->not_before_unix_s, &from, err);
    if (rc == VOUCH_OK)
        rc = vch_x509_time_make(o->not_after_unix_s, &to, err);
    if (rc == VOUCH_OK)
        rc = set_names(x, o, issuer, err);
    if (rc != VOUCH_OK)
        return rc;
    const vch_key *subject_key = o->public_key == NULL ? o->signer : o->public_key;
    if (X509_set_version(x, X509_VERSION_3) != 1 || X509_set_serialNumber(x, serial) != 1
        || X509_set1_notBefore(x, from) != 1 || X509_set1_notAfter(x, to) != 1
        || X509_set_pubkey(x, vch_key_native(subject_key)) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "certificate fields");
    return VOUCH_OK;
}

static vouch_code append_der(const X509 *x, vch_buffer *out, vouch_error *err)
{
    uint8_t *der = NULL;
    int size = i2d_X509(x, &der);
    if (size <= 0)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "encoding a certificate");
    if ((size_t)size <= VCH_CERT_MAX_SIZE)
        vch_buffer_append(out, (vouch_span) { der, (size_t)size });
    OPENSSL_free(der);
    if ((size_t)size > VCH_CERT_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "certificate: %d bytes, more than %zu", size,
                          VCH_CERT_MAX_SIZE);
    return vch_buffer_finish(out, "certificate", err);
}

vouch_code vch_cert_build(const vch_cert_options *o, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(vch_x509_drop) X509 *x = X509_new();
    VCH_SCOPED(vch_x509_drop) X509 *issuer = NULL;
    VCH_SCOPED(vch_md_context_drop) EVP_MD_CTX *signer = NULL;
    if (x == NULL)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "a certificate");
    if (o->not_after_unix_s < o->not_before_unix_s)
        return vouch_fail(err, VOUCH_E_FORMAT, "a certificate that ends before it begins");
    vouch_code rc =
        o->issuer_cert.size == 0 ? VOUCH_OK : vch_x509_read(o->issuer_cert, &issuer, err);
    if (rc == VOUCH_OK)
        rc = set_fields(x, o, issuer, err);
    if (rc == VOUCH_OK)
        rc = add_extensions(x, o, issuer, err);
    if (rc == VOUCH_OK)
        rc = vch_x509_signer_make(o->signer, o->alg, &signer, err);
    if (rc != VOUCH_OK)
        return rc;
    if (X509_sign_ctx(x, signer) <= 0)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "signing a certificate");
    rc = append_der(x, out, err);
    vch_openssl_clear();
    return rc;
}

vouch_code vch_cert_serial(vouch_span der, uint8_t out[static VCH_CERT_SERIAL_MAX_SIZE],
                           size_t *out_size, vouch_error *err)
{
    VCH_SCOPED(vch_x509_drop) X509 *x = NULL;
    vouch_code rc = vch_x509_read(der, &x, err);
    if (rc != VOUCH_OK)
        return rc;
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    bool fits = number != NULL && BN_num_bytes(number) <= (int)VCH_CERT_SERIAL_MAX_SIZE;
    if (fits)
        *out_size = (size_t)BN_bn2bin(number, out);
    BN_free(number);
    if (!fits)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "the certificate's serial number");
    return VOUCH_OK;
}
