/*
 * What this process has proven already, so that a peer that comes again costs less: certificates whose
 * self-signature was good, by the digest of their bytes, and libvouch's cache of platforms and verdicts
 * (which judges validity anew at each use). Only facts that are a function of the bytes are kept; names,
 * times, policy and tokens are judged every time. Internally locked; capped, the oldest goes first.
 */
#ifndef VCH_IDENTITY_PROVEN_H
#define VCH_IDENTITY_PROVEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "vouch/error.h"
#include "vouch/verifier.h"

typedef struct vch_proven vch_proven;

VOUCH_MUST_CHECK vouch_code vch_proven_new(vch_proven **out, vouch_error *err);
void vch_proven_free(vch_proven *p);
VCH_DEFINE_DROP(vch_proven_drop, vch_proven, vch_proven_free)

/* Was the self-signature of the certificate with this SHA-256 good? False for a NULL `p`. */
bool vch_proven_has(vch_proven *p, const uint8_t certificate[static 32]);
void vch_proven_add(vch_proven *p, const uint8_t certificate[static 32]);

/*
 * Appraise with the cache; without it if another thread is using it at this moment, or `p` is NULL.
 * As vouch_verifier_appraise; request->cache is not looked at.
 */
VOUCH_MUST_CHECK vouch_code vch_proven_appraise(vch_proven *p, const vouch_verifier *verifier,
                                                const vouch_request *request, vouch_appraisal **out,
                                                vouch_error *err);

#endif
