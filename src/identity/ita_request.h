/*
 * The bodies that go to and come from the service, as bytes: pure, no network. Untrusted answers
 * are read strictly and capped. Spec: intel_trust_authority.md sections 3 to 5.
 */
#ifndef VCH_IDENTITY_ITA_REQUEST_H
#define VCH_IDENTITY_ITA_REQUEST_H

#include "identity/ita_client.h"

#define VCH_ITA_REQUEST_MAX_SIZE ((size_t)4 << 20) /* bytes of a request's body */
#define VCH_ITA_FAULT_TEXT_SIZE 160                /* of the service's sentence, cut and escaped */

/* The body of POST attest; version 1 is flat, 2 composite by the TEE that the quote names. */
VOUCH_MUST_CHECK vouch_code vch_ita_request_build(const vch_ita_request *request, unsigned version,
                                                  vch_buffer *out, vouch_error *err);

VOUCH_MUST_CHECK vouch_code vch_ita_nonce_parse(vouch_span json, vch_ita_nonce *out,
                                                vouch_error *err);

/* The token's text out of {"token": …}, appended. Not verified. */
VOUCH_MUST_CHECK vouch_code vch_ita_token_parse(vouch_span json, vch_buffer *out, vouch_error *err);

/* The service's own sentence out of {"error"|"message": …}, printable, cut; "" if there is none. */
void vch_ita_fault_text(vouch_span body, char out[static VCH_ITA_FAULT_TEXT_SIZE]);

#endif
