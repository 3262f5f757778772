#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "crypto/openssl_error.h"

struct vch_hash {
    EVP_MD_CTX *context;
    size_t size;
};

static const EVP_MD *digest_of(vch_hash_kind kind)
{
    switch (kind) {
    case VCH_HASH_SHA256:
        return EVP_sha256();
    case VCH_HASH_SHA384:
        return EVP_sha384();
    case VCH_HASH_SHA512:
        return EVP_sha512();
    }
    return NULL;
}

size_t vch_hash_size(vch_hash_kind kind)
{
    const EVP_MD *md = digest_of(kind);
    return md == NULL ? 0 : (size_t)EVP_MD_get_size(md);
}

static vouch_code hash_once(vch_hash_kind kind, vouch_span in, uint8_t *out, vouch_error *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(in.size == 0 ? "" : (const void *)in.data, in.size, digest, &size,
                   digest_of(kind), NULL)
            != 1
        || size != vch_hash_size(kind))
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "hashing %zu bytes", in.size);
    memcpy(out, digest, size);
    return VOUCH_OK;
}

vouch_code vch_sha256(vouch_span in, uint8_t out[static VCH_SHA256_SIZE], vouch_error *err)
{
    return hash_once(VCH_HASH_SHA256, in, out, err);
}

vouch_code vch_sha384(vouch_span in, uint8_t out[static VCH_SHA384_SIZE], vouch_error *err)
{
    return hash_once(VCH_HASH_SHA384, in, out, err);
}

vouch_code vch_sha512(vouch_span in, uint8_t out[static VCH_SHA512_SIZE], vouch_error *err)
{
    return hash_once(VCH_HASH_SHA512, in, out, err);
}

vouch_code vch_hash_new(vch_hash_kind kind, vch_hash **out, vouch_error *err)
{
    const EVP_MD *md = digest_of(kind);
    if (md == NULL)
        return vouch_fail(err, VOUCH_E_INTERNAL, "no hash of kind %d", (int)kind);
    VCH_SCOPED(vch_hash_drop) vch_hash *h = calloc(1, sizeof *h);
    if (h == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a hash");
    h->size = vch_hash_size(kind);
    h->context = EVP_MD_CTX_new();
    if (h->context == NULL || EVP_DigestInit_ex(h->context, md, NULL) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "starting a hash");
    *out = VCH_MOVE(h);
    return VOUCH_OK;
}

vouch_code vch_hash_update(vch_hash *h, vouch_span bytes, vouch_error *err)
{
    if (bytes.size != 0 && EVP_DigestUpdate(h->context, bytes.data, bytes.size) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "hashing %zu bytes", bytes.size);
    return VOUCH_OK;
}

vouch_code vch_hash_finish(vch_hash *h, uint8_t *out, size_t size, vouch_error *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (size != h->size)
        return vouch_fail(err, VOUCH_E_INTERNAL, "a digest has %zu bytes, not %zu", h->size, size);
    if (EVP_DigestFinal_ex(h->context, digest, NULL) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "finishing a hash");
    memcpy(out, digest, size);
    return VOUCH_OK;
}

void vch_hash_free(vch_hash *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->context);
    free(h);
}
