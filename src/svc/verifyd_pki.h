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

#define VCH_VERIFYD_BACK_DATE_S 600 /* certificates begin so long ago */
#define VCH_VERIFYD_TOKEN_LEAF_LIFE_S (INT64_C(365) * 86400)
#define VCH_VERIFYD_TOKEN_CA_LIFE_S (INT64_C(5) * 365 * 86400)
#define VCH_VERIFYD_FIRST_KEY "token.key"
#define VCH_VERIFYD_FIRST_CHAIN "chain.pem"

typedef struct vch_verifyd_pki_options {
    const char *dir;     /* holds the directories token and tls, which are made */
    const char *host;    /* DNS name or IP literal that clients use */
    const char *crl_url; /* where "/crl/root-ca-crl.der" and "/crl/ats-ca-crl.der" will be served */
    int64_t now_unix_s;
} vch_verifyd_pki_options;

/*
 * Files: token/{root,ca,token}.{crt,key}, token/{chain.pem,ring.yaml}; tls/{ca,server}.{crt,key}.
 * Fails with VOUCH_E_CONFIG for a host that no certificate can name, _IO, _CRYPTO, _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_verifyd_pki_make(const vch_verifyd_pki_options *options,
                                                 vouch_error *err);

/* A certificate's serial number: random, positive, always 16 bytes. */
VOUCH_MUST_CHECK vouch_code vch_verifyd_pki_serial(uint8_t out[static 16], vouch_error *err);

#endif
