/*
 * One certificate revocation list of Intel's profile, read strictly: X.509 CRL v2, complete (no
 * delta, indirect or partitioned list), ecdsa-with-SHA256. Immutable once parsed: share freely.
 * The spans are borrowed from the DER; the serial numbers are the CRL's own.
 */
#ifndef VCH_CRYPTO_CRL_H
#define VCH_CRYPTO_CRL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/ecdsa.h"
#include "crypto/x509.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CRL_MAX_SIZE ((size_t)256 << 10) /* bytes of DER */

typedef struct vch_crl {
    vouch_span tbs;
    vouch_span issuer; /* Name, DER */
    int64_t number;    /* CRL number; one beyond 62 bits counts as INT64_MAX */
    int64_t this_update_unix_s;
    int64_t next_update_unix_s; /* inclusive */
    uint8_t signature[VCH_P256_SIGNATURE_SIZE];
    uint8_t (*serials)[VCH_SERIAL_MAX_SIZE]; /* revoked_count of them, in the list's order */
    size_t revoked_count;
} vch_crl;

/* `der` must be all of the list. Fails with VOUCH_E_TRUNCATED, _FORMAT, _LIMIT, _MEMORY. */
VOUCH_MUST_CHECK vouch_code vch_crl_parse(vouch_span der, vch_crl *out, vouch_error *err);
void vch_crl_drop(vch_crl *crl); /* safe twice and on a zeroed list */

VOUCH_MUST_CHECK vouch_code vch_crl_signed_by(const vch_crl *crl, const vch_p256_key *issuer,
                                              bool *out_valid, vouch_error *err);

bool vch_crl_lists(const vch_crl *crl, const uint8_t serial[static VCH_SERIAL_MAX_SIZE]);

#endif
