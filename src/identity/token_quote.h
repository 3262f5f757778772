/*
 * REPORTDATA of the quote that only the verifier gets. The verifier's nonce is the attacker's: it
 * could be the beginning of another claims buffer, so it is looked at before anything is quoted.
 * Pure. Spec: docs/protocol.md section 5; intel_trust_authority.md sections 3 and 4.
 */
#ifndef VCH_IDENTITY_TOKEN_QUOTE_H
#define VCH_IDENTITY_TOKEN_QUOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_NONCE_VALUE_MAX_SIZE 128
#define VCH_NONCE_TIME_MAX_SIZE 128

/*
 * `value` and `time` are the nonce's `val` and `iat`, decoded from base64 once. Refused (VOUCH_E_REFUSED)
 * unless value is 1 to 128 characters of the base64 alphabet and time is printable ASCII.
 */
VOUCH_MUST_CHECK vouch_code vch_nonce_check(vouch_span value, vouch_span time, vouch_error *err);

/*
 * SGX: SHA-256(value, time, data) and zeros; TDX: SHA-512(value, time, data). Checks the nonce.
 */
VOUCH_MUST_CHECK vouch_code vch_token_quote_report_data(bool tdx, vouch_span value, vouch_span time,
                                                        vouch_span data, uint8_t out[static 64],
                                                        vouch_error *err);

#endif
