/*
 * The collateral of a simulated vendor, as Intel's service would deliver it: TCB info v3 and QE
 * identity v2 with their signing chain, PCK CRL and root CRL. Pure: any thread.
 */
#ifndef VCH_SIM_COLLATERAL_MAKE_H
#define VCH_SIM_COLLATERAL_MAKE_H

#include <stdint.h>

#include "sim/vendor.h"
#include "vouch/error.h"
#include "vouch/evidence.h"

#define VCH_SIM_EVALUATION_NUMBER 19

/* The quoting enclaves that the identity speaks of; quote_make.c is their other side. */
#define VCH_SIM_QE_ISV_SVN 8
#define VCH_SIM_QE_PROD_ID_SGX 1
#define VCH_SIM_QE_PROD_ID_TDX 2
#define VCH_SIM_QE_ATTRIBUTE_FLAGS UINT64_C(0x15) /* INIT, MODE64BIT, PROVISIONKEY */
extern const uint8_t vch_sim_qe_mrsigner[32];

#define VCH_SIM_TDX_COMPONENTS                                                                     \
    {                                                                                              \
        5, 0, 4                                                                                    \
    }                                /* TEE_TCB_SVN of every level; the rest is zero */
#define VCH_SIM_TDX_MODULE_VERSION 1 /* TEE_TCB_SVN[1] of the platform: module TDX_01 */

typedef struct vch_sim_dates {
    int64_t issue_unix_s;
    int64_t next_update_unix_s; /* of all but the root CRL */
    int64_t root_crl_next_unix_s;
} vch_sim_dates;

/* Write the six files of a collateral directory (CLI.md) for one TEE. The directory is made. */
VOUCH_MUST_CHECK vouch_code vch_sim_collateral_write(const vch_sim_vendor *vendor, vouch_tee tee,
                                                     const vch_sim_dates *dates, const char *dir,
                                                     vouch_error *err);

#endif
