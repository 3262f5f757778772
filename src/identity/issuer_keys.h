/*
 * The key sets of the pinned token issuers, fetched ahead of time or taken from a passport. A key
 * set is untrusted until a token's chain ends in the issuer's pinned root. Internally locked.
 * Spec: docs/protocol.md section 5.
 */
#ifndef VCH_IDENTITY_ISSUER_KEYS_H
#define VCH_IDENTITY_ISSUER_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "identity/attestation_file.h"
#include "vouch/error.h"
#include "vouch/span.h"
#include "vouch/token.h"

#define VCH_ISSUER_REFETCH_S 60 /* an unknown key id asks the issuer again, at most so often */

typedef struct vch_issuer_keys vch_issuer_keys;

/* `issuers` is kept. `ca_pem` (copied; may be empty): roots for TLS to the issuers. */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_new(const vch_token_issuer *issuers, size_t count,
                                                vouch_span ca_pem, vch_issuer_keys **out,
                                                vouch_error *err);
void vch_issuer_keys_free(vch_issuer_keys *k);
VCH_DEFINE_DROP(vch_issuer_keys_drop, vch_issuer_keys, vch_issuer_keys_free)

/* Fetch <base_url>/certs of every issuer; blocks. Fails if none could be had. */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_fetch(vch_issuer_keys *k, int64_t now_unix_s,
                                                  vouch_error *err);

/* Use this key set for every issuer (a passport's): no fetching happens from then on. */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_put(vch_issuer_keys *k, vouch_span jwks,
                                                vouch_error *err);

/* The text of the first issuer's key set, appended; empty if there is none yet. */
VOUCH_MUST_CHECK vouch_code vch_issuer_keys_text(vch_issuer_keys *k, vch_buffer *out,
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

#endif
