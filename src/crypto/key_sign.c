#include "crypto/key.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "crypto/key_native.h"
#include "crypto/openssl_error.h"

VCH_DEFINE_DROP(md_context_drop, EVP_MD_CTX, EVP_MD_CTX_free)
VCH_DEFINE_DROP(ecdsa_sig_drop, ECDSA_SIG, ECDSA_SIG_free)

static bool is_rsa(vch_key_kind kind)
{
    return kind == VCH_KEY_RSA3072 || kind == VCH_KEY_RSA_OTHER;
}

static bool is_raw(vch_sig_alg alg)
{
    return alg == VCH_SIG_ECDSA_SHA256_RAW || alg == VCH_SIG_ECDSA_SHA384_RAW;
}

static bool is_pss(vch_sig_alg alg)
{
    return alg == VCH_SIG_RSA_PSS_SHA256 || alg == VCH_SIG_RSA_PSS_SHA384;
}

/* Width of r and of s, bytes. */
static size_t order_size(vch_key_kind kind)
{
    return kind == VCH_KEY_P256 ? 32 : 48;
}

vch_sig_alg vch_key_default_alg(const vch_key *key)
{
    switch (vch_key_kind_of(key)) {
    case VCH_KEY_P256:
        return VCH_SIG_ECDSA_SHA256;
    case VCH_KEY_P384:
        return VCH_SIG_ECDSA_SHA384;
    case VCH_KEY_RSA3072:
    case VCH_KEY_RSA_OTHER:
        break;
    }
    return VCH_SIG_RSA_PKCS1_SHA384;
}

const EVP_MD *vch_sig_alg_digest(vch_sig_alg alg)
{
    switch (alg) {
    case VCH_SIG_ECDSA_SHA256:
    case VCH_SIG_ECDSA_SHA256_RAW:
    case VCH_SIG_RSA_PSS_SHA256:
    case VCH_SIG_RSA_PKCS1_SHA256:
        return EVP_sha256();
    case VCH_SIG_ECDSA_SHA384:
    case VCH_SIG_ECDSA_SHA384_RAW:
    case VCH_SIG_RSA_PSS_SHA384:
    case VCH_SIG_RSA_PKCS1_SHA384:
        return EVP_sha384();
    }
    return NULL;
}

vouch_code vch_sig_alg_check(vch_sig_alg alg, vch_key_kind kind, vouch_error *err)
{
    bool rsa_alg = alg >= VCH_SIG_RSA_PSS_SHA256 && alg <= VCH_SIG_RSA_PKCS1_SHA384;
    if (vch_sig_alg_digest(alg) == NULL || rsa_alg != is_rsa(kind))
        return vouch_fail(err, VOUCH_E_CRYPTO, "signature algorithm %d does not fit the key",
                          (int)alg);
    return VOUCH_OK;
}

vouch_code vch_sig_context_set(EVP_PKEY_CTX *context, vch_sig_alg alg, vouch_error *err)
{
    /* RFC 8017: the salt is as long as the hash; "at least" or "any" would be OpenSSL's default. */
    if (is_pss(alg)
        && (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) != 1
            || EVP_PKEY_CTX_set_rsa_mgf1_md(context, vch_sig_alg_digest(alg)) != 1
            || EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) != 1))
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "setting up RSA-PSS");
    return VOUCH_OK;
}

/* Ecdsa-Sig-Value to r || s. */
static vouch_code raw_from_der(vouch_span der, size_t width, vch_buffer *out, vouch_error *err)
{
    const uint8_t *p = der.data;
    VCH_SCOPED(ecdsa_sig_drop) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.size);
    uint8_t raw[96];
    if (sig == NULL || BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, (int)width) != (int)width
        || BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + width, (int)width) != (int)width)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "an ECDSA signature in an unusual form");
    vch_buffer_append(out, (vouch_span) { raw, 2 * width });
    return vch_buffer_finish(out, "signature", err);
}

