/*
 * A whole quote: header, body, signature section and padding (spec section 1). Reading it proves
 * nothing. Spans are borrowed from the bytes. Share freely.
 */
#ifndef VCH_EVIDENCE_QUOTE_H
#define VCH_EVIDENCE_QUOTE_H

#include "evidence/header.h"
#include "evidence/quote_sig.h"
#include "evidence/td_report.h"
#include "vouch/evidence.h"
#include "vouch/span.h"

typedef struct vch_quote {
    vch_quote_header header;
    uint16_t body_type; /* as in v5; worked out for v3 and v4 */
    vouch_span body;
    vouch_span signed_bytes; /* from the start to the end of the body */
    vch_quote_sig sig;
    size_t padding_size; /* zero bytes after the section; anything else there is refused */
} vch_quote;

/*
 * Read a quote, and what its body says into `claims` (whose other fields are zeroed). Both are
 * untouched on failure. Fails with VOUCH_E_TRUNCATED, _FORMAT, _UNSUPPORTED, _LIMIT.
 */
VOUCH_MUST_CHECK vouch_code vch_quote_parse(vouch_span in, vch_quote *out, vouch_claims *claims,
                                            vouch_error *err);

#endif
