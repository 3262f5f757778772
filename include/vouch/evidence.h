/*
 * What a quote says about the software and the platform that made it: the claims. Reading them
 * proves nothing; vouch_verifier_appraise (verifier.h) does. Values only, no ownership: copy freely.
 */
#ifndef VOUCH_EVIDENCE_H
#define VOUCH_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vouch/attributes.h"
#include "vouch/error.h"
#include "vouch/span.h"

VOUCH_BEGIN_DECLS

#define VOUCH_QUOTE_MAX_SIZE ((size_t)128 << 10) /* bytes; genuine quotes are about 5 KiB */

typedef enum vouch_tee { VOUCH_TEE_NONE = 0, VOUCH_TEE_SGX = 1, VOUCH_TEE_TDX = 2 } vouch_tee;

typedef enum vouch_flag {
    VOUCH_FLAG_UNKNOWN = 0,
    VOUCH_FLAG_NO = 1,
    VOUCH_FLAG_YES = 2
} vouch_flag;

/* 0 means that no status was established. */
typedef enum vouch_tcb_status {
    VOUCH_TCB_NONE = 0,
    VOUCH_TCB_UP_TO_DATE = 1,
    VOUCH_TCB_SW_HARDENING_NEEDED = 2,
    VOUCH_TCB_CONFIGURATION_NEEDED = 3,
    VOUCH_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED = 4,
    VOUCH_TCB_OUT_OF_DATE = 5,
    VOUCH_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED = 6,
    VOUCH_TCB_TD_RELAUNCH_ADVISED = 7,
    VOUCH_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED = 8,
    VOUCH_TCB_REVOKED = 9
} vouch_tcb_status;

#define VOUCH_SGX_ATTRIBUTE_INIT UINT64_C(0x01)
#define VOUCH_SGX_ATTRIBUTE_DEBUG UINT64_C(0x02)
#define VOUCH_SGX_ATTRIBUTE_PROVISION_KEY UINT64_C(0x10)
#define VOUCH_SGX_ATTRIBUTE_EINIT_TOKEN_KEY UINT64_C(0x20)

/* SGX enclave report. */
typedef struct vouch_sgx_claims {
    uint8_t cpu_svn[16];
    uint32_t misc_select;
    uint64_t attribute_flags;
    uint64_t xfrm;
    uint8_t mrenclave[32];
    uint8_t mrsigner[32];
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint8_t config_id[64];
    uint16_t config_svn;
    uint8_t isv_ext_prod_id[16];
    uint8_t isv_family_id[16];
} vouch_sgx_claims;

#define VOUCH_TD_ATTRIBUTE_TUD_MASK UINT64_C(0xff) /* any bit: the TD is under debug */
#define VOUCH_TD_ATTRIBUTE_SEPT_VE_DISABLE (UINT64_C(1) << 28)
#define VOUCH_TD_ATTRIBUTE_MIGRATABLE (UINT64_C(1) << 29) /* TD report 1.5 on; reserved in 1.0 */
#define VOUCH_TD_ATTRIBUTE_PKS (UINT64_C(1) << 30)
#define VOUCH_TD_ATTRIBUTE_KL (UINT64_C(1) << 31)
#define VOUCH_TD_ATTRIBUTE_PERFMON (UINT64_C(1) << 63)

/* TD report; body_type as in quote v5: 2 is TD report 1.0, 3 is 1.5, 4 is 1.5 extended. */
typedef struct vouch_tdx_claims {
    uint16_t body_type;
    uint8_t tee_tcb_svn[16];
    uint8_t mrseam[48];
    uint8_t mrsigner_seam[48];
    uint8_t seam_attributes[8];
    uint64_t td_attributes;
    uint64_t xfam;
    uint8_t mrtd[48];
    uint8_t mrconfigid[48];
    uint8_t mrowner[48];
    uint8_t mrownerconfig[48];
    uint8_t rtmr[4][48];
    uint8_t tee_tcb_svn_2[16]; /* body types 3 and 4; zero in others */
    uint8_t mrservicetd[48];   /* body types 3 and 4; zero in others */
    uint8_t extended[237];     /* body type 4: bytes 648 to 884 as they are; zero in others */
} vouch_tdx_claims;

typedef struct vouch_claims {
    /* What the quote says. */
    vouch_tee tee;          /* decides which of the two below is filled */
    uint16_t quote_version; /* 3, 4 or 5 */
    bool debug;             /* SGX DEBUG, or any bit of the TD's TUD group */
    vouch_sgx_claims sgx;
    vouch_tdx_claims tdx;
    uint8_t report_data[64];
    uint8_t qe_user_data[20]; /* the first 16 bytes are the QE id */
    size_t padding_size;      /* zero bytes after the signature section */

    /* What the PCK certificate says; valid if has_platform. */
    bool has_platform;
    uint8_t ppid[16];
    uint8_t fmspc[6];
    uint8_t pceid[2]; /* as in the certificate */
    uint8_t pck_svn[16];
    uint16_t pce_svn;
    bool has_piid; /* platform CA only */
    uint8_t piid[16];
    vouch_flag smt_enabled;
    vouch_flag dynamic_platform;
    vouch_flag cached_keys;

    /* What the appraisal established. Zero until then. */
    bool simulated;          /* the chain ends in a root other than Intel's */
    uint8_t root_sha256[32]; /* of the root certificate's DER */
    vouch_tcb_status tcb_status;
    vouch_tcb_status current_tcb_status; /* TDX 1.5: of TEE_TCB_SVN_2; otherwise as tcb_status */
    int64_t tcb_date_unix_s;             /* the oldest of the levels that contribute */
    uint32_t evaluation_number;          /* the lower of the next two */
    uint32_t tcb_info_evaluation_number;
    uint32_t qe_identity_evaluation_number;
    const char *const *advisory_ids; /* sorted, no duplicates; owned by the appraisal */
    size_t advisory_count;
    const char *const *current_advisory_ids; /* TDX 1.5: of TEE_TCB_SVN_2; otherwise the same */
    size_t current_advisory_count;
    int64_t earliest_issue_unix_s; /* over all collateral */
    int64_t earliest_expiry_unix_s;
} vouch_claims;

/*
 * Read what a quote says, without proving any of it.
 *
 * quote  Raw bytes, at most VOUCH_QUOTE_MAX_SIZE. Borrowed.
 * out    Set on VOUCH_OK, untouched otherwise.
 *
 * Fails with VOUCH_E_TRUNCATED, _FORMAT, _UNSUPPORTED, _LIMIT.
 */
VOUCH_API VOUCH_MUST_CHECK vouch_code vouch_quote_read(vouch_span quote, vouch_claims *out,
                                                       vouch_error *err);

/* "UpToDate" and so on, as Intel spells them; "" for VOUCH_TCB_NONE. */
VOUCH_API const char *vouch_tcb_status_name(vouch_tcb_status status);

/* "sgx", "tdx" or "". */
VOUCH_API const char *vouch_tee_name(vouch_tee tee);

VOUCH_END_DECLS

#endif
