/*
 * What `vouch token verify` reads: token, key set (a file, or fetched or kept with its CRLs), pinned
 * root, policy, nonce, held data. Values; one thread.
 */
#ifndef VCH_CLI_TOKEN_INPUTS_H
#define VCH_CLI_TOKEN_INPUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "config/options.h"
#include "identity/issuer_fetch.h"
#include "identity/ita_client.h"
#include "vouch/policy.h"
#include "vouch/token.h"

#define VCH_TOKEN_CRLS_MAX 8 /* given as files */
#define VCH_TOKEN_ROOTS_MAX 8

/* Where they are; NULL: not given. */
typedef struct vch_token_places {
    const char *token;
    const char *jwks; /* a file, or an https URL */
    const char *ca;   /* PEM: TLS roots for the URL; otherwise the system's */
    const char *policy;
    const char *nonce;
    const char *held_data;
    const vch_texts *roots;
    const vch_texts *crls;
    const char *cache;  /* directory of key sets and CRLs; NULL: nothing is kept */
    bool offline;       /* the key set of a URL only as it was kept */
    int64_t at_unix_s;  /* the moment to judge at */
    const vch_log *log; /* may be NULL */
} vch_token_places;

typedef struct vch_token_inputs {
    vch_buffer token;
    vouch_span token_text; /* without the line end that editors add */
    vch_issuer_set issuer; /* its keys: NULL if what was read is no key set; its fault says why */
    vouch_policy *policy;  /* never NULL: the default one judges the platform only */
    uint8_t roots[VCH_TOKEN_ROOTS_MAX * 32];
    size_t root_count;
    vch_buffer crl_der[VCH_TOKEN_CRLS_MAX];
    size_t crl_der_count;
    vouch_span crls[VCH_TOKEN_CRLS_MAX + VCH_ISSUER_CRLS_MAX]; /* those, and the issuer's */
    size_t crl_count;
    vch_ita_nonce nonce;
    vch_buffer held_data;
} vch_token_inputs;

/* out  Zeroed by the caller; drop it in any case. Fails if something cannot be read or reached. */
VOUCH_MUST_CHECK vouch_code vch_token_inputs_read(const vch_token_places *places,
                                                  vch_token_inputs *out, vouch_error *err);

/* Does this verdict come of keys or CRLs that were kept, so that newer ones may change it? */
bool vch_token_inputs_may_be_old(const vch_token_places *places, const vch_token_inputs *inputs,
                                 const vouch_token_verdict *verdict);

/* Fetch key set and CRLs, whatever was kept. On failure all stays as it was. */
VOUCH_MUST_CHECK vouch_code vch_token_inputs_renew(const vch_token_places *places,
                                                   vch_token_inputs *inputs, vouch_error *err);
void vch_token_inputs_drop(vch_token_inputs *inputs);

#endif
