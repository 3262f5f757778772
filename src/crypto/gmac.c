#include "crypto/gmac.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "crypto/aead.h"
#include "crypto/openssl_error.h"

#define STEP ((size_t)1 << 30) /* EVP counts in int */

struct vch_gmac {
    EVP_CIPHER_CTX *context;
};

/* What GCM authenticates without encrypting it; the nonce is of zeroes, as the key is used once. */
vouch_code vch_gmac_new(const uint8_t key[static VCH_GMAC_KEY_SIZE], vch_gmac **out,
                        vouch_error *err)
{
    static const uint8_t nonce[VCH_AEAD_NONCE_SIZE] = { 0 };
    VCH_SCOPED(vch_gmac_drop) vch_gmac *m = calloc(1, sizeof *m);
    if (m == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "a check");
    m->context = EVP_CIPHER_CTX_new();
    if (m->context == NULL
        || EVP_EncryptInit_ex(m->context, EVP_aes_256_gcm(), NULL, key, nonce) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "starting a check");
    *out = VCH_MOVE(m);
    return VOUCH_OK;
}

vouch_code vch_gmac_update(vch_gmac *m, vouch_span bytes, vouch_error *err)
{
    for (size_t at = 0; at < bytes.size; at += STEP) {
        size_t left = bytes.size - at;
        int taken = 0;
        if (EVP_EncryptUpdate(m->context, NULL, &taken, bytes.data + at,
                              (int)(left < STEP ? left : STEP))
            != 1)
            return vch_openssl_fail(err, VOUCH_E_CRYPTO, "checking %zu bytes", bytes.size);
    }
    return VOUCH_OK;
}

vouch_code vch_gmac_finish(vch_gmac *m, uint8_t out[static VCH_GMAC_SIZE], vouch_error *err)
{
    uint8_t nothing[VCH_GMAC_SIZE];
    int size = 0;
    if (EVP_EncryptFinal_ex(m->context, nothing, &size) != 1
        || EVP_CIPHER_CTX_ctrl(m->context, EVP_CTRL_AEAD_GET_TAG, (int)VCH_GMAC_SIZE, out) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "finishing a check");
    return VOUCH_OK;
}

void vch_gmac_free(vch_gmac *m)
{
    if (m == NULL)
        return;
    EVP_CIPHER_CTX_free(m->context);
    free(m);
}
