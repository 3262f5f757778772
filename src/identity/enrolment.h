/*
 * The site's consent that this code, with these claims, uses its name: an extension of the attested
 * certificate, signed by the key that the policy pins. Pure. Spec: docs/protocol.md section 3.3.
 */
#ifndef VCH_IDENTITY_ENROLMENT_H
#define VCH_IDENTITY_ENROLMENT_H

#include <stdint.h>

#include "base/buffer.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/span.h"

/* Dotted form of the extension's OID. */
#define VCH_ENROLMENT_OID "2.25.147689960455541555337081755345030784193"

/* The extension's value for these claims, appended to `out`. */
VOUCH_MUST_CHECK vouch_code vch_enrolment_build(const vch_key *site_key, vouch_span claims,
                                                vch_buffer *out, vouch_error *err);

/*
 * Is `extension` a signature over `claims` by the key with that SPKI digest? VOUCH_OK: yes.
 * VOUCH_E_REFUSED: another key, or the signature does not match; VOUCH_E_FORMAT: not the form.
 */
VOUCH_MUST_CHECK vouch_code vch_enrolment_check(vouch_span extension, vouch_span claims,
                                                const uint8_t pinned[static 32], vouch_error *err);

#endif
