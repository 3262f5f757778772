/* Claims: what is accepted is written back as the same bytes, so there is one form for each. */
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "identity/claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const vouch_span in = { data, size };
    vch_claims claims = { 0 };
    vouch_error err = { 0 };
    vch_buffer again = vch_buffer_with_cap(VCH_CLAIMS_MAX_SIZE);
    if (vch_claims_parse(in, &claims, &err) != VOUCH_OK) {
        if (claims.name[0] != 0 || err.depth == 0)
            __builtin_trap();
    } else if (claims.exp_unix_s >= claims.nbf_unix_s) {
        if (vch_claims_build(&claims, &again, &err) != VOUCH_OK
            || !vch_span_equal(vch_buffer_span(&again), in))
            __builtin_trap();
    }
    vch_buffer_drop(&again);
    return 0;
}
