#include "crypto/cert_chain.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"
#include "base/scope.h"
#include "crypto/hash.h"

struct vch_cert_chain {
    X509 *certs[VCH_CERT_CHAIN_MAX_COUNT];
    uint8_t last_sha256[VCH_SHA256_SIZE]; /* of the DER that came, not of a re-encoding */
    size_t count;
};

VCH_DEFINE_DROP(drop_chain, vch_cert_chain, vch_cert_chain_free)
VCH_DEFINE_DROP(drop_store, X509_STORE, X509_STORE_free)
VCH_DEFINE_DROP(drop_context, X509_STORE_CTX, X509_STORE_CTX_free)
VCH_DEFINE_DROP(drop_points, CRL_DIST_POINTS, CRL_DIST_POINTS_free)
VCH_DEFINE_DROP(drop_crl, X509_CRL, X509_CRL_free)

static void drop_stack(STACK_OF(X509) * *stack)
{
    sk_X509_free(*stack); /* the certificates are the chain's */
    *stack = NULL;
}

void vch_cert_chain_free(vch_cert_chain *chain)
{
    if (chain == NULL)
        return;
    for (size_t i = 0; i < chain->count; i++)
        X509_free(chain->certs[i]);
    free(chain);
}

size_t vch_cert_chain_count(const vch_cert_chain *chain)
{
    return chain->count;
}

static vouch_code parse_one(vouch_span der, size_t index, X509 **out, vouch_error *err)
{
    if (der.size == 0 || der.size > VCH_CERT_CHAIN_MAX_DER_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT,
                          "certificate %zu of the chain has %zu bytes; 1 to %d are accepted", index,
                          der.size, VCH_CERT_CHAIN_MAX_DER_SIZE);
    const unsigned char *at = der.data;
    X509 *cert = d2i_X509(NULL, &at, (long)der.size);
    ERR_clear_error();
    if (cert == NULL)
        return vouch_fail(err, VOUCH_E_FORMAT, "certificate %zu of the chain cannot be read",
                          index);
    if (at != der.data + der.size) {
        X509_free(cert);
        return vouch_fail(err, VOUCH_E_FORMAT, "bytes follow certificate %zu of the chain", index);
    }
    *out = cert;
    return VOUCH_OK;
}

vouch_code vch_cert_chain_parse(const vouch_span *ders, size_t count, vch_cert_chain **out,
                                vouch_error *err)
{
    if (count < 2 || count > VCH_CERT_CHAIN_MAX_COUNT)
        return vouch_fail(err, VOUCH_E_LIMIT, "a chain of %zu certificates; 2 to %d are accepted",
                          count, VCH_CERT_CHAIN_MAX_COUNT);
    VCH_SCOPED(drop_chain) vch_cert_chain *chain = calloc(1, sizeof *chain);
    if (chain == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a certificate chain");
    for (size_t i = 0; i < count; i++) {
        vouch_code rc = parse_one(ders[i], i, &chain->certs[i], err);
        if (rc != VOUCH_OK)
            return rc;
        chain->count = i + 1;
    }
    vouch_code rc = vch_sha256(ders[count - 1], chain->last_sha256, err);
    if (rc != VOUCH_OK)
        return rc;
    *out = VCH_MOVE(chain);
    return VOUCH_OK;
}

vouch_code vch_cert_chain_leaf_key(const vch_cert_chain *chain, vch_key **out, vouch_error *err)
{
    unsigned char *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(chain->certs[0]), &der);
    if (size <= 0)
        return vouch_fail(err, VOUCH_E_CRYPTO, "the leaf certificate's key cannot be encoded");
    vouch_code rc = vch_key_from_spki((vouch_span) { der, (size_t)size }, out, err);
    OPENSSL_free(der);
    return rc == VOUCH_OK ? VOUCH_OK : vouch_wrap(err, rc, "the leaf certificate's key");
}

/* The first http(s) name of one distribution point; NULL if it has none. */
static const ASN1_STRING *point_url(const DIST_POINT *point)
{
    if (point->distpoint == NULL || point->distpoint->type != 0)
        return NULL;
    const GENERAL_NAMES *names = point->distpoint->name.fullname;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int kind = 0;
        const ASN1_STRING *text = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        if (kind == GEN_URI && text != NULL)
            return text;
    }
    return NULL;
}

