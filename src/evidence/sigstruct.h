/*
 * SIGSTRUCT: what the signer of an SGX enclave says of it, 1808 bytes (Intel SDM volume 3D, SIGSTRUCT).
 * A source of reference values, never evidence: it proves who signed, not what runs. Pure.
 */
#ifndef VCH_EVIDENCE_SIGSTRUCT_H
#define VCH_EVIDENCE_SIGSTRUCT_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/rsa_cube.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_SIGSTRUCT_SIZE ((size_t)1808)

typedef struct vch_sigstruct {
    uint32_t vendor;   /* 0, or 0x8086: Intel */
    uint32_t date_bcd; /* 0x20260131; the signer's word */
    uint32_t sw_defined;
    uint32_t misc_select, misc_mask;
    uint64_t attribute_flags, xfrm;
    uint64_t attribute_flags_mask, xfrm_mask; /* bits that the enclave must be started with */
    uint8_t mrenclave[32];
    uint8_t mrsigner[32]; /* SHA-256 of the modulus */
    uint8_t isv_family_id[16], isv_ext_prod_id[16];
    uint16_t isv_prod_id, isv_svn;
    vch_rsa_cube numbers;
    uint8_t signed_bytes[256];
} vch_sigstruct;

/* Fails with VOUCH_E_TRUNCATED, _FORMAT (constants, reserved bytes, exponent, date), _CRYPTO. */
VOUCH_MUST_CHECK vouch_code vch_sigstruct_parse(vouch_span in, vch_sigstruct *out,
                                                vouch_error *err);

/* Is it signed by the key that it carries? */
VOUCH_MUST_CHECK vouch_code vch_sigstruct_verify(const vch_sigstruct *s, bool *out_valid,
                                                 vouch_error *err);

/* May the host start this enclave as a debug enclave? "always", "possible" or "never". */
const char *vch_sigstruct_debug(const vch_sigstruct *s);

#endif