/* r || s to Ecdsa-Sig-Value; an empty buffer if the size is wrong. */
static vouch_code der_from_raw(vouch_span raw, size_t width, vch_buffer *out, vouch_error *err)
{
    if (raw.size != 2 * width)
        return VOUCH_OK;
    VCH_SCOPED(ecdsa_sig_drop) ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.data, (int)width, NULL);
    BIGNUM *s = BN_bin2bn(raw.data + width, (int)width, NULL);
    if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "reading an ECDSA signature");
    }
    uint8_t *der = NULL;
    int size = i2d_ECDSA_SIG(sig, &der);
    if (size <= 0)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "reading an ECDSA signature");
    vch_buffer_append(out, (vouch_span) { der, (size_t)size });
    OPENSSL_free(der);
    return vch_buffer_finish(out, "signature", err);
}

vouch_code vch_key_sign(const vch_key *key, vch_sig_alg alg, vouch_span message, vch_buffer *out,
                        vouch_error *err)
{
    vouch_code rc = vch_sig_alg_check(alg, vch_key_kind_of(key), err);
    if (rc != VOUCH_OK)
        return rc;
    if (!vch_key_is_private(key))
        return vouch_fail(err, VOUCH_E_CRYPTO, "a public key cannot sign");
    VCH_SCOPED(md_context_drop) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context = NULL; /* belongs to `context` */
    if (context == NULL
        || EVP_DigestSignInit(context, &key_context, vch_sig_alg_digest(alg), NULL,
                              vch_key_native(key))
               != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "starting a signature");
    rc = vch_sig_context_set(key_context, alg, err);
    if (rc != VOUCH_OK)
        return rc;
    uint8_t signature[VCH_SIGNATURE_MAX_SIZE];
    size_t size = sizeof signature;
    if (EVP_DigestSign(context, signature, &size, message.data, message.size) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "signing");
    if (is_raw(alg))
        return raw_from_der((vouch_span) { signature, size }, order_size(vch_key_kind_of(key)), out,
                            err);
    vch_buffer_append(out, (vouch_span) { signature, size });
    return vch_buffer_finish(out, "signature", err);
}

/* OpenSSL itself refuses an Ecdsa-Sig-Value that is not in DER or has bytes left over. */
static vouch_code verify_native(const vch_key *key, vch_sig_alg alg, vouch_span message,
                                vouch_span signature, bool *out_valid, vouch_error *err)
{
    VCH_SCOPED(md_context_drop) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context = NULL; /* belongs to `context` */
    if (context == NULL
        || EVP_DigestVerifyInit(context, &key_context, vch_sig_alg_digest(alg), NULL,
                                vch_key_native(key))
               != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "starting to verify a signature");
    vouch_code rc = vch_sig_context_set(key_context, alg, err);
    if (rc != VOUCH_OK)
        return rc;
    *out_valid =
        EVP_DigestVerify(context, signature.data, signature.size, message.data, message.size) == 1;
    vch_openssl_clear();
    return VOUCH_OK;
}

vouch_code vch_key_verify(const vch_key *key, vch_sig_alg alg, vouch_span message,
                          vouch_span signature, bool *out_valid, vouch_error *err)
{
    *out_valid = false;
    vouch_code rc = vch_sig_alg_check(alg, vch_key_kind_of(key), err);
    if (rc != VOUCH_OK)
        return rc;
    VCH_SCOPED(vch_buffer_drop) vch_buffer der = vch_buffer_with_cap(VCH_SIGNATURE_MAX_SIZE);
    if (is_raw(alg)) {
        rc = der_from_raw(signature, order_size(vch_key_kind_of(key)), &der, err);
        if (rc != VOUCH_OK)
            return rc;
        signature = vch_buffer_span(&der);
    }
    if (signature.size == 0 || signature.size > VCH_SIGNATURE_MAX_SIZE)
        return VOUCH_OK;
    return verify_native(key, alg, message, signature, out_valid, err);
}
