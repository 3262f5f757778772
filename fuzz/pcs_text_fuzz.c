/* What a collateral service sends: an issuer chain header, a list, a wait. */
#include <stdint.h>

#include "net/pcs_text.h"

static void check(vouch_code rc, vch_buffer *out, const vouch_error *err)
{
    if (rc != VOUCH_OK && (out->data != NULL || err->depth == 0))
        __builtin_trap(); /* failed, yet wrote its output or gave no reason */
    if (rc == VOUCH_OK && out->size == 0)
        __builtin_trap();
    vch_buffer_drop(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const vouch_span in = { data, size };
    vouch_error err = { 0 };
    vch_buffer out = { 0 };
    check(vch_pcs_chain_decode(in, &out, &err), &out, &err);
    err = (vouch_error) { 0 };
    out = (vch_buffer) { 0 };
    check(vch_pcs_crl_decode(in, &out, &err), &out, &err);
    int64_t wait_s = vch_pcs_retry_after_s(in);
    if (wait_s < -1 || wait_s > VCH_PCS_RETRY_MAX_S)
        __builtin_trap();
    return 0;
}
