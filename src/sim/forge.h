/*
 * What an attacker can make of a genuine certificate that he has seen: the same subject, dates, evidence
 * and enrolment over a key of his own. For demonstrations and tests of the gate. Pure: any thread.
 */
#ifndef VCH_SIM_FORGE_H
#define VCH_SIM_FORGE_H

#include "base/buffer.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/span.h"

/*
 * genuine  DER of a self-signed certificate. Borrowed.
 * key      A private P-384 key; it replaces the genuine one and signs.
 * out      The forged certificate's DER is appended.
 */
VOUCH_MUST_CHECK vouch_code vch_sim_forge_certificate(vouch_span genuine, const vch_key *key,
                                                      vch_buffer *out, vouch_error *err);

#endif
