#include "crypto/hkdf.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/secret.h"
#include "crypto/openssl_error.h"

VCH_DEFINE_DROP(kdf_context_drop, EVP_KDF_CTX, EVP_KDF_CTX_free)

static const char *digest_name(vch_hash_kind hash)
{
    switch (hash) {
    case VCH_HASH_SHA256:
        return "SHA256";
    case VCH_HASH_SHA384:
        return "SHA384";
    case VCH_HASH_SHA512:
        return "SHA512";
    }
    return NULL;
}

/* OpenSSL's parameters are not const, though read only; an empty one may not be NULL. */
static OSSL_PARAM octets(const char *name, vouch_span bytes)
{
    union {
        const void *given;
        void *asked;
    } p = { .given = bytes.size == 0 ? "" : (const void *)bytes.data };
    return OSSL_PARAM_construct_octet_string(name, p.asked, bytes.size);
}

static OSSL_PARAM text(const char *name, const char *value)
{
    union {
        const char *given;
        char *asked;
    } p = { .given = value };
    return OSSL_PARAM_construct_utf8_string(name, p.asked, 0);
}

vouch_code vch_hkdf(vch_hash_kind hash, vouch_span secret, vouch_span salt, vouch_span info,
                    uint8_t *out, size_t out_size, vouch_error *err)
{
    const char *digest = digest_name(hash);
    if (digest == NULL || out_size == 0 || out_size > 255 * vch_hash_size(hash))
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu bytes cannot be derived at once", out_size);
    const OSSL_PARAM params[] = {
        text(OSSL_KDF_PARAM_DIGEST, digest), octets(OSSL_KDF_PARAM_KEY, secret),
        octets(OSSL_KDF_PARAM_SALT, salt),   octets(OSSL_KDF_PARAM_INFO, info),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    VCH_SCOPED(kdf_context_drop) EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    EVP_KDF_free(kdf); /* the context keeps its own reference */
    if (context == NULL || EVP_KDF_derive(context, out, out_size, params) != 1) {
        vch_wipe(out, out_size);
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "deriving a key");
    }
    return VOUCH_OK;
}
