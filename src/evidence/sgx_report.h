/* The SGX enclave report: body of an SGX quote, and of every quoting enclave (spec section 1.2). */
#ifndef VCH_EVIDENCE_SGX_REPORT_H
#define VCH_EVIDENCE_SGX_REPORT_H

#include "vouch/evidence.h"
#include "vouch/span.h"

#define VCH_SGX_REPORT_SIZE ((size_t)384)
#define VCH_REPORT_DATA_SIZE 64

/* Reserved areas are signed, and KSS gives them meaning from processor to processor: not judged. */
VOUCH_MUST_CHECK vouch_code vch_sgx_report_parse(vouch_span in, vouch_sgx_claims *out,
                                                 uint8_t report_data[static VCH_REPORT_DATA_SIZE],
                                                 vouch_error *err);

#endif
