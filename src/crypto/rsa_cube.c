#include "crypto/rsa_cube.h"

#include <openssl/bn.h>
#include <string.h>

#include "base/scope.h"
#include "crypto/hash.h"
#include "crypto/openssl_error.h"

#define MODULUS_BITS 3072

VCH_DEFINE_DROP(bn_drop, BIGNUM, BN_free)
VCH_DEFINE_DROP(bn_ctx_drop, BN_CTX, BN_CTX_free)

/* 00 01 FF … FF 00 DigestInfo(SHA-256): compared whole, so that no parser can be led astray. */
static vouch_code pad(vouch_span message, uint8_t out[static VCH_RSA_CUBE_SIZE], vouch_error *err)
{
    static const uint8_t info[] = { 0x00, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48,
                                    0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
    size_t info_at = VCH_RSA_CUBE_SIZE - VCH_SHA256_SIZE - sizeof info;
    memset(out, 0xff, info_at);
    out[0] = 0x00;
    out[1] = 0x01;
    memcpy(out + info_at, info, sizeof info);
    return vch_sha256(message, out + info_at + sizeof info, err);
}

static BIGNUM *number(const uint8_t le[static VCH_RSA_CUBE_SIZE])
{
    return BN_lebin2bn(le, (int)VCH_RSA_CUBE_SIZE, NULL);
}

/* S^2 = q1 N + r1 and r1 S = q2 N + r2: r2 is the cube; both quotients are compared as we pass. */
static vouch_code cube(const BIGNUM *n, const BIGNUM *s, const vch_rsa_cube *given, BIGNUM *r2,
                       bool *out_quotients, vouch_error *err)
{
    VCH_SCOPED(bn_ctx_drop) BN_CTX *context = BN_CTX_new();
    VCH_SCOPED(bn_drop) BIGNUM *product = BN_new();
    VCH_SCOPED(bn_drop) BIGNUM *q1 = BN_new();
    VCH_SCOPED(bn_drop) BIGNUM *q2 = BN_new();
    VCH_SCOPED(bn_drop) BIGNUM *given_q1 = number(given->q1);
    VCH_SCOPED(bn_drop) BIGNUM *given_q2 = number(given->q2);
    if (context == NULL || product == NULL || q1 == NULL || q2 == NULL || given_q1 == NULL
        || given_q2 == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "enclave signature: out of memory");
    if (BN_sqr(product, s, context) != 1 || BN_div(q1, r2, product, n, context) != 1
        || BN_mul(product, r2, s, context) != 1 || BN_div(q2, r2, product, n, context) != 1)
        return vch_openssl_fail(err, VOUCH_E_CRYPTO, "enclave signature: arithmetic");
    *out_quotients = BN_cmp(q1, given_q1) == 0 && BN_cmp(q2, given_q2) == 0;
    return VOUCH_OK;
}

vouch_code vch_rsa_cube_verify(const vch_rsa_cube *numbers, vouch_span message, bool *out_valid,
                               vouch_error *err)
{
    VCH_SCOPED(bn_drop) BIGNUM *n = number(numbers->modulus);
    VCH_SCOPED(bn_drop) BIGNUM *s = number(numbers->signature);
    VCH_SCOPED(bn_drop) BIGNUM *power = BN_new();
    uint8_t want[VCH_RSA_CUBE_SIZE];
    uint8_t have[VCH_RSA_CUBE_SIZE];
    bool quotients = false;
    if (n == NULL || s == NULL || power == NULL)
        return vouch_fail(err, VOUCH_E_MEMORY, "enclave signature: out of memory");
    if (BN_num_bits(n) != MODULUS_BITS || BN_is_odd(n) != 1 || BN_cmp(s, n) >= 0) {
        *out_valid = false;
        return VOUCH_OK;
    }
    vouch_code rc = cube(n, s, numbers, power, &quotients, err);
    if (rc == VOUCH_OK)
        rc = pad(message, want, err);
    if (rc == VOUCH_OK && BN_bn2binpad(power, have, (int)sizeof have) != (int)sizeof have)
        rc = vch_openssl_fail(err, VOUCH_E_CRYPTO, "enclave signature: the cube's bytes");
    if (rc == VOUCH_OK)
        *out_valid = memcmp(want, have, sizeof want) == 0 && quotients;
    return rc;
}
