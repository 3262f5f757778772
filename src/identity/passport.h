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
#include "base/scope.h"
#include "identity/admit.h"
#include "identity/attestation_file.h"
#include "identity/issuer_keys.h"
#include "vouch/collateral.h"
#include "vouch/error.h"
#include "vouch/policy.h"
#include "vouch/span.h"

#define VCH_PASSPORT_MAX_SIZE ((size_t)4 << 20)

/* What it says. In building all borrowed; out of parsing it lives as long as the passport. */
typedef struct vch_passport_contents {
    char name[VCH_PARTICIPANT_NAME_SIZE];
    vch_role role;
    uint8_t federation[16];
    uint8_t policy_digest[32];
    vouch_span certificate; /* DER */
    vouch_span claims;
    vouch_span quote;
    vouch_span token_quote; /* empty with an empty token */
    vouch_span token;       /* may be empty */
    vouch_span jwks;        /* JSON text of the issuer's /certs; empty with an empty token */
    vouch_span crls[VCH_ISSUER_CRLS_MAX]; /* DER, of the CAs of the token key; none with no token */
    size_t crl_count;
    vouch_span ca; /* DER; attested aggregator only */
    vouch_collateral_parts collateral;
    int64_t created_unix_s;
} vch_passport_contents;

/* The JSON text, appended. */
VOUCH_MUST_CHECK vouch_code vch_passport_build(const vch_passport_contents *contents,
                                               vch_buffer *out, vouch_error *err);

typedef struct vch_passport vch_passport; /* immutable */

/* Strict: unknown, missing or malformed members fail with VOUCH_E_FORMAT; above the size _LIMIT. */
VOUCH_MUST_CHECK vouch_code vch_passport_parse(vouch_span json, vch_passport **out,
                                               vouch_error *err);
void vch_passport_free(vch_passport *p);
VCH_DEFINE_DROP(vch_passport_drop, vch_passport, vch_passport_free)
const vch_passport_contents *vch_passport_contents_of(const vch_passport *p);

#define VCH_PASSPORT_CHECKS_MAX 24

/* One line of the explanation, in the order in which they were made. */
typedef struct vch_passport_check {
    const char *name; /* "enrolment": the steps of docs/protocol.md section 7, and our own */
    bool passed;
    char text[256]; /* the reason of a refusal, or a remark; "" otherwise */
} vch_passport_check;

typedef struct vch_passport_verdict {
    vch_admission admission; /* code VCH_ADMITTED, or the first refusal */
    vch_passport_check checks[VCH_PASSPORT_CHECKS_MAX];
    size_t check_count;
    int64_t judged_at_unix_s;
    bool time_proven;    /* by a token whose life holds the moment of judging */
    char time_note[160]; /* "time not proven: ...", or what proves it */
} vch_passport_verdict;

/* What it is held to. `file` or `policy`; with a bare policy neither names nor plan, enrolment,
 * federation and token are judged, and the checks say so. */
typedef struct vch_passport_expectation {
    const vch_attestation_file *file;
    const vouch_policy *policy;
    const uint8_t *plan_digest; /* 32 bytes; NULL: not compared, and said so */
    bool at_given;              /* judge at `at_unix_s`, else at `created` */
    int64_t at_unix_s;
    int64_t now_unix_s; /* a passport made later than this is refused */
    bool current;       /* the certificate must still be in force now, whatever the moment */
} vch_passport_expectation;

/* For vch_admission_request.explain: notes each step in the vch_passport_verdict at `context`. */
void vch_passport_explain(void *context, const char *step, bool passed, const char *text);

/* VOUCH_OK: the verdict is in `out`. Fails with VOUCH_E_MEMORY, _CRYPTO, _CONFIG (no policy). */
VOUCH_MUST_CHECK vouch_code vch_passport_verify(const vch_passport *p,
                                                const vch_passport_expectation *expected,
                                                vch_passport_verdict *out, vouch_error *err);

#endif
