/* A model file: what is read is written and read again, the same. */
#include <stdint.h>

#include "base/bytes.h"
#include "fed/wire/model_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vch_model m = { 0 };
    vouch_error err = { 0 };
    vouch_code rc = vch_model_parse((vouch_span) { data, size }, vch_pipeline_plain(), &m, &err);
    if (rc != VOUCH_OK) {
        if (m.count != 0 || err.depth == 0)
            __builtin_trap(); /* failed, yet wrote its output or gave no reason */
        return 0;
    }
    vch_model again = { 0 };
    vch_buffer out = vch_buffer_with_cap((size_t)1 << 26);
    if (vch_model_write(&m, vch_pipeline_plain(), &out, NULL) != VOUCH_OK
        || vch_model_parse(vch_buffer_span(&out), vch_pipeline_plain(), &again, NULL) != VOUCH_OK
        || vch_model_check_alike(&m, &again, NULL) != VOUCH_OK || m.round != again.round)
        __builtin_trap();
    for (size_t i = 0; i < m.count; i++) {
        if (!vch_span_equal(vch_tensor_bytes(&m.tensor[i]), vch_tensor_bytes(&again.tensor[i])))
            __builtin_trap();
    }
    vch_buffer_drop(&out);
    vch_model_done(&again);
    vch_model_done(&m);
    return 0;
}
