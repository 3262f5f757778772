/*
 * The verifier's nonce: made by us, signed, carried by the client, so that nothing is kept until it
 * comes back. Pure: the moment and the random bytes are given. Immutable inputs.
 * Spec: intel_trust_authority.md section 3.
 */
#ifndef VCH_SVC_VERIFYD_NONCE_H
#define VCH_SVC_VERIFYD_NONCE_H

#include <stdint.h>

#include "base/buffer.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_NONCE_RANDOM_SIZE 64
#define VCH_NONCE_PART_MAX_SIZE 512 /* bytes of each decoded part that is looked at */

typedef struct vch_verifyd_nonce { /* decoded once; borrowed or owned by the buffers' owner */
    vouch_span val;       /* 88 characters: base64 of 64 random bytes; these are what is hashed */
    vouch_span iat;       /* "2024-04-30 02:16:12 +0000 UTC" */
    vouch_span signature; /* PS384 over both, with their sizes before them */
} vch_verifyd_nonce;

typedef enum vch_nonce_state {
    VCH_NONCE_FORGED = 0, /* malformed, or not signed by this key */
    VCH_NONCE_EXPIRED = 1,
    VCH_NONCE_FUTURE = 2,
    VCH_NONCE_GOOD = 3 /* signed and in time; whether it was used before is the store's to say */
} vch_nonce_state;

/* The answer's JSON, {"val", "iat", "signature"}, appended. */
VOUCH_MUST_CHECK vouch_code vch_verifyd_nonce_make(
    const vch_key *key, int64_t now_unix_s, const uint8_t random[static VCH_NONCE_RANDOM_SIZE],
    vch_buffer *out, vouch_error *err);

VOUCH_MUST_CHECK vouch_code vch_verifyd_nonce_judge(const vch_key *key,
                                                    const vch_verifyd_nonce *nonce,
                                                    int64_t now_unix_s, int64_t lifetime_s,
                                                    vch_nonce_state *out, int64_t *out_expires,
                                                    vouch_error *err);

#endif