/* Printable ASCII that begins as a web address: nothing else reaches a log or an HTTP client. */
static bool url_is_usable(vouch_span url)
{
    bool http = url.size > 7 && memcmp(url.data, "http://", 7) == 0;
    bool https = url.size > 8 && memcmp(url.data, "https://", 8) == 0;
    if ((!http && !https) || url.size >= VCH_CERT_CHAIN_URL_SIZE)
        return false;
    for (size_t i = 0; i < url.size; i++) {
        if (url.data[i] <= 0x20 || url.data[i] > 0x7e)
            return false;
    }
    return true;
}

vouch_code vch_cert_chain_crl_url(const vch_cert_chain *chain, size_t index,
                                  char out[static VCH_CERT_CHAIN_URL_SIZE], vouch_error *err)
{
    if (index >= chain->count)
        return vouch_fail(err, VOUCH_E_NOT_FOUND, "the chain has no certificate %zu", index);
    VCH_SCOPED(drop_points)
    CRL_DIST_POINTS *points =
        X509_get_ext_d2i(chain->certs[index], NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; points != NULL && i < sk_DIST_POINT_num(points); i++) {
        const ASN1_STRING *text = point_url(sk_DIST_POINT_value(points, i));
        if (text == NULL)
            continue;
        vouch_span url = { ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text) };
        if (!url_is_usable(url))
            continue;
        memcpy(out, url.data, url.size);
        out[url.size] = '\0';
        return VOUCH_OK;
    }
    return vouch_fail(err, VOUCH_E_NOT_FOUND, "certificate %zu names no CRL", index);
}

static void refuse(vch_cert_chain_verdict *verdict, vch_cert_chain_answer answer, const char *why)
{
    verdict->answer = answer;
    (void)snprintf(verdict->why, sizeof verdict->why, "%s", why);
}

static bool root_is_pinned(const vch_cert_chain *chain, const vch_cert_chain_rules *rules)
{
    for (size_t i = 0; i < rules->root_count; i++) {
        if (memcmp(rules->root_sha256 + i * VCH_SHA256_SIZE, chain->last_sha256, VCH_SHA256_SIZE)
            == 0)
            return true;
    }
    return false;
}

/* What path validation leaves open: that the leaf may sign data, and is no CA. */
static const char *shape_fault(const vch_cert_chain *chain)
{
    if ((X509_get_extension_flags(chain->certs[0]) & EXFLAG_CA) != 0)
        return "the leaf certificate is a CA";
    uint32_t usage = X509_get_key_usage(chain->certs[0]); /* all ones without the extension */
    if ((usage & X509v3_KU_DIGITAL_SIGNATURE) == 0)
        return "the leaf certificate may not sign";
    return NULL;
}

/* Exactly one DER value; NULL if not. */
static X509_CRL *read_crl(vouch_span der)
{
    if (der.size == 0 || der.size > VCH_CERT_CHAIN_MAX_CRL_SIZE)
        return NULL;
    const unsigned char *at = der.data;
    VCH_SCOPED(drop_crl) X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)der.size);
    ERR_clear_error();
    if (crl == NULL || at != der.data + der.size)
        return NULL;
    return VCH_MOVE(crl);
}

bool vch_cert_chain_crl_holds(vouch_span der, int64_t at_unix_s)
{
    VCH_SCOPED(drop_crl) X509_CRL *crl = read_crl(der);
    time_t at = (time_t)at_unix_s;
    if (crl == NULL || X509_CRL_get0_nextUpdate(crl) == NULL)
        return false;
    return X509_cmp_time(X509_CRL_get0_lastUpdate(crl), &at) < 0
           && X509_cmp_time(X509_CRL_get0_nextUpdate(crl), &at) > 0;
}

static vouch_code add_crls(X509_STORE *store, const vch_cert_chain_rules *rules, vouch_error *err)
{
    for (size_t i = 0; i < rules->crl_count; i++) {
        vouch_span der = rules->crls[i];
        if (der.size == 0 || der.size > VCH_CERT_CHAIN_MAX_CRL_SIZE)
            return vouch_fail(err, VOUCH_E_LIMIT, "CRL %zu has %zu bytes; 1 to %d are accepted", i,
                              der.size, VCH_CERT_CHAIN_MAX_CRL_SIZE);
        VCH_SCOPED(drop_crl) X509_CRL *crl = read_crl(der);
        if (crl == NULL)
            return vouch_fail(err, VOUCH_E_FORMAT, "CRL %zu cannot be read", i);
        if (X509_STORE_add_crl(store, crl) != 1)
            return vouch_fail(err, VOUCH_E_MEMORY, "no memory for a CRL");
    }
    return VOUCH_OK;
}

