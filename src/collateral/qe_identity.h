/*
 * Enclave identity: which quoting enclaves are Intel's, and how good each version is (spec section
 * 3). Immutable once parsed: share freely. Spans are borrowed from the document.
 */
#ifndef VCH_COLLATERAL_QE_IDENTITY_H
#define VCH_COLLATERAL_QE_IDENTITY_H

#include <stdint.h>

#include "collateral/levels.h"
#include "vouch/evidence.h"
#include "vouch/span.h"

typedef enum vch_enclave_id {
    VCH_ENCLAVE_QE = 1,    /* SGX quotes */
    VCH_ENCLAVE_TD_QE = 2, /* TDX quotes */
    VCH_ENCLAVE_QVE = 3,   /* never a quoting enclave */
    VCH_ENCLAVE_QAE = 4    /* never a quoting enclave */
} vch_enclave_id;

typedef struct vch_qe_identity {
    vouch_span signed_bytes; /* the exact bytes of the member enclaveIdentity */
    uint8_t signature[64];
    vch_enclave_id id;
    int64_t issued_unix_s;
    int64_t next_update_unix_s; /* inclusive */
    uint32_t evaluation_number;
    uint32_t misc_select;
    uint32_t misc_select_mask;
    uint8_t attributes[16]; /* flags and XFRM as they stand in a report */
    uint8_t attributes_mask[16];
    uint8_t mrsigner[32];
    uint16_t isv_prod_id;
    vch_svn_levels levels; /* best first; at least one */
    vch_advisories advisories;
} vch_qe_identity;

/*
 * Read `{"enclaveIdentity":{...},"signature":"..."}`. The signature is not verified here.
 * Fails with VOUCH_E_FORMAT, _LIMIT, _UNSUPPORTED (version), _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_qe_identity_parse(vouch_span document, vch_qe_identity *out,
                                                  vouch_error *err);
void vch_qe_identity_drop(vch_qe_identity *identity); /* safe twice and on a zeroed one */

#endif
