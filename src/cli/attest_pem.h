/*
 * OpenFL pull request 1561's token: a certificate's PEM as held data, no nonce. WEAKER than what a
 * participant gets: without a nonce the same quote yields tokens for ever, so that it proves only that
 * this certificate's key was once bound to such code. Outside any federation; never admitted to one.
 * Spec: docs/protocol.md section 5; intel_trust_authority.md section 4.5.
 */
#ifndef VCH_CLI_ATTEST_PEM_H
#define VCH_CLI_ATTEST_PEM_H

#include "prompt/command.h"

typedef struct vch_attest_pem_options {
    const vch_runtime *rt; /* AVS_URL, ITA_API_KEY, VOUCH_ATTESTATION_DIR are its environment's */
    const char *name;
    const char *ca;  /* PEM file with the verifier's TLS roots; NULL: the system's */
    const char *out; /* directory for NAME_avs_report.json and NAME_pubkey.pem */
} vch_attest_pem_options;

/* The key dies with the process. Fails with VOUCH_E_CONFIG (says what is missing), _REFUSED … */
VOUCH_MUST_CHECK vouch_code vch_attest_pem(const vch_attest_pem_options *options, vouch_error *err);

#endif
