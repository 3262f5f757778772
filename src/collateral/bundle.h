/*
 * Behind vouch_collateral: the parsed parts, what of them is signed as it should be, and the faults.
 * Immutable once parsed: share freely.
 */
#ifndef VCH_COLLATERAL_BUNDLE_H
#define VCH_COLLATERAL_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "collateral/chain.h"
#include "collateral/qe_identity.h"
#include "collateral/tcb_info.h"
#include "crypto/crl.h"
#include "evidence/reasons.h"
#include "vouch/collateral.h"

struct vouch_collateral {
    uint8_t *bytes;     /* a copy of all parts; the spans below point into it */
    uint8_t digest[32]; /* SHA-256 over the parts, each after its size */
    uint8_t pck_crl_digest[32];
    uint8_t pck_chain_digest[32]; /* zero if there is none */
    vouch_span pck_chain;         /* PEM as given; empty if there is none */

    /* Parsed. If there is any fault, these may be empty and nothing of them is to be relied on,
     * except that has_pck_crl and has_root_crl say what the chain step may look at. */
    vch_chain tcb_info_chain;
    vch_chain qe_identity_chain; /* empty if it is the same text as the other */
    vch_tcb_info tcb_info;
    vch_qe_identity qe_identity;
    vch_crl pck_crl;  /* its signature depends on the PCK chain: verified in the appraisal */
    vch_crl root_crl; /* signed by the root of tcb_info_chain */
    bool has_pck_crl;
    bool has_root_crl;
    uint8_t root_digest[32]; /* of tcb_info_chain's root certificate, which is also the other's */

    /* Empty: every part is there, well-formed and signed under that root, and its TCB signing
     * certificates are not revoked. Dates and trust in the root are not judged here. */
    vch_reasons faults;
};

#endif
