/*
 * Judge an attestation token: the signed, time-limited statement of a verifier (Intel Trust
 * Authority, or a service that speaks its protocol) about a quote. Better than its official
 * clients: the root is pinned, and what the token says is compared with what is expected.
 * Pure: no network, no clock, no files. Results and key sets are immutable; share freely.
 */
#ifndef VOUCH_TOKEN_H
#define VOUCH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/attributes.h"
#include "vouch/error.h"
#include "vouch/policy.h"
#include "vouch/span.h"

VOUCH_BEGIN_DECLS

#define VOUCH_TOKEN_MAX_SIZE ((size_t)64 << 10) /* bytes of a token */
#define VOUCH_JWKS_MAX_SIZE ((size_t)256 << 10) /* bytes of a key set */
#define VOUCH_TOKEN_REASON_TEXT 200             /* bytes of a reason's sentence, with its NUL */

typedef struct vouch_jwks vouch_jwks; /* a verifier's keys; trusted by nobody yet */
typedef struct vouch_token_verdict vouch_token_verdict;

/* Why a token is refused; in the order in which the checks run. */
typedef enum vouch_token_reason {
    VOUCH_TOKEN_MALFORMED = 1,   /* not a token of a known shape */
    VOUCH_TOKEN_KEY_UNKNOWN = 2, /* no key of that id in the key set */
    VOUCH_TOKEN_ROOT = 3,        /* the key's chain ends in no pinned root */
    VOUCH_TOKEN_CHAIN = 4,       /* the key's chain does not hold at that moment */
    VOUCH_TOKEN_REVOKED = 5,     /* a certificate is revoked, or its CRL missing or out of date */
    VOUCH_TOKEN_SIGNATURE = 6,
    VOUCH_TOKEN_ISSUER = 7,
    VOUCH_TOKEN_TIME = 8,       /* expired, not yet valid, or older than wanted */
    VOUCH_TOKEN_NONCE = 9,      /* not the nonce that was sent, or none */
    VOUCH_TOKEN_HELD_DATA = 10, /* not the data that the quote should be bound to, or none */
    VOUCH_TOKEN_MEASUREMENT = 11,
    VOUCH_TOKEN_DEBUG = 12,
    VOUCH_TOKEN_TCB = 13,       /* status or advisory not accepted */
    VOUCH_TOKEN_SIMULATED = 14, /* evidence of a simulated platform, not expected here */
    VOUCH_TOKEN_POLICY = 15     /* a policy that must match did not */
} vouch_token_reason;

/* What the token must say. Zeroed it refuses everything. All borrowed for the call. */
typedef struct vouch_token_expectation {
    const vouch_jwks *keys;
    const uint8_t *root_sha256; /* pinned roots: root_count times the 32 bytes of a DER's digest */
    size_t root_count;
    const vouch_span *crls; /* DER; none: revocation not judged, and the verdict says so */
    size_t crl_count;
    bool revocation_required; /* true: without CRLs the token is refused */
    const char *base_url;     /* the verifier's; NULL: any, the root alone says who signs */
    int64_t now_unix_s;
    uint32_t leeway_s;               /* clock difference granted, at most 300 */
    uint32_t max_age_s;              /* since `iat`; 0: the token's own life alone */
    vouch_span nonce_val, nonce_iat; /* decoded once, as sent; both empty: no nonce expected */
    vouch_span held_data;            /* the bytes that the quote is bound to; empty: none */
    bool nonce_any, held_data_any; /* true: not compared here (a caller does it from the claims) */
    vouch_span measurement;        /* MRENCLAVE (32) or MRTD (48); empty: not compared here */
    /* Judges measurement, debug, TCB, advisories and simulation, in place of the next seven. A rule
     * about what no token tells (platform pins) refuses. */
    const vouch_policy *policy;
    const char *const *tcb_accept; /* statuses; none: UpToDate alone */
    size_t tcb_accept_count;
    const char *const
        *advisories_accept; /* advisories that may stand open, beside accepted status */
    size_t advisories_accept_count;
    bool advisories_any; /* true: the caller judges them from the claims */
    bool accept_debug;
    bool accept_simulated;
    const char *const *policy_ids; /* UUIDs that must be among the matched */
    size_t policy_id_count;
} vouch_token_expectation;

/* What the token says; texts and spans live as long as the verdict. Meaningless before a look at
 * vouch_token_verdict_admits(), except to explain a refusal. */
typedef struct vouch_token_claims {
    uint32_t version;  /* 1: flat, 2: nested */
    uint32_t tee_type; /* as in a quote: 0 SGX, 0x81 TDX */
    const char *issuer, *id, *key_id;
    int64_t issued_at_unix_s, not_before_unix_s, expires_at_unix_s;
    const char *tcb_status;
    int64_t tcb_date_unix_s; /* 0: not said */
    const char *const *advisory_ids;
    size_t advisory_count;
    bool debug, simulated;
    vouch_span measurement;          /* MRENCLAVE or MRTD */
    vouch_span signer;               /* MRSIGNER or MRSIGNERSEAM */
    uint32_t prod_id, svn;           /* SGX ISVPRODID, ISVSVN */
    vouch_span report_data;          /* 64 bytes */
    vouch_span held_data;            /* decoded; empty if the verifier was given none */
    vouch_span nonce_val, nonce_iat; /* decoded; empty if none was sent */
    const char *const *policies_matched;
    size_t policies_matched_count;
    const char *const *policies_unmatched;
    size_t policies_unmatched_count;
} vouch_token_claims;

/* Read a key set (RFC 7517, every key with x5c). Free with vouch_jwks_free(). */
VOUCH_API VOUCH_MUST_CHECK vouch_code vouch_jwks_parse(vouch_span json, vouch_jwks **out,
                                                       vouch_error *err);
VOUCH_API void vouch_jwks_free(vouch_jwks *keys);

/*
 * VOUCH_OK means that the token was judged; whether it is accepted is in `out`, with every reason
 * against it that could be established. Free with vouch_token_verdict_free().
 * Spec: Intel Trust Authority, attestation tokens and claims; vouch protocol section 5.
 */
VOUCH_API VOUCH_MUST_CHECK vouch_code vouch_token_verify(vouch_span token,
                                                         const vouch_token_expectation *expected,
                                                         vouch_token_verdict **out,
                                                         vouch_error *err);
VOUCH_API void vouch_token_verdict_free(vouch_token_verdict *verdict);

/* The one question; false for NULL. */
VOUCH_API bool vouch_token_verdict_admits(const vouch_token_verdict *verdict);
VOUCH_API bool vouch_token_verdict_revocation_checked(const vouch_token_verdict *verdict);
VOUCH_API size_t vouch_token_verdict_reason_count(const vouch_token_verdict *verdict);
VOUCH_API vouch_token_reason vouch_token_verdict_reason(const vouch_token_verdict *verdict,
                                                        size_t index, const char **sentence);
/* NULL if the signature does not hold: nobody said anything then. */
VOUCH_API const vouch_token_claims *vouch_token_verdict_claims(const vouch_token_verdict *verdict);

VOUCH_API const char *vouch_token_reason_name(vouch_token_reason reason); /* "held_data" */

VOUCH_END_DECLS

#endif
