/*
 * What a relying party accepts: measurements, TCB, platforms, roots. Strict and secure by default:
 * a policy without measurements admits nobody, only UpToDate is accepted, an advisory only if it is
 * listed and its date has not come, debug is refused; Revoked is refused always. Immutable, share
 * freely.
 */
#ifndef VOUCH_POLICY_H
#define VOUCH_POLICY_H

#include <stdint.h>

#include "vouch/attributes.h"
#include "vouch/error.h"
#include "vouch/span.h"

VOUCH_BEGIN_DECLS

typedef struct vouch_policy vouch_policy;

/*
 * Read a policy file (YAML; docs/policy.md).
 *
 * name  What the places in messages say, usually the path. Borrowed.
 * yaml  At most 1 MiB. Borrowed.
 * out   Given on VOUCH_OK; free with vouch_policy_free.
 *
 * Fails with VOUCH_E_CONFIG (the first fault with file:line:column, and how many more), _LIMIT,
 * _MEMORY, _CRYPTO.
 */
VOUCH_API VOUCH_MUST_CHECK vouch_code vouch_policy_parse(const char *name, vouch_span yaml,
                                                         vouch_policy **out, vouch_error *err);
VOUCH_API void vouch_policy_free(vouch_policy *policy); /* NULL is allowed */

/* SHA-256 of the file's canonical dump: what a verdict cites. */
VOUCH_API void vouch_policy_digest(const vouch_policy *policy, uint8_t out[32]);

/* How long after its expiry collateral is accepted: for vouch_verifier_options. 0 if not set. */
VOUCH_API int64_t vouch_policy_expired_grace_s(const vouch_policy *policy);

VOUCH_END_DECLS

#endif
