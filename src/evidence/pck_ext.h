/*
 * What a PCK certificate says about its platform: extension 1.2.840.113741.1.13.1 (spec section 2).
 * Values; share freely.
 */
#ifndef VCH_EVIDENCE_PCK_EXT_H
#define VCH_EVIDENCE_PCK_EXT_H

#include <stdbool.h>
#include <stdint.h>

#include "vouch/evidence.h"
#include "vouch/span.h"

typedef enum vch_pck_ca { VCH_PCK_CA_PROCESSOR = 1, VCH_PCK_CA_PLATFORM = 2 } vch_pck_ca;

typedef struct vch_pck_ext {
    uint8_t ppid[16];
    uint8_t svn[16]; /* the components that TCB levels are compared with */
    uint16_t pce_svn;
    uint8_t cpu_svn[16]; /* raw; not used for matching */
    uint8_t pceid[2];
    uint8_t fmspc[6];
    bool has_piid; /* the rest: platform CA only */
    uint8_t piid[16];
    vouch_flag dynamic_platform;
    vouch_flag cached_keys;
    vouch_flag smt_enabled;
} vch_pck_ext;

/*
 * Read the extension's value. A certificate of the processor CA has exactly five elements, one of
 * the platform CA seven; none twice, none unknown, in any order.
 * Fails with VOUCH_E_TRUNCATED, _FORMAT.
 */
VOUCH_MUST_CHECK vouch_code vch_pck_ext_parse(vouch_span value, vch_pck_ca ca, vch_pck_ext *out,
                                              vouch_error *err);

#endif
