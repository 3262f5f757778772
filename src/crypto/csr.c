#include "crypto/csr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/key_native.h"
#include "crypto/openssl_error.h"
#include "crypto/x509_parts.h"

VCH_DEFINE_DROP(request_drop, X509_REQ, X509_REQ_free)

#define IP_TEXT_SIZE 46

struct vch_csr {
    vch_buffer der;
    vch_buffer subject;
    char *common_name;
    vch_key *key;
    char *dns[VCH_CSR_MAX_NAMES];
    char *ip[VCH_CSR_MAX_NAMES];
    size_t dns_count;
    size_t ip_count;
};

static void extensions_free(X509_EXTENSIONS *extensions)
{
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}
VCH_DEFINE_DROP(extensions_drop, X509_EXTENSIONS, extensions_free)

static vouch_code add_alt_names(X509_REQ *request, const vch_alt_names *alt, vouch_error *err)
{
    if (alt->dns_count + alt->ip_count == 0)
        return VOUCH_OK;
    VCH_SCOPED(vch_general_names_drop) GENERAL_NAMES *names = NULL;
    VCH_SCOPED(extensions_drop) X509_EXTENSIONS *extensions = NULL;
    vouch_code rc = vch_x509_alt_names_make(alt, false, &names, err);
    if (rc != VOUCH_OK)
        return rc;
    if (X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1
        || X509_REQ_add_extensions(request, extensions) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "alternative names of a request");
    return VOUCH_OK;
}

static vouch_code fill(X509_REQ *request, const vch_csr_options *o, vouch_error *err)
{
    VCH_SCOPED(vch_x509_name_drop) X509_NAME *subject = NULL;
    vouch_code rc = vch_x509_name_make(o->subject, o->subject_count, &subject, err);
    if (rc != VOUCH_OK)
        return rc;
    if (X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1
        || X509_REQ_set_subject_name(request, subject) != 1
        || X509_REQ_set_pubkey(request, vch_key_native(o->key)) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "fields of a request");
    return add_alt_names(request, &o->alt, err);
}

vouch_code vch_csr_build(const vch_csr_options *o, vch_buffer *out, vouch_error *err)
{
    VCH_SCOPED(request_drop) X509_REQ *request = X509_REQ_new();
    VCH_SCOPED(vch_md_context_drop) EVP_MD_CTX *signer = NULL;
    if (request == NULL)
        return vch_openssl_fail(err, VOUCH_E_MEMORY, "a request");
    vouch_code rc = fill(request, o, err);
    if (rc == VOUCH_OK)
        rc = vch_x509_signer_make(o->key, o->alg, &signer, err);
    if (rc != VOUCH_OK)
        return rc;
    if (X509_REQ_sign_ctx(request, signer) <= 0)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "signing a request");
    uint8_t *der = NULL;
    int size = i2d_X509_REQ(request, &der);
    if (size <= 0)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "encoding a request");
    vch_buffer_append(out, (vouch_span) { der, (size_t)size });
    OPENSSL_free(der);
    vch_openssl_clear();
    return vch_buffer_finish(out, "request", err);
}

/* SHA-1 and older digests sign nothing here; RSA-PSS requests occur nowhere and are not read. */
static bool digest_is_modern(const X509_REQ *request)
{
    int digest = NID_undef;
    if (OBJ_find_sigid_algs(X509_REQ_get_signature_nid(request), &digest, NULL) != 1)
        return false;
    return digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
}

static vouch_code take_key(vch_csr *csr, X509_REQ *request, vouch_error *err)
{
    EVP_PKEY *native = X509_REQ_get0_pubkey(request);
    if (native == NULL)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "request: unusable public key");
    vouch_code rc = vch_key_from_native(native, false, &csr->key, err);
    if (rc != VOUCH_OK)
        return vouch_wrap(err, rc, "request");
    if (!digest_is_modern(request))
        return vouch_fail(err, VOUCH_E_UNSUPPORTED, "request: signature algorithm");
    if (X509_REQ_verify(request, native) != 1)
        return vch_openssl_fail(err, VOUCH_E_REFUSED, "request: not signed by its own key");
    return VOUCH_OK;
}

static vouch_code take_subject(vch_csr *csr, X509_REQ *request, vouch_error *err)
{
    const X509_NAME *subject = X509_REQ_get_subject_name(request);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return vouch_fail(err, VOUCH_E_FORMAT, "request: not exactly one common name");
    unsigned char *text = NULL;
    int size =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    bool good = size > 0 && memchr(text, 0, (size_t)size) == NULL;
    if (good)
        csr->common_name = strndup((const char *)text, (size_t)size);
    OPENSSL_free(text);
    if (!good)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "request: unusable common name");
    if (csr->common_name == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "request: common name");
    uint8_t *der = NULL;
    int der_size = i2d_X509_NAME(subject, &der);
    if (der_size <= 0)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "request: subject");
    vch_buffer_append(&csr->subject, (vouch_span) { der, (size_t)der_size });
    OPENSSL_free(der);
    return vch_buffer_finish(&csr->subject, "request: subject", err);
}

