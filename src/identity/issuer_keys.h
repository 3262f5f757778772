/*
 * The key sets of the pinned token issuers with the CRLs of their CAs, fetched ahead of time or taken
 * from a passport. They are untrusted until a token's chain ends in the issuer's pinned root. Without
 * CRLs no token counts. Internally locked.
 * Spec: docs/protocol.md section 5.
 */
#ifndef VCH_IDENTITY_ISSUER_KEYS_H
#define VCH_IDENTITY_ISSUER_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "identity/attestation_file.h"
#include "identity/issuer_fetch.h"
#include "vouch/error.h"
#include "vouch/span.h"
#include "vouch/token.h"

#define VCH_ISSUER_REFETCH_S 60 /* an unknown key id asks the issuer again, at most so often */

typedef struct vch_issuer_keys vch_issuer_keys;

/* `issuers` is kept. `ca_pem` (copied; may be empty): roots for TLS to the issuers. `cache` (copied;
 * may be NULL): the directory where what was fetched is kept (issuer_cache.h). */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_new(const vch_token_issuer *issuers, size_t count,
                                                vouch_span ca_pem, const char *cache,
                                                vch_issuer_keys **out, vouch_error *err);
void vch_issuer_keys_free(vch_issuer_keys *k);
VCH_DEFINE_DROP(vch_issuer_keys_drop, vch_issuer_keys, vch_issuer_keys_free)

/* Fetch <base_url>/certs of every issuer, and the CRLs that its certificates name; blocks. What
 * cannot be had stays as it was, and is taken from the cache where there is nothing yet. Fails if
 * none could be had. */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_fetch(vch_issuer_keys *k, int64_t now_unix_s,
                                                  vouch_error *err);

/* The same if it is VCH_ISSUER_REFRESH_S ago, or VCH_ISSUER_REFETCH_S with keys from the cache: from a background thread, so that nobody who is
 * admitted waits for it. */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_refresh(vch_issuer_keys *k, int64_t now_unix_s,
                                                    vouch_error *err);

/* Use this key set and these CRLs (DER) for every issuer (a passport's): no fetching happens from
 * then on. */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_put(vch_issuer_keys *k, vouch_span jwks,
                                                const vouch_span *crls, size_t crl_count,
                                                vouch_error *err);

/* The first issuer's key set and CRLs as they came; no key set: there is none yet. Drop it. */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_text(vch_issuer_keys *k, vch_issuer_text *out,
                                                 vouch_error *err);

/*
 * Judge a token against each issuer; `expected` is filled but for keys, roots and base URL.
 * out_verdict   The admitting verdict, or the most telling refusal; NULL if there are no keys at
 *               all ("could not find out"). Free with vouch_token_verdict_free().
 */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_judge(vch_issuer_keys *k, vouch_span token,
                                                  const vouch_token_expectation *expected,
                                                  vouch_token_verdict **out_verdict,
                                                  vouch_error *err);

/* Does the token name this very nonce (decoded once)? VOUCH_E_REFUSED if not. Judges nothing else. */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_check_echo(vch_issuer_keys *k, vouch_span token,
                                                       vouch_span nonce_val, vouch_span nonce_iat,
                                                       int64_t now_unix_s, vouch_error *err);

#endif
