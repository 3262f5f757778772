/*
 * The claims buffer: what a quote of ours vouches for, deterministic CBOR. Parsing says what the
 * bytes are, checking whether they are what we expect. Pure.
 * Spec: docs/protocol.md section 4; ra_tls.md section 3.2 for the outer form.
 */
#ifndef VCH_IDENTITY_CLAIMS_H
#define VCH_IDENTITY_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "identity/admit.h"
#include "identity/attestation_file.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CLAIMS_MAX_SIZE 1024

typedef struct vch_claims {
    uint8_t key_digest[48]; /* SHA-384 of the SPKI's DER */
    uint8_t federation[16];
    char name[VCH_PARTICIPANT_NAME_SIZE];
    vch_role role;
    uint8_t plan[32];
    uint8_t policy[32];
    int64_t nbf_unix_s;
    int64_t exp_unix_s;
    bool has_ca; /* attested aggregator only */
    uint8_t ca[32];
} vch_claims;

/* The bytes, appended to `out`. */
VOUCH_MUST_CHECK vouch_code vch_claims_build(const vch_claims *claims, vch_buffer *out,
                                             vouch_error *err);

/* Each key once, no other, in deterministic encoding and nothing after it. */
VOUCH_MUST_CHECK vouch_code vch_claims_parse(vouch_span buffer, vch_claims *out, vouch_error *err);

/* What a verifier demands. Zeroed it refuses everything; only `plan` may be NULL: shown elsewhere,
 * not compared (a passport looked at without its plan). */
typedef struct vch_claims_expectation {
    const uint8_t *key_digest; /* 48 bytes */
    const uint8_t *federation; /* 16 bytes */
    const char *name;
    vch_role role;
    const uint8_t *plan;   /* 32 bytes */
    const uint8_t *policy; /* 32 bytes */
    int64_t nbf_unix_s;    /* the certificate's validity */
    int64_t exp_unix_s;
    int64_t life_max_s; /* certificate_life_h and the ten minutes it is back-dated */
} vch_claims_expectation;

/* VCH_ADMITTED if all is as expected, else the code of the first claim that is not, with its
 * sentence in `why`. */
vch_admission_code vch_claims_check(const vch_claims *claims,
                                    const vch_claims_expectation *expected, char why[static 256]);

/* REPORTDATA of a certificate quote: SHA-256(claims) and 32 zero bytes. */
VOUCH_MUST_CHECK vouch_code vch_claims_report_data(vouch_span buffer, uint8_t out[static 64],
                                                   vouch_error *err);

#endif
