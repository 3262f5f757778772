/* Compact JWS: any text is split into the three parts or refused with a reason, and never both. */
#include "crypto/jws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_jws jws = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_jws_parse((vouch_span) { data, size }, &jws, &err);
    if (rc != VOUCH_OK
        && (jws.alg != VCH_JWS_ALG_NONE || jws.payload.data != NULL || err.depth == 0))
        __builtin_trap();
    if (rc == VOUCH_OK
        && (vch_jws_alg_name(jws.alg) == NULL || jws.signature.size == 0
            || jws.signed_text.size >= size))
        __builtin_trap();
    vch_jws_drop(&jws);
    return 0;
}
