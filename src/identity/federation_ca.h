/*
 * The CA that an attested aggregator makes in its TEE for stock peers, who pin a file: pathlen 0,
 * critical name constraints for its own address, and the one kind of leaf that it signs.
 * Spec: docs/protocol.md section 3.4.
 */
#ifndef VCH_IDENTITY_FEDERATION_CA_H
#define VCH_IDENTITY_FEDERATION_CA_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"
#include "crypto/key.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_FEDERATION_CA_LIFE_S (INT64_C(3650) * 86400)

typedef struct vch_federation_ca
    vch_federation_ca; /* holds its private key; one thread at a time */

/* `address`: the plan's agg_addr, a DNS name or an IP literal. */
VOUCH_MUST_CHECK vouch_code vch_federation_ca_new(const char *address, int64_t now_unix_s,
                                                  vch_federation_ca **out, vouch_error *err);
void vch_federation_ca_free(vch_federation_ca *ca);

/* The same CA again, out of what was sealed: its private key (PEM) and its certificate. VOUCH_E_REFUSED
 * if they do not belong together. */
VOUCH_MUST_CHECK vouch_code vch_federation_ca_restore(const char *address, vouch_span key_pem,
                                                      vouch_span certificate,
                                                      vch_federation_ca **out, vouch_error *err);
/* Its private key, only for sealing; drop it. */
VOUCH_MUST_CHECK vouch_code vch_federation_ca_private_pem(const vch_federation_ca *ca,
                                                          vch_secret *out, vouch_error *err);

vouch_span vch_federation_ca_certificate(const vch_federation_ca *ca); /* DER, borrowed */

/* A serverAuth leaf for the address over `subject_key`, DER appended to `out`. */
VOUCH_MUST_CHECK vouch_code vch_federation_ca_issue(const vch_federation_ca *ca,
                                                    const vch_key *subject_key, int64_t nbf_unix_s,
                                                    int64_t exp_unix_s, vch_buffer *out,
                                                    vouch_error *err);

#endif
