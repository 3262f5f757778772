/* Step 13 of the specification: header and body by the attestation key, which the platform binds. */
#include "verify/appraisal.h"

vouch_code vch_step_signature(vch_work *w, vouch_error *err)
{
    bool good = false;
    vouch_code rc = vch_p256_verify(w->platform->attestation_key, w->quote.signed_bytes,
                                    w->quote.sig.signature, &good, err);
    if (rc == VOUCH_OK && !good)
        vch_reasons_add_values(vch_work_reasons(w), "signature", "quote_signature_invalid",
                               "a valid signature", "an invalid one",
                               "the quote is not signed by its attestation key");
    return rc;
}
