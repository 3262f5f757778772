/* Bodies of POST attest on both paths: read within their limits, or refused with a reason. */
#include "svc/attest_request.h"

static void read_body(vouch_span body, bool on_v2)
{
    vch_attest_request request = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_attest_request_parse(body, on_v2, &request, &err);
    if (rc != VOUCH_OK && err.depth == 0)
        __builtin_trap();
    if (rc == VOUCH_OK
        && (request.alg == VCH_JWS_ALG_NONE || (request.composite && !on_v2)
            || request.composite != (request.tee != VOUCH_TEE_NONE)
            || request.quote.size > VOUCH_QUOTE_MAX_SIZE
            || request.held_data.size > VCH_ATTEST_DATA_MAX_SIZE))
        __builtin_trap();
    vch_attest_request_drop(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_body((vouch_span) { data, size }, false);
    read_body((vouch_span) { data, size }, true);
    return 0;
}
