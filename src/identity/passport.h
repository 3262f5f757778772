/*
 * A participant's passport: one JSON file with certificate, evidence, collateral, token and issuer
 * keys, verified with no network. Building and verifying are pure; the moment is a parameter.
 * Spec: docs/protocol.md section 8; the members at the top are OpenFL pull request 1561's.
 */
#ifndef VCH_IDENTITY_PASSPORT_H
#define VCH_IDENTITY_PASSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "identity/admit.h"
#include "identity/attestation_file.h"
#include "vouch/collateral.h"
#include "vouch/error.h"
#include "vouch/span.h"
#include "vouch/verifier.h"

#define VCH_PASSPORT_MAX_SIZE ((size_t)2 << 20)

typedef struct vch_passport vch_passport; /* immutable */

/* What goes in. Borrowed. */
typedef struct vch_passport_contents {
    const char *name;
    vch_role role;
    const uint8_t *federation;    /* 16 bytes */
    const uint8_t *policy_digest; /* 32 bytes */
    vouch_span certificate;       /* DER */
    vouch_span claims;
    vouch_span quote;
    vouch_span token_quote; /* may be empty, with token and jwks */
    vouch_span token;
    vouch_span jwks; /* JSON text of the issuer's /certs */
    vouch_span ca;   /* DER; aggregator only */
    const vouch_collateral *collateral;
    int64_t created_unix_s;
} vch_passport_contents;

VOUCH_MUST_CHECK vouch_code vch_passport_build(const vch_passport_contents *contents,
                                               vch_buffer *out, vouch_error *err);

/* Strict: unknown or missing members, and members that contradict each other in form, fail. */
VOUCH_MUST_CHECK vouch_code vch_passport_parse(vouch_span json, vch_passport **out,
                                               vouch_error *err);
void vch_passport_free(vch_passport *p);
const vch_passport_contents *vch_passport_contents_of(const vch_passport *p);

#define VCH_PASSPORT_CHECKS_MAX 24

/* One line of the explanation. */
typedef struct vch_passport_check {
    const char *name; /* "enrolment", a word of docs/protocol.md section 7 */
    bool passed;
    bool skipped; /* not asked for by this policy */
    char text[192];
} vch_passport_check;

typedef struct vch_passport_verdict {
    vch_admission admission; /* code VCH_ADMITTED, or the first refusal */
    vch_passport_check checks[VCH_PASSPORT_CHECKS_MAX];
    size_t check_count;
    int64_t judged_at_unix_s;
    bool time_proven;    /* by a token whose life holds `created` */
    char time_note[128]; /* "time not proven: ..." or how it is */
} vch_passport_verdict;

typedef struct vch_passport_expectation {
    const vch_attestation_file *file; /* the federation's file, or NULL with `policy` */
    const vouch_policy *policy;       /* a bare policy: no names, plan or enrolment are checked */
    const uint8_t *plan_digest;       /* 32 bytes; NULL: shown, not compared */
    bool at_given;                    /* judge at `at_unix_s`, else at `created` */
    int64_t at_unix_s;
    int64_t now_unix_s;
} vch_passport_expectation;

/* VOUCH_OK: the verdict is in `out`. */
VOUCH_MUST_CHECK vouch_code vch_passport_verify(const vch_passport *p,
                                                const vch_passport_expectation *expected,
                                                vch_passport_verdict *out, vouch_error *err);

#endif
