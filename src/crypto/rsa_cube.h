/*
 * The signature of an SGX enclave: RSA of 3072 bits with exponent 3, PKCS #1 v1.5, SHA-256, all
 * numbers little-endian (Intel SDM volume 3D, 39.1.3 SIGSTRUCT). Any thread.
 */
#ifndef VCH_CRYPTO_RSA_CUBE_H
#define VCH_CRYPTO_RSA_CUBE_H

#include <stdbool.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_RSA_CUBE_SIZE ((size_t)384)

typedef struct vch_rsa_cube {
    uint8_t modulus[VCH_RSA_CUBE_SIZE];
    uint8_t signature[VCH_RSA_CUBE_SIZE];
    uint8_t q1[VCH_RSA_CUBE_SIZE]; /* floor(S^2 / N): what EINIT would have to divide for itself */
    uint8_t q2[VCH_RSA_CUBE_SIZE]; /* floor((S^3 - q1 S N) / N) */
} vch_rsa_cube;

/*
 * *out_valid: S^3 mod N is the one padding of the message's digest, byte for byte, and q1 and q2 are
 * what they should be. Fails with VOUCH_E_CRYPTO or _MEMORY; a number that is no modulus of 3072
 * bits gives false.
 */
VOUCH_MUST_CHECK vouch_code vch_rsa_cube_verify(const vch_rsa_cube *numbers, vouch_span message,
                                                bool *out_valid, vouch_error *err);

#endif
