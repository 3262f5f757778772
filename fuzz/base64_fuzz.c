/* Base64: what is decoded encodes to the same text again. */
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "codec/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vouch_span text = { data, size };
    vouch_error err = { 0 };
    vch_buffer out = vch_buffer_with_cap((size_t)1 << 20);
    vch_buffer again = vch_buffer_with_cap((size_t)1 << 21);
    vouch_code rc = vch_base64_decode(text, VCH_BASE64_STANDARD | VCH_BASE64_PADDED, &out, &err);
    if (rc == VOUCH_OK) {
        vch_base64_encode(vch_buffer_span(&out), &again);
        if (!vch_span_equal(vch_buffer_span(&again), text))
            __builtin_trap();
    } else if (out.size != 0 || err.depth == 0) {
        __builtin_trap(); /* failed, yet wrote its output or gave no reason */
    }
    vch_buffer_drop(&out);
    vch_buffer_drop(&again);
    rc = vch_base64_decode(text, VCH_BASE64_URL | VCH_BASE64_UNPADDED, &out, NULL);
    if (rc == VOUCH_OK) {
        vch_base64url_encode(vch_buffer_span(&out), &again);
        if (!vch_span_equal(vch_buffer_span(&again), text))
            __builtin_trap();
    }
    vch_buffer_drop(&out);
    vch_buffer_drop(&again);
    return 0;
}
