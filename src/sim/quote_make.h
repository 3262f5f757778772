/*
 * Quotes of a simulated platform, in Intel's format and fully signed: SGX quote v3 with an enclave
 * report, TDX quote v4 with a TD report 1.0 or v5 with a TD report 1.5. Any thread.
 */
#ifndef VCH_SIM_QUOTE_MAKE_H
#define VCH_SIM_QUOTE_MAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "sim/measure.h"
#include "sim/platform.h"
#include "vouch/error.h"

#define VCH_SIM_QUOTE_MAX_SIZE ((size_t)16 << 10)
#define VCH_SIM_ISV_PROD_ID 1
#define VCH_SIM_ISV_SVN 1
extern const uint8_t vch_sim_mrsigner[32]; /* SHA-256("vouch-sim enclave signer") */

typedef struct vch_sim_quote_options {
    vch_sim_measurement measurement; /* MRENCLAVE or MRTD, as the platform's TEE asks */
    bool debug;
    bool td_report_1_5; /* TDX only: quote v5 with a TD report 1.5 */
    uint8_t report_data[64];
} vch_sim_quote_options;

/* The quote is appended to `out`. */
VOUCH_MUST_CHECK vouch_code vch_sim_quote_make(const vch_sim_platform *platform,
                                               const vch_sim_quote_options *options,
                                               vch_buffer *out, vouch_error *err);

#endif
