/*
 * The forms in which Intel's collateral services (PCS, PCCS) send things: chains in headers, lists
 * in three encodings, waits. Pure functions: any thread. What the bytes are worth is judged by
 * libvouch, never here.
 */
#ifndef VCH_NET_PCS_TEXT_H
#define VCH_NET_PCS_TEXT_H

#include <stdint.h>

#include "base/buffer.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_PCS_CHAIN_CERTIFICATES_MAX 3
#define VCH_PCS_RETRY_MAX_S 86400 /* a longer wait is cut to this */

/*
 * The value of an issuer chain header: PEM, percent-coded ('+' is itself, as base64 needs it).
 * Two or three certificates and nothing else. `pem` is untouched on failure.
 * Fails with VOUCH_E_NOT_FOUND (no such header), _FORMAT, _LIMIT, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_pcs_chain_decode(vouch_span header, vch_buffer *pem,
                                                 vouch_error *err);

/* A CRL as DER, from DER, PEM or hexadecimal text. `der` is untouched on failure. */
VOUCH_MUST_CHECK vouch_code vch_pcs_crl_decode(vouch_span body, vch_buffer *der, vouch_error *err);

/* Seconds of a Retry-After header; -1: none, or a form that is not understood (a date). */
int64_t vch_pcs_retry_after_s(vouch_span header);

#endif
