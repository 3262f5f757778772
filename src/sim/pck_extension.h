/* The SGX extension of a PCK certificate (dcap_quote_verification.md section 2). Pure. */
#ifndef VCH_SIM_PCK_EXTENSION_H
#define VCH_SIM_PCK_EXTENSION_H

#include "base/buffer.h"
#include "sim/platform.h"
#include "vouch/error.h"

/* The DER of the extension's value, appended: the seven pairs of a Platform CA's certificate. */
VOUCH_MUST_CHECK vouch_code vch_sim_pck_extension(const vch_sim_platform *platform, vch_buffer *out,
                                                  vouch_error *err);

#endif
