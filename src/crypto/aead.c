#include "crypto/aead.h"

#include <limits.h>
#include <stdbool.h>

#include <openssl/evp.h>

#include "base/scope.h"
#include "base/secret.h"
#include "crypto/openssl_error.h"

VCH_DEFINE_DROP(context_drop, EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

#define STEP ((size_t)1 << 30) /* EVP counts in int */

/* Encrypt or decrypt `in` to `out` (NULL: associated data), in steps that fit an int. */
static bool update(EVP_CIPHER_CTX *context, uint8_t *out, vouch_span in)
{
    for (size_t at = 0; at < in.size; at += STEP) {
        size_t left = in.size - at;
        int written = 0;
        if (EVP_CipherUpdate(context, out == NULL ? NULL : out + at, &written, in.data + at,
                             (int)(left < STEP ? left : STEP))
            != 1)
            return false;
    }
    return true;
}

static bool start(EVP_CIPHER_CTX *context, const uint8_t *key, const uint8_t *nonce,
                  vouch_span associated, bool encrypt)
{
    return context != NULL
           && EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce, encrypt ? 1 : 0) == 1
           && update(context, NULL, associated);
}

vouch_code vch_aead_seal(const uint8_t key[static VCH_AEAD_KEY_SIZE],
                         const uint8_t nonce[static VCH_AEAD_NONCE_SIZE], vouch_span associated,
                         vouch_span plain, vch_buffer *out, vouch_error *err)
{
    if (plain.size > SIZE_MAX - VCH_AEAD_TAG_SIZE)
        return vouch_fail(err, VOUCH_E_LIMIT, "%zu bytes cannot be sealed at once", plain.size);
    size_t before = out->size;
    uint8_t *to = vch_buffer_extend(out, plain.size + VCH_AEAD_TAG_SIZE);
    if (to == NULL)
        return vch_buffer_finish(out, "sealed bytes", err);
    VCH_SCOPED(context_drop) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written = 0;
    if (!start(context, key, nonce, associated, true) || !update(context, to, plain)
        || EVP_CipherFinal_ex(context, to + plain.size, &written) != 1
        || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, (int)VCH_AEAD_TAG_SIZE,
                               to + plain.size)
               != 1) {
        out->size = before;
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "sealing %zu bytes", plain.size);
    }
    return VOUCH_OK;
}

vouch_code vch_aead_open(const uint8_t key[static VCH_AEAD_KEY_SIZE],
                         const uint8_t nonce[static VCH_AEAD_NONCE_SIZE], vouch_span associated,
                         vouch_span sealed, uint8_t *out, size_t out_size, vouch_error *err)
{
    if (sealed.size < VCH_AEAD_TAG_SIZE)
        return vouch_fail(err, VOUCH_E_TRUNCATED, "sealed bytes: shorter than their tag");
    vouch_span body = { sealed.data, sealed.size - VCH_AEAD_TAG_SIZE };
    if (out_size != body.size)
        return vouch_fail(err, VOUCH_E_INTERNAL, "sealed bytes: room for %zu, not %zu", out_size,
                          body.size);
    uint8_t tag[VCH_AEAD_TAG_SIZE];
    for (size_t i = 0; i < sizeof tag; i++)
        tag[i] = sealed.data[body.size + i];
    VCH_SCOPED(context_drop) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t rest[VCH_AEAD_TAG_SIZE];
    int written = 0;
    if (!start(context, key, nonce, associated, false) || !update(context, out, body)
        || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, (int)sizeof tag, tag) != 1
        || EVP_CipherFinal_ex(context, rest, &written) != 1) {
        vch_wipe(out, out_size);
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "sealed bytes: altered, or another key");
    }
    return VOUCH_OK;
}
