/* The TD report: body of a TDX quote (spec section 1.2). */
#ifndef VCH_EVIDENCE_TD_REPORT_H
#define VCH_EVIDENCE_TD_REPORT_H

#include "evidence/sgx_report.h"
#include "vouch/evidence.h"
#include "vouch/span.h"

/* Body types of quote v5. */
#define VCH_BODY_SGX 1
#define VCH_BODY_TD_10 2
#define VCH_BODY_TD_15 3
#define VCH_BODY_TD_15_EXTENDED 4

#define VCH_TD_REPORT_10_SIZE ((size_t)584)
#define VCH_TD_REPORT_15_SIZE ((size_t)648)
#define VCH_TD_REPORT_15_EXTENDED_SIZE ((size_t)885)

/* Bytes of a body of this type; 0 for an unknown one. */
size_t vch_body_size(uint16_t body_type);

/* `body_type` is one of the three TD reports and decides the size of `in`. */
VOUCH_MUST_CHECK vouch_code vch_td_report_parse(vouch_span in, uint16_t body_type,
                                                vouch_tdx_claims *out,
                                                uint8_t report_data[static VCH_REPORT_DATA_SIZE],
                                                vouch_error *err);

#endif
