/* Behind vouch_verifier: the trusted roots, ready to use. Immutable: share freely. */
#ifndef VCH_VERIFY_VERIFIER_H
#define VCH_VERIFY_VERIFIER_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/ecdsa.h"
#include "vouch/verifier.h"

#define VCH_ROOTS_MAX 16
#define VCH_GRACE_MAX_S INT64_C(7776000) /* 90 days */

typedef struct vch_trusted_root {
    uint8_t *der;
    size_t der_size;
    uint8_t digest[32]; /* SHA-256 of the DER */
    bool is_intel;
    int64_t not_before_unix_s;
    int64_t not_after_unix_s;
    vch_p256_key *key;
} vch_trusted_root;

struct vouch_verifier {
    vch_trusted_root roots[VCH_ROOTS_MAX];
    size_t root_count;
    int64_t expired_grace_s;
    uint8_t digest[32]; /* of roots and grace: what a cached verdict depends on */
};

/* The trusted root that is this certificate, byte for byte; NULL if none is. */
const vch_trusted_root *vch_verifier_root(const vouch_verifier *v, vouch_span der);

/* The same by SHA-256 of the certificate. */
const vch_trusted_root *vch_verifier_root_by_digest(const vouch_verifier *v,
                                                    const uint8_t digest[static 32]);

#endif
