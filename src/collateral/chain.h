/*
 * A PEM chain of Intel's certificates, each found by its exact name, as in the PCK chain of a quote
 * (root, intermediate, PCK) and in the issuer chains of collateral (root, TCB signing). Immutable
 * once parsed: share freely.
 */
#ifndef VCH_COLLATERAL_CHAIN_H
#define VCH_COLLATERAL_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/x509.h"
#include "evidence/pck_ext.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CHAIN_PEM_MAX_SIZE ((size_t)32 << 10)

/* Exactly the certificates of its kind, each once, in any order. */
typedef enum vch_chain_kind {
    VCH_CHAIN_PCK = 1,    /* root, PCK processor or platform CA, PCK certificate */
    VCH_CHAIN_SIGNING = 2 /* root, TCB signing certificate */
} vch_chain_kind;

typedef struct vch_chain {
    uint8_t *der; /* the bytes behind the spans below */
    vch_cert root;
    vch_cert intermediate; /* PCK chain only */
    vch_cert leaf;         /* PCK or TCB signing certificate */
    vch_pck_ca ca;         /* PCK chain only */
} vch_chain;

/*
 * Read a chain: PEM with LF or CRLF ends and perhaps NULs at its end, nothing between the blocks.
 * Names, issuer links, CA flags, key usage and path lengths are checked; signatures, dates, trust in
 * the root and revocation are not.
 * Fails with VOUCH_E_TRUNCATED, _FORMAT, _LIMIT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_chain_parse(vouch_span pem, vch_chain_kind kind, vch_chain *out,
                                            vouch_error *err);
void vch_chain_drop(vch_chain *chain); /* safe twice and on a zeroed chain */

/* Is the leaf the one certificate in this PEM text (perhaps with NULs at its end), byte for byte? */
bool vch_chain_leaf_is(const vch_chain *chain, vouch_span pem);

/* One certificate that may stand as a trusted root: CA, signs certificates and CRLs, issued itself. */
VOUCH_MUST_CHECK vouch_code vch_root_check(const vch_cert *root, vouch_error *err);

#endif
