/*
 * Appraise SGX and TDX quotes. Pure: no network, no clock, no files, no global state.
 *
 * A verifier and a collateral object are immutable: share them freely between threads. A cache
 * belongs to one thread at a time. An appraisal owns all that it shows.
 */
#ifndef VOUCH_VERIFIER_H
#define VOUCH_VERIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/attributes.h"
#include "vouch/collateral.h"
#include "vouch/error.h"
#include "vouch/evidence.h"
#include "vouch/span.h"

VOUCH_BEGIN_DECLS

typedef struct vouch_policy vouch_policy; /* policy.h */
typedef struct vouch_verifier vouch_verifier;
typedef struct vouch_cache vouch_cache;
typedef struct vouch_appraisal vouch_appraisal;

/* All zero: Intel's root, no grace. */
typedef struct vouch_verifier_options {
    const vouch_span *roots; /* trusted root certificates, PEM or DER; they replace Intel's */
    size_t root_count;       /* 0: Intel's built-in root only; at most 16 */
    int64_t expired_grace_s; /* collateral is accepted so long after its expiry; 0 to 90 days */
} vouch_verifier_options;

/* Fails with VOUCH_E_FORMAT or _LIMIT for a root that cannot be used, VOUCH_E_MEMORY. */
VOUCH_API VOUCH_MUST_CHECK vouch_code vouch_verifier_new(const vouch_verifier_options *options,
                                                         vouch_verifier **out, vouch_error *err);
VOUCH_API void vouch_verifier_free(vouch_verifier *verifier); /* NULL is allowed */

/* Intel's SGX root CA certificate (DER), the built-in default. */
VOUCH_API vouch_span vouch_intel_root(void);

/*
 * Remembers what was verified, by the SHA-256 of the complete bytes; dates, revocation and policy
 * are judged anew at each use. Holds `platforms` entries (1 to 65536) of under 8 KiB each; the
 * oldest goes first.
 */
VOUCH_API VOUCH_MUST_CHECK vouch_code vouch_cache_new(size_t platforms, vouch_cache **out,
                                                      vouch_error *err);
VOUCH_API void vouch_cache_free(vouch_cache *cache); /* NULL is allowed */

typedef struct vouch_request {
    vouch_span quote;                   /* raw bytes. Borrowed */
    const vouch_collateral *collateral; /* NULL: refused as missing. Borrowed */
    const vouch_policy *policy;         /* NULL: admits nobody; see _is_genuine. Borrowed */
    int64_t now_unix_s;                 /* the moment to appraise at */
    vouch_cache *cache;                 /* may be NULL. Borrowed */
} vouch_request;

/*
 * Appraise one quote.
 *
 * out  Set on VOUCH_OK, untouched otherwise. Free with vouch_appraisal_free.
 *
 * VOUCH_OK means that there is a verdict; whether the peer is trusted is in `out`. A malformed
 * quote or bad collateral gives a verdict with reasons, too. Fails with VOUCH_E_MEMORY or _CRYPTO
 * (the cryptographic library itself failed) only.
 * Spec: Intel TDX DCAP Quote Generation and Verification, A.3; RFC 9334 section 3.
 */
VOUCH_API VOUCH_MUST_CHECK vouch_code vouch_verifier_appraise(const vouch_verifier *verifier,
                                                              const vouch_request *request,
                                                              vouch_appraisal **out,
                                                              vouch_error *err);
VOUCH_API void vouch_appraisal_free(vouch_appraisal *appraisal); /* NULL is allowed */

/* The one question: genuine, and the policy admits it. False for NULL. */
VOUCH_API bool vouch_appraisal_admits(const vouch_appraisal *appraisal);

/*
 * Every signature, chain, date, revocation and identity check passed and a TCB status was reached;
 * says nothing of whether that status, debug mode or the measurement is acceptable. False for NULL.
 */
VOUCH_API bool vouch_appraisal_is_genuine(const vouch_appraisal *appraisal);

/* Why not: one line of a refusal. Text fields are never NULL; "" where not applicable. */
typedef struct vouch_reason {
    const char *step; /* input structure chain collateral qe signature tcb policy */
    const char *code; /* stable, for programs: "pck_revoked" */
    const char *message;
    const char *expected;
    const char *actual;
} vouch_reason;

VOUCH_API size_t vouch_appraisal_reason_count(const vouch_appraisal *appraisal);

/* `index` below the count; otherwise all fields are "". Valid while the appraisal is. */
VOUCH_API vouch_reason vouch_appraisal_reason(const vouch_appraisal *appraisal, size_t index);

/*
 * What was established, also in a refusal: a field is set only once the step that proves it passed,
 * except that the quote's own words are there as soon as it was read. Valid while the appraisal is.
 * In a refusal nothing of it may be relied on.
 */
VOUCH_API const vouch_claims *vouch_appraisal_claims(const vouch_appraisal *appraisal);

VOUCH_END_DECLS

#endif
