#include "identity/collateral_marks.h"

#include <stdio.h>

#include "codec/hex.h"
#include "collateral/bundle.h"
#include "crypto/hash.h"
#include "identity/collateral_parts.h"

vouch_code vch_collateral_marks(const vouch_collateral *c,
                                vch_stored_mark out[static VCH_COLLATERAL_MARKS], vouch_error *err)
{
    char root[2 * VCH_SHA256_SIZE + 1];
    char issuer[2 * VCH_SHA256_SIZE + 1];
    char family[VCH_FAMILY_SIZE];
    uint8_t digest[VCH_SHA256_SIZE];
    vouch_code rc = vch_sha256(c->pck_crl.issuer, digest, err);
    if (rc != VOUCH_OK)
        return rc;
    (void)vch_hex_encode((vouch_span) { digest, sizeof digest }, issuer);
    (void)vch_hex_encode((vouch_span) { c->root_digest, sizeof c->root_digest }, root);
    vch_family_name(c->tcb_info.fmspc, c->tcb_info.tee == VOUCH_TEE_TDX, family);
    out[0] = (vch_stored_mark) { .number = c->tcb_info.evaluation_number,
                                 .issued_unix_s = c->tcb_info.issued_unix_s };
    out[1] = (vch_stored_mark) { .number = c->qe_identity.evaluation_number,
                                 .issued_unix_s = c->qe_identity.issued_unix_s };
    out[2] = (vch_stored_mark) { .number = c->pck_crl.number,
                                 .issued_unix_s = c->pck_crl.this_update_unix_s };
    out[3] = (vch_stored_mark) { .number = c->root_crl.number,
                                 .issued_unix_s = c->root_crl.this_update_unix_s };
    (void)snprintf(out[0].document, sizeof out[0].document, "TCB info of %s under root %s", family,
                   root);
    (void)snprintf(out[1].document, sizeof out[1].document, "QE identity %d under root %s",
                   (int)c->qe_identity.id, root);
    (void)snprintf(out[2].document, sizeof out[2].document, "PCK CRL of %s under root %s", issuer,
                   root);
    (void)snprintf(out[3].document, sizeof out[3].document, "root CRL under root %s", root);
    return VOUCH_OK;
}
