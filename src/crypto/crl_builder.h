/* Make X.509 v2 CRLs with CRL number and authority key id. Pure: any thread. */
#ifndef VCH_CRYPTO_CRL_BUILDER_H
#define VCH_CRYPTO_CRL_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CRL_MAX_REVOKED ((size_t)10000)

typedef struct vch_crl_entry {
    vouch_span serial; /* big-endian, as in vch_cert_options */
    int64_t revoked_at_unix_s;
} vch_crl_entry;

typedef struct vch_crl_options {
    vouch_span issuer_cert; /* DER; subject and subject key id are used */
    const vch_key *signer;
    vch_sig_alg alg; /* 0: vch_key_default_alg(signer) */
    uint64_t number;
    int64_t this_update_unix_s;
    int64_t next_update_unix_s;
    const vch_crl_entry *entries;
    size_t entry_count;
} vch_crl_options;

/* Build and sign; the DER is appended to `out`. Fails as vch_cert_build. */
VOUCH_MUST_CHECK vouch_code vch_crl_build(const vch_crl_options *options, vch_buffer *out,
                                          vouch_error *err);

#endif
