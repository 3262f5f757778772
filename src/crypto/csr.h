/* PKCS#10 certificate requests, made and read (RFC 2986). Pure: any thread. */
#ifndef VCH_CRYPTO_CSR_H
#define VCH_CRYPTO_CSR_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/scope.h"
#include "crypto/key.h"
#include "crypto/name.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_CSR_MAX_SIZE ((size_t)32 << 10)
#define VCH_CSR_MAX_NAMES ((size_t)16)

typedef struct vch_csr_options {
    const vch_name_part *subject;
    size_t subject_count;
    vch_alt_names alt;
    const vch_key *key;
    vch_sig_alg alg; /* 0: vch_key_default_alg(key) */
} vch_csr_options;

/* The DER is appended to `out`. */
VOUCH_MUST_CHECK vouch_code vch_csr_build(const vch_csr_options *options, vch_buffer *out,
                                          vouch_error *err);

/* A request whose own signature has been verified (possession of the key). */
typedef struct vch_csr vch_csr;

/* Other requested extensions than the alternative names are not read. Only dNSName and iPAddress
 * alternative names are accepted. */
VOUCH_MUST_CHECK vouch_code vch_csr_parse(vouch_span der, vch_csr **out, vouch_error *err);
void vch_csr_free(vch_csr *csr);
VCH_DEFINE_DROP(vch_csr_drop, vch_csr, vch_csr_free)

/* All borrowed from the request. */
const char *vch_csr_common_name(const vch_csr *csr); /* exactly one; no NUL inside */
vouch_span vch_csr_subject_der(const vch_csr *csr);
const vch_key *vch_csr_key(const vch_csr *csr);
vch_alt_names vch_csr_alt_names(const vch_csr *csr);
vouch_span vch_csr_der(const vch_csr *csr);

#endif
