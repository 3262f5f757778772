/*
 * The next token key: made, published ahead of its use, the one before kept until the last token
 * and nonce under it have ended. Safe to repeat and to kill: the ring's file is replaced at once,
 * last; what a killed rotation left is removed by the next. One at a time: others wait.
 * Spec: intel_trust_authority.md section 6, rotation.
 */
#ifndef VCH_SVC_VERIFYD_ROTATE_H
#define VCH_SVC_VERIFYD_ROTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "svc/verifyd_config.h"
#include "svc/verifyd_keys.h"

#define VCH_ROTATE_AHEAD_S 600 /* default: published so long before it signs */
#define VCH_ROTATE_SLACK_S 300 /* what readers grant for clocks, at most */

typedef struct vch_rotate_options {
    const vch_verifyd_config *config; /* with a ring; borrowed for the call */
    int64_t ahead_s;
    int64_t now_unix_s;
} vch_rotate_options;

typedef struct vch_rotate_result {
    bool made;       /* false: the last rotation is not over; nothing was changed */
    bool ca_renewed; /* same key and name, new dates: the old one would end before the new leaf */
    char kid[VCH_VERIFYD_KID_SIZE]; /* of the youngest key */
    int64_t signs_from_unix_s;      /* it does */
    int64_t until_unix_s;           /* the one before is published; 0: there is none */
    size_t removed;                 /* files of keys that have ended, and of rotations cut short */
} vch_rotate_result;

/* Fails with VOUCH_E_CONFIG, _IO, _CRYPTO, _MEMORY; the ring is then as it was. */
VOUCH_MUST_CHECK vouch_code vch_verifyd_rotate(const vch_rotate_options *options,
                                               vch_rotate_result *out, vouch_error *err);

#endif
