/*
 * The keys and certificates that a new verification service starts with: token root, signing CA,
 * token key; TLS CA and server certificate. Names and forms are those that Intel's clients insist
 * on. Writes files; private keys with mode 0600.
 * Spec: intel_trust_authority.md sections 2, 6 and 9.
 */
#ifndef VCH_SVC_VERIFYD_PKI_H
#define VCH_SVC_VERIFYD_PKI_H

#include <stdint.h>

#include "vouch/error.h"

typedef struct vch_verifyd_pki_options {
    const char *dir;     /* holds the directories token and tls, which are made */
    const char *host;    /* DNS name or IP literal that clients use */
    const char *crl_url; /* where "/crl/root-ca-crl.der" and "/crl/ats-ca-crl.der" will be served */
    int64_t now_unix_s;
} vch_verifyd_pki_options;

/*
 * Files: token/{root,ca,token}.{crt,key}, token/chain.pem; tls/{ca,server}.{crt,key}.
 * Fails with VOUCH_E_CONFIG for a host that no certificate can name, _IO, _CRYPTO, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_verifyd_pki_make(const vch_verifyd_pki_options *options,
                                                 vouch_error *err);

#endif