static char *dns_text(const ASN1_STRING *value)
{
    const unsigned char *data = ASN1_STRING_get0_data(value);
    size_t size = (size_t)ASN1_STRING_length(value);
    for (size_t i = 0; i < size; i++) {
        if (data[i] <= ' ' || data[i] > '~')
            return NULL;
    }
    return size == 0 ? NULL : strndup((const char *)data, size);
}

static char *ip_text(const ASN1_STRING *value)
{
    const unsigned char *b = ASN1_STRING_get0_data(value);
    char text[IP_TEXT_SIZE] = { 0 };
    size_t used = 0;
    if (ASN1_STRING_length(value) == 4) {
        (void)snprintf(text, sizeof text, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
        return strdup(text);
    }
    if (ASN1_STRING_length(value) != 16)
        return NULL;
    for (size_t i = 0; i < 16; i += 2)
        used += (size_t)snprintf(text + used, sizeof text - used, i == 0 ? "%x" : ":%x",
                                 (unsigned)b[i] << 8 | b[i + 1]);
    return strdup(text);
}

static vouch_code take_alt_name(vch_csr *csr, const GENERAL_NAME *name, vouch_error *err)
{
    int type = 0;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    char *text = NULL;
    if (type == GEN_DNS && (text = dns_text(value)) != NULL)
        csr->dns[csr->dns_count++] = text;
    else if (type == GEN_IPADD && (text = ip_text(value)) != NULL)
        csr->ip[csr->ip_count++] = text;
    if (text == NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "request: an alternative name of an unusable kind");
    return VOUCH_OK;
}

static vouch_code take_alt_names(vch_csr *csr, X509_REQ *request, vouch_error *err)
{
    VCH_SCOPED(extensions_drop) X509_EXTENSIONS *extensions = X509_REQ_get_extensions(request);
    if (extensions == NULL)
        return VOUCH_OK;
    int critical = 0;
    VCH_SCOPED(vch_general_names_drop)
    GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);
    if (names == NULL && critical == -1) /* absent; -2 is twice, others are unreadable */
        return VOUCH_OK;
    if (names == NULL)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "request: unreadable alternative names");
    int count = sk_GENERAL_NAME_num(names);
    if (count > (int)VCH_CSR_MAX_NAMES)
        return vouch_fail(err, VOUCH_E_LIMIT, "request: %d alternative names, more than %zu", count,
                          VCH_CSR_MAX_NAMES);
    vouch_code rc = VOUCH_OK;
    for (int i = 0; rc == VOUCH_OK && i < count; i++)
        rc = take_alt_name(csr, sk_GENERAL_NAME_value(names, i), err);
    return rc;
}

vouch_code vch_csr_parse(vouch_span der, vch_csr **out, vouch_error *err)
{
    if (der.size == 0 || der.size > VCH_CSR_MAX_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "request: %zu bytes, not 1 to %zu", der.size,
                          VCH_CSR_MAX_SIZE);
    const uint8_t *p = der.data;
    VCH_SCOPED(request_drop) X509_REQ *request = d2i_X509_REQ(NULL, &p, (long)der.size);
    if (request == NULL || p != der.data + der.size)
        return vch_openssl_fail(err, VOUCH_E_FORMAT, "request: unreadable, or bytes after it");
    VCH_SCOPED(vch_csr_drop) vch_csr *csr = calloc(1, sizeof *csr);
    if (csr == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a request");
    csr->der = vch_buffer_with_cap(VCH_CSR_MAX_SIZE);
    csr->subject = vch_buffer_with_cap(VCH_CSR_MAX_SIZE);
    vch_buffer_append(&csr->der, der);
    vouch_code rc = vch_buffer_finish(&csr->der, "request", err);
    if (rc == VOUCH_OK)
        rc = take_key(csr, request, err);
    if (rc == VOUCH_OK)
        rc = take_subject(csr, request, err);
    if (rc == VOUCH_OK)
        rc = take_alt_names(csr, request, err);
    vch_openssl_clear();
    if (rc == VOUCH_OK)
        *out = VCH_MOVE(csr);
    return rc;
}

void vch_csr_free(vch_csr *csr)
{
    if (csr == NULL)
        return;
    for (size_t i = 0; i < csr->dns_count; i++)
        free(csr->dns[i]);
    for (size_t i = 0; i < csr->ip_count; i++)
        free(csr->ip[i]);
    vch_buffer_drop(&csr->der);
    vch_buffer_drop(&csr->subject);
    vch_key_free(csr->key);
    free(csr->common_name);
    free(csr);
}

const char *vch_csr_common_name(const vch_csr *csr)
{
    return csr->common_name;
}

vouch_span vch_csr_subject_der(const vch_csr *csr)
{
    return vch_buffer_span(&csr->subject);
}

const vch_key *vch_csr_key(const vch_csr *csr)
{
    return csr->key;
}

vch_alt_names vch_csr_alt_names(const vch_csr *csr)
{
    return (vch_alt_names) { (const char *const *)csr->dns, csr->dns_count,
                             (const char *const *)csr->ip, csr->ip_count };
}

vouch_span vch_csr_der(const vch_csr *csr)
{
    return vch_buffer_span(&csr->der);
}
