/*
 * One set of collateral from one collateral service: Intel's PCS, or a PCCS, both version 4. Bodies
 * are kept byte for byte. Nothing here is trusted: libvouch judges what came. Blocking, under one
 * deadline for the whole set; any thread.
 */
#ifndef VCH_NET_PCS_CLIENT_H
#define VCH_NET_PCS_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "vouch/collateral.h"
#include "vouch/error.h"

#define VCH_PCS_INTEL_URL "https://api.trustedservices.intel.com"
#define VCH_PCS_INTEL_ROOT_CRL_URL                                                                 \
    "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
#define VCH_PCS_PART_COUNT 7

typedef struct vch_pcs_service {
    const char *url;           /* https://host[:port]; VCH_PCS_INTEL_URL is Intel's own */
    const char *ca_file;       /* roots of its TLS certificate; NULL: the system's */
    int64_t deadline_ms;       /* for everything; 0: 30 s */
    const atomic_bool *cancel; /* may be NULL; once true, give up soon */
} vch_pcs_service;

typedef enum vch_pcs_update { VCH_PCS_STANDARD = 0, VCH_PCS_EARLY = 1 } vch_pcs_update;

typedef struct vch_pcs_query {
    uint8_t fmspc[6];
    bool tdx;
    bool processor_ca; /* whose PCK CRL; otherwise the platform CA's */
    vch_pcs_update update;
} vch_pcs_query;

/* Buffers in the order of vouch_collateral_parts, which points into them. */
typedef struct vch_pcs_set {
    vch_buffer part[VCH_PCS_PART_COUNT];
    vch_buffer pck_issuer_chain; /* PEM: intermediate and root */
    vouch_collateral_parts parts;
} vch_pcs_set;

void vch_pcs_set_drop(vch_pcs_set *set);

/*
 * out            Set on VOUCH_OK; drop it. parts.pck_chain is empty.
 * retry_after_s  -1, or how long the service asked us to stay away (429, 503).
 * Fails with VOUCH_E_NOT_FOUND (the platform is not known), _NETWORK, _TIMEOUT, _LIMIT, _FORMAT,
 * _CRYPTO (TLS), _CONFIG (URL), _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_pcs_fetch(const vch_pcs_service *service,
                                          const vch_pcs_query *query, vch_pcs_set *out,
                                          int64_t *retry_after_s, vouch_error *err);

#endif
