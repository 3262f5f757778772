/* A quote is refused with a reason and untouched outputs, or every part of it lies inside the input. */
#include "evidence/quote.h"

static void inside(vouch_span part, const uint8_t *data, size_t size)
{
    if (part.size > 0
        && (part.data < data || part.size > size || (size_t)(part.data - data) > size - part.size))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_quote q = { 0 };
    vouch_claims claims = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_quote_parse((vouch_span) { data, size }, &q, &claims, &err);
    if (rc != VOUCH_OK) {
        if (q.header.version != 0 || claims.tee != VOUCH_TEE_NONE || err.depth == 0)
            __builtin_trap();
        return 0;
    }
    inside(q.signed_bytes, data, size);
    inside(q.sig.qe_report, data, size);
    inside(q.sig.qe_auth, data, size);
    inside(q.sig.cert_data, data, size);
    inside(q.sig.platform, data, size);
    if (q.header.version < 3 || q.header.version > 5 || claims.tcb_status != VOUCH_TCB_NONE
        || q.signed_bytes.size + 4 + 64 + q.sig.platform.size + q.padding_size != size)
        __builtin_trap(); /* a byte that belongs to no part */
    return 0;
}
