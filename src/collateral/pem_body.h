/*
 * The base64 between the lines of a PEM certificate, decoded fast: a third of what a quote's chain
 * costs beside its signatures. For public data only: it looks digits up in a table (crypto/pem.h reads
 * keys). Any thread.
 */
#ifndef VCH_COLLATERAL_PEM_BODY_H
#define VCH_COLLATERAL_PEM_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

/*
 * Decode `body`; CR and LF may stand anywhere, nothing else that is not base64, padded, without stray
 * bits.
 *
 * out  At least 3 * (body.size / 4) bytes.
 *
 * Fails with VOUCH_E_FORMAT, also for an empty body.
 */
VOUCH_MUST_CHECK vouch_code vch_pem_body_read(vouch_span body, uint8_t *out, size_t *out_size,
                                              vouch_error *err);

#endif
