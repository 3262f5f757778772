#include "crypto/ecdsa.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/bytes.h"
#include "codec/der.h"
#include "crypto/hash.h"
#include "crypto/openssl_error.h"

#define NUMBER_SIZE 32
#define ENCODED_POINT_SIZE (1 + VCH_P256_POINT_SIZE)
#define DER_SIGNATURE_MAX_SIZE 72

/* The key is OpenSSL's object itself; the name keeps other kinds of key out. */
struct vch_p256_key {
    EVP_PKEY *pkey;
};

/* SEC 2 s.2.4.2: the order n of the base point. */
static const uint8_t order[NUMBER_SIZE] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

static EVP_PKEY *key_from_parts(uint8_t encoded[static ENCODED_POINT_SIZE])
{
    char group[] = "P-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, encoded, ENCODED_POINT_SIZE),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/*
 * Why a key could not be made: only what OpenSSL says of the point itself is the point's fault. Empties
 * the queue.
 */
static vouch_code why_no_key(void)
{
    vouch_code code = VOUCH_E_CRYPTO;
    for (unsigned long e = ERR_get_error(); e != 0; e = ERR_get_error()) {
        int reason = ERR_GET_REASON(e);
        if (reason == ERR_R_MALLOC_FAILURE)
            code = VOUCH_E_MEMORY;
        else if (ERR_GET_LIB(e) == ERR_LIB_EC && code == VOUCH_E_CRYPTO
                 && (reason == EC_R_POINT_IS_NOT_ON_CURVE || reason == EC_R_INVALID_ENCODING
                     || reason == EC_R_COORDINATES_OUT_OF_RANGE))
            code = VOUCH_E_FORMAT;
    }
    return code;
}

static EVP_PKEY *key_like(const vch_p256_key *like,
                          const uint8_t encoded[static ENCODED_POINT_SIZE])
{
    EVP_PKEY *pkey = EVP_PKEY_dup(like->pkey);
    if (pkey != NULL && EVP_PKEY_set1_encoded_public_key(pkey, encoded, ENCODED_POINT_SIZE) == 1)
        return pkey;
    EVP_PKEY_free(pkey);
    return NULL;
}

vouch_code vch_p256_key_new(const uint8_t point[static VCH_P256_POINT_SIZE],
                            const vch_p256_key *like, vch_p256_key **out, vouch_error *err)
{
    uint8_t encoded[ENCODED_POINT_SIZE] = { 0x04 }; /* SEC 1 s.2.3.3: uncompressed */
    memcpy(encoded + 1, point, VCH_P256_POINT_SIZE);
    vch_p256_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "P-256 key");
    key->pkey = like != NULL ? key_like(like, encoded) : key_from_parts(encoded);
    if (key->pkey == NULL) {
        free(key);
        vouch_code rc = why_no_key();
        return vouch_fail(err, rc,
                          rc == VOUCH_E_FORMAT ? "the key is not a point of the curve P-256"
                                               : "making a P-256 key");
    }
    *out = key;
    return VOUCH_OK;
}

void vch_p256_key_free(vch_p256_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

static bool in_range(const uint8_t number[static NUMBER_SIZE])
{
    return !vch_span_is_zero((vouch_span) { number, NUMBER_SIZE })
           && memcmp(number, order, NUMBER_SIZE) < 0;
}

static bool numbers_in_range(const uint8_t signature[static VCH_P256_SIGNATURE_SIZE])
{
    return in_range(signature) && in_range(signature + NUMBER_SIZE);
}

/* DER INTEGER of a positive 32-byte number; returns the bytes written, at most 35. */
static size_t put_integer(uint8_t *out, const uint8_t number[static NUMBER_SIZE])
{
    size_t skip = 0;
    while (skip < NUMBER_SIZE - 1 && number[skip] == 0)
        skip++;
    size_t sign = number[skip] >= 0x80 ? 1 : 0;
    size_t size = sign + NUMBER_SIZE - skip;
    out[0] = VCH_DER_INTEGER;
    out[1] = (uint8_t)size;
    out[2] = 0;
    memcpy(out + 2 + sign, number + skip, NUMBER_SIZE - skip);
    return 2 + size;
}

static size_t put_signature(uint8_t out[static DER_SIGNATURE_MAX_SIZE],
                            const uint8_t signature[static VCH_P256_SIGNATURE_SIZE])
{
    size_t size = put_integer(out + 2, signature);
    size += put_integer(out + 2 + size, signature + NUMBER_SIZE);
    out[0] = VCH_DER_SEQUENCE;
    out[1] = (uint8_t)size;
    return 2 + size;
}

vouch_code vch_p256_verify_digest(const vch_p256_key *key, const uint8_t digest[static 32],
                                  const uint8_t signature[static VCH_P256_SIGNATURE_SIZE],
                                  bool *out_valid, vouch_error *err)
{
    if (!numbers_in_range(signature)) {
        *out_valid = false;
        return VOUCH_OK;
    }
    uint8_t der[DER_SIGNATURE_MAX_SIZE];
    size_t size = put_signature(der, signature);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (ctx == NULL || EVP_PKEY_verify_init(ctx) != 1) {
        EVP_PKEY_CTX_free(ctx);
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "preparing an ECDSA verification");
    }
    int answer = EVP_PKEY_verify(ctx, der, size, digest, 32);
    EVP_PKEY_CTX_free(ctx);
    /* Below 0 stands for a failure of the library as well as for an odd signature: not valid, unless
     * it says that memory ran out, or nothing. */
    bool silent = ERR_peek_error() == 0;
    if (vch_openssl_out_of_memory() || (answer < 0 && silent))
        return vouch_fail(err, silent ? VOUCH_E_CRYPTO : VOUCH_E_MEMORY, "an ECDSA verification");
    *out_valid = answer == 1;
    return VOUCH_OK;
}

vouch_code vch_p256_verify(const vch_p256_key *key, vouch_span message,
                           const uint8_t signature[static VCH_P256_SIGNATURE_SIZE], bool *out_valid,
                           vouch_error *err)
{
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_code rc = vch_sha256(message, digest, err);
    if (rc != VOUCH_OK)
        return rc;
    return vch_p256_verify_digest(key, digest, signature, out_valid, err);
}

static void right_align(uint8_t out[static NUMBER_SIZE], vouch_span number)
{
    memset(out, 0, NUMBER_SIZE);
    if (number.size > 0)
        memcpy(out + NUMBER_SIZE - number.size, number.data, number.size);
}

vouch_code vch_p256_signature_from_der(vouch_span der, uint8_t out[static VCH_P256_SIGNATURE_SIZE],
                                       vouch_error *err)
{
    vch_der d = vch_der_over(der);
    vch_der pair = vch_der_enter(&d, VCH_DER_SEQUENCE);
    vouch_span r = vch_der_magnitude(&pair);
    vouch_span s = vch_der_magnitude(&pair);
    vch_der_leave(&d, &pair);
    vouch_code rc = vch_der_finish(&d, "ECDSA signature", err);
    if (rc != VOUCH_OK)
        return rc;
    if (r.size > NUMBER_SIZE || s.size > NUMBER_SIZE)
        return vouch_fail(err, VOUCH_E_FORMAT, "ECDSA signature: a number above 256 bits");
    uint8_t raw[VCH_P256_SIGNATURE_SIZE];
    right_align(raw, r);
    right_align(raw + NUMBER_SIZE, s);
    if (!numbers_in_range(raw))
        return vouch_fail(err, VOUCH_E_FORMAT, "ECDSA signature: a number is not from 1 to n - 1");
    memcpy(out, raw, sizeof raw);
    return VOUCH_OK;
}
