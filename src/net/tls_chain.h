/*
 * Is a peer's certificate under a PKI that we trust? A question for gates: OpenFL's chain file has
 * root and signing CA, both trusted; peers send the leaf only. Immutable after build: share freely.
 */
#ifndef VCH_NET_TLS_CHAIN_H
#define VCH_NET_TLS_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/scope.h"
#include "net/tls.h"
#include "vouch/error.h"
#include "vouch/span.h"

#define VCH_TLS_WHY_SIZE 200

typedef struct vch_tls_trust vch_tls_trust;

/* Every certificate in the PEM text is trusted, CA or not self-signed too. At least one, at most
 * 64. */
VOUCH_MUST_CHECK vouch_code vch_tls_trust_from_pem(vouch_span pem, vch_tls_trust **out,
                                                   vouch_error *err);
void vch_tls_trust_free(vch_tls_trust *trust);
VCH_DEFINE_DROP(vch_tls_trust_drop, vch_tls_trust, vch_tls_trust_free)

/*
 * Judge signatures, dates, basic constraints and purpose of the path from the leaf to a trusted
 * certificate (RFC 5280; OpenFL's certificates lack key ids and usages, so absence of those is
 * accepted; name constraints are held). On a client also the dialled name: SAN of type DNS or IP
 * (or a DNS SAN that spells the IP), the CN only where there is no SAN, as grpc-core does.
 *
 * now_unix_s   The moment to judge at.
 * out_trusted  The answer. `why` (VCH_TLS_WHY_SIZE bytes) says why not.
 * Fails only when it could not be found out.
 */
VOUCH_MUST_CHECK vouch_code vch_tls_verify_chain(const vch_tls_trust *trust,
                                                 const vch_tls_peer *peer, int64_t now_unix_s,
                                                 bool *out_trusted,
                                                 char why[static VCH_TLS_WHY_SIZE],
                                                 vouch_error *err);

#endif
