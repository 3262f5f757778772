/*
 * What the PCK chain and the quoting enclave of a quote establish, whatever the time and the
 * collateral: it depends on bytes only, so it may be remembered. Immutable once made.
 */
#ifndef VCH_VERIFY_PLATFORM_H
#define VCH_VERIFY_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "collateral/chain.h"
#include "crypto/ecdsa.h"
#include "evidence/pck_ext.h"

#define VCH_NAME_MAX_SIZE 256 /* a subject's DER; Intel's have 114 bytes */

typedef struct vch_platform {
    uint8_t root_digest[32];
    vch_pck_ext pck;
    vch_pck_ca ca;
    uint8_t leaf_serial[VCH_SERIAL_MAX_SIZE];
    uint8_t intermediate_serial[VCH_SERIAL_MAX_SIZE];
    uint8_t intermediate_digest[32];
    uint8_t intermediate_point[VCH_P256_POINT_SIZE];
    uint8_t intermediate_name[VCH_NAME_MAX_SIZE];
    size_t intermediate_name_size;
    int64_t not_before_unix_s;     /* the latest of the three certificates */
    int64_t not_after_unix_s;      /* the earliest */
    vch_p256_key *attestation_key; /* bound by the quoting enclave's report, signed by the PCK */
} vch_platform;

static inline void vch_platform_drop(vch_platform *p)
{
    vch_p256_key_free(p->attestation_key);
    *p = (vch_platform) { 0 };
}

#endif
