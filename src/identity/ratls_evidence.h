/*
 * Evidence in certificates of any dialect that we know, read by each one's own rules: which quote,
 * and is it bound to the certificate's key? For `vouch cert`; admission to a federation reads the
 * interoperable form by the stricter rules of claims.h. Pure. Facts: ra_tls.md sections 2 to 4.
 */
#ifndef VCH_IDENTITY_RATLS_EVIDENCE_H
#define VCH_IDENTITY_RATLS_EVIDENCE_H

#include <stdbool.h>

#include "identity/ratls_cert.h"
#include "vouch/error.h"
#include "vouch/span.h"

typedef struct vch_ratls_evidence {
    bool found; /* the certificate carries evidence of a known dialect */
    vch_ratls_dialect dialect;
    vouch_span quote;  /* empty: the dialect is recognised, but there is no quote to be read */
    vouch_span claims; /* interoperable form, and Open Enclave's evidence: its custom claims */
    bool bound;        /* REPORTDATA covers the certificate's key as the dialect demands */
    char why[160];     /* unless bound */
} vch_ratls_evidence;

/*
 * The decisive evidence: the interoperable extension where it is there, present but wrong included;
 * else the first other one. Fails with VOUCH_E_CRYPTO or _MEMORY only.
 */
VOUCH_MUST_CHECK vouch_code vch_ratls_evidence_read(const vch_ratls_cert *cert,
                                                    vch_ratls_evidence *out, vouch_error *err);

#endif
