/*
 * The service's token keys and what is published about them: key set and CRLs. Keys are loaded once;
 * which of them signs and is published is a question of the moment. CRLs are signed anew at the
 * start and again long before they end. One thread at a time, but for what says otherwise.
 */
#ifndef VCH_SVC_VERIFYD_KEYS_H
#define VCH_SVC_VERIFYD_KEYS_H

#include "base/scope.h"
#include "crypto/key.h"
#include "svc/verifyd_config.h"

#define VCH_VERIFYD_KID_SIZE 97                      /* 96 hex digits and a NUL */
#define VCH_VERIFYD_CRL_LIFE_S (30 * INT64_C(86400)) /* a CRL's life; renewed at half of it */

typedef struct vch_verifyd_keys vch_verifyd_keys;

VOUCH_MUST_CHECK vouch_code vch_verifyd_keys_load(const vch_verifyd_config *config,
                                                  int64_t now_unix_s, vch_verifyd_keys **out,
                                                  vouch_error *err);
void vch_verifyd_keys_free(vch_verifyd_keys *keys);
VCH_DEFINE_DROP(vch_verifyd_keys_drop, vch_verifyd_keys, vch_verifyd_keys_free)

typedef struct vch_verifyd_signer {
    const vch_key *key; /* borrowed */
    const char *kid;
} vch_verifyd_signer;

/* Who signs tokens and nonces at that moment. Any thread. */
vch_verifyd_signer vch_verifyd_keys_signer(const vch_verifyd_keys *keys, int64_t now_unix_s);

/* Was a nonce perhaps signed by the key before? The i-th key of the set, `out` false if it has
 * ended; NULL past the end. Any thread. */
const vch_key *vch_verifyd_keys_at(const vch_verifyd_keys *keys, size_t index, int64_t now_unix_s,
                                   bool *out_holds);

/* Borrowed until the next renewal. */
vouch_span vch_verifyd_keys_jwks(const vch_verifyd_keys *keys);
vouch_span vch_verifyd_keys_root_crl(const vch_verifyd_keys *keys);
vouch_span vch_verifyd_keys_signing_crl(const vch_verifyd_keys *keys);

/* Sign new CRLs if the present ones are past half of their life; publish no key that has ended. */
VOUCH_MUST_CHECK vouch_code vch_verifyd_keys_renew(vch_verifyd_keys *keys, int64_t now_unix_s,
                                                   vouch_error *err);

/* Do the published CRLs hold now? */
bool vch_verifyd_keys_crls_hold(const vch_verifyd_keys *keys, int64_t now_unix_s);

int64_t vch_verifyd_keys_crls_end(const vch_verifyd_keys *keys); /* Unix seconds */

#endif
