/*
 * TCB info: which security versions of a platform are how good (spec section 3), versions 2 and 3.
 * Immutable once parsed: share freely. Spans are borrowed from the document.
 */
#ifndef VCH_COLLATERAL_TCB_INFO_H
#define VCH_COLLATERAL_TCB_INFO_H

#include <stddef.h>
#include <stdint.h>

#include "collateral/levels.h"
#include "vouch/evidence.h"
#include "vouch/span.h"

typedef struct vch_tcb_level {
    uint8_t sgx[16];
    uint16_t pce_svn;
    uint8_t tdx[16]; /* zero for SGX */
    vch_level_facts facts;
} vch_tcb_level;

typedef struct vch_tdx_module {
    vouch_span id; /* "TDX_03"; empty for the module of version 0 */
    uint8_t mrsigner[48];
    uint8_t attributes[8];
    size_t first_level; /* of vch_tcb_info.module_levels */
    size_t level_count; /* 0 for the module of version 0: TCB levels judge it */
} vch_tdx_module;

typedef struct vch_tcb_info {
    vouch_span signed_bytes; /* the exact bytes of the member tcbInfo */
    uint8_t signature[64];
    vouch_tee tee;
    uint64_t version;
    int64_t issued_unix_s;
    int64_t next_update_unix_s; /* inclusive */
    uint8_t fmspc[6];
    uint8_t pceid[2];
    uint32_t evaluation_number;
    vch_tcb_level *levels; /* best first, none twice; at least one */
    size_t level_count;
    vch_tdx_module module_0; /* TDX */
    vch_tdx_module *modules; /* TDX, version above 0 */
    size_t module_count;
    vch_svn_levels module_levels; /* of all modules, each best first */
    vch_advisories advisories;    /* of all levels */
} vch_tcb_info;

/*
 * Read `{"tcbInfo":{...},"signature":"..."}`. The signature is not verified here.
 * Fails with VOUCH_E_FORMAT, _LIMIT, _UNSUPPORTED (version, tcbType, status), _MEMORY.
 */
VOUCH_MUST_CHECK vouch_code vch_tcb_info_parse(vouch_span document, vch_tcb_info *out,
                                               vouch_error *err);
void vch_tcb_info_drop(vch_tcb_info *info); /* safe twice and on a zeroed one */

/* The identity of TDX module version `version` above 0; NULL if there is none. */
const vch_tdx_module *vch_tcb_info_module(const vch_tcb_info *info, uint8_t version);

#endif