static vouch_code prepare(const vch_cert_chain *chain, const vch_cert_chain_rules *rules,
                          X509_STORE *store, X509_STORE_CTX *context, STACK_OF(X509) * middle,
                          vouch_error *err)
{
    vouch_code rc = add_crls(store, rules, err);
    if (rc != VOUCH_OK)
        return rc;
    bool ok = X509_STORE_add_cert(store, chain->certs[chain->count - 1]) == 1;
    for (size_t i = 1; i + 1 < chain->count; i++)
        ok = ok && sk_X509_push(middle, chain->certs[i]) > 0;
    ok = ok && X509_STORE_CTX_init(context, store, chain->certs[0], middle) == 1;
    if (!ok)
        return vouch_fail(err, VOUCH_E_CRYPTO, "cannot prepare the check of a certificate chain");
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    unsigned long flags = X509_V_FLAG_CHECK_SS_SIGNATURE;
    if (rules->crl_count > 0)
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    X509_VERIFY_PARAM_set_time(param, (time_t)rules->at_unix_s);
    X509_VERIFY_PARAM_set_auth_level(param, 2); /* RSA of 2048 bits, SHA-2 */
    X509_VERIFY_PARAM_set_depth(param, VCH_CERT_CHAIN_MAX_COUNT);
    if (X509_VERIFY_PARAM_set_flags(param, flags) != 1)
        return vouch_fail(err, VOUCH_E_CRYPTO, "cannot set the rules of a chain's check");
    return VOUCH_OK;
}

static vch_cert_chain_answer class_of(int fault)
{
    switch (fault) {
    case X509_V_ERR_CERT_REVOKED:
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
        return VCH_CERT_CHAIN_REVOKED;
    default: /* OpenSSL's list is open: everything else is a chain that does not hold */
        return VCH_CERT_CHAIN_REFUSED;
    }
}

static void judge_path(const vch_cert_chain *chain, X509_STORE_CTX *context,
                       vch_cert_chain_verdict *verdict)
{
    bool holds = X509_verify_cert(context) == 1;
    ERR_clear_error();
    if (!holds) {
        int fault = X509_STORE_CTX_get_error(context);
        char why[VCH_CERT_CHAIN_WHY_SIZE];
        (void)snprintf(why, sizeof why, "certificate %d of the chain: %s",
                       X509_STORE_CTX_get_error_depth(context),
                       X509_verify_cert_error_string(fault));
        refuse(verdict, class_of(fault), why);
        return;
    }
    /* The path found is the chain that was given, no shorter one past unused certificates. */
    if ((size_t)sk_X509_num(X509_STORE_CTX_get0_chain(context)) != chain->count) {
        refuse(verdict, VCH_CERT_CHAIN_REFUSED,
               "the chain holds certificates that are not on its path");
        return;
    }
    verdict->answer = VCH_CERT_CHAIN_TRUSTED;
}

vouch_code vch_cert_chain_judge(const vch_cert_chain *chain, const vch_cert_chain_rules *rules,
                                vch_cert_chain_verdict *out, vouch_error *err)
{
    vch_cert_chain_verdict verdict = { .revocation_checked = rules->crl_count > 0 };
    const char *fault = shape_fault(chain);
    if (!root_is_pinned(chain, rules)) {
        refuse(&verdict, VCH_CERT_CHAIN_ROOT_UNKNOWN,
               rules->root_count == 0 ? "no root is pinned" : "the chain ends in no pinned root");
    } else if (fault != NULL) {
        refuse(&verdict, VCH_CERT_CHAIN_REFUSED, fault);
    } else {
        VCH_SCOPED(drop_store) X509_STORE *store = X509_STORE_new();
        VCH_SCOPED(drop_stack) STACK_OF(X509) *middle = sk_X509_new_null();
        VCH_SCOPED(drop_context) X509_STORE_CTX *context = X509_STORE_CTX_new();
        if (store == NULL || context == NULL || middle == NULL)
            return vouch_fail(err, VOUCH_E_MEMORY, "no memory to check a certificate chain");
        vouch_code rc = prepare(chain, rules, store, context, middle, err);
        if (rc != VOUCH_OK)
            return rc;
        judge_path(chain, context, &verdict);
    }
    *out = verdict;
    return VOUCH_OK;
}
